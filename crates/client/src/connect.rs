//! The login as a machine: for what is awaited and what has come, who decides.

use doorward_types::{Entropy, Timestamp, outbound::Reach};
use http::HeaderMap;

use crate::{
    Code, Failed, Input, Step, StoredIdentity, StoredTokens, Target, callback, device,
    discovery::{resource, server},
    enterprise::{self, again, keys, person, provider, renew},
    exchange, grant, identifier, port, push, registration,
    stage::Stage,
    start,
    state::State,
    token_request::Fresh,
};

/// A login at an MCP server, from its 401 to the tokens. It says what to do next and does nothing by itself.
#[derive(Debug)]
pub struct Connect(State);

impl Connect {
    /// Starts a login. `challenge` are the headers of the 401 (or 403) that the server answered with, if there was one.
    ///
    /// # Errors
    /// When what the server says must not be followed.
    pub fn start(target: Target, challenge: Option<&HeaderMap>) -> Result<(Self, Step), Failed> {
        start::start(target, challenge).map(Self::with)
    }

    /// Gets new tokens in the place of these, which rest on a person's sign-in at an identity provider, as
    /// [`StoredTokens::identity`] says. It ends with [`Step::Done`], and nobody is asked for anything: there is no step but
    /// [`Step::Send`] and [`Step::SaveIdentity`] before.
    ///
    /// # Errors
    /// [`Code::LoginNeeded`] when somebody has to sign in.
    /// Source: draft-ietf-oauth-identity-assertion-authz-grant section 4.4.3.
    pub fn renew(
        tokens: StoredTokens,
        identity: Option<StoredIdentity>,
        reaches: (Reach, Reach),
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Step), Failed> {
        again::start(tokens, identity, reaches, &mut Fresh { now, entropy }).map(Self::with)
    }

    /// Goes on with what came of the last step.
    ///
    /// # Errors
    /// When the login has come to nothing; the machine is used up then.
    pub fn on(self, input: Input, now: Timestamp, entropy: &mut dyn Entropy) -> Result<(Self, Step), Failed> {
        let mut fresh = Fresh { now, entropy };
        let fresh = &mut fresh;
        let next = match (self.0, input) {
            (State::Resource(waiting), Input::Answer(answer)) => resource::answered(waiting, answer),
            (State::Server(waiting), Input::Answer(answer)) => server::answered(waiting, answer, fresh),
            (State::StoredClient(waiting), Input::Client(stored)) => identifier::loaded(waiting, stored, fresh),
            (State::Port(waiting), Input::PortHeld { redirect_uri }) => port::held(waiting, &redirect_uri, fresh),
            (State::Registration(waiting), Input::Answer(answer)) => registration::answered(waiting, answer),
            (State::Saved(waiting), Input::ClientSaved) => grant::registered(waiting, fresh),
            (State::Pushed(waiting), Input::Answer(answer)) => push::answered(waiting, answer),
            (State::Callback(waiting), Input::Callback { query }) => callback::came(waiting, &query, fresh),
            (State::Callback(waiting), Input::TimeUp) => Err(callback::time_up(&waiting)),
            (State::DeviceCode(waiting), Input::Answer(answer)) => device::given(waiting, answer, now),
            (State::DevicePause(waiting), Input::Waited) => device::ask_again(waiting, fresh),
            (State::DevicePause(waiting), Input::TimeUp) => Err(device::time_up(&waiting, waiting.expires <= now)),
            (State::DeviceAnswer(waiting), Input::Answer(answer)) => device::answered(waiting, answer, fresh),
            (State::Provider(waiting), Input::Answer(answer)) => provider::answered(waiting, answer, fresh),
            (State::Identity(errand), Input::Identity(stored)) => {
                person::with(errand, stored.map(|stored| *stored), fresh)
            }
            (State::Renewed(waiting), Input::Answer(answer)) => renew::answered(waiting, answer, fresh),
            (State::Keys(waiting), Input::Answer(answer)) => keys::answered(waiting, answer, fresh),
            (State::Kept(waiting), Input::IdentitySaved) => person::kept(waiting, fresh),
            (State::Exchange(waiting), Input::Answer(answer)) => enterprise::exchange::answered(waiting, answer, fresh),
            (State::Token(waiting), Input::Answer(answer)) => exchange::answered(waiting, answer, fresh),
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

    fn with((state, step): (State, Step)) -> (Self, Step) {
        (Self(state), step)
    }
}
