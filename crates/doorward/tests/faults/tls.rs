//! Servers that cannot prove who they are, and connections that break below HTTP.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use doorward_testkit::process::{Authority, Certificate, Stdio};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde_json::{Value, json};

use crate::world::{PATIENCE, Person};

const DEADLINE: Duration = Duration::from_secs(90);
/// Time enough for a server that answers, and too much for one that never does.
const LONG: &str = "60";

/// What a server does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Serves it.
    Serves,
    /// Closes it where the handshake would begin.
    Closes,
    /// Closes it in the middle of the handshake.
    Truncates,
    /// Says nothing.
    Stalls,
    /// Answers in plain HTTP.
    Plain,
    /// Closes it after the handshake.
    ClosesAfter,
    /// Speaks HTTP/2 and refuses each request, with this frame.
    Http2(&'static [u8]),
}

/// SETTINGS, and GOAWAY before any stream.
const GO_AWAY: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\0";
/// SETTINGS, and RST_STREAM of the first stream with INTERNAL_ERROR.
const RESET: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x03\0\0\0\0\x01\0\0\0\x02";
/// SETTINGS, and RST_STREAM of the first stream with REFUSED_STREAM.
const REFUSED: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\x04\x03\0\0\0\0\x01\0\0\0\x07";
/// A frame longer than allowed.
const NONSENSE: &[u8] = b"\xff\xff\xff\x04\0\0\0\0\0garbage";

/// What a server with this certificate proves itself with.
fn server(certificate: &Certificate, protocols: &[&str]) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_file(&certificate.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&certificate.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

fn roots(authority: &Authority) -> String {
    authority.file().to_str().unwrap().to_owned()
}

/// Starts a server; gives its port.
fn start(config: Arc<ServerConfig>, manner: Manner) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            thread::spawn(move || serve(stream, config, manner));
        }
    });
    port
}

fn serve(mut stream: TcpStream, config: Arc<ServerConfig>, manner: Manner) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(120))).ok()?;
    let mut some = [0; 4096];
    match manner {
        Manner::Closes => return Some(()),
        Manner::Stalls => {
            while stream.read(&mut some).ok()? > 0 {}
            return Some(());
        }
        Manner::Truncates => {
            let _ = stream.read(&mut some);
            // A handshake record that is longer than what comes of it.
            return stream.write_all(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03").ok();
        }
        Manner::Plain => {
            let _ = stream.read(&mut some);
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").ok();
        }
        _ => {}
    }
    let mut tls = StreamOwned::new(ServerConnection::new(config).ok()?, stream);
    if manner == Manner::ClosesAfter {
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock).ok()?;
        }
        return Some(());
    }
    if let Manner::Http2(frames) = manner {
        // Preface, SETTINGS and the request come in one or some reads; the answer is the same whatever is in them.
        let _ = tls.read(&mut some);
        tls.write_all(frames).ok()?;
        tls.flush().ok()?;
        while tls.read(&mut some).ok()? > 0 {}
        return Some(());
    }
    let mut request = Vec::new();
    loop {
        let count = tls.read(&mut some).ok()?;
        request.extend_from_slice(&some[..count]);
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            let message: Value = serde_json::from_str(body).unwrap_or_default();
            let result = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}});
            let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n";
            write!(tls, "{head}content-length: {}\r\n\r\n{answer}", answer.len()).ok()?;
            tls.conn.send_close_notify();
            return tls.flush().ok();
        }
    }
}

