//! `doorward serve`: the wiring of a gateway.

mod address;
mod catalogue;
mod client_document;
mod command;
mod denied;
mod keys;
mod limits;
mod listen;
mod policy;
mod proxies;
mod revoked;
mod start_page;

use std::{path::Path, sync::Arc, time::Duration};

use doorward_authorization_server::{Policy, Resource, Write, keys::SharedKeys, store::Committed};
use doorward_relay::{Gateway, Settings};
use doorward_resource_server::{Guard, Verifier};
use doorward_store::{Engine, Place};
use doorward_types::{Permission, ResourceId, Secret, outbound::Http, secret::SetupToken};
use doorward_web::{Providers, Site, Strangers};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::{
    cli,
    clock::now,
    entropy,
    failure::{Exit, Failure},
    operator_key::{self, Missing},
    state::State,
};

pub(crate) use limits::Limit;
use limits::Limits;
pub(crate) use proxies::Network;

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
    let issuer = address::read_public_url(&public_url)?;
    let allowed_hosts = address::allowed_hosts(&issuer, address);
    let resource = ResourceId::parse(issuer.endpoint("/mcp")).expect("an issuer with a path is a resource");
    let name = flags.name.clone().unwrap_or_else(|| command::name_of(&flags.command));
    let described = Resource { id: resource.clone(), name: name.clone(), scopes: Permission::all_scopes() };
    let policy = policy::build(&flags.clients, &flags.lifetimes, &issuer, described, policy::is_behind_proxy())?;
    let http = reach_out(flags.ca.as_deref())?;
    let limits = Limits::of(&flags.limits);
    let mut settings = settings(&flags, &limits)?;
    settings.allowed_hosts.clone_from(&allowed_hosts);
    settings.allowed_origins = address::allowed_origins(&issuer, &flags.allow_origin)?;

    let state = State::open_within(&flags.state, flags.limits.database_wait.0).await?;
    let store = state.store.clone();
    let has_keys = !store.keys().await.map_err(|fault| state.failed(&fault))?.is_empty();
    let missing = if has_keys { Missing::Refuse } else { Missing::Make };
    let operator = operator_key::find(&flags.key, &state.folder, missing)?;
    let keys = Arc::new(SharedKeys::new(keys::load(&state, &operator).await?));

    let (queue, recorder) = denied::queue(store.clone(), resource.clone());
    let revocations = revoked::FromStore {
        revoked: store.revocations(),
        store: store.clone(),
        bound: matches!(state.place, Place::Postgres(_)).then_some(flags.lifetimes.revocation_bound.0),
    };
    let verifier = Verifier::new(issuer.clone(), keys.current().verifying().clone());
    let guard = Guard::new(resource.clone(), verifier, Arc::new(revocations), Permission::all_scopes());
    let nonces = keys.current().nonces("resource");
    let guard = Arc::new(guard.telling(Arc::new(queue)).proving(nonces, policy.dpop_only));
    let gateway = Arc::new(Gateway::new(settings, guard.clone(), now));

    let setup = setup_token(&state).await?;
    let enterprises = policy.enterprises.iter().map(|known| start_page::Vouching::of(&known.issuer)).collect();
    let strangers = Strangers::limited(limits.strangers, limits.strangers.saturating_mul(10));
    let site = site(&name, policy, &store, &keys, &gateway, allowed_hosts, http);
    let site = Arc::new(Site { strangers: Arc::new(strangers), ..site });
    let router = client_document::publish(router(site, gateway.clone()), flags.clients.publish_client, &issuer)?;
    start_page::show(
        &start_page::Started {
            name,
            mcp_url: resource.to_string(),
            setup_url: setup.map(|token| issuer.endpoint(&format!("/setup?token={}", token.expose()))),
            connect: format!("doorward connect {resource}"),
            data_dir: state.folder.display().to_string(),
            database: matches!(state.place, Place::Postgres(_)).then(|| state.place.to_string()),
            listen: address.to_string(),
            public_url: issuer.to_string(),
            dev_mode: issuer.url().scheme() == "http",
            enterprises,
        },
        json,
    );
    let sweeper = tokio::spawn(sweep(store.clone()));
    let follow = keys::Follow { store: store.clone(), operator: operator.key, issuer, keys, guard };
    let following = tokio::spawn(follow.run());
    let stopping = CancellationToken::new();
    let recording = tokio::spawn(recorder.run(stopping.clone()));
    let streams = gateway.clone();
    let stop = async move {
        stop_signal().await;
        // Streams have no end of their own to wait for.
        streams.end_streams();
    };
    listen::serve(listener, router, flags.trusted_proxy, stop).await;
    sweeper.abort();
    following.abort();
    gateway.shutdown().await;
    stopping.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(2), recording).await;
    store.close().await;
    Ok(())
}

