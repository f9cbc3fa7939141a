//! The port that waits for the answer, and the page that the person is sent to.

use doorward_types::{
    CodeVerifier, Secret,
    messages::ErrorResponse,
    redirect::{self, RedirectUri},
    secret,
};
use url::Url;

use crate::{
    Code, Failed, RegisteredClient, Step,
    callback::AwaitCallback,
    connect::State,
    discovery::Found,
    provider, push, registration,
    step::{HoldPort, OpenBrowser, PortChoice},
    target::{Grant, Target},
    token_request::Fresh,
};

/// Waits until a port is held. That comes before registration: a registered redirect URI whose port somebody else
/// holds would send the code to them.
#[derive(Debug)]
pub(crate) struct AwaitPort {
    found: Box<Found>,
    client: ClientAtPort,
    wanted: PortChoice,
}

#[derive(Debug)]
enum ClientAtPort {
    /// The client is known. `stored` when an earlier login registered it.
    Known { client: RegisteredClient, stored: bool },
    /// The client is registered as soon as its redirect URI is known.
    New { pattern: RedirectUri, over_v6: RedirectUri },
}

impl AwaitPort {
    pub(crate) fn known(found: Box<Found>, client: RegisteredClient, stored: bool) -> Result<(State, Step), Failed> {
        let registered = port(client.redirect_uri());
        let pinned = found.flow.target.redirect_uri.as_ref().is_some_and(|own| port(own).is_some());
        let wanted = match (stored && !pinned, registered) {
            (_, None) => PortChoice::Any,
            (true, Some(port)) => PortChoice::Prefer(port),
            (false, Some(port)) => PortChoice::Only(port),
        };
        let hold = hold(client.redirect_uri(), wanted, false)?;
        let client = ClientAtPort::Known { client, stored };
        Ok((State::Port(Self { found, client, wanted }), Step::HoldPort(hold)))
    }

    pub(crate) fn unregistered(found: Box<Found>, path: &str) -> Result<(State, Step), Failed> {
        let at =
            |host: &str| RedirectUri::parse(format!("http://{host}{path}")).expect("a loopback address with a path");
        let own = found.flow.target.redirect_uri.clone();
        let wanted = own.as_ref().and_then(port).map_or(PortChoice::Any, PortChoice::Only);
        let either = own.is_none();
        let (pattern, over_v6) = own.map_or_else(|| (at("127.0.0.1"), at("[::1]")), |own| (own.clone(), own));
        let hold = hold(&pattern, wanted, either)?;
        let client = ClientAtPort::New { pattern, over_v6 };
        Ok((State::Port(Self { found, client, wanted }), Step::HoldPort(hold)))
    }

    pub(crate) fn on(self, redirect_uri: &str, fresh: &mut Fresh<'_>) -> Result<(State, Step), Failed> {
        let pattern = match &self.client {
            ClientAtPort::Known { client, .. } => client.redirect_uri(),
            ClientAtPort::New { over_v6, .. } if redirect_uri.starts_with("http://[") => over_v6,
            ClientAtPort::New { pattern, .. } => pattern,
        };
        let held = RedirectUri::parse(redirect_uri).ok().filter(|held| {
            let right_port = match self.wanted {
                PortChoice::Only(wanted) => port(held) == Some(wanted),
                PortChoice::Any | PortChoice::Prefer(_) => port(held).is_some(),
            };
            pattern.matches(redirect_uri) && right_port
        });
        let Some(held) = held else {
            return Err(Failed::new(
                Code::BadRedirect,
                "the port that is held is not one that the client's redirect URI allows",
                format!("{redirect_uri} is held, {pattern} is registered"),
                "free the port, or register another redirect URI",
            ));
        };
        match self.client {
            ClientAtPort::Known { client, stored } => open(self.found, client, held, stored, fresh),
            ClientAtPort::New { .. } => registration::register(self.found, held),
        }
    }
}

fn hold(redirect_uri: &RedirectUri, port: PortChoice, either: bool) -> Result<HoldPort, Failed> {
    let (redirect::Kind::Loopback { host }, Ok(url)) = (redirect_uri.kind(), Url::parse(redirect_uri.as_str())) else {
        return Err(Failed::new(
            Code::BadRedirect,
            "the client's redirect URI is not one that this program can listen at",
            format!("{redirect_uri} is not http on 127.0.0.1, [::1] or localhost"),
            "register a loopback redirect URI for this client",
        ));
    };
    Ok(HoldPort { host: host.clone(), port, path: url.path().to_owned(), either })
}

