//! What was allowed becomes tokens.

use doorward_types::{
    ScopeSet, Timestamp,
    messages::{ErrorResponse, TokenResponse},
    outbound::{FetchFailed, Inbound},
};
use url::Url;

use crate::{
    Code, Connected, Failed, ProofKey, RegisteredClient, Registration, Step, StoredTokens,
    checked_callback::CheckedCode,
    enterprise::keys,
    failed::{place, words},
    found::{Login, Pending},
    provider, registration,
    state::{AwaitToken, Next, State},
    store::Got,
    token_request::{Fresh, Parameters, TokenRequest, Told, expiry},
};

/// Redeems a code. It takes the checked code by value, so that none goes out unchecked or twice.
///
/// Source: OAuth 2.1 section 4.1.3, RFC 8707 section 2.2.
pub(crate) fn redeem(pending: Pending, code: CheckedCode, fresh: &mut Fresh<'_>) -> Next {
    let parameters = Parameters::new(&[
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", pending.redirect_uri.as_str()),
        ("code_verifier", pending.verifier.expose()),
        ("resource", &pending.found.audience),
    ]);
    let request = TokenRequest::of(&pending.found, pending.client, parameters);
    let step = Step::Send(request.outbound(fresh)?);
    let again = pending.stored.then_some(pending.redirect_uri);
    let login = Login { found: pending.found, again, got: Got::Code };
    Ok((State::Token(AwaitToken { login, request }), step))
}

/// The finished login; or, where it was at an identity provider, what comes after it.
pub(crate) fn finish(
    login: Login,
    client: RegisteredClient,
    tokens: TokenResponse,
    key: Option<ProofKey>,
    now: Timestamp,
) -> Next {
    let mut found = *login.found;
    if let Some(sign_in) = found.sign_in.take() {
        return keys::signed_in(*sign_in, tokens);
    }
    let answered = provider::granted(found.server.issuer(), tokens.scope.clone());
    let granted: Option<ScopeSet> = answered.or_else(|| found.scope.clone());
    let connected = Connected {
        notes: found.flow.notes,
        tokens: StoredTokens {
            resource: found.flow.target.resource,
            account: found.flow.target.account,
            audience: found.audience,
            server: found.server,
            client,
            got: login.got,
            identity: found.identity,
            expires_at: expiry(&tokens, now),
            issued_at: now,
            access_token: tokens.access_token,
            proof_key: key,
            // The client can ask for itself again, so that one more secret to keep is of no use.
            refresh_token: tokens.refresh_token.filter(|_| login.got != Got::ClientCredentials),
            requested: found.scope,
            granted,
            generation: 0,
        },
    };
    Ok((State::Finished, Step::Done(Box::new(connected))))
}

/// Whether the client may be registered anew: once, and only when an earlier login registered it by itself.
pub(crate) fn may_register_again(stored: bool, client: &RegisteredClient) -> bool {
    stored && client.registration() == Registration::Dynamic
}

/// Goes on with the answer of the token endpoint.
pub(crate) fn answered(waiting: AwaitToken, answer: Result<Inbound, FetchFailed>, fresh: &mut Fresh<'_>) -> Next {
    let AwaitToken { login, request } = waiting;
    let (endpoint, client) = (request.server.token_endpoint().clone(), request.client.clone());
    match request.on(answer, fresh)? {
        Told::Tokens(tokens, key) => finish(login, client, tokens, key, fresh.now),
        Told::Again(request, outbound) => {
            Ok((State::Token(AwaitToken { login, request: *request }), Step::Send(outbound)))
        }
        Told::Refused(error) if error.error == "invalid_client" => match login.again {
            Some(redirect_uri) if may_register_again(true, &client) => {
                registration::register_again(login.found, redirect_uri)
            }
            _ => Err(refused(Code::ClientUnknown, &endpoint, &error)),
        },
        Told::Refused(error) => Err(refused(Code::TokenRefused, &endpoint, &error)),
    }
}

/// The token endpoint's refusal.
pub(crate) fn refused(code: Code, endpoint: &Url, error: &ErrorResponse) -> Failed {
    let hint = match error.error.as_str() {
        "invalid_client" => "check the client identifier, and the secret or the key with which it proves itself",
        "invalid_scope" => "name the scopes that this client may have with --scope, or ask the operator of the server",
        _ => "try again; if it happens again ask the operator of the server",
    };
    Failed::new(
        code,
        "the authorization server refused to give a token",
        format!("{} answered {}", place(endpoint), words(error)),
        hint,
    )
}