/// How the server behind the gateway is run.
fn settings(flags: &cli::Serve, limits: &Limits) -> Result<Settings, Box<Failure>> {
    let environment = command::child_environment(&flags.env);
    let mut settings = Settings::new(flags.command.clone(), environment).map_err(|refusal| {
        Failure::new(
            "CFG-03",
            Exit::Usage,
            "the server's command cannot be run",
            refusal,
            "write it after two dashes: doorward serve -- npx -y @modelcontextprotocol/server-filesystem .",
        )
    })?;
    settings.watcher = std::env::current_exe().ok().map(|program| vec![program.into(), "watch-children".into()]);
    settings.limits = limits.relay.clone();
    Ok(settings)
}

/// What fetches documents and keys. Nothing is made before something is asked for. Without documents it is still there for
/// the key sets of clients that were added and of enterprises.
fn reach_out(ca: Option<&Path>) -> Result<Arc<dyn Http>, Box<Failure>> {
    let refuse = |file: &Path, why: &dyn std::fmt::Display| {
        Failure::new(
            "CFG-11",
            Exit::Configuration,
            format!("the certificates in {} cannot be used", file.display()),
            why,
            "give a file with one or more certificates in PEM, each from BEGIN CERTIFICATE to END CERTIFICATE",
        )
    };
    let extra_roots = ca.map(|file| std::fs::read(file).map_err(|error| refuse(file, &error))).transpose()?;
    let fetcher = doorward_fetch::Fetcher::new(doorward_fetch::Options { extra_roots, ..Default::default() })
        .map_err(|invalid| refuse(ca.unwrap_or(Path::new("")), &invalid))?;
    Ok(Arc::new(fetcher))
}

fn site(
    name: &str,
    policy: Policy,
    store: &Arc<dyn Engine>,
    keys: &Arc<SharedKeys>,
    gateway: &Arc<Gateway>,
    allowed_hosts: Vec<String>,
    http: Arc<dyn Http>,
) -> Site {
    Site {
        policy: Arc::new(policy),
        name: name.to_owned(),
        store: store.clone(),
        keys: keys.clone(),
        catalogue: Arc::new(catalogue::FromGateway(gateway.clone())),
        allowed_hosts,
        now,
        entropy: entropy::system,
        passwords: doorward_web::Passwords::default(),
        limits: doorward_web::Limits::default(),
        http: Some(http),
        strangers: Arc::default(),
        providers: Providers::default(),
    }
}

/// The pages and endpoints, and the MCP endpoint beside them.
fn router(site: Arc<Site>, gateway: Arc<Gateway>) -> axum::Router {
    let router = doorward_web::router(site).route(
        "/mcp",
        axum::routing::any(move |request: axum::extract::Request| {
            let gateway = gateway.clone();
            async move { gateway.handle(request).await.map(axum::body::Body::new) }
        }),
    );
    // A defect must cost one answer, not the connection or the process.
    router.layer(CatchPanicLayer::new())
}

/// Removes what expired. Often, since strangers leave rows as well: what they can fill ends with their rows' lives.
async fn sweep(store: Arc<dyn Engine>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(60));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
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
async fn setup_token(state: &State) -> Result<Option<Secret<SetupToken>>, Box<Failure>> {
    if state.store.has_accounts().await.map_err(|fault| state.failed(&fault))? {
        return Ok(None);
    }
    let token = Secret::<SetupToken>::generate(&mut entropy::SystemEntropy);
    match state.store.commit(vec![Write::ReplaceSetup(token.digest())]).await.map_err(|fault| state.failed(&fault))? {
        Committed::Done => Ok(Some(token)),
        Committed::Conflict => Ok(None),
    }
}
