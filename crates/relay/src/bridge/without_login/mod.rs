//! A host whose server wants a login that cannot be had from here: nobody can be sent to a browser.
//!
//! The host's session goes on. What can be said in the server's place is said, a call comes to an error that the model
//! can hand on to the person, and whatever is asked next tries again: the login may have been made elsewhere.
//!
//! Source: docs/decisions/0034-a-session-without-a-login.md.

mod pages;
pub(super) mod state;
mod words;

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use doorward_client::{Exit, Failed};
use serde_json::json;

use self::{pages::Visit, state::Begun};
use super::{
    answer::NoReply,
    call::{Call, Speech, not_authorized},
    eras,
    route::Routes,
};
use crate::{
    envelope::{self, Id, METHOD_NOT_FOUND, Members, Message, Reply, Request, raw},
    era::Era,
};

/// How often it is looked whether a login was made elsewhere.
const LOOK: Duration = Duration::from_secs(2);
/// How long it is waited at most between attempts to begin the session at a server that is in trouble.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What became of a page that a person was to be sent to.
enum Sent {
    /// There is none, or they do not want to go.
    No,
    /// The host comes back when they did.
    Later(Reply),
    /// They were there.
    Back,
}

impl Routes {
    /// Sends a request and writes its one answer, whatever happens.
    pub(super) async fn ask(self: &Arc<Self>, call: Call, id: Id) {
        let outcome = match &call.message {
            Message::Request(request) => self.answer(&call, request).await,
            _ => return,
        };
        self.link.conclude(&id, outcome).await;
    }

    /// What a request comes to, with a login or without one.
    async fn answer(self: &Arc<Self>, call: &Call, request: &Request) -> Result<Reply, NoReply> {
        let without = &self.without_login;
        if call.speech == Speech::Initialize {
            let capabilities = request.params.object("capabilities").unwrap_or_default();
            without.shows_pages.store(words::shows_pages(&capabilities), Relaxed);
            (*without.begun.lock().await, _) = (None, without.waits.swap(false, Relaxed));
        }
        if let Some((visit, went)) = without.pages.back(request) {
            if went {
                self.login_ended(&visit).await;
            } else {
                without.pages.declined();
            }
            let mut request = request.clone();
            ["requestState", "inputResponses"].iter().for_each(|name| request.params.remove(name));
            let call = Call::new(call.speech.clone(), Message::Request(request.clone()));
            return match let_in(self.attempt(&call, &request).await) {
                Ok(answered) => answered,
                Err(failed) => self.stand_in(&call, &request, failed).await,
            };
        }
        let failed = match let_in(self.attempt(call, request).await) {
            Ok(answered) => return answered,
            Err(failed) => failed,
        };
        match self.send_to_page(call, request, &failed).await {
            Sent::No => self.stand_in(call, request, failed).await,
            Sent::Later(reply) => Ok(reply),
            Sent::Back => match let_in(self.attempt(call, request).await) {
                Ok(answered) => answered,
                Err(failed) => self.stand_in(call, request, failed).await,
            },
        }
    }

    /// Asks the server.
    async fn attempt(&self, call: &Call, request: &Request) -> Result<Reply, NoReply> {
        let without = &self.without_login;
        if matches!(call.speech, Speech::Legacy) {
            self.catch_up().await?;
        }
        if request.method == "tools/call"
            && without.offered.load(Relaxed)
            && request.params.text("name").as_deref() == Some(words::OWN_TOOL)
        {
            return self.own_tool(call, request).await;
        }
        let reply = self.outcome(call, request).await?;
        let has_not = |error| eras::code(error) == METHOD_NOT_FOUND && without.stood_in.load(Relaxed);
        Ok(match (&reply, words::empty_list(&request.method)) {
            (Reply::Error(error), Some(none)) if has_not(error) => words::reply(call.speech.era(), &none, true),
            _ => reply,
        })
    }

