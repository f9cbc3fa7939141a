//! First connect, refresh and step-up as a machine that says what to do next, and the credential-store trait.
//!
//! [`Connect`] takes an [`Input`] and gives a [`Step`]; whoever runs it does the step and comes back with what came of
//! it. Nothing here opens a socket, reads a clock or draws randomness by itself.
//!
//! ```text
//! let (mut connect, mut step) = Connect::start(target, Some(answer.headers()))?;
//! let mut generation = 0;
//! loop {
//!     let input = match step {
//!         Step::Send(request) => Input::Answer(fetcher.send(request).await),
//!         Step::LoadClient { issuer } => Input::Client(store.load_client(&issuer).await?),
//!         Step::SaveClient(client) => { store.save_client(&client).await?; Input::ClientSaved }
//!         Step::LoadIdentity(key) => {
//!             let stored = store.load_identity(&key).await?;
//!             generation = stored.as_ref().map_or(0, |stored| stored.generation);
//!             Input::Identity(stored.map(Box::new))
//!         }
//!         Step::SaveIdentity(identity) => {
//!             generation = store.save_identity(&identity, generation).await?;
//!             Input::IdentitySaved
//!         }
//!         Step::HoldPort(wanted) => Input::PortHeld { redirect_uri: listener.hold(wanted).await? },
//!         Step::OpenBrowser(page) => { browser.open(&page.url); listener.next_callback_or_time_up().await }
//!         Step::KeepWaiting { .. } => listener.next_callback_or_time_up().await,
//!         Step::ShowDeviceCode(code) => { show(&code); sleep(code.wait).await; Input::Waited }
//!         Step::Wait(time) => { sleep(time).await; Input::Waited }
//!         Step::AskAgain { pause, .. } => { sleep(pause).await; Input::Waited }
//!         Step::Done(connected) => break connected,
//!     };
//!     (connect, step) = connect.on(input, now(), &mut entropy)?;
//! }
//! ```

mod assertion;
mod authorization;
mod bearer;
mod bound;
mod brought;
mod busy;
mod callback;
mod checked_callback;
mod client_credentials;
mod command;
mod connect;
mod device;
mod discovery;
mod document;
mod dpop;
mod enterprise;
mod exchange;
mod extra;
mod failed;
mod found;
mod grant;
mod id_token;
mod identifier;
mod identity;
mod port;
mod proof;
mod provider;
mod push;
mod refresh;
mod registration;
mod revoke;
mod scope;
#[cfg(test)]
mod scripted;
mod stage;
mod start;
mod state;
pub mod step;
pub mod store;
mod taken_over;
pub mod target;
#[cfg(test)]
mod tests;
mod token_request;

pub use bearer::{BearerFor, next_nonce};
pub use bound::{
    AuthMethod, ClientCredentials, ClientRecord, IssuerBound, RegisteredClient, Registration, WrongIssuer,
};
pub use busy::no_answer_for_now;
pub use checked_callback::CheckedCallback;
pub use command::{is_plain, login_command, login_command_with, word};
pub use connect::Connect;
pub use document::is_page;
pub use failed::{Code, Exit, Failed, about_the_way};
pub use id_token::{CheckedIdToken, IdTokenRefusal};
pub use identity::{IdentityKey, IdentityRecord, RestsOn, StoredIdentity};
pub use proof::{Occasion, ProofKey};
pub use refresh::{Refresh, Refreshed};
pub use revoke::Revoke;
pub use scope::StepUps;
pub use stage::Stage;
pub use step::{Connected, Input, Note, Step};
pub use store::{CredentialStore, Got, Key, SaveFailed, StoreFault, StoredTokens, TokensRecord};
pub use target::Target;
