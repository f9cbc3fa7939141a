//! Sign-in, the session behind a browser, and the proof that a form was served to it.

use aws_lc_rs::hmac;
use base64ct::{Base64UrlUnpadded, Encoding};
use doorward_types::{
    Digest, Entropy, Secret, Timestamp,
    secret::{FormToken, Kind, Password, SessionToken, UsedOnce},
};

use crate::{
    Policy, Write,
    audit::{Event, EventKind},
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

/// How long one entry of the record stands for all failed sign-ins to the same account, in seconds.
const SLICE: i64 = 60;

/// What to record when a sign-in failed, and the name under which this minute's entry is known: when that name was used, there
/// is one already. Names without an account share one, so that nobody fills the record, or learns which names exist from it.
pub fn failed(account: Option<&Account>, now: Timestamp) -> Option<(Digest<UsedOnce>, Vec<Write>)> {
    let account = account.map(|account| account.id.clone());
    let minute = now.as_unix().div_euclid(SLICE);
    let name = format!("failed sign-in {minute} {}", account.as_ref().map_or("", |account| account.0.as_str()));
    let id = Secret::<UsedOnce>::parse(name).ok()?.digest();
    let until = Timestamp::from_unix((minute + 1).saturating_mul(SLICE));
    let event = Event { account, ..Event::new(now, EventKind::SignInFailed) };
    Some((id, vec![Write::UseOnce { id, until }, Write::Record(event)]))
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
    session: Digest<SessionToken>,
}

impl ResourceOwner {
    /// The person, if the session is live, is this account's, and the account is enabled.
    pub fn of(session: &Session, account: &Account, now: Timestamp) -> Option<Self> {
        (session.account == account.id && session.expires_at > now && !account.disabled).then(|| Self {
            account: account.id.clone(),
            name: account.name.clone(),
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
    /// The session through which the person acts.
    pub fn session(&self) -> Digest<SessionToken> {
        self.session
    }
}

/// Signs a browser in: it always gets a new session, and the one before (the cookie `before`) is worth nothing from then
/// on. All that waits for the browser, in whichever of its tabs, waits on.
pub fn sign_in(
    policy: &Policy,
    verified: &PasswordVerified,
    before: Digest<SessionToken>,
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
    let rebind = Write::RebindInteractions { from: before, to: token.digest() };
    (token, vec![Write::DeleteSession(before), Write::InsertSession(session), rebind])
}

/// Ends a browser's session. All that waits for the browser waits on under `next`, for whoever signs in there.
pub fn sign_out(before: Digest<SessionToken>, next: Digest<SessionToken>) -> Vec<Write> {
    vec![Write::DeleteSession(before), Write::RebindInteractions { from: before, to: next }]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{account, at, browser, entropy, policy, session};

    #[test]
    fn only_a_live_session_of_an_enabled_account_is_a_person() {
        let (live, ann) = (session(browser(1).digest()), account());
        assert_eq!(ResourceOwner::of(&live, &ann, at(43_199)).unwrap().name(), "ann");
        assert!(ResourceOwner::of(&live, &ann, at(43_200)).is_none());
        assert!(ResourceOwner::of(&live, &Account { disabled: true, ..ann.clone() }, at(0)).is_none());
        assert!(ResourceOwner::of(&live, &Account { id: AccountId("dwa_bob".into()), ..ann }, at(0)).is_none());
    }

    #[test]
    fn signing_in_leaves_nothing_of_the_session_before() {
        // proves: WEB-05
        let verified = PasswordVerified::just_chosen(&account());
        let before = browser(1).digest();
        let (token, writes) = sign_in(&policy(), &verified, before, at(0), &mut entropy());
        assert!(!token.is(&browser(1)));
        let [Write::DeleteSession(gone), Write::InsertSession(new), Write::RebindInteractions { from, to }] =
            writes.as_slice()
        else {
            panic!("{writes:?}")
        };
        assert_eq!((*gone, *from, *to, new.digest), (before, before, token.digest(), token.digest()));
        assert_eq!((&new.account, new.expires_at), (&account().id, at(43_200)));
    }

    #[test]
    fn a_password_opens_its_own_enabled_account_alone() {
        let password = |text: &str| Secret::<Password>::parse(text).unwrap();
        let hash = PasswordHash::choose(&password("correct horse battery"), &mut entropy()).unwrap();
        let ann = Account { password: Some(hash), ..account() };
        let verify = |account: Option<&Account>, text| verify_password(account, &password(text)).is_some();
        assert!(verify(Some(&ann), "correct horse battery"));
        assert!(!verify(Some(&ann), "correct horse batterz"));
        assert!(!verify(None, "correct horse battery"));
        assert!(!verify(Some(&account()), "x"), "an account without a password");
        assert!(!verify(Some(&Account { disabled: true, ..ann.clone() }), "correct horse battery"));
    }

    #[test]
    fn failures_are_recorded_once_a_minute_and_account() {
        let bob = Account { id: AccountId("dwa_bob".into()), ..account() };
        let name = |account: Option<&Account>, now| failed(account, at(now)).unwrap().0;
        let (id, writes) = failed(Some(&account()), at(20)).unwrap();
        let [Write::UseOnce { id: once, .. }, Write::Record(event)] = writes.as_slice() else { panic!("{writes:?}") };
        assert_eq!((*once, event.kind, &event.account), (id, EventKind::SignInFailed, &Some(account().id)));
        assert_eq!((name(Some(&account()), 79), name(None, 20)), (id, name(None, 79)));
        for other in [name(Some(&account()), 80), name(Some(&bob), 20), name(None, 20)] {
            assert_ne!(other, id);
        }
    }

    #[test]
    fn a_form_token_is_good_for_one_session_and_one_purpose() {
        // proves: WEB-01
        let token = form_token(&browser(1), "consent a");
        assert!(token.is_well_formed());
        assert!(is_form_token(&browser(1), "consent a", &token));
        assert!(!is_form_token(&browser(1), "consent b", &token));
        assert!(!is_form_token(&browser(2), "consent a", &token));
        let cut = Secret::parse(&token.expose()[..token.expose().len() - 1]).unwrap();
        assert!(!is_form_token(&browser(1), "consent a", &cut));
    }
}
