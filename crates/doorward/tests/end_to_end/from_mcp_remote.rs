//! Whoever used mcp-remote puts `doorward connect` in its place, and keeps arguments and logins.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use doorward_testkit::process::{Browser, Running, Stdio, foreign, repository};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{CONTENT, NAME, PASSWORD, PATIENCE, Person, World};

/// mcp-remote as a host starts it, with nothing in its PATH that opens a browser; it also writes the address to standard
/// error.
pub(crate) fn mcp_remote(home: &Path, arguments: &[&str]) -> Stdio {
    let mut command = Command::new(foreign("npm/node_modules/.bin/mcp-remote"));
    let path = std::env::var_os("PATH").unwrap();
    let node = std::env::split_paths(&path).map(|folder| folder.join("node")).find(|file| file.is_file());
    std::os::unix::fs::symlink(node.expect("node is in PATH"), home.join("node")).unwrap();
    command.args(arguments).env_clear().env("PATH", home).env("HOME", home);
    Stdio::start(&mut command)
}

/// Signs a person in at the page that mcp-remote names.
pub(crate) async fn sign_in(bridge: &mut Stdio) {
    let asked = "Please authorize this client by visiting:";
    let said = bridge.process().errors_until(PATIENCE, |errors| {
        errors.split_once(asked).is_some_and(|(_, after)| after.trim_start().contains('\n'))
    });
    let address = said.split_once(asked).and_then(|(_, after)| after.trim_start().lines().next()).unwrap();
    let browser = Browser::start().await;
    browser.sign_in_and_allow(address.trim(), NAME, PASSWORD).await;
    // It goes on only when nobody is connected to its callback address any more.
    browser.quit().await.unwrap();
}

