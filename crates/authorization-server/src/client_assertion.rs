//! A client that proves who it is by a JWT that it signed.

use std::time::Duration;

use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::{
    ClientId, Issuer, Secret, Timestamp,
    jose::{self, Algorithm, JwsRefusal, KeySet},
    json,
    secret::UsedOnce,
};
use serde_json::{Map, Value};

use crate::Write;

/// The one `client_assertion_type`.
///
/// Source: RFC 7523 section 2.2.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The algorithms that a client's key can be for.
pub const ALGORITHMS: [Algorithm; 4] = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];

/// The most bytes of an assertion.
const MOST_BYTES: usize = 8 * 1024;
/// The longest that an assertion may still be good for. Its name has to be remembered as long.
const MOST_LIFE: Duration = Duration::from_secs(5 * 60);
/// How far the client's clock may be off.
const SKEW: Duration = Duration::from_secs(30);
/// The most bytes of a `jti`.
const MOST_NAME: usize = 256;

/// Why an assertion does not prove who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionRefusal {
    /// `client_assertion_type` is missing or another one.
    #[error("client_assertion_type must be urn:ietf:params:oauth:client-assertion-type:jwt-bearer")]
    AssertionType,
    /// It is no JWT, or names no client.
    #[error("client_assertion is not a signed JWT with a sub")]
    Malformed,
    /// The signature does not count.
    #[error("the client_assertion cannot be verified: {0}")]
    Signature(#[from] JwsRefusal),
    /// `iss` or `sub` is not the client.
    #[error("iss and sub of the client_assertion must both be the client_id")]
    Subject,
    /// `aud` is not this server's issuer identifier alone.
    #[error("aud of the client_assertion must be the issuer identifier as a single string")]
    Audience,
    /// `exp` is missing, past or too far ahead, or `iat` or `nbf` does not fit.
    #[error("the client_assertion has expired, is not good yet, or is good for more than 300 seconds")]
    Time,
    /// `jti` is missing or too long.
    #[error("the client_assertion needs a jti of at most 256 bytes")]
    Name,
    /// It was used before.
    #[error("the client_assertion was used before; make a new one for each request")]
    Replayed,
}

/// The client that an assertion says it is from, not yet to be believed.
pub(crate) fn claimed(assertion: &str) -> Result<ClientId, AssertionRefusal> {
    let payload = assertion.split('.').nth(1).filter(|_| assertion.len() <= MOST_BYTES);
    let read = |payload: &str| {
        let Value::Object(claims) = json::parse(&Base64UrlUnpadded::decode_vec(payload).ok()?).ok()? else {
            return None;
        };
        ClientId::parse(claims.get("sub")?.as_str()?).ok()
    };
    payload.and_then(read).ok_or(AssertionRefusal::Malformed)
}

/// Checks an assertion and gives what must be committed with it, so that it is good only once.
///
/// `aud` must be the issuer identifier, alone and as a string. The token endpoint's URL, which older clients send, is refused:
/// what a client signs for the URL that some server names as its token endpoint, that server could present here.
///
/// # Errors
/// Names the first check that failed.
/// Source: RFC 7523 section 3, draft-ietf-oauth-rfc7523bis section 4, RFC 8725 section 3.
pub(crate) fn check(
    assertion: &str,
    keys: &KeySet,
    client: &ClientId,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<Write, AssertionRefusal> {
    if assertion.len() > MOST_BYTES {
        return Err(AssertionRefusal::Malformed);
    }
    // A type of its own is asked of clients but many send none yet; one that is meant for something else never counts.
    let typ = |found: Option<&str>| matches!(found, None | Some("jwt" | "client-authentication+jwt"));
    let verified = jose::verify_typed(assertion, keys, typ)?;
    let claims = verified.claims();
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("iss") != Some(client.as_str()) || text("sub") != Some(client.as_str()) {
        return Err(AssertionRefusal::Subject);
    }
    if text("aud") != Some(issuer.as_str()) {
        return Err(AssertionRefusal::Audience);
    }
    let until = check_times(claims, now)?;
    let name = text("jti").filter(|name| !name.is_empty() && name.len() <= MOST_NAME).ok_or(AssertionRefusal::Name)?;
    let once = format!("client_assertion {} {client}{}", client.as_str().len(), ascii(name));
    let id = Secret::<UsedOnce>::parse(once).map_err(|_| AssertionRefusal::Name)?.digest();
    Ok(Write::UseOnce { id, until })
}

/// The name, whatever characters it has, as visible ASCII and without two names becoming one.
fn ascii(name: &str) -> String {
    format!(" {}", Base64UrlUnpadded::encode_string(name.as_bytes()))
}

/// Gives the moment from which on the assertion is refused for its age alone.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, AssertionRefusal> {
    let moment = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => seconds(value).map(Some).ok_or(AssertionRefusal::Time),
    };
    let exp = moment("exp")?.ok_or(AssertionRefusal::Time)?;
    let end = exp.plus(SKEW);
    let early = now.plus(SKEW);
    let fits = end > now && exp <= early.plus(MOST_LIFE);
    let started = moment("nbf")?.is_none_or(|nbf| nbf <= early);
    let fresh = moment("iat")?.is_none_or(|iat| iat <= early && now <= iat.plus(MOST_LIFE + SKEW));
    if fits && started && fresh { Ok(end) } else { Err(AssertionRefusal::Time) }
}