/// The port that is written in a redirect URI.
fn port(redirect_uri: &RedirectUri) -> Option<u16> {
    let (_, rest) = redirect_uri.as_str().split_once("://")?;
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    // Not by the parsed URL, which leaves out a port 80 that is written.
    authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// Whether a client that an earlier login registered comes back to where the user wants the browser to end.
pub(crate) fn comes_back_as_wished(target: &Target, client: &RegisteredClient) -> bool {
    let (Some(own), Grant::Code) = (&target.redirect_uri, &target.grant) else { return true };
    match port(own) {
        Some(_) => client.redirect_uri() == own,
        None => own.matches(client.redirect_uri().as_str()),
    }
}

/// What is remembered of one authorization request until its answer comes: the issuer stands beside the verifier
/// and the state that go with it.
///
/// Source: RFC 9207 section 2.4, MCP 2026-07-28 authorization, "Authorization Response Validation".
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) found: Box<Found>,
    pub(crate) client: RegisteredClient,
    /// Whether an earlier login registered the client, so that the server may have forgotten it since.
    pub(crate) stored: bool,
    pub(crate) redirect_uri: RedirectUri,
    pub(crate) state: Secret<secret::State>,
    pub(crate) verifier: CodeVerifier,
}

/// Sends the person to the authorization endpoint.
///
/// Source: OAuth 2.1 section 4.1.1, RFC 8707 section 2.1, RFC 9449 section 10.
pub(crate) fn open(
    found: Box<Found>,
    client: RegisteredClient,
    redirect_uri: RedirectUri,
    stored: bool,
    fresh: &mut Fresh<'_>,
) -> Result<(State, Step), Failed> {
    let pending = Pending {
        state: Secret::generate(fresh.entropy),
        verifier: CodeVerifier::generate(fresh.entropy),
        found,
        client,
        stored,
        redirect_uri,
    };
    let Some(page) = pending.found.server.authorization_endpoint() else { return Err(no_page(&pending.found)) };
    let url = url(&pending, page);
    if pending.found.server.document().require_pushed_authorization_requests {
        return push::push(pending, &url, fresh);
    }
    Ok(show(pending, url))
}

/// Shows the person this page, and waits for the answer.
pub(crate) fn show(mut pending: Pending, url: Url) -> (State, Step) {
    let page = OpenBrowser {
        url,
        issuer: pending.found.server.issuer().clone(),
        resource: pending.found.flow.target.resource.clone(),
        scope: pending.found.scope.clone(),
        notes: std::mem::take(&mut pending.found.flow.notes),
    };
    (State::Callback(AwaitCallback::new(pending)), Step::OpenBrowser(page))
}

/// The page was checked when the metadata was read for a login with a code.
pub(crate) fn no_page(found: &Found) -> Failed {
    Failed::new(
        Code::BadServerMetadata,
        "the authorization server has no sign-in page that is protected with PKCE (S256)",
        found.server.issuer().to_string(),
        "no login is started; ask the operator of the server",
    )
}

fn url(pending: &Pending, page: &Url) -> Url {
    let found = &pending.found;
    let challenge = pending.verifier.challenge();
    let scope = found.scope.as_ref().map(ToString::to_string);
    let bound = found.key.as_ref().map(|key| key.thumbprint());
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", pending.client.client_id().as_str()),
        ("redirect_uri", pending.redirect_uri.as_str()),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("state", pending.state.expose()),
    ];
    parameters.extend(found.sign_in.iter().flat_map(|sign_in| sign_in.parameters()));
    // OpenID Connect Core section 3.1.2.1; others ignore it.
    if let Some(hint) = &found.flow.target.login_hint {
        parameters.push(("login_hint", hint));
    }
    if !found.audience.is_empty() {
        parameters.push(("resource", &found.audience));
    }
    // The code, too, is good only for whoever holds the key.
    if let Some(bound) = &bound {
        parameters.push(("dpop_jkt", bound.as_str()));
    }
    if let Some(scope) = &scope {
        parameters.push(("scope", scope));
        // A provider gives a refresh token only when the person is asked for it. At an identity provider it is not theirs to say:
        // whoever runs it has decided, and some refuse whoever asks all the same.
        if found.sign_in.is_none() && found.scope.as_ref().is_some_and(|scope| scope.contains_name("offline_access")) {
            parameters.push(("prompt", "consent"));
        }
    }
    for own in &found.flow.target.authorize {
        parameters.retain(|(name, _)| *name != own.name());
        parameters.push((own.name(), own.value()));
    }
    provider::authorize(found.server.issuer(), &mut parameters);
    let mut url = page.clone();
    let own: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !parameters.iter().any(|(ours, _)| name == ours))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(own).extend_pairs(parameters);
    url
}

/// A server's error in its own words, cut to what fits in a line.
pub(crate) fn words(error: &ErrorResponse) -> String {
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
    match error.error_description.as_deref().filter(|text| !text.is_empty()) {
        Some(description) => format!("{} ({})", clean(&error.error), clean(description)),
        None => clean(&error.error),
    }
}
