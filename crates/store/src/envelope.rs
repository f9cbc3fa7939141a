//! The sealed file's bytes: lines that name the format, its version and where the key lies, a nonce, and AES-256-GCM-SIV
//! ciphertext. The lines are sealed too: none of them can be changed.

use std::fmt;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    rand,
};
use zeroize::Zeroizing;

const FORMAT: &[u8] = b"doorward credentials v";
const NEWEST: u32 = 2;

/// The bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// The longest line that says where the key lies.
const MOST_LINE: usize = 200;
/// What a passphrase costs to try: what OWASP recommends for Argon2id, twice over in memory.
const COST: Cost = Cost { memory_kib: 38 * 1024, passes: 2, lanes: 1 };
/// What a file may ask for at most, so that a changed one cannot use up the computer.
const MOST_COST: Cost = Cost { memory_kib: 256 * 1024, passes: 16, lanes: 4 };

/// The key that the content is sealed under.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<[u8; KEY_BYTES]>);

/// What the keychain files a key under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId([u8; 16]);

/// Where the key lies, as the file itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// In a file of the same folder.
    Beside,
    /// In the system's keychain.
    Keychain(KeyId),
    /// In nothing: it is made from a passphrase.
    Passphrase(Stretch),
}

/// How a passphrase becomes a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    cost: Cost,
    salt: [u8; 16],
    /// Tells a wrong passphrase from a damaged file.
    check: [u8; 8],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// A sealed file, taken apart.
pub(crate) struct Sealed<'a> {
    pub(crate) kept: Kept,
    header: &'a [u8],
    rest: &'a [u8],
}

/// The version of the format, when a later version of this program wrote the bytes.
pub(crate) fn newer_version(bytes: &[u8]) -> Option<u32> {
    split(bytes).map(|(version, _)| version).filter(|version| *version > NEWEST)
}

impl<'a> Sealed<'a> {
    /// Nothing when the bytes are damaged or something else.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (version, after) = split(bytes)?;
        let (kept, rest) = match version {
            1 => (Kept::Beside, after),
            2 => {
                let end = after.iter().take(MOST_LINE).position(|byte| *byte == b'\n')?;
                let kept = Kept::parse(std::str::from_utf8(&after[..end]).ok()?)?;
                (kept, &after[end + 1..])
            }
            _ => return None,
        };
        Some(Self { kept, header: &bytes[..bytes.len() - rest.len()], rest })
    }

    /// Nothing when it is damaged, or sealed under another key.
    pub(crate) fn open(&self, key: &Key) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, content) = self.rest.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut content = Zeroizing::new(content.to_vec());
        let length = key.cipher().open_in_place(nonce, Aad::from(self.header), &mut content).ok()?.len();
        content.truncate(length);
        Some(content)
    }
}

impl Kept {
    fn header(&self) -> String {
        match self {
            Self::Beside => "doorward credentials v1\n".into(),
            Self::Keychain(id) => format!("doorward credentials v2\nkeychain {id}\n"),
            Self::Passphrase(Stretch { cost, salt, check }) => format!(
                "doorward credentials v2\nargon2id m={} t={} p={} salt={} check={}\n",
                cost.memory_kib,
                cost.passes,
                cost.lanes,
                hex(salt),
                hex(check)
            ),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let kept = match line.split_once(' ')? {
            ("keychain", id) => Self::Keychain(KeyId(from_hex(id)?)),
            ("argon2id", rest) => {
                let mut parts = rest.split(' ');
                let mut next = |name: &str| parts.next()?.strip_prefix(name)?.strip_prefix('=');
                let (memory, passes, lanes) = (next("m")?, next("t")?, next("p")?);
                let (salt, check) = (from_hex(next("salt")?)?, from_hex(next("check")?)?);
                let number = |text: &str, most: u32| text.parse().ok().filter(|number| (1..=most).contains(number));
                let cost = Cost {
                    memory_kib: number(memory, MOST_COST.memory_kib)?,
                    passes: number(passes, MOST_COST.passes)?,
                    lanes: number(lanes, MOST_COST.lanes)?,
                };
                Self::Passphrase(Stretch { cost, salt, check })
            }
            _ => return None,
        };
        // One way of writing each.
        kept.header().ends_with(&format!("\n{line}\n")).then_some(kept)
    }

    /// Seals content under the key that lies there.
    pub(crate) fn seal(&self, key: &Key, plain: &[u8]) -> Result<Vec<u8>, Unspecified> {
        let header = self.header();
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce)?;
        let mut content = plain.to_vec();
        let aad = Aad::from(header.as_bytes());
        key.cipher().seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut content)?;
        Ok([header.as_bytes(), &nonce, &content].concat())
    }
}

