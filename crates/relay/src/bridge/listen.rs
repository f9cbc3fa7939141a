//! The stream of the older era for what the server has to say unasked.
//!
//! Source: MCP 2025-11-25 transports, "Listening for Messages from the Server".

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header::ACCEPT};

use super::{
    headers,
    incoming::Incoming,
    link::Link,
    resume::LAST_EVENT,
    wire::{NoAnswer, Outgoing},
};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Listens, and asks again whenever the stream ends, until the server says that there is no such stream.
pub(super) async fn run(link: Arc<Link>) {
    let mut last_event = None;
    let mut pause = FIRST_PAUSE;
    loop {
        let mut headers = HeaderMap::from_iter([(ACCEPT, headers::EVENTS)]);
        if link.session.mark(&mut headers).is_none() {
            return;
        }
        if let Some(id) = last_event.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
            headers.insert(LAST_EVENT, id);
        }
        match link.send_unasked(&Outgoing { method: Method::GET, headers, body: Bytes::new() }).await {
            Ok(answer) if answer.status() == StatusCode::OK => {
                let incoming = Incoming::new(answer, &link.settings);
                let mut incoming = incoming.silent_for(Some(link.settings.listen_silence));
                if !incoming.has_messages() {
                    return;
                }
                while let Ok(Some((message, text))) = incoming.next().await {
                    pause = FIRST_PAUSE;
                    link.unasked(message, text).await;
                }
                let (id, retry) = incoming.resume();
                last_event = id.or(last_event);
                pause = retry.unwrap_or(pause).clamp(Duration::from_millis(100), LONGEST_PAUSE);
            }
            Ok(answer) if answer.status().is_server_error() => {}
            Ok(_) | Err(NoAnswer::NotAuthorized(_)) => return,
            Err(NoAnswer::Fetch(_)) => {}
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
