use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// What happens to an answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request does not even arrive.
    NeverArrives,
    /// The connection ends before the first byte: the answer is lost.
    CutBeforeHeaders,
    /// The connection ends in the middle of the headers.
    CutInHeaders,
    /// The connection ends after the headers.
    CutAfterHeaders,
    /// The connection ends in the middle of the body.
    CutInBody,
    /// The connection ends after the first event of a stream.
    CutBetweenEvents,
    /// Nothing ever comes.
    Stall,
    /// Half of the body comes, and then nothing.
    StallInBody,
    /// It comes late.
    Delay(Duration),
    /// It comes byte by byte, with this pause after each.
    Drip(Duration),
    /// The headers come at once, the body byte by byte.
    DripBody(Duration),
    /// Something that is no HTTP.
    Garbage,
    /// The body is longer than its length says.
    LengthTooShort,
    /// The body is shorter than its length says.
    LengthTooLong,
    /// The answer says that it is a web page.
    WrongType,
    /// The headers never end.
    EndlessHeaders,
    /// The body is this long.
    HugeBody(usize),
    /// The body says that it is compressed.
    Compressed,
    /// The answer sends the client to this address.
    Redirect(String),
    /// A proxy on the way says that it is overloaded.
    Unavailable,
}

/// Which request has the fault.
#[derive(Clone, Debug)]
struct Rule {
    path: String,
    part: String,
    fault: Fault,
    times: usize,
    happened: bool,
}

/// A proxy between a client and a server: bytes pass as they are, but for one answer.
pub struct FaultProxy {
    port: u16,
    rule: Arc<Mutex<Option<Rule>>>,
}

impl FaultProxy {
    /// Starts it in front of a plain HTTP server that closes its connections after each answer when it is asked to.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let rule = Arc::new(Mutex::new(None));
        let shared = Arc::clone(&rule);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let rule = Arc::clone(&shared);
                // Whatever goes wrong here is the client's to deal with.
                thread::spawn(move || pass(client, server, &rule));
            }
        });
        Self { port, rule }
    }

    /// The port that clients connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on the next `times` answers have the fault whose request has this path and this text in its head or body.
    pub fn spoil(&self, path: &str, part: &str, times: usize, fault: Fault) {
        let rule = Rule { path: path.to_owned(), part: part.to_owned(), fault, times, happened: false };
        *self.rule.lock().expect("nobody panics with it in hand") = Some(rule);
    }

    /// From now on everything passes. Says whether the fault happened at all.
    pub fn mend(&self) -> bool {
        let rule = self.rule.lock().expect("nobody panics with it in hand").take();
        rule.is_none_or(|rule| rule.happened)
    }
}

fn pass(client: TcpStream, server: SocketAddr, rule: &Mutex<Option<Rule>>) -> Option<()> {
    client.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(client.try_clone().ok()?);
    loop {
        let (head, body) = read_request(&mut reader)?;
        let fault = fault_for(&head, &body, rule);
        let is_last = head.to_ascii_lowercase().contains("connection: close");
        if fault == Some(Fault::NeverArrives) {
            return client.shutdown(Shutdown::Both).ok();
        }
        let mut upstream = TcpStream::connect(server).ok()?;
        upstream.write_all(head.replacen("\r\n\r\n", "\r\nconnection: close\r\n\r\n", 1).as_bytes()).ok()?;
        upstream.write_all(&body).ok()?;
        let mut answer = Vec::new();
        upstream.read_to_end(&mut answer).ok()?;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let (head, body) = answer.split_at(end);
        let mut head = String::from_utf8_lossy(head).into_owned();
        if fault.is_some() {
            // The connection ends after it; unsaid, the next request could be sent on it and get lost.
            head = with(&head, "connection", "close");
        }
        deliver(&client, &head, body, fault.as_ref())?;
        if is_last || fault.is_some() || !head.to_ascii_lowercase().contains("content-length") {
            return client.shutdown(Shutdown::Both).ok();
        }
    }
}

/// Reads one request of HTTP/1.1: its head, and the body of the length that the head tells.
pub fn read_request(reader: &mut impl BufRead) -> Option<(String, Vec<u8>)> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let start = head.len();
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
        let line = head[start..].to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line == "\r\n" {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, body))
}