impl Stretch {
    /// A new way for this passphrase, and its key.
    pub(crate) fn new(passphrase: &[u8]) -> Result<(Self, Key), Unspecified> {
        let mut salt = [0; 16];
        rand::fill(&mut salt)?;
        let (key, check) = stretch(passphrase, &salt, COST).ok_or(Unspecified)?;
        Ok((Self { cost: COST, salt, check }, key))
    }

    /// The key, if this is the passphrase.
    pub(crate) fn key(&self, passphrase: &[u8]) -> Option<Key> {
        stretch(passphrase, &self.salt, self.cost).filter(|(_, check)| *check == self.check).map(|(key, _)| key)
    }
}

fn stretch(passphrase: &[u8], salt: &[u8], cost: Cost) -> Option<(Key, [u8; 8])> {
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_BYTES + 8)).ok()?;
    let mut out = Zeroizing::new([0; KEY_BYTES + 8]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into(passphrase, salt, &mut *out).ok()?;
    let (key, check) = out.split_at(KEY_BYTES);
    Some((Key(Zeroizing::new(key.try_into().ok()?)), check.try_into().ok()?))
}

impl KeyId {
    /// Draws a new name.
    pub(crate) fn generate() -> Result<Self, Unspecified> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Key {
    /// Draws a new key.
    pub(crate) fn generate() -> Result<Self, Unspecified> {
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

    pub(crate) fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex(self.as_bytes()))
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(|bytes| Self(Zeroizing::new(bytes)))
    }

    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, self.as_bytes()).expect("32 bytes are a key"))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 2 * N || !text.bytes().all(lower) {
        return None;
    }
    let mut bytes = [0; N];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The version, and what stands after its line.
fn split(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let rest = bytes.strip_prefix(FORMAT)?;
    let end = rest.iter().take(8).position(|byte| *byte == b'\n')?;
    let digits = std::str::from_utf8(&rest[..end]).ok()?;
    let canonical = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    Some((digits.parse().ok().filter(|_| canonical)?, &rest[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(key: &Key, bytes: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        Sealed::parse(bytes)?.open(key)
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        // proves: KEY-05
        let key = Key::generate().unwrap();
        let (stretch, _) = Stretch::new(b"a passphrase").unwrap();
        for kept in [Kept::Beside, Kept::Keychain(KeyId::generate().unwrap()), Kept::Passphrase(stretch)] {
            let sealed = kept.seal(&key, b"plain text").unwrap();
            assert_eq!(Sealed::parse(&sealed).unwrap().kept, kept);
            assert_eq!(opened(&key, &sealed).unwrap().as_slice(), b"plain text");
            assert!(!sealed.windows(5).any(|window| window == b"plain"));
            for at in 0..sealed.len() {
                for bit in 0..8 {
                    let mut changed = sealed.clone();
                    changed[at] ^= 1 << bit;
                    assert!(opened(&key, &changed).is_none(), "bit {bit} of byte {at} of {kept:?}");
                }
                assert!(opened(&key, &sealed[..at]).is_none());
            }
            assert!(opened(&key, &[&sealed[..], b"x"].concat()).is_none());
            assert!(opened(&Key::generate().unwrap(), &sealed).is_none());
        }
    }

    #[test]
    fn a_newer_version_is_not_taken_for_damage() {
        // proves: KEY-05
        let version = |text: &str| newer_version(text.as_bytes());
        assert_eq!(version("doorward credentials v3\nwhatever"), Some(3));
        for other in [
            "doorward credentials v1\nx",
            "doorward credentials v2\nx",
            "",
            "doorward credentials v",
            "doorward credentials v03\nx",
            "doorward credentials v+3\nx",
            "{}",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn two_sealings_differ() {
        let key = Key::generate().unwrap();
        assert_ne!(Kept::Beside.seal(&key, b"x").unwrap(), Kept::Beside.seal(&key, b"x").unwrap());
    }

    #[test]
    fn a_passphrase_gives_its_key_and_another_gives_none() {
        let (stretch, key) = Stretch::new(b"one").unwrap();
        assert_eq!(stretch.key(b"one").unwrap().as_bytes(), key.as_bytes());
        assert!(stretch.key(b"One").is_none() && stretch.key(b"").is_none());
        let (other, other_key) = Stretch::new(b"one").unwrap();
        assert!(other != stretch && other_key.as_bytes() != key.as_bytes());
    }

    #[test]
    fn a_file_cannot_ask_for_more_work_than_is_reasonable() {
        // proves: KEY-05
        let tail = format!("salt={} check={}", "0a".repeat(16), "0b".repeat(8));
        let line = |cost: &str| Kept::parse(&format!("argon2id {cost} {tail}"));
        assert!(line("m=38912 t=2 p=1").is_some());
        for cost in [
            "m=4194304 t=2 p=1",
            "m=38912 t=1000 p=1",
            "m=38912 t=2 p=64",
            "m=0 t=2 p=1",
            "m=+8 t=2 p=1",
            "m=08 t=2 p=1",
        ] {
            assert!(line(cost).is_none(), "{cost}");
        }
    }
}
