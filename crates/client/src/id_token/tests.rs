use doorward_types::jose::SigningKey;
use serde_json::json;

use super::*;
use crate::scripted::{NOW, with};

const IDP: &str = "https://idp.example";

struct World {
    key: SigningKey,
    keys: KeySet,
    nonce: Option<Secret<secret::Nonce>>,
    /// Who had signed in before.
    before: Option<&'static str>,
}

impl World {
    fn new() -> Self {
        let key = SigningKey::generate();
        let keys = KeySet::new(vec![key.verifying_key()]);
        Self { key, keys, nonce: Some(Secret::parse("n-1").unwrap()), before: None }
    }

    fn judge(&self, token: &str) -> Result<CheckedIdToken, IdTokenRefusal> {
        let (issuer, client) = (Issuer::parse(IDP).unwrap(), ClientId::parse("desktop").unwrap());
        let expected = Expected { issuer: &issuer, client: &client, nonce: self.nonce.as_ref(), subject: self.before };
        check(Secret::parse(token).unwrap(), &expected, &self.keys, NOW)
    }

    /// What becomes of a token that is right but for these changes.
    fn changed(&self, changes: Value) -> Result<CheckedIdToken, IdTokenRefusal> {
        self.judge(&self.key.sign("JWT", &with(claims(), changes)))
    }

    #[track_caller]
    fn refuses(&self, changes: Value, why: IdTokenRefusal) {
        let text = changes.to_string();
        assert_eq!(self.changed(changes).unwrap_err(), why, "{text}");
    }
}

fn claims() -> Value {
    let now = NOW.as_unix();
    json!({
        "iss": IDP, "sub": "ada", "aud": "desktop", "exp": now + 600, "iat": now, "nonce": "n-1", "email": "ada@corp.example",
    })
}

#[test]
fn a_token_is_believed_when_all_of_it_is_right() {
    // proves: EXT-EMA-031
    let world = World::new();
    let checked = world.changed(json!({})).unwrap();
    assert_eq!((checked.subject.as_str(), checked.email.as_deref()), ("ada", Some("ada@corp.example")));
    assert_eq!(checked.until, NOW.plus(Duration::from_secs(600)));
    assert!(!format!("{checked:?}").contains("eyJ"));
    for good in [
        json!({ "aud": ["desktop"] }),
        json!({ "azp": "desktop" }),
        json!({ "email": null }),
        json!({ "email": 5 }),
        json!({ "email": "x".repeat(256) }),
        json!({ "exp": NOW.as_unix() - 59, "iat": NOW.as_unix() - 600 }),
        json!({ "iat": NOW.as_unix() + 60 }),
        json!({ "nbf": NOW.as_unix() + 60 }),
    ] {
        let text = good.to_string();
        let checked = world.changed(good).unwrap_or_else(|refusal| panic!("{text}: {refusal}"));
        // What nobody would be called is no name of theirs.
        assert_eq!(checked.email.is_some(), !text.contains("email"), "{text}");
    }
    assert!(world.judge(&world.key.sign_under(&json!({ "alg": "ES256", "kid": world.key.kid() }), &claims())).is_ok());
}

#[test]
fn a_token_of_another_provider_client_request_or_time_is_not_believed() {
    // proves: EXT-EMA-031, R68-05
    let (world, now) = (World::new(), NOW.as_unix());
    for iss in ["https://evil.example", "https://idp.example/", "https://IDP.example", ""] {
        world.refuses(json!({ "iss": iss }), IdTokenRefusal::Issuer);
    }
    for aud in [
        json!("other"),
        json!(["desktop", "other"]),
        json!(["other"]),
        json!([]),
        json!("desktop "),
        json!({ "desktop": true }),
        json!([["desktop"]]),
    ] {
        world.refuses(json!({ "aud": aud }), IdTokenRefusal::Audience);
    }
    world.refuses(json!({ "azp": "other" }), IdTokenRefusal::Party);
    for nonce in [json!("n-2"), json!(""), json!("n-1 "), json!("N-1"), json!(null)] {
        world.refuses(json!({ "nonce": nonce }), IdTokenRefusal::Nonce);
    }
    for time in [
        json!({ "exp": now - 60, "iat": now - 600 }),
        json!({ "iat": now + 61 }),
        json!({ "nbf": now + 61 }),
        json!({ "exp": now, "iat": now }),
    ] {
        world.refuses(time, IdTokenRefusal::Time);
    }
    for name in ["iss", "sub", "aud", "exp", "iat"] {
        let refusal = world.changed(json!({ name: null })).unwrap_err();
        let expected = if name == "aud" { IdTokenRefusal::Audience } else { IdTokenRefusal::Claims };
        assert!(refusal == expected || refusal == IdTokenRefusal::Claims, "{name}: {refusal}");
    }
    for claims in
        [json!({ "sub": "" }), json!({ "sub": "x".repeat(256) }), json!({ "sub": 7 }), json!({ "exp": "soon" })]
    {
        world.refuses(claims, IdTokenRefusal::Claims);
    }
}

#[test]
fn only_the_providers_own_key_and_its_algorithm_count() {
    // proves: EXT-EMA-031
    let (world, stranger) = (World::new(), SigningKey::generate());
    let refusal = |token: &str| world.judge(token).unwrap_err();
    // A stranger's key, also under the name of the provider's.
    assert_eq!(refusal(&stranger.sign("JWT", &claims())), IdTokenRefusal::Jws(JwsRefusal::UnknownKey));
    let named = json!({ "alg": "ES256", "kid": world.key.kid(), "typ": "JWT" });
    assert_eq!(refusal(&stranger.sign_under(&named, &claims())), IdTokenRefusal::Jws(JwsRefusal::Signature));
    for alg in ["none", "HS256", "RS256", "EdDSA"] {
        let header = with(named.clone(), json!({ "alg": alg }));
        assert_eq!(
            refusal(&world.key.sign_under(&header, &claims())),
            IdTokenRefusal::Jws(JwsRefusal::Algorithm),
            "{alg}"
        );
    }
    let good = world.key.sign("JWT", &claims());
    let (message, _) = good.rsplit_once('.').unwrap();
    assert_eq!(refusal(&format!("{message}.")), IdTokenRefusal::Jws(JwsRefusal::Signature));
    assert_eq!(refusal("opaque"), IdTokenRefusal::Jws(JwsRefusal::Malformed));
    // What the provider signs for another purpose is not what it says of a person.
    for typ in ["at+jwt", "logout+jwt", "oauth-id-jag+jwt", "dpop+jwt", "secevent+jwt"] {
        assert_eq!(refusal(&world.key.sign(typ, &claims())), IdTokenRefusal::Jws(JwsRefusal::Type), "{typ}");
    }
}

#[test]
fn a_renewed_token_is_about_the_same_person() {
    // proves: EXT-EMA-031
    let again = World { before: Some("ada"), ..World::new() };
    assert!(again.changed(json!({ "nonce": null })).is_ok() && again.changed(json!({})).is_ok());
    again.refuses(json!({ "nonce": "n-2" }), IdTokenRefusal::Nonce);
    again.refuses(json!({ "sub": "bob" }), IdTokenRefusal::Subject);
    // Where no nonce was sent, one that is there belongs to another request.
    let by_code = World { nonce: None, ..World::new() };
    assert!(by_code.changed(json!({ "nonce": null })).is_ok());
    by_code.refuses(json!({}), IdTokenRefusal::Nonce);
}
