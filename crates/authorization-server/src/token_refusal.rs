use std::borrow::Cow;

use doorward_types::{form::InvalidForm, jose::dpop::ProofRefusal, messages::ErrorResponse};
use http::StatusCode;

use crate::{client_assertion, jwt_bearer::refusal::AssertionRefusal};

/// The error codes of the token and revocation endpoints.
///
/// Source: OAuth 2.1 section 3.2.4, RFC 8707 section 2, RFC 9449 sections 5 and 8, RFC 7009 section 2.2.1, RFC 8628 section 3.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the codes are defined by the specifications")]
pub enum TokenError {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    InvalidTarget,
    InvalidDpopProof,
    UseDpopNonce,
    UnsupportedTokenType,
    AuthorizationPending,
    SlowDown,
    AccessDenied,
    ExpiredToken,
    TemporarilyUnavailable,
}

impl TokenError {
    /// The code on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
            Self::UnsupportedTokenType => "unsupported_token_type",
            Self::AuthorizationPending => "authorization_pending",
            Self::SlowDown => "slow_down",
            Self::AccessDenied => "access_denied",
            Self::ExpiredToken => "expired_token",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }
}

/// Why the token or revocation endpoint said No. The reason is for the log; [`code`](Self::code),
/// [`status`](Self::status) and [`description`](Self::description) are for the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRefusal {
    /// The form could not be read.
    Form(InvalidForm),
    /// A required parameter is missing.
    Missing(&'static str),
    /// A parameter has an impossible form.
    Malformed(&'static str),
    /// The client authenticates in two ways at once, or under two names.
    TwoAuthentications,
    /// The `Authorization` header is not well-formed Basic.
    MalformedAuthorization,
    /// The signed assertion does not prove the client.
    ClientAssertion(client_assertion::AssertionRefusal),
    /// The client is not registered (any more).
    UnknownClient,
    /// The client registered another way to authenticate.
    OtherAuthentication,
    /// The secret is wrong.
    WrongSecret,
    /// A grant type that does not exist here.
    UnsupportedGrantType,
    /// The client did not register this grant type.
    GrantTypeNotRegistered,
    /// The code does not exist.
    UnknownCode,
    /// The code was issued to another client.
    CodeOfAnotherClient,
    /// The code expired.
    ExpiredCode,
    /// The code was redeemed before.
    RedeemedCode,
    /// Too many wrong verifiers were tried.
    BurnedCode,
    /// The verifier does not belong to the challenge.
    WrongVerifier,
    /// The redirect URI is not the one of the authorization request.
    OtherRedirectUri,
    /// The resource is not the one that was granted.
    OtherResource,
    /// A scope that was not granted.
    ScopeNotGranted,
    /// The refresh token does not exist.
    UnknownRefresh,
    /// The refresh token was issued to another client.
    RefreshOfAnotherClient,
    /// The refresh token expired.
    ExpiredRefresh,
    /// The refresh token was used before, and this is no lost answer.
    ReusedRefresh,
    /// The grant was revoked or has ended.
    GrantEnded,
    /// The account was disabled or deleted.
    AccountGone,
    /// The device code does not exist.
    UnknownDevice,
    /// The device code was issued to another client.
    DeviceOfAnotherClient,
    /// Nobody answered the device yet.
    DevicePending,
    /// Nobody answered the device yet, and it polls too often.
    SlowDown,
    /// The person said No to the device.
    DeviceDenied,
    /// The device code expired.
    ExpiredDevice,
    /// The device has its tokens already.
    RedeemedDevice,
    /// The token to be revoked belongs to another client.
    TokenOfAnotherClient,
    /// The token to be revoked was exchanged for one that belongs to another client's access.
    ExchangedToken,
    /// The proof that the client holds a key does not count.
    Proof(ProofRefusal),
    /// The tokens of this client, or of this grant, are bound to a key, and the client proved none.
    NoProof,
    /// The client proved to hold another key than the one that the grant or code is bound to.
    OtherKey,
    /// A grant type that only clients which can prove who they are may use.
    PublicClient,
    /// A grant type that only clients which an administrator registered may use.
    UnregisteredByAdministrator,
    /// An endpoint that answers only to clients which can prove who they are.
    NeedsAuthentication,
    /// No resource, more than one, or one that is not configured here.
    UnknownResource,
    /// A kind of token that cannot be exchanged or asked for.
    UnsupportedTokenKind(&'static str),
    /// A token to be exchanged that is not good for it; why is for the log alone.
    Subject(&'static str),
    /// An exchange on behalf of a third party.
    Actor,
    /// An assertion that is not good here.
    Assertion(AssertionRefusal),
    /// The keys of the assertion's identity provider cannot be read right now.
    ProviderAway,
}

impl TokenRefusal {
    /// The code on the wire.
    pub const fn code(&self) -> TokenError {
        match self {
            Self::Form(_)
            | Self::Missing(_)
            | Self::Malformed(_)
            | Self::TwoAuthentications
            | Self::UnsupportedTokenKind(_)
            | Self::Subject(_)
            | Self::Actor => TokenError::InvalidRequest,
            Self::MalformedAuthorization
            | Self::ClientAssertion(_)
            | Self::UnknownClient
            | Self::OtherAuthentication
            | Self::WrongSecret
            | Self::NeedsAuthentication => TokenError::InvalidClient,
            Self::UnsupportedGrantType => TokenError::UnsupportedGrantType,
            Self::GrantTypeNotRegistered | Self::PublicClient | Self::UnregisteredByAdministrator => {
                TokenError::UnauthorizedClient
            }
            Self::UnknownCode
            | Self::CodeOfAnotherClient
            | Self::ExpiredCode
            | Self::RedeemedCode
            | Self::BurnedCode
            | Self::WrongVerifier
            | Self::OtherRedirectUri
            | Self::UnknownRefresh
            | Self::RefreshOfAnotherClient
            | Self::ExpiredRefresh
            | Self::ReusedRefresh
            | Self::GrantEnded
            | Self::AccountGone
            | Self::UnknownDevice
            | Self::DeviceOfAnotherClient
            | Self::RedeemedDevice
            | Self::OtherKey
            | Self::Assertion(_)
            | Self::TokenOfAnotherClient => TokenError::InvalidGrant,
            Self::ProviderAway => TokenError::TemporarilyUnavailable,
            Self::OtherResource | Self::UnknownResource => TokenError::InvalidTarget,
            Self::ExchangedToken => TokenError::UnsupportedTokenType,
            Self::Proof(ProofRefusal::Nonce) => TokenError::UseDpopNonce,
            Self::Proof(_) | Self::NoProof => TokenError::InvalidDpopProof,
            Self::DevicePending => TokenError::AuthorizationPending,
            Self::SlowDown => TokenError::SlowDown,
            Self::DeviceDenied => TokenError::AccessDenied,
            Self::ExpiredDevice => TokenError::ExpiredToken,
            Self::ScopeNotGranted => TokenError::InvalidScope,
        }
    }

    /// The code on the wire, as text.
    pub const fn error(&self) -> &'static str {
        self.code().as_str()
    }

    /// The HTTP status: 401 when the client is not authenticated, 503 when it is nobody's mistake here, else 400.
    pub const fn status(&self) -> StatusCode {
        match self.code() {
            TokenError::InvalidClient => StatusCode::UNAUTHORIZED,
            TokenError::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Whether `WWW-Authenticate: Basic` goes along: with every 401.
    ///
    /// Source: OAuth 2.1 section 3.2.4, RFC 9110 section 15.5.2.
    pub const fn asks_for_basic(&self) -> bool {
        matches!(self.code(), TokenError::InvalidClient)
    }

    /// A sentence for developers, in ASCII. It does not tell a code or token that does not exist from
    /// one of another client.
    pub fn description(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Form(refusal) => return ascii(&format!("{refusal}")),
            Self::Missing(name) => return Cow::Owned(format!("the parameter {name} is missing")),
            Self::Malformed(name) => return Cow::Owned(format!("the parameter {name} is malformed")),
            Self::TwoAuthentications => "the client authenticates in more than one way or under more than one name",
            Self::MalformedAuthorization => "the Authorization header is not well-formed Basic authentication",
            Self::ClientAssertion(refusal) => return ascii(&refusal.to_string()),
            Self::UnknownClient => "the client is not registered; register again",
            Self::OtherAuthentication => "use the token_endpoint_auth_method that the client registered",
            Self::WrongSecret => "the client secret is wrong",
            Self::UnsupportedGrantType => "use one of the grant_types_supported of the server's metadata",
            Self::GrantTypeNotRegistered => "the client did not register this grant type",
            Self::UnknownCode | Self::CodeOfAnotherClient => "the code is unknown",
            Self::ExpiredCode => "the code has expired",
            Self::RedeemedCode => "the code was redeemed before",
            Self::BurnedCode => "too many wrong code verifiers were tried for this code",
            Self::WrongVerifier => "the code verifier does not match the code challenge",
            Self::OtherRedirectUri => "the redirect_uri is not the one of the authorization request",
            Self::OtherResource => "the resource is not the one that was granted",
            Self::ScopeNotGranted => "the scope is malformed or goes beyond what was granted",
            Self::UnknownRefresh | Self::RefreshOfAnotherClient => "the refresh token is unknown",
            Self::ExpiredRefresh => "the refresh token has expired",
            Self::ReusedRefresh => "the refresh token was used before; the access has been ended, ask the person again",
            Self::GrantEnded => "the person or the server has ended this access",
            Self::AccountGone => "the account is disabled or gone",
            Self::UnknownDevice | Self::DeviceOfAnotherClient => "the device code is unknown",
            Self::DevicePending => "the person has not answered yet",
            Self::SlowDown => "wait 5 seconds longer between two polls from now on",
            Self::DeviceDenied => "the person said no",
            Self::ExpiredDevice => "the device code has expired",
            Self::RedeemedDevice => "the device code was redeemed before",
            Self::TokenOfAnotherClient => "the token was not issued to this client",
            Self::ExchangedToken => "a token that was exchanged ends with the access it was exchanged from",
            Self::Proof(refusal) => return ascii(&refusal.to_string()),
            Self::NoProof => "a DPoP proof is required: these tokens are bound to a key",
            Self::OtherKey => "the DPoP proof is made with another key than the one this access is bound to",
            Self::PublicClient => "this grant type is only for clients that authenticate",
            Self::UnregisteredByAdministrator => "this grant type is only for clients that an administrator registered",
            Self::NeedsAuthentication => "this endpoint is only for clients that authenticate",
            Self::UnknownResource => "name exactly one resource that this server issues tokens for",
            Self::UnsupportedTokenKind(name) => {
                return Cow::Owned(format!("{name} must be urn:ietf:params:oauth:token-type:access_token"));
            }
            Self::Subject(_) => "the subject_token is not a live access token that this client may exchange",
            Self::Actor => "actor_token is not supported: the client itself is the actor",
            Self::Assertion(refusal) => return ascii(&refusal.to_string()),
            Self::ProviderAway => "the keys of the assertion's issuer cannot be read right now; try again later",
        })
    }

    /// The body of the answer.
    pub fn response(&self) -> ErrorResponse {
        ErrorResponse { error: self.error().to_owned(), error_description: Some(self.description().into_owned()) }
    }
}

impl std::fmt::Display for TokenRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.description())
    }
}

impl From<AssertionRefusal> for TokenRefusal {
    fn from(refusal: AssertionRefusal) -> Self {
        Self::Assertion(refusal)
    }
}

impl From<client_assertion::AssertionRefusal> for TokenRefusal {
    fn from(refusal: client_assertion::AssertionRefusal) -> Self {
        Self::ClientAssertion(refusal)
    }
}

impl From<InvalidForm> for TokenRefusal {
    fn from(refusal: InvalidForm) -> Self {
        Self::Form(refusal)
    }
}

/// Leaves what `error_description` may hold (RFC 6749 section 5.2).
fn ascii(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect())
}
