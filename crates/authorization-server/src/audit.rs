//! The audit record: what happened, once each, in a chain of digests that shows any change made to it later.
//!
//! Most events are not written by decisions: [`event_of`] derives them from the writes, and the store records them in
//! the same commit, when the write changed a row. So nothing happens unrecorded, and nothing is recorded that did not happen.

use doorward_types::{ClientId, ResourceId, Timestamp};

use crate::{
    RevocationReason, Write,
    facts::{AccountId, Client, GrantId},
};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A client registered or was registered.
    ClientAdded,
    /// A registration changed.
    ClientChanged,
    /// A client was removed.
    ClientRemoved,
    /// An account was made.
    AccountAdded,
    /// An account was disabled.
    AccountDisabled,
    /// An account was enabled again.
    AccountEnabled,
    /// A browser signed in.
    SignedIn,
    /// A sign-in failed.
    SignInFailed,
    /// A browser signed out.
    SignedOut,
    /// A person, an enterprise or an administrator allowed a client in.
    Granted,
    /// A person said No.
    Denied,
    /// The first tokens of a grant were issued.
    Issued,
    /// Tokens were renewed.
    Refreshed,
    /// A token was exchanged for one of another resource.
    Exchanged,
    /// A grant ended.
    Revoked,
    /// A code or refresh token was used again, and its grant ended.
    ReuseDetected,
    /// A client could not prove who it is.
    ClientAuthenticationFailed,
    /// A call with a token that was not good for it.
    CallDenied,
    /// A new signing key.
    KeyAdded,
    /// A signing key was removed.
    KeyRemoved,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 20] = [
        Self::ClientAdded,
        Self::ClientChanged,
        Self::ClientRemoved,
        Self::AccountAdded,
        Self::AccountDisabled,
        Self::AccountEnabled,
        Self::SignedIn,
        Self::SignInFailed,
        Self::SignedOut,
        Self::Granted,
        Self::Denied,
        Self::Issued,
        Self::Refreshed,
        Self::Exchanged,
        Self::Revoked,
        Self::ReuseDetected,
        Self::ClientAuthenticationFailed,
        Self::CallDenied,
        Self::KeyAdded,
        Self::KeyRemoved,
    ];

    /// The name in rows, exports and filters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientAdded => "client_added",
            Self::ClientChanged => "client_changed",
            Self::ClientRemoved => "client_removed",
            Self::AccountAdded => "account_added",
            Self::AccountDisabled => "account_disabled",
            Self::AccountEnabled => "account_enabled",
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignedOut => "signed_out",
            Self::Granted => "granted",
            Self::Denied => "denied",
            Self::Issued => "issued",
            Self::Refreshed => "refreshed",
            Self::Exchanged => "exchanged",
            Self::Revoked => "revoked",
            Self::ReuseDetected => "reuse_detected",
            Self::ClientAuthenticationFailed => "client_authentication_failed",
            Self::CallDenied => "call_denied",
            Self::KeyAdded => "key_added",
            Self::KeyRemoved => "key_removed",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One thing that happened. It never holds a secret, nor the digest of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
    /// Whose account it was about.
    pub account: Option<AccountId>,
    /// Which client.
    pub client: Option<ClientId>,
    /// Which grant.
    pub grant: Option<GrantId>,
    /// Which resource.
    pub resource: Option<ResourceId>,
    /// A few words more: a name, scopes, a reason. At most 256 characters.
    pub detail: String,
}

impl Event {
    /// An event of which nothing else is known.
    pub fn new(at: Timestamp, kind: EventKind) -> Self {
        Self { at, kind, account: None, client: None, grant: None, resource: None, detail: String::new() }
    }

    /// The same with these words.
    #[must_use]
    pub fn with_detail(mut self, detail: impl AsRef<str>) -> Self {
        self.detail = detail.as_ref().chars().filter(|c| !c.is_control()).take(256).collect();
        self
    }
}

