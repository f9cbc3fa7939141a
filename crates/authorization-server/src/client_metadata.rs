//! What a client says of itself, judged by the same rules wherever it says it: when it registers, when it changes its
//! registration, and in its own document.

use doorward_types::{
    ClientId, RedirectUri, ScopeSet, Timestamp, jose::KeySet, messages::ClientMetadata, redirect::Kind, web_url,
};
use serde_json::Value;
use url::{Host, Url};

use crate::{
    Policy,
    display_name::clean_name,
    facts::{Client, ClientAuthentication, ClientKeys, ClientOrigin},
    known_apps,
    members::{Members, MetadataRefusal, Refused},
    policy::GRANT_TYPES,
};

/// The most bytes of other texts that are kept.
const MOST_TEXT: usize = 256;
/// The most bytes of a key set.
const MOST_KEYS: usize = 16 * 1024;

/// How a client wants to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    None,
    SecretBasic,
    SecretPost,
    PrivateKeyJwt(ClientKeys),
}

/// The methods by their registered names.
pub(crate) const METHODS: [&str; 4] = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

/// What a client says of itself, judged.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) name: Option<String>,
    pub(crate) redirect_uris: Vec<RedirectUri>,
    /// None when it names none.
    pub(crate) method: Option<Method>,
    pub(crate) grant_types: Vec<String>,
    pub(crate) application_type: &'static str,
    pub(crate) scope: Option<ScopeSet>,
    pub(crate) client_uri: Option<String>,
    pub(crate) software_id: Option<String>,
    pub(crate) dpop_bound: bool,
    pub(crate) pushed_only: bool,
}

impl Described {
    /// Judges all that a registration says. Members that are not known are passed over.
    pub(crate) fn read(policy: &Policy, members: &Members) -> Refused<Self> {
        let grant_types = grant_types(members)?;
        let by_browser = grant_types.iter().any(|grant| grant == "authorization_code");
        let redirect_uris = redirect_uris(policy, members, by_browser)?;
        check_response_types(members, by_browser)?;
        let application_type = application_type(members, &redirect_uris)?;
        check_uris(policy, members)?;
        let method = method(members)?;
        if method == Some(Method::None) && members.get("client_secret").is_some() {
            return Err(MetadataRefusal::metadata(
                "client_secret contradicts token_endpoint_auth_method none, and secrets are never chosen by the client",
            ));
        }
        Ok(Self {
            name: members.text("client_name")?.and_then(clean_name),
            redirect_uris,
            method,
            grant_types,
            application_type,
            scope: scope(policy, members)?,
            client_uri: members.text("client_uri")?.filter(|uri| !uri.is_empty()).map(str::to_owned),
            software_id: software_id(members)?,
            dpop_bound: members.truth("dpop_bound_access_tokens")?,
            pushed_only: members.truth("require_pushed_authorization_requests")?,
        })
    }

    /// The client that is described so.
    pub(crate) fn client(
        self,
        id: ClientId,
        origin: ClientOrigin,
        authentication: ClientAuthentication,
        now: Timestamp,
    ) -> Client {
        Client {
            id,
            origin,
            name: self.name,
            redirect_uris: self.redirect_uris,
            authentication,
            grant_types: self.grant_types,
            application_type: Some(self.application_type.to_owned()),
            scope: self.scope,
            client_uri: self.client_uri,
            software_id: self.software_id,
            dpop_bound: self.dpop_bound,
            pushed_only: self.pushed_only,
            protects: None,
            exchanges_for: Vec::new(),
            management: None,
            fingerprint: None,
            created_at: now,
            last_used_at: None,
            expires_at: None,
            fresh_until: None,
        }
    }
}

/// A client's registration as it is answered.
pub(crate) fn registered(client: &Client) -> ClientMetadata {
    let by_browser = client.grant_types.iter().any(|grant| grant == "authorization_code");
    let (jwks, jwks_uri) = match &client.authentication {
        ClientAuthentication::PrivateKeyJwt(ClientKeys::Inline(keys)) => (serde_json::from_str(keys).ok(), None),
        ClientAuthentication::PrivateKeyJwt(ClientKeys::At(uri)) => (None, Some(uri.clone())),
        _ => (None, None),
    };
    ClientMetadata {
        redirect_uris: client.redirect_uris.iter().map(ToString::to_string).collect(),
        client_name: client.name.clone(),
        client_uri: client.client_uri.clone(),
        token_endpoint_auth_method: Some(client.authentication.name().to_owned()),
        grant_types: Some(client.grant_types.clone()),
        response_types: Some(if by_browser { vec!["code".to_owned()] } else { Vec::new() }),
        application_type: client.application_type.clone(),
        scope: client.scope.as_ref().map(ToString::to_string),
        software_id: client.software_id.clone(),
        software_version: None,
        jwks,
        jwks_uri,
        dpop_bound_access_tokens: client.dpop_bound.then_some(true),
        require_pushed_authorization_requests: client.pushed_only.then_some(true),
    }
}

