//! The documents from which clients learn what to do, and the host names under which they are served.

use axum::body::Body;
use doorward_authorization_server::Resource;
use doorward_types::{Permission, ResourceId};
use http::{Method, Request};
use serde_json::{Value, json};

use crate::world::{LOCAL, PUBLIC, World};

const AUTHORIZATION_SERVER: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";
const RESOURCE: &str = "/.well-known/oauth-protected-resource/mcp";
const ROOT_RESOURCE: &str = "/.well-known/oauth-protected-resource";
const KEYS: &str = "/oauth/jwks";
const ALL: [&str; 5] = [AUTHORIZATION_SERVER, OPENID, RESOURCE, ROOT_RESOURCE, KEYS];

/// No list is empty and no member is null: what is not there is left out.
fn has_no_zero_values(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty() && items.iter().all(has_no_zero_values),
        Value::Object(members) => !members.is_empty() && members.values().all(has_no_zero_values),
        _ => true,
    }
}

#[tokio::test]
async fn the_authorization_server_describes_itself() {
    // proves: R8414-01, R8414-02, R8414-06, R8414-07, R8414-08, R8414-14, R9207-02, DISC-20, BCP-26, MCP-AUTH-069
    // proves: R8414-13, MCP-AUTH-023, R8414-03, MCP-LEG-002, EXT-CC-005
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let answer = world.get(AUTHORIZATION_SERVER).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
        let found = answer.json();
        let expected = json!({
            "issuer": origin,
            "authorization_endpoint": format!("{origin}/oauth/authorize"),
            "token_endpoint": format!("{origin}/oauth/token"),
            "registration_endpoint": format!("{origin}/oauth/register"),
            "pushed_authorization_request_endpoint": format!("{origin}/oauth/par"),
            "device_authorization_endpoint": format!("{origin}/oauth/device_authorization"),
            "revocation_endpoint": format!("{origin}/oauth/revoke"),
            "jwks_uri": format!("{origin}/oauth/jwks"),
            "scopes_supported": ["mcp:danger", "mcp:read", "mcp:write", "offline_access"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "introspection_endpoint": format!("{origin}/oauth/introspect"),
            "grant_types_supported": [
                "authorization_code",
                "refresh_token",
                "urn:ietf:params:oauth:grant-type:device_code",
                "client_credentials",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "protected_resources": [format!("{origin}/mcp")],
        });
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(found[name], *value, "{name}");
        }
        let mut methods: Vec<_> = found["token_endpoint_auth_methods_supported"].as_array().unwrap().clone();
        methods.sort_by_key(Value::to_string);
        assert_eq!(methods, ["client_secret_basic", "client_secret_post", "none", "private_key_jwt"]);
        let algorithms = &found["token_endpoint_auth_signing_alg_values_supported"];
        assert_eq!(*algorithms, json!(["ES256", "EdDSA", "RS256", "PS256"]));
        assert!(has_no_zero_values(&found), "{found}");
        // The same at the OpenID path, with what its readers insist on.
        let openid = world.get(OPENID).await.json();
        for (name, value) in found.as_object().unwrap() {
            assert_eq!(openid[name], *value, "{name}");
        }
        assert_eq!(openid["subject_types_supported"], json!(["public"]));
        assert!(has_no_zero_values(&openid));
        // Every endpoint that it names is there.
        for name in
            expected.as_object().unwrap().keys().filter(|name| name.ends_with("_endpoint") || *name == "jwks_uri")
        {
            let path = found[name].as_str().unwrap().strip_prefix(origin).unwrap().to_owned();
            for method in [Method::GET, Method::POST] {
                assert_ne!(world.send(method, &path, &[], "").await.status, 404, "{name}");
            }
        }
        // And it is served by GET alone.
        assert_eq!(world.send(Method::POST, AUTHORIZATION_SERVER, &[], "").await.status, 405);
        assert_eq!(world.get(&format!("{AUTHORIZATION_SERVER}/mcp")).await.status, 404, "the issuer has no path");
    }
}

#[tokio::test]
async fn the_resource_is_described_at_its_own_path() {
    // proves: R9728-01, R9728-02, R9728-05, R9728-06, R9728-09, MCP-AUTH-007, DISC-19
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let answer = world.get(RESOURCE).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
        let found = answer.json();
        let expected = json!({
            "resource": format!("{origin}/mcp"),
            "authorization_servers": [origin],
            "scopes_supported": ["mcp:danger", "mcp:read", "mcp:write"],
            "bearer_methods_supported": ["header"],
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"],
            "resource_name": "Files",
        });
        assert_eq!(found, expected);
        assert_eq!(world.get(ROOT_RESOURCE).await.json(), expected, "there is only one that the root can mean");
        for path in [
            "/mcp/",
            "//mcp",
            "/MCP",
            "/mcp%2f",
            "/..%2fmcp",
            "/%2e%2e/mcp",
            "/mcp;x",
            "/mcp%00",
            "/mc%70/x",
            "/other",
            "/",
            "/mcp/mcp",
            "/.",
            "/https://evil.example/mcp",
            &format!("/{}", "x".repeat(10_000)),
        ] {
            assert_eq!(world.get(&format!("{ROOT_RESOURCE}{path}")).await.status, 404, "{path}");
        }
        assert_eq!(world.get(&format!("{RESOURCE}?x=1")).await.json(), expected);
    }
    let two = World::empty(LOCAL, |policy| {
        let id = ResourceId::parse(format!("{LOCAL}/s2/mcp")).unwrap();
        policy.resources.push(Resource { id, name: "Second".into(), scopes: Permission::all_scopes() });
    })
    .await;
    assert_eq!(two.get(ROOT_RESOURCE).await.status, 404, "the root could mean either");
    let second = two.get(&format!("{ROOT_RESOURCE}/s2/mcp")).await.json();
    assert_eq!((&second["resource"], &second["resource_name"]), (&json!(format!("{LOCAL}/s2/mcp")), &json!("Second")));
}

