use doorward_types::{
    Digest, Timestamp,
    secret::{AuthorizationCode, InteractionToken, RefreshToken, SessionToken, SetupToken},
};

use crate::{
    facts::{Account, AccountId, Client, Code, Grant, GrantId, Interaction, Refresh, Session},
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
    /// A new grant.
    InsertGrant(Grant),
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
        }
    }
}
