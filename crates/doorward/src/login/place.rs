//! What every command of the client works with: where the logins lie, and what sends requests.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use doorward_client::{
    CredentialStore as _, Failed, StoredTokens, Target,
    target::{Grant, PreRegistered},
};
use doorward_fetch::{Fetcher, Inbound, Outbound, Reach};
use doorward_store::SealedFile;
use doorward_types::{ResourceId, outbound::FetchFailed};
use http::{HeaderMap, Request, StatusCode};
use url::Url;

use super::{
    custody::{self, Kept},
    fail,
    window::Window,
};
use crate::{
    cli,
    failure::{Exit, Failure},
    network, output,
    trace::{Kind, Trace},
};

/// What a person reads as the client's name on a consent page.
const CLIENT_NAME: &str = "doorward";

/// How long to wait before saving is tried again.
pub(super) const SAVE_AGAIN: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(800)];

/// After how long a person is told which server is waited for.
const LONG: Duration = Duration::from_secs(5);

/// The stored logins and the way to the network.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) store: SealedFile,
    pub(crate) fetcher: Fetcher,
    /// What every request to the MCP server carries besides.
    pub(crate) headers: HeaderMap,
    /// What is told of the requests and of what follows from them.
    pub(super) trace: Trace,
    /// This program at the identity provider, as the flags name it.
    pub(super) at_provider: Option<PreRegistered>,
    /// What a command has to say so that its logins lie here.
    pub(super) also_typed: Vec<String>,
    folder: PathBuf,
}

impl Place {
    pub(crate) async fn open(flags: &cli::ClientDir) -> Result<Self, Box<Failure>> {
        let folder = folder(flags.client_dir.as_deref())?;
        let store = SealedFile::open(&folder, custody::of(flags)?).await.map_err(|fault| fail::store(&fault))?;
        if flags.plain_credentials {
            tracing::warn!(
                "the logins in {} lie in plain files, as was asked for: whoever can read them can use them",
                folder.display()
            );
        }
        let fetcher = network::fetcher(&flags.network)?;
        let (headers, trace, also_typed) = (HeaderMap::new(), Trace::of_none(), flags.also_typed());
        let place = Self { store, fetcher, headers, trace, at_provider: None, also_typed, folder };
        place.warn();
        Ok(place)
    }

    /// Tells what the store noticed.
    pub(crate) fn warn(&self) {
        for warning in self.store.take_warnings() {
            tracing::warn!("{warning}");
        }
    }

    /// The same place, where a flow begins that is kept for `doorward trace`.
    pub(super) fn tracing(&self, kind: Kind, resource: &ResourceId, account: Option<&str>) -> Self {
        Self { trace: Trace::begin(&self.folder, kind, resource, account), ..self.clone() }
    }

    /// The same, where a login begins.
    pub(super) fn tracing_login(&self, target: &Target) -> Self {
        let place = self.tracing(Kind::Login, &target.resource, target.account.as_deref());
        place.trace.wanted_besides(target.authorize.iter().map(|own| (own.name(), own.value())));
        place
    }

    /// The same, for whom this program is known so at the identity provider, if the grant says how.
    pub(super) fn with_provider_of(&self, grant: &Grant) -> Self {
        let at_provider = match grant {
            Grant::Enterprise(enterprise) => Some(enterprise.client.clone()),
            _ => None,
        };
        Self { at_provider, ..self.clone() }
    }

    /// Sends a request, and tells of it.
    pub(super) async fn send(&self, request: Outbound) -> Result<Inbound, FetchFailed> {
        let sent = self.trace.sending(&request);
        let (url, patience) = (request.url.clone(), request.timeout);
        let answer = aloud(&url, patience, self.fetcher.send(request)).await;
        self.trace.answered(&sent, &answer);
        answer
    }