pub(crate) fn unsupported(name: &str, value: &str, supported: &[&str]) -> MetadataRefusal {
    MetadataRefusal::Metadata(format!("{name} {} is not supported; use {}", shorten(value), supported.join(", ")))
}

/// Evidence, cut to what fits in a sentence.
pub(crate) fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn redirect_uris(policy: &Policy, members: &Members, wanted: bool) -> Refused<Vec<RedirectUri>> {
    let uris = members.texts("redirect_uris")?.unwrap_or_default();
    if uris.is_empty() && wanted {
        return Err(MetadataRefusal::RedirectUri("redirect_uris is missing or empty".to_owned()));
    }
    if uris.len() > policy.most_redirect_uris {
        let most = policy.most_redirect_uris;
        return Err(MetadataRefusal::Metadata(format!("redirect_uris has more than {most} entries")));
    }
    let mut judged: Vec<RedirectUri> = Vec::with_capacity(uris.len());
    for uri in uris {
        let redirect = redirect_uri(policy, uri)?;
        if !judged.contains(&redirect) {
            judged.push(redirect);
        }
    }
    Ok(judged)
}

/// Judges one redirect URI; the refusal names it and the rule.
pub(crate) fn redirect_uri(policy: &Policy, uri: &str) -> Refused<RedirectUri> {
    let refuse = |rule: &dyn std::fmt::Display| {
        MetadataRefusal::RedirectUri(format!("{} cannot be registered: {rule}", shorten(uri)))
    };
    let redirect = RedirectUri::parse(uri).map_err(|rule| refuse(&rule))?;
    match redirect.kind() {
        Kind::PrivateUse { scheme }
            if !scheme.contains('.')
                && !known_apps::has_callback(uri)
                && !policy.known_callbacks.iter().any(|known| known == uri) =>
        {
            Err(refuse(&format_args!(
                "the scheme {scheme} has no dot and this is not the callback of a known app (RFC 8252 section 7.1)"
            )))
        }
        _ => Ok(redirect),
    }
}

/// Extension grants (a URN) that a stranger cannot have are left out, and the answer shows it: apps list all they know.
/// Anything else that it cannot have is refused.
fn grant_types(members: &Members) -> Refused<Vec<String>> {
    let asked = members.texts("grant_types")?.unwrap_or_else(|| vec!["authorization_code"]);
    if asked.contains(&"client_credentials") {
        return Err(MetadataRefusal::metadata(
            "grant_types client_credentials is for clients that the operator registers, and no client can register itself for it",
        ));
    }
    let known = |asked: &&&str| GRANT_TYPES.contains(*asked) || asked.starts_with("urn:");
    if let Some(unknown) = asked.iter().find(|asked| !known(asked)) {
        return Err(unsupported("grant_types", unknown, &GRANT_TYPES));
    }
    let kept: Vec<String> =
        GRANT_TYPES.into_iter().filter(|known| asked.contains(known)).map(ToOwned::to_owned).collect();
    if kept.iter().all(|grant| grant == "refresh_token") {
        return Err(MetadataRefusal::metadata(
            "grant_types must contain authorization_code or the device_code grant, for nothing else begins an access",
        ));
    }
    Ok(kept)
}

/// Source: RFC 7591 section 2.1.
fn check_response_types(members: &Members, by_browser: bool) -> Refused<()> {
    let Some(asked) = members.texts("response_types")? else { return Ok(()) };
    match asked.iter().find(|asked| **asked != "code") {
        Some(unknown) => Err(unsupported("response_types", unknown, &["code"])),
        None if asked.is_empty() && by_browser => {
            Err(MetadataRefusal::metadata("response_types must contain code, since grant_types has authorization_code"))
        }
        None if !asked.is_empty() && !by_browser => {
            Err(MetadataRefusal::metadata("response_types contains code, but grant_types has no authorization_code"))
        }
        None => Ok(()),
    }
}

/// A client with a redirect URI on the person's own device is native, whatever it says; one with none is what it says,
/// and `web` if it says nothing. The answer tells it.
fn application_type(members: &Members, redirects: &[RedirectUri]) -> Refused<&'static str> {
    let on_device = redirects.is_empty() || redirects.iter().any(|redirect| !matches!(redirect.kind(), Kind::Https));
    match members.text("application_type")? {
        None | Some("web") => Ok(if on_device { "native" } else { "web" }),
        Some("native") => Ok("native"),
        Some(other) => Err(unsupported("application_type", other, &["native", "web"])),
    }
}

/// The scopes that exist here of those it names; none when that leaves nothing.
fn scope(policy: &Policy, members: &Members) -> Refused<Option<ScopeSet>> {
    let Some(text) = members.text("scope")? else { return Ok(None) };
    let asked = ScopeSet::parse(text.trim())
        .map_err(|rule| MetadataRefusal::Metadata(format!("scope is malformed: {rule}")))?;
    let known = policy.resources.iter().fold(ScopeSet::none(), |all, resource| all.union(&resource.scopes));
    Ok(Some(asked.intersection(&known)).filter(|scope| !scope.is_empty()))
}

