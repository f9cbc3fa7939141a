//! How this client comes to an identifier at the authorization server.

use crate::{
    RegisteredClient, Step, brought,
    found::Found,
    grant, port, registration,
    state::{AwaitStoredClient, Next, State},
    taken_over,
    target::Grant,
    token_request::Fresh,
};

/// Chooses the way to an identifier: what the user brought; else what is stored for this issuer; else the client ID
/// metadata document; else dynamic registration.
///
/// Source: MCP 2026-07-28 authorization, "Client Registration Approaches".
pub(crate) fn choose(mut found: Found, fresh: &mut Fresh<'_>) -> Next {
    match std::mem::take(&mut found.flow.target.grant) {
        Grant::TakenOver(theirs) => return taken_over::take(found, *theirs, fresh.now),
        grant => found.flow.target.grant = grant,
    }
    if let Some(client) = brought::pre_registered(&found)? {
        return grant::with(Box::new(found), client, false, fresh);
    }
    if matches!(found.flow.target.grant, Grant::ClientCredentials) {
        return Err(grant::client_missing(&found));
    }
    let issuer = found.server.issuer().clone();
    Ok((State::StoredClient(AwaitStoredClient { found: Box::new(found) }), Step::LoadClient { issuer }))
}

/// Goes on with the client that an earlier login registered, if there is one.
pub(crate) fn loaded(waiting: AwaitStoredClient, stored: Option<RegisteredClient>, fresh: &mut Fresh<'_>) -> Next {
    let AwaitStoredClient { found } = waiting;
    // A store that answers with another server's client changes nothing: that client is not for here.
    let usable = |client: &RegisteredClient| {
        let here = client.at(&found.server).is_ok() && !client.is_expired(fresh.now);
        here && port::comes_back_as_wished(&found.flow.target, client)
    };
    if let Some(client) = stored.filter(usable) {
        return grant::with(found, client, true, fresh);
    }
    if let Some(client) = brought::documented(&found) {
        return grant::with(found, client, false, fresh);
    }
    if found.server.registration_endpoint().is_some() {
        return grant::unregistered(found, fresh);
    }
    Err(registration::no_registration(&found))
}
