//! Dynamic registration at the authorization server, and what a person does where there is none.

use doorward_types::{
    ClientId, Issuer, Secret, Timestamp, json,
    messages::{ClientMetadata, ErrorResponse, RegistrationResponse},
    metadata::ValidatedMetadata,
    outbound::{FetchFailed, Inbound, Outbound},
    providers,
    redirect::RedirectUri,
};

use crate::{
    AuthMethod, ClientCredentials, Code, Failed, IssuerBound, Note, Registration, Step,
    brought::{USUAL_REDIRECT, with_secret},
    busy,
    command::login_command_with,
    document,
    failed::{no_answer, place, words},
    found::Found,
    state::{AwaitRegistration, AwaitSaved, Next, State},
    target::Target,
};

/// Why there is no identifier, and what a person does about it.
pub(crate) fn no_registration(found: &Found) -> Failed {
    let document = found.server.document();
    let why = match (document.client_id_metadata_document_supported, &found.flow.target.metadata_document) {
        (true, None) => {
            "it takes client ID metadata documents, and none was named (--client-metadata-url); it has no registration \
             endpoint"
        }
        _ => "it has no registration endpoint and takes no client ID metadata document",
    };
    Failed::new(
        Code::NoRegistration,
        "the authorization server gives no client identifier by itself",
        format!("{}: {why}", found.server.issuer()),
        by_hand(found.server.issuer(), &found.flow.target),
    )
}

/// What a person does to get an identifier at this provider, and then types.
fn by_hand(issuer: &Issuer, target: &Target) -> String {
    let own = target.redirect_uri.as_ref().map(RedirectUri::as_str);
    let Some(known) = providers::of(issuer) else {
        return format!(
            "register an application there by hand with the redirect URI {}, then: {}",
            own.unwrap_or(USUAL_REDIRECT),
            login_command_with(target, &["--client-id", "ID"])
        );
    };
    let at = known.register_at.as_deref().map_or_else(String::new, |at| format!(" at {at}"));
    let mut more = vec!["--client-id", "ID"];
    if known.secret {
        more.extend(["--client-secret-file", "FILE"]);
    }
    let redirect = own.unwrap_or(&known.redirect_uri);
    if redirect != USUAL_REDIRECT {
        more.extend(["--redirect-uri", redirect]);
    }
    if known.pkce_unlisted && !target.lenient.unlisted_pkce {
        more.extend(["--tolerate", "unlisted-pkce"]);
    }
    let note = known.note.as_deref().map_or_else(String::new, |note| format!(" ({note})"));
    format!(
        "register {} with {}{at}, with the redirect URI {}, then: {}{note}",
        known.register_as,
        known.name,
        redirect,
        login_command_with(target, &more)
    )
}

/// The server has given out too many identifiers: one that the person brings needs none.
fn too_many(failed: Failed, target: &Target) -> Failed {
    if failed.code() != Code::TooOften {
        return failed;
    }
    let own = login_command_with(target, &["--client-id", "ID"]);
    let next = format!("{}; a client identifier from its operator needs no registration: {own}", failed.hint());
    Failed::new(failed.code(), "this client could not be registered: too many were of late", failed.why(), next)
}

/// Asks for an identifier with the redirect URI that is held.
pub(crate) fn register(found: Box<Found>, redirect_uri: RedirectUri) -> Next {
    let waiting = AwaitRegistration { found, redirect_uri };
    let step = Step::Send(request(&waiting)?);
    Ok((State::Registration(waiting), step))
}

/// The request as it is sent.
///
/// Source: RFC 7591 section 3.1, MCP 2026-07-28 authorization, "Application Type".
pub(crate) fn request(waiting: &AwaitRegistration) -> Result<Outbound, Failed> {
    let AwaitRegistration { found, redirect_uri } = waiting;
    let Some(endpoint) = found.server.registration_endpoint().cloned() else { return Err(no_registration(found)) };
    let scope = found.scope.as_ref().map_or_else(|| found.listed.clone(), |scope| scope.union(&found.listed));
    let metadata = ClientMetadata {
        redirect_uris: vec![redirect_uri.to_string()],
        client_name: Some(found.flow.target.client_name.clone()),
        token_endpoint_auth_method: Some(wanted_method(&found.server)?.as_str().to_owned()),
        grant_types: Some(grant_types(&found.server)),
        response_types: Some(vec!["code".into()]),
        application_type: Some("native".into()),
        scope: (!scope.is_empty()).then(|| scope.to_string()),
        software_id: Some("doorward".into()),
        software_version: Some(env!("CARGO_PKG_VERSION").into()),
        ..ClientMetadata::default()
    };
    let body = serde_json::to_vec(&metadata).expect("strings serialise");
    Ok(Outbound::post(endpoint, "application/json", body, found.flow.target.reach))
}

/// The grants to ask for. Where the server can let another device in, one registration is good for both ways.
fn grant_types(server: &ValidatedMetadata) -> Vec<String> {
    const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";
    let device = server.document().grant_types_supported.iter().any(|grant| grant == DEVICE);
    ["authorization_code", "refresh_token"].into_iter().chain(device.then_some(DEVICE)).map(str::to_owned).collect()
}

