//! `doorward connect`: a remote MCP server as a stdio server. Its stdout is the protocol and nothing else.

use std::{sync::Arc, time::Duration};

use doorward_relay::bridge::{Bridge, BridgeError, BridgeSettings};
use tokio_util::sync::CancellationToken;

use crate::{
    cli,
    failure::{Exit, Failure},
    login::{self, Place, TokenManager},
};

/// How long a refresh that is under way may still take at the end.
const LAST_REFRESH: Duration = Duration::from_secs(5);

/// Runs the bridge until the host is done.
pub(crate) async fn run(flags: cli::Connect) -> Result<(), Box<Failure>> {
    let mut target = login::target(&flags.url, &flags.account).await?;
    target.scope = flags.scope.as_deref().map(login::scopes).transpose()?;
    login::input_is_the_hosts(&flags.own_client)?;
    login::wishes(&mut target, &flags.own_client, &flags.grants)?;
    let place = Place::open(&flags.client).await?;
    let manner = login::Manner::of_host(&flags.sign_in);
    let settings = BridgeSettings { reach: target.reach, stop: stop_on_signals(), ..flags.bridge.settings() };
    let (upstream, fetcher) = (target.resource.clone(), place.fetcher.clone());
    let manager = TokenManager::new(place, target, manner).reading(flags.grants.clone());
    let bridge = Bridge { settings, upstream, bearer: Arc::new(manager.clone()), fetcher };
    let ended = bridge.run(tokio::io::stdin(), tokio::io::stdout()).await;
    manager.settle(LAST_REFRESH).await;
    ended.map_err(|error| match error {
        BridgeError::NotAuthorized(failed) => failed.into(),
        BridgeError::Input(error) => Failure::new(
            "BRI-01",
            Exit::Error,
            "the host's messages cannot be read",
            error,
            "start doorward connect from an MCP host, which writes JSON-RPC to its standard input",
        ),
    })
}

/// Cancelled when the process is asked to end.
fn stop_on_signals() -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        signal().await;
        asked.cancel();
    });
    stop
}

#[cfg(unix)]
async fn signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

#[cfg(not(unix))]
async fn signal() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}
