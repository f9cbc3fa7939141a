use std::sync::Arc;

use doorward_resource_server::{AuthorizedRequest, Principal, Refusal};
use doorward_types::{Permission, Revision};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    RelayBody,
    answer::{Final, Job, Out, failure},
    changes::{Changes, Listener, Source},
    headers,
    http::{Accepts, SESSION, admit, events, json, plain, problem, refuse, whole},
    session::Session,
};
use crate::{
    envelope::{
        INTERNAL_ERROR, INVALID_REQUEST, Id, Incoming, METHOD_NOT_FOUND, Message, Reply, Request, RpcError, raw,
    },
    era::{Era, META_LOG_LEVEL},
    gateway::Parts,
    permission::{self, Needs},
    plan::{LEVELS, Plan, Remembered, Route, plan},
    upstream::stdio::{CallFailed, Child, Slot, Unavailable},
};

/// Answers what a caller posted.
pub(super) async fn answer(
    parts: &Arc<Parts>,
    look: AuthorizedRequest<()>,
    asked: &HeaderMap,
    accepts: Accepts,
    incoming: Incoming,
) -> Response<RelayBody> {
    let principal = look.authorized().principal();
    let caller = Caller { parts, asked, principal: &principal, accepts };
    match incoming {
        Incoming::Single(message) => caller.single(message).await,
        Incoming::Batch(messages) => caller.batch(messages).await,
    }
}

/// The session that a legacy request names.
///
/// Source: MCP 2025-11-25 Streamable HTTP, "Session Management".
pub(super) fn session(
    parts: &Parts,
    asked: &HeaderMap,
    principal: &Principal,
) -> Result<Arc<Session>, (StatusCode, RpcError)> {
    let mut named = asked.get_all(&SESSION).iter();
    let (id, more) = (named.next(), named.next());
    let (Some(id), None) = (id.map(|id| id.to_str()), more) else {
        let why = "the header Mcp-Session-Id is missing: start with initialize";
        return Err((StatusCode::BAD_REQUEST, RpcError::new(INVALID_REQUEST, why)));
    };
    id.ok().and_then(|id| parts.sessions.find(id, principal)).ok_or_else(|| {
        let why = "there is no such session: start again with initialize";
        (StatusCode::NOT_FOUND, RpcError::new(INVALID_REQUEST, why))
    })
}

