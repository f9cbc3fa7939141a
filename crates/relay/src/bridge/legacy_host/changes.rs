//! What a server of the newer era tells of changes, for a host of the older era.
//!
//! Source: MCP 2026-07-28 subscriptions/listen.

use std::{sync::Arc, time::Duration};

use doorward_types::Revision;
use tokio::{sync::oneshot, time::Instant};

use super::said::{Said, listen_params};
use crate::{
    bridge::{
        answer::{Answer, Heard},
        call::{Call, Speech},
        exchange::{comes_later, may_pass},
        link::Link,
    },
    envelope::{self, Message, Reply, Request},
    era::Identity,
    listen::{ACKNOWLEDGED, Filter, tagged},
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// From when on a stream is no longer one that ended at once.
const LASTED: Duration = Duration::from_secs(10);
/// How long the host's calls wait until it does.
const MOMENT: Duration = Duration::from_millis(500);
/// How long the server may take to say that it listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// Follows the changes that the host wants to hear of, in place of those that were followed before. Waits until the
/// server tells of them, but not long: what changes before is not heard.
pub(super) async fn follow(link: &Arc<Link>, said: &Arc<Said>, server: &Arc<Identity>) {
    let (link, said, server) = (Arc::clone(link), Arc::clone(said), Arc::clone(server));
    let following = tokio::spawn(async move { follow_now(&link, &said, &server).await });
    let _ = tokio::time::timeout(MOMENT, following).await;
}

/// The same; says whether the server tells of them now.
pub(super) async fn follow_now(link: &Arc<Link>, said: &Arc<Said>, server: &Identity) -> bool {
    // One at a time: the last one is the one that knows all that is watched.
    let _one = said.changing.lock().await;
    let filter = said.filter().granted_by(server);
    if filter == Filter::default() {
        said.follow(None);
        return true;
    }
    let (ready, acknowledged) = oneshot::channel();
    let follower = tokio::spawn(run(Arc::clone(link), Arc::clone(said), filter, Some(ready)));
    // The one before goes on until this one is there, so that nothing is missed in between.
    if tokio::time::timeout(PATIENCE, acknowledged).await.is_ok_and(|ready| ready.is_ok()) {
        said.follow(Some(follower.abort_handle()));
        return true;
    }
    follower.abort();
    false
}

/// Listens, and asks again whenever the stream ends, until the server refuses.
async fn run(link: Arc<Link>, said: Arc<Said>, filter: Filter, mut ready: Option<oneshot::Sender<()>>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let request = Request {
            id: link.own_id(),
            method: "subscriptions/listen".to_owned(),
            params: said.params(listen_params(&filter)),
        };
        let id = request.id.clone();
        let call = Call::new(Speech::Modern(Revision::LATEST.to_string()), Message::Request(request));
        match call.answer_unasked(&id, &link).await {
            Ok(answer) => {
                let begun = Instant::now();
                if !listen(&link, &filter, answer, &mut ready).await {
                    return;
                }
                // With each stream the host is told that all may have changed, and asks for all of it.
                if begun.elapsed() > LASTED {
                    pause = FIRST_PAUSE;
                }
            }
            Err(no_reply) => match (no_reply.not_let_in, no_reply.status) {
                (Some(_), _) if ready.is_some() => return,
                (Some(failed), _) if !may_pass(&failed) => link.another_login().await,
                (_, Some(status)) if !comes_later(status) => return,
                _ => {}
            },
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Tells the host what one stream says; `false` when the server refused.
async fn listen(link: &Link, filter: &Filter, answer: Answer, ready: &mut Option<oneshot::Sender<()>>) -> bool {
    let mut answer = answer.silent_for(link.settings.listen_silence);
    loop {
        match answer.next().await {
            Ok(Heard::Other(Message::Notification { method, .. }, _)) if method == ACKNOWLEDGED => {
                match ready.take() {
                    Some(ready) => {
                        let _ = ready.send(());
                    }
                    // What changed while nobody listened is not known.
                    None => link.tell_all(filter).await,
                }
            }
            Ok(Heard::Other(Message::Notification { method, params }, _)) => {
                link.host.say(&envelope::notification(&method, &tagged(params, None))).await;
            }
            Ok(Heard::Other(..)) => tracing::warn!("a server of this revision asks nothing; dropped"),
            Ok(Heard::Reply(Reply::Error(_))) => return false,
            // It ends, or is cut off.
            Ok(Heard::Reply(Reply::Result(_))) | Err(_) => return true,
        }
    }
}
