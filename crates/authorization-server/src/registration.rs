//! Dynamic client registration.

use doorward_types::{
    ClientId, Digest, Entropy, Secret, Timestamp,
    messages::{ErrorResponse, RegistrationResponse},
    redirect::Kind,
    secret::{ClientSecret, Registration, RegistrationToken},
};
use http::StatusCode;

use crate::{
    Policy, Write,
    client_metadata::{self, Described, Method},
    facts::{Client, ClientAuthentication, ClientOrigin},
    members::{Members, MetadataRefusal},
    random,
};

/// The most bytes of a registration.
pub const MOST_BYTES: usize = 64 * 1024;

/// What every identifier given here begins with. It never looks like the URL of a document.
pub(crate) const PREFIX: &str = "dwcl_";

/// Why a registration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationRefusal {
    /// What the client says of itself cannot be taken.
    #[error("{0}")]
    Description(#[from] MetadataRefusal),
    /// The operator takes no registrations.
    #[error("clients cannot register here; ask whoever runs this server to add the client")]
    Closed,
    /// There are as many unknown clients as the operator allows.
    #[error("this server has taken as many clients as it allows; unused ones expire, try again later")]
    Full,
}

impl RegistrationRefusal {
    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Description(_) => StatusCode::BAD_REQUEST,
            Self::Closed => StatusCode::FORBIDDEN,
            Self::Full => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The body of the answer.
    ///
    /// Source: RFC 7591 section 3.2.2.
    pub fn response(&self) -> ErrorResponse {
        let error = match self {
            Self::Description(refusal) => return refusal.response(),
            Self::Closed => "access_denied",
            Self::Full => "temporarily_unavailable",
        };
        ErrorResponse { error: error.to_owned(), error_description: Some(self.to_string()) }
    }

    /// Seconds after which another try is worth while.
    pub const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::Full => Some(3600),
            Self::Description(_) | Self::Closed => None,
        }
    }
}

/// A registration that was read and can be had, unless there are too many.
#[derive(Debug)]
pub struct Wanted {
    description: Described,
    method: Method,
    fingerprint: Option<Digest<Registration>>,
}

impl Wanted {
    /// Recognises the same registration of a public client when it comes again, to load the client that has it.
    pub fn fingerprint(&self) -> Option<&Digest<Registration>> {
        self.fingerprint.as_ref()
    }
}

/// Reads the JSON that a client sent. What the server decides (identifier, secret, trust) cannot be sent along: members
/// that are not known are passed over.
///
/// # Errors
/// Names what is wrong, and with which value.
/// Source: RFC 7591 section 2, OpenID Connect Dynamic Client Registration section 2.
pub fn read(policy: &Policy, body: &[u8]) -> Result<Wanted, RegistrationRefusal> {
    if !policy.registration {
        return Err(RegistrationRefusal::Closed);
    }
    let mut description = Described::read(policy, &Members::read(body, MOST_BYTES)?)?;
    let method = method(policy, &mut description);
    let fingerprint = fingerprint(&description, &method);
    Ok(Wanted { description, method, fingerprint })
}

/// The method that a client gets: the one it named, else the standard's default. For hosts that insist on a secret the
/// operator can have one given to every client that could keep it, whatever it named; the answer tells it so.
pub(crate) fn method(policy: &Policy, description: &mut Described) -> Method {
    let on_server = !description.redirect_uris.is_empty()
        && description.redirect_uris.iter().all(|redirect| matches!(redirect.kind(), Kind::Https));
    match description.method.take() {
        None => Method::SecretBasic,
        Some(Method::None) if policy.registration_confidential && on_server => Method::SecretPost,
        Some(named) => named,
    }
}

/// The digest of all that a public client registered, in one canonical text.
pub(crate) fn fingerprint(description: &Described, method: &Method) -> Option<Digest<Registration>> {
    if *method != Method::None {
        return None;
    }
    let mut uris: Vec<_> = description.redirect_uris.iter().map(ToString::to_string).collect();
    uris.sort_unstable();
    let text = serde_json::json!([
        uris,
        description.name,
        description.grant_types,
        description.application_type,
        description.scope,
        description.client_uri,
        description.software_id,
        description.dpop_bound,
        description.pushed_only,
    ]);
    Secret::<Registration>::parse(text.to_string()).ok().map(|text| text.digest())
}