    /// The bridge's own tool: says whether there is a login now.
    async fn own_tool(&self, call: &Call, request: &Request) -> Result<Reply, NoReply> {
        let mut params = Members::default();
        if let Some(meta) = request.params.get("_meta") {
            params.set("_meta", meta.to_owned());
        }
        let list = Request { id: self.link.own_id(), method: "tools/list".to_owned(), params };
        self.outcome(&Call::new(call.speech.clone(), Message::Request(list.clone())), &list).await?;
        let text = format!("There is a login at {} now. Its tools can be listed and called.", self.link.place());
        Ok(words::reply(call.speech.era(), &words::tool_result(&text, false), false))
    }

    /// Begins at the server the session that the host is in, if the server does not know of it.
    async fn catch_up(&self) -> Result<(), NoReply> {
        let without = &self.without_login;
        if !without.waits() {
            return Ok(());
        }
        let mut waiting = without.begun.lock().await;
        let Some(begun) = &*waiting else { return Ok(()) };
        let Message::Request(request) = &begun.initialize.message else { return Ok(()) };
        let reply = self.outcome(&begun.initialize, request).await?;
        if let Reply::Error(error) = reply {
            let said = Members::parse(error.get()).and_then(|error| error.text("message")).unwrap_or_default();
            let why = format!("{} does not begin a session: {said}", self.link.place());
            return Err(envelope::RpcError::new(envelope::INTERNAL_ERROR, why).into());
        }
        let confirmed = || {
            let method = "notifications/initialized".to_owned();
            Call::new(Speech::Initialized, Message::Notification { method, params: Members::default() })
        };
        let initialized = begun.initialized.clone().unwrap_or_else(confirmed);
        self.tell_server(initialized).await;
        // Not before: a call that finds nobody waiting goes out at once, and must not overtake the confirmation.
        *waiting = None;
        without.waits.store(false, Relaxed);
        tracing::info!("there is a login now: the host's session goes on at the server");
        for what in ["tools", "prompts", "resources"] {
            let method = format!("notifications/{what}/list_changed");
            self.link.host.say(&envelope::notification(&method, &Members::default())).await;
        }
        Ok(())
    }

    /// Answers in the server's place, as far as that can be done.
    async fn stand_in(self: &Arc<Self>, call: &Call, request: &Request, failed: Box<Failed>) -> Result<Reply, NoReply> {
        let without = &self.without_login;
        let never_let_in = !self.link.was_let_in();
        let helps = match failed.exit() {
            Exit::AuthenticationNeeded => true,
            // Another login may do, where there was one that did.
            Exit::Refused => !never_let_in,
            Exit::Error | Exit::Usage | Exit::Unreachable => false,
        };
        if !helps {
            return Err(not_authorized(*failed));
        }
        let era = call.speech.era();
        let stands_in = never_let_in || without.waits();
        let result = match request.method.as_str() {
            "initialize" => {
                tracing::warn!("{failed}");
                let identity = words::identity(&failed);
                let revision = words::revision(&identity, &request.params);
                let begun = Begun { initialize: call.clone(), initialized: None };
                *without.begun.lock().await = Some(begun);
                without.waits.store(true, Relaxed);
                without.stood_in.store(true, Relaxed);
                self.look_out();
                Reply::Result(identity.initialize_result(revision))
            }
            "server/discover" if stands_in => {
                without.stood_in.store(true, Relaxed);
                Reply::Result(words::identity(&failed).discover_result())
            }
            "tools/call" => words::reply(era, &words::tool_result(&words::paragraph(&failed), true), false),
            method => match words::list(method, &failed).filter(|_| stands_in) {
                Some(list) => {
                    without.offered.fetch_or(method == "tools/list", Relaxed);
                    words::reply(era, &list, true)
                }
                None => return Err(not_authorized(*failed)),
            },
        };
        self.link.not_let_in(&failed);
        Ok(result)
    }

