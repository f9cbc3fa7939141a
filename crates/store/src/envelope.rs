//! The sealed file's bytes: a line that names format and version, a nonce, and AES-256-GCM-SIV ciphertext.

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};
use zeroize::Zeroizing;

const FORMAT: &str = "doorward credentials v";
const VERSION: u32 = 1;

/// The bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;

/// The key that the content is sealed under.
pub(crate) struct Key(Zeroizing<[u8; KEY_BYTES]>);

/// The version of the format, when a later version of this program wrote the bytes.
pub(crate) fn newer_version(bytes: &[u8]) -> Option<u32> {
    split(bytes).map(|(version, _)| version).filter(|version| *version > VERSION)
}

impl Key {
    /// Draws a new key.
    pub(crate) fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// Takes the bytes of a key file; nothing when they cannot be a key.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        let bytes = Zeroizing::new(bytes);
        Some(Self(Zeroizing::new(bytes.as_slice().try_into().ok()?)))
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &*self.0
    }

    pub(crate) fn seal(&self, plain: &[u8]) -> Result<Vec<u8>, aws_lc_rs::error::Unspecified> {
        let header = header();
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        let mut content = plain.to_vec();
        self.cipher().seal_in_place_append_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(header.as_bytes()),
            &mut content,
        )?;
        Ok([header.as_bytes(), &nonce, &content].concat())
    }

    /// Opens what was sealed under this key; nothing when it is damaged, something else, or sealed under another key.
    pub(crate) fn open(&self, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (version, rest) = split(bytes)?;
        let (nonce, content) = rest.split_at_checked(NONCE_LEN).filter(|_| version == VERSION)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut content = Zeroizing::new(content.to_vec());
        let length = self.cipher().open_in_place(nonce, Aad::from(header().as_bytes()), &mut content).ok()?.len();
        content.truncate(length);
        Some(content)
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, self.as_bytes()).expect("32 bytes are a key"))
    }
}

fn header() -> String {
    format!("{FORMAT}{VERSION}\n")
}

/// The version, and what stands after the header.
fn split(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = bytes.strip_prefix(FORMAT.as_bytes())?;
    let end = rest.iter().take(8).position(|byte| *byte == b'\n')?;
    let digits = std::str::from_utf8(&rest[..end]).ok()?;
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    Some((digits.parse().ok().filter(|_| canonical)?, &rest[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_is_noticed() {
        // proves: KEY-05
        let key = Key::generate().unwrap();
        let sealed = key.seal(b"plain text").unwrap();
        assert_eq!(key.open(&sealed).unwrap().as_slice(), b"plain text");
        assert!(!sealed.windows(5).any(|window| window == b"plain"));
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                assert!(key.open(&changed).is_none(), "bit {bit} of byte {at}");
            }
            assert!(key.open(&sealed[..at]).is_none());
        }
        let longer = [&sealed[..], b"x"].concat();
        assert!(key.open(&longer).is_none());
        assert!(Key::generate().unwrap().open(&sealed).is_none());
    }

    #[test]
    fn a_newer_version_is_not_taken_for_damage() {
        // proves: KEY-05
        let version = |text: &str| newer_version(text.as_bytes());
        assert_eq!(version("doorward credentials v2\nwhatever"), Some(2));
        for other in [
            "doorward credentials v1\nx",
            "",
            "doorward credentials v",
            "doorward credentials v02\nx",
            "doorward credentials v+2\nx",
            "{}",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn two_sealings_differ() {
        let key = Key::generate().unwrap();
        assert_ne!(key.seal(b"x").unwrap(), key.seal(b"x").unwrap());
    }
}
