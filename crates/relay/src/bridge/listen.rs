//! The stream of the older era for what the server has to say unasked.
//!
//! Source: MCP 2025-11-25 transports, "Listening for Messages from the Server".

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::ACCEPT};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::{
    answer::Answer,
    exchange::comes_later,
    forgotten::is_forgotten,
    headers,
    incoming::{Broken, Incoming},
    link::Link,
    resume::{LAST_EVENT, SHORTEST_PAUSE},
    session::Which,
    wire::Outgoing,
};
use crate::{
    envelope::{self, Members},
    era::Era,
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long a server may take to answer a ping.
const PONG: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often another session is tried to be begun while the host says nothing: for some ten minutes.
const MOST_BEGINNINGS: u32 = 15;
/// How often it is looked whether there is another login.
const LOOK: Duration = Duration::from_secs(5);

/// Listens, and asks again whenever the stream ends, until the server says that there is no such stream.
/// `opening` is let go when the first one is open, or is not to be had.
pub(super) async fn run(link: Arc<Link>, opening: DropGuard) {
    let mut opening = Some(opening);
    let mut last_event = None;
    let mut pause = FIRST_PAUSE;
    let mut was_there = false;
    loop {
        let mut headers = HeaderMap::from_iter([(ACCEPT, headers::EVENTS)]);
        let Some(session) = link.session.mark(&mut headers) else { return };
        if let Some(id) = last_event.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT, id);
        }
        let asked = link.send_unasked(&Outgoing { method: Method::GET, headers, body: Bytes::new() }).await;
        drop(opening.take());
        match asked {
            Ok(answer) if answer.status() == StatusCode::OK => {
                let incoming = Incoming::new(answer, &link.settings);
                let mut incoming = incoming.silent_for(Some(link.settings.listen_silence)).after(last_event.take());
                if !incoming.has_messages() {
                    return;
                }
                was_there = true;
                let ended = loop {
                    match incoming.next().await {
                        Ok(Some((message, text))) => {
                            pause = FIRST_PAUSE;
                            link.unasked(session, message, text).await;
                        }
                        ended => break ended,
                    }
                };
                if matches!(ended, Err(Broken::Silent(_))) && !lives(&link).await {
                    link.is_dead();
                }
                let (id, retry) = incoming.resume();
                last_event = id;
                pause = retry.unwrap_or(pause).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
            }
            Ok(answer) if comes_later(answer.status()) => {}
            Ok(answer) => {
                if was_there && is_forgotten(answer, Instant::now() + PONG).await.1 {
                    // In a task of its own: a new session ends this one's listener.
                    let wait = link.session.wait_for_next(Instant::now());
                    tokio::spawn(begin_anew(Arc::downgrade(&link), session, wait));
                }
                return;
            }
            Err(no_answer) if no_answer.may_pass() => {}
            Err(_) => link.another_login().await,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Begins another session in place of a forgotten one after this wait, and tries again while the server is not there. The
/// host may have nothing to say meanwhile, and the server may.
async fn begin_anew(link: Weak<Link>, forgotten: Which, wait: Duration) {
    tokio::time::sleep(wait).await;
    let mut pause = FIRST_PAUSE;
    for _ in 0..MOST_BEGINNINGS {
        let Some(link) = link.upgrade().filter(|link| link.session.is(forgotten)) else { return };
        if link.renew(forgotten).await {
            return;
        }
        drop(link);
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

impl Link {
    /// Waits until there is another login than now: made or renewed by whoever needed one.
    pub(super) async fn another_login(&self) {
        let now = self.stored().await;
        loop {
            tokio::time::sleep(LOOK).await;
            let stored = self.stored().await;
            if stored.is_some() && stored != now {
                return;
            }
        }
    }
}

/// Whether the server answers a ping, and the answer comes.
///
/// Source: MCP 2025-11-25 basic utilities, "Ping".
async fn lives(link: &Arc<Link>) -> bool {
    let id = link.own_id();
    let mut headers = headers::of_post();
    link.session.mark(&mut headers);
    let body = envelope::request(&id.as_raw(), "ping", &Members::default()).into();
    let ping = Outgoing { method: Method::POST, headers, body };
    let answered = async {
        let answer = link.send_unasked(&ping).await.ok()?;
        Answer::begin(link, &id, answer, Era::Legacy).await.ok()?.reply().await.ok()
    };
    tokio::time::timeout(PONG, answered).await.is_ok_and(|reply| reply.is_some())
}
