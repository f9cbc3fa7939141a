//! Which way a message of the host takes: as it is, or in the words of the era that the server speaks.
//!
//! Source: docs/decisions/0030-eras-are-translated-only-when-they-differ.md.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::{
    answer::NoReply,
    call::{Call, Outcome, Speech},
    eras::{Eras, Verdict, Way, verdict},
    find, legacy_host,
    link::Link,
    modern_host::{self, Kept},
    questions::Questions,
    session::session_id,
    session_ids,
    without_login::state::WithoutLogin,
};
use crate::{
    envelope::{INVALID_PARAMS, Id, Members, Message, Reply, Request, RpcError},
    era::{Era, Identity},
};

/// All ways to the server.
pub(super) struct Routes {
    pub(super) link: Arc<Link>,
    eras: Eras,
    said: Arc<legacy_host::Said>,
    pub(super) questions: Questions,
    kept: Arc<Kept>,
    pub(super) without_login: WithoutLogin,
}

impl Routes {
    pub(super) fn new(link: Arc<Link>) -> Self {
        let kept = Arc::new(Kept::new(link.settings.answer_timeout));
        Self {
            link,
            eras: Eras::default(),
            said: Arc::default(),
            questions: Questions::default(),
            kept,
            without_login: WithoutLogin::default(),
        }
    }

    /// Whether a request of the older era is taken back by ending it, and not by telling the server so.
    pub(super) fn ends_what_is_taken_back(&self) -> bool {
        self.without_login.waits() || matches!(self.eras.way(Era::Legacy), Way::Translated(_))
    }

    /// Sends a notification, or an answer of the host. Nothing comes back of it.
    pub(super) async fn tell(&self, call: Call) {
        if let Message::Response { id: Some(id), reply } = &call.message
            && self.questions.answered(id, reply)
        {
            return;
        }
        if let Some(call) = self.without_login.heed(call).await {
            self.tell_server(call).await;
        }
    }

    pub(super) async fn tell_server(&self, call: Call) {
        match (self.eras.way(call.speech.era()), &call.message) {
            (Way::Translated(server), Message::Notification { method, params }) => match call.speech.era() {
                Era::Legacy => self.for_legacy_host(&server).heed(method).await,
                Era::Modern => self.for_modern_host(&server).tell(method, params.clone()).await,
            },
            (Way::Translated(_), _) => tracing::debug!("an answer to no question is dropped"),
            (_, Message::Response { id: Some(id), reply }) => {
                match session_ids::inward(self.link.session.present(), id) {
                    Some(own) if own.key() == id.key() => call.tell(&self.link).await,
                    Some(own) => {
                        let answer = Message::Response { id: Some(own), reply: reply.clone() };
                        Call::new(call.speech.clone(), answer).tell(&self.link).await
                    }
                    None => {
                        tracing::debug!("an answer to a question of a session that is over is dropped");
                        false
                    }
                };
            }
            _ => {
                if call.tell(&self.link).await && call.speech == Speech::Initialized {
                    find::confirmed(&self.link, &call.body).await;
                }
            }
        }
    }

    /// What the server makes of a request, without what the host is not to have.
    pub(super) async fn outcome(&self, call: &Call, request: &Request) -> Result<Reply, NoReply> {
        Ok(match self.came_to(call, request).await? {
            Reply::Result(result) if request.method == "tools/list" => {
                Reply::Result(self.link.settings.hidden_tools.without(&result).unwrap_or(result))
            }
            reply => reply,
        })
    }

