//! Enterprise-managed authorization with a real identity provider over TLS (panva's oidc-provider): a person signs in there,
//! an app gets an ID-JAG there, and the gateway gives it a token for that without asking the person.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use doorward_testkit::process::{Authority, Certificate, Gateway, Running, foreign, repository};
use serde_json::{Value, json};

use crate::{
    web_site::{HERE, said, trusting},
    world::PATIENCE,
};

/// An identity provider in a process of its own.
pub(crate) struct Provider {
    process: Running,
    pub(crate) issuer: String,
}

impl Provider {
    pub(crate) fn start(certificate: &Certificate) -> Self {
        foreign("npm/node_modules/oidc-provider");
        let mut command = Command::new("node");
        command.arg(repository().join("tests/servers/idp.mjs")).args([&certificate.certificate, &certificate.key]);
        let mut process = Running::start(&mut command);
        let issuer = said(&mut process)["issuer"].as_str().expect("an issuer").to_owned();
        Self { process, issuer }
    }

    pub(crate) fn tell(&mut self, command: &Value) {
        self.ask(command);
    }

    pub(crate) fn ask(&mut self, command: &Value) -> Value {
        self.process.write_line(&command.to_string());
        said(&mut self.process)
    }
}

/// An app that the operator added, with somebody signed in at a provider.
struct App {
    process: Running,
    audience: String,
    resource: String,
}

impl App {
    fn start(authority: &Authority, gateway: &Gateway, provider: &Provider, client: &Value) -> Self {
        let options = json!({
            "idp": provider.issuer, "client_id": client["client_id"], "secret": client["client_secret"],
        });
        let mut command = Command::new("node");
        command.arg(repository().join("tests/clients/id-jag.mjs")).env("NODE_EXTRA_CA_CERTS", authority.file());
        command.args([gateway.public_url(), gateway.mcp_url(), &options.to_string()]);
        let mut process = Running::start(&mut command);
        let begun = said(&mut process);
        assert_eq!(begun["signed_in"], "ada", "{begun}");
        let profiles = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
        assert_eq!(begun["profiles"], profiles, "the gateway says that it takes ID-JAGs");
        Self { process, audience: gateway.public_url().to_owned(), resource: gateway.mcp_url().to_owned() }
    }

    /// An ID-JAG from the provider, for this gateway but for a change of what is asked.
    fn id_jag(&mut self, change: &Value) -> String {
        let mut asked = json!({"audience": self.audience, "resource": self.resource, "scope": "mcp:read"});
        asked.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.process.write_line(&json!({"exchange": asked}).to_string());
        said(&mut self.process)["id_jag"].as_str().expect("an ID-JAG").to_owned()
    }

    fn redeem(&mut self, id_jag: &str) -> Value {
        self.process.write_line(&json!({"redeem": id_jag}).to_string());
        said(&mut self.process)
    }

    #[track_caller]
    fn must_be_refused(&mut self, id_jag: &str) {
        assert_eq!(self.redeem(id_jag), json!({"error": "invalid_grant"}));
    }
}

/// Adds a client that may come with an ID-JAG.
pub(crate) fn add(gateway: &Gateway, name: &str) -> Value {
    let arguments = ["client", "add", name, "--auth", "basic", "--grant", "jwt-bearer", "--json"];
    let (status, output, errors) = gateway.run(&arguments);
    assert_eq!(status, Some(0), "{errors}");
    serde_json::from_str(&output).unwrap()
}

