//! What the tests beside the decisions share.

use std::{sync::LazyLock, time::Duration};

use doorward_testkit::{SeededEntropy, url_text};
use doorward_types::{
    ClientId, CodeVerifier, Digest, Entropy, Issuer, Permission, RedirectUri, ResourceId, ScopeSet, Secret, Timestamp,
    form::Form,
    jose::{
        self, AccessTokenClaims, KeySet, SigningKey,
        dpop::{self, Nonces, ProvenKey},
    },
    messages::TokenResponse,
    secret::{ClientSecret, SessionToken},
};

use crate::{
    Policy, Resource, TokenRefusal, Write,
    client_auth::{AuthenticatedClient, Presented},
    facts::{
        Account, AccountId, Client, ClientAuthentication, ClientOrigin, Grant, GrantFacts, GrantId, GrantKind, Session,
    },
    session::ResourceOwner,
    token::{Decision, Fresh},
};

pub(crate) static SIGNER: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const R1: &str = "https://as.example/mcp";
pub(crate) const R2: &str = "https://as.example/other/mcp";
pub(crate) const CALLBACK: &str = "https://a.example/cb";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const CLIENT: &str = "dwcl_test";

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(1_000_000 + seconds)
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

pub(crate) fn entropy() -> SeededEntropy {
    SeededEntropy::new(7)
}

pub(crate) fn resource(id: &str) -> Resource {
    let id = ResourceId::parse(id).unwrap();
    Resource { id, name: "Files".into(), scopes: Permission::all_scopes() }
}

pub(crate) fn policy() -> Policy {
    Policy { resources: vec![resource(R1)], ..Policy::new(Issuer::parse(ISSUER).unwrap()) }
}

pub(crate) fn policy_of_two() -> Policy {
    Policy { resources: vec![resource(R1), resource(R2)], ..policy() }
}

pub(crate) fn client_at(redirect_uris: &[&str]) -> Client {
    Client {
        id: ClientId::parse(CLIENT).unwrap(),
        origin: ClientOrigin::Dynamic,
        name: Some("Test".into()),
        redirect_uris: redirect_uris.iter().map(|uri| RedirectUri::parse(*uri).unwrap()).collect(),
        authentication: ClientAuthentication::None,
        grant_types: vec!["authorization_code".into(), "refresh_token".into()],
        application_type: None,
        scope: None,
        client_uri: None,
        software_id: None,
        dpop_bound: false,
        pushed_only: false,
        protects: None,
        exchanges_for: Vec::new(),
        management: None,
        fingerprint: None,
        created_at: at(0),
        last_used_at: None,
        expires_at: None,
        fresh_until: None,
    }
}

pub(crate) fn client() -> Client {
    client_at(&[CALLBACK])
}

pub(crate) fn authenticated(client: &Client) -> AuthenticatedClient {
    let form = form(&[("client_id", client.id.as_str())]);
    Presented::read(None, &form).unwrap().authenticate(&policy(), Some(client), None, at(0)).unwrap()
}

pub(crate) fn another_client() -> Client {
    Client { id: ClientId::parse("dwcl_other").unwrap(), ..client() }
}

pub(crate) fn with_secret(secret: &Secret<ClientSecret>, basic: bool) -> Client {
    let digest = secret.digest();
    let authentication =
        if basic { ClientAuthentication::SecretBasic(digest) } else { ClientAuthentication::SecretPost(digest) };
    Client { authentication, ..client() }
}

pub(crate) fn form(parameters: &[(&str, &str)]) -> Form {
    Form::parse(url_text::form(parameters).as_bytes()).unwrap()
}

/// A good authorization request with some parameters replaced; an empty value takes one out.
pub(crate) fn authorization_request(changes: &[(&str, &str)]) -> Form {
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("redirect_uri", CALLBACK),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("resource", R1),
        ("scope", "mcp:read"),
        ("state", "xyz"),
    ];
    parameters.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    parameters.extend_from_slice(changes);
    form(&parameters)
}

pub(crate) fn verifier() -> CodeVerifier {
    CodeVerifier::generate(&mut SeededEntropy::new(99))
}

pub(crate) fn browser(seed: u64) -> Secret<SessionToken> {
    Secret::generate(&mut SeededEntropy::new(seed))
}

pub(crate) fn account() -> Account {
    Account {
        id: AccountId("dwa_ann".into()),
        name: "ann".into(),
        password: None,
        administrator: false,
        disabled: false,
        external: None,
        created_at: at(0),
    }
}

