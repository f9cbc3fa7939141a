//! The login as a machine: for what is awaited and what has come, who decides.

use std::time::Duration;

use doorward_types::{
    Entropy, Timestamp,
    outbound::{Outbound, Reach},
};
use http::HeaderMap;

use crate::{
    Code, Failed, Input, Step, StoredIdentity, StoredTokens, Target, busy, callback, device,
    discovery::{resource, server},
    enterprise::{self, again, keys, person, provider, renew},
    exchange, grant, identifier, port, push, registration,
    stage::Stage,
    start,
    state::{Next, State},
    target::PreRegistered,
    token_request::Fresh,
};

/// A login at an MCP server, from its 401 to the tokens. It says what to do next and does nothing by itself.
#[derive(Debug)]
pub struct Connect {
    state: State,
    /// How long servers were left alone for as they wished, and are still asked again for their sake.
    waited: Duration,
}

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
    /// [`Step::Send`] and [`Step::SaveIdentity`] before. `own` is this program at the identity provider as the user names it
    /// now: its secret or key is used and kept from now on.
    ///
    /// # Errors
    /// [`Code::LoginNeeded`] when somebody has to sign in.
    /// Source: draft-ietf-oauth-identity-assertion-authz-grant section 4.4.3.
    pub fn renew(
        tokens: StoredTokens,
        identity: Option<StoredIdentity>,
        own: Option<&PreRegistered>,
        reaches: (Reach, Reach),
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Step), Failed> {
        again::start(tokens, identity, own, reaches, &mut Fresh { now, entropy }).map(Self::with_no_time)
    }

    /// Goes on with what came of the last step.
    ///
    /// # Errors
    /// When the login has come to nothing; the machine is used up then.
    pub fn on(self, input: Input, now: Timestamp, entropy: &mut dyn Entropy) -> Result<(Self, Step), Failed> {
        let mut fresh = Fresh { now, entropy };
        let fresh = &mut fresh;
        let Self { state, waited } = self;
        let (state, step) = match (state, input) {
            (State::Later(state, _), Input::Waited) => {
                let request = again(&state, fresh).expect("it was asked before")?;
                (*state, Step::Send(request))
            }
            // There is no time for that: its answer is that there is none.
            (State::Later(state, answer), Input::TimeUp) => decide(*state, Input::Answer(Ok(answer)), fresh)?,
            (state, Input::Answer(Ok(answer))) => {
                let pause = busy::pause(&answer, waited);
                let request = pause.and_then(|_| again(&state, fresh)).transpose()?;
                if let Some((pause, Outbound { url, .. })) = pause.zip(request) {
                    let state = State::Later(Box::new(state), answer);
                    return Ok((Self { state, waited: waited + pause }, Step::AskAgain { url, pause }));
                }
                decide(state, Input::Answer(Ok(answer)), fresh)?
            }
            (state, input) => decide(state, input, fresh)?,
        };
        Ok((Self { state, waited }, step))
    }

    /// Whether the step just given shows the identity provider the refresh token of the sign-in that is kept: that must
    /// not be done by two at once.
    pub fn renews_identity(&self) -> bool {
        matches!(self.state, State::Renewed(_))
    }

    /// What is waited for.
    pub fn stage(&self) -> Stage {
        Stage::from(&self.state)
    }

    fn with((state, step): (State, Step)) -> (Self, Step) {
        (Self { state, waited: Duration::ZERO }, step)
    }

    /// The same where nobody waits for long: a renewal is tried again by itself.
    fn with_no_time((state, step): (State, Step)) -> (Self, Step) {
        (Self { state, waited: Duration::MAX }, step)
    }
}

/// What follows from what came.
fn decide(state: State, input: Input, fresh: &mut Fresh<'_>) -> Next {
    match (state, input) {
        (State::Resource(waiting), Input::Answer(answer)) => resource::answered(waiting, answer),
        (State::Server(waiting), Input::Answer(answer)) => server::answered(waiting, answer, fresh),
        (State::StoredClient(waiting), Input::Client(stored)) => identifier::loaded(waiting, stored, fresh),
        (State::Port(waiting), Input::PortHeld { redirect_uri }) => port::held(waiting, &redirect_uri, fresh),
        (State::Registration(waiting), Input::Answer(answer)) => registration::answered(waiting, answer),
        (State::Saved(waiting), Input::ClientSaved) => grant::registered(waiting, fresh),
        (State::Pushed(waiting), Input::Answer(answer)) => push::answered(waiting, answer),
        (State::Callback(waiting), Input::Callback { query }) => callback::came(waiting, &query, fresh),
        (State::Callback(waiting), Input::TimeUp) => Err(callback::time_up(&waiting)),
        (State::DeviceCode(waiting), Input::Answer(answer)) => device::given(waiting, answer, fresh.now),
        (State::DevicePause(waiting), Input::Waited) => device::ask_again(waiting, fresh),
        (State::DevicePause(waiting), Input::TimeUp) => Err(device::time_up(&waiting, waiting.expires <= fresh.now)),
        (State::DeviceAnswer(waiting), Input::Answer(answer)) => device::answered(waiting, answer, fresh),
        (State::Provider(waiting), Input::Answer(answer)) => provider::answered(waiting, answer, fresh),
        (State::Identity(errand), Input::Identity(stored)) => person::with(errand, stored.map(|stored| *stored), fresh),
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
    }
}

/// The request whose answer is waited for, made anew; where it does no harm to ask again.
fn again(state: &State, fresh: &mut Fresh<'_>) -> Option<Result<Outbound, Failed>> {
    Some(match state {
        State::Resource(waiting) => Ok(waiting.request()),
        State::Server(waiting) => Ok(waiting.request()),
        State::Provider(waiting) => Ok(waiting.request()),
        State::Registration(waiting) => registration::request(waiting),
        State::Pushed(waiting) => push::request(waiting, fresh),
        State::DeviceCode(waiting) => device::request(waiting, fresh),
        State::Token(waiting) => waiting.request.outbound(fresh),
        _ => return None,
    })
}
