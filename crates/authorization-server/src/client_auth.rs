//! Who is calling the token endpoint, and the proof of it.

use base64ct::{Base64, Encoding};
use doorward_types::{
    ClientId, Secret, Timestamp,
    form::Form,
    jose::{KeySet, dpop::ProvenKey},
    secret::ClientSecret,
};

use crate::{
    Policy, TokenRefusal, Write,
    client_assertion::{self, AssertionRefusal},
    facts::{Client, ClientAuthentication, ClientKeys},
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
    Assertion(String),
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
        if assertion {
            return Self::asserted(form, named);
        }
        let client = named.ok_or(TokenRefusal::Missing("client_id"))?;
        let proof = match form.get("client_secret") {
            None => Proof::None,
            Some(text) => Proof::Post(Secret::parse(text).map_err(|_| TokenRefusal::WrongSecret)?),
        };
        Ok(Self { client, proof })
    }

    /// `client_id` may be left out beside an assertion, which names the client itself.
    ///
    /// Source: RFC 7521 section 4.2.
    fn asserted(form: &Form, named: Option<ClientId>) -> Result<Self, TokenRefusal> {
        if form.get("client_assertion_type") != Some(client_assertion::TYPE) {
            return Err(AssertionRefusal::AssertionType.into());
        }
        let assertion = form.get("client_assertion").ok_or(TokenRefusal::Missing("client_assertion"))?;
        let client = client_assertion::claimed(assertion)?;
        if named.is_some_and(|named| named != client) {
            return Err(AssertionRefusal::Subject.into());
        }
        Ok(Self { client, proof: Proof::Assertion(assertion.to_owned()) })
    }

    /// The client that the caller says it is, to load its facts.
    pub fn client_id(&self) -> &ClientId {
        &self.client
    }

    /// Where the keys are that the proof needs: the client's `jwks_uri`. None when it needs none, or they are in its registration.
    pub fn keys_at<'a>(&self, client: &'a Client) -> Option<&'a str> {
        match (&client.authentication, &self.proof) {
            (ClientAuthentication::PrivateKeyJwt(ClientKeys::At(uri)), Proof::Assertion(_)) => Some(uri),
            _ => None,
        }
    }

    /// Checks the proof in the way that the client registered, and in no other. `keys` are those read at
    /// [`keys_at`](Self::keys_at).
    ///
    /// # Errors
    /// When the client is unknown or has expired, registered another way, or the proof is wrong.
    pub fn authenticate(
        &self,
        policy: &Policy,
        client: Option<&Client>,
        keys: Option<&KeySet>,
        now: Timestamp,
    ) -> Result<AuthenticatedClient, TokenRefusal> {
        let known = |client: &&Client| client.id == self.client && client.exists(now);
        let client = client.filter(known).ok_or(TokenRefusal::UnknownClient)?;
        let mut writes = Vec::new();
        let right = match (&client.authentication, &self.proof) {
            (ClientAuthentication::None, Proof::None) => true,
            (ClientAuthentication::SecretBasic(digest), Proof::Basic(secret))
            | (ClientAuthentication::SecretPost(digest), Proof::Post(secret)) => secret.digest() == *digest,
            (ClientAuthentication::PrivateKeyJwt(place), Proof::Assertion(assertion)) => {
                let own = match place {
                    ClientKeys::Inline(text) => KeySet::parse(text.as_bytes()).unwrap_or_default(),
                    ClientKeys::At(_) => keys.cloned().unwrap_or_default(),
                };
                writes.push(client_assertion::check(assertion, &own, &client.id, &policy.issuer, now)?);
                true
            }
            _ => return Err(TokenRefusal::OtherAuthentication),
        };
        if right {
            Ok(AuthenticatedClient { client: client.clone(), key: None, writes })
        } else {
            Err(TokenRefusal::WrongSecret)
        }
    }
}

/// A client that proved who it is, in the way it registered, and perhaps that it holds a key. Only
/// [`Presented::authenticate`] makes one.
#[derive(Debug)]
pub struct AuthenticatedClient {
    client: Client,
    key: Option<ProvenKey>,
    writes: Vec<Write>,
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

    /// The same client with the key that it proved to hold; tokens that are issued to it are bound to that key.
    ///
    /// # Errors
    /// When it proved none although all its tokens, or all tokens, must be bound to one.
    /// Source: RFC 9449 sections 5 and 5.2.
    pub fn holding(self, policy: &Policy, key: Option<ProvenKey>) -> Result<Self, TokenRefusal> {
        if key.is_none() && (policy.dpop_only || self.client.dpop_bound) {
            return Err(TokenRefusal::NoProof);
        }
        Ok(Self { key, ..self })
    }

