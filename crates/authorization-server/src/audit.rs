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
mod tests;
