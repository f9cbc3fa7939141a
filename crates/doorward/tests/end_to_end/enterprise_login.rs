//! A person signs in at their organisation's identity provider (panva's oidc-provider over TLS), once, and `doorward` is let in
//! at several gateways for that.

use std::{process::Command, time::Duration};

use doorward_testkit::process::{Authority, Gateway, Running, Stdio, foreign, http, repository};
use serde_json::{Value, json};

use crate::{
    enterprise::{Provider, add},
    web_site::{HERE, said, trusting},
    world::{PATIENCE, Person},
};

/// An organisation: its identity provider, the servers that believe it, and one of its people.
struct Organisation {
    authority: Authority,
    provider: Provider,
    person: Person,
}

/// A gateway, and how the program is known there.
struct Server {
    gateway: Gateway,
    client: Value,
}

impl Organisation {
    fn new() -> Self {
        foreign("npm/node_modules/oidc-provider");
        let authority = Authority::new();
        let provider = Provider::start(&authority.certificate(HERE));
        Self { authority, provider, person: Person::new() }
    }

    fn server(&mut self) -> Server {
        let gateway = trusting(&self.authority, &["--enterprise-issuer", &self.provider.issuer]);
        let client = add(&gateway, "doorward");
        self.provider.tell(&json!({"app": {gateway.public_url(): client["client_id"]}}));
        Server { gateway, client }
    }

    /// A command of the person, with all that says how they get in.
    fn command(&self, words: &[&str], server: &Server, browser: bool) -> Command {
        let id = server.client["client_id"].as_str().unwrap();
        let flags = [
            "--enterprise-idp",
            &self.provider.issuer,
            "--enterprise-client-id",
            "desktop",
            "--enterprise-client-secret-env",
            "AT_IDP",
            "--enterprise-redirect-uri",
            "http://127.0.0.1/cb",
            "--client-id",
            id,
            "--client-secret-env",
            "AT_SERVER",
            "--scope",
            "mcp:read",
        ];
        let arguments = [words, &flags, &[server.gateway.mcp_url()]].concat();
        let person = &self.person;
        let mut command = if browser { person.doorward(&arguments) } else { person.doorward_alone(&arguments) };
        command.env("AT_IDP", "desktop-secret").env("AT_SERVER", server.client["client_secret"].as_str().unwrap());
        command.env("DOORWARD_CA", self.authority.file());
        command
    }

    fn log_in(&self, server: &Server) -> Running {
        Running::start(&mut self.command(&["login"], server, true))
    }

    /// Signs in at this address as a browser would; the status and text of the page at the end.
    fn walk(&self, address: &str) -> (u64, String) {
        let page = self.browse(&[address]);
        (page["status"].as_u64().unwrap(), page["page"].as_str().unwrap().to_owned())
    }

    fn browse(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new("node");
        command.arg(repository().join("tests/clients/sign-in.mjs")).args(arguments);
        command.env("NODE_EXTRA_CA_CERTS", self.authority.file());
        said(&mut Running::start(&mut command))
    }

    /// Logs in with a sign-in at the provider.
    fn sign_in(&self, server: &Server) {
        let mut login = self.log_in(server);
        let address = self.person.opener.opened_by(&mut login, PATIENCE);
        assert!(address.starts_with(&self.provider.issuer) && address.contains("nonce="), "{address}");
        let (status, page) = self.walk(&address);
        assert!(login.wait(PATIENCE).success(), "{}", login.errors());
        assert_eq!(status, 200, "{page}");
    }

    /// Logs in where no page may be opened.
    fn log_in_unseen(&self, server: &Server) {
        let mut login = self.log_in(server);
        let status = login.wait(PATIENCE);
        assert!(status.success(), "{}", login.errors());
        assert_eq!(self.person.opener.opened(Duration::ZERO), None);
    }

