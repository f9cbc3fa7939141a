//! Giving tokens back.

use doorward_types::{
    Entropy, Timestamp, json,
    messages::ErrorResponse,
    metadata::ValidatedMetadata,
    outbound::{FetchFailed, Inbound, Outbound, Reach},
};

use crate::{
    Code, Failed, StoredIdentity, StoredTokens,
    failed::{no_answer, words},
    token_request::{Fresh, Parameters, authenticated},
};

/// Requests that give tokens back: the refresh token first, since it could make new access tokens.
#[derive(Debug)]
pub struct Revoke {
    /// To be sent in this order; [`confirmed`](Self::confirmed) reads each answer.
    pub requests: Vec<Outbound>,
}

impl Revoke {
    /// Makes the requests; `None` when the server has no revocation endpoint.
    ///
    /// # Errors
    /// When the client's credentials are another server's.
    /// Source: RFC 7009 section 2.1.
    pub fn start(
        tokens: &StoredTokens,
        reach: Reach,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<Option<Self>, Failed> {
        let Some(endpoint) = tokens.server.revocation_endpoint() else { return Ok(None) };
        let refresh = tokens.refresh_token.as_ref().map(|token| (token.expose(), "refresh_token"));
        let mut fresh = Fresh { now, entropy };
        let requests = refresh
            .into_iter()
            .chain([(tokens.access_token.expose(), "access_token")])
            .map(|(token, hint)| {
                let parameters = Parameters::new(&[("token", token), ("token_type_hint", hint)]);
                authenticated(endpoint, &tokens.server, &tokens.client, &parameters, reach, &mut fresh)
            })
            .collect::<Result<_, _>>()?;
        Ok(Some(Self { requests }))
    }

    /// A request that gives back what renews a sign-in at an identity provider; `None` when there is nothing of the sort, or
    /// the provider has no revocation endpoint.
    ///
    /// # Errors
    /// When the client's credentials are another server's.
    /// Source: RFC 7009 section 2.1.
    pub fn sign_in(
        identity: &StoredIdentity,
        reach: Reach,
        now: Timestamp,
        entropy: &mut dyn Entropy,
    ) -> Result<Option<Outbound>, Failed> {
        let (Some(endpoint), Some(token)) = (identity.provider.revocation_endpoint(), &identity.refresh_token) else {
            return Ok(None);
        };
        let parameters = Parameters::new(&[("token", token.expose()), ("token_type_hint", "refresh_token")]);
        let mut fresh = Fresh { now, entropy };
        authenticated(endpoint, &identity.provider, &identity.client, &parameters, reach, &mut fresh).map(Some)
    }

    /// Whether the identity provider confirmed that.
    ///
    /// # Errors
    /// When it did not, with its reason.
    pub fn sign_in_confirmed(identity: &StoredIdentity, answer: Result<Inbound, FetchFailed>) -> Result<(), Failed> {
        confirmed(&identity.provider, answer)
    }

    /// Whether the server confirmed that a token is good no more.
    ///
    /// # Errors
    /// When it did not, with its reason.
    /// Source: RFC 7009 section 2.2.
    pub fn confirmed(tokens: &StoredTokens, answer: Result<Inbound, FetchFailed>) -> Result<(), Failed> {
        confirmed(&tokens.server, answer)
    }
}

fn confirmed(server: &ValidatedMetadata, answer: Result<Inbound, FetchFailed>) -> Result<(), Failed> {
    let what = "the authorization server did not confirm that the login is revoked";
    let endpoint = server.revocation_endpoint().unwrap_or_else(|| server.token_endpoint());
    // There is nothing here any more with which to try again.
    let next = "end the login on the server's own page of connected apps";
    let answer = answer.map_err(|failed| {
        let failed = no_answer(what, endpoint, &failed);
        Failed::new(failed.code(), what, failed.why(), next)
    })?;
    if answer.status == http::StatusCode::OK {
        return Ok(());
    }
    let reason = match json::parse_as::<ErrorResponse>(&answer.body) {
        Ok(error) => words(&error),
        Err(_) => "no reason".to_owned(),
    };
    Err(Failed::new(Code::NotRevoked, what, format!("{} answered {}: {reason}", server.issuer(), answer.status), next))
}
