use doorward_client::step::{HoldPort, PortChoice};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
const PATH: &str = "/callback/2hYcQ7xw";

fn wanted(host: &str, port: PortChoice) -> HoldPort {
    HoldPort { host: host.into(), port, path: PATH.into(), either: false }
}

async fn hold_as(wanted: &HoldPort) -> Result<Listener, Failed> {
    Listener::hold(wanted, "mcp.example.com").await
}

async fn hold() -> (Listener, u16) {
    let listener = hold_as(&wanted("127.0.0.1", PortChoice::Any)).await.unwrap();
    let port = url::Url::parse(listener.redirect_uri()).unwrap().port().unwrap();
    (listener, port)
}

/// Sends bytes and gives all that comes back.
async fn raw(port: u16, request: impl AsRef<[u8]>) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    connection.write_all(request.as_ref()).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer, as of a request that was not read to its end, is an answer too.
    let _ = tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await.expect("an answer in time");
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(port: u16, target: &str, headers: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n")
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

#[tokio::test]
async fn the_browser_waits_for_its_page_and_gets_no_word_of_its_own_back() {
    // proves: BRW-08, MCP-SBP-037, OA21-53, R8252-05
    let (mut listener, port) = hold().await;
    assert_eq!(listener.redirect_uri(), format!("http://127.0.0.1:{port}{PATH}"));
    let query = "error=x&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state=%3Cimg%20src=x%3E&code=S3CRET";
    let navigation = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: cross-site\r\n";
    let browser = tokio::spawn(raw(port, get(port, &format!("{PATH}?{query}"), navigation)));
    let callback = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap();
    assert_eq!(callback.query, query);
    assert!(!browser.is_finished(), "the page waits for the outcome");
    callback.show(Page::Done);
    listener.finish().await;
    let answer = browser.await.unwrap();
    assert_eq!(status(&answer), "200", "{answer}");
    assert!(answer.contains("You are signed in"));
    for word in ["script>", "<img", "S3CRET", "error_description", "<script"] {
        assert!(!answer.contains(word), "{word} in {answer}");
    }
    assert!(answer.contains("mcp.example.com"), "the server that was signed in to is named");
    let lower = answer.to_ascii_lowercase();
    for header in [
        "cache-control: no-store",
        "referrer-policy: no-referrer",
        "content-security-policy: default-src 'none'; style-src 'sha256-",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "connection: close",
    ] {
        assert!(lower.contains(header), "{header} is missing in {answer}");
    }
    assert!(!lower.contains("access-control-"), "{answer}");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err(), "the port is given back");
}