/// Why there is no server, as an answer.
pub(super) fn unavailable(why: &Unavailable, id: Option<&Id>) -> Response<RelayBody> {
    let error = RpcError::new(INTERNAL_ERROR, why.to_string());
    // What is about the gateway as a whole has a status that says so; a server that fails is an answer.
    let (status, seconds) = match why {
        Unavailable::NotStarted(_) | Unavailable::TooOften { .. } => (StatusCode::OK, 0),
        Unavailable::Full(_) => (StatusCode::SERVICE_UNAVAILABLE, 30),
        Unavailable::Stopping => (StatusCode::SERVICE_UNAVAILABLE, 5),
    };
    let mut response = problem(status, id, &error);
    if seconds > 0 {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

struct Caller<'a> {
    parts: &'a Arc<Parts>,
    asked: &'a HeaderMap,
    principal: &'a Principal,
    accepts: Accepts,
}

/// How far a request got.
enum Progress {
    /// There is an answer.
    Answered(Final),
    /// There will be one.
    Open(mpsc::Receiver<Out>),
    /// There is an answer that no JSON-RPC message can give.
    Refused(Response<RelayBody>),
}

impl Caller<'_> {
    async fn single(&self, message: Message) -> Response<RelayBody> {
        let id = match &message {
            Message::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        let era = match headers::check(self.asked, &message) {
            Ok(era) => era,
            Err(error) => return problem(StatusCode::BAD_REQUEST, id.as_ref(), &error),
        };
        let session = match (&message, era) {
            (_, Era::Modern) => None,
            (Message::Request(request), Era::Legacy) if request.method == "initialize" => {
                return self.initialize(request.clone()).await;
            }
            (_, Era::Legacy) => match session(self.parts, self.asked, self.principal) {
                Ok(session) => Some(session),
                Err((status, error)) => return problem(status, id.as_ref(), &error),
            },
        };
        match message {
            Message::Request(request) => {
                let progress = self.request(request, era, session.as_ref(), self.accepts.events).await;
                self.respond(progress).await
            }
            Message::Notification { method, params } => {
                if let Some(session) = &session {
                    heed(session, &method, &params);
                }
                plain(StatusCode::ACCEPTED)
            }
            // The gateway asks its callers nothing, so there is nothing that this could answer.
            Message::Response { .. } if era == Era::Legacy => plain(StatusCode::ACCEPTED),
            Message::Response { .. } => {
                let error = RpcError::new(INVALID_REQUEST, "a client sends requests and notifications");
                problem(StatusCode::BAD_REQUEST, None, &error)
            }
        }
    }

    /// Batches exist in one revision. Nothing in a batch is done unless all of it may be done.
    ///
    /// Source: MCP 2025-03-26 basic, "Batching"; removed by 2025-06-18.
    async fn batch(&self, messages: Vec<Message>) -> Response<RelayBody> {
        let refuse_all = |why: &str| problem(StatusCode::BAD_REQUEST, None, &RpcError::new(INVALID_REQUEST, why));
        for message in &messages {
            match headers::check(self.asked, message) {
                Ok(Era::Legacy) => {}
                Ok(Era::Modern) => return refuse_all("this protocol version has no batches: send one message"),
                Err(error) => return problem(StatusCode::BAD_REQUEST, None, &error),
            }
        }
        let session = match session(self.parts, self.asked, self.principal) {
            Ok(session) => session,
            Err((status, error)) => return problem(status, None, &error),
        };
        if session.revision != Revision::V2025_03_26 {
            return refuse_all("this protocol version has no batches: send one message");
        }
        let mut requests = Vec::new();
        for message in messages {
            match message {
                Message::Request(request) if request.method == "initialize" => {
                    return refuse_all("initialize cannot be part of a batch");
                }
                Message::Request(request) => requests.push(request),
                Message::Notification { method, params } => heed(&session, &method, &params),
                Message::Response { .. } => {}
            }
        }
        for request in &requests {
            match self.needs(request, Era::Legacy).await {
                Ok(Some(needed)) => {
                    if let Err(refusal) = admit(self.parts, self.asked, (), needed) {
                        return refuse(self.parts, &refusal);
                    }
                }
                Ok(None) => {}
                Err(why) => return unavailable(&why, None),
            }
        }
        let answers = requests.into_iter().map(|request| async {
            let progress = self.request(request, Era::Legacy, Some(&session), false).await;
            match progress {
                Progress::Answered(last) => Ok(last.json),
                Progress::Open(mut pieces) => {
                    last(&mut pieces).await.map(|last| last.json).map_err(|r| self.withdraw(r))
                }
                Progress::Refused(response) => Err(response),
            }
        });
        match futures_util::future::try_join_all(answers).await {
            Ok(answers) if answers.is_empty() => plain(StatusCode::ACCEPTED),
            Ok(answers) => json(StatusCode::OK, format!("[{}]", answers.join(","))),
            Err(response) => response,
        }
    }

    /// Starts a session.
    async fn initialize(&self, request: Request) -> Response<RelayBody> {
        let admitted = match admit(self.parts, self.asked, request, Permission::Read) {
            Ok(admitted) => admitted,
            Err(refusal) => return refuse(self.parts, &refusal),
        };
        let (_, _, Request { id, params, .. }) = admitted.into_parts();
        let child = match self.parts.pool.child(&self.principal.subject).await {
            Ok((_, child)) => child,
            Err(why) => return unavailable(&why, Some(&id)),
        };
        let revision = child.identity().revision_for(params.text("protocolVersion").as_deref());
        let info = params.get("clientInfo").map(ToOwned::to_owned);
        let Some(session) = self.parts.sessions.begin(self.principal, revision, info) else {
            let error = RpcError::new(INTERNAL_ERROR, "there are too many sessions; try again later");
            let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, Some(&id), &error);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(30));
            return response;
        };
        let result = Reply::Result(child.identity().initialize_result(revision));
        let mut response = whole(Final::new(&id, &result, Era::Legacy));
        let session = HeaderValue::from_str(&session).expect("a session's id is base64url");
        response.headers_mut().insert(SESSION, session);
        response
    }

    /// What a request needs; `None` when its method is not served.
    async fn needs(&self, request: &Request, era: Era) -> Result<Option<Permission>, Unavailable> {
        match permission::of_request(&request.method, era) {
            Needs::Permission(permission) => Ok(Some(permission)),
            Needs::NotServed => Ok(None),
            Needs::Tool => {
                let name = request.params.text("name").unwrap_or_default();
                let (_, child) = self.parts.pool.child(&self.principal.subject).await?;
                // A server that cannot tell about its tools is not trusted with any.
                let tools = child.tools().await.unwrap_or_default();
                let same_name = tools.iter().filter(|tool| tool.name == name);
                Ok(Some(same_name.map(|tool| tool.permission).max().unwrap_or(Permission::Danger)))
            }
        }
    }

    /// Decides about a request and sets it going.
    async fn request(&self, request: Request, era: Era, session: Option<&Arc<Session>>, streams: bool) -> Progress {
        let id = request.id.clone();
        let answered = |error: RpcError| Progress::Answered(Final::error(&id, &error, era));
        let needed = match self.needs(&request, era).await {
            Ok(Some(needed)) => needed,
            Ok(None) => return answered(RpcError::new(METHOD_NOT_FOUND, "this method is not served here")),
            Err(why) => return Progress::Refused(unavailable(&why, Some(&id))),
        };
        let level = match (era, session) {
            (Era::Modern, _) => request
                .params
                .object("_meta")
                .and_then(|meta| meta.text(META_LOG_LEVEL))
                .and_then(|level| LEVELS.iter().position(|known| *known == level)),
            (Era::Legacy, session) => Some(session.and_then(|session| session.level()).unwrap_or(0)),
        };
        let admitted = match admit(self.parts, self.asked, request, needed) {
            Ok(admitted) => admitted,
            Err(refusal) => return Progress::Refused(refuse(self.parts, &refusal)),
        };
        if admitted.body().method == "ping" {
            return Progress::Answered(Final::new(&id, &Reply::Result(raw(&serde_json::json!({}))), era));
        }
        let (slot, child) = match self.parts.pool.child(&self.principal.subject).await {
            Ok(found) => found,
            Err(why) => return Progress::Refused(unavailable(&why, Some(&id))),
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
            Plan::Forward(outgoing, translation) => {
                let open = match session.map(|session| session.opened(&id)) {
                    Some(None) => {
                        return answered(RpcError::new(INVALID_REQUEST, "a call with this id is open already"));
                    }
                    Some(open) => open,
                    None => None,
                };
                let called = if listens { child.listen(outgoing).await } else { child.call(outgoing).await };
                match called {
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
                        let mut response = problem(StatusCode::TOO_MANY_REQUESTS, Some(&id), &failure(&busy));
                        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(1));
                        return Progress::Refused(response);
                    }
                    Err(failed) => Reply::Error(failure(&failed).to_raw()),
                }
            }
        };
        Progress::Answered(Final::new(&id, &reply, era))
    }

    /// Sets the level that the server logs at: the most talkative that any of the subject's sessions wants.
    async fn set_level(&self, child: &Arc<Child>, session: Option<&Arc<Session>>, level: &str) -> Reply {
        if let Some(session) = session {
            session.set_level(level);
        }
        if child.identity().era == Era::Legacy && child.identity().capability("logging").is_some() {
            let lowest = self.parts.sessions.lowest_level(&self.principal.subject).map_or(level, |at| LEVELS[at]);
            let mut params = crate::envelope::Members::default();
            params.set("level", raw(&lowest));
            return child.ask("logging/setLevel", params).await.unwrap_or_else(|f| Reply::Error(failure(&f).to_raw()));
        }
        Reply::Result(raw(&serde_json::json!({})))
    }

    /// Answers with JSON when the answer comes first, and with a stream when something else does or when it
    /// takes long.
    async fn respond(&self, progress: Progress) -> Response<RelayBody> {
        let mut pieces = match progress {
            Progress::Refused(response) => return response,
            Progress::Answered(last) => return self.finished(last),
            Progress::Open(pieces) => pieces,
        };
        if !self.accepts.events {
            return match last(&mut pieces).await {
                Ok(last) => whole(last),
                Err(refusal) => self.withdraw(refusal),
            };
        }
        match timeout(self.parts.settings.limits.stream_after, pieces.recv()).await {
            Ok(Some(Out::Final(last))) => self.finished(last),
            Ok(Some(Out::Withdrawn { refusal, .. })) => self.withdraw(refusal),
            Ok(Some(first)) => events(Some(first), pieces),
            Ok(None) => self.withdraw(Refusal::Revoked),
            Err(_) => events(Some(Out::Open), pieces),
        }
    }

    fn finished(&self, last: Final) -> Response<RelayBody> {
        if self.accepts.json {
            return whole(last);
        }
        events(Some(Out::Final(last)), mpsc::channel(1).1)
    }

    fn withdraw(&self, refusal: Refusal) -> Response<RelayBody> {
        refuse(self.parts, &refusal)
    }
}

/// The answer, when nothing but the answer can be sent.
async fn last(pieces: &mut mpsc::Receiver<Out>) -> Result<Final, Refusal> {
    loop {
        match pieces.recv().await {
            Some(Out::Final(last)) => return Ok(last),
            Some(Out::Withdrawn { refusal, .. }) => return Err(refusal),
            Some(_) => {}
            // Only a caller who has gone ends a call without an answer.
            None => return Err(Refusal::Revoked),
        }
    }
}

/// Does what a legacy caller's notification says. Nothing of it reaches the server, which is shared.
fn heed(session: &Session, method: &str, params: &crate::envelope::Members) {
    if method == "notifications/cancelled"
        && let Some(id) = params.get("requestId").and_then(Id::read)
    {
        session.cancel(&id);
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