fn read(bridge: &mut Stdio, world: &World) -> String {
    let params = json!({"name": "read_text_file", "arguments": {"path": world.file()}});
    let response = bridge.request("tools/call", params, PATIENCE);
    let text = response["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("no text in {response}\n{}", bridge.process().errors())).to_owned()
}

/// The one file whose name ends so, and what stands in it.
fn stored(folder: &Path, ending: &str) -> (PathBuf, Value) {
    let release = folder.join("mcp-remote-v1");
    let mut files = fs::read_dir(&release).unwrap().map(|entry| entry.unwrap().path());
    let file = files.find(|file| file.to_string_lossy().ends_with(ending));
    let file = file.unwrap_or_else(|| panic!("no {ending} in {}", release.display()));
    let document = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    (file, document)
}

/// Logs mcp-remote in at a gateway and ends it; gives the folder in which its login lies.
async fn logged_in(world: &World, home: &Path, arguments: &[&str]) -> PathBuf {
    let mut bridge = mcp_remote(home, &[&[world.gateway.mcp_url(), "--transport", "http-only"], arguments].concat());
    sign_in(&mut bridge).await;
    bridge.initialize(PATIENCE);
    assert_eq!(read(&mut bridge, world), CONTENT);
    bridge.process().terminate(PATIENCE);
    home.join(".mcp-auth")
}

#[tokio::test]
async fn a_login_of_mcp_remotes_is_taken_over_and_nobody_has_to_sign_in() {
    // proves: MCP-AUTH-064
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let home = TempDir::new().unwrap();
    let folder = logged_in(&world, home.path(), &[]).await;
    let ((file, tokens), (client_file, client)) =
        (stored(&folder, "_tokens.json"), stored(&folder, "_client_info.json"));
    let (url, from) = (world.gateway.mcp_url(), folder.to_str().unwrap());

    // What another authorization server gave is not shown to this one.
    let foreign = TempDir::new().unwrap();
    let copy = foreign.path().join("mcp-remote-v1");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(file.parent().unwrap()).unwrap().flatten() {
        fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let [copied, client_copied] = [&file, &client_file].map(|file| copy.join(file.file_name().unwrap()));
    for (place, document) in [(&copied, &tokens), (&client_copied, &client)] {
        let mut other = document.clone();
        assert_eq!(other["issuer"], world.gateway.public_url());
        other["issuer"] = json!("https://other.example");
        fs::write(place, other.to_string()).unwrap();
    }
    let stranger = Person::new();
    let (code, _, errors) = stranger.run(&["login", url, "--import", foreign.path().to_str().unwrap()]);
    assert!(code == Some(5) && errors.contains("CL-124"), "{code:?} {errors}");
    let (_, listed, _) = stranger.run(&["list", "--json"]);
    assert_eq!(serde_json::from_str::<Value>(&listed).unwrap()["logins"], json!([]));

    let person = Person::new();
    let (code, _, errors) = person.run(&["login", url, "--import", from]);
    assert!(code == Some(0) && errors.contains("Taken over from mcp-remote"), "{code:?} {errors}");
    assert!(errors.contains(&format!("rm {}", from)), "the files that are left are named: {errors}");
    assert!(file.is_file(), "nothing of mcp-remote's is touched");
    let (_, listed, _) = person.run(&["list", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["logins"][0]["client_id"], client["client_id"]);
    assert_eq!(listed["logins"][0]["renewable"], true);
    assert_eq!(json!(person.token(&world.gateway)), tokens["access_token"]);
    let mut bridge = Stdio::start(&mut person.doorward_alone(&["connect", url]));
    bridge.initialize(PATIENCE);
    assert_eq!(read(&mut bridge, &world), CONTENT);
    drop(bridge);

    // Where it is not known how long a token lasts, it is renewed before it is used, by the client it was given to.
    let mut unknown = tokens.clone();
    for name in ["expires_at", "expires_in"] {
        unknown.as_object_mut().unwrap().remove(name);
    }
    fs::write(&copied, unknown.to_string()).unwrap();
    fs::copy(&client_file, &client_copied).unwrap();
    let (code, _, errors) = stranger.run(&["login", url, "--import", foreign.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{errors}");
    assert_ne!(json!(stranger.token(&world.gateway)), tokens["access_token"]);
    let (code, _, errors) = stranger.run(&["refresh", url]);
    assert_eq!(code, Some(0), "{errors}");
    let mut bridge = Stdio::start(&mut stranger.doorward_alone(&["connect", url]));
    bridge.initialize(PATIENCE);
    assert_eq!(read(&mut bridge, &world), CONTENT);

    // A login that there is already is not replaced; one that there is not is said to be missing.
    let (code, _, errors) = stranger.run(&["login", url, "--import", from]);
    assert!(code == Some(0) && errors.contains("Already logged in"), "{code:?} {errors}");
    let (code, _, errors) = Person::new().run(&["login", "https://mcp.example.com/mcp", "--import", from]);
    assert!(code == Some(1) && errors.contains("IMP-01"), "{code:?} {errors}");
    let (code, _, errors) = Person::new().run(&["login", "--import", from]);
    assert!(code == Some(2) && errors.contains("holds 1 logins"), "{code:?} {errors}");
}

#[tokio::test]
async fn a_login_is_found_by_the_arguments_that_it_was_made_with() {
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let home = TempDir::new().unwrap();
    let arguments = ["--header", "X-Tenant:${TENANT}", "--authorize-param", "b=2", "--authorize-param", "a=1"];
    let folder = logged_in(&world, home.path(), &arguments).await;
    let person = Person::new();
    let login = |more: &[&str]| {
        let flags = [&["login", world.gateway.mcp_url(), "--import", folder.to_str().unwrap()], more].concat();
        let mut running = Running::start(person.doorward_alone(&flags).env("TENANT", "one"));
        running.close_input();
        let status = running.wait(PATIENCE);
        (status.code(), running.errors())
    };
    let (code, errors) = login(&[]);
    assert!(code == Some(1) && errors.contains("IMP-01"), "{code:?} {errors}");
    let (code, errors) = login(&arguments);
    assert_eq!(code, Some(0), "{errors}");
}

/// A port that nobody holds, below those that the system gives out.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let is_free =
        |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok() && TcpListener::bind(("::1", *port)).is_ok();
    (first..32_000).find(is_free).expect("a free port")
}

#[tokio::test]
async fn a_hosts_configuration_works_with_only_the_command_replaced() {
    let world = World::new(&[]);
    world.gateway.add_user(NAME, PASSWORD);
    let port = free_port().to_string();
    let configuration = json!({ "command": "npx", "args": [
        "-y", "mcp-remote@latest", world.gateway.mcp_url(), port, "--transport", "http-first", "--header",
        "X-Tenant:${TENANT}", "--ignore-tool", "write*", "--ignore-tool", "*_FILE_info", "--auth-timeout", "60",
        "--enable-proxy", "--allow-http", "--static-oauth-client-metadata", "{\"scope\": \"mcp:read\"}", "--keep-alive",
        "--protocol", "auto", "--authorize-param", "ui_locales=en",
    ], "env": { "TENANT": "one" } });
    let arguments: Vec<_> =
        configuration["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let (_, its_own) =
        arguments.split_at(arguments.iter().position(|word| word.starts_with("mcp-remote")).unwrap() + 1);

    let person = Person::new();
    let mut command = person.doorward(&[&["connect"], its_own].concat());
    let mut bridge = Stdio::start(command.env("TENANT", configuration["env"]["TENANT"].as_str().unwrap()));
    let client_info = json!({"name": "host", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client_info});
    bridge.send(&json!({"jsonrpc": "2.0", "id": "first", "method": "initialize", "params": params}));
    let address = person.opener.opened_by(bridge.process(), PATIENCE);
    let redirect = format!("redirect_uri=http%3A%2F%2Flocalhost%3A{port}%2Foauth%2Fcallback");
    for part in [&redirect, "scope=mcp%3Aread", "ui_locales=en", "code_challenge_method=S256"] {
        assert!(address.contains(part), "{part} is missing in {address}");
    }
    let browser = Browser::start().await;
    browser.sign_in_and_allow(&address, NAME, PASSWORD).await;
    browser.quit().await.unwrap();
    assert_eq!(bridge.receive(PATIENCE)["id"], "first");
    bridge.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(read(&mut bridge, &world), CONTENT);
    let tools = bridge.request("tools/list", json!({}), PATIENCE);
    let names: BTreeSet<_> =
        tools["result"]["tools"].as_array().unwrap().iter().filter_map(|t| t["name"].as_str()).collect();
    assert!(names.contains("read_text_file") && names.len() > 5, "{names:?}");
    assert!(!names.contains("write_file") && !names.contains("get_file_info"), "{names:?}");
    let params = json!({"name": "write_file", "arguments": {"path": world.file(), "content": "x"}});
    assert_eq!(bridge.request("tools/call", params, PATIENCE)["error"]["code"], -32602);
    let errors = bridge.process().errors();
    assert!(errors.contains("--keep-alive") && errors.contains("--protocol"), "{errors}");
    drop(bridge);

    // The login lies where that of every start lies: nobody is asked again.
    let mut alone = Stdio::start(person.doorward_alone(&[&["connect"], its_own].concat()).env("TENANT", "one"));
    alone.initialize(PATIENCE);
    assert_eq!(read(&mut alone, &world), CONTENT);
}

/// An MCP server that lets nobody in without its key, and the headers that it saw.
fn keyed(key: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/mcp", listener.local_addr().unwrap().port());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let heads = Arc::clone(&heads);
            thread::spawn(move || answer(stream, key, &heads));
        }
    });
    (url, seen)
}

fn answer(mut stream: TcpStream, key: &str, heads: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut line) = (String::new(), String::new());
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        head.push_str(&line);
        line.clear();
    }
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    let mut body = Vec::new();
    let _ = reader.take(length.unwrap_or(0)).read_to_end(&mut body);
    let call: Value = serde_json::from_slice(&body).unwrap_or_default();
    let authorized = head.lines().any(|line| line.eq_ignore_ascii_case(&format!("authorization: {key}")));
    let result = match call["method"].as_str() {
        Some("initialize") => json!({
            "protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "keyed", "version": "1"},
        }),
        _ => json!({ "tools": [] }),
    };
    let answer = json!({"jsonrpc": "2.0", "id": call["id"], "result": result}).to_string();
    let (status, body) = match (authorized, head.starts_with("POST"), call["id"].is_null()) {
        (false, ..) => ("401 Unauthorized\r\nWWW-Authenticate: Bearer", String::new()),
        (true, false, _) => ("405 Method Not Allowed", String::new()),
        (true, true, true) => ("202 Accepted", String::new()),
        (true, true, false) => ("200 OK", answer),
    };
    heads.lock().unwrap().push(head);
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close");
    let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
}

