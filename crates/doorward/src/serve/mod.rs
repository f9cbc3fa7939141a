//! `doorward serve`: the wiring of a gateway.

mod catalogue;
mod keys;
mod limits;
mod listen;
mod start_page;

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use doorward_authorization_server::{
    Write,
    facts::Lifetimes,
    keys::{KeyRing, SharedKeys},
    policy::{Policy, Resource},
    store::{Committed, Store as _},
};
use doorward_relay::{Gateway, Settings};
use doorward_resource_server::{Guard, Revocations, Verifier};
use doorward_store::{Engine as _, SqliteStore};
use doorward_types::{Issuer, Permission, ResourceId, Secret, Timestamp, jose::KeySet, secret::SetupToken};
use doorward_web::Site;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    cli, entropy,
    failure::{Exit, Failure},
};

pub(crate) use limits::Limit;

/// The present moment.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix(i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// Where this gateway's state lies.
pub(crate) fn data_dir(flags: cli::DataDir) -> Result<PathBuf, Box<Failure>> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    flags
        .data_dir
        .or_else(|| from("XDG_DATA_HOME").map(|data| data.join("doorward")))
        .or_else(|| from("HOME").map(|home| home.join(".local/share/doorward")))
        .or_else(|| from("LOCALAPPDATA").map(|data| data.join("doorward")))
        .ok_or_else(|| {
            Failure::new(
                "CFG-02",
                Exit::Configuration,
                "no folder for the state",
                "HOME is not set",
                "name one with --data-dir",
            )
        })
}

/// Opens the state in `folder`, making it when it is not there yet.
pub(crate) async fn open_store(folder: &Path) -> Result<SqliteStore, Box<Failure>> {
    SqliteStore::open(&folder.join("doorward.sqlite")).await.map_err(|error| Failure::store(&error, folder))
}

struct StoreRevocations(Arc<SqliteStore>);

impl Revocations for StoreRevocations {
    fn is_revoked(&self, grant: &str) -> bool {
        self.0.revocations().is_revoked(grant)
    }
}