    /// Runs a command that says nothing of the organisation.
    fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let file = self.authority.file();
        self.person.run(&[arguments, &["--ca", file.to_str().unwrap()]].concat())
    }

    /// The sign-ins that are kept.
    fn identities(&self) -> Vec<Value> {
        let (code, output, errors) = self.run(&["list", "--json"]);
        assert_eq!(code, Some(0), "{errors}");
        let list: Value = serde_json::from_str(&output).unwrap();
        list["identities"].as_array().unwrap().clone()
    }

    /// The grants that the provider was asked for since the last look.
    fn seen(&mut self) -> Vec<String> {
        let seen = self.provider.ask(&json!({"seen": true}));
        serde_json::from_value(seen["seen"].clone()).unwrap()
    }

    /// The three lines of an error, once a command has ended with it.
    fn error(&self, mut login: Running, status: i32, code: &str) -> String {
        let ended = login.wait(PATIENCE);
        let errors = login.errors();
        assert_eq!(ended.code(), Some(status), "{errors}");
        let at = errors.find("error:").unwrap_or_else(|| panic!("no error: {errors}"));
        let error = errors[at..].to_owned();
        let lines: Vec<_> = error.lines().collect();
        assert!(
            lines.len() == 3 && lines[0].contains(code) && lines[1].contains("why:") && lines[2].contains("try:"),
            "{error}"
        );
        error
    }
}

#[test]
fn one_sign_in_serves_several_servers_and_renews_their_tokens_unseen() {
    // proves: EXT-EMA-001, EXT-EMA-002, EXT-EMA-003, EXT-EMA-004, EXT-EMA-005, EXT-EMA-011, EXT-EMA-017, EXT-EMA-031
    // proves: EXT-EMA-026
    let mut all = Organisation::new();
    let (one, other) = (all.server(), all.server());
    all.sign_in(&one);
    assert_eq!(all.seen(), ["authorization_code", "token-exchange"]);
    let [identity] = &all.identities()[..] else { panic!("one sign-in is kept") };
    assert_eq!((&identity["subject"], &identity["issuer"]), (&json!("ada"), &json!(all.provider.issuer)));

    all.log_in_unseen(&other);
    assert_eq!(all.seen(), ["token-exchange"]);
    // A command that knows of the organisation by what is stored renews both without anybody.
    let before = all.run(&["token", one.gateway.mcp_url()]).1;
    let (code, output, errors) = all.run(&["refresh", one.gateway.mcp_url()]);
    assert_eq!(code, Some(0), "{output}{errors}");
    let after = all.run(&["token", one.gateway.mcp_url()]).1;
    assert!(before != after && !after.is_empty());
    assert_eq!(all.seen(), ["token-exchange"]);
    // An ID token that is about to end is renewed with the provider's refresh token.
    all.provider.tell(&json!({"id_tokens": 20}));
    let (code, _, errors) = all.run(&["logout", "--all"]);
    assert_eq!(code, Some(0), "{errors}");
    assert!(errors.contains("Signed out of") && errors.contains("it confirmed"), "{errors}");
    assert!(all.identities().is_empty());
    let (_, output, errors) = all.person.run(&["trace", "--last=16"]);
    let (told, at) = (output + errors.as_str(), format!("Logout at {}", all.provider.issuer.trim_end_matches('/')));
    assert!(told.contains(&at), "{at} is missing in {told}");
    all.sign_in(&one);
    all.log_in_unseen(&other);
    let grants = ["authorization_code", "token-exchange", "refresh_token", "token-exchange"];
    assert_eq!(all.seen(), grants);
    let (code, output, errors) = all.run(&["status", one.gateway.mcp_url()]);
    assert!(code == Some(0) && output.contains("via") && output.contains(" as ada"), "{output}{errors}");

    // Logging out of one server leaves the sign-in, which is good for it once more.
    let (code, _, errors) = all.run(&["logout", one.gateway.mcp_url()]);
    assert_eq!((code, all.identities().len()), (Some(0), 1), "{errors}");
    all.log_in_unseen(&one);
    // A bridge needs nobody either.
    let mut bridge = Stdio::start(&mut all.command(&["connect"], &one, false));
    bridge.initialize(PATIENCE);
    assert!(bridge.request("tools/list", json!({}), PATIENCE)["result"]["tools"].is_array());
    drop(bridge);
    // Nothing of what was shown is in a log.
    for gateway in [&one.gateway, &other.gateway] {
        assert!(!gateway.log().contains("eyJ"), "{}", gateway.log());
    }
}

