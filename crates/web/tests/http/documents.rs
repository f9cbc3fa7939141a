//! Clients whose identifier is the URL of a document.

use doorward_testkit::SeededEntropy;
use doorward_types::{CodeVerifier, jose::SigningKey};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::{
    app::Tokens,
    internet::{APP_CALLBACK, DOCUMENT, Internet, request, world},
    world::{Answer, World, advance, come_from, now},
};

fn verifier() -> CodeVerifier {
    CodeVerifier::generate(&mut SeededEntropy::new(77))
}

fn ask(world: &World, callback: &str) -> String {
    request(world, DOCUMENT, callback, verifier().challenge().as_str())
}

async fn redeem(world: &World, code: &str, more: &[(&str, &str)]) -> Answer {
    let verifier = verifier();
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", APP_CALLBACK),
        ("code_verifier", verifier.expose()),
    ];
    fields.extend_from_slice(more);
    if !more.iter().any(|(name, _)| *name == "client_assertion") {
        fields.push(("client_id", DOCUMENT));
    }
    world.form("/oauth/token", &[], &fields).await
}

async fn refresh(world: &World, token: &str) -> Answer {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", DOCUMENT)];
    world.form("/oauth/token", &[], &fields).await
}

#[tokio::test]
async fn an_app_that_nobody_registered_is_known_by_its_document() {
    // proves: CIMD-02, CIMD-07, CIMD-08, CIMD-12, MCP-AUTH-033, MCP-AUTH-041, MCP-AUTH-043, MCP-AUTH-044, MCP-AUTH-047
    // proves: MCP-AUTH-051, MCP-AUTH-054, MCP-AUTH-046, CID-08
    let (world, internet) = world(1000).await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["client_id_metadata_document_supported"], true);
    internet.document(json!({}));
    let mut person = world.browser();
    let page = person.consent(&ask(&world, APP_CALLBACK)).await;
    assert!(page.text().contains("data-identity=\"domain\"") && page.text().contains("app.example"), "{page:?}");
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    let tokens = Tokens::of(&redeem(&world, &code, &[]).await);
    assert_eq!(tokens.claims()["client_id"], DOCUMENT);
    Tokens::of(&refresh(&world, &tokens.refresh).await);
    assert_eq!(internet.count(DOCUMENT), 1, "a fresh copy is not fetched again");
    // What the document does not say is not there.
    for callback in ["https://app.example/other", "https://evil.example/cb", "https://app.example/cb?x"] {
        person.open(&ask(&world, callback)).await.must_be_page(400, "OA-105");
    }
    advance(3601);
    person.open(&ask(&world, APP_CALLBACK)).await;
    assert_eq!(internet.count(DOCUMENT), 2);
}

#[tokio::test]
async fn where_documents_are_off_their_urls_are_unknown_clients() {
    // proves: CIMD-08, REG-02, MCP-AUTH-047
    let world = World::at(crate::world::PUBLIC).await;
    let metadata = world.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata.get("client_id_metadata_document_supported").unwrap_or(&json!(false)), &json!(false));
    world.get(&ask(&world, APP_CALLBACK)).await.must_be_page(400, "OA-103");
}

#[tokio::test]
async fn why_a_document_cannot_be_read_is_told_to_nobody() {
    // proves: CIMD-01, CIMD-03, CIMD-05, CIMD-07, CIMD-15, MCP-AUTH-035, MCP-AUTH-042, MCP-AUTH-046, MCP-AUTH-050, MCP-SBP-022
    // proves: CID-05
    let (world, internet) = world(1000).await;
    let state = world.state().await;
    let mut pages = Vec::new();
    let json_type = [("content-type", "application/json")];
    let failures: [&dyn Fn(&Internet); 8] = [
        &|net| net.take_away(DOCUMENT),
        &|net| net.put(DOCUMENT, 302, &[("location", APP_CALLBACK)], ""),
        &|net| net.put(DOCUMENT, 404, &json_type, "{}"),
        &|net| net.put(DOCUMENT, 500, &json_type, "{}"),
        &|net| net.put(DOCUMENT, 200, &[("content-type", "text/html")], "<html>"),
        &|net| net.document(json!({"client_id": "https://app.example/other.json"})),
        &|net| net.document(json!({"client_secret": "s3cret"})),
        &|net| net.put(DOCUMENT, 200, &json_type, " ".repeat(20_000)),
    ];
    for failure in failures {
        failure(&internet);
        let page = world.get(&ask(&world, APP_CALLBACK)).await;
        page.must_be_page(400, "OA-114");
        pages.push(page.text().to_owned());
    }
    assert!(pages.iter().all(|page| *page == pages[0] && !page.contains("10.0.0.1") && !page.contains("404")));
    let told = redeem(&world, "dwc_x", &[]).await;
    told.must_be(401, "invalid_client");
    // An error is not remembered: as soon as the document is there, the app is.
    assert_eq!(world.state().await, state);
    internet.document(json!({}));
    assert_eq!(world.get(&ask(&world, APP_CALLBACK)).await.status, 303);
    // What is no document's URL is not fetched at all.
    let count = internet.asked.lock().unwrap().len();
    for id in ["https://app.example/", "https://app.example:8443/a", "https://10.0.0.1/a", "https://a@app.example/b"] {
        let page = world.get(&request(&world, id, APP_CALLBACK, verifier().challenge().as_str())).await;
        page.must_be_page(400, "OA-103");
    }
    assert_eq!(internet.asked.lock().unwrap().len(), count);
}

