//! The login as a machine: one struct per awaited input.

use doorward_types::{Entropy, Timestamp};
use http::HeaderMap;

use crate::{
    Code, Failed, Input, Step, Target,
    authorization::AwaitPort,
    callback::AwaitCallback,
    device::{AwaitAnswer, AwaitDeviceCode, AwaitPause},
    discovery::{AwaitResource, AwaitServer},
    enterprise::{AwaitExchange, AwaitIdentity, AwaitKept, AwaitKeys, AwaitProvider, AwaitRenewed},
    exchange::AwaitToken,
    push::AwaitPushed,
    registration::{AwaitRegistration, AwaitSaved, AwaitStoredClient},
    stage::Stage,
    start,
    token_request::Fresh,
};

/// A login at an MCP server, from its 401 to the tokens. It says what to do next and does nothing by itself.
#[derive(Debug)]
pub struct Connect(State);

/// What the machine waits for.
#[derive(Debug)]
pub(crate) enum State {
    Resource(AwaitResource),
    Server(AwaitServer),
    StoredClient(AwaitStoredClient),
    Port(AwaitPort),
    Registration(AwaitRegistration),
    Saved(AwaitSaved),
    Pushed(AwaitPushed),
    Callback(AwaitCallback),
    DeviceCode(AwaitDeviceCode),
    DevicePause(AwaitPause),
    DeviceAnswer(AwaitAnswer),
    Provider(AwaitProvider),
    Identity(AwaitIdentity),
    Renewed(AwaitRenewed),
    Keys(AwaitKeys),
    Kept(AwaitKept),
    Exchange(AwaitExchange),
    Token(AwaitToken),
    Finished,
}

impl Connect {
    /// Starts a login. `challenge` are the headers of the 401 (or 403) that the server answered with, if there was one.
    ///
    /// # Errors
    /// When what the server says must not be followed.
    pub fn start(target: Target, challenge: Option<&HeaderMap>) -> Result<(Self, Step), Failed> {
        start::start(target, challenge).map(Self::with)
    }

    /// Goes on with what came of the last step.
    ///
    /// # Errors
    /// When the login has come to nothing; the machine is used up then.
    pub fn on(self, input: Input, now: Timestamp, entropy: &mut dyn Entropy) -> Result<(Self, Step), Failed> {
        let mut fresh = Fresh { now, entropy };
        let fresh = &mut fresh;
        let next = match (self.0, input) {
            (State::Resource(waiting), Input::Answer(answer)) => waiting.on(answer),
            (State::Server(waiting), Input::Answer(answer)) => waiting.on(answer, fresh),
            (State::StoredClient(waiting), Input::Client(stored)) => waiting.on(stored, fresh),
            (State::Port(waiting), Input::PortHeld { redirect_uri }) => waiting.on(&redirect_uri, fresh),
            (State::Registration(waiting), Input::Answer(answer)) => waiting.on(answer),
            (State::Saved(waiting), Input::ClientSaved) => waiting.on(fresh),
            (State::Pushed(waiting), Input::Answer(answer)) => waiting.on(answer),
            (State::Callback(waiting), Input::Callback { query }) => waiting.on(&query, fresh),
            (State::Callback(waiting), Input::TimeUp) => Err(waiting.time_up()),
            (State::DeviceCode(waiting), Input::Answer(answer)) => waiting.on(answer, now),
            (State::DevicePause(waiting), Input::Waited) => waiting.on(fresh),
            (State::DevicePause(waiting), Input::TimeUp) => Err(waiting.time_up()),
            (State::DeviceAnswer(waiting), Input::Answer(answer)) => waiting.on(answer, fresh),
            (State::Provider(waiting), Input::Answer(answer)) => waiting.on(answer, fresh),
            (State::Identity(waiting), Input::Identity(stored)) => waiting.on(stored.map(|stored| *stored), fresh),
            (State::Renewed(waiting), Input::Answer(answer)) => waiting.on(answer, fresh),
            (State::Keys(waiting), Input::Answer(answer)) => waiting.on(answer, fresh),
            (State::Kept(waiting), Input::IdentitySaved) => waiting.on(fresh),
            (State::Exchange(waiting), Input::Answer(answer)) => waiting.on(answer, fresh),
            (State::Token(waiting), Input::Answer(answer)) => waiting.on(answer, fresh),
            _ => Err(Failed::new(
                Code::OutOfOrder,
                "the login was given an input that it does not wait for",
                "this is a defect of the program that runs it",
                "report it",
            )),
        };
        next.map(Self::with)
    }

    /// Whether the step just given shows the identity provider the refresh token of the sign-in that is kept: that must
    /// not be done by two at once.
    pub fn renews_identity(&self) -> bool {
        matches!(self.0, State::Renewed(_))
    }

    /// What is waited for.
    pub fn stage(&self) -> Stage {
        Stage::from(&self.0)
    }

    pub(crate) fn with((state, step): (State, Step)) -> (Self, Step) {
        (Self(state), step)
    }
}
