//! Logins to put into a credential store.

use doorward_client::{Key, RegisteredClient, StoredTokens};
use serde_json::{Value, json};

/// Tokens of one login, with a secret of its own in each place.
pub struct Login {
    pub issuer: String,
    pub resource: String,
    pub client_id: String,
    pub account: Option<String>,
    pub access_token: String,
    pub refresh_token: Option<String>,
    pub issued_at: i64,
}

impl Login {
    pub fn new(name: &str) -> Self {
        Self {
            issuer: "https://as.example".into(),
            resource: "https://mcp.example/mcp".into(),
            client_id: "client-1".into(),
            account: None,
            access_token: format!("access-token-{name}"),
            refresh_token: Some(format!("refresh-token-{name}")),
            issued_at: 1_795_000_000,
        }
    }

    fn client_record(&self) -> Value {
        json!({
            "issuer": self.issuer,
            "client_id": self.client_id,
            "client_secret": format!("client-secret-{}", self.client_id),
            "secret_expires_at": 1_800_000_000,
            "auth_method": "client_secret_basic",
            "registration": "dynamic",
            "redirect_uri": "http://127.0.0.1/callback",
        })
    }

    pub fn client(&self) -> RegisteredClient {
        RegisteredClient::from_stored(serde_json::from_value(self.client_record()).unwrap()).unwrap()
    }

    pub fn tokens(&self) -> StoredTokens {
        let record = json!({
            "resource": self.resource,
            "account": self.account,
            "audience": self.resource,
            "server": {
                "issuer": self.issuer,
                "authorization_endpoint": format!("{}/authorize", self.issuer),
                "token_endpoint": format!("{}/token", self.issuer),
                "revocation_endpoint": format!("{}/revoke", self.issuer),
                "code_challenge_methods_supported": ["S256"],
            },
            "client": self.client_record(),
            "access_token": self.access_token,
            "expires_at": self.issued_at + 600,
            "issued_at": self.issued_at,
            "refresh_token": self.refresh_token,
            "requested": "mcp:read mcp:write",
            "granted": "mcp:read",
            "generation": 0,
        });
        StoredTokens::from_stored(serde_json::from_value(record).unwrap()).unwrap()
    }

    pub fn key(&self) -> Key {
        self.tokens().key()
    }
}

/// Everything in the tokens but the generation, in a form that can be compared.
pub fn content(tokens: &StoredTokens) -> Value {
    let mut value = serde_json::to_value(tokens.to_stored()).unwrap();
    value.as_object_mut().unwrap().remove("generation");
    value
}