fn seconds(value: &Value) -> Option<Timestamp> {
    let whole = value.as_i64().or_else(|| value.as_f64().filter(|f| f.abs() < 1e12).map(|f| f as i64));
    whole.map(Timestamp::from_unix)
}

#[cfg(test)]
mod tests {
    use doorward_types::jose::SigningKey;
    use serde_json::json;

    use super::*;
    use crate::fixtures::{CLIENT, ISSUER, SIGNER, at};

    fn keys() -> KeySet {
        KeySet::new(vec![SIGNER.verifying_key()])
    }

    fn good() -> Value {
        let now = at(0).as_unix();
        json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": "one"})
    }

    fn judge_at(typ: &str, claims: &Value, seconds: i64) -> Result<Write, AssertionRefusal> {
        let assertion = SIGNER.sign(typ, claims);
        let client = ClientId::parse(CLIENT).unwrap();
        check(&assertion, &keys(), &client, &Issuer::parse(ISSUER).unwrap(), at(seconds))
    }

    fn judge(claims: &Value) -> Result<Write, AssertionRefusal> {
        judge_at("JWT", claims, 0)
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = good();
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value,
        }
        claims
    }

    #[test]
    fn a_good_assertion_counts_once() {
        // proves: R7523-01, R7523-02
        let once = |claims: &Value| match judge(claims).unwrap() {
            Write::UseOnce { id, until } => (id, until),
            other => panic!("{other:?}"),
        };
        let (id, until) = once(&good());
        assert_eq!(until, at(60 + 30));
        assert_eq!(once(&with("exp", json!(at(100).as_unix()))).0, id, "the name alone counts, not the rest");
        assert_ne!(once(&with("jti", json!("two"))).0, id);
        assert_ne!(once(&with("jti", json!("one\u{e9} \n"))).0, id);
        // Another client may use the same name.
        let theirs = json!({"iss": "dwcl_b", "sub": "dwcl_b", "aud": ISSUER, "exp": at(60), "jti": "one"});
        let (assertion, client) = (SIGNER.sign("JWT", &theirs), ClientId::parse("dwcl_b").unwrap());
        let judged = check(&assertion, &keys(), &client, &Issuer::parse(ISSUER).unwrap(), at(0)).unwrap();
        assert!(matches!(judged, Write::UseOnce { id: other, .. } if other != id));
        assert!(
            judge(&with("iat", Value::Null)).is_ok()
                && judge(&with("exp", json!(at(60).as_unix() as f64 + 0.5))).is_ok()
        );
    }

    #[test]
    fn what_it_is_for_and_from_whom_is_compared_as_text() {
        // proves: R7523-01, R7523-03, R7523-04, OA21-17
        for aud in [
            json!(format!("{ISSUER}/oauth/token")),
            json!(format!("{ISSUER}/")),
            json!("HTTPS://as.example"),
            json!([ISSUER]),
            json!([ISSUER, "https://b.example"]),
            json!("https://b.example"),
            json!({}),
            Value::Null,
        ] {
            assert_eq!(judge(&with("aud", aud.clone())).unwrap_err(), AssertionRefusal::Audience, "{aud}");
        }
        for name in ["iss", "sub"] {
            for value in [json!("dwcl_other"), json!([CLIENT]), json!(""), Value::Null] {
                assert_eq!(judge(&with(name, value)).unwrap_err(), AssertionRefusal::Subject);
            }
        }
    }

    #[test]
    fn an_assertion_is_short_lived_and_has_a_name() {
        // proves: R7523-02
        let unix = |seconds: i64| json!(at(seconds).as_unix());
        for (name, value) in [
            ("exp", unix(-30)),
            ("exp", unix(331)),
            ("exp", json!(i64::MAX)),
            ("exp", json!(1e300)),
            ("exp", json!("soon")),
            ("exp", Value::Null),
            ("nbf", unix(31)),
            ("iat", unix(31)),
            ("iat", unix(-331)),
            ("iat", json!(i64::MIN)),
        ] {
            assert_eq!(judge(&with(name, value.clone())).unwrap_err(), AssertionRefusal::Time, "{name} {value}");
        }
        for (name, seconds) in [("exp", -29), ("exp", 330), ("nbf", 0), ("nbf", 30), ("iat", 30), ("iat", -330)] {
            assert!(judge(&with(name, unix(seconds))).is_ok(), "{name} {seconds}");
        }
        for jti in [json!(""), json!(7), json!("x".repeat(257)), Value::Null] {
            assert_eq!(judge(&with("jti", jti)).unwrap_err(), AssertionRefusal::Name);
        }
    }

    #[test]
    fn only_the_clients_key_and_its_algorithm_count() {
        // proves: R7523-02, R7523-06, R7523-09
        for typ in ["JWT", "jwt", "client-authentication+jwt", "application/client-authentication+jwt"] {
            assert!(judge_at(typ, &good(), 0).is_ok(), "{typ}");
        }
        for typ in ["at+jwt", "dpop+jwt", "oauth-id-jag+jwt", "logout+jwt", ""] {
            let refusal = judge_at(typ, &good(), 0).unwrap_err();
            assert_eq!(refusal, AssertionRefusal::Signature(JwsRefusal::Type), "{typ}");
        }
        let client = ClientId::parse(CLIENT).unwrap();
        let issuer = Issuer::parse(ISSUER).unwrap();
        let part = |value: Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
        let signed = SIGNER.sign("JWT", &good());
        let (message, signature) = signed.rsplit_once('.').unwrap();
        let payload = message.split_once('.').unwrap().1;
        let kid = SIGNER.kid();
        // Without a type it counts as well: the header is the key's alone.
        for header in [
            json!({"alg": "none"}),
            json!({"alg": "none", "kid": kid}),
            json!({"alg": "HS256", "kid": kid}),
            json!({"alg": "RS256", "kid": kid}),
            json!({"alg": "ES256", "kid": kid, "crit": ["b64"]}),
            json!({"alg": "ES256", "kid": "unknown"}),
            json!({"alg": "ES256", "kid": kid, "typ": 7}),
        ] {
            for signature in [signature, ""] {
                let token = format!("{}.{payload}.{signature}", part(header.clone()));
                let refusal = check(&token, &keys(), &client, &issuer, at(0)).unwrap_err();
                assert!(matches!(refusal, AssertionRefusal::Signature(_)), "{header}: {refusal}");
            }
        }
        let foreign = SigningKey::generate().sign("JWT", &good());
        assert!(check(&foreign, &keys(), &client, &issuer, at(0)).is_err());
        // Right but for its size: nobody makes the server work through megabytes.
        let large = SIGNER.sign("JWT", &with("x", json!("a".repeat(MOST_BYTES))));
        assert_eq!(check(&large, &keys(), &client, &issuer, at(0)).unwrap_err(), AssertionRefusal::Malformed);
        assert_eq!(claimed(&large).unwrap_err(), AssertionRefusal::Malformed);
        for broken in ["", ".", "..", "a.b.c", "a.e30.c"] {
            assert_eq!(claimed(broken).unwrap_err(), AssertionRefusal::Malformed);
        }
        assert_eq!(claimed(&signed).unwrap(), client);
    }
}
