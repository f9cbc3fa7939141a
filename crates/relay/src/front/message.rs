use std::sync::Arc;

use doorward_resource_server::AuthorizedRequest;
use doorward_types::{Permission, Revision};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio::{sync::mpsc, time::timeout};

use super::{
    RelayBody,
    answer::{Final, Out},
    caller::{Accepts, Caller, SESSION, admit, session},
    headers,
    request::Progress,
    response::{events, json, plain, problem, refuse, unavailable, whole},
    session::Session,
};
use crate::{
    envelope::{INTERNAL_ERROR, INVALID_REQUEST, Id, Incoming, Members, Message, Reply, Request, RpcError},
    era::Era,
    gateway::Parts,
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
    let caller = Caller { parts, asked, look: look.authorized(), principal: &principal, accepts };
    match incoming {
        Incoming::Single(message) => caller.single(message).await,
        Incoming::Batch(messages) => caller.batch(messages).await,
    }
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
                let id = request.id.clone();
                // Noted first: it can be cancelled from here on.
                let open = match session.as_ref().map(|session| session.opened(&id)) {
                    Some(None) => return self.finished(in_use(&id)),
                    open => open.flatten(),
                };
                let progress = self.request(request, era, session.as_ref(), open, self.accepts.events).await;
                self.respond(&id, era, progress).await
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
                Message::Request(request) => {
                    let open = session.opened(&request.id);
                    requests.push((request, open));
                }
                Message::Notification { method, params } => heed(&session, &method, &params),
                Message::Response { .. } => {}
            }
        }
        for (request, open) in &requests {
            let Some(open) = open else { continue };
            let needs = tokio::select! {
                biased;
                () = open.cancelled.cancelled() => continue,
                needs = self.needs(request, Era::Legacy) => needs,
            };
            // What cannot be done at all is told by its own answer.
            if let Ok((needed, _)) = needs
                && let Err(refusal) = admit(self.parts, self.look, (), needed)
            {
                return refuse(self.parts, &refusal);
            }
        }
        let answers = requests.into_iter().map(|(request, open)| async {
            let id = request.id.clone();
            if open.is_none() {
                return in_use(&id).json;
            }
            match self.request(request, Era::Legacy, Some(&session), open, false).await {
                Progress::Answered(last) => last.json,
                Progress::Open(mut pieces) => last(&mut pieces, &id, Era::Legacy).await.json,
                // The other calls may have had effect, and their answers are owed.
                Progress::Refused { why, .. } => Final::error(&id, &why, Era::Legacy).json,
            }
        });
        let answers = futures_util::future::join_all(answers).await;
        match answers.is_empty() {
            true => plain(StatusCode::ACCEPTED),
            false => json(StatusCode::OK, format!("[{}]", answers.join(","))),
        }
    }

    /// Starts a session.
    async fn initialize(&self, request: Request) -> Response<RelayBody> {
        let admitted = match admit(self.parts, self.look, request, Permission::Read) {
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

    /// Answers with JSON when the answer comes first, and with a stream when something else does or when it
    /// takes long.
    async fn respond(&self, id: &Id, era: Era, progress: Progress) -> Response<RelayBody> {
        let mut pieces = match progress {
            Progress::Refused { response, .. } => return *response,
            Progress::Answered(last) => return self.finished(last),
            Progress::Open(pieces) => pieces,
        };
        if !self.accepts.events {
            return whole(last(&mut pieces, id, era).await);
        }
        match timeout(self.parts.settings.limits.stream_after, pieces.recv()).await {
            Ok(Some(Out::Final(last))) => self.finished(last),
            Ok(Some(first)) => events(Some(first), pieces),
            Ok(None) => self.finished(broken_off(id, era)),
            Err(_) => events(Some(Out::Open), pieces),
        }
    }

    fn finished(&self, last: Final) -> Response<RelayBody> {
        if self.accepts.json {
            return whole(last);
        }
        events(Some(Out::Final(last)), mpsc::channel(1).1)
    }
}

/// The answer to a call with an id that another open call has.
fn in_use(id: &Id) -> Final {
    Final::error(id, &RpcError::new(INVALID_REQUEST, "a call with this id is open already"), Era::Legacy)
}

/// The answer, when nothing but the answer can be sent.
async fn last(pieces: &mut mpsc::Receiver<Out>, id: &Id, era: Era) -> Final {
    while let Some(piece) = pieces.recv().await {
        if let Out::Final(last) = piece {
            return last;
        }
    }
    broken_off(id, era)
}

/// The answer when there is none: the call may have reached the server all the same.
fn broken_off(id: &Id, era: Era) -> Final {
    Final::error(id, &RpcError::new(INTERNAL_ERROR, "the call broke off; it may or may not have had effect"), era)
}

/// Does what a legacy caller's notification says. Nothing of it reaches the server, which is shared.
fn heed(session: &Session, method: &str, params: &Members) {
    if method == "notifications/cancelled"
        && let Some(id) = params.get("requestId").and_then(Id::read)
    {
        session.cancel(&id);
    }
}
