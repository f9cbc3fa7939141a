//! Who is calling the token endpoint, and the proof of it.

use base64ct::{Base64, Encoding};
use doorward_types::{ClientId, Secret, form::Form, secret::ClientSecret};

use crate::{
    TokenRefusal,
    facts::{Client, ClientAuthentication},
};

/// Who a caller says it is, and with what it wants to prove it; not yet to be believed.
#[derive(Debug)]
pub struct Presented {
    client: ClientId,
    proof: Proof,
}

#[derive(Debug)]
enum Proof {
    None,
    Basic(Secret<ClientSecret>),
    Post(Secret<ClientSecret>),
}

impl Presented {
    /// Reads the `Authorization` header and the form.
    ///
    /// # Errors
    /// When there is none, more than one, or a malformed one.
    /// Source: OAuth 2.1 section 2.4.
    pub fn read(authorization: Option<&str>, form: &Form) -> Result<Self, TokenRefusal> {
        let assertion = form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some();
        let ways = [authorization.is_some(), form.get("client_secret").is_some(), assertion];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            return Err(TokenRefusal::TwoAuthentications);
        }
        if assertion {
            return Err(TokenRefusal::UnsupportedAuthentication);
        }
        let named = form
            .get("client_id")
            .map(|text| ClientId::parse(text).map_err(|_| TokenRefusal::UnknownClient))
            .transpose()?;
        if let Some(header) = authorization {
            let (client, secret) = basic(header).ok_or(TokenRefusal::MalformedAuthorization)?;
            if named.is_some_and(|named| named != client) {
                return Err(TokenRefusal::TwoAuthentications);
            }
            return Ok(Self { client, proof: Proof::Basic(secret) });
        }
        let client = named.ok_or(TokenRefusal::Missing("client_id"))?;
        let proof = match form.get("client_secret") {
            None => Proof::None,
            Some(text) => Proof::Post(Secret::parse(text).map_err(|_| TokenRefusal::WrongSecret)?),
        };
        Ok(Self { client, proof })
    }

    /// The client that the caller says it is, to load its facts.
    pub fn client_id(&self) -> &ClientId {
        &self.client
    }

    /// Checks the proof in the way that the client registered, and in no other.
    ///
    /// # Errors
    /// When the client is unknown, registered another way, or the secret is wrong.
    pub fn authenticate(&self, client: Option<&Client>) -> Result<AuthenticatedClient, TokenRefusal> {
        let client = client.filter(|client| client.id == self.client).ok_or(TokenRefusal::UnknownClient)?;
        let right = match (&client.authentication, &self.proof) {
            (ClientAuthentication::None, Proof::None) => true,
            (ClientAuthentication::SecretBasic(digest), Proof::Basic(secret))
            | (ClientAuthentication::SecretPost(digest), Proof::Post(secret)) => secret.digest() == *digest,
            _ => return Err(TokenRefusal::OtherAuthentication),
        };
        if right { Ok(AuthenticatedClient { client: client.clone() }) } else { Err(TokenRefusal::WrongSecret) }
    }
}

/// A client that proved who it is, in the way it registered. Only [`Presented::authenticate`] makes one.
#[derive(Debug)]
pub struct AuthenticatedClient {
    client: Client,
}

impl AuthenticatedClient {
    /// Its identifier.
    pub fn id(&self) -> &ClientId {
        &self.client.id
    }

    /// Its registration.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Whether it registered this grant type.
    pub(crate) fn may_use(&self, grant_type: &str) -> bool {
        self.client.grant_types.iter().any(|registered| registered == grant_type)
    }
}

/// Identifier and secret are form-encoded before they are joined.
fn basic(header: &str) -> Option<(ClientId, Secret<ClientSecret>)> {
    let (scheme, rest) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let joined = String::from_utf8(Base64::decode_vec(rest.trim_start_matches(' ')).ok()?).ok()?;
    let (client, secret) = joined.split_once(':')?;
    Some((ClientId::parse(form_decode(client)?).ok()?, Secret::parse(form_decode(secret)?).ok()?))
}

fn form_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}
