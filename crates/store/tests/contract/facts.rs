//! Facts to put in, each different from the others in every field.

use doorward_authorization_server::{
    facts::{
        Account, AccountId, Client, ClientAuthentication, ClientOrigin, Code, Device, DeviceAnswer, Grant, GrantId,
        GrantKind, Interaction, KeyRow, PushedRequest, Refresh, Session,
    },
    password::PasswordHash,
    seal::Sealed,
};
use doorward_testkit::SeededEntropy;
use doorward_types::{
    ClientId, CodeVerifier, RedirectUri, ResourceId, ScopeSet, Secret, Timestamp,
    jose::Thumbprint,
    secret::{
        AuthorizationCode, DeviceCode, InteractionToken, Kind, OperatorKey, Password, RefreshToken, Registration,
        RegistrationToken, RequestReference, SessionToken,
    },
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
            scope: Some(ScopeSet::parse("mcp:read offline_access").unwrap()),
            client_uri: Some("https://app.example/".into()),
            software_id: Some(self.name()),
            dpop_bound: true,
            pushed_only: false,
            protects: Some(ResourceId::parse("https://files.example/mcp").unwrap()),
            exchanges_for: vec![ResourceId::parse("https://tickets.example/mcp").unwrap()],
            management: Some(self.secret::<RegistrationToken>().digest()),
            fingerprint: Some(self.secret::<Registration>().digest()),
            created_at: self.moment(),
            last_used_at: Some(self.moment()),
            expires_at: Some(self.moment()),
            fresh_until: Some(self.moment()),
        }
    }

    /// An RFC 7638 thumbprint of no real key.
    pub fn thumbprint(&mut self) -> Thumbprint {
        Thumbprint::parse(CodeVerifier::generate(&mut self.entropy).challenge().as_str()).unwrap()
    }

    pub fn pushed_request(&mut self) -> PushedRequest {
        let reference = self.secret::<RequestReference>();
        PushedRequest {
            digest: reference.digest(),
            client: ClientId::parse(self.name()).unwrap(),
            form: self.sealed(&reference),
            expires_at: self.moment(),
            spent: false,
        }
    }

    pub fn device(&mut self) -> Device {
        Device {
            digest: self.secret::<DeviceCode>().digest(),
            user_code: self.secret().digest(),
            client: ClientId::parse(self.name()).unwrap(),
            resource: ResourceId::parse("https://files.example/mcp").unwrap(),
            scope: ScopeSet::parse("mcp:read").unwrap(),
            asked_from: "203.0.113.7, a television".into(),
            requested_at: self.moment(),
            expires_at: self.moment(),
            interval: 5,
            polled_at: None,
            answer: DeviceAnswer::None,
            redeemed_at: None,
        }
    }

    pub fn key(&mut self) -> KeyRow {
        let operator = self.secret::<OperatorKey>();
        KeyRow {
            kid: self.name(),
            sealed: self.sealed(&operator),
            created_at: self.moment(),
            active_from: self.moment(),
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
            external: None,
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
            external: None,
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
            account: Some(AccountId(self.name())),
            client: ClientId::parse(self.name()).unwrap(),
            kind: GrantKind::AuthorizationCode,
            redirect_uri: Some("http://127.0.0.1:49152/callback".into()),
            resource: ResourceId::parse("https://files.example/mcp").unwrap(),
            scope: ScopeSet::parse("mcp:read mcp:write").unwrap(),
            refreshes: true,
            dpop: None,
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
            redirect_uri: grant.redirect_uri.clone().unwrap_or_default(),
            challenge: verifier.challenge(),
            dpop: Some(self.thumbprint()),
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