    /// Looks now and then whether somebody has logged in, so that the host hears of it unasked.
    fn look_out(self: &Arc<Self>) {
        let routes = Arc::downgrade(self);
        tokio::spawn(async move {
            let (mut seen, mut pause) = (None, LOOK);
            loop {
                tokio::time::sleep(pause).await;
                let Some(routes) = routes.upgrade().filter(|routes| routes.without_login.waits()) else { return };
                let stored = routes.link.stored().await;
                if stored.is_none() || stored == seen {
                    (seen, pause) = (stored, LOOK);
                    continue;
                }
                (seen, pause) = match routes.catch_up().await {
                    Err(error) if may_pass(&error) => (seen, (pause * 2).min(LONGEST_PAUSE)),
                    Ok(()) | Err(_) => (stored, LOOK),
                };
            }
        });
    }

    /// Waits until a login has been made or has come to nothing, at this page or elsewhere; says whether it has.
    async fn login_ended(&self, Visit { page, before }: &Visit) -> bool {
        let ended = async {
            loop {
                let now = self.link.stored().await;
                let elsewhere = now.is_some() && now != *before;
                if elsewhere || tokio::time::timeout(LOOK, page.ended.cancelled()).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(self.link.settings.answer_timeout, ended).await.is_ok()
    }

    /// Sends the person to a page where they can log in, by way of a host that can do so.
    async fn send_to_page(&self, call: &Call, request: &Request, failed: &Failed) -> Sent {
        let without = &self.without_login;
        let shows_pages = match call.speech.era() {
            Era::Legacy => without.shows_pages.load(Relaxed),
            // A call that the server has asked something about goes on under the server's state, and has no room for another.
            Era::Modern if request.params.get("requestState").is_some() => false,
            Era::Modern => words::shows_pages(&words::capabilities(&request.params)),
        };
        if request.method != "tools/call" || !shows_pages || without.pages.were_declined() {
            return Sent::No;
        }
        // A person may log in elsewhere before they answer.
        let before = self.link.stored().await;
        let Some(page) = self.link.login_page().await else { return Sent::No };
        let visit = Visit { page, before };
        if call.speech.era() == Era::Modern {
            return Sent::Later(Reply::Result(raw(&without.pages.ask(visit, failed.what()))));
        }
        let mut question = pages::question(&visit.page, failed.what());
        let name = self.link.own_id().key();
        question["elicitationId"] = json!(name.trim_matches('"'));
        let Some(params) = Members::parse(&question.to_string()) else { return Sent::No };
        let wait = self.link.settings.answer_timeout;
        let answer = self.questions.put(&self.link, "elicitation/create", &params, wait).await;
        let went = match answer {
            Some(Reply::Result(answer)) => Members::parse(answer.get()).is_some_and(|answer| pages::went(&answer)),
            _ => false,
        };
        if !went {
            without.pages.declined();
            return Sent::No;
        }
        if self.login_ended(&visit).await {
            let params = Members::parse(&json!({ "elicitationId": question["elicitationId"] }).to_string());
            let method = "notifications/elicitation/complete";
            self.link.host.say(&envelope::notification(method, &params.unwrap_or_default())).await;
        }
        Sent::Back
    }
}

/// What the server answered, or for want of which login it did not.
fn let_in(answered: Result<Reply, NoReply>) -> Result<Result<Reply, NoReply>, Box<Failed>> {
    match answered {
        Err(NoReply { not_let_in: Some(failed), .. }) => Err(failed),
        answered => Ok(answered),
    }
}

/// Whether what went wrong says nothing of the login that there is.
fn may_pass(error: &NoReply) -> bool {
    error.not_let_in.as_ref().is_none_or(|failed| matches!(failed.exit(), Exit::Unreachable | Exit::Error))
}

#[cfg(test)]
mod tests {
    use doorward_client::Code;

    use super::*;
    use crate::envelope::{INTERNAL_ERROR, RpcError};

    #[test]
    fn trouble_on_the_way_says_nothing_of_a_login() {
        let without = |code| not_authorized(Failed::new(code, "there is no token", "why", "try again"));
        for (error, passes) in [
            (RpcError::new(INTERNAL_ERROR, "503").into(), true),
            (without(Code::Unreachable), true),
            (without(Code::Store), true),
            (without(Code::LoginNeeded), false),
            (without(Code::TokenRefused), false),
        ] {
            assert_eq!(may_pass(&error), passes, "{:?}", error.not_let_in);
        }
    }
}
