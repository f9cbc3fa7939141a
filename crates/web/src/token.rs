use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use doorward_authorization_server::{
    TokenRefusal,
    client_assertion::AssertionRefusal,
    client_auth::{AuthenticatedClient, Presented},
    facts::{Client, RefreshFacts},
    failed_authentication::failure,
    refresh,
    store::{Committed, StoreFault},
    token::Decision,
    token_request::TokenRequest,
};
use doorward_types::{
    Digest,
    form::Form,
    jose::{
        JwsRefusal,
        dpop::{self, ProvenKey},
    },
    secret::RefreshToken,
};
use url::Url;

use crate::{
    Site,
    common::{self, Early},
    documents::{self, Wanted},
    peer::Source,
};

mod grants;

pub(crate) use grants::grant_facts;

/// How often a decision that lost a race is made again. Each loss means that somebody else's commit counted, and one token
/// has so many that can: its use, its replays inside the grace, and its end.
const MOST_TURNS: usize = refresh::MOST_REPLAYS as usize + 4;

/// The token endpoint.
///
/// Source: RFC 6749 section 3.2.
pub(crate) async fn token(State(site): State<Arc<Site>>, source: Source, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&site, source, &headers, &body).await {
        Ok(response) => response,
        Err(early) => *early,
    }
}

async fn answer(site: &Site, source: Source, headers: &HeaderMap, body: &[u8]) -> Result<Response, Early> {
    let form = read_form(headers, body)?;
    let client = authenticated(site, source, headers, &form).await?;
    let answered = match proven(site, headers, PATH).and_then(|key| client.holding(&site.policy, key)) {
        Ok(client) => decided(site, &client, &form).await,
        Err(refusal) => Err(refused(&refusal)),
    };
    Ok(with_nonce(site, headers, answered.unwrap_or_else(|early| *early)))
}

/// Whoever sends proofs is told the nonce for the next one, so that it does not have to come back for it.
pub(crate) fn with_nonce(site: &Site, headers: &HeaderMap, mut response: Response) -> Response {
    if headers.contains_key(dpop::HEADER) {
        let nonce = site.keys.current().nonces(NONCES).current((site.now)());
        let nonce = HeaderValue::try_from(nonce).expect("base64url makes a header value");
        response.headers_mut().insert(dpop::NONCE_HEADER, nonce);
    }
    response
}

/// The path of this endpoint, which proofs of a key name.
const PATH: &str = "/oauth/token";

/// Parts the nonces of these endpoints from those of the resources.
const NONCES: &str = "token";

/// The key that the caller proves to hold for a request to this path, if it sends a proof.
pub(crate) fn proven(site: &Site, headers: &HeaderMap, path: &str) -> Result<Option<ProvenKey>, TokenRefusal> {
    let Some(proof) = dpop::presented(headers).map_err(TokenRefusal::Proof)? else { return Ok(None) };
    let url = Url::parse(&site.policy.issuer.endpoint(path)).expect("an issuer with a path is a URL");
    let nonces = site.keys.current().nonces(NONCES);
    dpop::check(proof, "POST", &url, None, &nonces, (site.now)()).map(Some).map_err(TokenRefusal::Proof)
}

async fn decided(site: &Site, client: &AuthenticatedClient, form: &Form) -> Result<Response, Early> {
    let away = |fault: StoreFault| common::away_json(&fault);
    for _ in 0..MOST_TURNS {
        let request = TokenRequest::read(form).map_err(|refusal| refused(&refusal))?;
        let (response, writes) = match grants::decide(site, client, request).await.map_err(away)? {
            Decision::Issue { response, writes } => (common::json(StatusCode::OK, response.to_json()), writes),
            Decision::Deny { refusal, writes } => {
                tracing::info!(why = ?refusal, client = %client.id(), "a token request was refused");
                (*refused(&refusal), writes)
            }
        };
        // A denial's writes count too: a reused token ends its family even though its bearer gets nothing.
        if writes.is_empty() || site.store.commit(writes).await.map_err(away)? == Committed::Done {
            return Ok(response);
        }
        if site.store.client(client.id()).await.map_err(away)?.is_none() {
            return Err(refused(&TokenRefusal::UnknownClient));
        }
    }
    Err(away(StoreFault("the same token was contended for too often".into())))
}

