//! Dynamic client registration.

use doorward_types::{
    ClientId, Entropy, RedirectUri, Secret, Timestamp, json,
    messages::{ClientMetadata, ErrorResponse, RegistrationResponse},
    redirect::Kind,
    secret::ClientSecret,
};
use serde_json::{Map, Value};

use crate::{
    Policy, Write,
    facts::{Client, ClientAuthentication, ClientOrigin},
    policy::{AUTHENTICATION_METHODS, GRANT_TYPES},
    random,
};

/// The most bytes of a registration.
pub const MOST_BYTES: usize = 64 * 1024;
/// The most characters of a client's name; the rest is cut.
const MOST_NAME: usize = 64;

/// Why a registration was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationRefusal {
    /// A redirect URI cannot be registered, or there is none. The text names it and the rule.
    #[error("{0}")]
    RedirectUri(String),
    /// Anything else. The text names the member and what is wrong with it.
    #[error("{0}")]
    Metadata(String),
}

impl RegistrationRefusal {
    /// The code on the wire.
    ///
    /// Source: RFC 7591 section 3.2.2.
    pub const fn error(&self) -> &'static str {
        match self {
            Self::RedirectUri(_) => "invalid_redirect_uri",
            Self::Metadata(_) => "invalid_client_metadata",
        }
    }

    /// The body of the answer, whose status is 400.
    pub fn response(&self) -> ErrorResponse {
        let visible = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
        ErrorResponse {
            error: self.error().to_owned(),
            error_description: Some(self.to_string().chars().filter(visible).collect()),
        }
    }
}

/// Registers a client from the JSON it sent. What the server decides (identifier, secret, trust) cannot be sent along:
/// members that are not known are passed over. The answer holds all that was registered.
///
/// # Errors
/// Names what is wrong, and with which value.
/// Source: RFC 7591 sections 2 and 3, OpenID Connect Dynamic Client Registration section 2.
pub fn register(
    policy: &Policy,
    body: &[u8],
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(RegistrationResponse, Vec<Write>), RegistrationRefusal> {
    let members = read(body)?;
    let redirect_uris = redirect_uris(policy, &members)?;
    let grant_types = grant_types(&members)?;
    check_response_types(&members)?;
    let application_type = application_type(&members, &redirect_uris)?;
    let method = text(&members, "token_endpoint_auth_method")?.unwrap_or("client_secret_basic");
    let (authentication, secret) = match method {
        "none" => (ClientAuthentication::None, None),
        "client_secret_basic" | "client_secret_post" => {
            let secret = Secret::<ClientSecret>::generate(entropy);
            let digest = secret.digest();
            let authentication = match method {
                "client_secret_post" => ClientAuthentication::SecretPost(digest),
                _ => ClientAuthentication::SecretBasic(digest),
            };
            (authentication, Some(secret))
        }
        other => return Err(unsupported("token_endpoint_auth_method", other, &AUTHENTICATION_METHODS)),
    };
    let client = Client {
        id: ClientId::parse(random::name("dwcl_", entropy)).expect("base64url is a client identifier"),
        origin: ClientOrigin::Dynamic,
        name: text(&members, "client_name")?.and_then(clean_name),
        redirect_uris,
        authentication,
        grant_types,
        application_type: Some(application_type.to_owned()),
        scope: None,
        client_uri: None,
        software_id: None,
        dpop_bound: false,
        pushed_only: false,
        protects: None,
        management: None,
        fingerprint: None,
        created_at: now,
        last_used_at: None,
        expires_at: None,
        fresh_until: None,
    };
    let response = RegistrationResponse {
        client_id: client.id.to_string(),
        client_secret_expires_at: secret.as_ref().map(|_| 0),
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        client_id_issued_at: Some(now.as_unix()),
        metadata: ClientMetadata {
            redirect_uris: client.redirect_uris.iter().map(ToString::to_string).collect(),
            client_name: client.name.clone(),
            token_endpoint_auth_method: Some(client.authentication.name().to_owned()),
            grant_types: Some(client.grant_types.clone()),
            response_types: Some(vec!["code".to_owned()]),
            application_type: client.application_type.clone(),
            ..ClientMetadata::default()
        },
    };
    Ok((response, vec![Write::InsertClient(client)]))
}

fn read(body: &[u8]) -> Result<Map<String, Value>, RegistrationRefusal> {
    if body.len() > MOST_BYTES {
        return Err(RegistrationRefusal::Metadata(format!("the registration is longer than {MOST_BYTES} bytes")));
    }
    match json::parse(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(RegistrationRefusal::Metadata("the registration is not a JSON object".to_owned())),
        Err(refusal) => Err(RegistrationRefusal::Metadata(format!("the registration is not valid JSON: {refusal}"))),
    }
}

/// A text member; null counts as absent.
fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, RegistrationRefusal> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(RegistrationRefusal::Metadata(format!("{name} is not a string"))),
    }
}

