//! What an identity provider says of the person who signed in, and what has to be right before it is believed.

use std::time::Duration;

use doorward_types::{
    ClientId, Issuer, Secret, Timestamp,
    jose::{self, JwsRefusal, KeySet},
    secret,
};
use serde::Deserialize;
use serde_json::Value;

/// How far the identity provider's clock may be from ours.
const SKEW: Duration = Duration::from_secs(60);
/// The most bytes of what a person is called.
const MOST_NAME: usize = 255;

/// An ID token that was checked: this identity provider signed it, for this client alone, in answer to this very request,
/// and it is good now. Only [`check`] makes one.
///
/// Source: OpenID Connect Core section 3.1.3.7.
#[derive(Debug)]
pub struct CheckedIdToken {
    pub(crate) token: Secret<secret::Assertion>,
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    pub(crate) until: Timestamp,
}

/// Why an ID token is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenRefusal {
    /// Its signature or its type is wrong.
    #[error("{0}")]
    Jws(#[from] JwsRefusal),
    /// A claim is missing or of the wrong type.
    #[error("it lacks a claim, or one has the wrong type")]
    Claims,
    /// It is another provider's.
    #[error("its iss is not the identity provider that was asked")]
    Issuer,
    /// It is not for this client, or not for this client alone.
    #[error("its aud is not this client alone")]
    Audience,
    /// It was issued to another client.
    #[error("its azp is another client")]
    Party,
    /// It answers another request.
    #[error("its nonce is not the one of this sign-in")]
    Nonce,
    /// It is about somebody else than the one before.
    #[error("its sub is not the person who signed in")]
    Subject,
    /// It has expired, or is not valid yet.
    #[error("by this computer's clock it has expired, or is not valid yet")]
    Time,
}

/// What an ID token has to say.
#[derive(Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) issuer: &'a Issuer,
    pub(crate) client: &'a ClientId,
    /// What the request was made with.
    pub(crate) nonce: Option<&'a Secret<secret::Nonce>>,
    /// Who signed in, when this token only takes the place of an earlier one. It need not repeat the nonce then.
    pub(crate) subject: Option<&'a str>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    azp: Option<String>,
    exp: Timestamp,
    iat: Timestamp,
    nbf: Option<Timestamp>,
    nonce: Option<String>,
    email: Option<Value>,
}

/// Judges an ID token with the keys of the identity provider.
///
/// # Errors
/// Names the first check that failed.
/// Source: OpenID Connect Core sections 3.1.3.7 and 12.2, RFC 8725 section 3.
pub(crate) fn check(
    token: Secret<secret::Assertion>,
    expected: &Expected<'_>,
    keys: &KeySet,
    now: Timestamp,
) -> Result<CheckedIdToken, IdTokenRefusal> {
    let verified = jose::verify_typed(token.expose(), keys, |typ| matches!(typ, None | Some("jwt")))?;
    let claims = Value::Object(verified.claims().clone());
    let claims: Claims = serde_json::from_value(claims).map_err(|_| IdTokenRefusal::Claims)?;
    if claims.iss != expected.issuer.as_str() {
        return Err(IdTokenRefusal::Issuer);
    }
    // What else it is for is nobody whom this program would trust with it.
    let for_us = |aud: &Value| aud.as_str() == Some(expected.client.as_str());
    let alone = match &claims.aud {
        Value::Array(several) => matches!(several.as_slice(), [one] if for_us(one)),
        one => for_us(one),
    };
    if !alone {
        return Err(IdTokenRefusal::Audience);
    }
    if claims.azp.as_deref().is_some_and(|party| party != expected.client.as_str()) {
        return Err(IdTokenRefusal::Party);
    }
    if !is_answer(claims.nonce.as_deref(), expected) {
        return Err(IdTokenRefusal::Nonce);
    }
    let has_begun = claims.iat <= now.plus(SKEW) && claims.nbf.is_none_or(|nbf| nbf <= now.plus(SKEW));
    if !has_begun || claims.exp.plus(SKEW) <= now || claims.exp <= claims.iat {
        return Err(IdTokenRefusal::Time);
    }
    if claims.sub.is_empty() || claims.sub.len() > MOST_NAME {
        return Err(IdTokenRefusal::Claims);
    }
    if expected.subject.is_some_and(|before| before != claims.sub) {
        return Err(IdTokenRefusal::Subject);
    }
    let email = claims.email.as_ref().and_then(Value::as_str).filter(|email| email.len() <= MOST_NAME);
    Ok(CheckedIdToken { email: email.map(str::to_owned), token, subject: claims.sub, until: claims.exp })
}

fn is_answer(said: Option<&str>, expected: &Expected<'_>) -> bool {
    match (said, expected.nonce) {
        (Some(said), Some(nonce)) => Secret::parse(said).is_ok_and(|said| nonce.is(&said)),
        (None, Some(_)) => expected.subject.is_some(),
        (Some(_), None) => false,
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests;
