//! The document that describes `doorward connect` to authorization servers elsewhere, under this gateway's name.

use axum::{Router, http::header, response::IntoResponse as _, routing::get};
use doorward_types::{Issuer, messages::ClientMetadata};
use serde::Serialize;

use crate::failure::{Exit, Failure};

/// Where it lies.
const PATH: &str = "/.well-known/doorward-client.json";

/// What such a document says.
///
/// Source: draft-ietf-oauth-client-id-metadata-document section 4.1, MCP 2026-07-28 client registration.
#[derive(Serialize)]
struct Document {
    client_id: String,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

/// Adds it where the operator wants it. It is asked for, since whoever runs a program of their own can go by it too: it
/// names a host, and proves nothing.
///
/// # Errors
/// Where nobody could use it: its URL is the client's identifier, which is an https URL.
pub(super) fn publish(router: Router, wanted: bool, issuer: &Issuer) -> Result<Router, Box<Failure>> {
    if !wanted {
        return Ok(router);
    }
    if issuer.url().scheme() != "https" {
        return Err(Failure::new(
            "CFG-10",
            Exit::Configuration,
            "the client's document cannot be published here",
            format!("its URL is the client's identifier and has to be https, and this gateway is {issuer}"),
            "give the https URL of this gateway with --public-url, or leave --publish-client away",
        ));
    }
    let document = serde_json::to_vec(&document(issuer)).expect("strings serialise");
    let answer = move || {
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, max-age=3600")];
        let answer = (headers, document.clone()).into_response();
        async move { answer }
    };
    Ok(router.route(PATH, get(answer)))
}

fn document(issuer: &Issuer) -> Document {
    let both = |texts: &[&str]| Some(texts.iter().map(|text| (*text).to_owned()).collect());
    Document {
        client_id: issuer.endpoint(PATH),
        metadata: ClientMetadata {
            client_name: Some("doorward".into()),
            redirect_uris: ["127.0.0.1", "[::1]", "localhost"].map(|host| format!("http://{host}/callback")).into(),
            grant_types: both(&["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"]),
            response_types: both(&["code"]),
            token_endpoint_auth_method: Some("none".into()),
            application_type: Some("native".into()),
            ..ClientMetadata::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::Request};
    use doorward_types::RedirectUri;
    use tower::ServiceExt as _;

    use super::*;

    #[test]
    fn the_document_names_itself_and_loopback_only() {
        // proves: MCP-AUTH-035, MCP-AUTH-037, MCP-AUTH-038, MCP-AUTH-058, MCP-AUTH-120
        let issuer = Issuer::parse("https://g.example").unwrap();
        let told = serde_json::to_value(document(&issuer)).unwrap();
        assert_eq!(told["client_id"], "https://g.example/.well-known/doorward-client.json");
        assert_eq!((&told["client_name"], &told["application_type"]), (&"doorward".into(), &"native".into()));
        assert!(told["grant_types"].as_array().unwrap().contains(&"refresh_token".into()));
        let redirects = told["redirect_uris"].as_array().unwrap();
        assert_eq!(redirects.len(), 3);
        for uri in redirects {
            let uri = RedirectUri::parse(uri.as_str().unwrap()).unwrap();
            assert!(matches!(uri.kind(), doorward_types::redirect::Kind::Loopback { .. }), "{uri}");
        }
    }

    #[tokio::test]
    async fn it_is_published_when_it_is_asked_for_and_only_over_https() {
        // proves: MCP-AUTH-036, MCP-AUTH-039
        let (https, http) = ("https://g.example", "http://localhost:8420");
        let at = |text: &str| Issuer::parse(text).unwrap();
        // What is asked for at an address, when the gateway has this one.
        let get = async |wanted: bool, address: &str| {
            let path = address.strip_prefix(https).unwrap();
            let router = publish(Router::new(), wanted, &at(https)).unwrap();
            let request = Request::get(path).header("host", "g.example").body(Body::empty()).unwrap();
            let answer = router.oneshot(request).await.unwrap();
            let (status, kind) = (answer.status().as_u16(), answer.headers().get(header::CONTENT_TYPE).cloned());
            (status, kind, axum::body::to_bytes(answer.into_body(), 1 << 16).await.unwrap())
        };
        let address = "https://g.example/.well-known/doorward-client.json";
        let (status, kind, body) = get(true, address).await;
        assert_eq!((status, kind.unwrap()), (200, "application/json".parse().unwrap()));
        let told: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(told["client_id"], address);
        assert_eq!(get(false, address).await.0, 404);
        assert!(publish(Router::new(), true, &at(http)).is_err());
    }
}
