//! A host of the older era at a server of the newer one.
//!
//! The host's session is with the bridge: the server hears, with each request, what the host said once.
//!
//! Source: docs/decisions/0030-eras-are-translated-only-when-they-differ.md.

mod asks;
mod changes;
mod said;

use std::{sync::Arc, time::Duration};

use doorward_types::Revision;
use futures_util::future::try_join_all;
use serde_json::value::RawValue;

pub(super) use asks::can_be_asked;
pub(super) use said::Said;

use self::asks::{Asks, Question};
use super::{
    answer::NoReply,
    call::{Call, Speech},
    find::nothing,
    link::Link,
    questions::Questions,
};
use crate::{
    envelope::{INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, Members, Message, Reply, Request, RpcError},
    era::Identity,
    plan::{LEVELS, name_member},
    translate::{self, Translation},
};

/// How often a server may ask for more before one call is given up.
const MOST_ROUNDS: u32 = 10;
/// The pause before a call is tried again for which the server asked nobody anything; twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// The server, and what its host has said.
pub(super) struct Translator<'a> {
    pub(super) link: &'a Arc<Link>,
    pub(super) said: &'a Arc<Said>,
    pub(super) questions: &'a Questions,
    pub(super) server: &'a Arc<Identity>,
}

impl Translator<'_> {
    /// Answers a request of the host.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(super) async fn ask(&self, request: &Request) -> Result<Reply, NoReply> {
        match request.method.as_str() {
            "initialize" => Ok(self.initialize(&request.params)),
            "ping" => Ok(nothing()),
            "logging/setLevel" => self.set_level(&request.params),
            "resources/subscribe" => self.watch(&request.params, true).await,
            "resources/unsubscribe" => self.watch(&request.params, false).await,
            _ => self.call(request).await,
        }
    }

    /// Takes a notification of the host. The server has no word for any of them.
    pub(super) async fn heed(&self, method: &str) {
        match method {
            "notifications/initialized" => changes::follow(self.link, self.said, self.server).await,
            _ => tracing::debug!(%method, "a notification that the server has no word for is dropped"),
        }
    }

    fn initialize(&self, params: &Members) -> Reply {
        self.said.initialize(params);
        let revision = self.server.revision_for(params.text("protocolVersion").as_deref());
        Reply::Result(self.server.initialize_result(revision))
    }

    fn set_level(&self, params: &Members) -> Result<Reply, NoReply> {
        let level = params.text("level").filter(|level| LEVELS.contains(&level.as_str()));
        let error = || RpcError::new(INVALID_PARAMS, format!("params.level is one of {}", LEVELS.join(", ")));
        self.said.set_level(level.ok_or_else(error)?);
        Ok(nothing())
    }

    async fn watch(&self, params: &Members, on: bool) -> Result<Reply, NoReply> {
        if !self.server.has("resources", "subscribe") {
            return Err(RpcError::new(METHOD_NOT_FOUND, "this server does not tell when resources change").into());
        }
        let uri = params.text("uri").ok_or_else(|| RpcError::new(INVALID_PARAMS, "params.uri is missing"))?;
        let (link, said, server) = (Arc::clone(self.link), Arc::clone(self.said), Arc::clone(self.server));
        // In a task of its own: when the host takes this back meanwhile, it comes to its end all the same.
        let heard = tokio::spawn(async move {
            let heard = !said.watch(&uri, on) || changes::follow_now(&link, &said, &server).await;
            if !heard {
                said.watch(&uri, !on);
            }
            heard
        });
        if !heard.await.unwrap_or(false) {
            return Err(RpcError::new(INTERNAL_ERROR, "the server does not tell of changes at present").into());
        }
        Ok(nothing())
    }

    /// Forwards a request, and asks the host what the server wants to know, until the server has what it needs.
    ///
    /// Source: MCP 2026-07-28 patterns, "Multi Round-Trip Requests".
    async fn call(&self, request: &Request) -> Result<Reply, NoReply> {
        let mut params = self.said.params(request.params.clone());
        let mut id = request.id.clone();
        for round in 0..MOST_ROUNDS {
            let next = Request { id: id.clone(), method: request.method.clone(), params: params.clone() };
            let call = Call::new(Speech::Modern(Revision::LATEST.to_string()), Message::Request(next));
            let reply = call.ask(&id, self.link).await?.reply;
            let Some(asks) = asks::read(&reply, &self.said.capabilities())? else {
                return Ok(translate::reply(reply, Translation::ToLegacy));
            };
            if name_member(&request.method).is_none() {
                let error = format!("the server asks for input in answer to {}, which needs none", request.method);
                return Err(RpcError::new(INTERNAL_ERROR, error).into());
            }
            let answers = self.answers(&asks, round).await?;
            asks.answer(answers, &mut params);
            // Each try is a request of its own.
            id = self.link.own_id();
        }
        let error = format!("the server asked for more input {MOST_ROUNDS} times and was not done");
        Err(RpcError::new(INTERNAL_ERROR, error).into())
    }

    async fn answers(&self, asks: &Asks, round: u32) -> Result<Vec<Box<RawValue>>, NoReply> {
        if asks.questions.is_empty() {
            tokio::time::sleep(FIRST_PAUSE * 2_u32.pow(round.min(5))).await;
        }
        try_join_all(asks.questions.iter().map(|question| self.answer(question))).await
    }

    async fn answer(&self, Question { method, params, .. }: &Question) -> Result<Box<RawValue>, NoReply> {
        let why = match self.questions.put(self.link, method, params, self.link.settings.answer_timeout).await {
            Some(Reply::Result(result)) => return Ok(result),
            Some(Reply::Error(error)) => {
                let message = Members::parse(error.get()).and_then(|error| error.text("message"));
                format!("the host refused it: {}", message.unwrap_or_default())
            }
            None => "the host did not answer".to_owned(),
        };
        Err(RpcError::new(INTERNAL_ERROR, format!("the server needs an answer to {method}, but {why}")).into())
    }
}
