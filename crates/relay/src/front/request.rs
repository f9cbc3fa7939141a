use std::sync::Arc;

use doorward_types::Permission;
use http::{HeaderValue, Response, StatusCode, header};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    RelayBody,
    answer::{Final, Job, Out, failure, taken_back},
    caller::{Caller, admit},
    changes::{Changes, Listener, Source},
    headers,
    response::{problem, refuse, unavailable},
    session::{OpenCall, Session},
};
use crate::{
    envelope::{INTERNAL_ERROR, INVALID_REQUEST, Id, METHOD_NOT_FOUND, Members, Reply, Request, RpcError, raw},
    era::{Era, META_LOG_LEVEL},
    permission::{self, Needs},
    plan::{LEVELS, Outgoing, Plan, Route, plan},
    translate::Remembered,
    upstream::stdio::{Call, CallFailed, Child, Mirrored, Slot, Unavailable},
};

/// Why it cannot be said what a request needs.
pub(super) enum Cannot {
    /// Its method is not served.
    NotServed,
    /// There is no server to ask about the tool.
    Reach(Unavailable),
    /// The server did not tell.
    Ask(CallFailed),
}

/// How far a request got.
pub(super) enum Progress {
    /// There is an answer.
    Answered(Final),
    /// There will be one.
    Open(mpsc::Receiver<Out>),
    /// There is none, and the status says more than a JSON-RPC message can.
    Refused {
        /// The whole answer.
        response: Box<Response<RelayBody>>,
        /// Why, for where a status cannot be told.
        why: RpcError,
    },
}