/// The client behind a request, once it proved who it is.
pub(crate) async fn authenticated(
    site: &Site,
    source: Source,
    headers: &HeaderMap,
    form: &Form,
) -> Result<AuthenticatedClient, Early> {
    let presented = match Presented::read(authorization(headers)?, form) {
        Ok(presented) => presented,
        Err(refusal) => return Err(not_authenticated(site, None, &refusal).await),
    };
    let known = documents::client(site, presented.client_id(), Wanted::Known, source).await;
    let known = known.map_err(|unread| documents::unread_json(&unread))?;
    match proved(site, source, &presented, known.as_ref()).await {
        Ok(client) => Ok(client),
        Err(Ok(refusal)) => Err(not_authenticated(site, known.as_ref(), &refusal).await),
        Err(Err(fault)) => Err(common::away_json(&fault)),
    }
}

/// Checks what a client presented. A key that is not known yet may be a new one, so its keys are read once more. An
/// assertion counts when it is noted as used: no other request, on whatever node, can use it then.
async fn proved(
    site: &Site,
    source: Source,
    presented: &Presented,
    known: Option<&Client>,
) -> Result<AuthenticatedClient, Result<TokenRefusal, StoreFault>> {
    let place = known.and_then(|client| presented.keys_at(client));
    let mut keys = match place {
        Some(uri) => documents::keys(site, uri, false, source).await,
        None => None,
    };
    let mut proof = presented.authenticate(&site.policy, known, keys.as_ref(), (site.now)());
    if let (Some(uri), Err(TokenRefusal::ClientAssertion(AssertionRefusal::Signature(JwsRefusal::UnknownKey)))) =
        (place, &proof)
    {
        keys = documents::keys(site, uri, true, source).await;
        proof = presented.authenticate(&site.policy, known, keys.as_ref(), (site.now)());
    }
    let mut client = proof.map_err(Ok)?;
    let writes = client.take_writes();
    if !writes.is_empty() && site.store.commit(writes).await.map_err(Err)? == Committed::Conflict {
        return Err(Ok(AssertionRefusal::Replayed.into()));
    }
    Ok(client)
}

/// Records that a client could not prove who it is, unless it is in the record already, and says No. That the record
/// cannot be written is no reason to answer otherwise.
async fn not_authenticated(site: &Site, known: Option<&Client>, refusal: &TokenRefusal) -> Early {
    if let Some((id, writes)) = failure(known, refusal, (site.now)()) {
        let recorded = match site.store.is_used(&id).await {
            Ok(false) => site.store.commit(writes).await.map(|_| ()),
            other => other.map(|_| ()),
        };
        if let Err(fault) = recorded {
            tracing::error!(%fault, "a failed client authentication was not recorded");
        }
    }
    refused(refusal)
}

/// What is known of a token that has the form of a refresh token.
pub(crate) async fn refresh_facts(
    site: &Site,
    digest: Option<Digest<RefreshToken>>,
) -> Result<Option<RefreshFacts>, Early> {
    match digest {
        Some(digest) => site.store.refresh(&digest).await.map_err(|fault| common::away_json(&fault)),
        None => Ok(None),
    }
}

/// Reads the form of an endpoint that a client authenticates at.
pub(crate) fn read_form(headers: &HeaderMap, body: &[u8]) -> Result<Form, Early> {
    let invalid = |text: &str| Box::new(common::oauth_error(StatusCode::BAD_REQUEST, "invalid_request", text));
    if !common::has_media_type(headers, "application/x-www-form-urlencoded") {
        return Err(invalid("send the parameters as application/x-www-form-urlencoded"));
    }
    Form::parse(body).map_err(|refusal| refused(&refusal.into()))
}

/// The one `Authorization` header, if there is any.
fn authorization(headers: &HeaderMap) -> Result<Option<&str>, Early> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let first = values.next();
    let text = first.map(HeaderValue::to_str).transpose();
    match (text, values.next()) {
        (Ok(text), None) => Ok(text),
        _ => {
            let text = "there is more than one Authorization header, or it is not ASCII";
            Err(Box::new(common::oauth_error(StatusCode::BAD_REQUEST, "invalid_request", text)))
        }
    }
}

/// The answer to a refused request.
///
/// Source: RFC 6749 section 5.2.
pub(crate) fn refused(refusal: &TokenRefusal) -> Early {
    let mut response = common::oauth_answer(refusal.status(), &refusal.response());
    if refusal.asks_for_basic() {
        let challenge = HeaderValue::from_static("Basic realm=\"token endpoint\", charset=\"UTF-8\"");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    if refusal.status() == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("30"));
    }
    Box::new(response)
}
