//! The list of tools, asked for by the bridge itself.

use http::{Method, StatusCode};

use super::{headers, incoming::Incoming, link::Link, wire::Outgoing};
use crate::envelope::{self, Members, Message, Reply, raw};

/// The most pages that a list of tools may have.
const MOST_PAGES: usize = 100;

impl Link {
    /// Asks for the list of tools on behalf of a call that the server refused for want of headers, in the call's own
    /// `_meta`. All of it takes no longer than one answer may: the call waits.
    pub(super) async fn list_tools(&self, version: &str, call: &Members) {
        let _ = tokio::time::timeout(self.settings.answer_timeout, self.list_all_tools(version, call)).await;
    }

    async fn list_all_tools(&self, version: &str, call: &Members) {
        let mut params = Members::default();
        if let Some(meta) = call.get("_meta") {
            params.set("_meta", meta.to_owned());
        }
        for page in 0..MOST_PAGES {
            let text = envelope::request(&format_args!("\"doorward-tools-{page}\""), "tools/list", &params);
            let Ok(message) = envelope::message(&text) else { return };
            let headers = headers::mirrored(version, &message);
            let asked = self.send_unasked(&Outgoing { method: Method::POST, headers, body: text.into() }).await;
            let Some(answer) = asked.ok().filter(|answer| answer.status() == StatusCode::OK) else { return };
            let mut incoming = Incoming::new(answer, &self.settings);
            let mut next = None;
            while let Ok(Some((message, _))) = incoming.next().await {
                if let Message::Response { reply: Reply::Result(result), .. } = message {
                    next = self.tools.learn(&result);
                    break;
                }
            }
            let Some(cursor) = next else { return };
            params.set("cursor", raw(&cursor));
        }
    }
}