pub(crate) fn session(browser: Digest<SessionToken>) -> Session {
    Session { digest: browser, account: account().id, signed_in_at: at(0), expires_at: at(43_200) }
}

pub(crate) fn owner(browser: Digest<SessionToken>) -> ResourceOwner {
    ResourceOwner::of(&session(browser), &account(), at(0)).unwrap()
}

pub(crate) fn grant() -> Grant {
    Grant {
        id: GrantId("dwg_1".into()),
        account: Some(account().id),
        client: client().id,
        kind: GrantKind::AuthorizationCode,
        redirect_uri: Some(CALLBACK.into()),
        resource: ResourceId::parse(R1).unwrap(),
        scope: scopes("mcp:read mcp:write"),
        refreshes: true,
        dpop: None,
        created_at: at(0),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

pub(crate) fn grant_facts() -> GrantFacts {
    GrantFacts { grant: grant(), account: Some(account()) }
}

/// A token of the client under the grant of ann, good until 100.
pub(crate) fn claims() -> AccessTokenClaims {
    AccessTokenClaims {
        iss: policy().issuer,
        sub: account().id.0,
        aud: grant().resource,
        client_id: client().id,
        scope: scopes("mcp:write"),
        iat: at(0),
        exp: at(100),
        jti: "x".into(),
        gid: grant().id.0,
        cnf: None,
        act: None,
    }
}

pub(crate) fn fresh(entropy: &mut dyn Entropy) -> Fresh<'_> {
    Fresh { entropy, signer: &SIGNER }
}

/// A client that an administrator registered with a secret and for this grant type.
pub(crate) fn service(grant_type: &str) -> Client {
    let grant_types = vec![grant_type.to_owned()];
    Client { origin: ClientOrigin::Administrator, grant_types, ..with_secret(&service_secret(), false) }
}

pub(crate) fn service_secret() -> Secret<ClientSecret> {
    Secret::generate(&mut SeededEntropy::new(77))
}

/// The same, once it proved who it is.
pub(crate) fn authenticated_service(client: &Client) -> AuthenticatedClient {
    let secret = service_secret();
    let form = form(&[("client_id", client.id.as_str()), ("client_secret", secret.expose())]);
    Presented::read(None, &form).unwrap().authenticate(&policy(), Some(client), None, at(0)).unwrap()
}

/// A key that a client proved to hold at this moment.
pub(crate) fn proven(key: &SigningKey, now: Timestamp) -> ProvenKey {
    let jwk = key.public_jwk();
    let header = serde_json::json!({
        "typ": "dpop+jwt", "alg": "ES256",
        "jwk": {"kty": jwk.kty, "crv": jwk.crv, "x": jwk.x, "y": jwk.y},
    });
    let nonces = Nonces::new(b"key", "token");
    let claims = serde_json::json!({
        "jti": "one", "htm": "POST", "htu": TOKEN_ENDPOINT, "iat": now, "nonce": nonces.current(now),
    });
    let url = url::Url::parse(TOKEN_ENDPOINT).unwrap();
    dpop::check(&key.sign_under(&header, &claims), "POST", &url, None, &nonces, now).unwrap()
}

const TOKEN_ENDPOINT: &str = "https://as.example/oauth/token";

/// A client that also proved to hold the key.
pub(crate) fn holding(client: AuthenticatedClient, key: &SigningKey, now: Timestamp) -> AuthenticatedClient {
    client.holding(&policy(), Some(proven(key, now))).unwrap()
}

/// What an access token says that we signed.
pub(crate) fn claims_of(response: &TokenResponse) -> AccessTokenClaims {
    let keys = KeySet::new(vec![SIGNER.verifying_key()]);
    let verified = jose::verify(response.access_token.expose(), &keys, AccessTokenClaims::TYP).unwrap();
    serde_json::from_value(verified.claims().clone().into()).unwrap()
}

/// The tokens and writes of a decision that issues some.
pub(crate) fn issued(decision: Decision) -> (TokenResponse, Vec<Write>) {
    let Decision::Issue { response, writes } = decision else { panic!("{decision:?}") };
    (response, writes)
}

/// The refusal of a decision that changes nothing.
pub(crate) fn untouched(decision: Decision) -> TokenRefusal {
    let Decision::Deny { refusal, writes } = decision else { panic!("tokens were issued") };
    assert!(writes.is_empty(), "{writes:?}");
    refusal
}