/// Runs the gateway until it is told to stop.
pub(crate) async fn run(flags: cli::Serve, json: bool) -> Result<(), Box<Failure>> {
    let listener = TcpListener::bind(flags.listen).await.map_err(|error| {
        Failure::new(
            "NET-01",
            Exit::Error,
            format!("cannot listen on {}", flags.listen),
            error,
            "stop the program that uses the port, or choose another with --listen 127.0.0.1:0",
        )
    })?;
    let address = listener.local_addr().map_err(|error| Failure::starting(&error))?;
    let public_url = flags.public_url.clone().unwrap_or_else(|| format!("http://localhost:{}", address.port()));
    let issuer = read_public_url(&public_url)?;
    let resource = ResourceId::parse(issuer.endpoint("/mcp")).expect("an issuer with a path is a resource");
    let name = flags.name.clone().unwrap_or_else(|| name_of(&flags.command));

    let folder = data_dir(flags.data)?;
    let store = Arc::new(open_store(&folder).await?);
    let signer = keys::load_or_make(&folder)?;

    let policy = Arc::new(Policy {
        resources: vec![Resource { id: resource.clone(), name: name.clone(), scopes: Permission::all_scopes() }],
        lifetimes: Lifetimes {
            access_token: Duration::from_secs(flags.limits.access_token_seconds),
            ..Lifetimes::default()
        },
        ..Policy::new(issuer.clone())
    });
    let guard = Arc::new(Guard::new(
        resource.clone(),
        Verifier::new(issuer.clone(), KeySet::new(vec![signer.verifying_key()])),
        Arc::new(StoreRevocations(store.clone())),
        Permission::all_scopes(),
    ));
    let allowed_hosts = allowed_hosts(&issuer, address);
    let mut settings = Settings::new(flags.command.clone(), child_environment(&flags.env)).map_err(|refusal| {
        Failure::new(
            "CFG-03",
            Exit::Usage,
            "the server's command cannot be run",
            refusal,
            "write it after two dashes: doorward serve -- npx -y @modelcontextprotocol/server-filesystem .",
        )
    })?;
    settings.watcher = std::env::current_exe().ok().map(|program| vec![program.into(), "watch-children".into()]);
    settings.allowed_hosts.clone_from(&allowed_hosts);
    settings.allowed_origins = allowed_origins(&issuer, &flags.allow_origin)?;
    settings.limits = doorward_relay::Limits {
        max_body: flags.limits.max_body,
        max_line: flags.limits.max_line,
        request_timeout: Duration::from_secs(flags.limits.request_timeout),
        start_timeout: Duration::from_secs(flags.limits.start_timeout),
        idle_child: Duration::from_secs(flags.limits.idle_timeout),
        ..doorward_relay::Limits::default()
    };
    for limit in &flags.limits.limit {
        limit.apply(&mut settings.limits);
    }
    let gateway = Arc::new(Gateway::new(settings, guard, now));

    let setup = setup_token(&store, &folder).await?;
    let site = Arc::new(Site {
        policy,
        name: name.clone(),
        store: store.clone(),
        keys: Arc::new(SharedKeys::new(KeyRing::single(signer))),
        catalogue: Arc::new(catalogue::FromGateway(gateway.clone())),
        allowed_hosts,
        now,
        entropy: entropy::system,
        passwords: doorward_web::Passwords::default(),
    });
    let relay = gateway.clone();
    let router = doorward_web::router(site).route(
        "/mcp",
        axum::routing::any(move |request: axum::extract::Request| {
            let gateway = relay.clone();
            async move { gateway.handle(request).await.map(axum::body::Body::new) }
        }),
    );
    // A defect must cost one answer, not the connection or the process.
    let router = router.layer(CatchPanicLayer::new());

    start_page::show(
        &start_page::Started {
            name,
            mcp_url: resource.to_string(),
            setup_url: setup.map(|token| issuer.endpoint(&format!("/setup?token={}", token.expose()))),
            connect: format!("doorward connect {resource}"),
            data_dir: folder.display().to_string(),
            public_url: issuer.to_string(),
            dev_mode: issuer.url().scheme() == "http",
        },
        json,
    );
    let sweeper = tokio::spawn(sweep(store));
    let streams = gateway.clone();
    let stop = async move {
        stop_signal().await;
        // Streams have no end of their own to wait for.
        streams.end_streams();
    };
    listen::serve(listener, router, stop).await;
    sweeper.abort();
    gateway.shutdown().await;
    Ok(())
}

/// Removes what expired, now and then.
async fn sweep(store: Arc<SqliteStore>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(600));
    loop {
        ticks.tick().await;
        if let Err(error) = store.sweep(now()).await {
            tracing::warn!(%error, "expired rows could not be removed");
        }
    }
}

async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// A fresh one-time value for the link that makes the first account; none when there is an account already.
async fn setup_token(store: &SqliteStore, folder: &Path) -> Result<Option<Secret<SetupToken>>, Box<Failure>> {
    let failed = |fault| Failure::store(&fault, folder);
    if store.has_accounts().await.map_err(failed)? {
        return Ok(None);
    }
    let token = Secret::<SetupToken>::generate(&mut entropy::SystemEntropy);
    match store.commit(vec![Write::ReplaceSetup(token.digest())]).await.map_err(failed)? {
        Committed::Done => Ok(Some(token)),
        Committed::Conflict => Ok(None),
    }
}

/// What the server sees of our environment: what programs need to run at all, and what was named.
fn child_environment(named: &[String]) -> BTreeMap<OsString, OsString> {
    const ALWAYS: &[&str] = &[
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LC_ALL",
        "LC_CTYPE",
        "TZ",
        "TERM",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SystemRoot",
        "ComSpec",
        "PATHEXT",
        "APPDATA",
        "LOCALAPPDATA",
        "USERPROFILE",
        "SystemDrive",
        "windir",
    ];
    ALWAYS
        .iter()
        .map(|name| (*name).to_owned())
        .chain(named.iter().cloned())
        .filter_map(|name| Some((OsString::from(&name), std::env::var_os(&name)?)))
        .collect()
}