/// What a write that changed a row means for the record; nothing for one that is not an event of its own.
pub fn event_of(write: &Write) -> Option<Event> {
    let event = |at, kind| Event::new(at, kind);
    Some(match write {
        Write::Record(event) => event.clone(),
        Write::InsertClient(client) => Event {
            client: Some(client.id.clone()),
            ..event(client.created_at, EventKind::ClientAdded).with_detail(client.name.as_deref().unwrap_or_default())
        },
        Write::DeleteClient { client, at } => {
            Event { client: Some(client.clone()), ..event(*at, EventKind::ClientRemoved) }
        }
        Write::InsertAccount(account) => Event {
            account: Some(account.id.clone()),
            ..event(account.created_at, EventKind::AccountAdded).with_detail(&account.name)
        },
        Write::DisableAccount { account, at } => {
            Event { account: Some(account.clone()), ..event(*at, EventKind::AccountDisabled) }
        }
        Write::EnableAccount { account, at } => {
            Event { account: Some(account.clone()), ..event(*at, EventKind::AccountEnabled) }
        }
        Write::InsertSession(session) => {
            Event { account: Some(session.account.clone()), ..event(session.signed_in_at, EventKind::SignedIn) }
        }
        Write::InsertGrant(grant) => Event {
            account: grant.account.clone(),
            client: Some(grant.client.clone()),
            grant: Some(grant.id.clone()),
            resource: Some(grant.resource.clone()),
            ..event(grant.created_at, EventKind::Granted).with_detail(grant.scope.to_string())
        },
        Write::RedeemCode { at, grant, .. } | Write::RedeemDevice { at, grant, .. } => {
            Event { grant: Some(grant.clone()), ..event(*at, EventKind::Issued) }
        }
        Write::RotateRefresh { at, grant, .. } => {
            Event { grant: Some(grant.clone()), ..event(*at, EventKind::Refreshed) }
        }
        Write::RevokeGrant { grant, at, reason } => {
            let kind = match reason {
                RevocationReason::CodeReplay | RevocationReason::RefreshReuse => EventKind::ReuseDetected,
                _ => EventKind::Revoked,
            };
            Event { grant: Some(grant.clone()), ..event(*at, kind).with_detail(reason.as_str()) }
        }
        Write::InsertKey { key, .. } => event(key.created_at, EventKind::KeyAdded).with_detail(&key.kid),
        Write::ReplaceClient { before, after, at } if says_otherwise(before, after) => {
            Event { client: Some(after.id.clone()), ..event(*at, EventKind::ClientChanged) }
        }
        Write::DeleteKey { kid, at } => event(*at, EventKind::KeyRemoved).with_detail(kid),
        Write::ReplaceClient { .. }
        | Write::HoldClient(_)
        | Write::HoldAccount(_)
        | Write::AnswerDevice { .. }
        | Write::TouchClient { .. }
        | Write::InsertInteraction(_)
        | Write::RebindInteractions { .. }
        | Write::SpendInteraction(_)
        | Write::InsertPushedRequest(_)
        | Write::SpendPushedRequest(_)
        | Write::InsertDevice(_)
        | Write::PollDevice { .. }
        | Write::UseOnce { .. }
        | Write::BindGrant { .. }
        | Write::TouchGrant(..)
        | Write::InsertCode(_)
        | Write::CountWrongVerifier(_)
        | Write::InsertRefresh(_)
        | Write::CountReplay { .. }
        | Write::SpendSetup(_)
        | Write::ReplaceSetup(_)
        | Write::DeleteSession(_)
        | Write::DeleteSessions(_) => return None,
    })
}

/// Whether a registration says something else than before; that its copy is fresh again is no event.
fn says_otherwise(before: &Client, after: &Client) -> bool {
    let timeless =
        |client: &Client| Client { last_used_at: None, expires_at: None, fresh_until: None, ..client.clone() };
    timeless(before) != timeless(after)
}

/// The digest that stands before the first event.
pub const START: [u8; 32] = [0; 32];

