use clap::Parser as _;
use doorward_client::AuthMethod;

use super::*;
use crate::cli::{Arguments, Command};

const URL: &str = "https://mcp.example.com/mcp";

fn connect(arguments: &[&str]) -> Result<cli::Connect, String> {
    let whole = [&["doorward", "connect", URL], arguments].concat();
    match Arguments::try_parse_from(whole).map_err(|refusal| refusal.to_string())?.command {
        Command::Connect(connect) => Ok(*connect),
        _ => unreachable!("it was asked for"),
    }
}

fn asked(arguments: &[&str]) -> Result<Asked, Box<Failure>> {
    let flags = connect(arguments).unwrap();
    read(&flags.mcp_remote, &flags.url, &flags.own_client)
}

/// The target that the arguments make.
fn target(arguments: &[&str]) -> (Target, cli::OwnClient, cli::Account) {
    let mut flags = connect(arguments).unwrap();
    let asked = read(&flags.mcp_remote, &flags.url, &flags.own_client).unwrap();
    asked.complete(&mut flags.own_client, &mut flags.account);
    let mut target = Target::new(URL, "doorward").unwrap();
    crate::login::apply_wishes(&mut target, &flags.own_client, &flags.grants).unwrap();
    asked.apply(&mut target);
    (target, flags.own_client, flags.account)
}

#[test]
fn the_place_that_the_browser_comes_back_to_is_the_one_that_mcp_remote_has() {
    let usual = if cfg!(windows) { "127.0.0.1" } else { "localhost" };
    for (arguments, wanted) in [
        (&["9696"][..], Some(format!("http://{usual}:9696/oauth/callback"))),
        (&["9696", "--host", "127.0.0.1"], Some("http://127.0.0.1:9696/oauth/callback".into())),
        (&["--host", "::1"], Some("http://[::1]/oauth/callback".into())),
        (&["--callback-path", "/x/y"], Some(format!("http://{usual}/x/y"))),
        (&["--redirect-uri", "http://localhost:1/a"], Some("http://localhost:1/a".into())),
        (&[], None),
    ] {
        let (target, ..) = target(arguments);
        assert_eq!(target.redirect_uri.map(|uri| uri.to_string()), wanted, "{arguments:?}");
    }
    // A client of one's own was registered with the port that follows from the URL.
    let info = "{\"client_id\": \"mine\"}";
    let (own, ..) = target(&["--static-oauth-client-info", info]);
    assert_eq!(own.clients[0].redirect_uri.as_ref().unwrap().as_str(), format!("http://{usual}:41409/oauth/callback"));
    let (own, ..) = target(&["9696", "--static-oauth-client-info", info]);
    assert_eq!(own.clients[0].redirect_uri.as_ref().unwrap().as_str(), format!("http://{usual}:9696/oauth/callback"));
    for bad in [&["--host", "192.0.2.1"][..], &["--callback-path", "x"], &["--callback-path", "/x?y"]] {
        let refusal = asked(bad).err().unwrap();
        assert!(refusal.code == "CLI-02" && refusal.what.contains(bad[0]), "{refusal:?}");
    }
    assert!(connect(&["9696", "--redirect-uri", "http://localhost:1/a"]).is_err());
    assert!(connect(&["0"]).is_err() && connect(&["65536"]).is_err());
}

#[test]
fn a_client_of_ones_own_is_read_as_json() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("info.json");
    let document =
        "{\"client_id\":\"mine\",\"client_secret\":\"s3cret\",\"client_id_issued_at\":1,\"redirect_uris\":[]}";
    std::fs::write(&file, document).unwrap();
    let in_file = format!("@{}", file.display());
    for given in [document, &in_file] {
        let own = asked(&["--static-oauth-client-info", given]).unwrap().client.unwrap();
        assert_eq!((own.client_id.as_str(), own.secret.unwrap().expose()), ("mine", "s3cret"));
        assert_eq!(own.auth_method, None);
    }
    let metadata =
        "{\"scope\":\"a b\",\"client_name\":\"My host\",\"token_endpoint_auth_method\":\"client_secret_post\"}";
    let with_metadata = ["--static-oauth-client-info", document, "--static-oauth-client-metadata", metadata];
    let (target, ..) = target(&with_metadata);
    assert_eq!(target.clients[0].auth_method, Some(AuthMethod::ClientSecretPost));
    assert_eq!((target.scope, target.client_name.as_str()), (ScopeSet::parse("a b").ok(), "My host"));
    // The grant without a person finds its client there.
    assert!(connect(&[&["--client-credentials"], &with_metadata[..]].concat()).is_ok());
    assert!(connect(&["--client-credentials"]).is_err());
    assert!(connect(&["--client-id", "x", "--static-oauth-client-info", document]).is_err(), "two clients");
    let missing = asked(&["--static-oauth-client-info", "{\"client_id\":\"${DOORWARD_TEST_NO_SUCH}\"}"]).err().unwrap();
    assert!(missing.why.contains("DOORWARD_TEST_NO_SUCH"), "{missing:?}");
    for bad in ["s3cret", "{\"client_id\": s3cret}", "[\"s3cret\"]", "{\"client_secret\":\"s3cret\"}", "@/no/such/file"]
    {
        let refusal = asked(&["--static-oauth-client-info", bad]).err().unwrap_or_else(|| panic!("{bad}"));
        assert!(refusal.code == "CLI-02" && !format!("{refusal:?}").contains("s3cret"), "{refusal:?}");
    }
    for (bad, named) in [
        ("{\"redirect_uris\":[\"http://localhost:1/\"]}", "redirect_uris"),
        ("{\"software_id\":\"x\"}", "software_id"),
        ("{\"token_endpoint_auth_method\":\"none\"}", "token_endpoint_auth_method"),
        ("{\"token_endpoint_auth_method\":\"private_key_jwt\"}", "token_endpoint_auth_method"),
        ("{\"scope\":\"a  \\u0007\"}", "scope"),
    ] {
        let refusal = asked(&["--static-oauth-client-metadata", bad]).err().unwrap_or_else(|| panic!("{bad}"));
        assert!(refusal.code == "CLI-02" && refusal.why.contains(named), "{refusal:?}");
    }
}

