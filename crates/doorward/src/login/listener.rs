//! The port on this computer that the browser comes back to.
//!
//! Source: RFC 8252 sections 7.3 and 8.3.

use std::{convert::Infallible, fmt, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use doorward_client::{
    Code, Failed,
    step::{HoldPort, PortChoice},
};
use http::{HeaderMap, Method, Request, Response, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use tokio_util::sync::CancellationToken;

use super::{
    holder::{self, Holder},
    pages::Page,
    riddle::{Heard, Riddle},
};

/// The most bytes of a request's head.
const MOST_HEAD: usize = 16 << 10;
/// How long a request's head may take.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// The most connections at one time.
const MOST_CONNECTIONS: usize = 64;
/// How long to wait after a connection that could not be taken.
const PAUSE: Duration = Duration::from_millis(100);
/// How long the last page may take to reach the browser.
const LAST_PAGE: Duration = Duration::from_secs(3);

/// A held port, and whoever comes to it.
pub(crate) struct Listener {
    redirect_uri: String,
    callbacks: mpsc::Receiver<Callback>,
    accepting: JoinSet<JoinSet<()>>,
    stop: CancellationToken,
}

/// A browser that came to the right place and waits for its page.
pub(crate) struct Callback {
    /// The query, as it was sent.
    pub(crate) query: String,
    page: oneshot::Sender<Page>,
}

impl Callback {
    /// Shows the page.
    pub(crate) fn show(self, page: Page) {
        // A browser that was closed sees none.
        let _ = self.page.send(page);
    }
}

impl Listener {
    /// Takes hold of a port, on loopback addresses only, and makes sure that whoever comes to it comes to us. `about`
    /// is the server that the pages name.
    ///
    /// # Errors
    /// When no port can be used, or not the one that it must be: who holds it is told.
    pub(crate) async fn hold(wanted: &HoldPort, about: &str) -> Result<Self, Failed> {
        let (mut first, mut blocked) = (None, None);
        for (host, port) in tries(wanted) {
            // Where nothing gets to one port, nothing gets to another.
            if blocked == Some(host) {
                continue;
            }
            match Self::hold_at(host, port, &wanted.path, about).await {
                Ok(listener) => return Ok(listener),
                Err(trouble) => {
                    tracing::info!("{trouble}");
                    blocked = matches!(trouble, Trouble::Blocked { .. }).then_some(host);
                    first = first.or(Some(trouble));
                }
            }
        }
        Err(first.expect("at least one port is tried").failed(wanted.port))
    }

    async fn hold_at(host: &str, port: u16, path: &str, about: &str) -> Result<Self, Trouble> {
        let sockets = bind_all(host, port).await.map_err(|error| Trouble::bound(host, port, error))?;
        let port = sockets.first().and_then(|socket| socket.local_addr().ok()).map_or(0, |address| address.port());
        let (sender, callbacks) = mpsc::channel(8);
        let (stop, riddle) = (CancellationToken::new(), Riddle::new());
        let door = Door {
            path: path.to_owned(),
            hosts: hosts(port),
            callbacks: sender,
            riddle: riddle.clone(),
            about: about.to_owned(),
        };
        let door = Arc::new(door);
        let mut accepting = JoinSet::new();
        for socket in sockets {
            accepting.spawn(accept(socket, Arc::clone(&door), stop.clone()));
        }
        match riddle.ask(host, port).await {
            Heard::Us => {}
            Heard::SomebodyElse => return Err(Trouble::Answered { host: host.to_owned(), port }),
            Heard::Nobody => return Err(Trouble::Blocked { host: host.to_owned(), port }),
        }
        let redirect_uri = format!("http://{host}:{port}{path}");
        Ok(Self { redirect_uri, callbacks, accepting, stop })
    }

    /// Where the browser has to come back to.
    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Waits for the next browser that comes to the right place.
    pub(crate) async fn next(&mut self) -> Callback {
        match self.callbacks.recv().await {
            Some(callback) => callback,
            None => std::future::pending().await,
        }
    }

    /// Lets the last page reach its browser and gives the port back. Whoever else still waits is told that it is over.
    pub(crate) async fn finish(self) {
        let Self { mut accepting, callbacks, stop, .. } = self;
        drop(callbacks);
        stop.cancel();
        let sent = async {
            while let Some(connections) = accepting.join_next().await {
                let mut connections = connections.unwrap_or_default();
                while connections.join_next().await.is_some() {}
            }
        };
        let _ = tokio::time::timeout(LAST_PAGE, sent).await;
    }
}

/// Where to try, in this order.
fn tries(wanted: &HoldPort) -> Vec<(&str, u16)> {
    let host = wanted.host.as_str();
    let mut tries = match wanted.port {
        PortChoice::Only(port) => vec![(host, port)],
        PortChoice::Prefer(port) => vec![(host, port), (host, 0)],
        PortChoice::Any => vec![(host, 0), (host, 0)],
    };
    if wanted.either {
        tries.push(("[::1]", 0));
    }
    tries
}

/// Why a port cannot be used.
#[derive(Debug)]
enum Trouble {
    /// Somebody else holds it.
    Taken { port: u16, by: Holder },
    /// The system does not give it.
    NotGiven { host: String, error: io::Error },
    /// We hold it, and somebody else answers there.
    Answered { host: String, port: u16 },
    /// We hold it, and nothing gets there.
    Blocked { host: String, port: u16 },
}

impl Trouble {
    fn bound(host: &str, port: u16, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse if port != 0 => Self::Taken { port, by: holder::of(port) },
            _ => Self::NotGiven { host: host.to_owned(), error },
        }
    }

    fn failed(self, choice: PortChoice) -> Failed {
        let hint = match &self {
            Self::Taken { port, by } => by.advice(*port),
            Self::Answered { port, .. } => holder::of_others(*port).advice(*port),
            Self::Blocked { .. } => "allow connections of this computer to itself: look at its packet filter, VPN or \
                                     sandbox"
                .to_owned(),
            Self::NotGiven { .. } => "check the limits of this system (ulimit -n)".to_owned(),
        };
        let what = match choice {
            PortChoice::Only(port) => format!("port {port}, which this client is registered with, cannot be used"),
            _ => "no port on this computer can be used for the sign-in".to_owned(),
        };
        Failed::new(Code::PortUnusable, what, self.to_string(), hint)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken { port, by } => write!(f, "port {port} is held by {by}"),
            Self::NotGiven { host, error } => write!(f, "{host}: {error}"),
            Self::Answered { host, port } => {
                write!(f, "{host}:{port} is answered by {}, although doorward listens there", holder::of_others(*port))
            }
            Self::Blocked { host, port } => {
                write!(f, "nothing gets to {host}:{port}, although doorward listens there")
            }
        }
    }
}

