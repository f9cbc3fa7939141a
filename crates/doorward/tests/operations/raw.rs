//! Requests that two readers could understand in two ways, byte by byte on the wire.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use crate::engine::{PATIENCE, World};

/// Sends bytes on a connection of their own, and reads until the other end closes, or stays silent after an answer.
fn said(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other end may close before all of it is written, which is an answer too.
    let _ = stream.write_all(bytes);
    let (mut answer, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(read) = stream.read(&mut part) {
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&part[..read]);
        // There may be a second one, which should not be.
        stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// The statuses of all answers in what was read.
fn statuses(answer: &str) -> Vec<u16> {
    answer.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().unwrap()).collect()
}

#[test]
fn a_request_has_one_meaning_or_none() {
    // proves: HTTP-01, HTTP-15
    let world = World::sqlite();
    let address = world.gateway.public_url().strip_prefix("http://").unwrap().to_owned();
    let form = "grant_type=refresh_token";
    let head = |more: &str| {
        format!(
            "POST /oauth/token HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-www-form-urlencoded\r\n{more}"
        )
    };
    let right = said(&address, head(&format!("Content-Length: {}\r\n\r\n{form}", form.len())).as_bytes());
    assert_eq!(statuses(&right), [400], "the control request is understood: {right}");
    assert!(right.contains("invalid_"), "{right}");

    let (smuggled, chunk) =
        ("GET /oauth/jwks HTTP/1.1\r\nHost: x\r\n\r\n", format!("{:x}\r\n{form}\r\n0\r\n\r\n", form.len()));
    let length = form.len();
    // After any of these the connection is closed, and what stood behind is no request.
    for (what, more) in [
        ("two lengths", format!("Content-Length: {length}\r\nContent-Length: 0\r\n\r\n{form}{smuggled}")),
        ("a list of lengths", format!("Content-Length: {length}, 0\r\n\r\n{form}{smuggled}")),
        ("a length with a sign", format!("Content-Length: +{length}\r\n\r\n{form}{smuggled}")),
        ("a hexadecimal length", format!("Content-Length: 0x5\r\n\r\n{form}{smuggled}")),
        ("a length with a space inside", format!("Content-Length: {length} 0\r\n\r\n{form}{smuggled}")),
        ("a negative length", format!("Content-Length: -1\r\n\r\n{form}{smuggled}")),
        ("a length beyond all numbers", format!("Content-Length: 99999999999999999999\r\n\r\n{form}{smuggled}")),
        ("another coding", format!("Transfer-Encoding: xchunked\r\n\r\n{chunk}{smuggled}")),
        ("chunked is not the last coding", format!("Transfer-Encoding: chunked, identity\r\n\r\n{chunk}{smuggled}")),
        (
            "a chunk's size beyond all numbers",
            format!("Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{smuggled}"),
        ),
        ("a chunk's size with a sign", format!("Transfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n{smuggled}")),
        ("a folded header", format!("X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n{smuggled}")),
        ("a space before the colon", format!("Content-Length : {length}\r\n\r\n{form}{smuggled}")),
        ("a header without a name", format!(": x\r\nContent-Length: 0\r\n\r\n{smuggled}")),
        ("a nil byte in a value", format!("X-A: b\0c\r\nContent-Length: 0\r\n\r\n{smuggled}")),
        ("two hosts", "Host: evil.example\r\nContent-Length: 0\r\n\r\n".to_owned()),
    ] {
        let answer = said(&address, head(&more).as_bytes());
        let all = statuses(&answer);
        assert!(all.len() <= 1 && all.iter().all(|status| (400..500).contains(status)), "{what}: {answer}");
        assert!(!answer.contains("\"keys\""), "{what} smuggled a request: {answer}");
    }
}

#[test]
fn where_both_framings_are_named_the_connection_is_not_used_again() {
    // proves: HTTP-01
    let world = World::sqlite();
    let address = world.gateway.public_url().strip_prefix("http://").unwrap().to_owned();
    let jwks = format!("GET /oauth/jwks HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for framing in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{jwks}", jwks.len() + 5),
        format!("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{jwks}"),
        format!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{jwks}"),
    ] {
        let request = format!("POST /oauth/token HTTP/1.1\r\nHost: {address}\r\n{framing}");
        let answer = said(&address, request.as_bytes());
        let all = statuses(&answer);
        assert!(all.first().is_none_or(|status| (400..500).contains(status)), "{framing}: {answer}");
        assert!(!answer.contains("\"keys\""), "what stood behind was taken for a request: {answer}");
    }
}

#[test]
fn a_trailer_is_no_header_and_a_connection_stays_what_it_is() {
    // proves: HTTP-01, HTTP-15
    let world = World::sqlite();
    let address = world.gateway.public_url().strip_prefix("http://").unwrap().to_owned();
    let call = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}";
    let trailed = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\
         Trailer: Authorization\r\n\r\n{:x}\r\n{call}\r\n0\r\nAuthorization: Bearer x\r\n\r\n",
        call.len()
    );
    let answer = said(&address, trailed.as_bytes());
    assert_eq!(statuses(&answer), [401], "{answer}");
    assert!(!answer.contains("invalid_token"), "the trailer was read as credentials: {answer}");
    for (what, request) in [
        ("CONNECT", format!("CONNECT example.com:443 HTTP/1.1\r\nHost: {address}\r\n\r\n")),
        (
            "h2c",
            format!(
                "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
            ),
        ),
        (
            "websocket",
            format!(
                "GET /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAA\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ),
        ),
        (
            "another host in the target",
            format!("GET http://evil.example/oauth/jwks HTTP/1.1\r\nHost: {address}\r\n\r\n"),
        ),
    ] {
        let answer = said(&address, request.as_bytes());
        let all = statuses(&answer);
        assert!(!all.contains(&101) && all.len() == 1 && all[0] < 500, "{what}: {answer}");
        assert!(!answer.contains("\"keys\""), "{what}: {answer}");
    }
}
