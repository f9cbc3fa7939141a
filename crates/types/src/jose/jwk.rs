use aws_lc_rs::signature;
use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A signature algorithm. It belongs to a key; a token's header may only agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// ECDSA with P-256 and SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PSS with SHA-256.
    Ps256,
}

impl Algorithm {
    /// The name in headers and metadata.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// Whether a header that says `name` means this algorithm. Ed25519 has two names.
    ///
    /// Source: RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864 section 2.2.
    pub(super) fn is_named(self, name: &str) -> bool {
        name == self.as_str() || (self == Self::EdDsa && name == "Ed25519")
    }
}

/// The RFC 7638 thumbprint of a public key, in base64url: the `jkt` that binds a token to its holder's key.
///
/// Source: RFC 7638 section 3, RFC 9449 section 6.1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint(String);

/// A text that is no SHA-256 thumbprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint is the base64url form of a SHA-256 digest")]
pub struct InvalidThumbprint;

impl Thumbprint {
    /// Reads a thumbprint in its one canonical form.
    ///
    /// # Errors
    /// When it is not 32 bytes in base64url without padding.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidThumbprint> {
        let text = text.into();
        match Base64UrlUnpadded::decode_vec(&text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text)),
            _ => Err(InvalidThumbprint),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = InvalidThumbprint;
    fn try_from(text: String) -> Result<Self, InvalidThumbprint> {
        Self::parse(text)
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> Self {
        thumbprint.0
    }
}

/// A public key as published.
///
/// Source: RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the members are named and defined by RFC 7517 and RFC 7518")]
pub struct Jwk {
    pub kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "use")]
    pub usage: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alg: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
}

impl Jwk {
    /// The thumbprint of a key that [`VerifyingKey::from_jwk`] takes: its parts are base64url, so nothing in them needs
    /// to be escaped.
    ///
    /// Source: RFC 7638 section 3.2, RFC 8037 section 2.
    pub fn thumbprint(&self) -> Option<Thumbprint> {
        VerifyingKey::from_jwk(self)?;
        let canonical = match (self.kty.as_str(), &self.x, &self.y, &self.n, &self.e) {
            ("EC", Some(x), Some(y), ..) => format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#),
            ("OKP", Some(x), ..) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
            ("RSA", _, _, Some(n), Some(e)) => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            _ => return None,
        };
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, canonical.as_bytes());
        Some(Thumbprint(Base64UrlUnpadded::encode_string(digest.as_ref())))
    }
}

#[derive(Clone, Debug)]
enum Material {
    /// The uncompressed point.
    P256(Vec<u8>),
    Ed25519(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// A public key with the one algorithm it verifies.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    kid: Option<String>,
    algorithm: Algorithm,
    material: Material,
}

impl VerifyingKey {
    /// Takes a published key, unless it is symmetric, weak, off its curve, or not for signatures.
    /// An RSA key without `alg` verifies RS256.
    pub fn from_jwk(jwk: &Jwk) -> Option<Self> {
        if jwk.usage.as_deref().is_some_and(|usage| usage != "sig")
            || jwk.kid.as_ref().is_some_and(|kid| kid.len() > 256)
        {
            return None;
        }
        let bytes = |part: &Option<String>| Base64UrlUnpadded::decode_vec(part.as_deref()?).ok();
        let alg = jwk.alg.as_deref();
        let (algorithm, material) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) if matches!(alg, None | Some("ES256")) => {
                let (x, y) = (bytes(&jwk.x)?, bytes(&jwk.y)?);
                if x.len() != 32 || y.len() != 32 {
                    return None;
                }
                let point = [&[4][..], &x, &y].concat();
                signature::ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, &point).ok()?;
                (Algorithm::Es256, Material::P256(point))
            }
            ("OKP", Some("Ed25519")) if matches!(alg, None | Some("EdDSA" | "Ed25519")) => {
                let x = bytes(&jwk.x).filter(|x| x.len() == 32)?;
                (Algorithm::EdDsa, Material::Ed25519(x))
            }
            ("RSA", _) if matches!(alg, None | Some("RS256" | "PS256")) => {
                let (n, e) = (bytes(&jwk.n)?, bytes(&jwk.e)?);
                let bits = n.len() * 8 - n.first().map_or(0, |first| first.leading_zeros() as usize);
                let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
                let exponent =
                    e.iter().try_fold(0_u64, |sum, byte| sum.checked_mul(256)?.checked_add(u64::from(*byte)))?;
                if !(2048..=8192).contains(&bits) || !odd(&n) || !odd(&e) || !(65537..1 << 33).contains(&exponent) {
                    return None;
                }
                let algorithm = if alg == Some("PS256") { Algorithm::Ps256 } else { Algorithm::Rs256 };
                (algorithm, Material::Rsa { n, e })
            }
            _ => return None,
        };
        Some(Self { kid: jwk.kid.clone(), algorithm, material })
    }

    /// The algorithm this key verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key's name.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether `signature` over `message` was made with this key's private half.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let result = match (&self.material, self.algorithm) {
            (Material::P256(point), _) => {
                signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Material::Ed25519(key), _) => {
                signature::UnparsedPublicKey::new(&signature::ED25519, key).verify(message, signature)
            }
            (Material::Rsa { n, e }, Algorithm::Ps256) => signature::RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PSS_2048_8192_SHA256,
                message,
                signature,
            ),
            (Material::Rsa { n, e }, _) => signature::RsaPublicKeyComponents { n, e }.verify(
                &signature::RSA_PKCS1_2048_8192_SHA256,
                message,
                signature,
            ),
        };
        result.is_ok()
    }
}

/// The keys of one issuer.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// A set of these keys.
    pub fn new(keys: Vec<VerifyingKey>) -> Self {
        Self { keys }
    }

    /// Reads a JWK set. Keys that cannot be used are passed over one by one; at most 100 are looked at.
    ///
    /// # Errors
    /// When the document is not a JWK set at all.
    /// Source: RFC 7517 section 5.
    pub fn parse(bytes: &[u8]) -> Result<Self, crate::json::InvalidJson> {
        #[derive(Deserialize)]
        struct Document {
            keys: Vec<Value>,
        }
        let document: Document = crate::json::parse_as(bytes)?;
        let read = |value: Value| VerifyingKey::from_jwk(&serde_json::from_value::<Jwk>(value).ok()?);
        Ok(Self { keys: document.keys.into_iter().take(100).filter_map(read).collect() })
    }

    /// Whether there is no key in it that can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key that a token naming `kid` is verified with: the one of that name, or the only one when the token names none.
    pub fn select(&self, kid: Option<&str>) -> Option<&VerifyingKey> {
        match kid {
            Some(kid) => self.keys.iter().find(|key| key.kid() == Some(kid)),
            None => match self.keys.as_slice() {
                [only] => Some(only),
                _ => None,
            },
        }
    }
}
