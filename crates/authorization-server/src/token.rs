//! The token endpoint: what is asked, and what every grant has in common.

use doorward_types::{
    CodeVerifier, Entropy, ResourceId, ScopeSet, Secret, Timestamp,
    form::Form,
    jose::{AccessTokenClaims, SigningKey},
    messages::TokenResponse,
    secret::{AccessToken, AuthorizationCode, RefreshToken},
};

pub use crate::token_refusal::{TokenError, TokenRefusal};
use crate::{
    Policy, Write,
    client_auth::AuthenticatedClient,
    facts::{Account, Grant, Refresh},
    random,
};

/// A token request, by its grant type.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// `authorization_code`.
    Code(CodeRequest),
    /// `refresh_token`.
    Refresh(RefreshRequest),
}

/// What redeeming a code asks.
#[derive(Clone, Debug)]
pub struct CodeRequest {
    /// The code.
    pub code: Secret<AuthorizationCode>,
    /// The PKCE verifier.
    pub verifier: CodeVerifier,
    /// The redirect URI, which OAuth 2.0 clients still send.
    pub redirect_uri: Option<String>,
    /// Every `resource` that was sent, as text.
    pub resources: Vec<String>,
}

/// What a refresh asks.
#[derive(Clone, Debug)]
pub struct RefreshRequest {
    /// The refresh token.
    pub token: Secret<RefreshToken>,
    /// The scopes of the access token, when they shall be fewer.
    pub scope: Option<String>,
    /// Every `resource` that was sent, as text.
    pub resources: Vec<String>,
}

impl TokenRequest {
    /// Reads the form.
    ///
    /// # Errors
    /// When the grant type does not exist, or a parameter of it is missing or malformed.
    /// Source: OAuth 2.1 sections 3.2.2, 4.1.3 and 4.3.
    pub fn read(form: &Form) -> Result<Self, TokenRefusal> {
        let need = |name: &'static str| form.get(name).ok_or(TokenRefusal::Missing(name));
        let resources = || form.all("resource").map(ToOwned::to_owned).collect();
        match need("grant_type")? {
            "authorization_code" => Ok(Self::Code(CodeRequest {
                code: Secret::parse(need("code")?).map_err(|_| TokenRefusal::UnknownCode)?,
                verifier: CodeVerifier::parse(need("code_verifier")?)
                    .map_err(|_| TokenRefusal::Malformed("code_verifier"))?,
                redirect_uri: form.get("redirect_uri").map(ToOwned::to_owned),
                resources: resources(),
            })),
            "refresh_token" => Ok(Self::Refresh(RefreshRequest {
                token: Secret::parse(need("refresh_token")?).map_err(|_| TokenRefusal::UnknownRefresh)?,
                scope: form.get("scope").map(ToOwned::to_owned),
                resources: resources(),
            })),
            _ => Err(TokenRefusal::UnsupportedGrantType),
        }
    }
}

/// Fresh randomness and the key that signs: what issuing needs from outside.
pub struct Fresh<'a> {
    /// Randomness.
    pub entropy: &'a mut dyn Entropy,
    /// The key that signs access tokens.
    pub signer: &'a SigningKey,
}

/// What the token endpoint does. The writes are committed in either case, before the answer is sent.
#[derive(Debug)]
pub enum Decision {
    /// Tokens.
    Issue {
        /// The answer.
        response: TokenResponse,
        /// What must be durable before it is sent.
        writes: Vec<Write>,
    },
    /// No.
    Deny {
        /// Why.
        refusal: TokenRefusal,
        /// What the attempt changes all the same.
        writes: Vec<Write>,
    },
}

impl From<TokenRefusal> for Decision {
    fn from(refusal: TokenRefusal) -> Self {
        Self::Deny { refusal, writes: Vec::new() }
    }
}

/// A `resource` that is sent must be the granted one, and be sent once; left out, it is the granted one.
///
/// Source: RFC 8707 section 2.2.
pub(crate) fn check_resource(resources: &[String], grant: &Grant) -> Result<(), TokenRefusal> {
    match resources {
        [] => Ok(()),
        [one] if ResourceId::parse(one.as_str()).ok().as_ref() == Some(&grant.resource) => Ok(()),
        _ => Err(TokenRefusal::OtherResource),
    }
}

/// Whether tokens may be issued under the grant at this moment.
pub(crate) fn check_grant(
    policy: &Policy,
    grant: &Grant,
    account: Option<&Account>,
    now: Timestamp,
) -> Result<(), TokenRefusal> {
    if !grant.is_live(now) {
        return Err(TokenRefusal::GrantEnded);
    }
    if !account.is_some_and(|account| account.id == grant.account && !account.disabled) {
        return Err(TokenRefusal::AccountGone);
    }
    policy.resource(&grant.resource).map(|_| ()).ok_or(TokenRefusal::OtherResource)
}

/// Issues tokens under a grant that was checked: an access token with exactly these scopes, and a refresh token when
/// the client registered for it. Neither outlives the grant.
///
/// Source: OAuth 2.1 section 3.2.3, RFC 9068 section 2.2.
pub(crate) fn issue(
    policy: &Policy,
    client: &AuthenticatedClient,
    grant: &Grant,
    scope: ScopeSet,
    now: Timestamp,
    fresh: &mut Fresh<'_>,
) -> (TokenResponse, Option<Refresh>) {
    let capped = |moment: Timestamp| grant.expires_at.map_or(moment, |end| end.min(moment));
    let exp = capped(now.plus(policy.lifetimes.access_token));
    let claims = AccessTokenClaims {
        iss: policy.issuer.clone(),
        sub: grant.account.0.clone(),
        aud: grant.resource.clone(),
        client_id: client.id().clone(),
        scope: scope.clone(),
        iat: now,
        exp,
        jti: random::name("", fresh.entropy),
        gid: grant.id.0.clone(),
    };
    let access_token = Secret::<AccessToken>::parse(fresh.signer.sign(AccessTokenClaims::TYP, &claims))
        .expect("a compact JWS of bounded claims is an access token");
    let refresh = client.may_use("refresh_token").then(|| Secret::<RefreshToken>::generate(fresh.entropy));
    let row = refresh.as_ref().map(|token| Refresh {
        digest: token.digest(),
        grant: grant.id.clone(),
        issued_at: now,
        expires_at: capped(now.plus(policy.lifetimes.refresh_idle)),
        rotated: None,
    });
    let response = TokenResponse {
        access_token,
        token_type: "Bearer".to_owned(),
        expires_in: Some(exp.since(now).as_secs()),
        refresh_token: refresh,
        scope: Some(scope),
    };
    (response, row)
}