    async fn came_to(&self, call: &Call, request: &Request) -> Result<Reply, NoReply> {
        if request.method == "tools/call"
            && let Some(name) = request.params.text("name")
            && self.link.settings.hidden_tools.hides(&name)
        {
            // What a server says of a tool that it does not have.
            return Ok(Reply::Error(RpcError::new(INVALID_PARAMS, format!("Unknown tool: {name}")).to_raw()));
        }
        let era = call.speech.era();
        let way = self.eras.way(era);
        if let Way::Translated(server) = way {
            return self.translated(era, &server, request).await;
        }
        let outcome = self.as_it_is(call, &request.id).await;
        let (status, reply) = match &outcome {
            Ok(outcome) => (Some(outcome.status), Some(&outcome.reply)),
            Err(no_reply) => (no_reply.status, None),
        };
        let tells = matches!(call.speech, Speech::Modern(_) | Speech::Initialize);
        let Some(status) = status.filter(|_| tells && matches!(way, Way::Unknown)) else {
            return outcome.map(|outcome| outcome.reply);
        };
        let verdict = verdict(era, &request.method, status, reply);
        let server = match verdict {
            Verdict::Nothing => None,
            Verdict::Same => {
                self.eras.set(era, Way::AsTheyAre);
                None
            }
            Verdict::Other | Verdict::Ask => self.find_out(era, verdict, request).await,
        };
        match server {
            // A call that was not refused as a whole may have run.
            Some(server) if verdict == Verdict::Other || request.method != "tools/call" => {
                self.translated(era, &server, request).await
            }
            _ => outcome.map(|outcome| outcome.reply),
        }
    }

    /// Finds out whether the server is of the other era, once.
    async fn find_out(&self, host: Era, verdict: Verdict, request: &Request) -> Option<Arc<Identity>> {
        let _one = self.eras.finding.lock().await;
        match self.eras.way(host) {
            Way::Unknown => {}
            Way::AsTheyAre => return None,
            Way::Translated(server) => return Some(server),
        }
        let meta = request.params.object("_meta").unwrap_or_default();
        let server = match host {
            Era::Legacy => {
                self.said.initialize(&request.params);
                find::modern(&self.link, &self.said.meta(Members::default())).await
            }
            Era::Modern => {
                if verdict == Verdict::Ask && find::modern(&self.link, &meta).await.is_some() {
                    self.eras.set(host, Way::AsTheyAre);
                    return None;
                }
                let (sender, unasked) = mpsc::unbounded_channel();
                self.link.hand_aside(Some(sender));
                let server = find::legacy(&self.link, &meta).await;
                if server.is_some() {
                    tokio::spawn(modern_host::take(Arc::clone(&self.link), Arc::clone(&self.kept), unasked));
                } else {
                    self.link.hand_aside(None);
                    self.link.wishes.forget();
                }
                server
            }
        };
        let server = Arc::new(server?);
        tracing::info!(?host, "the server is of the other era; what is said is translated");
        self.eras.set(host, Way::Translated(Arc::clone(&server)));
        Some(server)
    }

    async fn as_it_is(&self, call: &Call, id: &Id) -> Result<Outcome, NoReply> {
        let outcome = call.ask(id, &self.link).await?;
        if let (Speech::Initialize, Reply::Result(result)) = (&call.speech, &outcome.reply) {
            // From here on the session is the host's own.
            self.link.hand_aside(None);
            self.link.wishes.forget();
            self.link.session.began(&call.body, session_id(&outcome.headers), result);
        }
        if let (Speech::Legacy, Message::Request(request), Reply::Result(_)) =
            (&call.speech, &call.message, &outcome.reply)
        {
            self.link.wishes.granted(request);
        }
        Ok(outcome)
    }

    async fn translated(&self, host: Era, server: &Arc<Identity>, request: &Request) -> Result<Reply, NoReply> {
        match host {
            Era::Legacy => self.for_legacy_host(server).ask(request).await,
            Era::Modern => self.for_modern_host(server).ask(request).await,
        }
    }

    fn for_legacy_host<'a>(&'a self, server: &'a Arc<Identity>) -> legacy_host::Translator<'a> {
        legacy_host::Translator { link: &self.link, said: &self.said, questions: &self.questions, server }
    }

    fn for_modern_host<'a>(&'a self, server: &'a Arc<Identity>) -> modern_host::Translator<'a> {
        modern_host::Translator { link: &self.link, kept: &self.kept, server }
    }
}
