//! Secrets that do not print, and the digests under which they are stored.

use std::{fmt, marker::PhantomData};

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Entropy;

mod sealed {
    pub trait Sealed {}
}

/// What a secret is for. Two kinds never mix: a code cannot be looked up as a refresh token.
pub trait Kind: sealed::Sealed + 'static {
    /// The name in messages, such as `authorization code`.
    const NAME: &'static str;
    /// What every generated secret of this kind starts with, so that scanners recognise a leak
    /// and a look-up can refuse nonsense before it reaches the store.
    const PREFIX: &'static str;
    /// The most bytes that are accepted from outside.
    const MOST_BYTES: usize;
    /// Whether the text may hold anything but visible ASCII.
    const FREE_TEXT: bool = false;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal, $prefix:literal, $most:literal $(, free_text = $free:literal)?;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $kind {}
        impl sealed::Sealed for $kind {}
        impl Kind for $kind {
            const NAME: &'static str = $name;
            const PREFIX: &'static str = $prefix;
            const MOST_BYTES: usize = $most;
            $(const FREE_TEXT: bool = $free;)?
        }
    )*};
}

kinds! {
    /// An authorization code (RFC 6749 section 4.1.2).
    AuthorizationCode = "authorization code", "dwc_", 4096;
    /// An access token, ours (a JWT) or somebody else's (opaque to us).
    AccessToken = "access token", "", 16384;
    /// A refresh token (RFC 6749 section 1.5).
    RefreshToken = "refresh token", "dwr_", 16384;
    /// A client's shared secret (RFC 6749 section 2.3.1).
    ClientSecret = "client secret", "dwk_", 4096;
    /// A registration access token (RFC 7592 section 3).
    RegistrationToken = "registration access token", "dwm_", 4096;
    /// The value of a browser session's cookie.
    SessionToken = "session", "dws_", 256;
    /// The identifier of one authorization request that waits for a person. Whoever holds it and
    /// the session it is bound to may answer it.
    InteractionToken = "interaction", "dwi_", 256;
    /// The value that proves a form was served to the session that sends it.
    FormToken = "form token", "dwf_", 256;
    /// The secret part of a `request_uri` (RFC 9126 section 2.2).
    RequestReference = "request reference", "dwp_", 256;
    /// A device code (RFC 8628 section 3.2).
    DeviceCode = "device code", "dwd_", 4096;
    /// What a person types to say which device to let in (RFC 8628 section 6.1): not generated like the others.
    UserCode = "user code", "", 64;
    /// An identity provider's assertion about a person and a client (RFC 7523 section 2.1).
    Assertion = "assertion", "", 16384;
    /// The text that names something which may be used once only, such as the issuer and `jti` of an assertion.
    UsedOnce = "one-time identifier", "", 16384;
    /// The text of a registration, to recognise the same one when it comes again.
    Registration = "registration", "", 65536, free_text = true;
    /// What the operator's rows are sealed under: signing keys and, later, tokens of other servers.
    OperatorKey = "operator key", "dwx_", 256;
    /// The one-time value in the link that makes the first account.
    SetupToken = "set-up token", "dwu_", 256;
    /// A client's `state` (RFC 6749 section 4.1.1).
    State = "state", "", 4096;
    /// What an ID token has to repeat, so that it is the answer to one request (OpenID Connect Core section 3.1.2.1).
    Nonce = "nonce", "", 256;
    /// What a person types to sign in.
    Password = "password", "", 1024, free_text = true;
}

/// A secret of kind `K`: it is not printed, not compared with `==`, not stored, and wiped from memory
/// when dropped. [`expose`](Secret::expose) is the one way out, for the wire.
pub struct Secret<K: Kind> {
    text: Zeroizing<String>,
    kind: PhantomData<fn() -> K>,
}

