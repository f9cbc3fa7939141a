//! Accounts: how the first one and the others are made.

use doorward_types::{Digest, Entropy, Secret, Timestamp, secret::SetupToken};

use crate::{
    Write,
    facts::{Account, AccountId},
    password::PasswordHash,
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
        external: None,
        created_at: now,
    };
    Ok((account.clone(), vec![Write::InsertAccount(account)]))
}

/// A set-up link that works: the current one, while there is no account. Only [`set_up_link`] makes one.
#[derive(Debug)]
pub struct SetUpLink {
    token: Digest<SetupToken>,
}

/// Judges the token of a set-up link.
pub fn set_up_link(
    current: Option<&Digest<SetupToken>>,
    has_accounts: bool,
    presented: &Secret<SetupToken>,
) -> Option<SetUpLink> {
    let token = presented.digest();
    (!has_accounts && current == Some(&token)).then_some(SetUpLink { token })
}

/// Makes the first account, an administrator, ready to sign in. The commit conflicts when the link was used meanwhile.
///
/// # Errors
/// When the name is none.
pub fn set_up(
    link: &SetUpLink,
    name: &str,
    password: PasswordHash,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(Account, PasswordVerified, Vec<Write>), InvalidName> {
    let (account, inserts) = new_account(name, password, true, now, entropy)?;
    let mut writes = vec![Write::SpendSetup(link.token)];
    writes.extend(inserts);
    let verified = PasswordVerified::just_chosen(&account);
    Ok((account, verified, writes))
}

#[cfg(test)]
mod tests {
    use doorward_types::{Secret, secret::Password};

    use super::*;
    use crate::fixtures::{at, entropy};

    fn hash() -> PasswordHash {
        PasswordHash::choose(&Secret::<Password>::parse("correct horse battery").unwrap(), &mut entropy()).unwrap()
    }

    #[test]
    fn names_are_plain() {
        for good in ["ann", "Ann", "a", "0", "ann.b-c_d+e@example.org", &"a".repeat(64)] {
            assert_eq!(check_name(good), Ok(good));
        }
        for bad in
            ["", " ann", "ann ", ".ann", "-ann", "@", "a b", "a\nb", "ann\0", "änn", "\u{430}nn", &"a".repeat(65)]
        {
            assert_eq!(check_name(bad), Err(InvalidName), "{bad:?}");
        }
    }

    #[test]
    fn the_set_up_link_works_once_and_for_the_first_account() {
        let token = Secret::<SetupToken>::generate(&mut entropy());
        let current = token.digest();
        let another = Secret::<SetupToken>::parse("dwu_another").unwrap();
        assert!(set_up_link(None, false, &token).is_none());
        assert!(set_up_link(Some(&current), true, &token).is_none());
        assert!(set_up_link(Some(&current), false, &another).is_none());
        let link = set_up_link(Some(&current), false, &token).unwrap();
        assert!(set_up(&link, "a b", hash(), at(0), &mut entropy()).is_err());
        let (account, verified, writes) = set_up(&link, "Ann", hash(), at(0), &mut entropy()).unwrap();
        assert!(account.administrator && *verified.account() == account.id);
        let [Write::SpendSetup(spent), Write::InsertAccount(made)] = writes.as_slice() else { panic!("{writes:?}") };
        assert_eq!((*spent, made), (current, &account));
    }
}
