//! A new access token for a login that is still good.

use doorward_types::{
    Entropy, ScopeSet, Timestamp,
    messages::ErrorResponse,
    outbound::{FetchFailed, Inbound, Outbound, Reach},
};

use crate::{
    Code, Failed, Registration, StoredTokens, client_credentials,
    failed::{place, words},
    provider,
    store::Got,
    token_request::{Fresh, Parameters, TokenRequest, Told, expiry},
};

/// What to do where nothing is renewed. How the login was made, so how it is made again, is known to the caller.
pub(crate) const AGAIN: &str = "log in again";

/// A refresh that was sent and waits for its answer.
#[derive(Debug)]
pub struct Refresh {
    tokens: StoredTokens,
    request: TokenRequest,
    scope: Option<ScopeSet>,
}

/// What came of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// The server wants to be asked once more: send this, and give the answer to [`Refresh::on`].
    Again(Box<Refresh>, Outbound),
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
    /// Makes the request. `narrower` asks for fewer scopes than were granted; without it none are sent, which keeps them
    /// all. A client that got its tokens for itself asks anew, for what it asked before.
    ///
    /// # Errors
    /// When there is no refresh token: a person has to log in again.
    /// Source: OAuth 2.1 sections 4.2 and 4.3, RFC 8707 section 2.2, RFC 9449 section 5.
    pub fn start(
        tokens: StoredTokens,
        narrower: Option<ScopeSet>,
        reach: Reach,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<(Self, Outbound), Failed> {
        let covers = |wanted: &ScopeSet| tokens.granted.as_ref().is_some_and(|all| all.covers(wanted) && all != wanted);
        let narrower = narrower.filter(covers);
        let wanted =
            provider::refresh_scope(tokens.server.issuer(), tokens.requested.as_ref(), tokens.granted.as_ref());
        let parameters = match (&tokens.refresh_token, tokens.got) {
            (_, Got::ClientCredentials) => {
                let scope = narrower.as_ref().or(tokens.requested.as_ref()).map(ToString::to_string);
                client_credentials::parameters(&tokens.audience, scope.as_deref())
            }
            (Some(token), _) => Parameters::new(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", token.expose()),
                ("resource", &tokens.audience),
            ])
            .and("scope", narrower.as_ref().or(wanted).map(ToString::to_string).as_deref()),
            (None, _) => return Err(login_needed("the server gave no refresh token")),
        };
        let request = TokenRequest::new(tokens.server.clone(), tokens.client.clone(), parameters, reach);
        // What was bound once stays bound.
        let (key, only_bound) = (tokens.proof_key.clone(), tokens.proof_key.is_some());
        let request = TokenRequest { key, only_bound, ..request };
        let outbound = request.outbound(&mut Fresh { now, entropy })?;
        Ok((Self { tokens, request, scope: narrower }, outbound))
    }

    /// Reads the answer. Only the server's word that the grant is gone ends the login; nothing that a network, a proxy
    /// or a broken server can do does.
    pub fn on(self, answer: Result<Inbound, FetchFailed>, now: Timestamp, entropy: &mut dyn Entropy) -> Refreshed {
        let Self { mut tokens, request, scope } = self;
        match request.on(answer, &mut Fresh { now, entropy }) {
            Err(failed) => Refreshed::Later(failed),
            Ok(Told::Again(request, outbound)) => {
                Refreshed::Again(Box::new(Self { tokens, request: *request, scope }), outbound)
            }
            Ok(Told::Refused(error)) => refused(&tokens, &error),
            Ok(Told::Tokens(new, _)) => {
                tokens.expires_at = expiry(&new, now);
                tokens.issued_at = now;
                tokens.granted = provider::granted(tokens.server.issuer(), new.scope).or(scope).or(tokens.granted);
                tokens.access_token = new.access_token;
                // A server that does not rotate leaves the old one in force.
                tokens.refresh_token =
                    new.refresh_token.filter(|_| tokens.got != Got::ClientCredentials).or(tokens.refresh_token);
                Refreshed::New(Box::new(tokens))
            }
        }
    }
}

fn refused(tokens: &StoredTokens, error: &ErrorResponse) -> Refreshed {
    let endpoint = tokens.server.token_endpoint();
    let why = format!("{} answered {}", place(endpoint), words(error));
    match error.error.as_str() {
        "invalid_grant" => Refreshed::Ended(login_needed(&why)),
        "invalid_client" if tokens.client.registration() == Registration::Dynamic => {
            Refreshed::ClientGone(login_needed(&why))
        }
        "invalid_client" => Refreshed::Later(Failed::new(
            Code::ClientUnknown,
            "the authorization server does not accept this client",
            why,
            "check the client identifier and its secret",
        )),
        // The login may well be good, so that one is made anew only by force.
        _ => Refreshed::Later(Failed::new(
            Code::TokenRefused,
            "the authorization server refused to renew the token",
            why,
            AGAIN,
        )),
    }
}

fn login_needed(why: &str) -> Failed {
    Failed::new(Code::LoginNeeded, "the login at this server has ended", why, AGAIN)
}
