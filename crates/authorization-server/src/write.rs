use doorward_types::{
    ClientId, Digest, Timestamp,
    jose::Thumbprint,
    secret::{
        AuthorizationCode, DeviceCode, InteractionToken, RefreshToken, RequestReference, SessionToken, SetupToken,
        UsedOnce,
    },
};

use crate::{
    audit::Event,
    facts::{
        Account, AccountId, Client, Code, Device, DeviceAnswer, Grant, GrantId, Interaction, KeyRow, PushedRequest,
        Refresh, Session,
    },
    seal::Sealed,
};

/// One change that a decision wants. The writes of a decision are committed together or not at all.
///
/// A *guarded* write names the state that the decision saw; if the row is in another state by now, nothing of
/// the commit happens and the answer is [`Committed::Conflict`](crate::store::Committed::Conflict): load and decide again.
#[derive(Clone, Debug)]
pub enum Write {
    /// A new client. Guarded: its identifier is free.
    InsertClient(Client),
    /// A client's registration or the copy of its document changes. Guarded: the row is as the decision saw it.
    ReplaceClient {
        /// As it was.
        before: Box<Client>,
        /// As it shall be, under the same identifier.
        after: Box<Client>,
        /// When.
        at: Timestamp,
    },
    /// A token was issued to a client: it is in use, and expires this much later if it expires at all.
    TouchClient {
        /// Which.
        client: ClientId,
        /// When.
        at: Timestamp,
        /// From when on it does not exist any more, for a client that expires.
        expires_at: Option<Timestamp>,
    },
    /// A client goes, and all its grants end.
    DeleteClient {
        /// Which.
        client: ClientId,
        /// When.
        at: Timestamp,
    },
    /// The client is there until the commit counts: who removes it later ends what this commit lets in. Guarded: it is.
    HoldClient(ClientId),
    /// The account is there and enabled until the commit counts. Guarded: it is.
    HoldAccount(AccountId),
    /// A new authorization request.
    InsertInteraction(Interaction),
    /// A browser's session changes: whatever waits for the browser waits for the new one.
    RebindInteractions {
        /// The session before.
        from: Digest<SessionToken>,
        /// The session from now on.
        to: Digest<SessionToken>,
    },
    /// A request was answered. Guarded: not spent.
    SpendInteraction(Digest<InteractionToken>),
    /// A new pushed request.
    InsertPushedRequest(PushedRequest),
    /// A pushed request is used. Guarded: not used before.
    SpendPushedRequest(Digest<RequestReference>),
    /// A new device that waits. Guarded: its user code is free.
    InsertDevice(Device),
    /// A person answers a device. Guarded: it has no answer yet.
    AnswerDevice {
        /// Which.
        device: Digest<DeviceCode>,
        /// What.
        answer: DeviceAnswer,
        /// When.
        at: Timestamp,
    },
    /// A device polled. Guarded: it was last polled when the decision saw it.
    PollDevice {
        /// Which.
        device: Digest<DeviceCode>,
        /// When it was polled before.
        seen: Option<Timestamp>,
        /// When.
        at: Timestamp,
        /// The least seconds until the next poll.
        interval: u32,
    },
    /// A device gets its tokens. Guarded: it was allowed and has none yet, its grant not revoked.
    RedeemDevice {
        /// Which.
        device: Digest<DeviceCode>,
        /// Its grant.
        grant: GrantId,
        /// When.
        at: Timestamp,
    },
    /// Something that may be used only once is used. Guarded: it was not before.
    UseOnce {
        /// What.
        id: Digest<UsedOnce>,
        /// Until when it must be remembered.
        until: Timestamp,
    },
    /// A new key that signs. Guarded: its name is free, and no other key was made since the decision looked.
    InsertKey {
        /// The key.
        key: KeyRow,
        /// How many keys the decision saw.
        seen: u32,
    },
    /// A key is not needed any more.
    DeleteKey {
        /// Its name.
        kid: String,
        /// When.
        at: Timestamp,
    },
    /// Something happened that changes no other row. What changes one is recorded with the change.
    Record(Event),
    /// A new grant.
    InsertGrant(Grant),
    /// All tokens of a grant are bound to this key from now on. Guarded: it is not bound to another.
    BindGrant {
        /// Which.
        grant: GrantId,
        /// The key of the client that holds its tokens.
        key: Thumbprint,
    },
    /// A token of the grant was issued at this moment.
    TouchGrant(GrantId, Timestamp),
    /// A grant ends, with all its codes and tokens. Not guarded: revoking twice keeps the first moment.
    RevokeGrant {
        /// Which.
        grant: GrantId,
        /// When.
        at: Timestamp,
        /// Why, for the log and the person.
        reason: RevocationReason,
    },
    /// A new code.
    InsertCode(Code),
    /// A code is redeemed. Guarded: not redeemed, its grant not revoked.
    RedeemCode {
        /// Which.
        code: Digest<AuthorizationCode>,
        /// Its grant.
        grant: GrantId,
        /// When.
        at: Timestamp,
    },
    /// A wrong verifier was presented for a code.
    CountWrongVerifier(Digest<AuthorizationCode>),
    /// A new refresh token.
    InsertRefresh(Refresh),
    /// A refresh token is exchanged. Guarded: not rotated, its grant not revoked.
    RotateRefresh {
        /// Which.
        token: Digest<RefreshToken>,
        /// Its grant.
        grant: GrantId,
        /// The token that takes its place.
        successor: Digest<RefreshToken>,
        /// When.
        at: Timestamp,
        /// The answer, sealed under the presented token.
        answer: Sealed,
    },
    /// A rotated token was presented again inside the grace. Guarded: presented `seen` times so far, successor not used, grant not revoked.
    CountReplay {
        /// Which.
        token: Digest<RefreshToken>,
        /// How many replays the decision saw.
        seen: u32,
    },
    /// A new account. Guarded: its name is free.
    InsertAccount(Account),
    /// An account is disabled: its browsers are signed out and all its grants end. Not guarded: twice is as good as once.
    DisableAccount {
        /// Which.
        account: AccountId,
        /// When.
        at: Timestamp,
    },
    /// A disabled account may sign in again; what ended stays ended.
    EnableAccount {
        /// Which.
        account: AccountId,
        /// When.
        at: Timestamp,
    },
    /// The one-time set-up value is used up. Guarded: it is the current one and not used.
    SpendSetup(Digest<SetupToken>),
    /// A new one-time set-up value takes the place of the last one.
    ReplaceSetup(Digest<SetupToken>),
    /// A browser signs in.
    InsertSession(Session),
    /// A browser signs out.
    DeleteSession(Digest<SessionToken>),
    /// All browsers of an account are signed out.
    DeleteSessions(AccountId),
}

/// Why a grant was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevocationReason {
    /// The person ended it.
    Person,
    /// The client gave its token back (RFC 7009).
    Client,
    /// A code was redeemed twice.
    CodeReplay,
    /// A refresh token was used again after its grace.
    RefreshReuse,
    /// The account went away.
    Account,
    /// The client was removed, or its registration deleted.
    ClientRemoved,
    /// An administrator ended it.
    Administrator,
}

impl RevocationReason {
    /// The name in rows and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Client => "client",
            Self::CodeReplay => "code_replay",
            Self::RefreshReuse => "refresh_reuse",
            Self::Account => "account",
            Self::ClientRemoved => "client_removed",
            Self::Administrator => "administrator",
        }
    }
}
