//! What each fuzz target does with its bytes. Beyond that nothing panics, each says what must hold for what was accepted.

use doorward_authorization_server::{
    Policy,
    client_auth::Presented,
    client_document::{self, DocumentUrl},
    registration,
};
use doorward_types::{
    ClientId, Entropy, Issuer, RedirectUri, ResourceId, ScopeSet, Timestamp, challenge,
    form::Form,
    jose::{self, KeySet, SigningKey, dpop},
    json,
    messages::TokenResponse,
    metadata::AuthorizationServerMetadata,
    outbound::Inbound,
    web_url,
};
use http::{HeaderMap, HeaderValue};
use std::sync::LazyLock;

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Form bodies and query strings.
pub fn form(bytes: &[u8]) {
    let Ok(form) = Form::parse(bytes) else { return };
    let names: Vec<&str> = form.names().collect();
    for name in &names {
        let times = names.iter().filter(|other| *other == name).count();
        assert!(times == 1 || *name == "resource", "a repeated parameter was taken");
        assert!(form.get(name).is_none_or(|value| !value.is_empty()), "an empty parameter counts as none");
    }
}

/// Strict JSON is a part of JSON.
pub fn json(bytes: &[u8]) {
    if let Ok(strict) = json::parse(bytes) {
        let loose: serde_json::Value = serde_json::from_slice(bytes).expect("strict JSON is JSON");
        assert_eq!(strict, loose);
    }
    let _ = TokenResponse::parse(bytes);
}

/// Redirect URIs, and requests that match them.
pub fn redirect_uri(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let (registered, requested) = text.split_once('\n').unwrap_or((text, text));
    let Ok(uri) = RedirectUri::parse(registered) else { return };
    assert_eq!(uri.as_str(), registered, "nothing is normalised");
    assert!(uri.matches(registered), "an address matches itself");
    assert!(!registered.contains(['#', '\r', '\n', ' ']) && registered.is_ascii());
    if uri.matches(requested) && requested != registered {
        // Only the port of a loopback address may differ.
        let parts = |text: &str| {
            let mut url = url::Url::parse(text).expect("what matches is an address");
            assert!(web_url::is_loopback(&url), "{text}");
            url.set_port(None).expect("a loopback address has a port");
            url.to_string()
        };
        assert_eq!(parts(registered), parts(requested));
    }
}

/// Issuers, resources, client identifiers and other addresses.
pub fn address(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(issuer) = Issuer::parse(text) {
        assert_eq!(issuer.as_str(), text, "nothing is normalised");
        assert!(issuer.url().query().is_none() && issuer.url().fragment().is_none());
        assert!(!issuer.metadata_candidates().is_empty());
    }
    if let Ok(resource) = ResourceId::parse(text) {
        // Capitals in scheme and host are understood; nothing else is another spelling.
        assert!(resource.as_str().eq_ignore_ascii_case(text));
        assert!(ResourceId::parse(resource.as_str()).is_ok_and(|again| again == resource));
        assert!(resource.url().fragment().is_none());
        let _ = (resource.metadata_url(), resource.metadata_candidates());
    }
    if let Ok(id) = ClientId::parse(text) {
        assert_eq!(id.as_str(), text);
    }
    if let Ok(url) = web_url::parse(text) {
        assert!(url.username().is_empty() && url.password().is_none());
        assert!(url.scheme() == "https" || web_url::is_loopback(&url), "{url}");
    }
    let _ = web_url::parse_any_host(text);
}

fn headers(name: &'static str, bytes: &[u8]) -> HeaderMap {
    let values = bytes.split(|byte| *byte == b'\n').take(8);
    values
        .filter_map(|value| Some((http::HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?)))
        .collect()
}

/// `WWW-Authenticate` headers.
pub fn challenge(bytes: &[u8]) {
    let headers = headers("www-authenticate", bytes);
    let all = challenge::parse_all(&headers);
    let bearer = challenge::bearer(&headers);
    assert!(bearer.is_none() || !all.is_empty());
}

/// Lists of scopes.
pub fn scope(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let Ok(set) = ScopeSet::parse(text) else { return };
    let again = ScopeSet::parse(&set.to_string());
    assert!(set.is_empty() || again.is_ok_and(|again| again == set), "written and read again it is the same");
    assert!(set.covers(&set));
    assert!(set.covers(&set.intersection(&set)));
    assert!(set.without(&set).is_empty());
}

static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::generate);