/// A text that cannot be a secret of the wanted kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// Nothing at all.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// More bytes than the kind allows.
    #[error("the {0} is longer than {1} bytes")]
    TooLong(&'static str, usize),
    /// A character outside visible ASCII.
    #[error("the {0} contains a character outside visible ASCII")]
    Character(&'static str),
}

impl<K: Kind> Secret<K> {
    /// Takes a secret that came from outside.
    ///
    /// # Errors
    /// When the text is empty, too long, or holds characters that this kind cannot hold.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidSecret> {
        let text = Zeroizing::new(text.into());
        if text.is_empty() {
            return Err(InvalidSecret::Empty(K::NAME));
        }
        if text.len() > K::MOST_BYTES {
            return Err(InvalidSecret::TooLong(K::NAME, K::MOST_BYTES));
        }
        if !K::FREE_TEXT && !text.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return Err(InvalidSecret::Character(K::NAME));
        }
        Ok(Self { text, kind: PhantomData })
    }

    /// Draws a new secret with 256 bits of entropy.
    pub fn generate(entropy: &mut (impl Entropy + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(&mut *bytes);
        let text = Zeroizing::new(format!("{}{}", K::PREFIX, Base64UrlUnpadded::encode_string(&*bytes)));
        Self { text, kind: PhantomData }
    }

    /// Whether the text has the form that [`generate`](Self::generate) gives. A look-up of anything
    /// else is wasted work.
    pub fn is_well_formed(&self) -> bool {
        self.text.strip_prefix(K::PREFIX).is_some_and(|rest| rest.len() == 43)
    }

    /// The text itself, for the wire and for nothing else.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The SHA-256 digest under which the secret is stored and looked up.
    pub fn digest(&self) -> Digest<K> {
        Digest::of(self.text.as_bytes())
    }

    /// Compares in constant time.
    pub fn is(&self, other: &Self) -> bool {
        self.text.as_bytes().ct_eq(other.text.as_bytes()).into()
    }
}

impl<K: Kind> Clone for Secret<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), kind: PhantomData }
    }
}

impl<K: Kind> fmt::Debug for Secret<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", K::NAME)
    }
}

/// The SHA-256 digest of a [`Secret`] of the same kind: all that the store ever sees of it.
pub struct Digest<K: Kind> {
    bytes: [u8; 32],
    kind: PhantomData<fn() -> K>,
}

impl<K: Kind> Digest<K> {
    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text).as_ref());
        Self { bytes, kind: PhantomData }
    }

    /// The digest as it lies in a row; `None` when it has not 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self { bytes: bytes.try_into().ok()?, kind: PhantomData })
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The digest in base64url, to name a row in a page or a log.
    pub fn to_text(&self) -> String {
        Base64UrlUnpadded::encode_string(&self.bytes)
    }

    /// Reads what [`to_text`](Self::to_text) wrote.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::from_bytes(&Base64UrlUnpadded::decode_vec(text).ok()?)
    }
}

impl<K: Kind> serde::Serialize for Digest<K> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}
impl<'de, K: Kind> serde::Deserialize<'de> for Digest<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as serde::Deserialize>::deserialize(deserializer)?;
        Self::from_text(&text).ok_or_else(|| serde::de::Error::custom("not a digest"))
    }
}

impl<K: Kind> Clone for Digest<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K: Kind> Copy for Digest<K> {}
impl<K: Kind> PartialEq for Digest<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes.ct_eq(&other.bytes).into()
    }
}
impl<K: Kind> Eq for Digest<K> {}
impl<K: Kind> std::hash::Hash for Digest<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}
impl<K: Kind> fmt::Debug for Digest<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<digest of {} {}>", K::NAME, &self.to_text()[..8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting(u8);
    impl Entropy for Counting {
        fn fill(&mut self, buffer: &mut [u8]) {
            for b in buffer {
                self.0 = self.0.wrapping_add(1);
                *b = self.0;
            }
        }
    }

    #[test]
    fn a_secret_never_prints_its_text() {
        let code = Secret::<AuthorizationCode>::generate(&mut Counting(0));
        assert_eq!(format!("{code:?}"), "<authorization code>");
        assert!(code.is_well_formed() && code.expose().starts_with("dwc_"));
    }

    #[test]
    fn parse_refuses_what_cannot_be_a_secret() {
        assert!(matches!(Secret::<State>::parse(""), Err(InvalidSecret::Empty(_))));
        assert!(matches!(Secret::<State>::parse("a\r\nb"), Err(InvalidSecret::Character(_))));
        assert!(matches!(Secret::<State>::parse("a".repeat(4097)), Err(InvalidSecret::TooLong(..))));
        assert!(Secret::<Password>::parse("pässwörd").is_ok());
    }

    #[test]
    fn a_digest_survives_its_text_form() {
        let digest = Secret::<RefreshToken>::generate(&mut Counting(7)).digest();
        assert_eq!(Digest::from_text(&digest.to_text()), Some(digest));
        assert_eq!(Digest::<RefreshToken>::from_bytes(&[0; 31]), None);
    }
}
