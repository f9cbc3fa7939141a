use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use doorward_authorization_server::{
    TokenRefusal,
    client_auth::{AuthenticatedClient, Presented},
    code, refresh,
    store::{Committed, StoreFault},
    token::{Decision, Fresh, TokenRequest},
};
use doorward_types::form::Form;

use crate::{
    Site,
    common::{self, Early},
};

/// How often a decision that lost a race is made again. Each loss means that somebody else's commit counted, and one token
/// has so many that can: its use, its replays inside the grace, and its end.
const MOST_TURNS: usize = refresh::MOST_REPLAYS as usize + 4;

/// The token endpoint.
///
/// Source: RFC 6749 section 3.2.
pub(crate) async fn token(State(site): State<Arc<Site>>, headers: HeaderMap, body: Bytes) -> Response {
    match answer(&site, &headers, &body).await {
        Ok(response) => response,
        Err(early) => *early,
    }
}

async fn answer(site: &Site, headers: &HeaderMap, body: &[u8]) -> Result<Response, Early> {
    let form = read_form(headers, body)?;
    let client = authenticated(site, headers, &form).await?;
    let away = |fault: StoreFault| common::away_json(&fault);
    for _ in 0..MOST_TURNS {
        let request = TokenRequest::read(&form).map_err(|refusal| refused(&refusal))?;
        let (response, writes) = match decide(site, &client, request).await.map_err(away)? {
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
    }
    Err(away(StoreFault("the same token was contended for too often".into())))
}

/// The client behind a request, once it proved who it is.
pub(crate) async fn authenticated(site: &Site, headers: &HeaderMap, form: &Form) -> Result<AuthenticatedClient, Early> {
    let presented = Presented::read(authorization(headers)?, form).map_err(|refusal| refused(&refusal))?;
    let known = site.store.client(presented.client_id()).await.map_err(|fault| common::away_json(&fault))?;
    presented.authenticate(known.as_ref()).map_err(|refusal| refused(&refusal))
}

async fn decide(site: &Site, client: &AuthenticatedClient, request: TokenRequest) -> Result<Decision, StoreFault> {
    match request {
        TokenRequest::Code(request) => {
            let facts = site.store.code(&request.code.digest()).await?;
            let mut entropy = (site.entropy)();
            let fresh = Fresh { entropy: &mut *entropy, signer: &site.signer };
            Ok(code::redeem(&site.policy, client, request, facts, (site.now)(), fresh))
        }
        TokenRequest::Refresh(request) => {
            let facts = site.store.refresh(&request.token.digest()).await?;
            let mut entropy = (site.entropy)();
            let fresh = Fresh { entropy: &mut *entropy, signer: &site.signer };
            Ok(refresh::refresh(&site.policy, client, request, facts, (site.now)(), fresh))
        }
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
    Box::new(response)
}
