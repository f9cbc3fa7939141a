//! Requests to real servers on this computer.

use std::time::Duration;

use doorward_types::outbound::{FetchFailed, Inbound, Outbound, Reach, Redirects};
use futures_util::StreamExt as _;
use http::header;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use url::Url;

use crate::{Fetcher, Options, test_server::Server};

/// Only a failure waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

fn fetcher() -> Fetcher {
    Fetcher::new(Options::default()).unwrap()
}

fn get(url: &Url) -> Outbound {
    Outbound::metadata(url.clone(), Reach::Anywhere)
}

async fn send(request: Outbound) -> Result<Inbound, FetchFailed> {
    fetcher().send(request).await
}

#[tokio::test]
async fn a_request_goes_out_as_it_was_built() {
    let server = Server::saying("HTTP/1.1 201 Created\r\nx-a: b\r\ncontent-length: 2\r\n\r\nok").await;
    let url = server.url.join("/token?x=1").unwrap();
    let request = Outbound::post(url, "application/x-www-form-urlencoded", b"a=1".to_vec(), Reach::Anywhere)
        .with_secret_header(header::AUTHORIZATION, "Basic eA==".parse().unwrap());
    let answer = send(request).await.unwrap();
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_slice(), &answer.headers["x-a"]),
        (201, &b"ok"[..], &"b".parse().unwrap())
    );
    let seen = server.requests().remove(0).to_ascii_lowercase();
    for part in [
        "post /token?x=1 http/1.1\r\n",
        "authorization: basic ea==\r\n",
        "content-type: application/x-www-form-urlencoded\r\n",
        concat!("user-agent: doorward/", env!("CARGO_PKG_VERSION"), "\r\n"),
        "accept-encoding: identity\r\n",
        "\r\n\r\na=1",
    ] {
        assert!(seen.contains(part), "{part:?} is not in {seen:?}");
    }
    assert!(!seen.contains("referer"));
}

