//! A new access token for a login that is still good.

use doorward_types::{
    ScopeSet, Timestamp,
    outbound::{FetchFailed, Inbound, Outbound, Reach},
};

use crate::{
    Code, Failed, Registration, StoredTokens, authorization,
    exchange::{self, TokenAnswer},
    failed::place,
};

/// A refresh that was sent and waits for its answer.
#[derive(Debug)]
pub struct Refresh {
    tokens: StoredTokens,
    scope: Option<ScopeSet>,
}

/// What came of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// New tokens. Save them against the generation that they carry, which is the one that was read.
    New(Box<StoredTokens>),
    /// The login is over. Remove the tokens of this generation, if they are still there, and log in again.
    Ended(Failed),
    /// The server has forgotten the client that it had registered. Forget it too and log in again, which registers anew.
    ClientGone(Failed),
    /// Nothing is lost: keep the tokens and try again later.
    Later(Failed),
}

impl Refresh {
    /// Makes the request. `narrower` asks for fewer scopes than were granted; without it none are sent, which keeps them all.
    ///
    /// # Errors
    /// When there is no refresh token: a person has to log in again.
    /// Source: OAuth 2.1 section 4.3, RFC 8707 section 2.2.
    pub fn start(tokens: StoredTokens, narrower: Option<ScopeSet>, reach: Reach) -> Result<(Self, Outbound), Failed> {
        let Some(token) = &tokens.refresh_token else {
            return Err(login_needed(&tokens, "the server gave no refresh token"));
        };
        let covers = |wanted: &ScopeSet| tokens.granted.as_ref().is_some_and(|all| all.covers(wanted) && all != wanted);
        let narrower = narrower.filter(covers);
        let scope = narrower.as_ref().map(ToString::to_string);
        let mut parameters =
            vec![("grant_type", "refresh_token"), ("refresh_token", token.expose()), ("resource", &tokens.audience)];
        parameters.extend(scope.as_deref().map(|scope| ("scope", scope)));
        let endpoint = tokens.server.token_endpoint();
        let request = exchange::authenticated(endpoint, &tokens.server, &tokens.client, &parameters, reach)?;
        Ok((Self { tokens, scope: narrower }, request))
    }

    /// Reads the answer. Only the server's word that the grant is gone ends the login; nothing that a network, a proxy
    /// or a broken server can do does.
    pub fn on(self, answer: Result<Inbound, FetchFailed>, now: Timestamp) -> Refreshed {
        let Self { mut tokens, scope } = self;
        let endpoint = tokens.server.token_endpoint().clone();
        let error = match exchange::read(&endpoint, answer) {
            Err(failed) => return Refreshed::Later(failed),
            Ok(TokenAnswer::Refused(error)) => error,
            Ok(TokenAnswer::Tokens(new)) => {
                tokens.expires_at = exchange::expiry(&new, now);
                tokens.issued_at = now;
                tokens.granted = new.scope.or(scope).or(tokens.granted);
                tokens.access_token = new.access_token;
                // A server that does not rotate leaves the old one in force.
                tokens.refresh_token = new.refresh_token.or(tokens.refresh_token);
                return Refreshed::New(Box::new(tokens));
            }
        };
        let why = format!("{} answered {}", place(&endpoint), authorization::words(&error));
        match error.error.as_str() {
            "invalid_grant" => Refreshed::Ended(login_needed(&tokens, &why)),
            "invalid_client" if tokens.client.registration() == Registration::Dynamic => {
                Refreshed::ClientGone(login_needed(&tokens, &why))
            }
            "invalid_client" => Refreshed::Later(Failed::new(
                Code::ClientUnknown,
                "the authorization server does not accept this client",
                why,
                "check the client identifier and its secret",
            )),
            _ => Refreshed::Later(Failed::new(
                Code::TokenRefused,
                "the authorization server refused to renew the token",
                why,
                format!("log in again with: doorward login {}", tokens.resource),
            )),
        }
    }
}

fn login_needed(tokens: &StoredTokens, why: &str) -> Failed {
    Failed::new(
        Code::LoginNeeded,
        "the login at this server has ended",
        why,
        format!("doorward login {}", tokens.resource),
    )
}
