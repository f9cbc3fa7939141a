//! Sealing: what lies in a row can be read only by whoever presents the secret it was sealed under.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf,
};
use doorward_types::{Entropy, Secret, secret::Kind};

/// AES-256-GCM ciphertext with its nonce in front. The key is derived with HKDF-SHA-256 from a secret that is itself never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// Seals `plain` under `secret`. `purpose` separates uses of one secret.
    pub fn seal<K: Kind>(secret: &Secret<K>, purpose: &str, plain: &[u8], entropy: &mut dyn Entropy) -> Self {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut bytes = plain.to_vec();
        key(secret, purpose)
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose.as_bytes()), &mut bytes)
            .expect("a row is far below the cipher's limit");
        Self([&nonce[..], &bytes].concat())
    }

    /// Opens what was sealed under the same secret for the same purpose; nothing otherwise.
    pub fn open<K: Kind>(&self, secret: &Secret<K>, purpose: &str) -> Option<Vec<u8>> {
        let (nonce, bytes) = self.0.split_at_checked(NONCE_LEN)?;
        let mut bytes = bytes.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key(secret, purpose).open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut bytes).ok()?;
        Some(plain.to_vec())
    }

    /// The bytes as they lie in a row.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes the bytes out of a row; whether they can be opened shows then.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "<sealed, {} bytes>", self.0.len())
    }
}

fn key<K: Kind>(secret: &Secret<K>, purpose: &str) -> LessSafeKey {
    let mut bytes = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward seal v1")
        .extract(secret.expose().as_bytes())
        .expand(&[purpose.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut bytes))
        .expect("32 bytes are within what HKDF gives");
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &bytes).expect("32 bytes are a key"))
}

#[cfg(test)]
mod tests {
    use doorward_types::secret::InteractionToken;

    use super::*;
    use crate::fixtures::entropy;

    #[test]
    fn what_is_sealed_opens_under_its_secret_and_purpose_alone_and_never_looks_the_same() {
        // proves: FLT-22
        let mut draws = entropy();
        let secret = Secret::<InteractionToken>::generate(&mut draws);
        let other = Secret::<InteractionToken>::generate(&mut draws);
        let mut seal = || Sealed::seal(&secret, "purpose", b"plain", &mut draws);
        let (one, two) = (seal(), seal());
        assert_eq!(one.open(&secret, "purpose").as_deref(), Some(&b"plain"[..]));
        assert!(one.open(&other, "purpose").is_none() && one.open(&secret, "another").is_none());
        // A nonce that came twice under one key would give the plain text away.
        assert!(one.as_bytes()[..NONCE_LEN] != two.as_bytes()[..NONCE_LEN] && one != two);
        for at in 0..one.as_bytes().len() {
            let mut bytes = one.as_bytes().to_vec();
            bytes[at] ^= 1;
            assert!(Sealed::from_bytes(bytes).open(&secret, "purpose").is_none(), "{at}");
        }
        assert!(Sealed::from_bytes(one.as_bytes()[..NONCE_LEN - 1].to_vec()).open(&secret, "purpose").is_none());
    }
}
