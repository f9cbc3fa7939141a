use std::borrow::Cow;

use doorward_types::{form::InvalidForm, messages::ErrorResponse};
use http::StatusCode;

/// The error codes of the token and revocation endpoints.
///
/// Source: OAuth 2.1 section 3.2.4, RFC 8707 section 2.
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
    /// A way to authenticate that does not exist here.
    UnsupportedAuthentication,
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
    /// The token to be revoked belongs to another client.
    TokenOfAnotherClient,
}

impl TokenRefusal {
    /// The code on the wire.
    pub const fn code(&self) -> TokenError {
        match self {
            Self::Form(_) | Self::Missing(_) | Self::Malformed(_) | Self::TwoAuthentications => {
                TokenError::InvalidRequest
            }
            Self::MalformedAuthorization
            | Self::UnsupportedAuthentication
            | Self::UnknownClient
            | Self::OtherAuthentication
            | Self::WrongSecret => TokenError::InvalidClient,
            Self::UnsupportedGrantType => TokenError::UnsupportedGrantType,
            Self::GrantTypeNotRegistered => TokenError::UnauthorizedClient,
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
            | Self::TokenOfAnotherClient => TokenError::InvalidGrant,
            Self::OtherResource => TokenError::InvalidTarget,
            Self::ScopeNotGranted => TokenError::InvalidScope,
        }
    }

    /// The code on the wire, as text.
    pub const fn error(&self) -> &'static str {
        self.code().as_str()
    }

    /// The HTTP status: 401 when the client is not authenticated, else 400.
    pub const fn status(&self) -> StatusCode {
        match self.code() {
            TokenError::InvalidClient => StatusCode::UNAUTHORIZED,
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
            Self::UnsupportedAuthentication => "use none, client_secret_basic or client_secret_post",
            Self::UnknownClient => "the client is not registered; register again",
            Self::OtherAuthentication => "use the token_endpoint_auth_method that the client registered",
            Self::WrongSecret => "the client secret is wrong",
            Self::UnsupportedGrantType => "use authorization_code or refresh_token",
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
            Self::TokenOfAnotherClient => "the token was not issued to this client",
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

impl From<InvalidForm> for TokenRefusal {
    fn from(refusal: InvalidForm) -> Self {
        Self::Form(refusal)
    }
}

/// Leaves what `error_description` may hold (RFC 6749 section 5.2).
fn ascii(text: &str) -> Cow<'static, str> {
    Cow::Owned(text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect())
}
