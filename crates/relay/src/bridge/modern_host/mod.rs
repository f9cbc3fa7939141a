//! A host of the newer era at a server of the older one.
//!
//! The session is the bridge's own. What the server asks becomes what the host's request needs before it can go on;
//! what the server tells of changes goes to the host's listeners.
//!
//! Source: docs/decisions/0030-eras-are-translated-only-when-they-differ.md.

mod listening;
mod parked;
mod running;
mod state;
mod unasked;

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;

use self::{
    parked::{Parked, Question, identity},
    running::{Asked, Running, respond},
    unasked::{Carrier, Said, sort},
};
pub(super) use self::{state::State, unasked::take};
use super::{
    answer::{Heard, NoReply},
    call::{Call, Speech},
    find,
    legacy_host::can_be_asked,
    link::Link,
};
use crate::{
    envelope::{INTERNAL_ERROR, Id, METHOD_NOT_FOUND, Members, Message, Reply, Request, RpcError, raw},
    era::{Era, Identity, META_CAPABILITIES, META_LOG_LEVEL},
    plan::{LEVELS, is_cacheable, name_member},
    translate::{self, Remembered, Translation},
};

/// What is kept for the host.
pub(super) type Kept = State<Running>;

/// The server, and what is kept for its host.
pub(super) struct Translator<'a> {
    pub(super) link: &'a Arc<Link>,
    pub(super) kept: &'a Arc<Kept>,
    pub(super) server: &'a Arc<Identity>,
}

/// One request of the host.
struct Ask<'a> {
    request: &'a Request,
    /// What the host can do, as this request says.
    host: Members,
    /// The least of what is logged that the host wants to hear of; `None` for nothing.
    level: Option<usize>,
    cacheable: bool,
}

