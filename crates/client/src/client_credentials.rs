//! A token for the client itself.

use crate::{
    AuthMethod, Code, Failed, RegisteredClient, Step,
    found::{Found, Login},
    state::{AwaitToken, Next, State},
    store::Got,
    token_request::{Fresh, Parameters, TokenRequest},
};

/// Asks for a token with nothing but the client's own proof.
///
/// # Errors
/// When the client has nothing to prove itself with.
/// Source: OAuth 2.1 section 4.2, RFC 8707 section 2.2, MCP extension io.modelcontextprotocol/oauth-client-credentials.
pub(crate) fn ask(found: Box<Found>, client: RegisteredClient, fresh: &mut Fresh<'_>) -> Next {
    if client.at(&found.server).is_ok_and(|credentials| credentials.auth_method == AuthMethod::None) {
        return Err(Failed::new(
            Code::NoRegistration,
            "a client without a secret or a key gets no token for itself",
            format!("{} was given for {} without either", client.client_id(), found.server.issuer()),
            "give its secret or its key too, with --client-secret-file or --client-key-file",
        ));
    }
    let scope = found.scope.as_ref().map(ToString::to_string);
    let parameters = parameters(&found.audience, scope.as_deref());
    let request = TokenRequest::of(&found, client, parameters);
    let step = Step::Send(request.outbound(fresh)?);
    let login = Login::unattended(found, Got::ClientCredentials);
    Ok((State::Token(AwaitToken { login, request }), step))
}

/// What is sent, the first time and whenever the token is about to end.
pub(crate) fn parameters(audience: &str, scope: Option<&str>) -> Parameters {
    Parameters::new(&[("grant_type", "client_credentials"), ("resource", audience)]).and("scope", scope)
}
