//! A host of the newer era that listens to changes of a server of the older one.
//!
//! Source: MCP 2026-07-28 subscriptions/listen; MCP 2025-11-25 resources, "Subscriptions".

use std::sync::Arc;

use super::{Kept, Translator, state::Guard};
use crate::{
    bridge::{answer::NoReply, call::Speech, find, link::Link},
    envelope::{self, INVALID_PARAMS, Members, Reply, Request, RpcError, raw},
    listen::{Change, Filter, acknowledged, tagged},
};

/// Dropped, it ends what was watched for one listener alone.
struct Listening {
    link: Arc<Link>,
    guard: Guard<super::Running>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let unwatched = self.guard.end();
        if unwatched.is_empty() {
            return;
        }
        let link = Arc::clone(&self.link);
        tokio::spawn(async move {
            for uri in unwatched {
                watch(&link, &uri, false).await;
            }
        });
    }
}

impl Translator<'_> {
    /// Tells the host of changes until it takes the request back.
    pub(super) async fn listen(&self, request: &Request) -> Result<Reply, NoReply> {
        let filter = request.params.get("notifications").and_then(|raw| Filter::parse(raw.get()));
        let none = || RpcError::new(INVALID_PARAMS, "subscriptions/listen needs params.notifications");
        let filter = filter.ok_or_else(none)?.granted_by(self.server);
        let kept: &Arc<Kept> = self.kept;
        let (guard, mut changes, new) = kept.listen(filter.clone());
        let _listening = Listening { link: Arc::clone(self.link), guard };
        for uri in new {
            watch(self.link, &uri, true).await;
        }
        let id = request.id.as_raw();
        let Change { method, params } = acknowledged(&filter, id);
        self.link.host.say(&envelope::notification(&method, &params)).await;
        while let Some(Change { method, params }) = changes.recv().await {
            self.link.host.say(&envelope::notification(&method, &tagged(params, Some(id)))).await;
        }
        Ok(find::nothing())
    }
}

/// Has the server tell of changes of a resource, or no longer.
pub(super) async fn watch(link: &Arc<Link>, uri: &str, on: bool) {
    let mut params = Members::default();
    params.set("uri", raw(&uri));
    let method = if on { "resources/subscribe" } else { "resources/unsubscribe" };
    match find::ask(link, Speech::Legacy, method, params).await.map(|outcome| outcome.reply) {
        Some(Reply::Result(_)) => {}
        Some(Reply::Error(_)) | None => tracing::warn!(%method, "the server refused to do what was asked"),
    }
}