#[test]
fn headers_come_from_arguments_and_files_and_say_nothing_of_the_protocols() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("headers.txt");
    std::fs::write(&file, "# mine\n\nX-One: from the file\r\nX-Two:two\n").unwrap();
    let file = file.to_str().unwrap();
    let path = std::env::var("PATH").unwrap();
    let read = asked(&[
        "--header-file",
        file,
        "--header",
        "X-One: ${PATH}",
        "--header",
        "Accept: x",
        "--header",
        "Mcp-Session-Id: x",
        "--header",
        "Host: evil.example",
        "--header",
        "Content-Length: 3",
    ])
    .unwrap();
    let sent: Vec<_> = read.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
    assert_eq!(sent.len(), 2, "{sent:?}");
    assert!(sent.contains(&("x-one", &path)) && sent.contains(&("x-two", "two")), "{sent:?}");
    assert!(!read.authorizes_itself() && !format!("{:?}", read.headers).contains(&path));
    let own = asked(&["--header", "Authorization: Bearer s3cret"]).unwrap();
    assert!(own.authorizes_itself() && !format!("{:?}", own.headers).contains("s3cret"));
    for bad in
        ["s3cret", "s3 cret: x", ": s3cret", "X: s3\ncret", "X: s3cret\u{1}", "X: s3cret ${DOORWARD_TEST_NO_SUCH}"]
    {
        let refusal = asked(&["--header", bad]).err().unwrap_or_else(|| panic!("{bad:?}"));
        assert!(refusal.code == "CLI-02" && !format!("{refusal:?}").contains("cret"), "{refusal:?}");
    }
    assert_eq!(asked(&["--header-file", "/no/such/file"]).err().unwrap().code, "CLI-02");
}

#[test]
fn another_audience_is_an_account_of_its_own() {
    let tenant = ["--resource", "https://tenant1.example.net/a b@c"];
    assert!(asked(&tenant).is_err());
    let (target, _, account) = target(&["--resource", "https://tenant1.example.net/a@b/"]);
    assert_eq!(without_digest(&account.account.unwrap()), "tenant1.example.net-a-b");
    assert_eq!(target.audience.unwrap().as_str(), "https://tenant1.example.net/a@b/");
    let (_, _, named) = self::target(&["--resource", "urn:x", "--account", "work"]);
    assert_eq!(named.account.as_deref(), Some("work"));
    for none in [
        &["--disable-resource-parameter"][..],
        &["--resource", ""],
        &["--disable-resource-parameter", "--resource", "urn:x"],
    ] {
        let (target, own, account) = self::target(none);
        assert!(target.lenient.no_resource && target.audience.is_none() && account.account.is_none(), "{none:?}");
        assert_eq!(own.tolerate, ["no-resource"]);
    }
}

#[test]
fn what_breaks_a_rule_is_refused_by_name_with_what_to_do_instead() {
    for (url, arguments, named) in [
        (URL, &["--use-id-token"][..], "--use-id-token"),
        (URL, &["--token-endpoint", "https://as.example/token"], "--token-endpoint"),
        ("http://mcp.internal/mcp", &["--allow-http"], "--allow-http"),
        (URL, &["--authorize-param", "state=x"], "--authorize-param"),
        (URL, &["--authorize-param", "scope=x"], "--authorize-param"),
        (URL, &["--headers-timeout", "soon"], "--headers-timeout"),
    ] {
        let flags = connect(arguments).unwrap();
        let refusal = read(&flags.mcp_remote, url, &flags.own_client).err().unwrap_or_else(|| panic!("{named}"));
        assert_eq!((refusal.code, refusal.exit), ("CLI-02", Exit::Usage));
        assert!(refusal.what.contains(named) && refusal.next.len() > 10, "{refusal:?}");
    }
    // Where it changes nothing it is not in the way.
    for url in [URL, "http://localhost:8420/mcp"] {
        let flags = connect(&["--allow-http"]).unwrap();
        assert!(read(&flags.mcp_remote, url, &flags.own_client).is_ok());
    }
}