impl Translator<'_> {
    /// Answers a request of the host.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Reply, NoReply> {
        let meta = request.params.object("_meta").unwrap_or_default();
        let level = meta.text(META_LOG_LEVEL);
        let asked = Ask {
            request,
            host: meta.object(META_CAPABILITIES).unwrap_or_default(),
            level: level.and_then(|level| LEVELS.iter().position(|own| *own == level)),
            cacheable: is_cacheable(&request.method),
        };
        match request.method.as_str() {
            "server/discover" => Ok(Reply::Result(self.server.discover_result())),
            "subscriptions/listen" => self.listen(request).await,
            _ => {
                let progress = meta.get("progressToken").and_then(Id::read).map(|token| token.key());
                let _hearing = self.kept.hear(progress, asked.level);
                self.call(&asked).await
            }
        }
    }

    async fn call(&self, asked: &Ask<'_>) -> Result<Reply, NoReply> {
        match asked.carries() {
            true => self.carry(asked).await,
            false => self.run(asked, &mut None).await,
        }
    }

    /// Sends a notification of the host on, in the words of the server's era.
    pub(super) async fn tell(&self, method: &str, mut params: Members) {
        strip(&mut params);
        let message = Message::Notification { method: method.to_owned(), params };
        Call::new(Speech::Legacy, message).tell(self.link).await;
    }

    /// Runs a call that can carry questions to the host.
    async fn carry(&self, asked: &Ask<'_>) -> Result<Reply, NoReply> {
        let params = &asked.request.params;
        if let Some(name) = params.text("requestState") {
            let call = identity(&asked.request.method, params);
            let parked = self.kept.unpark(&name, &call).ok_or_else(parked::unknown)?;
            return self.go_on(asked, parked).await;
        }
        let waiting = self.kept.waiting();
        if !waiting.is_empty() {
            let (mut questions, mut others) = (Vec::new(), Vec::new());
            for question in waiting {
                if can_be_asked(&asked.host, &question.method) { &mut questions } else { &mut others }.push(question);
            }
            for question in others {
                self.refuse(question).await;
            }
            if !questions.is_empty() {
                return Ok(self.park(asked, questions, None).await);
            }
        }
        let mut carrier = Carrier::new(self.link, self.kept);
        self.run(asked, &mut Some(&mut carrier.questions)).await
    }

    /// Goes on with a call that waited for the host's answers.
    async fn go_on(&self, asked: &Ask<'_>, parked: Parked<Running>) -> Result<Reply, NoReply> {
        let answers = parked.answers(&asked.request.params);
        for (question, answer) in answers.replies {
            respond(self.link, question, Reply::Result(answer)).await;
        }
        if !answers.missing.is_empty() {
            return Ok(self.park(asked, answers.missing, parked.open).await);
        }
        if answers.declined {
            let why = "the server needs something done on a page first, and that was declined";
            return Err(RpcError::new(INTERNAL_ERROR, why).into());
        }
        let mut carrier = Carrier::new(self.link, self.kept);
        carrier.take_waiting().await;
        match parked.open {
            Some(mut running) => {
                // While it waited nobody heard what the server said.
                let wait = self.link.settings.answer_timeout;
                running.answer = running.answer.take().map(|answer| answer.silent_for(wait));
                self.follow(asked, running, &mut Some(&mut carrier.questions)).await
            }
            None => self.run(asked, &mut Some(&mut carrier.questions)).await,
        }
    }

    /// Sends a request in the words of the server's era.
    async fn run(&self, asked: &Ask<'_>, elsewhere: &mut Option<&mut Receiver<Question>>) -> Result<Reply, NoReply> {
        if let Some(level) = asked.level {
            self.set_level(level).await;
        }
        let Request { id, method, params } = asked.request;
        let mut params = params.clone();
        strip(&mut params);
        let request = Request { id: id.clone(), method: method.clone(), params };
        let call = Call::new(Speech::Legacy, Message::Request(request));
        let mut running = Running::new(self.link, id);
        match call.answer(id, self.link).await {
            Ok(answer) => running.answer = Some(answer),
            Err(error) => {
                running.over();
                return Err(error);
            }
        }
        self.follow(asked, running, elsewhere).await
    }

    /// Follows a call until it has come to something, or to a question.
    async fn follow(
        &self,
        asked: &Ask<'_>,
        mut running: Running,
        elsewhere: &mut Option<&mut Receiver<Question>>,
    ) -> Result<Reply, NoReply> {
        loop {
            let Some(answer) = &mut running.answer else { return Err(parked::unknown().into()) };
            let question = async {
                match elsewhere {
                    Some(questions) => questions.recv().await,
                    None => None,
                }
            };
            let heard = tokio::select! {
                biased;
                heard = answer.next() => heard,
                Some(question) = question => {
                    match self.put(asked, question, running).await {
                        Ok(reply) => return Ok(reply),
                        Err(still) => running = still,
                    }
                    continue;
                }
            };
            match heard {
                Ok(Heard::Reply(reply)) => {
                    running.over();
                    self.link.caught_up().await;
                    return Ok(self.came_to(asked, reply).await);
                }
                Ok(Heard::Other(Message::Request(Request { id, method, params }), text)) => {
                    let held = self.link.room.try_take(text.len()).map(Arc::new);
                    let question = Some(Asked { id, session: answer.session });
                    match self.put(asked, Question { asked: question, method, params, held }, running).await {
                        Ok(reply) => return Ok(reply),
                        Err(still) => running = still,
                    }
                }
                Ok(Heard::Other(message, text)) => match sort(message) {
                    Said::Change(change) => self.kept.changed(&change),
                    Said::Logged(level) if asked.level.is_some_and(|least| level >= least) => {
                        self.link.host.say(&text).await;
                    }
                    Said::OfThisCall => self.link.host.say(&text).await,
                    Said::Logged(_) | Said::Nothing => {}
                },
                Err(error) => {
                    running.over();
                    return Err(error.into());
                }
            }
        }
    }

    /// A reply in the words of the host's era.
    async fn came_to(&self, asked: &Ask<'_>, reply: Reply) -> Reply {
        match parked::pages(&reply, &asked.host) {
            Some(pages) if asked.carries() => self.park(asked, pages, None).await,
            _ => translate::reply(reply, Translation::ToModern { cacheable: asked.cacheable }),
        }
    }

    /// Puts a question of the server to the host; gives the call back when that is not possible.
    async fn put(&self, asked: &Ask<'_>, question: Question, running: Running) -> Result<Reply, Running> {
        if question.method == "ping" {
            if let Some(own) = question.asked {
                respond(self.link, own, find::nothing()).await;
            }
            return Err(running);
        }
        if !asked.carries() || !can_be_asked(&asked.host, &question.method) || question.held.is_none() {
            self.refuse(question).await;
            return Err(running);
        }
        Ok(self.park(asked, vec![question], Some(running)).await)
    }

    /// Lets a call wait, and tells the host what it waits for.
    async fn park(&self, asked: &Ask<'_>, questions: Vec<Question>, open: Option<Running>) -> Reply {
        let call = identity(&asked.request.method, &asked.request.params);
        let parked = Parked { questions, call, open };
        let told = parked.questions.clone();
        match self.kept.park(parked) {
            Ok(name) => {
                let result = Parked::<Running> { questions: told, call: String::new(), open: None }.result(&name);
                let (link, kept) = (Arc::clone(self.link), Arc::clone(self.kept));
                tokio::spawn(async move {
                    tokio::time::sleep(kept.patience).await;
                    if let Some(parked) = kept.give_up(&name) {
                        refuse_all(&link, parked.questions).await;
                    }
                });
                result
            }
            Err(parked) => {
                refuse_all(self.link, parked.questions).await;
                let why = "too many calls wait for answers of the host";
                Reply::Error(RpcError::new(INTERNAL_ERROR, why).to_raw())
            }
        }
    }

    async fn refuse(&self, question: Question) {
        refuse_all(self.link, vec![question]).await;
    }

    /// Has the server log at least this much, if it does not already.
    async fn set_level(&self, level: usize) {
        let mut set = self.kept.level.lock().await;
        if set.is_some_and(|set| set <= level) || self.server.capability("logging").is_none() {
            return;
        }
        let mut params = Members::default();
        params.set("level", raw(&LEVELS[level]));
        find::ask(self.link, Speech::Legacy, "logging/setLevel", params).await;
        *set = Some(level);
    }
}

impl Ask<'_> {
    /// Whether the answer to it may be a question.
    fn carries(&self) -> bool {
        name_member(&self.request.method).is_some()
    }
}

/// Tells the server that its questions will not be answered.
async fn refuse_all(link: &Arc<Link>, questions: Vec<Question>) {
    for Question { asked, method, .. } in questions {
        if let Some(asked) = asked {
            let error = RpcError::new(METHOD_NOT_FOUND, format!("{method} cannot be asked here at present"));
            respond(link, asked, Reply::Error(error.to_raw())).await;
        }
    }
}

/// Takes out of a request's parameters what a server of the older era has no word for.
fn strip(params: &mut Members) {
    let mut meta = params.object("_meta").unwrap_or_default();
    translate::metadata(Era::Modern, Era::Legacy, &Remembered::default(), &mut meta);
    match meta.is_empty() {
        true => params.remove("_meta"),
        false => params.set("_meta", meta.to_raw()),
    }
    params.remove("inputResponses");
    params.remove("requestState");
}