#[test]
fn what_the_provider_says_of_somebody_else_or_another_sign_in_is_not_believed() {
    // proves: EXT-EMA-031, R68-05
    let mut all = Organisation::new();
    let server = all.server();
    for spoil in [
        json!({"nonce": "another"}),
        json!({"aud": "another"}),
        json!({"aud": ["desktop", "another"]}),
        json!({"iss": "https://idp.example"}),
        json!({"exp": 1_600_000_000, "iat": 1_500_000_000}),
        json!("signature"),
    ] {
        all.provider.tell(&json!({"spoil": spoil}));
        let mut login = all.log_in(&server);
        let address = all.person.opener.opened_by(&mut login, PATIENCE);
        let (status, page) = all.walk(&address);
        assert!(status == 400 && page.contains("CL-409"), "{spoil}: {page}");
        all.error(login, 5, "CL-409");
        assert_eq!(all.seen(), ["authorization_code"], "{spoil}");
        assert!(all.identities().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answer_of_another_provider_is_not_taken_and_the_right_one_still_is() {
    // proves: MIX-01, MIX-04
    let mut all = Organisation::new();
    let server = all.server();
    let mut login = Running::start(&mut all.command(&["login", "-v"], &server, true));
    let address = all.person.opener.opened_by(&mut login, PATIENCE);
    let asked: std::collections::HashMap<String, String> =
        url::Url::parse(&address).unwrap().query_pairs().into_owned().collect();
    let mut wrong = url::Url::parse(&asked["redirect_uri"]).unwrap();
    assert_eq!((wrong.host_str(), wrong.path()), (Some("127.0.0.1"), "/cb"));
    wrong.query_pairs_mut().extend_pairs([
        ("code", "c0de"),
        ("state", &*asked["state"]),
        ("iss", server.gateway.public_url()),
    ]);
    // The person has signed in by then: after a wrong answer the right one is not waited for for long.
    let right = all.browse(&[&address, "away"])["back"].as_str().unwrap().to_owned();
    // It is told what it comes to once it is known whether another one comes.
    let wrong = tokio::spawn(http().get(wrong).send());
    login.errors_until(PATIENCE, |text| text.contains("not from the server that was asked"));
    assert_eq!(http().get(right).send().await.unwrap().status().as_u16(), 200);
    assert_eq!(wrong.await.unwrap().unwrap().status().as_u16(), 400);
    assert!(login.wait(PATIENCE).success(), "{}", login.errors());
    assert_eq!(all.seen(), ["authorization_code", "token-exchange"]);
}

#[test]
fn what_the_provider_refuses_is_told_in_three_lines_and_nobody_waits_for_a_person_who_is_not_there() {
    // proves: EXT-EMA-007, IDJAG-11
    let mut all = Organisation::new();
    let server = all.server();
    // Nobody is there, and nobody has signed in.
    let bridge = all.command(&["login"], &server, false).output().unwrap();
    assert_eq!(bridge.status.code(), Some(3), "{}", String::from_utf8_lossy(&bridge.stderr));
    all.sign_in(&server);
    let url = server.gateway.mcp_url();
    all.provider.tell(&json!({"refuse": "invalid_target"}));
    let login = Running::start(&mut all.command(&["login", "--force"], &server, true));
    let error = all.error(login, 5, "CL-408");
    assert!(error.contains("invalid_target (the administrator said so)") && error.contains(url), "{error}");
    assert_eq!(all.person.opener.opened(Duration::ZERO), None);
    // Once the provider wants to see the person, they are asked for; without one the command says so.
    all.provider.tell(&json!({"refuse": "insufficient_user_authentication", "refresh_tokens": false}));
    let login = Running::start(&mut all.command(&["login", "--force"], &server, false));
    all.error(login, 3, "CL-403");
    let (code, _, errors) = all.run(&["refresh", url]);
    assert_eq!(code, Some(3), "{errors}");
    all.provider.tell(&json!({"refuse": null}));
    assert_eq!(all.run(&["refresh", url]).0, Some(0));
}

#[test]
fn a_provider_that_takes_pushed_requests_only_gets_one() {
    // proves: R9126-01
    let mut all = Organisation::new();
    let server = all.server();
    all.provider.tell(&json!({"pushed_only": true}));
    let mut login = all.log_in(&server);
    let address = all.person.opener.opened_by(&mut login, PATIENCE);
    let names: Vec<_> = url::Url::parse(&address).unwrap().query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert!(address.starts_with(&all.provider.issuer) && names == ["client_id", "request_uri"], "{address}");
    let (status, page) = all.walk(&address);
    assert!(login.wait(PATIENCE).success(), "{}", login.errors());
    assert_eq!(status, 200, "{page}");
}

#[test]
fn no_secret_of_a_sign_in_at_a_provider_is_shown_or_kept() {
    // proves: LEAK-01, LEAK-02, LEAK-08
    let mut all = Organisation::new();
    let server = all.server();
    let url = server.gateway.mcp_url();
    let mut said = String::new();
    let sign_in = |all: &Organisation| {
        let mut login = Running::start(&mut all.command(&["login", "-vv"], &server, true));
        let address = all.person.opener.opened_by(&mut login, PATIENCE);
        all.walk(&address);
        login.wait(PATIENCE);
        login.errors()
    };
    said += &sign_in(&all);
    let mut secrets = vec![all.run(&["token", url]).1];
    said += &all.run(&["refresh", "-vv", url]).2;
    secrets.push(all.run(&["token", url]).1);
    all.provider.tell(&json!({"refuse": "invalid_target"}));
    said += &all.run(&["refresh", "-vv", url]).2;
    all.provider.tell(&json!({"refuse": null}));
    for command in ["status", "list", "logout"] {
        let arguments = match command {
            "logout" => vec![command, "-vv", "--all"],
            _ => vec![command, "-vv"],
        };
        let (_, output, errors) = all.run(&arguments);
        said += &[output, errors].concat();
    }
    all.provider.tell(&json!({"spoil": "signature"}));
    said += &sign_in(&all);
    // The address of the sign-in page is for the person, who may have to type it.
    let said: Vec<_> = said.lines().filter(|line| !line.trim_start().starts_with("https://")).collect();
    let mut told = said.join("\n");
    for arguments in [&["--last=16"][..], &["--last=16", "-v"], &["--last=16", "--json"]] {
        told += &all.person.run(&[&["trace"], arguments].concat()).1;
    }
    for file in std::fs::read_dir(all.person.client_dir().join("trace")).unwrap() {
        told += &std::fs::read_to_string(file.unwrap().path()).unwrap();
    }
    assert!(told.contains("CL-408") && told.contains("CL-409"), "both failures are told\n{told}");
    let seen = all.provider.ask(&json!({"secrets": true}))["secrets"].clone();
    let seen: Vec<String> = serde_json::from_value(seen).unwrap();
    assert!(seen.len() >= 10, "the requests were seen: {seen:?}");
    secrets.extend(seen);
    secrets.extend(["desktop-secret", server.client["client_secret"].as_str().unwrap()].map(str::to_owned));
    for secret in &secrets {
        let secret = secret.trim();
        assert!(secret.len() >= 14 && !told.contains(secret), "{secret} is shown in\n{told}");
    }
    assert!(!told.contains("eyJ"), "a token is shown in\n{told}");
}