/// The answer of `doorward connect` to a host's `initialize`, when it waits so many seconds for an answer.
fn connect(port: u16, roots: Option<&str>, seconds: &str) -> Value {
    let (person, url) = (Person::new(), format!("https://localhost:{port}/mcp"));
    let mut command = person.doorward(&["connect", "--request-timeout", seconds, &url]);
    command.envs(roots.map(|roots| ("SSL_CERT_FILE", roots)));
    let mut bridge = Stdio::start(&mut command);
    let client = json!({"name": "host", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let answer = bridge.request("initialize", params, DEADLINE);
    let errors = bridge.process().errors();
    assert!(!errors.contains("panicked"), "{errors}");
    answer
}

fn refused(port: u16, roots: Option<&str>, seconds: &str, what: &str) -> String {
    let answer = connect(port, roots, seconds);
    let words = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("{what}: {answer}")).to_owned();
    assert!(words.contains("localhost"), "{what}: {words}");
    words
}

#[test]
fn only_a_server_that_proves_its_name_is_spoken_to() {
    // proves: DISC-14, FCL-17, R6750-06, R9728-11
    let authority = Authority::new();
    let roots = roots(&authority);
    let good = server(&authority.certificate("DNS:localhost"), &["http/1.1"]);
    let port = start(Arc::clone(&good), Manner::Serves);
    let answer = connect(port, Some(&roots), LONG);
    assert!(answer["result"].is_object(), "with the authority trusted all is well: {answer}");

    let words = refused(port, None, LONG, "an unknown authority");
    assert!(words.contains("TLS"), "{words}");
    let ended = start(server(&authority.expired("DNS:localhost"), &[]), Manner::Serves);
    let words = refused(ended, Some(&roots), LONG, "a certificate that has ended");
    assert!(words.contains("TLS") && words.contains("xpired"), "{words}");
    let other = start(server(&authority.certificate("DNS:other.example"), &[]), Manner::Serves);
    let words = refused(other, Some(&roots), LONG, "a certificate of somebody else");
    assert!(words.contains("TLS"), "{words}");
}

#[test]
fn a_connection_that_breaks_below_http_is_told_in_time() {
    // proves: FCL-01
    let authority = Authority::new();
    let roots = roots(&authority);
    let good = server(&authority.certificate("DNS:localhost"), &["h2", "http/1.1"]);
    let manners = [
        Manner::Closes,
        Manner::Truncates,
        Manner::Stalls,
        Manner::Plain,
        Manner::ClosesAfter,
        Manner::Http2(GO_AWAY),
        Manner::Http2(RESET),
        Manner::Http2(REFUSED),
        Manner::Http2(NONSENSE),
        Manner::Http2(b""),
    ];
    thread::scope(|scope| {
        for manner in manners {
            let (good, roots) = (Arc::clone(&good), &roots);
            scope.spawn(move || refused(start(good, manner), Some(roots), "3", &format!("{manner:?}")));
        }
    });
}

#[test]
fn a_login_at_such_a_server_ends_in_words_too() {
    // proves: DISC-14, FCL-01, R8414-12
    let authority = Authority::new();
    let good = server(&authority.certificate("DNS:localhost"), &["h2", "http/1.1"]);
    let ended = server(&authority.expired("DNS:localhost"), &[]);
    let cases = [
        (&good, Manner::Serves, false),
        (&ended, Manner::Serves, true),
        (&good, Manner::Truncates, true),
        (&good, Manner::Plain, true),
        (&good, Manner::Http2(GO_AWAY), true),
        (&good, Manner::Http2(REFUSED), true),
    ];
    for (config, manner, trusted) in cases {
        let url = format!("https://localhost:{}/mcp", start(Arc::clone(config), manner));
        let person = Person::new();
        let roots = roots(&authority);
        let environment: &[(&str, &str)] = if trusted { &[("SSL_CERT_FILE", &roots)] } else { &[] };
        let (code, errors) = person.run_in(environment, &["login", &url], PATIENCE);
        assert!(code.is_some_and(|code| code != 0) && errors.contains("CL-"), "{manner:?}: {code:?}\n{errors}");
        let of_the_error = |line: &&str| !line.contains("lie in plain files") && !line.starts_with("Waiting for");
        let lines: Vec<_> = errors.lines().filter(of_the_error).collect();
        assert_eq!(lines.len(), 3, "{manner:?}: what, why and what next, and nothing besides\n{errors}");
        // Where it is about whom to trust, the flag that helps is named, and where it is about the time, the clock.
        let serves = matches!(manner, Manner::Serves);
        assert_eq!(lines[2].contains("--ca FILE"), serves && !trusted, "{manner:?}: {errors}");
        assert_eq!(lines[2].contains("this computer's clock"), serves && trusted, "{manner:?}: {errors}");
    }
}