    /// Sends a request of whose answer only the head is wanted, and tells of it.
    pub(super) async fn knock(
        &self,
        request: Request<Bytes>,
        reach: Reach,
        patience: Duration,
    ) -> Result<(StatusCode, HeaderMap), FetchFailed> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| FetchFailed::Other(error.to_string()))?;
        let sent = self.trace.sending_parts(request.method().as_str(), &url, request.headers(), &[]);
        let answer = aloud(&url, patience, self.fetcher.stream(request, reach, patience)).await;
        let answer = answer.map(|answer| (answer.status(), answer.headers().clone()));
        self.trace.answered_parts(&sent, answer.as_ref().map(|(status, headers)| (*status, headers, None)));
        answer
    }

    /// The mark of a server's sign-in page.
    pub(crate) fn window(&self, resource: &ResourceId) -> Window {
        Window::new(&self.folder, resource)
    }

    /// The mark of the page at which a login of this kind is made: that of an identity provider serves many servers.
    pub(crate) fn window_of(&self, target: &Target) -> Window {
        match &target.grant {
            Grant::Enterprise(enterprise) => Window::named(&self.folder, &format!("identity {}", enterprise.issuer)),
            _ => self.window(&target.resource),
        }
    }

    /// The newest login at a server as an account, if there is one; its client proves itself as is said now.
    pub(crate) async fn newest(&self, target: &Target) -> Result<Option<StoredTokens>, Failed> {
        let all = self.store.for_resource(&target.resource).await.map_err(|fault| fail::store(&fault))?;
        let newest = all.into_iter().find(|tokens| tokens.account == target.account && target.takes(tokens));
        Ok(newest.map(|tokens| target.with_own_client(tokens)))
    }

    /// Where logins lie, for people.
    pub(crate) fn stored_in(&self) -> String {
        self.folder.display().to_string()
    }

    /// What keeps others from reading them there; `None` while there are none.
    pub(super) async fn kept(&self) -> Result<Option<Kept>, Failed> {
        Ok(self.store.key_lies().await.map_err(|fault| fail::store(&fault))?.map(Kept))
    }
}

/// Waits for a server, and says so where that takes long.
async fn aloud<T>(url: &Url, patience: Duration, answer: impl Future<Output = T>) -> T {
    let mut answer = std::pin::pin!(answer);
    match tokio::time::timeout(LONG, &mut answer).await {
        Ok(answer) => answer,
        Err(_) => {
            let (host, rest) = (url.host_str().unwrap_or_default(), patience.saturating_sub(LONG).as_secs());
            output::tell(&format!("Waiting for {host}, which has not answered yet, for {rest} seconds more at most."));
            answer.await
        }
    }
}

/// The MCP server that a person named.
pub(crate) async fn target(url: &str) -> Result<Target, Box<Failure>> {
    if !url.contains("://") {
        let here = ["localhost", "127.", "[::1]"].iter().any(|name| url.starts_with(name));
        let likely = if here { "http" } else { "https" };
        let likely = format!("{likely}://{}", if url.is_empty() { "mcp.example.com/mcp" } else { url });
        return Err(Failure::new(
            "CL-001",
            Exit::Usage,
            "the URL of the MCP server has no scheme",
            format!("{url:?} does not start with https://"),
            likely,
        ));
    }
    let mut target = Target::new(url, CLIENT_NAME)?;
    network::locate(&mut target).await;
    Ok(target)
}

/// The folder of the logins.
pub(crate) fn folder(named: Option<&Path>) -> Result<PathBuf, Box<Failure>> {
    let from = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named
        .map(Path::to_owned)
        .filter(|folder| !folder.as_os_str().is_empty())
        .or_else(|| from("XDG_STATE_HOME").map(|state| state.join("doorward")))
        .or_else(|| from("HOME").map(|home| home.join(".local/state/doorward")))
        .or_else(|| from("LOCALAPPDATA").map(|data| data.join("doorward").join("client")))
        .ok_or_else(|| {
            Failure::new(
                "CFG-02",
                Exit::Configuration,
                "there is no folder for the logins",
                "HOME is not set",
                "name one with --client-dir or DOORWARD_CLIENT_DIR",
            )
        })
}