/// Signed tokens: no bytes are a signature of a key that nobody has.
pub fn jws(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let keys = KeySet::new(vec![KEY.verifying_key()]);
    assert!(jose::verify(text, &keys, "at+jwt").is_err(), "a forged token");
    let _ = jose::claimed(text, "iss");
    // The same header and payload under a right signature: what was signed is read, and reads the same.
    if let Ok(serde_json::Value::Object(claims)) = json::parse(bytes) {
        let token = KEY.sign("at+jwt", &claims);
        if let Ok(verified) = jose::verify(&token, &keys, "at+jwt") {
            // A long number may come back as its neighbour; a name may not.
            assert!(verified.claims().keys().eq(claims.keys()));
        }
        assert!(jose::verify(&token, &keys, "id+jwt").is_err(), "another type");
    }
}

/// Sets of keys, and a token against them.
pub fn jwk_set(bytes: &[u8]) {
    if let Ok(keys) = KeySet::parse(bytes) {
        let token = KEY.sign("at+jwt", &serde_json::json!({"sub": "x"}));
        assert!(jose::verify(&token, &keys, "at+jwt").is_err(), "a key of somebody else verifies nothing of ours");
    }
    if let Ok(jwk) = serde_json::from_slice::<jose::Jwk>(bytes) {
        let _ = jwk.thumbprint();
    }
}

/// DPoP proofs.
pub fn dpop_proof(bytes: &[u8]) {
    let headers = headers("dpop", bytes);
    let Ok(Some(proof)) = dpop::presented(&headers) else { return };
    let nonces = dpop::Nonces::new(b"fuzz", "here");
    let url = url::Url::parse("https://as.example/token").expect("an address");
    let now = Timestamp::from_unix(1_800_000_000);
    assert!(dpop::check(proof, "POST", &url, None, &nonces, now).is_err(), "nobody knows a nonce");
}

struct Zeros;

impl Entropy for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

static POLICY: LazyLock<Policy> =
    LazyLock::new(|| Policy::new(Issuer::parse("https://as.example").expect("an issuer")));

/// Registrations.
pub fn registration(bytes: &[u8]) {
    let now = Timestamp::from_unix(1_800_000_000);
    let wanted = registration::read(&POLICY, bytes);
    match wanted.and_then(|wanted| registration::register(&POLICY, wanted, None, 0, now, &mut Zeros)) {
        Ok((response, _)) => assert!(!response.client_id.is_empty()),
        Err(refusal) => {
            let description = refusal.response().error_description.unwrap_or_default();
            assert!(description.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'"' && byte != b'\\'));
        }
    }
}

/// Documents that describe a client, and their addresses.
pub fn client_document(bytes: &[u8]) {
    const URL: &str = "https://app.example/client.json";
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let answer = Inbound { status: http::StatusCode::OK, headers, body: bytes.to_vec() };
    let url = DocumentUrl::parse(URL).expect("a document's address");
    if let Ok(client) = client_document::read(&POLICY, &url, &answer, Timestamp::from_unix(1_800_000_000)) {
        assert_eq!(client.id.as_str(), URL);
        assert!(!matches!(client.authentication.name(), "client_secret_basic" | "client_secret_post"));
    }
    let _ = client_document::read_keys(&answer);
    if let Some(url) = text(bytes).and_then(|text| DocumentUrl::parse(text).ok()) {
        let read = url::Url::parse(url.as_str()).expect("an address");
        assert!(read.scheme() == "https" && read.username().is_empty() && read.fragment().is_none());
        assert!(read.path().len() > 1 && !url.host().is_empty());
    }
}

/// The credentials of a client: the first line is the header, the rest the form.
pub fn basic_header(bytes: &[u8]) {
    let (header, rest) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b""[..]),
    };
    let (Some(header), Ok(form)) = (text(header), Form::parse(rest)) else { return };
    if let Ok(presented) = Presented::read(Some(header), &form) {
        assert!(form.get("client_secret").is_none(), "two ways at once");
        assert!(header.as_bytes().first_chunk::<5>().is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic")));
        let _ = presented.client_id();
    }
}

/// Cookies.
pub fn cookie(bytes: &[u8]) {
    let headers = headers("cookie", bytes);
    if doorward_web::fuzzing::cookie("__Host-doorward", &headers) {
        let named = bytes.windows(16).filter(|part| *part == b"__Host-doorward=").count();
        assert!(named >= 1, "a cookie of another name was taken");
    }
}

/// JSON-RPC messages and batches.
pub fn envelope(bytes: &[u8]) {
    doorward_relay::fuzzing::envelope(bytes);
}

/// Streams of server-sent events.
pub fn event_stream(bytes: &[u8]) {
    doorward_relay::fuzzing::event_stream(bytes);
}

/// The metadata of somebody else's authorization server.
pub fn metadata(bytes: &[u8]) {
    let issuer = Issuer::parse("https://as.example").expect("an issuer");
    let Ok(document) = json::parse_as::<AuthorizationServerMetadata>(bytes) else { return };
    if let Ok(valid) = document.validate(&issuer) {
        assert_eq!(valid.issuer(), &issuer);
    }
}