fn fault_for(head: &str, body: &[u8], rule: &Mutex<Option<Rule>>) -> Option<Fault> {
    let mut rule = rule.lock().expect("nobody panics with it in hand");
    let own = rule.as_mut().filter(|rule| rule.times > 0)?;
    let path = head.split(' ').nth(1)?.split('?').next()?;
    let has_part = head.contains(&own.part) || String::from_utf8_lossy(body).contains(&own.part);
    (path == own.path && has_part).then(|| {
        own.times -= 1;
        own.happened = true;
        own.fault.clone()
    })
}

fn deliver(mut client: &TcpStream, head: &str, body: &[u8], fault: Option<&Fault>) -> Option<()> {
    let mut write = |bytes: &[u8]| client.write_all(bytes).ok();
    let half = body.len() / 2;
    match fault {
        None | Some(Fault::NeverArrives) => write(head.as_bytes()).and_then(|()| write(body)),
        Some(Fault::CutBeforeHeaders) => Some(()),
        Some(Fault::CutInHeaders) => write(&head.as_bytes()[..head.len() / 2]),
        Some(Fault::CutAfterHeaders) => write(head.as_bytes()),
        Some(Fault::CutInBody) => write(head.as_bytes()).and_then(|()| write(&body[..half])),
        Some(Fault::CutBetweenEvents) => {
            let end = body.windows(2).position(|two| two == b"\n\n").map_or(half, |at| at + 2);
            write(head.as_bytes()).and_then(|()| write(&body[..end]))
        }
        Some(Fault::Stall) => gone(client),
        Some(Fault::StallInBody) => {
            write(head.as_bytes()).and_then(|()| write(&body[..half]))?;
            gone(client)
        }
        Some(Fault::Delay(time)) => {
            thread::sleep(*time);
            write(head.as_bytes()).and_then(|()| write(body))
        }
        Some(Fault::Drip(pause)) => drip(client, &[head.as_bytes(), body].concat(), *pause),
        Some(Fault::DripBody(pause)) => write(head.as_bytes()).and_then(|()| drip(client, body, *pause)),
        Some(Fault::Garbage) => write(b"\x16\x03\x01\x00\xff\xfeSSH-2.0\n\n\0\0 no HTTP at all\r\n\r\n"),
        Some(Fault::LengthTooShort) => {
            write(with(head, "content-length", &half.to_string()).as_bytes()).and_then(|()| write(body))
        }
        Some(Fault::LengthTooLong) => {
            write(with(head, "content-length", &(body.len() + 100).to_string()).as_bytes()).and_then(|()| write(body))
        }
        Some(Fault::WrongType) => {
            write(with(head, "content-type", "text/html").as_bytes()).and_then(|()| write(b"<h1>Welcome</h1>"))
        }
        Some(Fault::EndlessHeaders) => {
            write(b"HTTP/1.1 200 OK\r\n")?;
            while write(format!("x-filler: {}\r\n", "a".repeat(1000)).as_bytes()).is_some() {}
            Some(())
        }
        Some(Fault::HugeBody(size)) => {
            write(without(head, "content-length").as_bytes())?;
            for _ in 0..size / 65536 {
                write(&[b'1'; 65536])?;
            }
            Some(())
        }
        Some(Fault::Compressed) => {
            write(with(&without(head, "content-length"), "content-encoding", "gzip").as_bytes())?;
            write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")?;
            write(&[0; 1000])
        }
        Some(Fault::Redirect(address)) => write(
            format!("HTTP/1.1 307 Temporary Redirect\r\nlocation: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes(),
        ),
        Some(Fault::Unavailable) => write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\nconnection: close\r\n\r\nbusy"),
    }
}

/// Waits until the client has gone.
fn gone(mut client: &TcpStream) -> Option<()> {
    client.set_read_timeout(Some(Duration::from_secs(300))).ok()?;
    let mut rest = [0; 64];
    while client.read(&mut rest).ok()? > 0 {}
    Some(())
}

fn drip(mut client: &TcpStream, bytes: &[u8], pause: Duration) -> Option<()> {
    for byte in bytes {
        client.write_all(&[*byte]).ok()?;
        thread::sleep(pause);
    }
    Some(())
}

/// A head without this header.
fn without(head: &str, name: &str) -> String {
    let lines = head.split_inclusive("\r\n");
    lines.filter(|line| !line.to_ascii_lowercase().starts_with(&format!("{name}:"))).collect()
}

/// A head with this header in place of its own.
fn with(head: &str, name: &str, value: &str) -> String {
    without(head, name).replacen("\r\n", &format!("\r\n{name}: {value}\r\n"), 1)
}