#[test]
fn the_rest_is_what_our_own_flags_say() {
    let flags =
        connect(&["--auth-timeout", "60", "--device-code", "--enable-proxy", "--transport", "sse-only"]).unwrap();
    assert_eq!((flags.sign_in.timeout, flags.sign_in.device), (60, true));
    for (text, seconds) in [("30", 30.0), ("0.5", 0.5), ("0", 366.0 * 86_400.0)] {
        let time = asked(&["--headers-timeout", text]).unwrap().answer_timeout.unwrap();
        assert_eq!(time.as_secs_f64(), seconds);
    }
    for (arguments, loudness) in [
        (&[][..], (0, false)),
        (&["--debug"], (2, false)),
        (&["--silent"], (0, true)),
        (&["--silent", "--debug"], (2, false)),
        (&["-q", "--debug"], (2, false)),
        (&["-v", "-v", "-v", "--debug"], (3, false)),
    ] {
        let whole = [&["doorward", "connect", URL], arguments].concat();
        assert_eq!(Arguments::try_parse_from(whole).unwrap().loudness(), loudness, "{arguments:?}");
    }
    let (target, ..) = target(&["--authorize-param", "audience=x", "--authorize-param", "prompt=consent"]);
    let own: Vec<_> = target.authorize.iter().map(|own| (own.name(), own.value())).collect();
    assert_eq!(own, [("audience", "x"), ("prompt", "consent")]);
    let idle = "--keep-alive --ping-interval 30 --connect-timeout 1 --body-timeout 0 --disable-cookies --auth-success-url \
                https://x.example/ --protocol auto";
    assert!(asked(&idle.split_whitespace().collect::<Vec<_>>()).is_ok());
}

/// The name of an account without the digest that tells it from others.
fn without_digest(account: &str) -> &str {
    let (name, digest) = account.rsplit_once('-').unwrap();
    assert!(digest.len() == DIGITS && account.len() <= MOST_NAME, "{account}");
    name
}

#[test]
fn a_parameter_that_chooses_the_login_keeps_it_from_others() {
    let account = |arguments: &[&str]| target(arguments).2.account;
    for (arguments, named) in [
        (&["--authorize-param", "tenant=a"][..], "tenant"),
        (&["--authorize-param", "login_hint=ada@example.com"], "login_hint"),
        (&["--authorize-param", "z=1", "--authorize-param", "a=2", "--authorize-param", "prompt=login"], "a_z"),
        (&["--authorize-param", "audience=https://api.example"], "audience-https-api.example"),
        (&["--authorize-param", "a=2", "--resource", "https://one.example/x"], "one.example-x_a"),
    ] {
        let whole = account(arguments).unwrap();
        assert_eq!(without_digest(&whole), named);
        assert_eq!(account(arguments), Some(whole), "it is the same each time");
    }
    let turned = ["--authorize-param", "a=2", "--authorize-param", "z=1"];
    assert_eq!(account(&turned), account(&["--authorize-param", "z=1", "--authorize-param", "a=2"]));
    for none in [&["--authorize-param", "prompt=consent", "--authorize-param", "ui_locales=de"][..], &[]] {
        assert_eq!(account(none), None);
    }
    assert_eq!(account(&["--authorize-param", "tenant=a", "--account", "work"]).as_deref(), Some("work"));
}

#[test]
fn no_two_audiences_or_tenants_are_one_account() {
    let long = |end: &str| format!("tenant={}{end}", "x".repeat(80));
    let mut seen = std::collections::HashSet::new();
    for given in [
        &["tenant=a"][..],
        &["tenant=b"],
        &["tenant=a/b"],
        &["tenant=a b"],
        &["tenant=a-b"],
        &["a=2", "b=3"],
        &["a=2_b=3"],
        &["audience=https://one.example"],
        &["audience=https://one.example/"],
        &[&long("1")],
        &[&long("2")],
    ] {
        let arguments: Vec<_> = given.iter().flat_map(|own| ["--authorize-param", own]).collect();
        assert!(seen.insert(target(&arguments).2.account.unwrap()), "{given:?}");
    }
    for audience in
        ["https://one.example", "https://one.example/", "https://one.example/a-b", "https://one.example/a@b"]
    {
        assert!(seen.insert(target(&["--resource", audience]).2.account.unwrap()), "{audience}");
    }
}
