use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use super::{
    CallFailed, Child,
    calls::{Ended, Kind},
};
use crate::{
    envelope::{Members, Reply},
    era::{self, Era, Identity},
    plan::Outgoing,
};

/// Why a child could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoHandshake {
    #[error("it {0} before it answered its first request")]
    Ended(Ended),
    #[error("it did not answer its first request within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    #[error("it refused to start: {0}")]
    Refused(String),
}

/// Finds out how a new child speaks, and lets it introduce itself: first `server/discover`, which only a
/// modern server answers; then, at any refusal or after a while of silence, `initialize`.
///
/// Source: MCP 2026-07-28 lifecycle, "Backward Compatibility: stdio"; 2025-11-25 lifecycle.
pub(super) async fn shake_hands(child: &Arc<Child>, known: Option<Era>) -> Result<(), NoHandshake> {
    let limits = child.limits();
    let deadline = Instant::now() + limits.start_timeout;
    let shaken = timeout_at(deadline, async {
        let identity = match known {
            Some(Era::Legacy) => initialize(child).await?,
            _ => find_out(child, limits.probe_timeout).await?,
        };
        if identity.era == Era::Legacy {
            child.tell("notifications/initialized", &Members::default());
        }
        child.identify(identity);
        Ok(())
    });
    shaken.await.unwrap_or(Err(NoHandshake::TimedOut(limits.start_timeout)))
}

async fn find_out(child: &Arc<Child>, patience: Duration) -> Result<Identity, NoHandshake> {
    let mut discovery = std::pin::pin!(discover(child));
    tokio::select! {
        found = &mut discovery => match found? {
            Some(identity) => return Ok(identity),
            None => return initialize(child).await,
        },
        () = sleep(patience) => {}
    }
    // Silence may mean a legacy server that ignores what it does not know, or one that is still being
    // installed. Whichever answer comes first tells.
    let mut initialization = std::pin::pin!(initialize(child));
    tokio::select! {
        biased;
        found = &mut discovery => match found? {
            Some(identity) => Ok(identity),
            None => initialization.await,
        },
        identity = &mut initialization => identity,
    }
}

/// `None` when the server is not modern.
async fn discover(child: &Arc<Child>) -> Result<Option<Identity>, NoHandshake> {
    match ask(child, "server/discover", era::own_params()).await? {
        Reply::Result(result) => {
            let said = Members::parse(result.get()).filter(|said| {
                let versions =
                    said.get("supportedVersions").and_then(|v| serde_json::from_str::<Vec<String>>(v.get()).ok());
                versions.is_some_and(|versions| versions.iter().any(|v| v == doorward_types::Revision::LATEST.as_str()))
            });
            Ok(said.map(|said| Identity { era: Era::Modern, said }))
        }
        Reply::Error(_) => Ok(None),
    }
}

async fn initialize(child: &Arc<Child>) -> Result<Identity, NoHandshake> {
    match ask(child, "initialize", era::initialize_params()).await? {
        Reply::Result(result) => match Members::parse(result.get()) {
            Some(said) => Ok(Identity { era: Era::Legacy, said }),
            None => Err(NoHandshake::Refused("the result of initialize is not an object".into())),
        },
        Reply::Error(error) => {
            let message = Members::parse(error.get()).and_then(|error| error.text("message")).unwrap_or_default();
            Err(NoHandshake::Refused(message.chars().filter(|c| !c.is_control()).take(200).collect()))
        }
    }
}

async fn ask(child: &Arc<Child>, method: &str, params: Members) -> Result<Reply, NoHandshake> {
    let asked = child.start_call(&Outgoing::own(method, params), Kind::Own, None).await;
    let outcome = match asked {
        Ok(call) => call.answer().await,
        Err(failed) => Err(failed),
    };
    outcome.map_err(|failed| match failed {
        CallFailed::Ended(ended) | CallFailed::NotSent(ended) => NoHandshake::Ended(ended),
        CallFailed::TimedOut(after) => NoHandshake::TimedOut(after),
        other => NoHandshake::Refused(other.to_string()),
    })
}
