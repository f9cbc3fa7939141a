//! HTTP endpoints and pages: protocol endpoints, sign-in, consent, connected apps, administration. No decisions.
//!
//! Each endpoint reads the request, loads facts, asks the authorization server's decision, commits its writes and
//! shows the answer. What must hold for every answer (headers, limits, who may call from where) is in `common`.

mod apps;
mod authorize;
mod browser;
mod catalogue;
mod common;
mod consent;
mod device;
mod device_page;
mod documents;
mod forms;
mod home;
mod introspect;
mod limits;
mod managed;
mod metadata;
pub mod pages;
mod passwords;
mod peer;
mod providers;
mod pushed;
mod register;
mod revoke;
mod set_up;
mod sign_in;
mod strangers;
mod token;
mod tries;
mod waiting;
mod words;

/// What reads bytes from outside and is private otherwise, for the fuzzer.
#[cfg(fuzzing)]
pub mod fuzzing {
    use http::HeaderMap;

    /// Reads the session cookie of this name; says whether there is one that could be ours.
    pub fn cookie(name: &str, headers: &HeaderMap) -> bool {
        crate::browser::cookie_named(name, headers).is_some()
    }
}

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    handler::Handler as _,
    http::StatusCode,
    middleware,
    routing::{get, post},
};
use doorward_authorization_server::{Policy, keys::SharedKeys, store::Store};
use doorward_types::{Entropy, Timestamp, outbound::Http};
use tower_http::timeout::TimeoutLayer;

pub use catalogue::{Catalogue, Tool};
pub use limits::Limits;
pub use passwords::Passwords;
pub use providers::Providers;
pub use strangers::Strangers;

/// All that the endpoints work with.
pub struct Site {
    /// What the authorization server's decisions go by.
    pub policy: Arc<Policy>,
    /// The name that people read.
    pub name: String,
    /// Where facts come from and writes go.
    pub store: Arc<dyn Store>,
    /// The keys that sign access tokens.
    pub keys: Arc<SharedKeys>,
    /// The tools that the consent page names.
    pub catalogue: Arc<dyn Catalogue>,
    /// The `Host` values that mean this gateway, with their port where it is not the scheme's own.
    pub allowed_hosts: Vec<String>,
    /// The clock.
    pub now: fn() -> Timestamp,
    /// A maker of randomness.
    pub entropy: fn() -> Box<dyn Entropy>,
    /// The place where passwords are checked.
    pub passwords: Passwords,
    /// What strangers may do only so often.
    pub limits: Limits,
    /// What fetches documents that describe clients, and their keys; none where the gateway cannot reach out.
    pub http: Option<Arc<dyn Http>>,
    /// How often clients that nobody vouches for come.
    pub strangers: Arc<Strangers>,
    /// The keys of identity providers, as far as they were read.
    pub providers: Providers,
}

/// The largest body that any of these endpoints reads.
const MOST_BODY: usize = 64 * 1024;

/// How long a request may take, its body included.
const MOST_TIME: Duration = Duration::from_secs(30);

/// The endpoints and pages. The caller adds the protected resource itself.
pub fn router(site: Arc<Site>) -> Router {
    // A layer wraps what stands before it, so each group has its own answer to a wrong method: a preflight is one.
    // Called by programs of any origin; they carry no cookies.
    let protocol = Router::new()
        .route("/.well-known/oauth-protected-resource", get(metadata::root_resource))
        .route("/.well-known/oauth-protected-resource/{*path}", get(metadata::resource))
        .route("/.well-known/oauth-authorization-server", get(metadata::authorization_server))
        .route("/.well-known/openid-configuration", get(metadata::openid_configuration))
        .route("/oauth/jwks", get(metadata::keys))
        .route("/oauth/register", post(register::register))
        .route("/oauth/par", post(pushed::push))
        .route("/oauth/device_authorization", post(device::ask))
        .route("/oauth/register/{client}", get(managed::read).put(managed::update).delete(managed::delete))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oauth/introspect", post(introspect::introspect))
        .method_not_allowed_fallback(common::method_not_allowed)
        .layer(middleware::from_fn(common::open_to_any_origin));
    // Opened by a person's browser; same-origin only.
    let pages = Router::new()
        .route("/", get(home::home))
        .route("/oauth/authorize", get(authorize::authorize))
        .route("/sign-in", get(sign_in::page).post(sign_in::sign_in))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/consent", get(consent::page).post(consent::answer))
        .route("/device", get(device_page::page).post(device_page::typed))
        .route("/setup", get(set_up::page).post(set_up::set_up))
        .route("/apps", get(apps::page))
        .route("/apps/revoke", post(apps::revoke))
        .route("/assets/{file}", get(home::asset))
        .method_not_allowed_fallback(common::method_not_allowed)
        .layer(middleware::from_fn(common::for_browsers));
    Router::new()
        .merge(protocol)
        .merge(pages)
        .route("/healthz", get(home::health))
        .route("/readyz", get(home::ready))
        .fallback(home::not_found.layer(middleware::from_fn(common::for_browsers)))
        .method_not_allowed_fallback(common::method_not_allowed)
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, MOST_TIME))
        .layer(middleware::from_fn_with_state(site.clone(), common::for_everyone))
        .with_state(site)
}