/// The method to ask for: none where the server takes public clients, or does not say what it takes. Of the ways with a
/// secret it is the one that the server names first: servers of the Python SDK name the form before the header, and do
/// not find the client when its id stands in the header alone.
fn wanted_method(server: &ValidatedMetadata) -> Result<AuthMethod, Failed> {
    let Some(listed) = &server.document().token_endpoint_auth_methods_supported else { return Ok(AuthMethod::None) };
    let is = |name: &String, method: AuthMethod| name == method.as_str();
    if listed.iter().any(|name| is(name, AuthMethod::None)) {
        return Ok(AuthMethod::None);
    }
    let secret = [AuthMethod::ClientSecretBasic, AuthMethod::ClientSecretPost];
    listed.iter().find_map(|name| secret.into_iter().find(|method| is(name, *method))).ok_or_else(|| {
        Failed::new(
            Code::NoRegistration,
            "the authorization server takes no way of client authentication that this program has",
            format!("{} lists {listed:?}", server.issuer()),
            "ask the operator of the server",
        )
    })
}

/// Has the new client kept.
pub(crate) fn answered(waiting: AwaitRegistration, answer: Result<Inbound, FetchFailed>) -> Next {
    let AwaitRegistration { found, redirect_uri } = waiting;
    let server = &found.server;
    let endpoint = server.registration_endpoint().expect("a registration was sent there");
    let what = "this client could not be registered";
    let answer = answer.map_err(|failed| no_answer(what, endpoint, &failed))?;
    if let Some(failed) = busy::failed(what, endpoint, &answer) {
        return Err(too_many(failed, &found.flow.target));
    }
    if !answer.status.is_success() {
        return Err(refused(&found, &redirect_uri, endpoint, &answer));
    }
    let client = read(server, &redirect_uri, &answer.body).map_err(|why| {
        let why = format!("{}: {}", place(endpoint), document::or_page(why, &answer));
        Failed::new(
            Code::BadRegistration,
            "the answer to the registration cannot be used",
            why,
            "ask the operator of the server",
        )
    })?;
    let client = IssuerBound::new(server.issuer().clone(), client);
    let step = Step::SaveClient(client.clone());
    Ok((State::Saved(AwaitSaved { found, client, redirect_uri }), step))
}

/// What was registered, which need not be what was asked for.
///
/// Source: RFC 7591 section 3.2.1.
fn read(server: &ValidatedMetadata, redirect_uri: &RedirectUri, body: &[u8]) -> Result<ClientCredentials, String> {
    let answer: RegistrationResponse = json::parse_as(body).map_err(|e| e.to_string())?;
    let registered = &answer.metadata.redirect_uris;
    if !registered.is_empty() && !registered.iter().any(|uri| uri == redirect_uri.as_str()) {
        return Err(format!("{redirect_uri} was asked for as redirect URI, {registered:?} was registered"));
    }
    let secret = answer.client_secret.filter(|secret| !secret.is_empty()).map(Secret::parse).transpose();
    let secret = secret.map_err(|e| e.to_string())?;
    let auth_method = match (answer.metadata.token_endpoint_auth_method.as_deref(), &secret) {
        (Some(name), _) => {
            AuthMethod::parse(name).ok_or(format!("it registered the authentication method {name:?}"))?
        }
        (None, Some(_)) => with_secret(server),
        (None, None) => AuthMethod::None,
    };
    if auth_method == AuthMethod::PrivateKeyJwt {
        return Err("it registered private_key_jwt, and no key was registered".into());
    }
    if auth_method.needs_secret() && secret.is_none() {
        return Err(format!("it registered {} and gave no secret", auth_method.as_str()));
    }
    Ok(ClientCredentials {
        client_id: ClientId::parse(answer.client_id).map_err(|e| e.to_string())?,
        secret_expires_at: answer
            .client_secret_expires_at
            .filter(|at| *at != 0 && secret.is_some())
            .map(Timestamp::from_unix),
        secret,
        key: None,
        auth_method,
        registration: Registration::Dynamic,
        redirect_uri: redirect_uri.clone(),
    })
}

fn refused(found: &Found, redirect_uri: &RedirectUri, endpoint: &url::Url, answer: &Inbound) -> Failed {
    let at = format!("{} answered {}", place(endpoint), answer.status);
    let error = json::parse_as::<ErrorResponse>(&answer.body);
    if found.guessed && error.is_err() {
        // There is nothing of the sort there: it was no server of that revision after all.
        return Failed::new(
            Code::NoResourceMetadata,
            "the MCP server asks for a login and does not say where",
            format!("it publishes no metadata, and {at}"),
            "check that the URL is the one of the MCP endpoint; a server that takes an API key needs no login",
        );
    }
    let why = match &error {
        Ok(error) if error.error == "invalid_redirect_uri" => {
            format!("it does not take the redirect URI {redirect_uri}: {}", words(error))
        }
        Ok(error) => words(error),
        Err(_) => "it gave no reason".to_owned(),
    };
    let what = "the authorization server refused to register this client";
    Failed::new(
        Code::RegistrationRefused,
        what,
        format!("{at}: {why}"),
        by_hand(found.server.issuer(), &found.flow.target),
    )
}

/// Registers anew, once, because the server does not know the stored client any more.
pub(crate) fn register_again(mut found: Box<Found>, redirect_uri: RedirectUri) -> Next {
    found.flow.notes.push(Note::RegisteredAgain);
    register(found, redirect_uri)
}
