//! `doorward connect`: a remote MCP server as a stdio server. Its stdout is the protocol and nothing else.

mod no_login;

use std::{sync::Arc, time::Duration};

use doorward_relay::bridge::{Bridge, BridgeError, BridgeSettings};
use tokio_util::sync::CancellationToken;

use crate::{
    cli,
    failure::{Exit, Failure},
    login::{self, Place, TokenManager},
    network,
};
use no_login::NoLogin;

/// How long a message waits for a new token while it has one that is still good.
const HURRY: Duration = Duration::from_secs(2);
/// How long a refresh that is under way may still take at the end.
const LAST_REFRESH: Duration = Duration::from_secs(5);

/// Runs the bridge until the host is done.
pub(crate) async fn run(flags: cli::Connect) -> Result<(), Box<Failure>> {
    login::input_is_the_hosts(&flags.own_client, &flags.grants)?;
    let wanted = login::Wanted {
        url: &flags.url,
        scope: flags.scope.as_deref(),
        account: flags.account,
        own_client: flags.own_client,
        grants: &flags.grants,
        mcp_remote: &flags.mcp_remote,
        client: &flags.client,
    };
    let (target, asked) = wanted.target().await?;
    let usual = flags.bridge.settings();
    let settings = BridgeSettings {
        reach: target.reach,
        headers: asked.headers.clone(),
        answer_timeout: asked.answer_timeout.unwrap_or(usual.answer_timeout),
        hidden_tools: asked.hidden_tools.clone(),
        stop: stop_on_signals(),
        ..usual
    };
    let upstream = target.resource.clone();
    let (stdin, stdout) = (tokio::io::stdin(), tokio::io::stdout());
    let ended = if asked.authorizes_itself() {
        // There is nothing to keep, so no store is opened and no keychain asked.
        let (bearer, fetcher) = (Arc::new(NoLogin::at(&target)), network::fetcher(&flags.client.network)?);
        Bridge { settings, upstream, bearer, fetcher }.run(stdin, stdout).await
    } else {
        let mut place = Place::open(&flags.client).await?;
        place.headers = asked.headers;
        let (fetcher, manner) = (place.fetcher.clone(), login::Manner::of_host(&flags.sign_in));
        let manager = TokenManager::new(place, target, manner).reading(flags.grants.clone()).hurried(HURRY);
        let bridge = Bridge { settings, upstream, bearer: Arc::new(manager.clone()), fetcher };
        let ended = bridge.run(stdin, stdout).await;
        manager.settle(LAST_REFRESH).await;
        ended
    };
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