#[test]
fn an_authorization_header_of_the_users_is_all_that_is_sent() {
    let (url, seen) = keyed("Bearer k3y of mine");
    let person = Person::new();
    let flags = ["connect", &url, "--header", "Authorization:${AUTH_HEADER}", "--header", "X-Tenant: one"];
    let start = |key: &str| {
        let mut command = person.doorward(&flags);
        // Without a keychain and without a wish for plain files nothing could be kept, and nothing has to be.
        Stdio::start(command.env("AUTH_HEADER", key).env_remove("DOORWARD_PLAIN_CREDENTIALS"))
    };
    let mut bridge = start("Bearer k3y of mine");
    bridge.initialize(PATIENCE);
    assert!(bridge.request("tools/list", json!({}), PATIENCE)["result"]["tools"].is_array());
    drop(bridge);
    let heads = seen.lock().unwrap().clone();
    assert!(heads.len() >= 2 && heads.iter().all(|head| head.contains("one") && head.contains("k3y")), "{heads:?}");

    // One that is not taken ends it with a word; no login is begun in its place.
    let mut refused = start("Bearer wr0ng");
    let client_info = json!({"name": "host", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client_info});
    refused.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}));
    let answer = refused.receive(PATIENCE);
    assert!(answer["error"]["message"].as_str().is_some_and(|text| text.contains("Authorization header")), "{answer}");
    assert_eq!(refused.process().wait(PATIENCE).code(), Some(5), "{}", refused.process().errors());
    assert_eq!(person.opener.opened(Duration::ZERO), None);
    let errors = refused.process().errors();
    assert!(errors.contains("CL-401") && !errors.contains("wr0ng"), "{errors}");
}

