//! Client credentials, bound to the authorization server that gave them.

use doorward_types::{
    ClientId, Issuer, Secret, Timestamp,
    jose::{ClientKey, ClientKeyRecord},
    metadata::ValidatedMetadata,
    redirect::RedirectUri,
    secret,
};
use serde::{Deserialize, Serialize};

/// A value that belongs to one authorization server. The only way to the value is to show the checked metadata of
/// that very server, so what was given by A cannot be sent to B.
///
/// Source: MCP 2026-07-28 authorization, "Authorization Server Binding".
#[derive(Clone, Debug)]
pub struct IssuerBound<C> {
    issuer: Issuer,
    value: C,
}

/// The metadata shown is of another server than the one that the value is bound to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("these credentials belong to {bound}, not to {shown}")]
pub struct WrongIssuer {
    /// The server that the credentials are bound to.
    pub bound: Issuer,
    /// The server that was shown.
    pub shown: Issuer,
}

impl<C> IssuerBound<C> {
    pub(crate) fn new(issuer: Issuer, value: C) -> Self {
        Self { issuer, value }
    }

    /// The server that the value belongs to.
    pub fn issuer(&self) -> &Issuer {
        &self.issuer
    }

    /// The value, for use at this server.
    ///
    /// # Errors
    /// When the server is another one.
    pub fn at(&self, server: &ValidatedMetadata) -> Result<&C, WrongIssuer> {
        if server.issuer() == &self.issuer {
            Ok(&self.value)
        } else {
            Err(WrongIssuer { bound: self.issuer.clone(), shown: server.issuer().clone() })
        }
    }
}

/// How a client proves itself at the token endpoint.
///
/// Source: RFC 7591 section 2, OpenID Connect Core section 9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A public client: only its identifier.
    None,
    /// The secret in the `Authorization` header.
    ClientSecretBasic,
    /// The secret in the form.
    ClientSecretPost,
    /// A JWT that the client signs for each request.
    PrivateKeyJwt,
}

impl AuthMethod {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of this name, if it is one that this client can use.
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::None, Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt];
        all.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether it needs a secret that the server has too.
    pub const fn needs_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}

/// How a client came to its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Registration {
    /// The user got it from the provider and gave it to us.
    PreRegistered,
    /// It is the URL of a client ID metadata document.
    MetadataDocument,
    /// It was given by dynamic registration.
    Dynamic,
}

/// What a client shows to an authorization server.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The identifier.
    pub client_id: ClientId,
    /// The secret, when it has one.
    pub secret: Option<Secret<secret::ClientSecret>>,
    /// When the secret ends, if it does.
    pub secret_expires_at: Option<Timestamp>,
    /// The key that it signs its assertions with, when it has one.
    pub key: Option<ClientKey>,
    /// How it proves itself.
    pub auth_method: AuthMethod,
    /// How it came to its identifier.
    pub registration: Registration,
    /// The redirect URI that was registered. Its port is free on loopback.
    pub redirect_uri: RedirectUri,
}

/// A client as it is registered at one authorization server.
pub type RegisteredClient = IssuerBound<ClientCredentials>;

impl RegisteredClient {
    /// The identifier, which is public and may be shown for any purpose.
    pub fn client_id(&self) -> &ClientId {
        &self.value.client_id
    }

    /// How the client came to its identifier.
    pub fn registration(&self) -> Registration {
        self.value.registration
    }

    /// The redirect URI that was registered.
    pub fn redirect_uri(&self) -> &RedirectUri {
        &self.value.redirect_uri
    }

    /// The credentials, for another login at the same server.
    pub(crate) fn credentials(&self) -> &ClientCredentials {
        &self.value
    }

    /// The same client with the secret or the key that was given for it later. What fits its way of authentication is taken,
    /// and nothing else.
    pub(crate) fn proving_itself_as(&self, given: &PreRegistered) -> Self {
        let mut client = self.clone();
        let own = &mut client.value;
        let has_key = own.key.is_some() || given.key.is_some();
        let has_secret = own.secret.is_some() || given.secret.is_some();
        own.auth_method = match given.auth_method {
            Some(method) if method.needs_secret() && has_secret => method,
            Some(AuthMethod::PrivateKeyJwt) if has_key => AuthMethod::PrivateKeyJwt,
            None if given.key.is_some() => AuthMethod::PrivateKeyJwt,
            // Source: RFC 8414 section 2 (the default).
            None if given.secret.is_some() && own.auth_method == AuthMethod::None => AuthMethod::ClientSecretBasic,
            _ => own.auth_method,
        };
        if own.auth_method.needs_secret() && given.secret.is_some() {
            (own.secret, own.secret_expires_at) = (given.secret.clone(), None);
        }
        if own.auth_method == AuthMethod::PrivateKeyJwt && given.key.is_some() {
            own.key.clone_from(&given.key);
        }
        client
    }