    /// The key that it proved to hold.
    pub fn key(&self) -> Option<&ProvenKey> {
        self.key.as_ref()
    }

    /// Whether it cannot prove who it is.
    pub(crate) fn is_public(&self) -> bool {
        self.client.authentication == ClientAuthentication::None
    }

    /// The proof of its key, used up.
    pub(crate) fn spent_proof(&self) -> Option<Write> {
        self.key.as_ref().map(|key| Write::UseOnce { id: key.proof(), until: key.until() })
    }

    /// What must be committed before the proof counts: an assertion is good once. A conflict means that it was used before.
    pub fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
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

#[cfg(test)]
mod tests {
    use doorward_testkit::url_text::encode;

    use super::*;
    use crate::{
        TokenError,
        fixtures::{CLIENT, ISSUER, SIGNER, another_client, at, client, entropy, form, policy, with_secret},
    };

    fn basic_header(client: &str, secret: &str) -> String {
        format!("Basic {}", Base64::encode_string(format!("{client}:{secret}").as_bytes()))
    }

    fn refused(header: Option<&str>, parameters: &[(&str, &str)], client: Option<&Client>) -> TokenRefusal {
        let presented = Presented::read(header, &form(parameters));
        presented.and_then(|presented| presented.authenticate(&policy(), client, None, at(0))).map(|_| ()).unwrap_err()
    }

    #[test]
    fn each_client_proves_itself_in_the_way_it_registered_and_no_other() {
        // proves: CODE-16, RT-13, OA21-13, OA21-14, OA21-22, R7591-11
        let secret = Secret::<ClientSecret>::generate(&mut entropy());
        let header = basic_header(CLIENT, secret.expose());
        type Way<'a> = (Option<&'a str>, &'a [(&'a str, &'a str)]);
        let ways: [Way<'_>; 3] = [
            (None, &[("client_id", CLIENT)]),
            (Some(&header), &[]),
            (None, &[("client_id", CLIENT), ("client_secret", secret.expose())]),
        ];
        let clients = [client(), with_secret(&secret, true), with_secret(&secret, false)];
        for (registered, client) in clients.iter().enumerate() {
            for (used, (header, parameters)) in ways.iter().enumerate() {
                if registered == used {
                    let presented = Presented::read(*header, &form(parameters)).unwrap();
                    assert_eq!(presented.authenticate(&policy(), Some(client), None, at(0)).unwrap().id(), &client.id);
                } else {
                    let refusal = refused(*header, parameters, Some(client));
                    assert_eq!((refusal.error(), refusal.status().as_u16()), ("invalid_client", 401));
                }
            }
        }
        assert!(Presented::read(Some(&header), &form(&[("client_id", CLIENT)])).is_ok());
        assert!(Presented::read(Some(&header.replace("Basic ", "bASIC  ")), &form(&[])).is_ok());
    }

    #[test]
    fn what_is_no_proof_is_refused_with_a_challenge() {
        // proves: CODE-15, REG-02, OA21-26
        let secret = Secret::<ClientSecret>::generate(&mut entropy());
        let (basic, post) = (with_secret(&secret, true), with_secret(&secret, false));
        let good = basic_header(CLIENT, secret.expose());
        let wrong = basic_header(CLIENT, "dwk_wrong");
        let empty = basic_header(CLIENT, "");
        let no_colon = format!("Basic {}", Base64::encode_string(b"dwcl_test"));
        let other_scheme = good.replace("Basic ", "Bearer ");
        for header in [
            &wrong,
            &empty,
            &no_colon,
            &other_scheme,
            "Basic",
            "Basic ",
            "Basic %%%",
            "Basic ZHdj",
            "Bearer x",
            "",
            &good[..good.len() - 4],
        ] {
            let refusal = refused(Some(header), &[], Some(&basic));
            assert_eq!((refusal.code(), refusal.asks_for_basic()), (TokenError::InvalidClient, true), "{header}");
        }
        for (parameters, client) in [
            (&[("client_id", CLIENT), ("client_secret", "dwk_wrong")][..], Some(&post)),
            (&[("client_id", CLIENT), ("client_secret", secret.expose())][..], None),
            (&[("client_id", CLIENT), ("client_secret", secret.expose())][..], Some(&another_client())),
            (&[("client_id", "dwcl_t\u{e9}st")][..], Some(&post)),
            (&[("client_id", CLIENT), ("client_assertion", "x")][..], Some(&post)),
            (&[("client_id", CLIENT)][..], Some(&another_client())),
        ] {
            assert_eq!(refused(None, parameters, client).code(), TokenError::InvalidClient, "{parameters:?}");
        }
    }

