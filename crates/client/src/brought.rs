//! The client that the user names, in whichever way, and what it shows to a server.

use doorward_types::{metadata::ValidatedMetadata, redirect::RedirectUri};

use crate::{
    AuthMethod, ClientCredentials, Code, Failed, IssuerBound, RegisteredClient, Registration, bound::PreRegistered,
    found::Found,
};

/// The redirect URI of a client that was registered without saying one.
pub(crate) const USUAL_REDIRECT: &str = "http://127.0.0.1/callback";

/// The client that the user brought for this authorization server. One that was brought for another server is never
/// tried here, and nothing else is tried silently in its place.
///
/// Source: MCP 2026-07-28 authorization, "Authorization Server Binding".
pub(crate) fn pre_registered(found: &Found) -> Result<Option<RegisteredClient>, Failed> {
    let (target, issuer) = (&found.flow.target, found.server.issuer());
    let changed = |from: String| {
        Failed::new(
            Code::IssuerChanged,
            "the client identifier that was given belongs to another authorization server",
            format!("it is for {from}, and {} now names {issuer}", target.resource),
            format!("if the change is right, get a client identifier from {issuer} and give that one"),
        )
    };
    let exact = target.brought().find(|client| client.issuer.as_ref() == Some(issuer));
    let Some(client) = exact.or_else(|| target.clients.iter().find(|client| client.issuer.is_none())) else {
        let bound = target.clients.iter().find_map(|client| client.issuer.as_ref());
        return bound.map_or(Ok(None), |from| Err(changed(from.to_string())));
    };
    if let (None, Some(known)) = (&client.issuer, &target.known_issuer)
        && known != issuer
    {
        return Err(changed(known.to_string()));
    }
    Ok(Some(IssuerBound::new(issuer.clone(), given(client, &found.server)?)))
}

/// What a client that the user got from the provider shows to this server.
///
/// # Errors
/// When it lacks what it has to prove itself with.
pub(crate) fn given(client: &PreRegistered, server: &ValidatedMetadata) -> Result<ClientCredentials, Failed> {
    let auth_method = match (client.auth_method, &client.key, &client.secret) {
        (Some(method), ..) => method,
        (None, Some(_), _) => AuthMethod::PrivateKeyJwt,
        (None, None, Some(_)) => with_secret(server),
        (None, None, None) => AuthMethod::None,
    };
    if auth_method == AuthMethod::PrivateKeyJwt && client.key.is_none() {
        return Err(Failed::new(
            Code::NoRegistration,
            "the client identifier that was given needs its private key",
            format!("its authentication method is {}", auth_method.as_str()),
            "give the key too",
        ));
    }
    if auth_method.needs_secret() && client.secret.is_none() {
        return Err(Failed::new(
            Code::NoRegistration,
            "the client identifier that was given needs its secret",
            format!("its authentication method is {}", auth_method.as_str()),
            "give the secret too",
        ));
    }
    Ok(ClientCredentials {
        client_id: client.client_id.clone(),
        secret: client.secret.clone().filter(|_| auth_method.needs_secret()),
        secret_expires_at: None,
        key: client.key.clone().filter(|_| auth_method == AuthMethod::PrivateKeyJwt),
        auth_method,
        registration: Registration::PreRegistered,
        redirect_uri: client.redirect_uri.clone().unwrap_or_else(usual_redirect),
    })
}

pub(crate) fn usual_redirect() -> RedirectUri {
    RedirectUri::parse(USUAL_REDIRECT).expect("the usual redirect URI is one")
}

/// How a client with a secret proves itself here: the header unless the server lists only the form.
///
/// Source: RFC 8414 section 2 (the default is `client_secret_basic`).
pub(crate) fn with_secret(server: &ValidatedMetadata) -> AuthMethod {
    let listed = server.document().token_endpoint_auth_methods_supported.as_deref().unwrap_or_default();
    let has = |method: AuthMethod| listed.iter().any(|name| name == method.as_str());
    if has(AuthMethod::ClientSecretPost) && !has(AuthMethod::ClientSecretBasic) {
        AuthMethod::ClientSecretPost
    } else {
        AuthMethod::ClientSecretBasic
    }
}

/// The client that stands in the document that the user names, where the server takes such documents.
pub(crate) fn documented(found: &Found) -> Option<RegisteredClient> {
    let document = found.flow.target.metadata_document.as_ref();
    let document = document.filter(|_| found.server.document().client_id_metadata_document_supported)?;
    let credentials = ClientCredentials {
        client_id: document.url.clone(),
        secret: None,
        secret_expires_at: None,
        key: None,
        auth_method: AuthMethod::None,
        registration: Registration::MetadataDocument,
        redirect_uri: document.redirect_uri.clone(),
    };
    Some(IssuerBound::new(found.server.issuer().clone(), credentials))
}

/// The client that the user names for this authorization server, in whichever way.
pub(crate) fn named(found: &Found) -> Result<Option<RegisteredClient>, Failed> {
    Ok(pre_registered(found)?.or_else(|| documented(found)))
}
