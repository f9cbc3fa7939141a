//! Accounts: how the first one and the others are made.

use doorward_types::{
    Digest, Entropy, Secret, Timestamp,
    secret::{Password, SetupToken},
};

use crate::{
    Write,
    facts::{Account, AccountId},
    password::{PasswordHash, TooShort},
    random,
    session::PasswordVerified,
};

/// A name that nobody can sign in with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("A name is 1 to 64 letters, digits or . _ - + @, and starts with a letter or digit.")]
pub struct InvalidName;

/// The name as it is stored: the text itself, when it is one.
///
/// # Errors
/// When it is empty, too long, or has other characters. Only ASCII counts, so that no two names look alike.
pub fn check_name(text: &str) -> Result<&str, InvalidName> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'+' | b'@');
    let starts = text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if starts && text.len() <= 64 && text.bytes().all(allowed) { Ok(text) } else { Err(InvalidName) }
}

/// Makes an account. The commit conflicts when the name is taken.
///
/// # Errors
/// When the name is none.
pub fn new_account(
    name: &str,
    password: PasswordHash,
    administrator: bool,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(Account, Vec<Write>), InvalidName> {
    let account = Account {
        id: AccountId(random::name("dwa_", entropy)),
        name: check_name(name)?.to_owned(),
        password: Some(password),
        administrator,
        disabled: false,
        created_at: now,
    };
    Ok((account.clone(), vec![Write::InsertAccount(account)]))
}

/// Whether the set-up link works: it is the current one, and there is no account yet.
pub fn may_set_up(current: Option<&Digest<SetupToken>>, has_accounts: bool, presented: &Secret<SetupToken>) -> bool {
    !has_accounts && current == Some(&presented.digest())
}

/// The first account, ready to sign in.
#[derive(Debug)]
pub struct SetUp {
    /// The account; it may administer.
    pub account: Account,
    /// For [`sign_in`](crate::session::sign_in), in the same commit.
    pub verified: PasswordVerified,
    /// To be committed.
    pub writes: Vec<Write>,
}

/// Why no first account was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetUpRefusal {
    /// The link was used, replaced, or never ours, or there is an account.
    #[error("The set-up link does not work any more.")]
    Link,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// The password is too short.
    #[error(transparent)]
    Password(#[from] TooShort),
}

/// Makes the first account from the one-time set-up link. Hashes the password, which takes tens of milliseconds.
///
/// # Errors
/// When the link does not work, or name or password cannot be chosen.
pub fn set_up(
    current: Option<&Digest<SetupToken>>,
    has_accounts: bool,
    presented: &Secret<SetupToken>,
    name: &str,
    password: &Secret<Password>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<SetUp, SetUpRefusal> {
    if !may_set_up(current, has_accounts, presented) {
        return Err(SetUpRefusal::Link);
    }
    let name = check_name(name)?;
    let hash = PasswordHash::choose(password, entropy)?;
    let (account, inserts) = new_account(name, hash, true, now, entropy)?;
    let mut writes = vec![Write::SpendSetup(presented.digest())];
    writes.extend(inserts);
    Ok(SetUp { verified: PasswordVerified::just_chosen(&account), account, writes })
}
