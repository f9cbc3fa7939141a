//! What `connect` and `login` are told in mcp-remote's words, or about what is sent besides: each is done, or refused by
//! its name with what to do instead, or has no meaning here and is named in one line.

mod client_info;
mod digest;
mod expand;
mod headers;
mod redirect;
mod store;

use std::time::Duration;

use doorward_client::{
    Target,
    target::{Audience, AuthorizeParameter, PreRegistered},
};
use doorward_relay::bridge::HiddenTools;
use doorward_types::{RedirectUri, ScopeSet, web_url};
use http::HeaderMap;
use url::Url;

use crate::{
    cli,
    failure::{Exit, Failure},
    trace::is_harmless,
};
pub(crate) use digest::Identity;
pub(crate) use store::{Found, Store};

/// Parameters of the sign-in page by which no other login comes about.
const ONLY_OF_THE_PAGE: [&str; 7] =
    ["prompt", "max_age", "display", "ui_locales", "claims_locales", "access_type", "include_granted_scopes"];
/// The longest name of an account.
const MOST_NAME: usize = 64;
/// How many digits of a digest it ends with.
const DIGITS: usize = 16;

/// What the arguments come to.
pub(crate) struct Asked {
    /// What every request to the server carries besides.
    pub(crate) headers: HeaderMap,
    /// The tools that the host is not to have.
    pub(crate) hidden_tools: HiddenTools,
    /// How long the server may take to begin its answer.
    pub(crate) answer_timeout: Option<Duration>,
    /// By what mcp-remote files a login that was made with these arguments.
    pub(crate) identity: Identity,
    redirect_uri: Option<String>,
    no_resource: bool,
    audience: Option<Audience>,
    authorize: Vec<AuthorizeParameter>,
    client: Option<PreRegistered>,
    client_name: Option<String>,
    scope: Option<ScopeSet>,
}

/// An argument that is not taken, and what to do instead.
fn refuse(what: &str, why: impl std::fmt::Display, next: impl Into<String>) -> Box<Failure> {
    Failure::new("CLI-02", Exit::Usage, format!("{what} cannot be followed"), why, next)
}

/// Reads the arguments that go with the server of this URL.
///
/// # Errors
/// Names the argument that is not taken.
pub(crate) fn read(flags: &cli::McpRemote, url: &str, own_client: &cli::OwnClient) -> Result<Asked, Box<Failure>> {
    not_taken(flags, url)?;
    without_meaning(flags);
    let headers::Read { headers, written } = headers::read(flags)?;
    let authorize: Vec<_> = flags
        .authorize_param
        .iter()
        .map(|text| AuthorizeParameter::parse(text))
        .collect::<Result<_, _>>()
        .map_err(|why| {
            refuse(
                "--authorize-param",
                why,
                "name what the authorization server wants besides: --authorize-param audience=https://api.example.com",
            )
        })?;
    let (no_resource, audience) = audience(flags)?;
    let identity = Identity {
        audience: audience.as_ref().map(ToString::to_string),
        parameters: authorize.iter().map(|own| (own.name().to_owned(), own.value().to_owned())).collect(),
        headers: written,
        metadata_url: own_client.client_metadata_url.clone(),
    };
    let metadata = client_info::metadata(flags)?;
    let client = client_info::client(flags, &metadata)?;
    let port = client.is_some().then(|| identity.port(url));
    let redirect_uri = match &own_client.redirect_uri {
        Some(own) => Some(own.clone()),
        None => redirect::uri(flags, port)?,
    };
    Ok(Asked {
        headers,
        hidden_tools: HiddenTools::new(&flags.ignore_tool),
        answer_timeout: flags.headers_timeout.as_deref().map(seconds).transpose()?,
        identity,
        redirect_uri,
        no_resource,
        audience,
        authorize,
        client,
        client_name: metadata.client_name,
        scope: metadata.scope,
    })
}

impl Asked {
    /// Whether the requests authorize themselves, so that there is nothing to log in to.
    pub(crate) fn authorizes_itself(&self) -> bool {
        self.headers.contains_key(http::header::AUTHORIZATION)
    }

    /// Completes the flags that say the same in our own words.
    pub(crate) fn complete(&self, own_client: &mut cli::OwnClient, account: &mut cli::Account) {
        if own_client.redirect_uri.is_none() {
            own_client.redirect_uri.clone_from(&self.redirect_uri);
        }
        let rule = "no-resource";
        if self.no_resource && !own_client.tolerate.iter().any(|own| own == rule) {
            own_client.tolerate.push(rule.to_owned());
        }
        if account.account.is_none() {
            account.account = self.account();
        }
    }

