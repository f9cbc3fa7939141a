use std::fmt;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Entropy;

/// A PKCE code verifier: the secret half, kept by the client until it redeems the code.
///
/// Source: RFC 7636 section 4.1.
#[derive(Clone)]
pub struct CodeVerifier(Zeroizing<String>);

/// A text that is no code verifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a code verifier is 43 to 128 characters of A-Z a-z 0-9 - . _ ~")]
pub struct InvalidVerifier;

impl CodeVerifier {
    /// Reads a verifier that a client presents.
    ///
    /// # Errors
    /// When length or characters are outside RFC 7636 section 4.1.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidVerifier> {
        let text = Zeroizing::new(text.into());
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
        if !(43..=128).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(InvalidVerifier);
        }
        Ok(Self(text))
    }

    /// Draws a verifier with 256 bits of entropy.
    pub fn generate(entropy: &mut (impl Entropy + ?Sized)) -> Self {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        entropy.fill(&mut *bytes);
        Self(Zeroizing::new(Base64UrlUnpadded::encode_string(&*bytes)))
    }

    /// The public half.
    pub fn challenge(&self) -> S256Challenge {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, self.0.as_bytes());
        S256Challenge(Base64UrlUnpadded::encode_string(digest.as_ref()))
    }

    /// The text, for the token request and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<code verifier>")
    }
}

/// A PKCE challenge made with S256. There is no value for `plain`, and none for a missing challenge.
///
/// Source: RFC 7636 section 4.2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct S256Challenge(String);

/// A text that is no S256 challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an S256 code challenge is the base64url form, without padding, of 32 bytes")]
pub struct InvalidChallenge;

impl S256Challenge {
    /// Reads a challenge: exactly the unpadded base64url form of 32 bytes.
    ///
    /// # Errors
    /// When it has another length, alphabet, padding or stray trailing bits.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidChallenge> {
        let text = text.into();
        let mut bytes = [0_u8; 32];
        match Base64UrlUnpadded::decode(&text, &mut bytes) {
            Ok(decoded) if decoded.len() == 32 => Ok(Self(text)),
            _ => Err(InvalidChallenge),
        }
    }

    /// Whether this challenge was made from `verifier`, compared in constant time.
    pub fn matches(&self, verifier: &CodeVerifier) -> bool {
        self.0.as_bytes().ct_eq(verifier.challenge().0.as_bytes()).into()
    }

    /// The text as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for S256Challenge {
    type Error = InvalidChallenge;
    fn try_from(text: String) -> Result<Self, InvalidChallenge> {
        Self::parse(text)
    }
}

impl From<S256Challenge> for String {
    fn from(challenge: S256Challenge) -> Self {
        challenge.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pair_of_rfc_7636_appendix_b_matches() {
        // proves: R7636-01
        let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
        let challenge = S256Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        assert_eq!(verifier.challenge(), challenge);
        assert!(challenge.matches(&verifier));
        assert!(!challenge.matches(&CodeVerifier::parse(challenge.as_str()).unwrap()));
    }

    #[test]
    fn only_a_canonical_challenge_is_read() {
        // CODE-08
        let good = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        assert!(S256Challenge::parse(good).is_ok());
        for bad in [
            &good[..42],
            &format!("{good}A"),
            &format!("{good}="),
            &good.replace('-', "+"),
            &good.replace('M', "N"),
            "",
            "\0",
        ] {
            assert!(S256Challenge::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_a_verifier_of_the_grammar_is_read() {
        // proves: R7636-01
        // CODE-09
        for bad in [
            String::new(),
            "a".repeat(42),
            "a".repeat(129),
            format!("{}+", "a".repeat(43)),
            format!("{} ", "a".repeat(43)),
        ] {
            assert!(CodeVerifier::parse(bad).is_err());
        }
    }
}
