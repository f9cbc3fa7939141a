//! A request to a token endpoint, whatever the grant: who asks, with what proof, and what came of it.

use std::{fmt, time::Duration};

use base64ct::{Base64, Encoding};
use doorward_types::{
    Entropy, Timestamp,
    jose::dpop,
    json,
    messages::{ErrorResponse, TokenResponse},
    metadata::ValidatedMetadata,
    outbound::{FetchFailed, Inbound, Outbound, Reach},
};
use http::{HeaderName, HeaderValue, Method, header};
use serde::Serialize;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use crate::{
    AuthMethod, ClientCredentials, Code, Failed, ProofKey, RegisteredClient,
    bearer::next_nonce,
    busy, document,
    failed::{no_answer, place},
    found::Found,
    proof::{self, Occasion},
    target::Dpop,
};

/// The one `client_assertion_type`.
///
/// Source: RFC 7523 section 2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long a client's assertion is good for: long enough for clocks that differ a little.
const ASSERTION_LIFE: Duration = Duration::from_secs(120);

/// What every request is made with anew.
pub(crate) struct Fresh<'a> {
    pub(crate) now: Timestamp,
    pub(crate) entropy: &'a mut dyn Entropy,
}

/// The parameters of a request. They hold secrets and do not print.
#[derive(Clone)]
pub(crate) struct Parameters(Vec<(&'static str, Zeroizing<String>)>);

impl Parameters {
    pub(crate) fn new(all: &[(&'static str, &str)]) -> Self {
        Self(all.iter().map(|(name, value)| (*name, Zeroizing::new((*value).to_owned()))).collect())
    }

    /// The same with one more, if there is a value for it.
    pub(crate) fn and(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.0.extend(value.map(|value| (name, Zeroizing::new(value.to_owned()))));
        self
    }
}

impl fmt::Debug for Parameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// A request to the token endpoint, kept so that it can be made once more when the server wants a nonce in its proof.
#[derive(Clone, Debug)]
pub(crate) struct TokenRequest {
    pub(crate) server: ValidatedMetadata,
    pub(crate) client: RegisteredClient,
    /// The key that the tokens are to be bound to.
    pub(crate) key: Option<ProofKey>,
    /// Whether tokens that are not bound to it are refused.
    pub(crate) only_bound: bool,
    pub(crate) reach: Reach,
    pub(crate) parameters: Parameters,
    /// The newest nonce of the server.
    pub(crate) nonce: Option<String>,
    /// Whether it was already made once more for the sake of a nonce.
    pub(crate) is_again: bool,
}

/// What a token endpoint said.
#[derive(Debug)]
pub(crate) enum Told {
    /// Tokens; with the key, if they are bound to it.
    Tokens(TokenResponse, Option<ProofKey>),
    /// A refusal in the protocol's words.
    Refused(ErrorResponse),
    /// It wants to be asked again, with its nonce.
    Again(Box<TokenRequest>, Outbound),
}

impl TokenRequest {
    /// A request for tokens that are bound to no key.
    pub(crate) fn new(
        server: ValidatedMetadata,
        client: RegisteredClient,
        parameters: Parameters,
        reach: Reach,
    ) -> Self {
        Self { server, client, key: None, only_bound: false, reach, parameters, nonce: None, is_again: false }
    }

    /// A request for the tokens of this login.
    pub(crate) fn of(found: &Found, client: RegisteredClient, parameters: Parameters) -> Self {
        let only_bound = found.flow.target.dpop == Dpop::Always;
        let request = Self::new(found.server.clone(), client, parameters, found.flow.target.reach);
        Self { key: found.key.clone(), only_bound, ..request }
    }

    /// The request as it is sent, each time with new proofs.
    ///
    /// # Errors
    /// When the client's credentials are another server's.
    pub(crate) fn outbound(&self, fresh: &mut Fresh<'_>) -> Result<Outbound, Failed> {
        let endpoint = self.server.token_endpoint();
        let request = authenticated(endpoint, &self.server, &self.client, &self.parameters, self.reach, fresh)?;
        let Some(key) = &self.key else { return Ok(request) };
        let entropy = &mut *fresh.entropy;
        let nonce = self.nonce.as_deref();
        let mut occasion = Occasion { method: &Method::POST, url: endpoint, nonce, now: fresh.now, entropy };
        let proof = key.proof(&mut occasion, None);
        Ok(request.with_secret_header(HeaderName::from_static(dpop::HEADER), proof))
    }

    /// Reads the answer.
    ///
    /// # Errors
    /// When there is none, when the server has a problem of its own, or when the answer makes no sense or is not what
    /// was asked for.
    /// Source: RFC 6749 sections 5.1 and 5.2, RFC 9449 sections 5 and 8.
    pub(crate) fn on(mut self, answer: Result<Inbound, FetchFailed>, fresh: &mut Fresh<'_>) -> Result<Told, Failed> {
        let what = "the authorization server gave no token";
        let endpoint = self.server.token_endpoint();
        let answer = answer.map_err(|failed| no_answer(what, endpoint, &failed))?;
        let error = match read(what, endpoint, &answer)? {
            Ok(tokens) => return self.accept(tokens),
            Err(error) => error,
        };
        let nonce = next_nonce(&answer.headers).filter(|_| error.error == "use_dpop_nonce");
        let Some(nonce) = nonce.filter(|_| self.key.is_some() && !self.is_again) else {
            return Ok(Told::Refused(error));
        };
        (self.nonce, self.is_again) = (Some(nonce.to_owned()), true);
        let request = self.outbound(fresh)?;
        Ok(Told::Again(Box::new(self), request))
    }

    /// The same request for another time, with what is now the newest nonce.
    pub(crate) fn anew(self, nonce: Option<String>) -> Self {
        Self { nonce: nonce.or(self.nonce), is_again: false, ..self }
    }

    fn accept(self, tokens: TokenResponse) -> Result<Told, Failed> {
        let kind = tokens.token_type.as_str();
        if kind.eq_ignore_ascii_case("dpop") && self.key.is_some() {
            return Ok(Told::Tokens(tokens, self.key));
        }
        let at = place(self.server.token_endpoint());
        if !kind.eq_ignore_ascii_case("bearer") {
            let kind: String = kind.chars().take(40).collect();
            return Err(Failed::new(
                Code::BadTokenAnswer,
                "the authorization server gave no token that can be used",
                format!("{at} issued a token of type {kind:?}, which was not asked for"),
                "ask the operator of the server",
            ));
        }
        if self.only_bound {
            return Err(Failed::new(
                Code::NotBound,
                "the authorization server gave a token that anybody could use",
                format!("{at} was shown a key (DPoP) and issued a token that is not bound to it"),
                "ask the operator of the server; without DPoP such a token is taken: log in again without --dpop",
            ));
        }
        Ok(Told::Tokens(tokens, None))
    }
}

/// Reads the answer of a token endpoint or of one that answers in the same way.
pub(crate) fn read(
    what: &str,
    endpoint: &Url,
    answer: &Inbound,
) -> Result<Result<TokenResponse, ErrorResponse>, Failed> {
    let (status, at) = (answer.status, place(endpoint));
    let refusal = refusal(what, endpoint, answer)?;
    if let Some(error) = refusal {
        return Ok(Err(error));
    }
    let bad = |why: String| Failed::new(Code::BadTokenAnswer, what, why, "ask the operator of the server");
    if status != http::StatusCode::OK {
        return Err(bad(format!("{at} answered {status} without a reason")));
    }
    let read = TokenResponse::parse(&answer.body).map(Ok);
    read.map_err(|why| bad(format!("{at}: {}", document::or_page(why.to_string(), answer))))
}

/// The refusal in an answer, if it is one.
///
/// # Errors
/// When the server has a problem of its own.
pub(crate) fn refusal(what: &str, endpoint: &Url, answer: &Inbound) -> Result<Option<ErrorResponse>, Failed> {
    if let Some(failed) = busy::failed(what, endpoint, answer) {
        return Err(failed);
    }
    // Some servers refuse with 200.
    Ok(json::parse_as::<ErrorResponse>(&answer.body).ok())
}

/// When a token expires that was issued now. A token that has already ended would be of no use to anybody: some servers
/// say with 0 that they do not know, or that it never ends.
pub(crate) fn expiry(tokens: &TokenResponse, now: Timestamp) -> Option<Timestamp> {
    tokens.expires_in.filter(|seconds| *seconds > 0).map(|seconds| now.plus(Duration::from_secs(seconds)))
}

/// A form for an endpoint of the authorization server, with the client's proof of itself by its registered method.
///
/// # Errors
/// When the client's credentials are another server's.
/// Source: OAuth 2.1 section 2.4.1, RFC 6749 section 2.3.1, RFC 7523 section 2.2.
pub(crate) fn authenticated(
    endpoint: &Url,
    server: &ValidatedMetadata,
    client: &RegisteredClient,
    parameters: &Parameters,
    reach: Reach,
    fresh: &mut Fresh<'_>,
) -> Result<Outbound, Failed> {
    let credentials = client.at(server).map_err(|wrong| {
        Failed::new(
            Code::IssuerChanged,
            "the client's credentials belong to another authorization server",
            wrong.to_string(),
            "log in again",
        )
    })?;
    let mut form = form_urlencoded::Serializer::new(String::new());
    // An empty `resource` is one that this server is not told.
    let sent = parameters.0.iter().filter(|(name, value)| *name != "resource" || !value.is_empty());
    form.extend_pairs(sent.map(|(name, value)| (name, value.as_str())));
    let authorization = prove(&mut form, credentials, server.issuer().as_str(), fresh);
    let body = form.finish().into_bytes();
    let request = Outbound::post(endpoint.clone(), "application/x-www-form-urlencoded", body, reach);
    Ok(match authorization {
        None => request,
        Some(value) => request.with_secret_header(
            header::AUTHORIZATION,
            HeaderValue::try_from(value).expect("base64 makes a header value"),
        ),
    })
}

/// Adds the proof to the form, or gives it as the value of the `Authorization` header.
fn prove(
    form: &mut form_urlencoded::Serializer<'_, String>,
    credentials: &ClientCredentials,
    issuer: &str,
    fresh: &mut Fresh<'_>,
) -> Option<String> {
    let id = credentials.client_id.as_str();
    let secret = credentials.secret.as_ref().map_or("", |secret| secret.expose());
    match credentials.auth_method {
        AuthMethod::None => {
            form.append_pair("client_id", id);
            None
        }
        AuthMethod::ClientSecretPost => {
            form.append_pair("client_id", id).append_pair("client_secret", secret);
            None
        }
        AuthMethod::ClientSecretBasic => {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            Some(format!("Basic {}", Base64::encode_string(format!("{}:{}", encode(id), encode(secret)).as_bytes())))
        }
        AuthMethod::PrivateKeyJwt => {
            let assertion = assertion(credentials, issuer, fresh);
            form.append_pair("client_assertion_type", ASSERTION_TYPE).append_pair("client_assertion", &assertion);
            None
        }
    }
}

/// A new assertion for this server alone: its audience is the issuer and nothing else.
///
/// Source: RFC 7523 section 3, draft-ietf-oauth-rfc7523bis section 4.
fn assertion(credentials: &ClientCredentials, issuer: &str, fresh: &mut Fresh<'_>) -> String {
    #[derive(Serialize)]
    struct Claims<'a> {
        iss: &'a str,
        sub: &'a str,
        aud: &'a str,
        iat: i64,
        exp: i64,
        jti: String,
    }
    let key = credentials.key.as_ref().expect("a client of this method has a key");
    let id = credentials.client_id.as_str();
    let claims = Claims {
        iss: id,
        sub: id,
        aud: issuer,
        iat: fresh.now.as_unix(),
        exp: fresh.now.plus(ASSERTION_LIFE).as_unix(),
        jti: proof::name(fresh.entropy),
    };
    key.sign("client-authentication+jwt", &claims)
}
