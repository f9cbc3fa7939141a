//! A client whose identifier is the URL of a document that describes it.

use std::time::Duration;

use doorward_types::{
    ClientId, Digest, Issuer, Secret, Timestamp,
    outbound::{Inbound, Outbound, Reach, Redirects},
    secret::Registration,
    web_url,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use url::{Host, Url};

use crate::{
    Policy, Write,
    client_metadata::{self, Described, Method},
    facts::{Client, ClientAuthentication, ClientOrigin},
    members::{Members, MetadataRefusal},
    policy::GRANT_TYPES,
};

/// The most bytes of a document. 5 KB are recommended; several apps list more callbacks than fit there.
///
/// Source: draft-ietf-oauth-client-id-metadata-document section 6.6.
pub const MOST_BYTES: usize = 10 * 1024;
/// The time for reading one, with resolution and TLS.
const MOST_TIME: Duration = Duration::from_secs(5);
/// A copy is good for this long at the least: its host is not asked more often.
const SHORTEST: Duration = Duration::from_secs(60);
/// A copy is good for this long at the most.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// How long a copy is good when its host says nothing.
const UNSAID: Duration = Duration::from_secs(10 * 60);

/// The URL of a document, in the one spelling that counts. Making one is the check of its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentUrl {
    url: Url,
    text: String,
}

/// Why a client identifier is not the URL of a document. The message completes "… because".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocumentUrl {
    /// Not https.
    #[error("it is not https")]
    NotHttps,
    /// Not the one canonical spelling of a URL, or with user information, a fragment or dot segments.
    #[error("{0}")]
    Url(#[from] web_url::InvalidUrl),
    /// No path.
    #[error("it has no path")]
    NoPath,
    /// A query. A page that shows what is in its query would describe any client that way.
    #[error("it has a query")]
    Query,
    /// Another port than 443.
    #[error("it names a port")]
    Port,
    /// An address, or a name that cannot be a public one.
    #[error("its host is no public name")]
    Host,
}

impl DocumentUrl {
    /// Reads a client identifier as the URL of a document.
    ///
    /// # Errors
    /// Names the rule that it breaks.
    /// Source: draft-ietf-oauth-client-id-metadata-document section 3.
    pub fn parse(text: &str) -> Result<Self, InvalidDocumentUrl> {
        use InvalidDocumentUrl as I;
        if !text.starts_with("https://") {
            return Err(I::NotHttps);
        }
        let url = web_url::parse(text)?;
        if url.path() == "/" {
            return Err(I::NoPath);
        }
        if url.query().is_some() {
            return Err(I::Query);
        }
        if !web_url::is_loopback(&url) {
            if url.port().is_some() {
                return Err(I::Port);
            }
            let public = |name: &str| name.contains('.') && !name.ends_with('.');
            if !matches!(url.host(), Some(Host::Domain(name)) if public(name)) {
                return Err(I::Host);
            }
        }
        Ok(Self { text: text.to_owned(), url })
    }