/// A member that is a list of texts; null counts as absent.
fn texts<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<Vec<&'a str>>, RegistrationRefusal> {
    let wrong = || RegistrationRefusal::Metadata(format!("{name} is not an array of strings"));
    match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect::<Option<_>>().map(Some).ok_or_else(wrong),
        Some(_) => Err(wrong()),
    }
}

fn unsupported(name: &str, value: &str, supported: &[&str]) -> RegistrationRefusal {
    RegistrationRefusal::Metadata(format!("{name} {} is not supported; use {}", shorten(value), supported.join(", ")))
}

/// Evidence, cut to what fits in a sentence.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}

fn redirect_uris(policy: &Policy, members: &Map<String, Value>) -> Result<Vec<RedirectUri>, RegistrationRefusal> {
    let uris = texts(members, "redirect_uris")?.unwrap_or_default();
    if uris.is_empty() {
        return Err(RegistrationRefusal::RedirectUri("redirect_uris is missing or empty".to_owned()));
    }
    if uris.len() > policy.most_redirect_uris {
        let most = policy.most_redirect_uris;
        return Err(RegistrationRefusal::Metadata(format!("redirect_uris has more than {most} entries")));
    }
    let mut judged: Vec<RedirectUri> = Vec::with_capacity(uris.len());
    for uri in uris {
        let refuse = |rule: &dyn std::fmt::Display| {
            RegistrationRefusal::RedirectUri(format!("{} cannot be registered: {rule}", shorten(uri)))
        };
        let redirect = RedirectUri::parse(uri).map_err(|rule| refuse(&rule))?;
        if let Kind::PrivateUse { scheme } = redirect.kind()
            && !scheme.contains('.')
            && !policy.known_callbacks.iter().any(|known| known == uri)
        {
            return Err(refuse(&format_args!(
                "the scheme {scheme} has no dot and this is not the callback of a known app (RFC 8252 section 7.1)"
            )));
        }
        if !judged.contains(&redirect) {
            judged.push(redirect);
        }
    }
    Ok(judged)
}

/// Extension grants (a URN) that do not exist here are left out, and the answer shows it: apps list all they know.
/// Anything else that does not exist here is refused.
fn grant_types(members: &Map<String, Value>) -> Result<Vec<String>, RegistrationRefusal> {
    let asked = texts(members, "grant_types")?.unwrap_or_else(|| vec!["authorization_code"]);
    if let Some(unknown) = asked.iter().find(|asked| !GRANT_TYPES.contains(asked) && !asked.starts_with("urn:")) {
        return Err(unsupported("grant_types", unknown, &GRANT_TYPES));
    }
    if !asked.contains(&"authorization_code") {
        return Err(RegistrationRefusal::Metadata("grant_types must contain authorization_code".to_owned()));
    }
    Ok(GRANT_TYPES.into_iter().filter(|known| asked.contains(known)).map(ToOwned::to_owned).collect())
}

fn check_response_types(members: &Map<String, Value>) -> Result<(), RegistrationRefusal> {
    let asked = texts(members, "response_types")?.unwrap_or_else(|| vec!["code"]);
    match asked.iter().find(|asked| **asked != "code") {
        Some(unknown) => Err(unsupported("response_types", unknown, &["code"])),
        None if asked.is_empty() => Err(RegistrationRefusal::Metadata("response_types must contain code".to_owned())),
        None => Ok(()),
    }
}

/// A client with a redirect URI on the person's own device is native, whatever it says; one with none is what it says,
/// and `web` if it says nothing. The answer tells it.
fn application_type(
    members: &Map<String, Value>,
    redirects: &[RedirectUri],
) -> Result<&'static str, RegistrationRefusal> {
    let on_device = redirects.iter().any(|redirect| !matches!(redirect.kind(), Kind::Https));
    match text(members, "application_type")? {
        None | Some("web") => Ok(if on_device { "native" } else { "web" }),
        Some("native") => Ok("native"),
        Some(other) => Err(unsupported("application_type", other, &["native", "web"])),
    }
}

/// What of a self-given name is fit to be shown: no control, direction or invisible characters, single spaces, not too long.
fn clean_name(name: &str) -> Option<String> {
    let invisible = |c: char| {
        matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
    };
    let visible: String = name
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !invisible(*c))
        .collect();
    let clean: String = visible.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    let cut: String = clean.chars().take(MOST_NAME).collect();
    Some(cut.trim_end().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests;
