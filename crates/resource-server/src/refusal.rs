use doorward_types::{
    ScopeSet,
    jose::{JwsRefusal, dpop::ProofRefusal},
};
use http::StatusCode;

/// Why a request is not let through. This is the reason for the log; [`error`](Refusal::error) maps it to
/// the wire's few codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Authorization` header.
    #[error("no access token was presented")]
    NoCredentials,
    /// An `Authorization` header of another scheme, which counts as no credentials for this resource.
    #[error("the Authorization header is not of a scheme that is taken here")]
    OtherScheme,
    /// An `Authorization` header that cannot be read.
    #[error("{0}")]
    Malformed(&'static str),
    /// Not a token of this issuer's making.
    #[error("the access token is not valid here: {0}")]
    Signature(#[from] JwsRefusal),
    /// Claims missing or of the wrong type.
    #[error("the access token's claims cannot be read")]
    Claims,
    /// Another issuer's token.
    #[error("the access token comes from another issuer")]
    Issuer,
    /// A token for another resource.
    #[error("the access token was issued for another resource")]
    Audience,
    /// Past its `exp`.
    #[error("the access token expired")]
    Expired,
    /// Issued in the future, by more than a clock may be off.
    #[error("the access token is not valid yet")]
    NotYetValid,
    /// It is bound to a key, and was presented as if whoever holds it might use it.
    #[error("the access token is bound to a key and must be presented with a DPoP proof")]
    Bound,
    /// It was presented with a proof of a key that it is not bound to.
    #[error("the access token is not bound to the key of the DPoP proof")]
    OtherKey,
    /// It is not bound to a key, and only such tokens are taken here.
    #[error("only access tokens that are bound to a key are taken here")]
    Unbound,
    /// The `DPoP` scheme without a proof.
    #[error("the DPoP proof is missing")]
    NoProof,
    /// The proof does not count.
    #[error("{0}")]
    Proof(ProofRefusal),
    /// The proof lacks a nonce, or has an old one.
    #[error("the DPoP proof needs the nonce of the DPoP-Nonce header")]
    UseNonce {
        /// The nonce that the next proof must hold.
        nonce: String,
    },
    /// More proofs came in a few minutes than can be remembered, so none can be told from one that is used again.
    #[error("this gateway takes no more DPoP proofs for a moment")]
    TooManyProofs,
    /// Its grant was revoked.
    #[error("access was revoked")]
    Revoked,
    /// Whether its grant was revoked is not known.
    #[error("this gateway cannot tell right now whether access was revoked")]
    RevocationsUnknown,
    /// Good, but not for this.
    #[error("this needs the scope {needed}")]
    InsufficientScope {
        /// All that the request needs.
        needed: ScopeSet,
    },
}

impl Refusal {
    /// The wire's code; none when no credentials were presented.
    ///
    /// Source: RFC 6750 section 3.1, RFC 9449 section 7.1.
    pub fn error(&self) -> Option<&'static str> {
        match self {
            Self::NoCredentials | Self::OtherScheme => None,
            Self::Malformed(_)
            | Self::Signature(_)
            | Self::Claims
            | Self::Issuer
            | Self::Audience
            | Self::Expired
            | Self::NotYetValid
            | Self::Bound
            | Self::OtherKey
            | Self::Unbound
            | Self::Revoked => Some("invalid_token"),
            Self::NoProof => Some("invalid_dpop_proof"),
            Self::Proof(refusal) => Some(refusal.error()),
            Self::UseNonce { .. } => Some(ProofRefusal::Nonce.error()),
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            Self::RevocationsUnknown | Self::TooManyProofs => Some("temporarily_unavailable"),
        }
    }

    /// The answer's status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::InsufficientScope { .. } => StatusCode::FORBIDDEN,
            Self::RevocationsUnknown | Self::TooManyProofs => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// Whether it says something about a caller that holds a token of ours: worth a line in the operator's record. Tokens
    /// end every few minutes, and what is not ours says nothing about anybody.
    pub(crate) fn is_telling(&self) -> bool {
        matches!(
            self,
            Self::Audience
                | Self::Revoked
                | Self::InsufficientScope { .. }
                | Self::Bound
                | Self::OtherKey
                | Self::Unbound
        )
    }

    /// Whether it is about the proof alone, which whoever presents a bearer token knows nothing of.
    pub(crate) fn is_about_a_proof(&self) -> bool {
        matches!(self, Self::NoProof | Self::Proof(_) | Self::UseNonce { .. })
    }
}
