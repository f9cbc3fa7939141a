//! Passwords: argon2id, and the same cost whether or not the account exists.

use std::sync::LazyLock;

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc},
};
use doorward_types::{Entropy, Secret, secret::Password};

/// The fewest characters of a new password (NIST SP 800-63B section 3.1.1.2 asks for 15 where it stands alone
/// and 8 at the least).
pub const FEWEST_CHARACTERS: usize = 12;

/// An argon2id hash in PHC form, with the parameters that the library recommends (19 MiB, 2 passes).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A password that cannot be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password has at least {FEWEST_CHARACTERS} characters")]
pub struct TooShort;

impl PasswordHash {
    /// Hashes a password that a person chose. This takes tens of milliseconds and 19 MiB.
    ///
    /// # Errors
    /// When it is shorter than [`FEWEST_CHARACTERS`].
    pub fn choose(password: &Secret<Password>, entropy: &mut dyn Entropy) -> Result<Self, TooShort> {
        if password.expose().chars().count() < FEWEST_CHARACTERS {
            return Err(TooShort);
        }
        let mut salt = [0; 16];
        entropy.fill(&mut salt);
        let hash = Argon2::default()
            .hash_password_with_salt(password.expose().as_bytes(), &salt)
            .expect("a password of at most 1 KiB and a salt of 16 bytes can be hashed");
        Ok(Self(hash.to_string()))
    }

    /// Whether `password` is the one behind `hash`. Without a hash the same work is done for nothing, so
    /// that the time does not tell whether an account exists.
    pub fn verify(hash: Option<&Self>, password: &Secret<Password>) -> bool {
        static NOBODY: LazyLock<String> = LazyLock::new(|| {
            let hash = Argon2::default().hash_password_with_salt(b"", &[0; 16]);
            hash.expect("an empty password can be hashed").to_string()
        });
        let text = hash.map_or(NOBODY.as_str(), |hash| &hash.0);
        let Ok(parsed) = phc::PasswordHash::new(text) else { return false };
        let equal = Argon2::default().verify_password(password.expose().as_bytes(), &parsed).is_ok();
        equal && hash.is_some()
    }

    /// The PHC text, for the row.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Takes the PHC text out of a row.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<password hash>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::entropy;

    #[test]
    fn a_password_has_twelve_characters_and_a_salt_of_its_own() {
        let password = |text: &str| Secret::<Password>::parse(text).unwrap();
        let mut draws = entropy();
        assert_eq!(PasswordHash::choose(&password(&"é".repeat(11)), &mut draws), Err(TooShort));
        let long = password(&"é".repeat(12));
        let (one, two) = (PasswordHash::choose(&long, &mut draws), PasswordHash::choose(&long, &mut draws));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one.as_str(), two.as_str());
        assert!(one.as_str().starts_with("$argon2id$"));
        assert!(PasswordHash::verify(Some(&one), &long) && PasswordHash::verify(Some(&two), &long));
        // What nobody's hash is made of cannot be sent, and a row that is no hash opens nothing.
        assert!(Secret::<Password>::parse("").is_err());
        assert!(!PasswordHash::verify(Some(&PasswordHash::from_stored("x".into())), &long));
    }
}
