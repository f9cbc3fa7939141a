//! An assertion by somebody whom the authorization server trusts becomes a token.

use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::{Secret, Timestamp, json, metadata::ValidatedMetadata, secret};
use serde_json::Value;

use crate::{
    Code, Failed, RegisteredClient, Step,
    found::{Found, Login},
    state::{AwaitToken, Next, State},
    store::Got,
    target::Grant,
    token_request::{Fresh, Parameters, TokenRequest},
};

/// Shows the assertion that is for this server.
///
/// # Errors
/// When there is none. Nothing is sent then: an assertion for another server is not shown to this one.
/// Source: RFC 7523 section 2.1.
pub(crate) fn ask(found: Box<Found>, client: RegisteredClient, fresh: &mut Fresh<'_>) -> Next {
    let Grant::Assertion(all) = &found.flow.target.grant else { unreachable!("the grant is looked at by the caller") };
    let assertion = choose(all, &found.server, fresh.now)?;
    show(found, client, &assertion, fresh)
}

/// Asks for a token with this assertion.
pub(crate) fn show(
    found: Box<Found>,
    client: RegisteredClient,
    assertion: &Secret<secret::Assertion>,
    fresh: &mut Fresh<'_>,
) -> Next {
    let scope = found.scope.as_ref().map(ToString::to_string);
    let parameters = Parameters::new(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion.expose()),
        ("resource", &found.audience),
    ])
    .and("scope", scope.as_deref());
    let request = TokenRequest::of(&found, client, parameters);
    let step = Step::Send(request.outbound(fresh)?);
    let login = Login::unattended(found, Got::Assertion);
    Ok((State::Token(AwaitToken { login, request }), step))
}

/// The assertion for this server that is good the longest.
fn choose(
    all: &[Secret<secret::Assertion>],
    server: &ValidatedMetadata,
    now: Timestamp,
) -> Result<Secret<secret::Assertion>, Failed> {
    let mut reasons = Vec::new();
    let mut best: Option<(Option<Timestamp>, &Secret<secret::Assertion>)> = None;
    for assertion in all {
        match judge(assertion, server, now) {
            Err(reason) => reasons.push(reason),
            Ok(until) => {
                let longer = |(best, _): &(Option<Timestamp>, _)| until.is_none() || (best.is_some() && until > *best);
                if best.as_ref().is_none_or(longer) {
                    best = Some((until, assertion));
                }
            }
        }
    }
    best.map(|(_, assertion)| assertion.clone()).ok_or_else(|| {
        Failed::new(
            Code::NoAssertion,
            "there is no assertion that this authorization server would take",
            if reasons.is_empty() { "none was given".to_owned() } else { reasons.join("; ") },
            format!("get a new one whose audience is {}", server.issuer()),
        )
    })
}

/// Whether an assertion is for this server and still good; until when it is.
///
/// Source: RFC 7523 section 3, draft-ietf-oauth-rfc7523bis section 4.
fn judge(
    assertion: &Secret<secret::Assertion>,
    server: &ValidatedMetadata,
    now: Timestamp,
) -> Result<Option<Timestamp>, String> {
    let claims = claims(assertion).ok_or("one is not a JWT")?;
    let issuer = server.issuer().as_str();
    let fits = |audience: &str| {
        audience.trim_end_matches('/') == issuer.trim_end_matches('/') || audience == server.token_endpoint().as_str()
    };
    let audiences = match claims.get("aud") {
        Some(Value::String(one)) => vec![one.as_str()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if !audiences.iter().any(|audience| fits(audience)) {
        return Err(format!("one is for {audiences:?}, not for {issuer}"));
    }
    let moment = |name: &str| claims.get(name).and_then(Value::as_f64).map(|at| Timestamp::from_unix(at as i64));
    let until = moment("exp");
    if until.is_some_and(|until| until <= now) {
        return Err("one for this server has expired".into());
    }
    Ok(until)
}

/// The claims of a JWT, not to be believed.
pub(crate) fn claims(jwt: &Secret<secret::Assertion>) -> Option<serde_json::Map<String, Value>> {
    claims_of(jwt.expose())
}

/// The same of a text that may be a JWT.
pub(crate) fn claims_of(jwt: &str) -> Option<serde_json::Map<String, Value>> {
    let mut parts = jwt.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    match json::parse(&Base64UrlUnpadded::decode_vec(claims).ok()?).ok()? {
        Value::Object(claims) => Some(claims),
        _ => None,
    }
}