#[tokio::test]
async fn an_outage_of_the_apps_host_ends_no_access() {
    // proves: CIMD-18
    let (world, internet) = world(1000).await;
    internet.document(json!({}));
    let mut person = world.browser();
    let page = person.consent(&ask(&world, APP_CALLBACK)).await;
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    let tokens = Tokens::of(&redeem(&world, &code, &[]).await);
    internet.take_away(DOCUMENT);
    advance(2 * 24 * 3600);
    let tokens = Tokens::of(&refresh(&world, &tokens.refresh).await);
    person.open(&ask(&world, APP_CALLBACK)).await.must_be_page(400, "OA-114");
    Tokens::of(&refresh(&world, &tokens.refresh).await);
}

#[tokio::test]
async fn a_document_that_changes_under_a_request_is_asked_about_anew() {
    // proves: CIMD-11
    let (world, internet) = world(1000).await;
    internet.document(json!({}));
    let mut person = world.browser();
    let page = person.consent(&ask(&world, APP_CALLBACK)).await;
    internet.document(json!({"redirect_uris": ["https://evil.example/cb", APP_CALLBACK]}));
    // Another request makes the gateway look again.
    advance(3601);
    world.get(&ask(&world, APP_CALLBACK)).await;
    let answer = person.answer(&page, "allow").await;
    assert!(answer.code().is_some() && answer.status == 400, "{answer:?}");
    assert_eq!(world.table("grants").await.len(), 0);
    // Within the life of a request, and of the copy, nothing moves.
    let page = person.consent(&ask(&world, APP_CALLBACK)).await;
    internet.document(json!({"client_name": "Bank"}));
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    // A code goes on with what was consented to, and nowhere else.
    let verifier = verifier();
    let elsewhere = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://evil.example/cb"),
        ("client_id", DOCUMENT),
        ("code_verifier", verifier.expose()),
    ];
    world.form("/oauth/token", &[], &elsewhere).await.must_be(400, "invalid_grant");
    Tokens::of(&redeem(&world, &code, &[]).await);
}

#[tokio::test]
async fn many_who_ask_at_once_cost_one_look() {
    // proves: CIMD-10, CIMD-09
    let (world, internet) = world(1000).await;
    internet.document(json!({}));
    let target = ask(&world, APP_CALLBACK);
    let answers = join_all((0..200).map(|_| world.get(&target))).await;
    assert!(answers.iter().all(|answer| answer.status == 303));
    assert_eq!((internet.count(DOCUMENT), world.table("clients").await.len()), (1, 1));
    // A failure ends with the requests that waited for it.
    internet.take_away(DOCUMENT);
    advance(3601);
    let answers = join_all((0..50).map(|_| world.get(&target))).await;
    assert!(answers.iter().all(|answer| answer.code().as_deref() == Some("OA-114")));
    assert!(internet.count(DOCUMENT) < 40, "{}", internet.count(DOCUMENT));
    internet.document(json!({}));
    assert_eq!(world.get(&target).await.status, 303);
}

