//! Where the ways to a token part: as soon as the client is known.

use crate::{
    Code, Failed, RegisteredClient, assertion, authorization, brought, client_credentials, device,
    enterprise::provider,
    found::Found,
    port, proof, registration,
    state::{AwaitSaved, Next},
    target::Grant,
    token_request::Fresh,
};

/// Goes on with a client that is known. `stored` when an earlier login registered it.
pub(crate) fn with(found: Box<Found>, client: RegisteredClient, stored: bool, fresh: &mut Fresh<'_>) -> Next {
    match &found.flow.target.grant {
        Grant::Code => port::known(found, client, stored),
        Grant::Device => device::ask(found, client, stored, fresh),
        Grant::ClientCredentials => client_credentials::ask(found, client, fresh),
        Grant::Assertion(_) => assertion::ask(found, client, fresh),
        Grant::Enterprise(_) => provider::look(found, client),
        // It was taken before a client was looked for.
        Grant::TakenOver(_) => Err(client_missing(&found)),
    }
}

/// Goes on where the client has to be registered first.
pub(crate) fn unregistered(found: Box<Found>, fresh: &mut Fresh<'_>) -> Next {
    match &found.flow.target.grant {
        // A path that no page can guess, so that only the real answer finds the listener.
        Grant::Code => port::unregistered(found, &format!("/callback/{}", proof::name(fresh.entropy))),
        Grant::Device => registration::register(found, brought::usual_redirect()),
        Grant::ClientCredentials | Grant::Assertion(_) | Grant::Enterprise(_) | Grant::TakenOver(_) => {
            Err(client_missing(&found))
        }
    }
}

/// Goes on with a client that was registered a moment ago.
pub(crate) fn registered(waiting: AwaitSaved, fresh: &mut Fresh<'_>) -> Next {
    let AwaitSaved { found, client, redirect_uri } = waiting;
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
