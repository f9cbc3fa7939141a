//! How many requests may wait in the store: each is a row that stays until somebody answers or its time is over, and anybody
//! can ask.

use crate::{
    Policy,
    client_auth::AuthenticatedClient,
    facts::{ClientAuthentication, ClientOrigin},
};

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// A person's answer.
    Answer,
    /// The browser that brings the reference of a pushed request.
    Browser,
    /// The person who types a device's code.
    Code,
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// A person who is signed in, or a client of the operator's that proved who it is.
    Known,
    /// Anybody else.
    Stranger,
}

impl Asker {
    /// A client. Its identifier alone is no secret, so a public one is anybody.
    pub fn of(client: &AuthenticatedClient) -> Self {
        let client = client.client();
        match (client.origin, &client.authentication) {
            (ClientOrigin::Dynamic | ClientOrigin::Document, _) | (_, ClientAuthentication::None) => Self::Stranger,
            (ClientOrigin::Administrator, _) => Self::Known,
        }
    }
}

/// As many requests wait as strangers may have waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for an answer; try again in a minute")]
pub struct Crowded;

/// Whether one more request of a kind may wait beside so many. Whoever is known goes on when strangers have filled the room.
///
/// # Errors
/// When a stranger has to come back later.
pub fn one_more(policy: &Policy, asker: Asker, waiting: u64) -> Result<(), Crowded> {
    let may = asker == Asker::Known || waiting < policy.most_waiting;
    may.then_some(()).ok_or(Crowded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{facts::Client, fixtures};

    #[test]
    fn strangers_fill_the_room_and_others_go_on() {
        // proves: HTTP-14
        let policy = Policy { most_waiting: 2, ..fixtures::policy() };
        for (asker, waiting, may) in [
            (Asker::Stranger, 0, true),
            (Asker::Stranger, 1, true),
            (Asker::Stranger, 2, false),
            (Asker::Stranger, u64::MAX, false),
            (Asker::Known, 2, true),
            (Asker::Known, u64::MAX, true),
        ] {
            assert_eq!(one_more(&policy, asker, waiting).is_ok(), may, "{asker:?} {waiting}");
        }
    }

    #[test]
    fn a_client_is_known_when_the_operator_added_it_and_it_proved_who_it_is() {
        // proves: HTTP-14
        let secret = fixtures::with_secret(&fixtures::service_secret(), false);
        for (origin, known) in [
            (ClientOrigin::Administrator, Asker::Known),
            (ClientOrigin::Dynamic, Asker::Stranger),
            (ClientOrigin::Document, Asker::Stranger),
        ] {
            let with_secret = Client { origin, ..secret.clone() };
            assert_eq!(Asker::of(&fixtures::authenticated_service(&with_secret)), known, "{origin:?}");
            let public = Client { origin, ..fixtures::client() };
            assert_eq!(Asker::of(&fixtures::authenticated(&public)), Asker::Stranger, "{origin:?}");
        }
    }
}