    /// Whether the secret, if there is one, has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.value.secret_expires_at.is_some_and(|at| at <= now)
    }

    /// The stored form, with secret and key in plain text: for sealed storage only.
    pub fn to_stored(&self) -> ClientRecord {
        ClientRecord {
            issuer: self.issuer.clone(),
            client_id: self.value.client_id.clone(),
            client_secret: self.value.secret.as_ref().map(|secret| secret.expose().to_owned()),
            secret_expires_at: self.value.secret_expires_at,
            client_key: self.value.key.as_ref().map(ClientKey::to_stored),
            auth_method: self.value.auth_method,
            registration: self.value.registration,
            redirect_uri: self.value.redirect_uri.clone(),
        }
    }

    /// Reads the stored form; every field is judged again.
    ///
    /// # Errors
    /// Says which field cannot be, without its value.
    pub fn from_stored(record: ClientRecord) -> Result<Self, String> {
        let secret = record.client_secret.map(Secret::parse).transpose().map_err(|e| e.to_string())?;
        let key = record.client_key.map(ClientKey::from_stored).transpose().map_err(|e| e.to_string())?;
        if record.auth_method.needs_secret() && secret.is_none() {
            return Err("the stored client has no secret for its authentication method".into());
        }
        if record.auth_method == AuthMethod::PrivateKeyJwt && key.is_none() {
            return Err("the stored client has no key for its authentication method".into());
        }
        Ok(Self {
            issuer: record.issuer,
            value: ClientCredentials {
                client_id: record.client_id,
                secret,
                secret_expires_at: record.secret_expires_at,
                key,
                auth_method: record.auth_method,
                registration: record.registration,
                redirect_uri: record.redirect_uri,
            },
        })
    }
}

/// A client that the user got from the provider.
#[derive(Clone, Debug)]
pub struct PreRegistered {
    /// The authorization server that it is for. `None` binds it to the one that the MCP server names now; when that
    /// changes later the connection is refused (see [`Target::known_issuer`](crate::Target::known_issuer)).
    pub issuer: Option<Issuer>,
    /// The identifier.
    pub client_id: ClientId,
    /// The secret, if it has one.
    pub secret: Option<Secret<secret::ClientSecret>>,
    /// The key that it signs its assertions with, if it has one.
    pub key: Option<ClientKey>,
    /// How it proves itself; chosen from what the server lists when `None`.
    pub auth_method: Option<AuthMethod>,
    /// Its registered redirect URI, on loopback. With a port in it, exactly that port is used. `None` means
    /// `http://127.0.0.1/callback` with any port.
    pub redirect_uri: Option<RedirectUri>,
}

impl PreRegistered {
    /// A client that was used before, for its own server and no other.
    pub(crate) fn again(client: &RegisteredClient) -> Self {
        let credentials = client.credentials();
        Self {
            issuer: Some(client.issuer().clone()),
            client_id: credentials.client_id.clone(),
            secret: credentials.secret.clone(),
            key: credentials.key.clone(),
            auth_method: Some(credentials.auth_method),
            redirect_uri: Some(credentials.redirect_uri.clone()),
        }
    }
}

/// A registered client as it is stored. Secret and key are plain text in it, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ClientRecord {
    issuer: Issuer,
    client_id: ClientId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    secret_expires_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_key: Option<ClientKeyRecord>,
    auth_method: AuthMethod,
    registration: Registration,
    redirect_uri: RedirectUri,
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64, Encoding as _};
    use doorward_types::jose::SigningKey;

    use super::*;

    #[test]
    fn what_is_given_later_is_taken_where_it_fits() {
        use AuthMethod::{ClientSecretBasic, ClientSecretPost, None as Public, PrivateKeyJwt};
        let key = || {
            let der = Base64::encode_string(SigningKey::generate().to_pkcs8());
            ClientKey::parse(&format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")).unwrap()
        };
        let client = |method: AuthMethod| ClientCredentials {
            client_id: ClientId::parse("c").unwrap(),
            secret: method.needs_secret().then(|| Secret::parse("old").unwrap()),
            secret_expires_at: Some(Timestamp::from_unix(1)),
            key: None,
            auth_method: method,
            registration: Registration::PreRegistered,
            redirect_uri: RedirectUri::parse("http://127.0.0.1/callback").unwrap(),
        };
        for (stored, method, secret, with_key, then, proof) in [
            (ClientSecretPost, None, Some("new"), false, ClientSecretPost, Some("new")),
            (ClientSecretPost, None, None, false, ClientSecretPost, Some("old")),
            (ClientSecretPost, Some(ClientSecretBasic), None, false, ClientSecretBasic, Some("old")),
            (ClientSecretBasic, None, None, true, PrivateKeyJwt, Some("old")),
            (ClientSecretBasic, Some(PrivateKeyJwt), Some("new"), false, ClientSecretBasic, Some("new")),
            (Public, None, Some("new"), false, ClientSecretBasic, Some("new")),
            (Public, None, None, false, Public, None),
        ] {
            let issuer = Issuer::parse("https://as.example").unwrap();
            let before = IssuerBound::new(issuer, client(stored));
            let given = PreRegistered {
                issuer: None,
                client_id: ClientId::parse("c").unwrap(),
                secret: secret.map(|secret| Secret::parse(secret).unwrap()),
                key: with_key.then(key),
                auth_method: method,
                redirect_uri: None,
            };
            let after = before.proving_itself_as(&given);
            let own = after.credentials();
            let case = format!("{stored:?} {method:?} {secret:?} {with_key}");
            assert_eq!((own.auth_method, own.secret.as_ref().map(Secret::expose)), (then, proof), "{case}");
            assert_eq!((own.key.is_some(), own.secret_expires_at.is_none()), (with_key, secret.is_some()), "{case}");
            assert!(RegisteredClient::from_stored(after.to_stored()).is_ok(), "{case}");
        }
    }
}
