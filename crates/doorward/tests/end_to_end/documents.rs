//! Apps that are known by a document on their own web site: read over real TLS, from another process.

use std::{
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

use doorward_testkit::{
    SeededEntropy,
    process::{Authority, Gateway, Visitor, http, repository},
    url_text,
};
use doorward_types::{CodeVerifier, jose::SigningKey};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    web_site::{HERE, WebSite, trusting},
    world::{NAME, PASSWORD, post, spied},
};

const CALLBACK: &str = "http://127.0.0.1/cb";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn verifier() -> CodeVerifier {
    CodeVerifier::generate(&mut SeededEntropy::new(7))
}

/// The address that an app sends a person to.
fn request(gateway: &Gateway, id: &str) -> String {
    let fields = [
        ("response_type", "code"),
        ("client_id", id),
        ("redirect_uri", CALLBACK),
        ("code_challenge", verifier().challenge().as_str()),
        ("code_challenge_method", "S256"),
        ("resource", gateway.mcp_url()),
        ("scope", "mcp:read"),
        ("state", "s"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    format!("{}/oauth/authorize?{}", gateway.public_url(), url_text::form(&fields))
}

fn document(id: &str, more: &Value) -> Value {
    let mut document = json!({
        "client_id": id,
        "client_name": "An app with a document",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    document.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    document
}

async fn code(gateway: &Gateway, id: &str) -> String {
    let back = Visitor::new(gateway.public_url()).authorize(&request(gateway, id), NAME, PASSWORD, "allow").await;
    url_text::parameter(&back, "code").unwrap_or_else(|| panic!("no code: {back}"))
}

async fn token(gateway: &Gateway, fields: &[(&str, &str)]) -> (u16, Value) {
    let request = http().post(format!("{}/oauth/token", gateway.public_url()));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.body(url_text::form(fields)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn redeem(gateway: &Gateway, code: &str, proof: &[(&str, &str)]) -> (u16, Value) {
    let verifier = verifier();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", verifier.expose()),
    ];
    token(gateway, &[&fields, proof].concat()).await
}

/// What proves that the app of this document has this key.
fn assertion(gateway: &Gateway, id: &str, key: &SigningKey) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let claims = json!({
        "iss": id, "sub": id, "aud": gateway.public_url(), "exp": now.as_secs() + 60, "jti": now.as_nanos().to_string(),
    });
    key.sign("client-authentication+jwt", &claims)
}

/// Renews a token with a proof by this key.
async fn renew(gateway: &Gateway, id: &str, key: &SigningKey, refresh: &str) -> (u16, Value) {
    let assertion = assertion(gateway, id, key);
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion.as_str()),
    ];
    token(gateway, &fields).await
}

#[tokio::test]
async fn an_app_is_known_by_the_document_on_its_site() {
    // proves: CID-02, MCP-AUTH-033, MCP-AUTH-041, OA21-01
    let authority = Authority::new();
    let mut site = WebSite::start(&authority.certificate(HERE));
    let id = site.url("/app.json");
    site.put_json("/app.json", &document(&id, &json!({})));
    // The authority is named by a flag, or is the system's; the variable is how another system is named.
    let roots = authority.file();
    let by_variable = spied(&[], &[("SSL_CERT_FILE", roots.to_str().unwrap())]);
    by_variable.add_user(NAME, PASSWORD);
    for (gateway, count) in [(trusting(&authority, &[]), 1), (by_variable, 2)] {
        let code = code(&gateway, &id).await;
        let (status, tokens) = redeem(&gateway, &code, &[("client_id", &id)]).await;
        assert_eq!(status, 200, "{tokens}");
        let access = tokens["access_token"].as_str().unwrap();
        assert_eq!(post(gateway.mcp_url(), Some(access), "tools/list", json!({})).await.status, 200);
        assert_eq!(site.count("/app.json"), count, "one copy served the page, the code and the token");
    }
}

#[tokio::test]
async fn an_app_with_keys_on_its_site_proves_itself_until_they_are_withdrawn() {
    // proves: CID-10, CIMD-17, R7523-02
    let authority = Authority::new();
    let mut site = WebSite::start(&authority.certificate(HERE));
    let mut gateway = trusting(&authority, &[]);
    let (old, new) = (SigningKey::generate(), SigningKey::generate());
    let set = |key: &SigningKey| json!({"keys": [key.public_jwk()]});
    let by_address = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": site.url("/keys.json")});
    let inside = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": set(&old)});
    site.put_json("/keys.json", &set(&old));
    let mut refresh = String::new();
    for (path, keys) in [("/inside.json", inside), ("/by-address.json", by_address)] {
        let id = site.url(path);
        site.put_json(path, &document(&id, &keys));
        let code = code(&gateway, &id).await;
        // Its name alone, and another's key, are no proof.
        assert_eq!(redeem(&gateway, &code, &[("client_id", &id)]).await.0, 401);
        for (key, status) in [(&new, 401), (&old, 200)] {
            let assertion = assertion(&gateway, &id, key);
            let proof = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.as_str())];
            let (answered, body) = redeem(&gateway, &code, &proof).await;
            assert_eq!(answered, status, "{path}: {body}");
            if status == 200 {
                refresh = body["refresh_token"].as_str().unwrap().to_owned();
            }
        }
    }
    // A set is kept for a minute at the least; a gateway that starts has none.
    site.put_json("/keys.json", &set(&new));
    gateway.restart();
    let id = site.url("/by-address.json");
    let (status, body) = renew(&gateway, &id, &old, &refresh).await;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_client")), "{body}");
    let (status, body) = renew(&gateway, &id, &new, &refresh).await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn what_is_no_good_document_is_refused_and_only_the_log_says_why() {
    // proves: CIMD-03, CIMD-05, CIMD-06, CIMD-07, CIMD-15, CID-05, CID-14, MCP-AUTH-042, MCP-AUTH-050
    // Six seconds: one site drips for longer than the gateway waits.
    let authority = Authority::new();
    let mut site = WebSite::start(&authority.certificate(HERE));
    let gateway = trusting(&authority, &[]);
    let json_type = json!({"content-type": "application/json"});
    let good = site.url("/good.json");
    let text = |document: &Value| document.to_string();
    let padded = |path: &str| text(&document(&site.url(path), &json!({"x": " ".repeat(20_000)})));
    let cases = [
        ("/other.json", json!({"headers": json_type, "body": text(&document(&good, &json!({})))}), "is not the URL"),
        ("/moved.json", json!({"status": 302, "headers": {"location": good}}), "status 302"),
        ("/long.json", json!({"headers": json_type, "body": padded("/long.json")}), "longer than 10240 bytes"),
        (
            "/unending.json",
            json!({"headers": {"content-type": "application/json", "transfer-encoding": "chunked"}, "body": padded("/unending.json")}),
            "longer than 10240 bytes",
        ),
        (
            "/slow.json",
            json!({"headers": json_type, "body": text(&document(&site.url("/slow.json"), &json!({}))), "drip": 200}),
            "no answer within 5s",
        ),
        ("/page.json", json!({"headers": {"content-type": "text/html"}, "body": "<html>"}), "not application/json"),
        ("/gone.json", json!({"status": 410}), "status 410"),
    ];
    for (path, page, _) in &cases {
        site.put(path, page.clone());
    }
    site.put_json("/good.json", &document(&good, &json!({})));
    let pages =
        join_all(cases.iter().map(async |(path, _, _)| {
            Visitor::new(gateway.public_url()).open(&request(&gateway, &site.url(path))).await
        }))
        .await;
    for ((path, _, why), page) in cases.iter().zip(&pages) {
        assert!(page.status == 400 && page.body.contains("OA-114"), "{path}: {page:?}");
        assert_eq!(page.body, pages[0].body, "{path}: one page for all");
        let log = gateway.log();
        let told = log.lines().any(|line| {
            line.contains("metadata_resolution_failed") && line.contains(&site.url(path)) && line.contains(why)
        });
        assert!(told, "{path}: {log}");
        assert_eq!(site.count(path), 1);
    }
    assert_eq!(site.count("/good.json"), 0, "the redirect was not followed");
    code(&gateway, &good).await;
}

#[tokio::test]
async fn a_site_without_a_good_certificate_is_not_read() {
    // proves: OA21-01, CID-05
    let authority = Authority::new();
    let expired = authority.expired(HERE);
    let gateway = trusting(&authority, &[]);
    let strange = Authority::new();
    for (certificate, why) in [
        (strange.certificate(HERE), "UnknownIssuer"),
        (authority.certificate("DNS:other.example"), "not valid for name"),
        (expired, "certificate expired"),
    ] {
        let mut site = WebSite::start(&certificate);
        let id = site.url("/app.json");
        site.put_json("/app.json", &document(&id, &json!({})));
        let page = Visitor::new(gateway.public_url()).open(&request(&gateway, &id)).await;
        assert!(page.status == 400 && page.body.contains("OA-114"), "{page:?}");
        let log = gateway.log();
        assert!(log.lines().any(|line| line.contains(&id) && line.contains(why)), "{why}: {log}");
        assert_eq!(site.count("/app.json"), 0);
    }
    // A file that is no certificate is said at the start.
    let not_one = gateway.data_dir().join("not.pem");
    std::fs::write(&not_one, "a text").unwrap();
    for file in [not_one.to_str().unwrap(), "/nowhere.pem"] {
        let (status, _, errors) = gateway.run(&["serve", "--listen", "127.0.0.1:0", "--ca", file, "--", "true"]);
        assert!(status == Some(6) && errors.contains("CFG-11") && errors.contains(file), "{errors}");
    }
}

#[tokio::test]
async fn a_public_gateway_reads_nothing_from_names_that_lead_inside() {
    // proves: CIMD-01, CID-13, INV-11, MCP-SBP-016, CIMD-15
    let names = [
        ("one.example", "127.0.0.1"),
        ("two.example", "10.0.0.7"),
        ("three.example", "169.254.169.254"),
        ("four.example", "::1"),
        ("five.example", "::ffff:192.168.1.1"),
        ("six.example", "fd00:ec2::254"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("names.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(repository().join("tests/servers/names.c")).arg("-ldl");
    assert!(compiler.status().unwrap().success());
    let table = names.map(|(name, address)| format!("{name}={address}")).join(",");
    let environment = [("LD_PRELOAD", library.to_str().unwrap()), ("NAMES", table.as_str())];
    let gateway = spied(&["--public-url", "https://gw.example"], &environment);
    let here = gateway.report["listen"].as_str().unwrap();
    for (name, _) in names {
        let id = format!("https://{name}/app.json");
        let address = request(&gateway, &id).replacen("https://gw.example", &format!("http://{here}"), 1);
        let answer = http().get(&address).header("host", "gw.example").send().await.unwrap();
        assert_eq!(answer.status(), 400, "{name}");
        let body = answer.text().await.unwrap();
        assert!(body.contains("OA-114") && !body.contains("private"), "{body}");
        let log = gateway.log();
        let told = log.lines().any(|line| line.contains(&id) && line.contains("an address of a private network"));
        assert!(told, "{name}: {log}");
    }
}