#[tokio::test]
async fn whoever_else_comes_is_refused_and_the_login_goes_on() {
    // proves: BRW-07, BRW-09
    let (mut listener, port) = hold().await;
    let here = format!("{PATH}?code=x&state=y");
    let with = |headers: &str| get(port, &here, headers);
    let long = "a".repeat(100_000);
    let rows = [
        (get(port, "/", ""), "404"),
        (get(port, "/favicon.ico", ""), "404"),
        (get(port, "/callback?code=x&state=y", ""), "404"),
        (get(port, &format!("{PATH}/?code=x"), ""), "404"),
        (get(port, "/callback/2hYcQ7xW?code=x", ""), "404"),
        (get(port, "/callback/%32hYcQ7xw?code=x", ""), "404"),
        (format!("POST {here} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n"), "405"),
        (format!("HEAD {here} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"), "405"),
        (
            format!(
                "OPTIONS {here} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: https://evil.example\r\n\
                 Access-Control-Request-Method: GET\r\nAccess-Control-Request-Private-Network: true\r\n\r\n"
            ),
            "405",
        ),
        // A foreign name that was made to point here, in each way to say it.
        (format!("GET {here} HTTP/1.1\r\nHost: evil.example\r\n\r\n"), "404"),
        (format!("GET {here} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"), "404"),
        (format!("GET {here} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), "404"),
        (format!("GET {here} HTTP/1.1\r\nHost: 127.0.0.1.nip.io:{port}\r\n\r\n"), "404"),
        (format!("GET {here} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n"), "404"),
        (format!("GET http://evil.example{here} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"), "404"),
        (format!("GET {here} HTTP/1.0\r\n\r\n"), "404"),
        // Other pages in the same browser.
        (with("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n"), "403"),
        (with("Sec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\nOrigin: https://evil.example\r\n"), "403"),
        (with("Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n"), "403"),
        (with("Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Purpose: prefetch\r\n"), "403"),
        (with("Origin: null\r\n"), "403"),
        (with("Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"), "403"),
        // Too long, and not HTTP.
        (get(port, &format!("{PATH}?code={long}"), ""), "431"),
        (get(port, &here, &format!("X: {long}\r\n")), "431"),
        ("GET \x01\x02\r\n\r\n".to_owned(), "400"),
        (get(port, &format!("{PATH}?code=a\r\nX-Injected: b"), ""), "400"),
    ];
    for (request, expected) in rows {
        let shown: String = request.chars().take(120).collect();
        let answer = raw(port, request).await;
        assert!(status(&answer) == expected, "{shown:?} got {answer}");
        assert!(!answer.to_ascii_lowercase().contains("access-control-"), "{answer}");
    }
    let right = tokio::spawn(raw(port, with("")));
    let callback = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap();
    assert_eq!(callback.query, "code=x&state=y", "the first that got through is the right one");
    callback.show(Page::NotTaken);
    assert_eq!(status(&right.await.unwrap()), "400");
    let second = tokio::spawn(raw(port, with("")));
    tokio::time::timeout(PATIENCE, listener.next()).await.unwrap().show(Page::Done);
    assert_eq!(status(&second.await.unwrap()), "200");
}

#[tokio::test]
async fn a_second_answer_is_told_that_it_is_over() {
    // proves: BRW-13
    let (mut listener, port) = hold().await;
    let first = tokio::spawn(raw(port, get(port, &format!("{PATH}?code=1"), "")));
    let callback = tokio::time::timeout(PATIENCE, listener.next()).await.unwrap();
    let second = tokio::spawn(raw(port, get(port, &format!("{PATH}?code=2"), "")));
    callback.show(Page::Denied);
    assert_eq!(status(&first.await.unwrap()), "400");
    listener.finish().await;
    let second = second.await.unwrap();
    assert!(second.is_empty() || status(&second) == "410", "{second}");
}

#[tokio::test]
async fn silent_connections_do_not_keep_the_browser_out() {
    // proves: BRW-09
    let (mut listener, port) = hold().await;
    let mut silent = Vec::new();
    for _ in 0..MOST_CONNECTIONS + 8 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let browser = tokio::spawn(raw(port, get(port, &format!("{PATH}?code=x"), "")));
    // Those that say nothing are closed after their time.
    let callback = tokio::time::timeout(PATIENCE, listener.next()).await.expect("the browser gets through");
    callback.show(Page::Done);
    assert_eq!(status(&browser.await.unwrap()), "200");
}

#[tokio::test]
async fn only_this_computer_can_reach_the_port() {
    // proves: BRW-06, BRW-10, OA21-53, R8252-05
    let (_listener, port) = hold().await;
    // The port is ours alone: nobody can listen at the same place.
    assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_err());
    // Another address of this computer, such as its address in the network, is another place.
    if std::net::TcpListener::bind(("127.0.0.2", 0)).is_ok() {
        assert!(TcpStream::connect(("127.0.0.2", port)).await.is_err());
    }
    let public = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    if public.connect("192.0.2.1:9").is_ok()
        && let Ok(address) = public.local_addr()
    {
        assert!(TcpStream::connect((address.ip(), port)).await.is_err(), "{address}");
    }
}

#[tokio::test]
async fn a_port_is_the_right_one_or_none() {
    // proves: BRW-11
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let failed = hold_as(&wanted("127.0.0.1", PortChoice::Only(port))).await.err().expect("it is taken");
    assert!(failed.what().contains(&port.to_string()), "{failed}");
    assert_eq!(failed.code(), Code::PortUnusable);
    if cfg!(target_os = "linux") {
        let holder = format!("(process {})", std::process::id());
        assert!(failed.why().contains(&holder), "who holds it is told: {failed}");
    }
    let other = hold_as(&wanted("127.0.0.1", PortChoice::Prefer(port))).await.unwrap();
    assert!(!other.redirect_uri().contains(&format!(":{port}/")));
    drop(taken);
    let free = hold_as(&wanted("localhost", PortChoice::Only(port))).await.unwrap();
    assert_eq!(free.redirect_uri(), format!("http://localhost:{port}{PATH}"));
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
}

#[tokio::test]
async fn a_port_that_somebody_else_answers_by_its_name_is_not_used() {
    // proves: BRW-10
    let Ok(other) = std::net::TcpListener::bind("[::1]:0") else { return };
    let port = other.local_addr().unwrap().port();
    let failed = hold_as(&wanted("localhost", PortChoice::Only(port))).await.err().expect("it is not ours alone");
    assert_eq!(failed.code(), Code::PortUnusable, "{failed}");
    let next = hold_as(&wanted("localhost", PortChoice::Prefer(port))).await.unwrap();
    assert!(!next.redirect_uri().contains(&format!(":{port}/")), "another port is taken");
}

#[tokio::test]
async fn either_loopback_address_will_do_where_nothing_is_registered() {
    // proves: BRW-12, OA21-53
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    // An address that this computer does not have stands for an IPv4 that is switched off.
    let mut nowhere = wanted("192.0.2.1", PortChoice::Any);
    assert_eq!(hold_as(&nowhere).await.err().expect("no such address").code(), Code::PortUnusable);
    nowhere.either = true;
    let (mut listener, address) = {
        let listener = hold_as(&nowhere).await.unwrap();
        let address = listener.redirect_uri().to_owned();
        (listener, address)
    };
    assert!(address.starts_with("http://[::1]:"), "{address}");
    let port = url::Url::parse(&address).unwrap().port().unwrap();
    let browser = tokio::spawn(async move {
        let mut connection = TcpStream::connect(("::1", port)).await.unwrap();
        let request = format!("GET {PATH}?code=x HTTP/1.1\r\nHost: [::1]:{port}\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    });
    tokio::time::timeout(PATIENCE, listener.next()).await.unwrap().show(Page::Done);
    assert_eq!(status(&browser.await.unwrap()), "200");
}

#[tokio::test]
async fn a_parameter_that_names_another_page_leads_nowhere() {
    // proves: BCP-15, OA21-11
    let (mut listener, port) = hold().await;
    let query = "code=x&state=y&next=https://evil.example&redirect=//evil.example&Location=https://evil.example";
    let browser = tokio::spawn(raw(port, get(port, &format!("{PATH}?{query}"), "")));
    tokio::time::timeout(PATIENCE, listener.next()).await.unwrap().show(Page::Done);
    let answer = browser.await.unwrap();
    assert_eq!(status(&answer), "200");
    let lower = answer.to_ascii_lowercase();
    assert!(!lower.contains("location:") && !lower.contains("evil") && !lower.contains("refresh"), "{answer}");
}

#[tokio::test]
async fn a_browser_does_not_name_the_usual_port() {
    // proves: BRW-08
    for (port, host, taken) in [
        (80, "localhost", true),
        (80, "[::1]", true),
        (80, "127.0.0.1:80", true),
        (80, "evil.example", false),
        (8080, "localhost", false),
        (8080, "localhost:8080", true),
    ] {
        let (callbacks, _) = mpsc::channel(1);
        let (path, about) = (PATH.to_owned(), "mcp.example.com".to_owned());
        let door = Door { path, hosts: hosts(port), callbacks, riddle: Riddle::new(), about };
        let request = Request::get(format!("{PATH}?code=x")).header(header::HOST, host).body(()).unwrap();
        assert_eq!(door.judge(&request).is_ok(), taken, "{host} at {port}");
    }
}

#[tokio::test]
async fn localhost_is_both_loopback_addresses_wherever_both_are() {
    // proves: BRW-12
    let has_v6 = TcpListener::bind("[::1]:0").await.is_ok();
    let listener = hold_as(&wanted("localhost", PortChoice::Any)).await.unwrap();
    let port = url::Url::parse(listener.redirect_uri()).unwrap().port().unwrap();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    assert_eq!(TcpStream::connect(("::1", port)).await.is_ok(), has_v6);
}