fn software_id(members: &Members) -> Refused<Option<String>> {
    match members.text("software_id")? {
        Some(text) if text.len() > MOST_TEXT || text.chars().any(char::is_control) => Err(MetadataRefusal::Metadata(
            format!("software_id is longer than {MOST_TEXT} bytes or holds a control character"),
        )),
        other => Ok(other.filter(|text| !text.is_empty()).map(str::to_owned)),
    }
}

/// The members that are URLs. None of them is ever fetched when a client registers; what is not a public https address
/// is not kept either, so that no page or tool leads to it later. An empty one counts as absent: some apps send it so.
///
/// Keys may be on this computer while this server is: somebody is developing, as with documents.
fn check_uris(policy: &Policy, members: &Members) -> Refused<()> {
    const NAMES: [&str; 7] =
        ["client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "sector_identifier_uri", "initiate_login_uri"];
    let developing = web_url::is_loopback(&policy.issuer.url());
    let is_here = |url: &Url| url.scheme() == "https" && web_url::is_loopback(url);
    for name in NAMES {
        if let Some(uri) = members.text(name)?.filter(|uri| !uri.is_empty()) {
            if developing && name == "jwks_uri" && web_url::parse(uri).is_ok_and(|url| is_here(&url)) {
                continue;
            }
            public_url(uri)
                .map_err(|rule| MetadataRefusal::Metadata(format!("{name} {} cannot be used: {rule}", shorten(uri))))?;
        }
    }
    Ok(())
}

/// Reads an https URL with a host name that could be public. Its address is judged when it is reached for.
pub(crate) fn public_url(text: &str) -> Result<Url, String> {
    // The parser would write a control character in another way or leave it out; the text is what is kept.
    if text.chars().any(char::is_control) {
        return Err("it holds a control character".to_owned());
    }
    let url = Url::parse(text).map_err(|_| "it is not an absolute URL".to_owned())?;
    if url.scheme() != "https" {
        return Err("it is not https".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries a user name or password".to_owned());
    }
    match url.host() {
        Some(Host::Domain(name)) if name.contains('.') && !name.ends_with('.') && !name.ends_with(".localhost") => {
            Ok(url)
        }
        Some(Host::Domain(_)) => Err("its host is not a public name".to_owned()),
        _ => Err("its host is an IP address and no name".to_owned()),
    }
}

pub(crate) fn method(members: &Members) -> Refused<Option<Method>> {
    let keys = keys(members)?;
    Ok(match members.text("token_endpoint_auth_method")? {
        None => None,
        Some("none") => Some(Method::None),
        Some("client_secret_basic") => Some(Method::SecretBasic),
        Some("client_secret_post") => Some(Method::SecretPost),
        Some("private_key_jwt") => Some(Method::PrivateKeyJwt(keys.ok_or_else(|| {
            MetadataRefusal::metadata("token_endpoint_auth_method private_key_jwt needs jwks or jwks_uri")
        })?)),
        Some(other) => return Err(unsupported("token_endpoint_auth_method", other, &METHODS)),
    })
}

/// The client's public keys, by value or by place.
///
/// Source: RFC 7591 section 2.
fn keys(members: &Members) -> Refused<Option<ClientKeys>> {
    let refuse = |text: &str| Err(MetadataRefusal::metadata(text));
    match (members.get("jwks"), members.text("jwks_uri")?.filter(|uri| !uri.is_empty())) {
        (Some(_), Some(_)) => refuse("jwks and jwks_uri exclude each other"),
        (None, None) => Ok(None),
        (None, Some(uri)) => match web_url::parse(uri) {
            Ok(_) => Ok(Some(ClientKeys::At(uri.to_owned()))),
            Err(rule) => Err(MetadataRefusal::Metadata(format!("jwks_uri cannot be used: {rule}"))),
        },
        (Some(set), None) => {
            let Some(list) = set.get("keys").and_then(Value::as_array) else {
                return refuse("jwks is not a JWK set");
            };
            const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
            let secret = |key: &Value| {
                key.get("kty").and_then(Value::as_str) == Some("oct")
                    || PRIVATE.iter().any(|member| key.get(member).is_some())
            };
            if list.iter().any(secret) {
                return refuse("jwks holds a symmetric or private key; register public keys only and replace this one");
            }
            let text = set.to_string();
            if text.len() > MOST_KEYS {
                return Err(MetadataRefusal::Metadata(format!("jwks is longer than {MOST_KEYS} bytes")));
            }
            match KeySet::parse(text.as_bytes()) {
                Ok(keys) if !keys.is_empty() => Ok(Some(ClientKeys::Inline(text))),
                _ => refuse("jwks has no key that can be used: P-256, Ed25519, or RSA of 2048 bits and more"),
            }
        }
    }
}
