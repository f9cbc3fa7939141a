//! A client that an administrator registered: a program with a secret.

use base64ct::{Base64, Encoding as _};
use doorward_authorization_server::{
    Write,
    facts::{Client, ClientAuthentication, ClientOrigin},
    store::{Committed, Store as _},
};
use doorward_testkit::{SeededEntropy, url_text};
use doorward_types::{ClientId, ResourceId, Secret, secret::ClientSecret};

use crate::world::{Answer, World, now};

pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(crate) struct Service<'w> {
    pub(crate) world: &'w World,
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl<'w> Service<'w> {
    /// A client of this name that may do what programs may, with a change of its registration.
    pub(crate) async fn new(world: &'w World, name: &str, change: impl FnOnce(&mut Client)) -> Self {
        let secret = Secret::<ClientSecret>::generate(&mut SeededEntropy::new(5));
        let mut client = Client {
            id: ClientId::parse(format!("dwcl_{name}")).unwrap(),
            origin: ClientOrigin::Administrator,
            name: Some(name.to_owned()),
            redirect_uris: Vec::new(),
            authentication: ClientAuthentication::SecretBasic(secret.digest()),
            grant_types: vec![CLIENT_CREDENTIALS.into(), EXCHANGE.into()],
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
            created_at: now(),
            last_used_at: None,
            expires_at: None,
            fresh_until: None,
        };
        change(&mut client);
        let id = client.id.to_string();
        assert_eq!(world.store.commit(vec![Write::InsertClient(client)]).await.unwrap(), Committed::Done);
        Self { world, id, secret: secret.expose().to_owned() }
    }

    /// The gateway as a resource server: it is told about tokens that are sent to it, and exchanges them.
    pub(crate) async fn gateway(world: &'w World) -> Self {
        let resource = ResourceId::parse(world.resource()).unwrap();
        Self::new(world, "gateway", |client| client.protects = Some(resource)).await
    }

    /// Sends a form as this client.
    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let joined = format!("{}:{}", url_text::encode(&self.id), url_text::encode(&self.secret));
        let basic = format!("Basic {}", Base64::encode_string(joined.as_bytes()));
        let headers: Vec<_> = headers.iter().copied().chain([("authorization", basic.as_str())]).collect();
        self.world.form(path, &headers, fields).await
    }

    /// Asks for a token for itself.
    pub(crate) async fn token(&self, scope: &str) -> Answer {
        self.post("/oauth/token", &[], &[("grant_type", CLIENT_CREDENTIALS), ("scope", scope)]).await
    }

    /// Exchanges a token for less at the gateway.
    pub(crate) async fn exchange(&self, token: &str, scope: &str) -> Answer {
        self.exchange_for(token, scope, &self.world.resource()).await
    }

    /// Exchanges a token for one of this resource.
    pub(crate) async fn exchange_for(&self, token: &str, scope: &str, resource: &str) -> Answer {
        let fields = [
            ("grant_type", EXCHANGE),
            ("subject_token", token),
            ("subject_token_type", ACCESS_TOKEN),
            ("scope", scope),
            ("resource", resource),
        ];
        self.post("/oauth/token", &[], &fields).await
    }

    /// Asks about a token.
    pub(crate) async fn introspect(&self, token: &str) -> Answer {
        self.post("/oauth/introspect", &[], &[("token", token)]).await
    }
}

/// The access token of an answer.
#[track_caller]
pub(crate) fn access_token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}