/// An event in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its number: 1, 2, 3 and so on, without a gap.
    pub number: u64,
    /// The event.
    pub event: Event,
    /// The digest of this event and of all before it.
    pub digest: [u8; 32],
}

impl Recorded {
    /// Puts an event behind the last one, whose number and digest these are (0 and [`START`] for none).
    pub fn after(number: u64, digest: &[u8; 32], event: Event) -> Self {
        let number = number + 1;
        let digest = chain(digest, number, &event);
        Self { number, event, digest }
    }
}

/// Where the chain is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An event is missing, doubled or at another place.
    #[error("event {expected} is missing: event {found} stands in its place")]
    Number {
        /// The number that should come here.
        expected: u64,
        /// The number that stands here.
        found: u64,
    },
    /// An event is not what was recorded, or was put in.
    #[error("event {0} is not what was recorded: its digest does not fit")]
    Digest(u64),
    /// The whole record up to here was written anew: it fits in itself, but not what was kept of it elsewhere.
    #[error("the record up to event {0} was written anew: it ends with another digest than the one that was kept")]
    Rewritten(u64),
    /// Events at the end are missing.
    #[error("the record ends with event {found}, but {expected} were recorded")]
    End {
        /// How many were recorded.
        expected: u64,
        /// How many are there.
        found: u64,
    },
}

/// Checks one event against the one before it, whose number and digest these are.
///
/// # Errors
/// When it does not follow.
pub fn check(number: u64, digest: &[u8; 32], next: &Recorded) -> Result<(), Broken> {
    if next.number != number + 1 {
        return Err(Broken::Number { expected: number + 1, found: next.number });
    }
    if chain(digest, next.number, &next.event) == next.digest { Ok(()) } else { Err(Broken::Digest(next.number)) }
}

