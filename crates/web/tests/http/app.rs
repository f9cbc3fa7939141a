//! An app that asks for access, and may ask wrongly.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use doorward_store::Engine as _;
use doorward_testkit::{SeededEntropy, url_text};
use doorward_types::CodeVerifier;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    world::{Answer, CALLBACK, World},
};

/// What a test changes about a right request: another value for a name, or none.
pub(crate) type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

/// A registered client.
pub(crate) struct App<'w> {
    pub(crate) world: &'w World,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) verifier: String,
    pub(crate) challenge: String,
    callback: String,
}

impl<'w> App<'w> {
    /// Registers a public client.
    pub(crate) async fn new(world: &'w World) -> Self {
        Self::registered(world, json!({})).await
    }

    /// Registers a client with changed metadata.
    pub(crate) async fn registered(world: &'w World, changes: Value) -> Self {
        let answer = world.register(changes).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let body = answer.json();
        let verifier = CodeVerifier::generate(&mut SeededEntropy::new(77));
        Self {
            world,
            id: body["client_id"].as_str().unwrap().to_owned(),
            secret: body["client_secret"].as_str().map(str::to_owned),
            challenge: verifier.challenge().as_str().to_owned(),
            verifier: verifier.expose().to_owned(),
            callback: body["redirect_uris"][0].as_str().unwrap_or(CALLBACK).to_owned(),
        }
    }

    /// A right authorization request but for `changes`.
    pub(crate) fn request(&self, changes: Changes<'_>) -> String {
        let resource = self.world.resource();
        let right = [
            ("response_type", "code"),
            ("client_id", &self.id),
            ("redirect_uri", &self.callback),
            ("code_challenge", &self.challenge),
            ("code_challenge_method", "S256"),
            ("resource", &resource),
            ("scope", "mcp:read mcp:write"),
            ("state", "the-state"),
        ];
        format!("/oauth/authorize?{}", url_text::form(&changed(&right, changes)))
    }

    /// A code, with the consent of `ann`.
    pub(crate) async fn code(&self, browser: &mut Browser<'_>) -> String {
        let page = browser.consent(&self.request(&[])).await;
        let answer = browser.answer(&page, "allow").await;
        answer.sent_back("code").unwrap_or_else(|| panic!("no code: {answer:?}"))
    }

    /// A right token request for a code but for `changes`.
    pub(crate) async fn redeem(&self, code: &str, changes: Changes<'_>) -> Answer {
        let resource = self.world.resource();
        let right = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.callback),
            ("client_id", &self.id),
            ("code_verifier", &self.verifier),
            ("resource", &resource),
        ];
        self.world.form("/oauth/token", &[], &changed(&right, changes)).await
    }

    /// A right refresh request but for `changes`.
    pub(crate) async fn refresh(&self, token: &str, changes: Changes<'_>) -> Answer {
        let resource = self.world.resource();
        let right = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", &self.id),
            ("resource", &resource),
        ];
        self.world.form("/oauth/token", &[], &changed(&right, changes)).await
    }

    /// The first tokens of a new grant of `ann`.
    pub(crate) async fn tokens(&self, browser: &mut Browser<'_>) -> Tokens {
        let code = self.code(browser).await;
        Tokens::of(&self.redeem(&code, &[]).await)
    }

    /// Gives a token back.
    pub(crate) async fn revoke(&self, token: &str, changes: Changes<'_>) -> Answer {
        let right = [("token", token), ("client_id", &self.id)];
        self.world.form("/oauth/revoke", &[], &changed(&right, changes)).await
    }
}

/// What a token answer holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) scope: String,
}

impl Tokens {
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        let text = |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name}: {body}")).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token"), scope: text("scope") }
    }

    /// The claims of the access token, unverified.
    pub(crate) fn claims(&self) -> Value {
        let part = self.access.split('.').nth(1).unwrap();
        serde_json::from_slice(&Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
    }

    /// Whether the grant behind the tokens was revoked, as a resource server learns it.
    pub(crate) fn is_revoked(&self, world: &World) -> bool {
        world.store.revocations().is_revoked(self.claims()["gid"].as_str().unwrap())
    }
}

/// The right parameters but for `changes`.
pub(crate) fn changed<'a>(right: &[(&'a str, &'a str)], changes: Changes<'a>) -> Vec<(&'a str, &'a str)> {
    let kept = right.iter().copied().filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    kept.chain(changes.iter().filter_map(|(name, value)| value.map(|value| (*name, value)))).collect()
}
