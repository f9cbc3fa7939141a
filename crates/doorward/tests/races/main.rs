//! Two real gateway processes on one database, and many requests at the same moment.
//!
//! A few rounds run with every test run; `cargo xtask soak races --rounds 1000` runs many and prints what it saw.

#![allow(clippy::print_stdout, reason = "a soak says what it saw")]

#[path = "../attacks/world.rs"]
#[allow(dead_code, reason = "shared with the attacks, which need more of it")]
mod world;

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use doorward_testkit::{
    postgres::Postgres,
    process::{Gateway, GatewayOptions, Node, http, repository},
    url_text::form,
};
use serde_json::Value;
use tokio::sync::Barrier;

use world::{App, CALLBACK, DOORWARD, NAME, PASSWORD, visitor};

/// How many rounds of each race; a soak says more.
fn rounds() -> usize {
    std::env::var("DOORWARD_RACE_ROUNDS").map_or(20, |rounds| rounds.parse().expect("a number of rounds"))
}

/// A gateway of two processes.
struct Nodes {
    first: Gateway,
    second: Node,
    client: reqwest::Client,
}

impl Nodes {
    fn start(environment: &[(&str, &str)]) -> Self {
        let server = repository().join("tests/servers/spy.mjs");
        let options = GatewayOptions::new(DOORWARD, &["node", server.to_str().unwrap()]);
        // Each round is one more sign-in from the same address.
        let options = options.flags(&["--limit", "strangers=1000000"]);
        let options = environment.iter().fold(options, |options, (name, value)| options.environment(name, value));
        let first = Gateway::start(options);
        first.add_user(NAME, PASSWORD);
        let second = first.node();
        Self { first, second, client: http() }
    }

    /// Sends one form to the token endpoint so many times at once, every other one to the other process; returns the
    /// answers in no order.
    async fn at_once(&self, times: usize, fields: &[(&str, &str)]) -> Vec<(u16, Value)> {
        let public = self.first.public_url().strip_prefix("http://").expect("plain HTTP on loopback").to_owned();
        let own = public.replacen("localhost", "127.0.0.1", 1);
        let (body, start) = (form(fields), Arc::new(Barrier::new(times)));
        let attempts: Vec<_> = (0..times)
            .map(|number| {
                let node = if number % 2 == 0 { &own } else { self.second.address() };
                let request = self.client.post(format!("http://{node}/oauth/token")).header("host", &public);
                let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
                let start = start.clone();
                tokio::spawn(async move {
                    start.wait().await;
                    let response = request.send().await.expect("the gateway answers");
                    let status = response.status().as_u16();
                    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or(Value::Null))
                })
            })
            .collect();
        let mut answers = Vec::with_capacity(times);
        for attempt in attempts {
            answers.push(attempt.await.unwrap());
        }
        answers
    }
}

/// One code, 64 redemptions at once over two processes: exactly one gets tokens.
async fn codes(engine: &str, nodes: &Nodes) {
    let app = App::register(&nodes.first, &[CALLBACK]).await;
    let mut visitor = visitor(&nodes.first);
    let (started, mut slowest) = (Instant::now(), Duration::ZERO);
    for round in 0..rounds() {
        let code = app.code(&mut visitor).await;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("client_id", &app.id),
            ("code_verifier", &app.verifier),
            ("resource", &app.resource),
        ];
        let race = Instant::now();
        let answers = nodes.at_once(64, &fields).await;
        slowest = slowest.max(race.elapsed());
        let won = answers.iter().filter(|(status, body)| *status == 200 && body["access_token"].is_string()).count();
        assert_eq!(won, 1, "{engine}, round {round}: {answers:?}");
        for (status, body) in answers.iter().filter(|(status, _)| *status != 200) {
            assert_eq!(
                (*status, &body["error"]),
                (400, &Value::from("invalid_grant")),
                "{engine}, round {round}: {body}"
            );
        }
    }
    report(engine, "codes, 64 redemptions each, one success each", started, slowest);
}

/// One refresh token, 32 refreshes at once over two processes: one successor, the same answer for all, and it is live.
async fn refreshes(engine: &str, nodes: &Nodes) {
    let app = App::register(&nodes.first, &[CALLBACK]).await;
    let mut token = app.tokens(&mut visitor(&nodes.first)).await.refresh().to_owned();
    let (started, mut slowest) = (Instant::now(), Duration::ZERO);
    for round in 0..rounds() {
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token.as_str()),
            ("client_id", &app.id),
            ("resource", &app.resource),
        ];
        let race = Instant::now();
        let answers = nodes.at_once(32, &fields).await;
        slowest = slowest.max(race.elapsed());
        assert!(answers.iter().all(|(status, _)| *status == 200), "{engine}, round {round}: {answers:?}");
        let text = |body: &Value, name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let different: BTreeSet<_> =
            answers.iter().map(|(_, body)| (text(body, "refresh_token"), text(body, "access_token"))).collect();
        assert_eq!(different.len(), 1, "{engine}, round {round}: one successor and one answer");
        let (successor, access) = different.into_iter().next().expect("there is one");
        assert_ne!(successor, token, "{engine}, round {round}");
        assert_eq!(app.call(&access).await, 200, "{engine}, round {round}");
        // The next round refreshes it: it is the one live head.
        token = successor;
    }
    let last = app.refresh(&token, &[]).await;
    assert_eq!(last.status, 200, "{engine}: the last head is live: {last:?}");
    report(engine, "refresh tokens, 32 refreshes each, one successor and one answer each", started, slowest);
}

fn report(engine: &str, what: &str, started: Instant, slowest: Duration) {
    let (rounds, took) = (rounds(), started.elapsed().as_secs_f64());
    println!("races: {engine}: {rounds} {what}; {took:.1} s, slowest round {:.0} ms", slowest.as_secs_f64() * 1000.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_redeemed_once_over_two_processes_on_sqlite() {
    // proves: CODE-04, FLT-08, INV-1
    codes("SQLite", &Nodes::start(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_has_one_successor_over_two_processes_on_sqlite() {
    // proves: RT-04, FLT-09, INV-2
    refreshes("SQLite", &Nodes::start(&[])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_redeemed_once_over_two_processes_on_postgresql() {
    // proves: CODE-04, FLT-08, INV-1
    let database = Postgres::fresh();
    codes("PostgreSQL", &Nodes::start(&[("DOORWARD_DATABASE_URL", &database.url())])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_has_one_successor_over_two_processes_on_postgresql() {
    // proves: RT-04, FLT-09, INV-2
    let database = Postgres::fresh();
    refreshes("PostgreSQL", &Nodes::start(&[("DOORWARD_DATABASE_URL", &database.url())])).await;
}
