//! How a stream that broke goes on: with a GET that names the last event.
//!
//! Source: MCP 2025-11-25 transports, "Resumability and Redelivery".

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header::ACCEPT};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};

use super::{
    exchange::{Body, Outgoing, comes_later},
    headers,
    incoming::Resumption,
    link::Link,
    session::Which,
};
use crate::envelope::{Id, Message};

pub(super) const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// However soon the server wants to be asked again.
pub(super) const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// A request whose stream can go on after a break.
pub(super) struct Resume {
    link: Arc<Link>,
    id: Id,
    /// The session that the request is in: another one knows nothing of its stream.
    session: Option<Which>,
    answers: UnboundedReceiver<(Message, String)>,
    /// When the stream broke, if nothing has come since.
    broken: Option<Instant>,
    pause: Duration,
}

impl Resume {
    pub(super) fn new(link: &Arc<Link>, id: &Id, session: Option<Which>) -> Self {
        let answers = link.elsewhere.wait_for(id);
        Self { link: Arc::clone(link), id: id.clone(), session, answers, broken: None, pause: FIRST_PAUSE }
    }
}

#[async_trait]
impl Resumption for Resume {
    async fn elsewhere(&mut self) -> (Message, String) {
        match self.answers.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }

    fn gained(&mut self) {
        (self.broken, self.pause) = (None, FIRST_PAUSE);
    }

    async fn again(&mut self, last: Option<&str>, retry: Option<Duration>) -> Option<Response<Body>> {
        let last = HeaderValue::from_str(last?).ok()?;
        let end = *self.broken.get_or_insert_with(Instant::now) + self.link.settings.resume_for;
        loop {
            let pause;
            (pause, self.pause) = pauses(retry, self.pause);
            if Instant::now() + pause > end {
                return None;
            }
            let over = async {
                match self.session {
                    Some(session) => self.link.session.is_over(session).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = over => return None,
            }
            let mut headers = HeaderMap::from_iter([(ACCEPT, headers::EVENTS), (LAST_EVENT, last.clone())]);
            if self.link.session.mark(&mut headers) != self.session {
                return None;
            }
            let outgoing = Outgoing { method: Method::GET, headers, body: Bytes::new() };
            let asked = tokio::time::timeout_at(end, self.link.send_unasked(&outgoing)).await;
            match asked {
                Ok(Ok(answer)) if answer.status() == StatusCode::OK => {
                    let is_stream = headers::is_stream(answer.headers());
                    return is_stream.then_some(answer);
                }
                Ok(Ok(answer)) if comes_later(answer.status()) => {}
                Ok(Err(no_answer)) if no_answer.may_pass() => {}
                Ok(Ok(_) | Err(_)) | Err(_) => return None,
            }
        }
    }
}

impl Drop for Resume {
    fn drop(&mut self) {
        // An id that the host uses again has another request's entry.
        self.answers.close();
        self.link.elsewhere.forget_closed(&self.id);
    }
}

/// How long to wait before the next request, and what the one after it begins with: what the server says at first, and longer
/// each time whatever it says.
fn pauses(said: Option<Duration>, own: Duration) -> (Duration, Duration) {
    let pause = said.unwrap_or(own).max(own.saturating_sub(FIRST_PAUSE));
    (pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE), (own * 2).min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_away_is_asked_more_and_more_rarely_and_never_at_once() {
        // proves: FCL-10
        for (said, waited) in [
            (None, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]),
            (Some(0), [100, 1000, 3000, 7000, 15_000, 29_000, 29_000]),
            (Some(5000), [5000, 5000, 5000, 7000, 15_000, 29_000, 29_000]),
            (Some(3_600_000), [30_000; 7]),
        ] {
            let mut own = FIRST_PAUSE;
            for millis in waited {
                let pause;
                (pause, own) = pauses(said.map(Duration::from_millis), own);
                assert_eq!(pause, Duration::from_millis(millis), "{said:?}");
            }
        }
    }
}