    #[test]
    fn one_proof_at_a_time() {
        // proves: CODE-15, OA21-12
        let header = basic_header(CLIENT, "dwk_x");
        for (header, parameters) in [
            (Some(header.as_str()), &[("client_id", CLIENT), ("client_secret", "dwk_x")][..]),
            (Some(&header), &[("client_id", "dwcl_other")][..]),
            (Some(&header), &[("client_assertion", "x")][..]),
            (None, &[("client_id", CLIENT), ("client_secret", "dwk_x"), ("client_assertion", "x")][..]),
            (None, &[("client_id", CLIENT), ("client_assertion_type", client_assertion::TYPE)][..]),
            (None, &[][..]),
        ] {
            let refusal = refused(header, parameters, Some(&client()));
            assert_eq!(
                (refusal.code(), refusal.asks_for_basic()),
                (TokenError::InvalidRequest, false),
                "{parameters:?}"
            );
        }
    }

    fn assertion(jti: &str) -> String {
        let now = at(0).as_unix();
        let claims = serde_json::json!({"iss": CLIENT, "sub": CLIENT, "aud": ISSUER, "exp": now + 60, "jti": jti});
        SIGNER.sign("client-authentication+jwt", &claims)
    }

    #[test]
    fn a_signed_assertion_proves_a_client_with_a_key_and_no_other() {
        // proves: R7523-01, R7523-07, R7523-08, CIMD-10, CID-10, R9700-12
        let set = serde_json::json!({"keys": [SIGNER.public_jwk()]}).to_string();
        let with = |keys| Client { authentication: ClientAuthentication::PrivateKeyJwt(keys), ..client() };
        let (inline, elsewhere) =
            (with(ClientKeys::Inline(set.clone())), with(ClientKeys::At("https://a.example/jwks".into())));
        let signed = assertion("one");
        let typed = ("client_assertion_type", client_assertion::TYPE);
        let fetched = KeySet::parse(set.as_bytes()).unwrap();
        for fields in [
            &[typed, ("client_assertion", &signed)][..],
            &[typed, ("client_assertion", &signed), ("client_id", CLIENT)],
        ] {
            let presented = Presented::read(None, &form(fields)).unwrap();
            assert_eq!((presented.client_id().as_str(), presented.keys_at(&inline)), (CLIENT, None));
            let mut proved = presented.authenticate(&policy(), Some(&inline), None, at(0)).unwrap();
            assert!(matches!(proved.take_writes().as_slice(), [Write::UseOnce { .. }]));
            assert_eq!(presented.keys_at(&elsewhere), Some("https://a.example/jwks"));
            assert!(presented.authenticate(&policy(), Some(&elsewhere), Some(&fetched), at(0)).is_ok());
            for (client, keys) in
                [(&elsewhere, None), (&elsewhere, Some(&KeySet::default())), (&client(), Some(&fetched))]
            {
                let refusal = presented.authenticate(&policy(), Some(client), keys, at(0)).unwrap_err();
                assert_eq!((refusal.error(), refusal.status().as_u16()), ("invalid_client", 401));
            }
        }
        // A client with a key is not believed without it.
        let bare = refused(None, &[("client_id", CLIENT)], Some(&inline));
        assert_eq!(bare, TokenRefusal::OtherAuthentication);
        for fields in [
            &[("client_assertion", signed.as_str())][..],
            &[
                ("client_assertion", &signed),
                ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
            ],
            &[typed, ("client_assertion", &signed), ("client_id", "dwcl_other")],
            &[typed, ("client_assertion", "x")],
        ] {
            assert_eq!(refused(None, fields, Some(&inline)).code(), TokenError::InvalidClient, "{fields:?}");
        }
    }

    #[test]
    fn a_client_that_expired_is_unknown() {
        // proves: REG-02, REG-04
        let fields = [("client_id", CLIENT)];
        let expired = Client { expires_at: Some(at(0)), ..client() };
        assert_eq!(refused(None, &fields, Some(&expired)), TokenRefusal::UnknownClient);
    }

    #[test]
    fn basic_credentials_are_form_encoded() {
        // proves: OA21-14
        let secret = Secret::<ClientSecret>::parse("a b:c%d+é&".replace('é', "~")).unwrap();
        let client = Client { id: ClientId::parse("id: with+odd%").unwrap(), ..with_secret(&secret, true) };
        let header = basic_header(&encode(client.id.as_str()), &encode(secret.expose()));
        let presented = Presented::read(Some(&header), &form(&[])).unwrap();
        assert!(presented.authenticate(&policy(), Some(&client), None, at(0)).is_ok());
        for broken in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert!(Presented::read(Some(&basic_header(CLIENT, broken)), &form(&[])).is_err(), "{broken}");
        }
    }
}
