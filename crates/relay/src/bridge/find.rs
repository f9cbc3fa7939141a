//! The bridge's own first words to a server whose era the host does not speak.

use std::sync::Arc;

use bytes::Bytes;
use doorward_types::Revision;

use super::{
    call::{Call, Outcome, Speech},
    eras::{code, modern_version, supported},
    link::Link,
    session::session_id,
};
use crate::{
    envelope::{Members, Message, Reply, Request, UNSUPPORTED_VERSION, raw},
    era::{self, Era, Identity, META_CAPABILITIES, META_CLIENT},
};

/// What a server of the newer era says of itself, if it is one.
///
/// Source: MCP 2026-07-28 server/discover.
pub(super) async fn modern(link: &Arc<Link>, meta: &Members) -> Option<Identity> {
    // A server that names the revision it was asked in among those that it serves has contradicted itself; it is
    // asked once more.
    for _ in 0..2 {
        let mut params = Members::default();
        params.set("_meta", meta.to_raw());
        match ask(link, Speech::Modern(Revision::LATEST.to_string()), "server/discover", params).await? {
            Outcome { reply: Reply::Result(result), .. } => {
                modern_version(&result)?;
                return Some(Identity { era: Era::Modern, said: Members::parse(result.get())? });
            }
            Outcome { reply: Reply::Error(error), .. } => {
                (code(&error) == UNSUPPORTED_VERSION && supported(&error).is_some()).then_some(())?;
            }
        }
    }
    None
}

/// Begins a session with a server of the older era, if it is one, on behalf of a host whose requests carry this
/// `_meta`.
///
/// Source: MCP 2025-11-25 lifecycle, "Initialization".
pub(super) async fn legacy(link: &Arc<Link>, meta: &Members) -> Option<Identity> {
    let mut params = era::initialize_params();
    if let Some(mut capabilities) = meta.object(META_CAPABILITIES) {
        // A task outlives the answer to the request that began it.
        capabilities.remove("tasks");
        params.set("capabilities", capabilities.to_raw());
    }
    if let Some(client) = meta.get(META_CLIENT) {
        params.set("clientInfo", client.to_owned());
    }
    let request = Request { id: link.own_id(), method: "initialize".to_owned(), params };
    let id = request.id.clone();
    let call = Call::new(Speech::Initialize, Message::Request(request));
    let Outcome { headers, reply: Reply::Result(result), .. } = call.ask(&id, link).await.ok()? else { return None };
    let said = Members::parse(result.get())?;
    let revision = Revision::parse(&said.text("protocolVersion")?)?;
    (!revision.is_stateless()).then_some(())?;
    link.session.began(&call.body, session_id(&headers), &result);
    let initialized =
        Message::Notification { method: "notifications/initialized".to_owned(), params: Members::default() };
    let initialized = Call::new(Speech::Initialized, initialized);
    initialized.tell(link).await.then_some(())?;
    confirmed(link, &initialized.body).await;
    Some(Identity { era: Era::Legacy, said })
}

/// Notes that a session was confirmed, and listens to what the server has to say in it. No call is made before: the
/// server may ask something during it.
pub(super) async fn confirmed(link: &Arc<Link>, initialized: &Bytes) {
    link.session.confirmed(initialized);
    link.listen().done().await;
}

/// Asks something in the bridge's own name.
pub(super) async fn ask(link: &Arc<Link>, speech: Speech, method: &str, params: Members) -> Option<Outcome> {
    let request = Request { id: link.own_id(), method: method.to_owned(), params };
    let id = request.id.clone();
    Call::new(speech, Message::Request(request)).ask(&id, link).await.ok()
}

/// What an object without members looks like.
pub(super) fn nothing() -> Reply {
    Reply::Result(raw(&Members::default().to_raw()))
}
