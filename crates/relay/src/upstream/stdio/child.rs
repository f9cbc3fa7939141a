use std::{
    borrow::Cow,
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{
    sync::{broadcast, mpsc},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Call, CallFailed, Event,
    calls::{Calls, Ended, Kind},
    process::{Pipes, Process},
    reader, stderr,
    tools::ToolCache,
    watch::Watcher,
    writer,
};
use crate::{
    Settings,
    envelope::{self, Members, raw},
    era::{self, Era, Identity},
    listen::Change,
    plan::Outgoing,
    settings::Limits,
};

/// A running server. It is shared by all who call it, and ends when it is stopped, when it breaks the rules,
/// when nobody needs it any more, or by itself.
pub(crate) struct Child {
    calls: Calls,
    lines: mpsc::Sender<String>,
    stop: CancellationToken,
    gone: CancellationToken,
    changes: broadcast::Sender<Change>,
    identity: OnceLock<Identity>,
    tools: ToolCache,
    limits: Limits,
    /// Lines on its output that were no messages.
    pub(super) noise: AtomicU64,
    /// Messages that were for nobody.
    pub(super) strays: AtomicU64,
}

impl Child {
    /// Starts the server's process. It has not said anything yet.
    pub(super) fn spawn(
        settings: &Settings,
        watcher: Option<Arc<Watcher>>,
        changes: broadcast::Sender<Change>,
    ) -> io::Result<Arc<Self>> {
        let (process, Pipes { stdin, stdout, stderr }) = Process::start(settings, watcher)?;
        let limits = settings.limits.clone();
        let (lines, lines_out) = mpsc::channel(writer::MOST_WAITING);
        let (broken, broken_out) = mpsc::channel(1);
        let child = Arc::new(Self {
            calls: Calls::new(),
            lines,
            stop: CancellationToken::new(),
            gone: CancellationToken::new(),
            changes,
            identity: OnceLock::new(),
            tools: ToolCache::default(),
            limits: limits.clone(),
            noise: AtomicU64::new(0),
            strays: AtomicU64::new(0),
        });
        tracing::info!(target: "child", pid = process.pid(), "started");
        tokio::spawn(stderr::log(stderr, process.pid(), limits.stderr_lines_per_second));
        tokio::spawn(writer::write(stdin, lines_out, limits.write_timeout, child.stop.clone(), broken));
        tokio::spawn(supervise(process, child.clone(), stdout, broken_out));
        Ok(child)
    }

    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// What the server said of itself.
    pub(crate) fn identity(&self) -> &Identity {
        self.identity.get().expect("a child is handed out after its handshake")
    }

    pub(super) fn identify(self: &Arc<Self>, identity: Identity) {
        let tells_of_tools = identity.era == Era::Modern && identity.has("tools", "listChanged");
        // The handshake is done once.
        let _ = self.identity.set(identity);
        if tells_of_tools {
            tokio::spawn(hear_of_tools(self.clone()));
        }
    }

    /// How it ended, if it did.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.calls.ended()
    }

    /// Whether calls may still be made.
    pub(crate) fn is_running(&self) -> bool {
        !self.stop.is_cancelled() && self.calls.ended().is_none()
    }

    /// Calls the server for a caller.
    pub(crate) async fn call(self: &Arc<Self>, outgoing: &Outgoing) -> Result<Call, CallFailed> {
        self.start_call(outgoing, Kind::Ordinary, Some(self.limits.request_timeout)).await
    }

    /// Opens a `subscriptions/listen`.
    pub(crate) async fn listen(self: &Arc<Self>, outgoing: &Outgoing) -> Result<Call, CallFailed> {
        self.start_call(outgoing, Kind::Listen, None).await
    }

    /// Makes a call of the gateway's own and waits for the answer.
    pub(crate) async fn ask(self: &Arc<Self>, method: &str, params: Members) -> Result<envelope::Reply, CallFailed> {
        let own = Outgoing::own(method, params);
        self.start_call(&own, Kind::Own, Some(self.limits.request_timeout)).await?.answer().await
    }

    pub(super) async fn start_call(
        self: &Arc<Self>,
        outgoing: &Outgoing,
        kind: Kind,
        limit: Option<Duration>,
    ) -> Result<Call, CallFailed> {
        let Outgoing { method, params, progress } = outgoing;
        let most = match kind {
            Kind::Own | Kind::OwnListen => usize::MAX,
            Kind::Ordinary | Kind::Listen => self.limits.max_in_flight,
        };
        let call = self.calls.open(self, kind, progress.clone(), most, limit)?;
        let mut params = Cow::Borrowed(params);
        if progress.is_some() {
            let mut meta = params.object("_meta").unwrap_or_default();
            meta.set("progressToken", raw(&call.number()));
            params.to_mut().set("_meta", meta.to_raw());
        }
        let mut line = envelope::request(&call.number(), method, &params);
        line.push('\n');
        match timeout(self.limits.write_timeout, self.lines.send(line)).await {
            Ok(Ok(())) => Ok(call),
            Ok(Err(_)) => Err(CallFailed::NotSent(self.calls.ended().unwrap_or(Ended::Stopped))),
            Err(_) => Err(CallFailed::NotSent(Ended::NotReading(self.limits.write_timeout))),
        }
    }

    /// Sends a notification.
    pub(super) fn tell(self: &Arc<Self>, method: &str, params: &Members) {
        self.send_soon(envelope::notification(method, params));
    }

    /// Sends a line without waiting for it. When the server reads nothing, it is about to be stopped anyhow.
    pub(super) fn send_soon(&self, mut line: String) {
        line.push('\n');
        if self.lines.try_send(line).is_err() {
            self.strays.fetch_add(1, Relaxed);
        }
    }

    /// Tells whoever listens that something changed.
    pub(super) fn changed(&self, change: Change) -> bool {
        self.changes.send(change).is_ok()
    }

    pub(super) fn forget_tools(&self) {
        self.tools.forget();
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn tool_cache(&self) -> &ToolCache {
        &self.tools
    }

    /// Asks the server to end, and waits until it has.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.gone.cancelled().await;
    }

    /// Closes itself to new calls when nobody has needed it for `limit`.
    fn close_when_idle(&self, limit: Duration) -> bool {
        self.changes.receiver_count() == 0 && self.calls.close_when_idle(limit)
    }
}