impl Caller<'_> {
    /// What a request needs, and the headers that its tool wants.
    pub(super) async fn needs(&self, request: &Request, era: Era) -> Result<(Permission, Vec<Mirrored>), Cannot> {
        match permission::of_request(&request.method, era) {
            Needs::Permission(permission) => Ok((permission, Vec::new())),
            Needs::NotServed => Err(Cannot::NotServed),
            Needs::Tool => {
                let name = request.params.text("name").unwrap_or_default();
                let tools = loop {
                    let (_, child) = self.parts.pool.child(&self.principal.subject).await.map_err(Cannot::Reach)?;
                    match child.tools().await {
                        Ok(tools) => break tools,
                        // It ended just before; the next one is new.
                        Err(CallFailed::NotSent(_)) if !child.is_running() => {}
                        Err(failed) => return Err(Cannot::Ask(failed)),
                    }
                };
                let same_name = || tools.iter().filter(|tool| tool.summary.name == name);
                // What the server does not list, and what it lists twice, is taken for the worst.
                let permission = same_name().map(|tool| tool.summary.permission).max().unwrap_or(Permission::Danger);
                Ok((permission, same_name().flat_map(|tool| tool.mirrored.clone()).collect()))
            }
        }
    }

    /// Decides about a request and sets it going, unless `open` is cancelled before that. A request that is
    /// given up on the way has not reached the server, or is cancelled there.
    pub(super) async fn request(
        &self,
        request: Request,
        era: Era,
        session: Option<&Arc<Session>>,
        open: Option<OpenCall>,
        streams: bool,
    ) -> Progress {
        let id = request.id.clone();
        let cancelled = open.as_ref().map(|open| open.cancelled.clone()).unwrap_or_default();
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Progress::Answered(taken_back(&id, era)),
            progress = self.begin(request, era, session, open, streams) => progress,
        }
    }

    async fn begin(
        &self,
        request: Request,
        era: Era,
        session: Option<&Arc<Session>>,
        open: Option<OpenCall>,
        streams: bool,
    ) -> Progress {
        let id = request.id.clone();
        let answered = |error: RpcError| Progress::Answered(Final::error(&id, &error, era));
        let (needed, mirrored) = match self.needs(&request, era).await {
            Ok(needs) => needs,
            Err(Cannot::NotServed) => {
                return answered(RpcError::new(METHOD_NOT_FOUND, "this method is not served here"));
            }
            Err(Cannot::Reach(why)) => return no_server(&why, &id),
            Err(Cannot::Ask(failed)) => return answered(failure(&failed)),
        };
        let level = match (era, session) {
            (Era::Modern, _) => request
                .params
                .object("_meta")
                .and_then(|meta| meta.text(META_LOG_LEVEL))
                .and_then(|level| LEVELS.iter().position(|known| *known == level)),
            (Era::Legacy, session) => Some(session.and_then(|session| session.level()).unwrap_or(0)),
        };
        let admitted = match admit(self.parts, self.look, request, needed) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let why = RpcError::new(INVALID_REQUEST, refusal.to_string());
                return Progress::Refused { response: Box::new(refuse(self.parts, &refusal)), why };
            }
        };
        if era == Era::Modern
            && let Err(error) = headers::check_arguments(self.asked, &mirrored, &admitted.body().params)
        {
            return answered(error);
        }
        if admitted.body().method == "ping" {
            return Progress::Answered(Final::new(&id, &Reply::Result(raw(&serde_json::json!({}))), era));
        }
        let (slot, child) = match self.parts.pool.child(&self.principal.subject).await {
            Ok(found) => found,
            Err(why) => return no_server(&why, &id),
        };
        let route = Route {
            caller: era,
            server: child.identity(),
            session: session.map_or_else(Remembered::default, |session| session.remembered()),
        };
        let listens = admitted.body().method == "subscriptions/listen";
        let (authorized, id, plan) = plan(&route, admitted);
        let reply = match plan {
            Plan::Answer(reply) => reply,
            Plan::SetLevel(level) => self.set_level(&child, session, &level).await,
            Plan::Watch { uri, on } => watch(&slot, &child, session, uri, on).await,
            Plan::Listen(_) | Plan::Forward(..) if listens && !streams => {
                return answered(RpcError::new(INVALID_REQUEST, "the answer is a stream: accept text/event-stream"));
            }
            Plan::Listen(filter) => {
                let filter = filter.granted_by(child.identity());
                let mut watches = Vec::new();
                // Before the first change can be missed.
                let source = Source::Told(slot.changes());
                for uri in &filter.resource_subscriptions {
                    match slot.watch(&child, uri).await {
                        Ok(Ok(watch)) => watches.push(watch),
                        Ok(Err(error)) => {
                            return Progress::Answered(Final::new(&id, &Reply::Error(error), era));
                        }
                        Err(failed) => return answered(failure(&failed)),
                    }
                }
                let changes = Changes {
                    parts: self.parts.clone(),
                    authorized,
                    source,
                    listener: Listener::Subscription(id, filter),
                    ended: CancellationToken::new(),
                    watches,
                };
                return Progress::Open(changes.start());
            }
            Plan::Forward(outgoing, translation) => match self.call(child, &outgoing, listens).await {
                Ok(call) => {
                    let job = Job {
                        parts: self.parts.clone(),
                        authorized,
                        id,
                        caller: era,
                        call,
                        translation,
                        streams,
                        subscription: listens,
                        level,
                        open,
                    };
                    return Progress::Open(job.start());
                }
                Err(busy @ CallFailed::Busy(_)) => {
                    let why = failure(&busy);
                    let mut response = problem(StatusCode::TOO_MANY_REQUESTS, Some(&id), &why);
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
                    return Progress::Refused { response: Box::new(response), why };
                }
                Err(failed) => Reply::Error(failure(&failed).to_raw()),
            },
        };
        Progress::Answered(Final::new(&id, &reply, era))
    }

    /// Calls the server. When it ended just before, nothing of the call reached it, so a new one is called.
    async fn call(&self, child: Arc<Child>, outgoing: &Outgoing, listens: bool) -> Result<Call, CallFailed> {
        let attempt = async |child: &Arc<Child>| match listens {
            true => child.listen(outgoing).await,
            false => child.call(outgoing).await,
        };
        match attempt(&child).await {
            Err(CallFailed::NotSent(ended)) => match self.parts.pool.child(&self.principal.subject).await {
                Ok((_, new)) if !Arc::ptr_eq(&new, &child) && new.identity().era == child.identity().era => {
                    attempt(&new).await
                }
                _ => Err(CallFailed::NotSent(ended)),
            },
            called => called,
        }
    }

    /// Sets the level that the server logs at: the most talkative that any of the subject's sessions wants.
    async fn set_level(&self, child: &Arc<Child>, session: Option<&Arc<Session>>, level: &str) -> Reply {
        if let Some(session) = session {
            session.set_level(level);
        }
        if child.identity().era == Era::Legacy && child.identity().capability("logging").is_some() {
            let lowest = self.parts.sessions.lowest_level(&self.principal.subject).map_or(level, |at| LEVELS[at]);
            let mut params = Members::default();
            params.set("level", raw(&lowest));
            return child.ask("logging/setLevel", params).await.unwrap_or_else(|f| Reply::Error(failure(&f).to_raw()));
        }
        Reply::Result(raw(&serde_json::json!({})))
    }
}

fn no_server(why: &Unavailable, id: &Id) -> Progress {
    Progress::Refused {
        response: Box::new(unavailable(why, Some(id))),
        why: RpcError::new(INTERNAL_ERROR, why.to_string()),
    }
}

async fn watch(slot: &Arc<Slot>, child: &Arc<Child>, session: Option<&Arc<Session>>, uri: String, on: bool) -> Reply {
    let done = Reply::Result(raw(&serde_json::json!({})));
    let Some(session) = session else { return done };
    if !on {
        session.unwatch(&uri);
        return done;
    }
    let watch = match child.identity().era {
        Era::Modern => None,
        Era::Legacy => match slot.watch(child, &uri).await {
            Ok(Ok(watch)) => Some(watch),
            Ok(Err(error)) => return Reply::Error(error),
            Err(failed) => return Reply::Error(failure(&failed).to_raw()),
        },
    };
    match session.watch(uri, watch) {
        true => done,
        false => Reply::Error(RpcError::new(INVALID_REQUEST, "this session watches too many resources").to_raw()),
    }
}
