//! The token endpoint: what is asked.

use doorward_types::{
    CodeVerifier, Secret,
    form::Form,
    secret::{AuthorizationCode, DeviceCode, RefreshToken},
};

use crate::{
    TokenRefusal,
    client_credentials::{self, ClientCredentialsRequest},
    exchange::{self, ExchangeRequest},
    jwt_bearer::{self, JwtBearerRequest},
    policy::DEVICE_CODE,
};

/// A token request, by its grant type.
#[derive(Clone, Debug)]
pub enum TokenRequest {
    /// `authorization_code`.
    Code(CodeRequest),
    /// `refresh_token`.
    Refresh(RefreshRequest),
    /// `client_credentials`.
    ClientCredentials(ClientCredentialsRequest),
    /// Token exchange.
    Exchange(ExchangeRequest),
    /// An assertion of an identity provider.
    JwtBearer(JwtBearerRequest),
    /// `urn:ietf:params:oauth:grant-type:device_code`.
    Device(DeviceRequest),
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

/// What a device that polls asks.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    /// The device code.
    pub code: Secret<DeviceCode>,
    /// Every `resource` that was sent, as text.
    pub resources: Vec<String>,
}

impl TokenRequest {
    /// Reads the form.
    ///
    /// # Errors
    /// When the grant type does not exist, or a parameter of it is missing or malformed.
    /// Source: OAuth 2.1 sections 3.2.2, 4.1.3 and 4.3, RFC 6749 section 4.4.2, RFC 8693 section 2.1, RFC 7523 section 2.1.
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
            client_credentials::GRANT_TYPE => Ok(Self::ClientCredentials(ClientCredentialsRequest {
                scope: form.get("scope").map(ToOwned::to_owned),
                resources: resources(),
            })),
            exchange::GRANT_TYPE => {
                let subject = need("subject_token")?;
                need("subject_token_type")?;
                for name in ["subject_token_type", "requested_token_type"] {
                    if form.get(name).is_some_and(|kind| kind != exchange::ACCESS_TOKEN) {
                        return Err(TokenRefusal::UnsupportedTokenKind(name));
                    }
                }
                if form.get("actor_token").is_some() || form.get("actor_token_type").is_some() {
                    return Err(TokenRefusal::Actor);
                }
                Ok(Self::Exchange(ExchangeRequest {
                    subject_token: Secret::parse(subject).map_err(|_| TokenRefusal::Malformed("subject_token"))?,
                    scope: form.get("scope").map(ToOwned::to_owned),
                    targets: form.all("resource").chain(form.get("audience")).map(ToOwned::to_owned).collect(),
                }))
            }
            jwt_bearer::GRANT_TYPE => Ok(Self::JwtBearer(JwtBearerRequest {
                assertion: Secret::parse(need("assertion")?).map_err(|_| TokenRefusal::Malformed("assertion"))?,
                scope: form.get("scope").map(ToOwned::to_owned),
                resources: resources(),
            })),
            DEVICE_CODE => Ok(Self::Device(DeviceRequest {
                code: Secret::parse(need("device_code")?).map_err(|_| TokenRefusal::UnknownDevice)?,
                resources: resources(),
            })),
            _ => Err(TokenRefusal::UnsupportedGrantType),
        }
    }
}
