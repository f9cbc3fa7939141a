//! The port that waits for the answer. It is held before anything is registered: a registered redirect URI whose port somebody
//! else holds would send the code to them.

use doorward_types::redirect::{self, RedirectUri};
use url::Url;

use crate::{
    Code, Failed, RegisteredClient, Step, authorization,
    found::Found,
    registration,
    state::{AwaitPort, ClientAtPort, Next, State},
    step::{HoldPort, PortChoice},
    target::{Grant, Target},
    token_request::Fresh,
};

/// Holds the port of a client that is known. `stored` when an earlier login registered it.
pub(crate) fn known(found: Box<Found>, client: RegisteredClient, stored: bool) -> Next {
    let registered = port(client.redirect_uri());
    let pinned = found.flow.target.redirect_uri.as_ref().is_some_and(|own| port(own).is_some());
    let wanted = match (stored && !pinned, registered) {
        (_, None) => PortChoice::Any,
        (true, Some(port)) => PortChoice::Prefer(port),
        (false, Some(port)) => PortChoice::Only(port),
    };
    let hold = hold(client.redirect_uri(), wanted, false)?;
    let client = ClientAtPort::Known { client, stored };
    Ok((State::Port(AwaitPort { found, client, wanted }), Step::HoldPort(hold)))
}

/// Holds a port for a client that is registered as soon as its redirect URI is known.
pub(crate) fn unregistered(found: Box<Found>, path: &str) -> Next {
    let at = |host: &str| RedirectUri::parse(format!("http://{host}{path}")).expect("a loopback address with a path");
    let own = found.flow.target.redirect_uri.clone();
    let wanted = own.as_ref().and_then(port).map_or(PortChoice::Any, PortChoice::Only);
    let either = own.is_none();
    let (pattern, over_v6) = own.map_or_else(|| (at("127.0.0.1"), at("[::1]")), |own| (own.clone(), own));
    let hold = hold(&pattern, wanted, either)?;
    let client = ClientAtPort::New { pattern, over_v6 };
    Ok((State::Port(AwaitPort { found, client, wanted }), Step::HoldPort(hold)))
}

/// Goes on with the port that is held.
pub(crate) fn held(waiting: AwaitPort, redirect_uri: &str, fresh: &mut Fresh<'_>) -> Next {
    let pattern = match &waiting.client {
        ClientAtPort::Known { client, .. } => client.redirect_uri(),
        ClientAtPort::New { over_v6, .. } if redirect_uri.starts_with("http://[") => over_v6,
        ClientAtPort::New { pattern, .. } => pattern,
    };
    let held = RedirectUri::parse(redirect_uri).ok().filter(|held| {
        let right_port = match waiting.wanted {
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
    match waiting.client {
        ClientAtPort::Known { client, stored } => authorization::open(waiting.found, client, held, stored, fresh),
        ClientAtPort::New { .. } => registration::register(waiting.found, held),
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
