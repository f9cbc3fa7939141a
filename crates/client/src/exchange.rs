//! The code becomes tokens.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use doorward_types::{
    ScopeSet, Timestamp, json,
    messages::{ErrorResponse, TokenResponse},
    metadata::ValidatedMetadata,
    outbound::{FetchFailed, Inbound, Outbound, Reach},
};
use http::{HeaderValue, header};
use url::{Url, form_urlencoded};

use crate::{
    AuthMethod, Code, Connected, Failed, RegisteredClient, Registration, Step, StoredTokens,
    authorization::{self, Pending},
    callback::CheckedCode,
    connect::State,
    failed::{no_answer, place},
    registration,
};

/// A form for an endpoint of the authorization server, with the client's proof of itself by its registered method.
///
/// Source: OAuth 2.1 section 2.4.1, RFC 6749 section 2.3.1.
pub(crate) fn authenticated(
    endpoint: &Url,
    server: &ValidatedMetadata,
    client: &RegisteredClient,
    parameters: &[(&str, &str)],
    reach: Reach,
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
    form.extend_pairs(parameters);
    let secret = credentials.secret.as_ref().map_or("", |secret| secret.expose());
    let authorization = match credentials.auth_method {
        AuthMethod::None => {
            form.append_pair("client_id", credentials.client_id.as_str());
            None
        }
        AuthMethod::ClientSecretPost => {
            form.append_pair("client_id", credentials.client_id.as_str()).append_pair("client_secret", secret);
            None
        }
        AuthMethod::ClientSecretBasic => {
            let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            let pair = format!("{}:{}", encode(credentials.client_id.as_str()), encode(secret));
            Some(format!("Basic {}", Base64::encode_string(pair.as_bytes())))
        }
    };
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

/// The request that redeems a code. It takes the checked code by value, so that none goes out unchecked or twice.
///
/// Source: OAuth 2.1 section 4.1.3, RFC 8707 section 2.2.
pub(crate) fn code_request(pending: &Pending, code: CheckedCode) -> Result<Outbound, Failed> {
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", pending.redirect_uri.as_str()),
        ("code_verifier", pending.verifier.expose()),
        ("resource", &pending.found.audience),
    ];
    let server = &pending.found.server;
    authenticated(server.token_endpoint(), server, &pending.client, &parameters, pending.found.flow.target.reach)
}

/// What a token endpoint answered.
pub(crate) enum TokenAnswer {
    /// Tokens, of type Bearer.
    Tokens(TokenResponse),
    /// A refusal in the protocol's words.
    Refused(ErrorResponse),
}

/// Reads the answer of a token endpoint.
///
/// # Errors
/// When there is none, when the server has a problem of its own, or when the answer makes no sense.
pub(crate) fn read(endpoint: &Url, answer: Result<Inbound, FetchFailed>) -> Result<TokenAnswer, Failed> {
    let what = "the authorization server gave no token";
    let answer = answer.map_err(|failed| no_answer(what, endpoint, &failed))?;
    let status = answer.status;
    let at = place(endpoint);
    if status.is_server_error() || status == http::StatusCode::TOO_MANY_REQUESTS {
        let why = format!("{at} answered {status}");
        return Err(Failed::new(Code::ServerFault, what, why, "the server has a problem of its own; try again later"));
    }
    // Some servers refuse with 200.
    if let Ok(error) = json::parse_as::<ErrorResponse>(&answer.body) {
        return Ok(TokenAnswer::Refused(error));
    }
    let bad = |why: String| Failed::new(Code::BadTokenAnswer, what, why, "ask the operator of the server");
    if status != http::StatusCode::OK {
        return Err(bad(format!("{at} answered {status} without a reason")));
    }
    let tokens = TokenResponse::parse(&answer.body).map_err(|why| bad(format!("{at}: {why}")))?;
    if !tokens.token_type.eq_ignore_ascii_case("bearer") {
        let kind: String = tokens.token_type.chars().take(40).collect();
        return Err(bad(format!("{at} issued a token of type {kind:?}, and only Bearer is understood")));
    }
    Ok(TokenAnswer::Tokens(tokens))
}

/// When a token expires that was issued now.
pub(crate) fn expiry(tokens: &TokenResponse, now: Timestamp) -> Option<Timestamp> {
    tokens.expires_in.map(|seconds| now.plus(Duration::from_secs(seconds)))
}

/// Whether the client may be registered anew: once, and only when an earlier login registered it by itself.
pub(crate) fn may_register_again(pending: &Pending) -> bool {
    pending.stored && pending.client.registration() == Registration::Dynamic
}

/// Waits for the tokens.
#[derive(Debug)]
pub(crate) struct AwaitToken {
    pending: Pending,
}

impl AwaitToken {
    pub(crate) fn new(pending: Pending) -> Self {
        Self { pending }
    }

    pub(crate) fn on(self, answer: Result<Inbound, FetchFailed>, now: Timestamp) -> Result<(State, Step), Failed> {
        let pending = self.pending;
        let endpoint = pending.found.server.token_endpoint();
        match read(endpoint, answer)? {
            TokenAnswer::Tokens(tokens) => Ok((State::Finished, Step::Done(Box::new(connected(pending, tokens, now))))),
            TokenAnswer::Refused(error) if error.error == "invalid_client" && may_register_again(&pending) => {
                registration::register_again(pending.found, pending.redirect_uri)
            }
            TokenAnswer::Refused(error) => {
                let code = if error.error == "invalid_client" { Code::ClientUnknown } else { Code::TokenRefused };
                Err(Failed::new(
                    code,
                    "the authorization server refused to give a token",
                    format!("{} answered {}", place(endpoint), authorization::words(&error)),
                    "try again; if it happens again ask the operator of the server",
                ))
            }
        }
    }
}

fn connected(pending: Pending, tokens: TokenResponse, now: Timestamp) -> Connected {
    let found = *pending.found;
    let granted: Option<ScopeSet> = tokens.scope.clone().or_else(|| found.scope.clone());
    Connected {
        notes: found.flow.notes,
        tokens: StoredTokens {
            resource: found.flow.target.resource,
            account: found.flow.target.account,
            audience: found.audience,
            server: found.server,
            client: pending.client,
            expires_at: expiry(&tokens, now),
            issued_at: now,
            access_token: tokens.access_token,
            refresh_token: tokens.refresh_token,
            requested: found.scope,
            granted,
            generation: 0,
        },
    }
}