#[tokio::test]
async fn a_redirect_is_followed_only_within_the_origin() {
    // proves: DISC-04, MCP-SBP-019, INV-10
    let elsewhere = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil").await;
    let port = elsewhere.url.port().unwrap();
    let targets = [
        elsewhere.url.to_string(),
        format!("//127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "data:application/json,{}".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://".to_owned(),
    ];
    for target in targets {
        for status in ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"] {
            let server =
                Server::saying(format!("HTTP/1.1 {status}\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n")).await;
            let answer = send(get(&server.url)).await.unwrap();
            assert_eq!(answer.status.as_str(), &status[..3], "{target}");
            assert_eq!(server.requests().len(), 1, "{target}");
        }
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_redirect_within_the_origin_is_followed_three_times() {
    // proves: DISC-04
    let server = Server::start(|request, mut connection| async move {
        let step: usize = request.split(['/', ' ']).nth(2).unwrap().parse().unwrap();
        let answer = match step {
            9 => "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".to_owned(),
            // The last step before the end is a relative reference with a fragment.
            8 => "HTTP/1.1 302 Found\r\nlocation: 9#x\r\ncontent-length: 0\r\n\r\n".to_owned(),
            step => format!("HTTP/1.1 302 Found\r\nlocation: /{}\r\ncontent-length: 0\r\n\r\n", step + 1),
        };
        let _ = connection.write_all(answer.as_bytes()).await;
    })
    .await;
    let answer = send(get(&server.url.join("/6").unwrap())).await.unwrap();
    assert_eq!((answer.status.as_u16(), server.requests().len()), (200, 4));
    let answer = send(get(&server.url.join("/5").unwrap())).await.unwrap();
    assert_eq!((answer.status.as_u16(), server.requests().len()), (302, 8));
}

#[tokio::test]
async fn a_post_follows_no_redirect_even_within_the_origin() {
    // proves: DISC-04
    let server = Server::saying("HTTP/1.1 307 Temporary\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n").await;
    let mut request = Outbound::post(server.url.clone(), "text/plain", b"secret".to_vec(), Reach::Anywhere);
    for redirects in [Redirects::Refuse, Redirects::SameOrigin] {
        request.redirects = redirects;
        assert_eq!(send(request.clone()).await.unwrap().status, 307);
    }
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_body_ends_at_the_limit_said_or_unsaid() {
    // proves: DISC-12
    for head in ["content-length: 40", "transfer-encoding: chunked", "connection: close"] {
        let body = if head.starts_with("transfer") {
            format!("28\r\n{0}\r\n0\r\n\r\n", "a".repeat(40))
        } else {
            "a".repeat(40)
        };
        let server = Server::saying(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{body}")).await;
        let mut request = get(&server.url);
        request.most_bytes = 39;
        assert_eq!(send(request.clone()).await.unwrap_err(), FetchFailed::TooLong(39), "{head}");
        request.most_bytes = 40;
        assert_eq!(send(request).await.unwrap().body.len(), 40, "{head}");
    }
}

#[tokio::test]
async fn an_endless_body_is_cut_at_the_limit() {
    // proves: DISC-12
    let server = Server::start(|_, mut connection| async move {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while connection.write_all(&[b'a'; 4096]).await.is_ok() {}
    })
    .await;
    assert_eq!(send(get(&server.url)).await.unwrap_err(), FetchFailed::TooLong(1 << 20));
}

#[tokio::test]
async fn a_compressed_answer_is_refused_in_words() {
    // proves: DISC-12
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f!").await;
    let failed = send(get(&server.url)).await.unwrap_err();
    assert!(failed.to_string().contains("compressed"), "{failed}");
}

#[tokio::test]
async fn the_deadline_covers_headers_body_and_every_hop() {
    // proves: DISC-10, DISC-12
    let silent = Server::start(|_, connection| async move {
        std::future::pending::<()>().await;
        drop(connection);
    })
    .await;
    let drip = Server::start(|_, mut connection| async move {
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        let mut every = tokio::time::interval(Duration::from_millis(20));
        loop {
            every.tick().await;
            if connection.write_all(b"a").await.is_err() {
                break;
            }
        }
    })
    .await;
    for server in [silent, drip] {
        let mut request = get(&server.url);
        request.timeout = Duration::from_millis(200);
        assert_eq!(send(request).await.unwrap_err(), FetchFailed::Timeout(Duration::from_millis(200)));
        // On a busy machine it may not even have arrived.
        assert!(server.requests().len() <= 1, "it is not tried again");
    }
}

#[tokio::test]
async fn with_public_reach_this_computer_is_never_connected_to() {
    // proves: INV-11, MCP-SBP-016, MCP-SBP-018
    let server = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
    let port = server.url.port().unwrap();
    let hosts = ["127.0.0.1", "localhost", "[::1]", "127.1", "2130706433", "[::ffff:7f00:1]", "0.0.0.0", "localhost."];
    for host in hosts {
        let url = Url::parse(&format!("https://{host}:{port}/")).unwrap();
        let failed = send(Outbound::metadata(url.clone(), Reach::Public)).await.unwrap_err();
        assert!(matches!(failed, FetchFailed::Forbidden(_)), "{host}: {failed}");
        let request = http::Request::get(url.as_str()).body(bytes::Bytes::new()).unwrap();
        let failed = fetcher().stream(request, Reach::Public, PATIENCE).await.err().unwrap();
        assert!(matches!(failed, FetchFailed::Forbidden(_)), "{host}: {failed}");
    }
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn localhost_is_reached_at_either_of_its_addresses() {
    // A computer without IPv6 has one of them only.
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(listener) = tokio::net::TcpListener::bind(address).await else { continue };
        let url = Url::parse(&format!("http://localhost:{}/", listener.local_addr().unwrap().port())).unwrap();
        tokio::spawn(async move {
            let (mut connection, _) = listener.accept().await.unwrap();
            // The request fits into one read.
            let _ = connection.read(&mut [0; 4096]).await;
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
        });
        assert_eq!(send(get(&url)).await.map(|answer| answer.status.as_u16()), Ok(200), "{address}");
    }
}

#[tokio::test]
async fn failures_are_told_apart_and_tell_no_query() {
    // It has a port, and does not listen.
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let free = silent.local_addr().unwrap();
    let nobody = Url::parse(&format!("http://{free}/?code=s3cret")).unwrap();
    let failed = send(get(&nobody)).await.unwrap_err();
    assert!(matches!(&failed, FetchFailed::Connect(_)) && !failed.to_string().contains("s3cret"), "{failed}");

    let unknown = Url::parse("http://no-such-name.invalid/?code=s3cret").unwrap();
    assert_eq!(send(get(&unknown)).await.unwrap_err(), FetchFailed::Name("no-such-name.invalid".into()));

    let garbage = Server::saying("SSH-2.0-x\r\n").await;
    let failed = send(get(&garbage.url.join("/?code=s3cret").unwrap())).await.unwrap_err();
    assert!(matches!(&failed, FetchFailed::Other(_)) && !failed.to_string().contains("s3cret"), "{failed}");

    let mut not_tls = garbage.url.clone();
    not_tls.set_scheme("https").unwrap();
    let failed = send(get(&not_tls)).await.unwrap_err();
    assert!(matches!(&failed, FetchFailed::Tls(_)), "{failed:?}");

    let cut = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").await;
    assert!(matches!(send(get(&cut.url)).await.unwrap_err(), FetchFailed::Other(_)));
}

#[tokio::test]
async fn a_stream_gives_each_piece_as_it_comes() {
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let wait = std::sync::Mutex::new(Some(wait));
    let server = Server::start(move |_, mut connection| {
        let wait = wait.lock().unwrap().take().unwrap();
        async move {
            let _ =
                connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n").await;
            // The second piece is sent only after the first was read.
            let _ = wait.await;
            let _ = connection.write_all(b"data: 2\n\n").await;
        }
    })
    .await;
    let request = http::Request::post(server.url.as_str())
        .header("authorization", "Bearer x")
        .body(bytes::Bytes::from_static(b"{}"))
        .unwrap();
    let answer = fetcher().stream(request, Reach::Anywhere, PATIENCE).await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let mut body = answer.into_body();
    assert_eq!(body.next().await.unwrap().unwrap(), "data: 1\n\n");
    go.send(()).unwrap();
    assert_eq!(body.next().await.unwrap().unwrap(), "data: 2\n\n");
    assert!(body.next().await.is_none());
    assert!(server.requests()[0].ends_with("\r\n\r\n{}"));
}

#[tokio::test]
async fn a_stream_follows_no_redirect_and_has_a_deadline_for_its_start() {
    // proves: DISC-04
    let server = Server::saying("HTTP/1.1 307 Temporary\r\nlocation: /next\r\ncontent-length: 0\r\n\r\n").await;
    let request = |url: &Url| http::Request::post(url.as_str()).body(bytes::Bytes::from_static(b"{}")).unwrap();
    let answer = fetcher().stream(request(&server.url), Reach::Anywhere, PATIENCE).await.unwrap();
    assert_eq!((answer.status().as_u16(), server.requests().len()), (307, 1));
    let silent = Server::start(|_, connection| async move {
        std::future::pending::<()>().await;
        drop(connection);
    })
    .await;
    let soon = Duration::from_millis(100);
    let fetcher = fetcher();
    let started = fetcher.stream(request(&silent.url), Reach::Anywhere, soon);
    let failed = tokio::time::timeout(PATIENCE, started).await.expect("it ends by itself").err().unwrap();
    assert_eq!(failed, FetchFailed::Timeout(soon));
}

#[tokio::test]
async fn the_clients_own_words_lose_their_url() {
    let server = Server::saying("HTTP/1.1 404 Gone\r\ncontent-length: 0\r\n\r\n").await;
    let url = server.url.join("/?code=s3cret").unwrap();
    let clients = crate::clients::Clients::new(Options::default()).unwrap();
    let answer = clients.pick(&url, Reach::Anywhere).unwrap().get(url.clone()).send().await.unwrap();
    let error = answer.error_for_status().unwrap_err();
    assert!(error.to_string().contains("s3cret"));
    let failed = crate::failure::from_reqwest(error, &url, Duration::ZERO, || None).to_string();
    assert!(failed.contains("404") && !failed.contains("s3cret"), "{failed}");
}

#[tokio::test]
async fn a_proxy_that_was_named_is_asked_and_a_name_is_not_resolved_here() {
    let proxy = Server::saying("HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n").await;
    let options = Options { trust_proxy: true, proxy: Some(proxy.url.clone()), ..Options::default() };
    let fetcher = Fetcher::new(options).unwrap();
    let there = Url::parse("https://mcp.invalid/mcp").unwrap();
    assert!(fetcher.send(Outbound::metadata(there, Reach::Public)).await.is_err());
    assert!(proxy.requests()[0].starts_with("CONNECT mcp.invalid:443 HTTP/1.1"), "{:?}", proxy.requests());
    // What a proxy must not be asked for is refused before.
    for private in ["https://10.0.0.1/", "https://metadata.internal/", "https://localhost/"] {
        let refused = fetcher.send(Outbound::metadata(Url::parse(private).unwrap(), Reach::Public)).await;
        assert!(matches!(refused, Err(FetchFailed::Forbidden(_))), "{private}");
    }
    assert_eq!(proxy.requests().len(), 1);
    // This computer is reached directly.
    let here = Server::saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    assert_eq!(fetcher.send(get(&here.url)).await.unwrap().body, b"ok");
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_named() {
    let silent = tokio::net::TcpSocket::new_v4().unwrap();
    silent.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let proxy = Url::parse(&format!("http://{}", silent.local_addr().unwrap())).unwrap();
    let fetcher = Fetcher::new(Options { trust_proxy: true, proxy: Some(proxy), ..Options::default() }).unwrap();
    let there = Url::parse("https://mcp.invalid/mcp").unwrap();
    let failed = fetcher.send(Outbound::metadata(there.clone(), Reach::Public)).await.unwrap_err();
    assert!(failed.to_string().contains("the proxy 127.0.0.1"), "{failed}");
    let request = http::Request::post(there.as_str()).body(bytes::Bytes::new()).unwrap();
    let failed = fetcher.stream(request, Reach::Public, PATIENCE).await.err().unwrap();
    assert!(failed.to_string().contains("the proxy 127.0.0.1"), "{failed}");
}