#[tokio::test]
async fn a_providers_word_lets_an_app_in_once_and_only_where_it_is_for() {
    // proves: EXT-EMA-013, EXT-EMA-014, EXT-EMA-015, EXT-EMA-016, EXT-EMA-019, EXT-EMA-021, EXT-EMA-024, EXT-EMA-025
    // proves: EXT-EMA-026, EXT-EMA-028, EXT-01, IDJAG-06, IDJAG-07
    let authority = Authority::new();
    let certificate = authority.certificate(HERE);
    let (mut provider, stranger) = (Provider::start(&certificate), Provider::start(&certificate));
    let gateway = trusting(&authority, &["--enterprise-issuer", &provider.issuer]);
    let client = add(&gateway, "Desktop");
    let mut app = App::start(&authority, &gateway, &provider, &client);

    let id_jag = app.id_jag(&json!({}));
    let got = app.redeem(&id_jag);
    let token = &got["token"];
    assert_eq!(
        (&got["call"], &token["scope"], &token["token_type"]),
        (&json!(200), &json!("mcp:read"), &json!("bearer"))
    );
    assert!(token.get("refresh_token").is_none(), "{token}");
    app.must_be_refused(&id_jag);
    // A provider that names no resource leaves it to the gateway, which has one.
    let bare = app.id_jag(&json!({"resource": null}));
    assert_eq!(app.redeem(&bare)["call"], 200);
    // What is for another server, another resource or another client is not for this one.
    for other in [
        json!({"audience": "https://other.example"}),
        json!({"audience": format!("{}/", gateway.public_url())}),
        json!({"resource": "https://other.example/mcp"}),
        json!({"client": "dwcl_other"}),
        json!({"scope": "admin"}),
        json!({"scope": null}),
    ] {
        let id_jag = app.id_jag(&other);
        let refused = app.redeem(&id_jag);
        let error = refused["error"].as_str().unwrap_or_else(|| panic!("{other}: {refused}"));
        assert!(["invalid_grant", "invalid_scope"].contains(&error), "{other}: {refused}");
        assert_eq!(error == "invalid_scope", other.get("scope").is_some(), "{other}: {refused}");
    }
    provider.tell(&json!({"lifetime": -60}));
    let expired = app.id_jag(&json!({}));
    app.must_be_refused(&expired);
    provider.tell(&json!({"lifetime": 7200}));
    let too_long = app.id_jag(&json!({}));
    app.must_be_refused(&too_long);
    // Another provider's word does not count, good as its certificate and its signature are.
    let mut elsewhere = App::start(&authority, &gateway, &stranger, &client);
    let foreign = elsewhere.id_jag(&json!({}));
    elsewhere.must_be_refused(&foreign);
    // One person all along, whom nobody asked for a password here; and no assertion is in the log.
    let log = gateway.log();
    for assertion in [&id_jag, &bare, &expired, &foreign] {
        assert!(!log.contains(assertion.rsplit('.').next().unwrap()), "{log}");
    }
}

#[tokio::test]
async fn a_providers_new_key_is_met_and_one_that_it_withdraws_is_good_no_more() {
    // proves: EXT-EMA-024, JWT-19
    // Half a minute: so long a gateway waits between two looks at a provider's keys.
    let authority = Authority::new();
    let mut provider = Provider::start(&authority.certificate(HERE));
    let gateway = trusting(&authority, &["--enterprise-issuer", &provider.issuer]);
    let mut app = App::start(&authority, &gateway, &provider, &add(&gateway, "Desktop"));
    let (first, withheld) = (app.id_jag(&json!({})), app.id_jag(&json!({})));
    assert_eq!(app.redeem(&first)["call"], 200);
    provider.tell(&json!({"rotate": "RS256"}));
    let renewed = app.id_jag(&json!({}));
    provider.tell(&json!({"withdraw": true}));
    let end = Instant::now() + PATIENCE;
    loop {
        let got = app.redeem(&renewed);
        if got["call"] == 200 {
            break;
        }
        assert!(got["error"] == "invalid_grant" && Instant::now() < end, "{got}");
        std::thread::sleep(Duration::from_secs(2));
    }
    app.must_be_refused(&withheld);
}

#[tokio::test]
async fn a_provider_whose_certificate_is_not_good_is_not_believed() {
    // proves: EXT-EMA-023, EXT-EMA-024
    let authority = Authority::new();
    // The app knows both authorities; the gateway knows one.
    let strange = Authority::new();
    let provider = Provider::start(&strange.certificate(HERE));
    let gateway = trusting(&authority, &["--enterprise-issuer", &provider.issuer]);
    let mut app = App::start(&strange, &gateway, &provider, &add(&gateway, "Desktop"));
    let id_jag = app.id_jag(&json!({}));
    assert_eq!(app.redeem(&id_jag), json!({"error": 503}), "it may be good another time");
    let log = gateway.log();
    assert!(log.contains(&provider.issuer) && log.contains("UnknownIssuer"), "{log}");
}