    /// The host, for people and for limits.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The URL as the client wrote it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Whether an identifier is meant as a document's URL; no other identifier here looks like one.
pub fn is_meant(id: &ClientId) -> bool {
    id.as_str().starts_with("https://")
}

/// The request that reads a document, or the keys it names. Only public addresses are reached, unless both this server and
/// the host are on this computer: then somebody is developing. An address that is forbidden shows when it is asked for.
///
/// Source: draft-ietf-oauth-client-id-metadata-document sections 4, 6.5 and 6.6.
pub fn request(issuer: &Issuer, url: &Url) -> Outbound {
    let developing = web_url::is_loopback(&issuer.url()) && web_url::is_loopback(url);
    let reach = if developing { Reach::Anywhere } else { Reach::Public };
    let mut request = Outbound::metadata(url.clone(), reach);
    request.headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    request.most_bytes = MOST_BYTES;
    request.timeout = MOST_TIME;
    request.redirects = Redirects::Refuse;
    request
}

impl DocumentUrl {
    /// The request that reads this document.
    pub fn request(&self, issuer: &Issuer) -> Outbound {
        request(issuer, &self.url)
    }
}

/// Why an answer is not a document that can be used. For the log alone: whoever asked learns only that there is none, so
/// that nobody can look at other hosts through this one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentRefusal {
    /// Another status than 200.
    #[error("the answer has status {0}, and only 200 counts")]
    Status(u16),
    /// Not JSON.
    #[error("the answer is not application/json")]
    MediaType,
    /// Its `client_id` is not its URL, byte for byte.
    #[error("its client_id is not the URL it was read at")]
    OtherClient,
    /// A secret in a public document, or a method that needs one.
    #[error("{0} has no place in a public document")]
    Secret(&'static str),
    /// Anything that would be wrong in a registration too.
    #[error("{0}")]
    Description(#[from] MetadataRefusal),
}

/// Reads a document into the client it describes, good until the returned client's `fresh_until`.
///
/// # Errors
/// When it is none, describes another client, or describes one that could not register.
/// Source: draft-ietf-oauth-client-id-metadata-document sections 4 and 4.1.
pub fn read(policy: &Policy, url: &DocumentUrl, answer: &Inbound, now: Timestamp) -> Result<Client, DocumentRefusal> {
    if answer.status != StatusCode::OK {
        return Err(DocumentRefusal::Status(answer.status.as_u16()));
    }
    if !is_json(&answer.headers) {
        return Err(DocumentRefusal::MediaType);
    }
    let members = Members::read(&answer.body, MOST_BYTES)?;
    if members.text("client_id")? != Some(url.as_str()) {
        return Err(DocumentRefusal::OtherClient);
    }
    for name in ["client_secret", "client_secret_expires_at"] {
        if members.get(name).is_some() {
            return Err(DocumentRefusal::Secret(name));
        }
    }
    let members = members.without_foreign(policy);
    let mut description = Described::read(policy, &members)?;
    let authentication = match description.method.take() {
        // The default of a registration would be a secret, which a document cannot have.
        None | Some(Method::None) => ClientAuthentication::None,
        Some(Method::PrivateKeyJwt(keys)) => ClientAuthentication::PrivateKeyJwt(keys),
        Some(Method::SecretBasic) => return Err(DocumentRefusal::Secret("client_secret_basic")),
        Some(Method::SecretPost) => return Err(DocumentRefusal::Secret("client_secret_post")),
    };
    let id = ClientId::parse(url.as_str()).map_err(|_| DocumentRefusal::OtherClient)?;
    Ok(Client {
        expires_at: Some(now.plus(policy.lifetimes.unused_client)),
        fresh_until: Some(now.plus(lifetime(&answer.headers))),
        ..description.client(id, ClientOrigin::Document, authentication, now)
    })
}

impl Members {
    /// A document is one for all servers. What this one does not have is passed over, where a registration would be told:
    /// redirect URIs that cannot be used here are as if they were not there, and so are other servers' grants.
    fn without_foreign(self, policy: &Policy) -> Self {
        let mut members = self.into_map();
        let mut keep = |name: &str, good: &dyn Fn(&str) -> bool| {
            if let Some(Value::Array(items)) = members.get_mut(name)
                && items.iter().any(|item| item.as_str().is_some_and(good))
            {
                items.retain(|item| item.as_str().is_none_or(good));
            }
        };
        keep("redirect_uris", &|uri| client_metadata::redirect_uri(policy, uri).is_ok());
        keep("grant_types", &|grant| GRANT_TYPES.contains(&grant));
        keep("response_types", &|answer| answer == "code");
        members.into()
    }
}

/// The keys at a client's `jwks_uri`, or nothing when the answer is not a key set.
pub fn read_keys(answer: &Inbound) -> Option<doorward_types::jose::KeySet> {
    let media = ["application/json", "application/jwk-set+json"];
    let named = answer.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let named = named.map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let good = answer.status == StatusCode::OK
        && answer.body.len() <= MOST_BYTES
        && named.is_some_and(|named| media.contains(&named.as_str()));
    good.then(|| doorward_types::jose::KeySet::parse(&answer.body).ok()).flatten().filter(|keys| !keys.is_empty())
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(text)), None) = (values.next().map(HeaderValue::to_str), values.next()) else { return false };
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let suffixed = media.strip_prefix("application/").and_then(|rest| rest.strip_suffix("+json"));
    media == "application/json" || suffixed.is_some_and(|name| !name.is_empty())
}