/// Literal addresses only: what `localhost` resolves to is for others to say.
async fn bind_all(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let (v4, v6) = ([127, 0, 0, 1], [0, 0, 0, 0, 0, 0, 0, 1]);
    if host == "[::1]" {
        return Ok(vec![TcpListener::bind(SocketAddr::from((v6, port))).await?]);
    }
    let first = TcpListener::bind(SocketAddr::from((v4, port))).await?;
    if host != "localhost" {
        return Ok(vec![first]);
    }
    let port = first.local_addr()?.port();
    match TcpListener::bind(SocketAddr::from((v6, port))).await {
        Ok(second) => Ok(vec![first, second]),
        // Somebody else there would get what is meant for us.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(error),
        Err(_) => Ok(vec![first]),
    }
}

/// Every way in which a browser may name this port. It does not name the usual one.
fn hosts(port: u16) -> Vec<String> {
    let names = ["127.0.0.1", "localhost", "[::1]"];
    let usual = names.iter().filter(|_| port == 80).map(|host| (*host).to_owned());
    names.iter().map(|host| format!("{host}:{port}")).chain(usual).collect()
}

/// What is served, and to whom.
struct Door {
    path: String,
    hosts: Vec<String>,
    callbacks: mpsc::Sender<Callback>,
    riddle: Riddle,
    about: String,
}