#[tokio::test]
async fn the_keys_are_public_ones() {
    // proves: LEAK-01, HTTP-09
    let world = World::at(LOCAL).await;
    let found = world.get(KEYS).await.json();
    let keys = found["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut names: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"], "no `d`");
}

#[tokio::test]
async fn documents_may_be_kept_and_say_the_same_to_everybody() {
    // proves: HTTP-09, HTTP-10, DISC-18, HTTP-04, BCP-18, HTTP-11
    let world = World::at(PUBLIC).await;
    for path in ALL {
        let plain = world.get(path).await;
        assert_eq!(plain.header("cache-control"), Some("public, max-age=300"), "{path}");
        assert_eq!(plain.header("set-cookie"), None);
        for (name, value) in [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "81"),
            ("x-forwarded-prefix", "/evil"),
            ("x-forwarded-for", "127.0.0.1"),
            ("forwarded", "host=evil.example;proto=http"),
            ("x-host", "evil.example"),
            ("x-original-url", "/apps"),
            ("x-rewrite-url", "/apps"),
            ("x-original-host", "evil.example"),
            ("x-real-ip", "127.0.0.1"),
            ("accept-encoding", "br, gzip"),
            ("accept", "text/html"),
            ("accept-language", "de"),
            ("origin", "https://evil.example"),
            ("user-agent", "evil.example"),
            ("cookie", "__Host-doorward=x"),
        ] {
            let answer = world.send(Method::GET, path, &[(name, value)], "").await;
            assert_eq!((answer.status, &answer.body), (plain.status, &plain.body), "{path} with {name}");
            assert_eq!(format!("{:?}", answer.headers), format!("{:?}", plain.headers), "{path} with {name}");
        }
        // A body of a GET says nothing.
        let fat = world.send(Method::GET, path, &[], "{\"issuer\":\"https://evil.example\"}").await;
        assert_eq!(fat.body, plain.body);
    }
}

#[tokio::test]
async fn under_another_host_name_there_is_nothing() {
    // proves: DISC-18, MCP-SBP-034
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        let own = crate::world::host(origin);
        let own_name = own.split(':').next().unwrap();
        let app = crate::app::App::new(&world).await;
        let authorize = app.request(&[]);
        let before = world.table("interactions").await.len();
        let hosts = [
            "evil.example".to_owned(),
            format!("{own}.evil.example"),
            format!("evil.{own}"),
            format!("{own}@evil.example"),
            format!("evil.example@{own}"),
            format!("{own_name}:1"),
            format!("{own_name}:"),
            format!("{own}/x"),
            format!("{own}."),
            format!("{own}, evil.example"),
            format!("{own}:b@c"),
            format!(" {own}"),
            "127.0.0.1:8421".to_owned(),
            String::new(),
        ];
        for path in ALL.into_iter().chain([authorize.as_str(), "/", "/sign-in", "/nowhere"]) {
            for host in &hosts {
                let answer = world.send(Method::GET, path, &[("host", host)], "").await;
                assert_eq!(answer.status, 421, "{path} at {host:?}");
                assert!(!answer.text().contains("evil"), "the name is not reflected: {answer:?}");
                assert_eq!(answer.header("set-cookie"), None);
            }
            let twice = [("host", own), ("host", "evil.example")];
            assert_eq!(world.send(Method::GET, path, &twice, "").await.status, 421);
            assert_eq!(world.send(Method::GET, path, &[("host", own), ("host", own)], "").await.status, 421);
            // The target in absolute form must say the same as the header.
            let evil =
                Request::get(format!("http://evil.example{path}")).header("host", own).body(Body::empty()).unwrap();
            assert_eq!(world.ask(evil).await.status, 421);
            let evil =
                Request::get(format!("{origin}{path}")).header("host", "evil.example").body(Body::empty()).unwrap();
            assert_eq!(world.ask(evil).await.status, 421);
            let none = Request::get(path).body(Body::empty()).unwrap();
            assert_eq!(world.ask(none).await.status, 421);
            let same = Request::get(format!("{origin}{path}")).header("host", own).body(Body::empty()).unwrap();
            assert_ne!(world.ask(same).await.status, 421);
        }
        let rows = world.table("interactions").await.len();
        assert_eq!(rows, before + 1, "only the request under the right name counted");
        let upper = world.send(Method::GET, AUTHORIZATION_SERVER, &[("host", &own.to_uppercase())], "").await;
        assert_eq!(upper.json()["issuer"], origin, "host names have no letter case");
    }
}