/// The arguments that the newest mcp-remote knows, as its own program tells them apart.
fn known_to_mcp_remote() -> BTreeSet<String> {
    let program = foreign("npm/node_modules/mcp-remote").join("dist");
    let mut known = BTreeSet::new();
    for file in fs::read_dir(program).unwrap().flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        for start in ["function parseAuthorizeParams(", "async function parseCommandLineArgs("] {
            let Some((_, rest)) = text.split_once(start) else { continue };
            let body = rest.split_once("\n}\n").map_or(rest, |(body, _)| body);
            let words = body.split('"').filter(|word| word.len() > 3 && word.starts_with("--"));
            known.extend(
                words.filter(|word| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')).map(str::to_owned),
            );
        }
    }
    known
}

/// What becomes of an argument.
#[derive(Clone, Copy)]
enum Fate {
    Done,
    /// It changes nothing, and that is said.
    Idle,
    /// It is refused by its name.
    Refused,
    /// It is told and the program ends.
    Told,
}

#[test]
fn every_argument_of_mcp_remotes_is_done_or_named() {
    use Fate::{Done, Idle, Refused, Told};
    let folder = TempDir::new().unwrap();
    let headers = folder.path().join("headers");
    fs::write(&headers, "X-One: 1\n").unwrap();
    let table: [(&str, Option<&str>, Fate); 38] = [
        ("--allow-http", None, Done),
        ("--auth-success-url", Some("https://app.example.com/"), Idle),
        ("--auth-timeout", Some("60"), Done),
        ("--authorize-param", Some("a=b"), Done),
        ("--body-timeout", Some("0"), Idle),
        ("--callback-path", Some("/x"), Done),
        ("--client-credentials", None, Done),
        ("--client-metadata-url", Some("https://client.example.com/id.json"), Done),
        ("--connect-timeout", Some("30"), Idle),
        ("--debug", None, Done),
        ("--device-code", None, Done),
        ("--disable-cookies", None, Idle),
        ("--disable-resource-parameter", None, Done),
        ("--enable-proxy", None, Done),
        ("--header", Some("X-One:1"), Done),
        ("--header-file", headers.to_str(), Done),
        ("--headers-timeout", Some("0"), Done),
        ("--help", None, Told),
        ("--host", Some("127.0.0.1"), Done),
        ("--ignore-tool", Some("delete*"), Done),
        ("--ipv4", None, Done),
        ("--keep-alive", None, Idle),
        ("--ping-interval", Some("60"), Idle),
        ("--protocol", Some("legacy"), Idle),
        ("--resource", Some("https://tenant1.example.net/"), Done),
        ("--silent", None, Done),
        ("--static-oauth-client-info", Some("{\"client_id\":\"a\",\"client_secret\":\"b\"}"), Done),
        ("--static-oauth-client-metadata", Some("{\"scope\":\"a b\"}"), Done),
        ("--token-endpoint", Some("https://as.example.com/token"), Refused),
        ("--transport", Some("http-first"), Done),
        ("--transport", Some("sse-first"), Done),
        ("--transport", Some("http-only"), Done),
        ("--transport", Some("sse-only"), Done),
        ("--use-id-token", None, Refused),
        ("--version", None, Told),
        ("-h", None, Told),
        ("3334", None, Done),
        ("65535", None, Done),
    ];
    let named: BTreeSet<_> =
        table.iter().map(|(name, ..)| (*name).to_owned()).filter(|name| name.starts_with("--")).collect();
    assert_eq!(named, known_to_mcp_remote());

    let page = fs::read_to_string(repository().join("docs/from-mcp-remote.md")).unwrap();
    let person = Person::new();
    // Nobody listens there, and the host has nothing to say.
    let url = "http://127.0.0.1:1/mcp";
    for (name, value, fate) in table {
        let mut words = vec!["connect", url, name];
        words.extend(value);
        if name == "--client-credentials" {
            words.extend(["--static-oauth-client-info", "{\"client_id\":\"a\",\"client_secret\":\"b\"}"]);
        }
        let (code, output, errors) = person.run(&words);
        match fate {
            Done => assert!(code == Some(0) && !errors.contains("without meaning"), "{words:?} {code:?} {errors}"),
            Idle => assert!(
                code == Some(0) && errors.contains(&format!("without meaning here: {name} (")),
                "{words:?} {code:?} {errors}"
            ),
            Refused => assert!(
                code == Some(2) && errors.contains("CLI-02") && errors.contains(name),
                "{words:?} {code:?} {errors}"
            ),
            Told => assert!(code == Some(0) && output.contains("doorward"), "{words:?} {code:?} {output}"),
        }
        if name.starts_with("--") {
            assert!(page.contains(&format!("`{name}")), "docs/from-mcp-remote.md says nothing of {name}");
        }
    }
    // Most of them go with `login`, too, which mcp-remote-client was for.
    let (code, _, errors) = person.run(&["login", url, "9696", "--header", "X: 1", "--use-id-token"]);
    assert!(code == Some(2) && errors.contains("CLI-02"), "{code:?} {errors}");
}