/// Keeps a modern server telling when its tools change: what a call needs depends on them. The reader heeds it.
async fn hear_of_tools(child: Arc<Child>) {
    let mut params = era::own_params();
    params.set("notifications", raw(&serde_json::json!({ "toolsListChanged": true })));
    let listen = Outgoing::own("subscriptions/listen", params);
    if let Ok(mut call) = child.start_call(&listen, Kind::OwnListen, None).await {
        while let Event::Note(_) = call.next().await {}
    }
}

/// Waits for a child's end or brings it about, and then tells everybody who still waits for it.
async fn supervise(
    mut process: Process,
    child: Arc<Child>,
    stdout: tokio::process::ChildStdout,
    mut broken: mpsc::Receiver<Ended>,
) {
    let pid = process.pid();
    let mut reading = tokio::spawn(reader::read(stdout, child.clone(), child.limits.max_line));
    let idle = async {
        let limit = child.limits.idle_child;
        while !child.close_when_idle(limit) {
            sleep((limit / 4).clamp(Duration::from_millis(20), Duration::from_secs(30))).await;
        }
    };
    let mut read_all = false;
    let ended = tokio::select! {
        status = process.ended() => Ended::Exited(status),
        Some(ended) = broken.recv() => ended,
        read = &mut reading => {
            read_all = true;
            read.unwrap_or(Ended::ClosedOutput)
        }
        () = child.stop.cancelled() => Ended::Stopped,
        () = idle => Ended::Stopped,
    };
    let ended = match ended {
        // A process that ends closes its pipes a moment before.
        Ended::ClosedOutput | Ended::ClosedInput => match timeout(Duration::from_millis(300), process.ended()).await {
            Ok(status) => Ended::Exited(status),
            Err(_) => ended,
        },
        other => other,
    };
    child.stop.cancel();
    match &ended {
        Ended::Stopped => process.stop(child.limits.stop_grace).await,
        _ => process.kill().await,
    }
    // What it wrote before its end still counts; what it left behind may hold the pipe open for ever.
    if !read_all && timeout(Duration::from_millis(500), &mut reading).await.is_err() {
        reading.abort();
    }
    let (noise, strays) = (child.noise.load(Relaxed), child.strays.load(Relaxed));
    tracing::info!(target: "child", pid, noise, strays, "it {ended}");
    child.calls.end(ended);
    child.gone.cancel();
}