#[tokio::test]
async fn whoever_uses_up_a_host_does_not_lock_a_known_app_out() {
    // proves: CIMD-15
    let (world, internet) = world(5).await;
    let known = "https://vscode.dev/oauth/client-metadata.json";
    let document = json!({
        "client_id": known,
        "client_name": "Visual Studio Code",
        "redirect_uris": ["https://vscode.dev/redirect"],
        "token_endpoint_auth_method": "none",
    });
    internet.put(known, 200, &[("content-type", "application/json")], document);
    let ask = |id: String, callback: &'static str| {
        let target = request(&world, &id, callback, verifier().challenge().as_str());
        let world = &world;
        async move { world.get(&target).await }
    };
    come_from("192.0.2.1");
    for n in 0..5 {
        ask(format!("https://vscode.dev/{n}.json"), APP_CALLBACK).await.must_be_page(400, "OA-114");
    }
    come_from("192.0.2.2");
    ask("https://vscode.dev/other.json".into(), APP_CALLBACK).await.must_be_page(429, "OA-115");
    assert_eq!(ask(known.into(), "https://vscode.dev/redirect").await.status, 303);
}

#[tokio::test]
async fn nobody_looks_around_through_this_gateway() {
    // proves: CIMD-15, CIMD-09, MCP-AUTH-051
    let (world, internet) = world(5).await;
    let mut statuses = Vec::new();
    for n in 0..20 {
        let id = format!("https://host{n}.example/client.json");
        let page = world.get(&request(&world, &id, APP_CALLBACK, verifier().challenge().as_str())).await;
        statuses.push(page.status.as_u16());
        if page.status == 429 {
            page.must_be_page(429, "OA-115");
            assert!(page.header("retry-after").is_some());
        }
    }
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 5);
    assert_eq!(internet.asked.lock().unwrap().len(), 5);
    assert_eq!(world.table("clients").await.len(), 0);
}

#[tokio::test]
async fn what_the_operator_registered_counts_before_a_document() {
    // proves: CIMD-16
    use doorward_authorization_server::{Policy, pre_registration, store::Store as _};
    let (world, internet) = world(1000).await;
    let policy = Policy::new(doorward_types::Issuer::parse(crate::world::PUBLIC).unwrap());
    let wishes = pre_registration::Wishes {
        id: Some(DOCUMENT.into()),
        name: Some("Ours".into()),
        redirect_uris: vec![APP_CALLBACK.into()],
        ..Default::default()
    };
    let added = pre_registration::add(&policy, &wishes, now(), &mut SeededEntropy::new(3)).unwrap();
    world.store.commit(added.writes).await.unwrap();
    internet.document(json!({"redirect_uris": ["https://evil.example/cb"]}));
    let page = world.browser().consent(&ask(&world, APP_CALLBACK)).await;
    assert!(page.text().contains("data-identity=\"registered\""), "{page:?}");
    assert_eq!(internet.asked.lock().unwrap().len(), 0);
    world.get(&ask(&world, "https://evil.example/cb")).await.must_be_page(400, "OA-105");
    // What registers itself never gets such a name.
    let registered = world.register(json!({"client_id": DOCUMENT})).await.json();
    assert!(!registered["client_id"].as_str().unwrap().starts_with("https://"));
}

const JWKS: &str = "https://app.example/jwks.json";

fn key_set(keys: &[&SigningKey]) -> String {
    json!({"keys": keys.iter().map(|key| key.public_jwk()).collect::<Vec<_>>()}).to_string()
}

fn assertion(key: &SigningKey, jti: &str, aud: &str) -> String {
    let exp = now().as_unix() + 60;
    key.sign(
        "client-authentication+jwt",
        &json!({"iss": DOCUMENT, "sub": DOCUMENT, "aud": aud, "exp": exp, "jti": jti}),
    )
}

const TYPE: (&str, &str) = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");