/// How long an answer is good by its headers, within our own bounds.
///
/// Source: RFC 9111 section 4.2.
pub fn lifetime(headers: &HeaderMap) -> Duration {
    let texts = |name| headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let directives: Vec<String> = texts(header::CACHE_CONTROL)
        .flat_map(|text| text.split(','))
        .map(|directive| directive.trim().to_ascii_lowercase())
        .collect();
    let has = |name: &str| directives.iter().any(|directive| directive.split('=').next() == Some(name));
    if has("no-store") || has("no-cache") || has("private") {
        return SHORTEST;
    }
    // We keep one copy for everybody, so the directive for shared caches goes first.
    let seconds = |name: &str| {
        let value = directives.iter().find_map(|directive| directive.strip_prefix(name)?.strip_prefix('='))?;
        let digits = value.trim_matches('"');
        // More digits than fit mean: very long.
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let age = texts(header::AGE).next().and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    match seconds("s-maxage").or_else(|| seconds("max-age")) {
        Some(most) => Duration::from_secs(most.saturating_sub(age)).clamp(SHORTEST, LONGEST),
        None if headers.contains_key(header::EXPIRES) => SHORTEST,
        None => UNSAID,
    }
}

/// What to write after a document was read: a new copy, or one in place of the old. `strangers` is how many clients there
/// are that nobody vouches for.
///
/// A document that used to name keys and does not any more lets anybody speak for the client, so what was granted to it
/// before ends.
///
/// # Errors
/// When there are too many clients.
pub fn refreshed(
    policy: &Policy,
    before: Option<&Client>,
    read: Client,
    strangers: u64,
    now: Timestamp,
) -> Result<(Client, Vec<Write>), TooManyClients> {
    let Some(before) = before else {
        if strangers >= policy.most_strangers {
            return Err(TooManyClients);
        }
        return Ok((read.clone(), vec![Write::InsertClient(read)]));
    };
    let had_keys = matches!(before.authentication, ClientAuthentication::PrivateKeyJwt(_));
    if had_keys && read.authentication == ClientAuthentication::None {
        // Only as it was seen: another node may have done the same, and people have allowed the new one something since.
        let seen = Box::new(before.clone());
        let writes = vec![
            Write::ReplaceClient { before: seen.clone(), after: seen, at: now },
            Write::DeleteClient { client: before.id.clone(), at: now },
            Write::InsertClient(read.clone()),
        ];
        return Ok((read, writes));
    }
    let after = Client {
        created_at: before.created_at,
        last_used_at: before.last_used_at,
        expires_at: before.expires_at.max(read.expires_at),
        ..read
    };
    let write = Write::ReplaceClient { before: Box::new(before.clone()), after: Box::new(after.clone()), at: now };
    Ok((after, vec![write]))
}

/// There are as many unknown clients as the operator allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this server has taken as many clients as it allows")]
pub struct TooManyClients;

/// Whether the stored copy of a document may be used without another look at it.
pub fn is_fresh(client: &Client, now: Timestamp) -> bool {
    client.exists(now) && client.fresh_until.is_some_and(|until| until > now)
}

impl Client {
    /// The digest of what a person judges a client by: its name, where answers go, and how it proves who it is. A request
    /// that waits for consent remembers it, and a client that says something else by then is asked about anew.
    ///
    /// Source: draft-ietf-oauth-client-id-metadata-document section 6.3.
    pub fn face(&self) -> Digest<Registration> {
        let keys = match &self.authentication {
            ClientAuthentication::PrivateKeyJwt(keys) => format!("{keys:?}"),
            _ => String::new(),
        };
        let uris: Vec<_> = self.redirect_uris.iter().map(ToString::to_string).collect();
        let text = serde_json::json!([self.name, uris, self.authentication.name(), keys, self.client_uri]);
        Secret::parse(text.to_string()).map_or_else(|_| unknown_face(), |text| text.digest())
    }
}

fn unknown_face() -> Digest<Registration> {
    Digest::from_bytes(&[0; 32]).expect("32 bytes are a digest")
}

#[cfg(test)]
mod tests;