/// Serves connections until told to stop; gives back those that are still open.
async fn accept(socket: TcpListener, door: Arc<Door>, stop: CancellationToken) -> JoinSet<()> {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return connections,
            Some(_) = connections.join_next() => {}
            // More than these is no browser. They wait in the system's queue.
            accepted = socket.accept(), if connections.len() < MOST_CONNECTIONS => match accepted {
                Ok((connection, _)) => {
                    connections.spawn(serve(connection, Arc::clone(&door)));
                }
                // Of open files there are too many; that does not change at once.
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

async fn serve(connection: TcpStream, door: Arc<Door>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(door.answer(&request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MOST_HEAD).keep_alive(false);
    if let Err(error) = server.serve_connection(TokioIo::new(connection), service).await {
        tracing::debug!("a connection to the callback port broke: {error}");
    }
}

impl Door {
    async fn answer<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        let page = match self.judge(request) {
            Err(Page::Absent) if self.is_our_own(request) => {
                return Response::new(Full::new(Bytes::from(self.riddle.answer.clone())));
            }
            Err(page) => page,
            Ok(query) => {
                let (page, shown) = oneshot::channel();
                match self.callbacks.send(Callback { query, page }).await {
                    Ok(()) => shown.await.unwrap_or(Page::Over),
                    Err(_) => Page::Over,
                }
            }
        };
        page.response(&self.about)
    }

    /// Whether we ask ourselves whether we are here.
    fn is_our_own<B>(&self, request: &Request<B>) -> bool {
        let host = request.headers().get(header::HOST).map(header::HeaderValue::as_bytes);
        let ours = host.is_some_and(|host| self.hosts.iter().any(|own| own.as_bytes() == host));
        ours && request.method() == Method::GET && request.uri().path() == self.riddle.path
    }

    /// The query of a request that a browser makes for a person, at the right place.
    ///
    /// # Errors
    /// With the page for everybody else.
    fn judge<B>(&self, request: &Request<B>) -> Result<String, Page> {
        let headers = request.headers();
        let mut hosts = headers.get_all(header::HOST).iter().map(|host| host.as_bytes());
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Page::Absent) };
        // A foreign name that was made to point here is not ours.
        if !self.hosts.iter().any(|own| own.as_bytes().eq_ignore_ascii_case(host))
            || request.uri().authority().is_some()
        {
            return Err(Page::Absent);
        }
        if request.uri().path() != self.path {
            return Err(Page::Absent);
        }
        if request.method() != Method::GET {
            return Err(Page::NoSuchMethod);
        }
        if !is_navigation(headers) {
            return Err(Page::Forbidden);
        }
        Ok(request.uri().query().unwrap_or_default().to_owned())
    }
}

/// Whether this is a person who goes to a page, as far as the browser says; not a script, an image or a frame of some
/// other page. Programs such as curl say nothing.
///
/// Source: Fetch Metadata Request Headers, section 2.
fn is_navigation(headers: &HeaderMap) -> bool {
    let says = |name: &str, right: &[&str]| {
        headers.get_all(name).iter().all(|value| right.iter().any(|right| right.as_bytes() == value.as_bytes()))
    };
    says("sec-fetch-mode", &["navigate"])
        && says("sec-fetch-dest", &["document"])
        && !headers.contains_key("sec-purpose")
        && !headers.contains_key(header::ORIGIN)
        && !headers.contains_key(header::UPGRADE)
}

#[cfg(test)]
#[path = "listener_tests.rs"]
mod tests;
