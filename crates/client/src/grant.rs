//! Where the ways to a token part: as soon as the client is known.

use doorward_types::redirect::RedirectUri;

use crate::{
    Code, Failed, RegisteredClient, Step, assertion,
    authorization::{self, AwaitPort},
    client_credentials,
    connect::State,
    device,
    discovery::Found,
    enterprise, proof, registration,
    target::Grant,
    token_request::Fresh,
};

/// Goes on with a client that is known. `stored` when an earlier login registered it.
pub(crate) fn with(
    found: Box<Found>,
    client: RegisteredClient,
    stored: bool,
    fresh: &mut Fresh<'_>,
) -> Result<(State, Step), Failed> {
    match &found.flow.target.grant {
        Grant::Code => AwaitPort::known(found, client, stored),
        Grant::Device => device::ask(found, client, stored, fresh),
        Grant::ClientCredentials => client_credentials::ask(found, client, fresh),
        Grant::Assertion(_) => assertion::ask(found, client, fresh),
        Grant::Enterprise(_) => enterprise::look(found, client),
        // It was taken before a client was looked for.
        Grant::TakenOver(_) => Err(client_missing(&found)),
    }
}

/// Goes on where the client has to be registered first.
pub(crate) fn unregistered(found: Box<Found>, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
    match &found.flow.target.grant {
        // A path that no page can guess, so that only the real answer finds the listener.
        Grant::Code => AwaitPort::unregistered(found, &format!("/callback/{}", proof::name(fresh.entropy))),
        Grant::Device => registration::register(found, registration::usual_redirect()),
        Grant::ClientCredentials | Grant::Assertion(_) | Grant::Enterprise(_) | Grant::TakenOver(_) => {
            Err(client_missing(&found))
        }
    }
}

/// Goes on with a client that was registered a moment ago.
pub(crate) fn registered(
    found: Box<Found>,
    client: RegisteredClient,
    redirect_uri: RedirectUri,
    fresh: &mut Fresh<'_>,
) -> Result<(State, Step), Failed> {
    match &found.flow.target.grant {
        Grant::Code => authorization::open(found, client, redirect_uri, false, fresh),
        _ => with(found, client, false, fresh),
    }
}

/// Without a person, a client that anybody could have registered means nothing.
///
/// Source: MCP extension io.modelcontextprotocol/oauth-client-credentials, "Overview".
pub(crate) fn client_missing(found: &Found) -> Failed {
    Failed::new(
        Code::NoRegistration,
        "a token without a person needs a client that the provider has given out",
        format!("none was given for {}", found.server.issuer()),
        "give its identifier with --client-id, and its secret or key with --client-secret-file or --client-key-file",
    )
}
