//! Several nodes on one PostgreSQL database, and a database that goes away.

use std::time::{Duration, Instant};

use doorward_testkit::{
    postgres::Postgres,
    process::{Gateway, Node, http},
    url_text::form,
};
use serde_json::{Value, json};

use crate::{
    engine::{PATIENCE, World, options, until},
    world::{App, CALLBACK, NAME, PASSWORD, visitor},
};

/// What a node answers: status, whether it says when to come back, and the body.
struct Said {
    status: u16,
    retry_after: bool,
    challenged: bool,
    body: Value,
}

async fn said(request: reqwest::RequestBuilder) -> Said {
    let response = request.send().await.unwrap();
    let headers = response.headers();
    let (retry_after, challenged) = (headers.contains_key("retry-after"), headers.contains_key("www-authenticate"));
    let status = response.status().as_u16();
    Said { status, retry_after, challenged, body: response.json().await.unwrap_or(Value::Null) }
}

/// One process of a gateway, asked directly as a load balancer would.
struct Direct {
    address: String,
    host: String,
}

impl Direct {
    fn first(gateway: &Gateway) -> Self {
        Self { address: gateway.report["listen"].as_str().unwrap().to_owned(), host: host(gateway) }
    }

    fn second(gateway: &Gateway, node: &Node) -> Self {
        Self { address: node.address().to_owned(), host: host(gateway) }
    }

    async fn get(&self, path: &str) -> Said {
        said(http().get(format!("http://{}{path}", self.address)).header("host", &self.host)).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Said {
        let request = http().post(format!("http://{}{path}", self.address)).header("host", &self.host);
        said(request.header("content-type", "application/x-www-form-urlencoded").body(form(fields))).await
    }

    async fn call(&self, token: &str) -> Said {
        said(self.calling(token, "tools/list", json!({}))).await
    }

    fn calling(&self, token: &str, method: &str, mut params: Value) -> reqwest::RequestBuilder {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "doorward-tests", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        http()
            .post(format!("http://{}/mcp", self.address))
            .header("host", &self.host)
            .header("authorization", format!("Bearer {token}"))
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", method)
            .body(body)
    }
}

fn host(gateway: &Gateway) -> String {
    gateway.public_url().strip_prefix("http://").unwrap().to_owned()
}

#[tokio::test]
async fn what_one_node_does_the_other_knows() {
    // proves: FLT-20
    let world = World::postgres(Postgres::fresh());
    let node = world.gateway.node();
    let (first, second) = (Direct::first(&world.gateway), Direct::second(&world.gateway, &node));
    let mut times = Vec::new();
    for _ in 0..5 {
        // Signed in and allowed at one, the code redeemed at the other.
        let app = App::register(&world.gateway, &[CALLBACK]).await;
        let code = app.code(&mut visitor(&world.gateway)).await;
        let redeem = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("client_id", &app.id),
            ("code_verifier", &app.verifier),
            ("resource", &app.resource),
        ];
        let tokens = second.post("/oauth/token", &redeem).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        let access = tokens.body["access_token"].as_str().unwrap();
        let refresh = tokens.body["refresh_token"].as_str().unwrap();
        assert_eq!((first.call(access).await.status, second.call(access).await.status), (200, 200));
        // A listener at the first node ends with the grant, although the second revokes it.
        let mut stream = first
            .calling(access, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))
            .send()
            .await
            .unwrap();
        assert_eq!(stream.status(), 200);
        let first_piece = stream.chunk().await.unwrap().expect("the stream begins");
        assert!(String::from_utf8_lossy(&first_piece).contains("data:"), "{first_piece:?}");