    /// What the login is called, where it is another one than that of the URL alone: a token for another audience or tenant must
    /// not be taken for it. A person reads the name in many places, so it holds no value that is shown nowhere else; the digest
    /// tells those apart, and what is written alike.
    fn account(&self) -> Option<String> {
        let chosen = self.authorize.iter().filter(|own| !ONLY_OF_THE_PAGE.contains(&own.name()));
        let mut chosen: Vec<_> = chosen.map(|own| (own.name(), own.value())).collect();
        chosen.sort_unstable();
        let audience = self.audience.as_ref().map(ToString::to_string);
        if audience.is_none() && chosen.is_empty() {
            return None;
        }
        let words = chosen.iter().map(|(name, value)| {
            let shown =
                if is_harmless(name) { format!("{name}-{}", value.replace("://", "-")) } else { (*name).to_owned() };
            name_of(&shown)
        });
        let mut name = audience.iter().map(|text| name_of(text)).chain(words).collect::<Vec<_>>().join("_");
        let exact = serde_json::to_string(&(&audience, &chosen)).expect("texts serialise");
        let digest = &digest::hex(&exact)[..DIGITS];
        name.truncate(MOST_NAME - 1 - DIGITS);
        Some(format!("{name}-{digest}"))
    }

    /// Completes the target, in which the other flags stand already.
    pub(crate) fn apply(&self, target: &mut Target) {
        let redirect = self.redirect_uri.as_deref().and_then(|text| RedirectUri::parse(text).ok());
        target.clients.extend(self.client.clone().map(|client| PreRegistered { redirect_uri: redirect, ..client }));
        target.authorize.clone_from(&self.authorize);
        target.audience.clone_from(&self.audience);
        target.scope = target.scope.take().or_else(|| self.scope.clone());
        if let Some(name) = &self.client_name {
            target.client_name.clone_from(name);
        }
    }
}

fn not_taken(flags: &cli::McpRemote, url: &str) -> Result<(), Box<Failure>> {
    if flags.use_id_token {
        let why = "an ID token tells a client who has signed in; it is not issued for the server, and a server that takes it \
                   takes every other client's too";
        let next = "leave the argument out: the server gets the access token that was issued for it; a server that insists \
                    can be given a token of yours: --header 'Authorization: Bearer ${ID_TOKEN}'";
        return Err(refuse("--use-id-token", why, next));
    }
    if flags.token_endpoint.is_some() {
        let why =
            "the client's secret goes only where the metadata of the authorization server says that tokens are given";
        let next = "have the server publish where to log in (RFC 9728, RFC 8414), or give it a token of yours: --header \
                    'Authorization: Bearer ${TOKEN}'";
        return Err(refuse("--token-endpoint", why, next));
    }
    let plain = Url::parse(url).is_ok_and(|url| url.scheme() == "http" && !web_url::is_loopback(&url));
    if flags.allow_http && plain {
        let why = "over plain http whoever is on the way can read the token and use it";
        let next = "reach the server by https, or through a tunnel: ssh -N -L 8420:HOST:PORT NAME@HOST, then \
                    http://localhost:8420";
        return Err(refuse("--allow-http", why, next));
    }
    Ok(())
}

/// Names in one line what changes nothing here.
fn without_meaning(flags: &cli::McpRemote) {
    let all = [
        (flags.keep_alive, "--keep-alive (a connection that was lost is made again)"),
        (flags.ping_interval.is_some(), "--ping-interval (a connection that was lost is made again)"),
        (flags.connect_timeout.is_some(), "--connect-timeout (--reconnect-for says how long a network is waited for)"),
        (flags.body_timeout.is_some(), "--body-timeout (a stream that broke or fell silent is resumed)"),
        (flags.disable_cookies, "--disable-cookies (no cookies are kept)"),
        (flags.auth_success_url.is_some(), "--auth-success-url (the page itself says how the sign-in went)"),
        (flags.protocol.is_some(), "--protocol (which era the server is of is found out)"),
    ];
    let idle: Vec<_> = all.iter().filter(|(is_there, _)| *is_there).map(|(_, word)| *word).collect();
    if !idle.is_empty() {
        tracing::warn!("without meaning here: {}", idle.join(", "));
    }
}

/// What the authorization server is told that the token is for. mcp-remote takes an empty text for a wish to tell it nothing.
fn audience(flags: &cli::McpRemote) -> Result<(bool, Option<Audience>), Box<Failure>> {
    let text = flags.resource.as_deref().map(str::trim);
    if flags.disable_resource_parameter || text == Some("") {
        return Ok((true, None));
    }
    let audience = text.map(Audience::parse).transpose();
    let next = "write it as the authorization server knows it: --resource https://tenant.example.com/";
    Ok((false, audience.map_err(|why| refuse("--resource", why, next))?))
}

/// What an account is called that was made for this audience.
fn name_of(audience: &str) -> String {
    let (_, rest) = audience.split_once("://").unwrap_or(("", audience));
    let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = rest.trim_matches(|c: char| !c.is_ascii_alphanumeric()).chars().map(fits).collect();
    if name.is_empty() { "resource".to_owned() } else { name }
}

/// Seconds as mcp-remote takes them, with a fraction if need be; 0 is no limit.
fn seconds(text: &str) -> Result<Duration, Box<Failure>> {
    const LONGEST: f64 = 366.0 * 86_400.0;
    match text.trim().parse::<f64>() {
        Ok(0.0) => Ok(Duration::from_secs_f64(LONGEST)),
        Ok(number) if number > 0.0 && number <= LONGEST => Ok(Duration::from_secs_f64(number)),
        _ => Err(refuse("--headers-timeout", format!("{text:?} is no number of seconds"), "--request-timeout 300")),
    }
}

#[cfg(test)]
mod tests;