/// Registers a client. `like` is a client with the same fingerprint, `strangers` how many there are that nobody vouches for.
///
/// A public client that registers again word for word gets the identifier it had, so that an app which registers on every
/// connect fills no table. From then on several installations may share it, and nobody may manage it any more: whoever
/// registered first could otherwise point the redirect URIs of all of them at itself.
///
/// # Errors
/// When there are too many clients.
/// Source: RFC 7591 section 3, RFC 7592 section 3.
pub fn register(
    policy: &Policy,
    wanted: Wanted,
    like: Option<&Client>,
    strangers: u64,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(RegistrationResponse, Vec<Write>), RegistrationRefusal> {
    let Wanted { description, method, fingerprint } = wanted;
    let same = like.filter(|like| {
        like.origin == ClientOrigin::Dynamic
            && like.authentication == ClientAuthentication::None
            && fingerprint.is_some()
            && like.fingerprint == fingerprint
            && like.exists(now)
    });
    if let Some(before) = same {
        let until = Some(now.plus(policy.lifetimes.unused_client));
        let after = Client {
            management: None,
            expires_at: before.expires_at.and_then(|end| until.max(Some(end))),
            ..before.clone()
        };
        let unchanged = before.management.is_none() && !is_soon(policy, before, now);
        let write = Write::ReplaceClient { before: Box::new(before.clone()), after: Box::new(after), at: now };
        return Ok((answer(before), if unchanged { Vec::new() } else { vec![write] }));
    }
    if strangers >= policy.most_strangers {
        return Err(RegistrationRefusal::Full);
    }
    let (authentication, secret) = authentication(method, entropy);
    let id = ClientId::parse(random::name(PREFIX, entropy)).expect("base64url is a client identifier");
    let token = Secret::<RegistrationToken>::generate(entropy);
    let client = Client {
        management: Some(token.digest()),
        fingerprint,
        expires_at: Some(now.plus(policy.lifetimes.unused_client)),
        ..description.client(id, ClientOrigin::Dynamic, authentication, now)
    };
    let response = managed_answer(policy, &client, &token, secret);
    Ok((response, vec![Write::InsertClient(client)]))
}

/// Whether a client expires so soon that whoever registers it again needs it to last longer.
fn is_soon(policy: &Policy, client: &Client, now: Timestamp) -> bool {
    client.expires_at.is_some_and(|end| end < now.plus(policy.lifetimes.unused_client / 2))
}

/// Draws the secret that a method needs.
pub(crate) fn authentication(
    method: Method,
    entropy: &mut dyn Entropy,
) -> (ClientAuthentication, Option<Secret<ClientSecret>>) {
    let mut secret = || Secret::<ClientSecret>::generate(&mut *entropy);
    match method {
        Method::None => (ClientAuthentication::None, None),
        Method::PrivateKeyJwt(keys) => (ClientAuthentication::PrivateKeyJwt(keys), None),
        Method::SecretBasic => {
            let secret = secret();
            (ClientAuthentication::SecretBasic(secret.digest()), Some(secret))
        }
        Method::SecretPost => {
            let secret = secret();
            (ClientAuthentication::SecretPost(secret.digest()), Some(secret))
        }
    }
}

/// All that is registered, for whoever may not change it.
fn answer(client: &Client) -> RegistrationResponse {
    RegistrationResponse {
        client_id: client.id.to_string(),
        client_secret: None,
        client_id_issued_at: Some(client.created_at.as_unix()),
        client_secret_expires_at: None,
        registration_access_token: None,
        registration_client_uri: None,
        metadata: client_metadata::registered(client),
    }
}

/// All that is registered, with what is needed to change it.
pub(crate) fn managed_answer(
    policy: &Policy,
    client: &Client,
    token: &Secret<RegistrationToken>,
    secret: Option<Secret<ClientSecret>>,
) -> RegistrationResponse {
    RegistrationResponse {
        client_secret_expires_at: secret.as_ref().map(|_| 0),
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        registration_access_token: Some(token.expose().to_owned()),
        registration_client_uri: Some(policy.issuer.endpoint(&format!("/oauth/register/{}", client.id))),
        ..answer(client)
    }
}

#[cfg(test)]
mod tests;
