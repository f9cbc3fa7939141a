//! The way out: the proxy that the system names, and certificates of one's own.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    sync::mpsc::{Receiver, channel},
};

use doorward_testkit::process::{Port, Running};

use crate::world::{PATIENCE, Person};

const ANSWER: &[u8] =
    b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Bearer resource_metadata=\"https://evil.invalid/\"\r\n\
    content-length: 0\r\n\r\n";

/// A proxy that lets nobody through, and says so as a server would that wants a login. The receiver gets the first line of each
/// request.
fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for mut connection in listener.incoming().flatten() {
            let mut line = String::new();
            let _ = BufReader::new(&connection).read_line(&mut line);
            let _ = connection.write_all(ANSWER);
            let _ = sender.send(line.trim().to_owned());
        }
    });
    (url, asked)
}

fn login(person: &Person, flags: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = person.doorward(&["login", "https://mcp.example.invalid/mcp"]);
    command.args(flags).envs(variables.iter().copied());
    let mut running = Running::start(&mut command);
    running.close_input();
    let code = running.wait(PATIENCE).code();
    (code, running.errors())
}

#[tokio::test]
async fn requests_go_through_the_proxy_that_is_named() {
    // proves: DISC-17, MCP-SBP-020
    let person = Person::new();
    let (url, asked) = proxy();
    let through = [
        (&[][..], &[("HTTPS_PROXY", url.as_str())][..]),
        (&["--proxy", url.as_str()], &[]),
        (&["--proxy", url.as_str()], &[("HTTPS_PROXY", "http://127.0.0.1:9")]),
        (&[], &[("DOORWARD_PROXY", url.as_str())]),
    ];
    for (flags, variables) in through {
        let (code, errors) = login(&person, flags, variables);
        assert_eq!(code, Some(4), "{errors}");
        let line = asked.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{flags:?} {variables:?}: {errors}"));
        assert_eq!(line, "CONNECT mcp.example.invalid:443 HTTP/1.1");
        let named = format!("through the proxy {}: ", url.trim_start_matches("http://"));
        assert!(errors.contains(&named) && errors.contains("--proxy none"), "it is the proxy's fault: {errors}");
        while asked.try_recv().is_ok() {}
    }
    let direct = [
        (&["--proxy", "none"][..], &[("HTTPS_PROXY", url.as_str())][..]),
        (&[], &[("HTTPS_PROXY", &url), ("NO_PROXY", "example.invalid")]),
        (&["--proxy", &url], &[("NO_PROXY", "mcp.example.invalid")]),
    ];
    for (flags, variables) in direct {
        let (code, errors) = login(&person, flags, variables);
        assert_eq!(code, Some(4), "{errors}");
        assert!(asked.try_recv().is_err(), "{flags:?} {variables:?}");
        assert!(!errors.contains("the proxy"), "no proxy was in between: {errors}");
    }
    // Nobody listens there, or nobody knows the name.
    let held = Port::hold();
    for host in [format!("127.0.0.1:{}", held.number()), "proxy.example.invalid:3128".to_owned()] {
        let (code, errors) = login(&person, &["--proxy", &format!("http://user:s3cret@{host}")], &[]);
        assert_eq!(code, Some(4), "{errors}");
        assert!(errors.contains(&format!("through the proxy {host}: ")) && !errors.contains("s3cret"), "{errors}");
    }
}

#[tokio::test]
async fn what_cannot_be_the_way_out_is_refused_by_name() {
    let person = Person::new();
    for (flags, word) in [
        (["--proxy", "ftp://user:s3cret@proxy.example/"], "proxy"),
        (["--proxy", "http://"], "proxy"),
        (["--ca", "/nowhere/ca.pem"], "/nowhere/ca.pem"),
        (["--ca", "/dev/null"], "no certificate in it (/dev/null)"),
    ] {
        let (code, errors) = login(&person, &flags, &[]);
        assert_eq!(code, Some(6), "{errors}");
        assert!(errors.contains("NET-02") && errors.contains(word) && !errors.contains("s3cret"), "{errors}");
    }
}

#[tokio::test]
async fn a_computer_without_certificate_authorities_reaches_itself_and_is_told_what_it_lacks() {
    let person = Person::new();
    let (url, asked) = proxy();
    let bare = [("SSL_CERT_FILE", "/nowhere"), ("SSL_CERT_DIR", "/nowhere")];
    let login = |url: &str| {
        let mut command = person.doorward(&["login", url]);
        let mut running = Running::start(command.envs(bare));
        running.close_input();
        (running.wait(PATIENCE).code(), running.errors())
    };
    let (code, errors) = login(&format!("{url}/mcp"));
    let line = asked.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("{code:?} {errors}"));
    assert!(line.ends_with(" /mcp HTTP/1.1"), "{line}");
    let (code, errors) = login("https://mcp.example.invalid/mcp");
    assert!(code == Some(4) && errors.contains("ca-certificates"), "{errors}");
}
