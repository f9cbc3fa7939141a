//! What was allowed becomes tokens.

use doorward_types::{
    ScopeSet, Timestamp,
    messages::TokenResponse,
    outbound::{FetchFailed, Inbound, Outbound},
    redirect::RedirectUri,
};

use crate::{
    Code, Connected, Failed, ProofKey, RegisteredClient, Registration, Step, StoredTokens,
    authorization::{self, Pending},
    callback::CheckedCode,
    connect::State,
    discovery::Found,
    enterprise,
    failed::place,
    provider, registration,
    store::Got,
    target::Dpop,
    token_request::{Fresh, Parameters, TokenRequest, Told, expiry},
};

impl TokenRequest {
    /// A request for the tokens of this login.
    pub(crate) fn of(found: &Found, client: RegisteredClient, parameters: Parameters) -> Self {
        Self {
            server: found.server.clone(),
            client,
            key: found.key.clone(),
            only_bound: found.flow.target.dpop == Dpop::Always,
            reach: found.flow.target.reach,
            parameters,
            nonce: None,
            is_again: false,
        }
    }
}

/// Redeems a code. It takes the checked code by value, so that none goes out unchecked or twice.
///
/// Source: OAuth 2.1 section 4.1.3, RFC 8707 section 2.2.
pub(crate) fn redeem(pending: Pending, code: CheckedCode, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
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
    Ok((State::Token(AwaitToken::new(login, request)), step))
}

/// A login that waits for its tokens.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) found: Box<Found>,
    /// With which redirect URI the client may be registered anew, when the server has forgotten it.
    pub(crate) again: Option<RedirectUri>,
    pub(crate) got: Got,
}

impl Login {
    /// One without a person, whose client nobody but the provider can give.
    pub(crate) fn unattended(found: Box<Found>, got: Got) -> Self {
        Self { found, again: None, got }
    }

    /// The finished login; or, where it was at an identity provider, what comes after it.
    pub(crate) fn finished(
        self,
        client: RegisteredClient,
        tokens: TokenResponse,
        key: Option<ProofKey>,
        now: Timestamp,
    ) -> Result<(State, Step), Failed> {
        let mut found = *self.found;
        if let Some(sign_in) = found.sign_in.take() {
            return enterprise::signed_in(*sign_in, tokens);
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
                got: self.got,
                identity: found.identity,
                expires_at: expiry(&tokens, now),
                issued_at: now,
                access_token: tokens.access_token,
                proof_key: key,
                // The client can ask for itself again, so that one more secret to keep is of no use.
                refresh_token: tokens.refresh_token.filter(|_| self.got != Got::ClientCredentials),
                requested: found.scope,
                granted,
                generation: 0,
            },
        };
        Ok((State::Finished, Step::Done(Box::new(connected))))
    }
}

/// Whether the client may be registered anew: once, and only when an earlier login registered it by itself.
pub(crate) fn may_register_again(stored: bool, client: &RegisteredClient) -> bool {
    stored && client.registration() == Registration::Dynamic
}

/// Waits for the tokens.
#[derive(Debug)]
pub(crate) struct AwaitToken {
    login: Login,
    request: TokenRequest,
}

impl AwaitToken {
    pub(crate) fn new(login: Login, request: TokenRequest) -> Self {
        Self { login, request }
    }

    pub(crate) fn on(
        self,
        answer: Result<Inbound, FetchFailed>,
        fresh: &mut Fresh<'_>,
    ) -> Result<(State, Step), Failed> {
        let Self { login, request } = self;
        let (endpoint, client) = (request.server.token_endpoint().clone(), request.client.clone());
        match request.on(answer, fresh)? {
            Told::Tokens(tokens, key) => login.finished(client, tokens, key, fresh.now),
            Told::Again(request, outbound) => Ok(again(Self::new(login, *request), outbound)),
            Told::Refused(error) if error.error == "invalid_client" => match login.again {
                Some(redirect_uri) if may_register_again(true, &client) => {
                    registration::register_again(login.found, redirect_uri)
                }
                _ => Err(refused(Code::ClientUnknown, &endpoint, &error)),
            },
            Told::Refused(error) => Err(refused(Code::TokenRefused, &endpoint, &error)),
        }
    }
}

fn again(waiting: AwaitToken, outbound: Outbound) -> (State, Step) {
    (State::Token(waiting), Step::Send(outbound))
}

/// The token endpoint's refusal.
pub(crate) fn refused(code: Code, endpoint: &url::Url, error: &doorward_types::messages::ErrorResponse) -> Failed {
    let hint = match error.error.as_str() {
        "invalid_scope" => "name the scopes that this client may have with --scope, or ask the operator of the server",
        _ => "try again; if it happens again ask the operator of the server",
    };
    Failed::new(
        code,
        "the authorization server refused to give a token",
        format!("{} answered {}", place(endpoint), authorization::words(error)),
        hint,
    )
}