/// The `Host` values that mean this gateway: its public name, and the ways to say "this machine" on its port.
fn allowed_hosts(issuer: &Issuer, address: std::net::SocketAddr) -> Vec<String> {
    let url = issuer.url();
    let host = url.host_str().unwrap_or_default();
    let mut hosts = vec![match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }];
    if address.ip().is_loopback() {
        hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{}", address.port())));
    }
    hosts
}

/// The public URL is the issuer too. It is an origin: pages and metadata lie at paths of their own below it.
fn read_public_url(text: &str) -> Result<Issuer, Box<Failure>> {
    let refuse = |why: &dyn std::fmt::Display| {
        Failure::new(
            "CFG-01",
            Exit::Configuration,
            format!("{text} cannot be the public URL"),
            why,
            "give the https URL that clients use, such as --public-url https://mcp.example.com",
        )
    };
    let issuer = Issuer::parse(text.trim_end_matches('/')).map_err(|refusal| refuse(&refusal))?;
    if issuer.url().path() != "/" {
        return Err(refuse(&"it has a path, and the gateway needs a host name (or port) of its own"));
    }
    Ok(issuer)
}

/// Our own origin, and those that were named.
fn allowed_origins(issuer: &Issuer, named: &[String]) -> Result<Vec<String>, Box<Failure>> {
    let mut origins = vec![issuer.url().origin().ascii_serialization()];
    for text in named {
        let origin = url::Url::parse(text).map(|url| url.origin());
        match origin {
            Ok(origin) if origin.is_tuple() && origin.ascii_serialization() == text.trim_end_matches('/') => {
                origins.push(origin.ascii_serialization());
            }
            _ => {
                return Err(Failure::new(
                    "CFG-04",
                    Exit::Configuration,
                    format!("{text} is not an origin"),
                    "an origin is a scheme, a host and perhaps a port, and nothing more",
                    "write it like --allow-origin http://localhost:6274",
                ));
            }
        }
    }
    Ok(origins)
}

/// A name for people out of the server's command: the last part of its package or program.
fn name_of(command: &[OsString]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let runner = |word: &str| {
        matches!(
            Path::new(word).file_stem().and_then(|s| s.to_str()),
            Some("npx" | "uvx" | "node" | "python" | "python3" | "bunx" | "deno")
        )
    };
    let named = if words.first().is_some_and(|first| runner(first)) {
        words.iter().skip(1).find(|word| !word.starts_with('-')).or_else(|| words.first())
    } else {
        words.first()
    };
    let last = named.map_or("", String::as_str).trim_end_matches('/').rsplit(['/', '\\']).next().unwrap_or_default();
    let last = last.split('@').next().unwrap_or(last);
    let stem = last.trim_end_matches(".js").trim_end_matches(".mjs").trim_end_matches(".py");
    let plain = stem.trim_start_matches("mcp-server-").trim_start_matches("server-").trim_end_matches("-mcp");
    let mut letters = plain.chars();
    letters.next().map_or_else(|| "MCP server".to_owned(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_an_origin() {
        let read = |text: &str| read_public_url(text).map(|issuer| issuer.to_string()).map_err(|failure| failure.why);
        assert_eq!(read("https://mcp.example.com/").unwrap(), "https://mcp.example.com");
        assert_eq!(read("http://localhost:8420").unwrap(), "http://localhost:8420");
        for bad in
            ["https://mcp.example.com/gateway", "http://mcp.example.com", "mcp.example.com", "https://a.example/?x"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_server_is_named_after_its_package() {
        let name = |command: &str| name_of(&command.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(name("npx -y @modelcontextprotocol/server-filesystem ."), "Filesystem");
        assert_eq!(name("npx -y @upstash/context7-mcp@4.1.1"), "Context7");
        assert_eq!(name("/usr/bin/mcp-server-time"), "Time");
        assert_eq!(name("python3 server.py"), "Server");
    }
}
