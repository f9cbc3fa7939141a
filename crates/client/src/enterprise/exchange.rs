//! What is known of the person becomes an assertion for one authorization server.

use doorward_types::{
    Secret, Timestamp,
    outbound::{FetchFailed, Inbound},
    secret,
};
use serde_json::Value;

use super::{
    renew,
    shown::{Left, Subject},
    sign_in,
};
use crate::{
    Code, Failed, Step, assertion,
    failed::{no_answer, place, words},
    found::Errand,
    provider,
    state::{AwaitExchange, Next, State},
    token_request::{self, Fresh, Parameters},
};

/// What the identity provider is asked for.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// Asks the identity provider for an assertion that is for the MCP server's authorization server alone.
///
/// Source: RFC 8693 section 2.1, draft-ietf-oauth-identity-assertion-authz-grant section 4.3.
pub(super) fn ask(errand: Errand, subject: &Subject, left: Left, fresh: &mut Fresh<'_>) -> Next {
    let Errand { found, provider, .. } = &errand;
    let scope = found.scope.as_ref().map(ToString::to_string);
    let parameters = Parameters::new(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("requested_token_type", ID_JAG),
        ("audience", found.server.issuer().as_str()),
        ("resource", &found.audience),
        ("subject_token", subject.token()),
        ("subject_token_type", subject.kind()),
    ])
    .and("scope", scope.as_deref());
    let endpoint = provider.server.token_endpoint().clone();
    let request = token_request::authenticated(
        &endpoint,
        &provider.server,
        &provider.client,
        &parameters,
        provider.reach,
        fresh,
    )?;
    Ok((State::Exchange(AwaitExchange { errand, endpoint, left }), Step::Send(request)))
}

/// An ID token that was given and has expired is not sent anywhere.
pub(super) fn check_given(id_token: &Secret<secret::Assertion>, now: Timestamp) -> Result<(), Failed> {
    let until = assertion::claims(id_token).and_then(|claims| claims.get("exp").and_then(Value::as_f64));
    if until.is_some_and(|until| Timestamp::from_unix(until as i64) <= now) {
        return Err(Failed::new(
            Code::NoAssertion,
            "the ID token has expired",
            "its exp is past",
            "sign in at the identity provider again and give the new ID token",
        ));
    }
    Ok(())
}

/// Shows the assertion to the MCP server's authorization server, when it is for that one alone.
pub(crate) fn answered(waiting: AwaitExchange, answer: Result<Inbound, FetchFailed>, fresh: &mut Fresh<'_>) -> Next {
    let what = "the identity provider gave no assertion for this server";
    let AwaitExchange { errand, endpoint, left } = waiting;
    let answer = answer.map_err(|failed| no_answer(what, &endpoint, &failed))?;
    let tokens = match token_request::read(what, &endpoint, &answer)? {
        Ok(tokens) => tokens,
        Err(error) => {
            let why = format!("{} answered {}", place(&endpoint), words(&error));
            return match (left, is_about_subject(&error.error)) {
                (Left::Renewing(identity), true) => renew::or_sign_in(errand, *identity, &why, true, fresh),
                (Left::SigningIn, true) => sign_in::start(errand, &why, true, fresh),
                _ => {
                    let of_client = error.error == "invalid_client";
                    let code = if of_client { Code::ClientUnknown } else { Code::ProviderRefused };
                    let doubt = provider::doubt_id_jag(errand.provider.server.issuer()).filter(|_| !of_client);
                    let why = doubt.into_iter().fold(why, |why, doubt| format!("{why}; {doubt}"));
                    Err(Failed::new(code, what, why, hint(&error.error, &errand)))
                }
            };
        }
    };
    let bad = |why: &str| {
        let why = format!("{}: {why}", place(&endpoint));
        Failed::new(Code::BadTokenAnswer, what, why, "ask whoever runs the identity provider")
    };
    if tokens.issued_token_type.as_deref() != Some(ID_JAG) {
        return Err(bad("issued_token_type is not that of an ID-JAG"));
    }
    let jag = Secret::<secret::Assertion>::parse(tokens.access_token.expose());
    let jag = jag.map_err(|_| bad("the assertion is too long"))?;
    // One for another server would be replayed there by this one.
    let claims = assertion::claims(&jag).ok_or_else(|| bad("the assertion is not a JWT"))?;
    let issuer = errand.found.server.issuer().as_str();
    let fits = |audience: &Value| match audience {
        Value::String(one) => one == issuer,
        Value::Array(several) => matches!(several.as_slice(), [Value::String(one)] if one == issuer),
        _ => false,
    };
    if !claims.get("aud").is_some_and(fits) {
        return Err(bad("the assertion is for another authorization server"));
    }
    assertion::show(errand.found, errand.client, &jag, fresh)
}

/// Whether the refusal is one of what was shown, so that something newer may be taken.
///
/// Source: RFC 8693 section 2.2.2, RFC 9470 section 3, OpenID Connect Core section 3.1.2.6.
fn is_about_subject(error: &str) -> bool {
    const ALL: [&str; 5] = [
        "invalid_grant",
        "invalid_request",
        "insufficient_user_authentication",
        "login_required",
        "interaction_required",
    ];
    ALL.contains(&error)
}

fn hint(error: &str, errand: &Errand) -> String {
    match error {
        "invalid_client" => "check the client identifier at the identity provider and its secret".to_owned(),
        "invalid_scope" => "name the scopes that you may have with --scope".to_owned(),
        _ => format!(
            "ask whoever runs the identity provider to allow {} for this program and for you",
            errand.found.flow.target.resource
        ),
    }
}