        let revoke = [("token", refresh), ("client_id", &app.id)];
        assert_eq!(second.post("/oauth/revoke", &revoke).await.status, 200);
        let revoked = Instant::now();
        assert_eq!(second.call(access).await.status, 401, "at once where it was revoked");
        until("the other node refuses", || async { first.call(access).await.status == 401 }).await;
        times.push(revoked.elapsed());
        let ended = async { while let Ok(Some(_)) = stream.chunk().await {} };
        tokio::time::timeout(PATIENCE, ended).await.expect("the stream ends with the grant");
    }
    // A notification brings it at once; a machine that stands still for a moment does not do so each time.
    times.sort_unstable();
    assert!(times[2] < Duration::from_secs(1), "{times:?} until the other node refused");
}

#[tokio::test]
async fn a_key_made_on_one_machine_is_used_on_all() {
    // proves: FLT-10, FLT-11
    let world = World::postgres(Postgres::fresh());
    let node = world.gateway.node();
    let (first, second) = (Direct::first(&world.gateway), Direct::second(&world.gateway, &node));
    let names = |said: &Said| {
        let keys = said.body["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned());
        keys.collect::<Vec<_>>()
    };
    let before = names(&first.get("/oauth/jwks").await);
    assert_eq!((before.len(), &before), (1, &names(&second.get("/oauth/jwks").await)));
    let new = world.json("key rotate")["kid"].as_str().unwrap().to_owned();
    let both = vec![before[0].clone(), new];
    until("both nodes publish the new key", || async {
        names(&first.get("/oauth/jwks").await) == both && names(&second.get("/oauth/jwks").await) == both
    })
    .await;
}

#[test]
fn ten_nodes_that_start_at_once_on_nothing_agree() {
    // proves: FLT-10
    let database = Postgres::fresh();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("operator.key");
    let (_, made, _) = run(&["key", "generate"], &[]);
    std::fs::write(&key, made).unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let url = database.url();
    let started: Vec<_> = (0..10)
        .map(|_| {
            let options = options().environment("DOORWARD_DATABASE_URL", &url);
            let options = options.environment("DOORWARD_KEY_FILE", key.to_str().unwrap());
            std::thread::spawn(move || Gateway::start(options))
        })
        .collect();
    let nodes: Vec<Gateway> = started.into_iter().map(|node| node.join().expect("each node comes up")).collect();
    assert_eq!(database.sql("SELECT count(*) FROM keys"), "1");
    assert_eq!(database.sql("SELECT count(*) FROM audit"), "1");
    // Of the links for the first account only the newest works, and they make one account.
    assert_eq!(nodes.iter().filter(|node| node.setup_url().is_some()).count(), 10);
    assert_eq!(database.sql("SELECT count(*) FROM setup"), "1");
}

/// Runs `doorward` with these variables.
fn run(arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String, String) {
    let mut command = std::process::Command::new(crate::world::DOORWARD);
    command.env_clear().args(arguments).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn a_database_that_goes_away_is_told_and_found_again() {
    // proves: FLT-06, FLT-05
    let database = Postgres::alone();
    let gateway = options().environment("DOORWARD_DATABASE_URL", &database.url());
    let gateway = Gateway::start(gateway.flags(&["--revocation-bound", "10s"]));
    gateway.add_user(NAME, PASSWORD);
    let node = Direct::first(&gateway);
    let app = App::register(&gateway, &[CALLBACK]).await;
    let tokens = app.tokens(&mut visitor(&gateway)).await;
    assert_eq!((node.call(tokens.access()).await.status, node.get("/readyz").await.status), (200, 200));

    let before = Instant::now();
    database.stop();
    let gone = Instant::now();
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", tokens.refresh()),
        ("client_id", &app.id),
        ("resource", &app.resource),
    ];
    for (path, answer) in [
        ("token", node.post("/oauth/token", &refresh).await),
        ("revoke", node.post("/oauth/revoke", &[("token", tokens.refresh()), ("client_id", &app.id)]).await),
        ("authorize", node.get(&app.request(&[]).replacen(&app.issuer, "", 1)).await),
        ("ready", node.get("/readyz").await),
    ] {
        assert_eq!((answer.status, answer.retry_after), (503, true), "{path}: {}", answer.body);
    }
    assert!(gone.elapsed() < PATIENCE, "nobody waits long: {:?}", gone.elapsed());
    assert_eq!(node.get("/healthz").await.status, 200, "the process itself is well");
    assert_eq!(node.get("/oauth/jwks").await.status, 200);
    assert_eq!(node.get("/.well-known/oauth-authorization-server").await.status, 200);
    // Tokens are believed for a while, and then not, since nobody could tell of a revocation.
    until("tokens are not believed any more", || async { node.call(tokens.access()).await.status == 503 }).await;
    // What was known then was at most two seconds old, a look each second.
    assert!(before.elapsed() >= Duration::from_secs(8), "{:?}", before.elapsed());
    let refused = node.call(tokens.access()).await;
    assert!(refused.retry_after && !refused.challenged, "a client must not throw its token away");
    assert_eq!(node.call("nonsense").await.status, 401, "what is no token is known without any database");

    database.start();
    until("it recovers by itself", || async { node.call(tokens.access()).await.status == 200 }).await;
    until("it says so", || async { node.get("/readyz").await.status == 200 }).await;
    // Nothing was half done meanwhile: the same refresh token works, once.
    let renewed = app.refresh(tokens.refresh(), &[]).await;
    assert_eq!(renewed.status, 200, "{renewed:?}");
    let (code, output, errors) = gateway.run(&["audit-log", "verify"]);
    assert_eq!(code, Some(0), "{output}{errors}");
}

#[test]
fn a_start_waits_for_the_database_but_not_for_ever() {
    // proves: FLT-06
    let database = Postgres::alone();
    let url = database.url();
    database.stop();
    let home = tempfile::tempdir().unwrap();
    let environment = [("DOORWARD_DATABASE_URL", url.as_str()), ("HOME", home.path().to_str().unwrap())];
    let started = Instant::now();
    let flags = ["serve", "--json", "--listen", "127.0.0.1:0", "--database-wait", "2s", "--", "true"];
    let (code, _, errors) = run(&flags, &environment);
    assert!(started.elapsed() >= Duration::from_secs(2) && started.elapsed() < PATIENCE);
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains("waiting for the database") && errors.contains("STO-02"), "{errors}");
    assert!(!run(&["key", "list"], &environment).2.is_empty());

    let options = options().environment("DOORWARD_DATABASE_URL", &url);
    let starting = std::thread::spawn(move || Gateway::start(options));
    std::thread::sleep(Duration::from_secs(2));
    assert!(!starting.is_finished(), "it waits");
    database.start();
    assert!(starting.join().unwrap().setup_url().is_some());
}

#[test]
fn a_database_url_that_cannot_be_used_says_why_and_shows_no_password() {
    // proves: ADM-06, LEAK-01
    let database = Postgres::fresh();
    let home = tempfile::tempdir().unwrap();
    let with =
        |url: &str| run(&["key", "list"], &[("DOORWARD_DATABASE_URL", url), ("HOME", home.path().to_str().unwrap())]);
    let missing = format!("postgres://doorward:s3cret@127.0.0.1:{}/nowhere", database.port());
    for (url, exit, says) in [
        ("mysql://root:s3cret@db/x", 6, "CFG-05"),
        ("postgres://doorward:s3cret@127.0.0.1:1/x", 4, "STO-02"),
        (missing.as_str(), 1, "createdb"),
    ] {
        let (code, output, errors) = with(url);
        assert_eq!(code, Some(exit), "{errors}");
        assert!(errors.contains(says) && !errors.contains("s3cret") && output.is_empty(), "{errors}");
    }
    let (_, help, _) = run(&["serve", "--help"], &[("DOORWARD_DATABASE_URL", missing.as_str())]);
    assert!(help.contains("--database-url") && !help.contains("s3cret"), "{help}");
}