/// Every part goes in with its length, so that no two events look alike.
fn chain(before: &[u8; 32], number: u64, event: &Event) -> [u8; 32] {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut part = |bytes: &[u8]| {
        context.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(bytes);
    };
    part(before);
    part(&number.to_be_bytes());
    part(&event.at.as_unix().to_be_bytes());
    part(event.kind.as_str().as_bytes());
    let optional = [
        event.account.as_ref().map(|account| account.0.as_str()),
        event.client.as_ref().map(ClientId::as_str),
        event.grant.as_ref().map(|grant| grant.0.as_str()),
        event.resource.as_ref().map(ResourceId::as_str),
    ];
    for text in optional {
        part(&[u8::from(text.is_some())]);
        part(text.unwrap_or_default().as_bytes());
    }
    part(event.detail.as_bytes());
    let mut digest = START;
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Client;

    fn record(count: u64) -> Vec<Recorded> {
        let mut rows: Vec<Recorded> = Vec::new();
        for at in 0..count {
            let event = Event::new(Timestamp::from_unix(i64::try_from(at).unwrap()), EventKind::SignedIn);
            let (number, digest) = rows.last().map_or((0, START), |row| (row.number, row.digest));
            rows.push(Recorded::after(number, &digest, event.with_detail("x")));
        }
        rows
    }

    fn verify(rows: &[Recorded]) -> Result<(), Broken> {
        rows.iter()
            .try_fold((0, START), |(number, digest), row| {
                check(number, &digest, row).map(|()| (row.number, row.digest))
            })
            .map(|_| ())
    }

    #[test]
    fn a_changed_missing_or_moved_event_shows() {
        // proves: INV-12
        assert_eq!(verify(&record(5)), Ok(()));
        let changed = |change: &dyn Fn(&mut Vec<Recorded>)| {
            let mut rows = record(5);
            change(&mut rows);
            verify(&rows).unwrap_err()
        };
        assert_eq!(changed(&|rows| rows[2].event.detail = "y".into()), Broken::Digest(3));
        assert_eq!(changed(&|rows| rows[2].event.account = Some(AccountId(String::new()))), Broken::Digest(3));
        assert_eq!(changed(&|rows| rows[2].event.kind = EventKind::SignedOut), Broken::Digest(3));
        assert_eq!(changed(&|rows| drop(rows.remove(0))), Broken::Number { expected: 1, found: 2 });
        assert_eq!(changed(&|rows| rows.swap(1, 2)), Broken::Number { expected: 2, found: 3 });
        let put_in = changed(&|rows| {
            let (before, new) = (rows[1].clone(), rows[2].event.clone());
            rows[2] = Recorded::after(before.number, &before.digest, Event { detail: "z".into(), ..new });
        });
        assert_eq!(put_in, Broken::Digest(4));
    }

    #[test]
    fn no_two_events_have_one_digest() {
        // proves: INV-12
        let base = Event::new(Timestamp::from_unix(7), EventKind::SignedIn);
        let account = |text: &str| Some(AccountId(text.into()));
        let grant = |text: &str| Some(GrantId(text.into()));
        let client = ClientId::parse("dwcl_a").ok();
        let resource = ResourceId::parse("https://a.example/mcp").ok();
        let events = [
            base.clone(),
            Event { at: Timestamp::from_unix(8), ..base.clone() },
            Event { kind: EventKind::SignedOut, ..base.clone() },
            Event { account: account(""), ..base.clone() },
            Event { account: account("ab"), ..base.clone() },
            Event { client, ..base.clone() },
            Event { grant: grant("ab"), ..base.clone() },
            Event { resource, ..base.clone() },
            base.clone().with_detail("ab"),
            // What stands in one part cannot move to the next, nor pass for what stands between them.
            Event { account: account("x"), detail: "\0".into(), ..base.clone() },
            Event { account: account("x\0"), ..base.clone() },
            Event { account: account("ab"), grant: grant("c"), ..base.clone() },
            Event { account: account("a"), grant: grant("bc"), ..base.clone() },
            Event { grant: grant("a"), ..base.clone() }.with_detail("b"),
            Event { grant: grant("ab"), ..base.clone() }.with_detail("c"),
            Event { grant: grant("a"), ..base }.with_detail("bc"),
        ];
        let mut digests: Vec<_> = events
            .iter()
            .flat_map(|event| [0, 1].map(|number| Recorded::after(number, &START, event.clone()).digest))
            .collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 2 * events.len());
    }

    #[test]
    fn words_of_others_stay_on_their_line_and_are_cut() {
        // proves: LEAK-05
        let detail = |text: &str| Event::new(Timestamp::from_unix(0), EventKind::Granted).with_detail(text).detail;
        assert_eq!(detail("a\r\nb\u{1b}[31mc\0"), "ab[31mc");
        assert_eq!(detail(&"\u{e9}".repeat(10_000)).chars().count(), 256);
    }

    #[test]
    fn reuse_is_an_event_of_its_own_and_a_fresh_copy_is_none() {
        // proves: LEAK-07
        let (now, client) = (Timestamp::from_unix(9), crate::fixtures::client());
        let kind = |write: &Write| event_of(write).map(|event| event.kind);
        let ended = |reason| kind(&Write::RevokeGrant { grant: GrantId("dwg_1".into()), at: now, reason });
        assert_eq!(ended(RevocationReason::CodeReplay), Some(EventKind::ReuseDetected));
        assert_eq!(ended(RevocationReason::RefreshReuse), Some(EventKind::ReuseDetected));
        assert_eq!(ended(RevocationReason::Person), Some(EventKind::Revoked));
        let replaced = |after: Client| {
            kind(&Write::ReplaceClient { before: Box::new(client.clone()), after: Box::new(after), at: now })
        };
        let fresher =
            Client { last_used_at: Some(now), expires_at: Some(now), fresh_until: Some(now), ..client.clone() };
        assert_eq!(replaced(fresher), None);
        assert_eq!(replaced(Client { name: Some("Bank".into()), ..client.clone() }), Some(EventKind::ClientChanged));
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
        }
    }
}
