//! Sign-in, the session behind a browser, and the proof that a form was served to it.

use aws_lc_rs::hmac;
use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::{
    Digest, Entropy, Secret, Timestamp,
    secret::{FormToken, InteractionToken, Kind, Password, SessionToken},
};

use crate::{
    Policy, Write,
    facts::{Account, AccountId, Session},
    password::PasswordHash,
};

/// The proof that somebody knows an account's password and that the account may sign in.
#[derive(Debug)]
pub struct PasswordVerified {
    account: AccountId,
}

/// Checks a password, at the same cost whether or not the account exists. Takes tens of milliseconds.
pub fn verify_password(account: Option<&Account>, password: &Secret<Password>) -> Option<PasswordVerified> {
    let right = PasswordHash::verify(account.and_then(|account| account.password.as_ref()), password);
    let account = account.filter(|account| right && !account.disabled)?;
    Some(PasswordVerified { account: account.id.clone() })
}

impl PasswordVerified {
    /// The person chose the password just now.
    pub(crate) fn just_chosen(account: &Account) -> Self {
        Self { account: account.id.clone() }
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }
}

/// The person behind a signed-in browser: made only from a live session and its enabled account.
#[derive(Debug)]
pub struct ResourceOwner {
    account: AccountId,
    name: String,
    administrator: bool,
    session: Digest<SessionToken>,
}

impl ResourceOwner {
    /// The person, if the session is live, is this account's, and the account is enabled.
    pub fn of(session: &Session, account: &Account, now: Timestamp) -> Option<Self> {
        (session.account == account.id && session.expires_at > now && !account.disabled).then(|| Self {
            account: account.id.clone(),
            name: account.name.clone(),
            administrator: account.administrator,
            session: session.digest,
        })
    }

    /// The account.
    pub fn account(&self) -> &AccountId {
        &self.account
    }
    /// The name the person signs in with.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Whether the person may administer.
    pub fn is_administrator(&self) -> bool {
        self.administrator
    }
    /// The session through which the person acts.
    pub fn session(&self) -> Digest<SessionToken> {
        self.session
    }
}

/// What a browser held before it signed in.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Its cookie.
    pub browser: Digest<SessionToken>,
    /// The request that waits for it, to go on with.
    pub interaction: Option<Digest<InteractionToken>>,
}

/// Signs a browser in: it always gets a new session, and the one before is worth nothing from then on.
///
/// When the commit conflicts, the waiting request was answered or is another browser's: decide again without it.
pub fn sign_in(
    policy: &Policy,
    verified: &PasswordVerified,
    before: Before,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> (Secret<SessionToken>, Vec<Write>) {
    let token = Secret::<SessionToken>::generate(entropy);
    let session = Session {
        digest: token.digest(),
        account: verified.account.clone(),
        signed_in_at: now,
        expires_at: now.plus(policy.lifetimes.session),
    };
    let mut writes = vec![Write::DeleteSession(before.browser), Write::InsertSession(session)];
    writes.extend(before.interaction.map(|interaction| Write::RebindInteraction {
        interaction,
        from: before.browser,
        to: token.digest(),
    }));
    (token, writes)
}

/// The value that proves a form was served to this browser for this purpose: HMAC-SHA-256 under the session's token,
/// signed in or not. Nothing of it is stored.
pub fn form_token(session: &Secret<SessionToken>, purpose: &str) -> Secret<FormToken> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, session.expose().as_bytes());
    let tag = hmac::sign(&key, format!("form token\n{purpose}").as_bytes());
    let text = format!("{}{}", FormToken::PREFIX, Base64UrlUnpadded::encode_string(tag.as_ref()));
    Secret::parse(text).expect("base64url is a form token")
}

/// Whether `presented` is the form token of this session for this purpose. Compares in constant time.
pub fn is_form_token(session: &Secret<SessionToken>, purpose: &str, presented: &Secret<FormToken>) -> bool {
    form_token(session, purpose).is(presented)
}
