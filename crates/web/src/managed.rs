//! A client reads, changes or deletes its own registration.

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use doorward_authorization_server::{
    client_management::{self, Managed},
    store::{Committed, StoreFault},
};
use doorward_types::{ClientId, Secret, secret::RegistrationToken};

use crate::{
    Site,
    common::{self, Early},
    register::{must_be_json, refused, registered_answer},
};

/// Reads a registration.
///
/// Source: RFC 7592 section 2.1.
pub(crate) async fn read(State(site): State<Arc<Site>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let answered = async {
        let managed = manager(&site, &id, &headers).await?;
        Ok(registered_answer(StatusCode::OK, &client_management::read(&site.policy, &managed)))
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

/// Replaces a registration.
///
/// Source: RFC 7592 section 2.2.
pub(crate) async fn update(
    State(site): State<Arc<Site>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answered = async {
        for _ in 0..MOST_TURNS {
            let managed = manager(&site, &id, &headers).await?;
            must_be_json(&headers)?;
            let updated =
                client_management::update(&site.policy, &managed, &body, (site.now)(), &mut *(site.entropy)());
            let (response, writes) = updated.map_err(|refusal| refused(refusal.into()))?;
            if commit(&site, writes).await? == Committed::Done {
                return Ok(registered_answer(StatusCode::OK, &response));
            }
        }
        Err(contended())
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

/// Deletes a registration; what was granted to it ends.
///
/// Source: RFC 7592 section 2.3.
pub(crate) async fn delete(State(site): State<Arc<Site>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    let answered = async {
        for _ in 0..MOST_TURNS {
            let managed = manager(&site, &id, &headers).await?;
            if commit(&site, client_management::delete(&managed, (site.now)())).await? == Committed::Done {
                let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
                return Ok((StatusCode::NO_CONTENT, headers).into_response());
            }
        }
        Err(contended())
    };
    answered.await.unwrap_or_else(|early: Early| *early)
}

/// How often a decision that lost a race is made again.
const MOST_TURNS: usize = 3;

fn contended() -> Early {
    common::away_json(&StoreFault("the same registration was contended for too often".into()))
}

async fn commit(site: &Site, writes: Vec<doorward_authorization_server::Write>) -> Result<Committed, Early> {
    site.store.commit(writes).await.map_err(|fault| common::away_json(&fault))
}

/// The client, if its registration access token was sent. Whether the client or the token is wrong is not told.
async fn manager(site: &Site, id: &str, headers: &HeaderMap) -> Result<Managed, Early> {
    let (Ok(id), Some(token)) = (ClientId::parse(id), bearer(headers)) else { return Err(unauthorized()) };
    let client = site.store.client(&id).await.map_err(|fault| common::away_json(&fault))?;
    client_management::manager(client, token, (site.now)()).map_err(|_| unauthorized())
}

fn bearer(headers: &HeaderMap) -> Option<Secret<RegistrationToken>> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(Ok(text)), None) = (values.next().map(HeaderValue::to_str), values.next()) else { return None };
    let (scheme, token) = text.split_once(' ')?;
    let token = scheme.eq_ignore_ascii_case("bearer").then(|| Secret::parse(token.trim()).ok())??;
    token.is_well_formed().then_some(token)
}

fn unauthorized() -> Early {
    let text = client_management::NotItsManager.to_string();
    let mut response = common::oauth_error(StatusCode::UNAUTHORIZED, "invalid_token", &text);
    let challenge = HeaderValue::from_static("Bearer realm=\"registration\", error=\"invalid_token\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    Box::new(response)
}
