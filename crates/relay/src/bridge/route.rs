//! Which way a message of the host takes.

use std::sync::Arc;

use super::{
    answer::NoReply,
    call::{Call, Outcome, Speech},
    link::Link,
    session::session_id,
};
use crate::envelope::{Id, Reply};

/// Sends a request and writes its one answer, whatever happens.
pub(super) async fn ask(call: Call, id: Id, link: Arc<Link>) {
    let outcome = as_it_is(&call, &id, &link).await;
    link.conclude(&id, outcome.map(|outcome| outcome.reply)).await;
}

/// Sends a notification, or an answer of the host. Nothing comes back of it.
pub(super) async fn tell(call: Call, link: Arc<Link>) {
    if call.tell(&link).await && call.speech == Speech::Initialized {
        link.session.confirmed(&call.body);
        link.listen();
    }
}

async fn as_it_is(call: &Call, id: &Id, link: &Arc<Link>) -> Result<Outcome, NoReply> {
    let outcome = call.ask(id, link).await?;
    if let (Speech::Initialize, Reply::Result(result)) = (&call.speech, &outcome.reply) {
        link.session.began(&call.body, session_id(&outcome.headers), result);
    }
    Ok(outcome)
}
