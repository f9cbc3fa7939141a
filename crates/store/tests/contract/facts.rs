//! Facts to put in, each different from the others in every field.

use doorward_authorization_server::{
    facts::{
        Account, AccountId, Client, ClientAuthentication, ClientOrigin, Code, Grant, GrantId, Interaction, Refresh,
        Session,
    },
    password::PasswordHash,
    seal::Sealed,
};
use doorward_testkit::SeededEntropy;
use doorward_types::{
    ClientId, CodeVerifier, RedirectUri, ResourceId, ScopeSet, Secret, Timestamp,
    secret::{AuthorizationCode, InteractionToken, Kind, Password, RefreshToken, SessionToken},
};

/// Draws facts; the seed decides every byte.
pub struct Draw {
    pub entropy: SeededEntropy,
    /// Every secret that was drawn, in plain.
    pub plain: Vec<String>,
}

impl Draw {
    pub fn new(seed: u64) -> Self {
        Self { entropy: SeededEntropy::new(seed), plain: Vec::new() }
    }

    pub fn secret<K: Kind>(&mut self) -> Secret<K> {
        let secret = Secret::generate(&mut self.entropy);
        self.plain.push(secret.expose().to_owned());
        secret
    }

    pub fn name(&mut self) -> String {
        format!("{:016x}", self.entropy.next_u64())
    }

    pub fn moment(&mut self) -> Timestamp {
        Timestamp::from_unix(1_790_000_000 + i64::try_from(self.entropy.below(1_000_000)).unwrap())
    }

    pub fn client(&mut self) -> Client {
        Client {
            id: ClientId::parse(self.name()).unwrap(),
            origin: ClientOrigin::Dynamic,
            name: Some(format!("Désk \"top\" {}", self.name())),
            redirect_uris: vec![
                RedirectUri::parse("http://127.0.0.1/callback").unwrap(),
                RedirectUri::parse("https://app.example/cb?x=1").unwrap(),
            ],
            authentication: ClientAuthentication::None,
            grant_types: vec!["authorization_code".into(), "refresh_token".into()],
            application_type: Some("native".into()),
            created_at: self.moment(),
        }
    }

    pub fn account(&mut self) -> Account {
        let password = Secret::<Password>::parse(format!("correct horse {}", self.name())).unwrap();
        self.plain.push(password.expose().to_owned());
        Account {
            id: AccountId(self.name()),
            name: format!("Ana-{}", self.name()),
            password: Some(PasswordHash::choose(&password, &mut self.entropy).unwrap()),
            administrator: true,
            disabled: false,
            created_at: self.moment(),
        }
    }

    /// Without the time that hashing takes.
    pub fn account_without_password(&mut self) -> Account {
        Account {
            id: AccountId(self.name()),
            name: format!("Ben-{}", self.name()),
            password: None,
            administrator: false,
            disabled: false,
            created_at: self.moment(),
        }
    }

    pub fn session(&mut self, account: &Account) -> Session {
        Session {
            digest: self.secret::<SessionToken>().digest(),
            account: account.id.clone(),
            signed_in_at: self.moment(),
            expires_at: self.moment(),
        }
    }

    pub fn interaction(&mut self) -> Interaction {
        let token = self.secret::<InteractionToken>();
        Interaction {
            digest: token.digest(),
            browser: self.secret::<SessionToken>().digest(),
            request: self.sealed(&token),
            expires_at: self.moment(),
            spent: false,
        }
    }

    pub fn sealed<K: Kind>(&mut self, under: &Secret<K>) -> Sealed {
        let plain = format!("plain text {}", self.name());
        self.plain.push(plain.clone());
        Sealed::seal(under, "test", plain.as_bytes(), &mut self.entropy)
    }

    pub fn grant(&mut self) -> Grant {
        Grant {
            id: GrantId(self.name()),
            account: AccountId(self.name()),
            client: ClientId::parse(self.name()).unwrap(),
            redirect_uri: "http://127.0.0.1:49152/callback".into(),
            resource: ResourceId::parse("https://files.example/mcp").unwrap(),
            scope: ScopeSet::parse("mcp:read mcp:write").unwrap(),
            created_at: self.moment(),
            expires_at: Some(self.moment()),
            last_used_at: None,
            revoked_at: None,
        }
    }

    pub fn code(&mut self, grant: &Grant) -> Code {
        let verifier = CodeVerifier::generate(&mut self.entropy);
        self.plain.push(verifier.expose().to_owned());
        Code {
            digest: self.secret::<AuthorizationCode>().digest(),
            grant: grant.id.clone(),
            client: grant.client.clone(),
            redirect_uri: grant.redirect_uri.clone(),
            challenge: verifier.challenge(),
            expires_at: self.moment(),
            wrong_verifiers: 0,
            redeemed_at: None,
        }
    }

    pub fn refresh(&mut self, grant: &Grant) -> Refresh {
        Refresh {
            digest: self.secret::<RefreshToken>().digest(),
            grant: grant.id.clone(),
            issued_at: self.moment(),
            expires_at: self.moment(),
            rotated: None,
        }
    }
}