#[tokio::test]
async fn an_app_with_a_key_proves_itself_by_it_on_every_call() {
    // proves: CIMD-10, CIMD-17, R7523-02, R7523-03, R7523-08
    let (world, internet) = world(1000).await;
    let (key, next) = (SigningKey::generate(), SigningKey::generate());
    internet.document(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": JWKS}));
    let jwks_headers = [("content-type", "application/json"), ("cache-control", "max-age=86400")];
    internet.put(JWKS, 200, &jwks_headers, key_set(&[&key]));
    let mut person = world.browser();
    let page = person.consent(&ask(&world, APP_CALLBACK)).await;
    let code = person.answer(&page, "allow").await.sent_back("code").unwrap();
    redeem(&world, &code, &[]).await.must_be(401, "invalid_client");
    let foreign = assertion(&SigningKey::generate(), "f", &world.origin);
    redeem(&world, &code, &[TYPE, ("client_assertion", &foreign)]).await.must_be(401, "invalid_client");
    let endpoint = assertion(&key, "e", &format!("{}/oauth/token", world.origin));
    redeem(&world, &code, &[TYPE, ("client_assertion", &endpoint)]).await.must_be(401, "invalid_client");
    let good = assertion(&key, "one", &world.origin);
    let tokens = Tokens::of(&redeem(&world, &code, &[TYPE, ("client_assertion", &good)]).await);
    // It is good once, at whatever endpoint.
    for path in ["/oauth/token", "/oauth/revoke"] {
        let fields = [
            TYPE,
            ("client_assertion", &good),
            ("grant_type", "refresh_token"),
            ("refresh_token", &tokens.refresh),
            ("token", "x"),
        ];
        world.form(path, &[], &fields).await.must_be(401, "invalid_client");
    }
    refresh(&world, &tokens.refresh).await.must_be(401, "invalid_client");
    // A new key is looked for, but not more than once a minute.
    let looked = internet.count(JWKS);
    advance(61);
    internet.put(JWKS, 200, &jwks_headers, key_set(&[&key, &next]));
    let renewed = assertion(&next, "two", &world.origin);
    let fields = [
        TYPE,
        ("client_assertion", renewed.as_str()),
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
    ];
    Tokens::of(&world.form("/oauth/token", &[], &fields).await);
    assert_eq!(internet.count(JWKS), looked + 1);
    for n in 0..10 {
        let unknown = assertion(&SigningKey::generate(), &n.to_string(), &world.origin);
        let fields = [TYPE, ("client_assertion", unknown.as_str()), ("token", "x")];
        world.form("/oauth/revoke", &[], &fields).await.must_be(401, "invalid_client");
    }
    assert_eq!(internet.count(JWKS), looked + 1);
    // What its host does not name any more counts no longer once the copy is old.
    internet.put(JWKS, 200, &jwks_headers, key_set(&[&next]));
    let revoke = async |key: &SigningKey, jti: &str| {
        let assertion = assertion(key, jti, &world.origin);
        world.form("/oauth/revoke", &[], &[TYPE, ("client_assertion", assertion.as_str()), ("token", "x")]).await.status
    };
    assert_eq!(revoke(&key, "three").await, 200);
    advance(86_401);
    assert_eq!([revoke(&key, "four").await, revoke(&next, "five").await], [401, 200]);
}

#[tokio::test]
async fn keys_are_not_read_more_often_than_documents() {
    // proves: CIMD-17
    let (world, internet) = world(1).await;
    let key = SigningKey::generate();
    internet.document(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": JWKS}));
    internet.put(JWKS, 200, &[("content-type", "application/json")], key_set(&[&key]));
    world.get(&ask(&world, APP_CALLBACK)).await;
    let revoke = async |jti: &str| {
        let assertion = assertion(&key, jti, &world.origin);
        world.form("/oauth/revoke", &[], &[TYPE, ("client_assertion", assertion.as_str()), ("token", "x")]).await.status
    };
    // The one look of this minute was at the document.
    assert_eq!((revoke("one").await.as_u16(), internet.count(JWKS)), (401, 0));
    advance(61);
    assert_eq!((revoke("two").await.as_u16(), internet.count(JWKS)), (200, 1));
}

#[tokio::test]
async fn an_app_that_changes_its_keys_is_heard_where_it_proves_itself() {
    // proves: CIMD-10, CIMD-17, R7523-02
    let (world, internet) = world(1000).await;
    let (stolen, next) = (SigningKey::generate(), SigningKey::generate());
    let publish = |key: &SigningKey| {
        let keys: Value = serde_json::from_str(&key_set(&[key])).unwrap();
        internet.document(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": keys}));
    };
    publish(&stolen);
    world.get(&ask(&world, APP_CALLBACK)).await;
    let revoke = async |key: &SigningKey, jti: &str| {
        let assertion = assertion(key, jti, &world.origin);
        world.form("/oauth/revoke", &[], &[TYPE, ("client_assertion", assertion.as_str()), ("token", "x")]).await.status
    };
    assert_eq!(revoke(&stolen, "one").await, 200);
    publish(&next);
    let looked = internet.count(DOCUMENT);
    assert_eq!(revoke(&stolen, "two").await, 200, "the copy is good for an hour");
    assert_eq!(internet.count(DOCUMENT), looked);
    advance(3601);
    assert_eq!([revoke(&stolen, "three").await, revoke(&next, "four").await], [401, 200]);
    assert_eq!(internet.count(DOCUMENT), looked + 1);
    // While its host is away the app goes on as it was, and the host is not asked more than once a minute.
    internet.take_away(DOCUMENT);
    advance(3601);
    for n in 0..5 {
        assert_eq!(revoke(&next, &format!("away {n}")).await, 200);
    }
    assert_eq!(internet.count(DOCUMENT), looked + 2);
    advance(61);
    assert_eq!(revoke(&next, "five").await, 200);
    assert_eq!(internet.count(DOCUMENT), looked + 3);
}

#[tokio::test]
async fn one_assertion_sent_by_many_at_once_counts_once() {
    // proves: R7523-02
    let (world, internet) = world(1000).await;
    let key = SigningKey::generate();
    let keys: Value = serde_json::from_str(&key_set(&[&key])).unwrap();
    internet.document(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": keys}));
    world.get(&ask(&world, APP_CALLBACK)).await;
    let good = assertion(&key, "one", &world.origin);
    let fields = [TYPE, ("client_assertion", good.as_str()), ("token", "x")];
    let answers = join_all((0..16).map(|_| world.form("/oauth/revoke", &[], &fields))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().all(|answer| answer.status == 200 || answer.status == 401));
}

#[tokio::test]
async fn the_page_tells_both_hosts_and_warns_of_what_it_cannot_know() {
    // proves: CIMD-12, CIMD-13, CIMD-14, REG-05, MCP-AUTH-046, MCP-AUTH-052, MCP-SBP-041
    let (world, internet) = world(1000).await;
    internet.document(json!({"redirect_uris": ["https://bank.example/cb", "http://127.0.0.1/cb"]}));
    let mut person = world.browser();
    let page = person.consent(&ask(&world, "https://bank.example/cb")).await;
    assert!(page.text().contains("app.example") && page.text().contains("bank.example"), "{page:?}");
    let page = person.consent(&ask(&world, "http://127.0.0.1:5555/cb")).await;
    assert!(page.text().contains("id=\"local-warning\"") && page.text().contains("127.0.0.1"), "{page:?}");
    for (id, name, identity) in [
        ("https://evil.github.io/client.json", "An app", "unverified"),
        ("https://evil.example/client.json", "Claude", "imitation"),
        ("https://evil.example/second.json", "\u{421}laude", "imitation"),
        ("https://claude.ai/oauth/claude-code-client-metadata", "Claude Code", "known"),
    ] {
        let document = json!({"client_id": id, "client_name": name, "redirect_uris": [APP_CALLBACK]});
        internet.put(id, 200, &[("content-type", "application/json")], document);
        let page = person.consent(&request(&world, id, APP_CALLBACK, verifier().challenge().as_str())).await;
        assert!(page.text().contains(&format!("data-identity=\"{identity}\"")), "{id}: {page:?}");
    }
}

#[tokio::test]
async fn an_app_with_a_key_pushes_its_request() {
    // proves: R9126-06, R9126-02
    let (world, internet) = world(1000).await;
    let key = SigningKey::generate();
    internet.document(json!({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": JWKS}));
    internet.put(JWKS, 200, &[("content-type", "application/json")], key_set(&[&key]));
    let query = ask(&world, APP_CALLBACK);
    let pairs = doorward_testkit::url_text::parameters(&query);
    let push = async |assertion: &str| {
        let mut fields: Vec<_> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend([TYPE, ("client_assertion", assertion)]);
        world.form("/oauth/par", &[], &fields).await
    };
    // The audience is the issuer, and not the endpoint.
    for audience in [format!("{}/oauth/par", world.origin), format!("{}/oauth/token", world.origin)] {
        push(&assertion(&key, &audience, &audience)).await.must_be(401, "invalid_client");
    }
    let good = assertion(&key, "one", &world.origin);
    let answer = push(&good).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    push(&good).await.must_be(401, "invalid_client");
    let uri = answer.json()["request_uri"].as_str().unwrap().to_owned();
    let request = format!(
        "/oauth/authorize?{}",
        doorward_testkit::url_text::form(&[("client_id", DOCUMENT), ("request_uri", &uri)])
    );
    let mut person = world.browser();
    let page = person.consent(&request).await;
    assert!(person.answer(&page, "allow").await.sent_back("code").is_some());
}
