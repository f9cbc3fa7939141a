use std::{io, process::Stdio, sync::Arc, time::Duration};

use process_wrap::tokio::{ChildWrapper, CommandWrap, KillOnDrop};
use tokio::{
    process::{ChildStderr, ChildStdin, ChildStdout},
    time::timeout,
};

use super::watch::Watcher;
use crate::Settings;

/// A running child with all that it starts: it gets no shell, no descriptor beyond the standard three, and no
/// environment but the one in the settings. When this is dropped, the whole group is killed.
pub(super) struct Process {
    child: Box<dyn ChildWrapper>,
    pid: u32,
    watcher: Option<Arc<Watcher>>,
    gone: bool,
}

pub(super) struct Pipes {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) stderr: ChildStderr,
}

impl Process {
    pub(super) fn start(settings: &Settings, watcher: Option<Arc<Watcher>>) -> io::Result<(Self, Pipes)> {
        let (program, arguments) = settings.command().split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut command = CommandWrap::with_new(program, |command| {
            command.args(arguments).env_clear().envs(&settings.env);
            if let Some(cwd) = &settings.cwd {
                command.current_dir(cwd);
            }
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        });
        command.wrap(KillOnDrop);
        #[cfg(unix)]
        command.wrap(process_wrap::tokio::ProcessGroup::leader());
        #[cfg(windows)]
        command.wrap(process_wrap::tokio::JobObject);
        let mut child = command.spawn()?;
        let pid = child.id().unwrap_or_default();
        let taken = (child.stdin().take(), child.stdout().take(), child.stderr().take());
        let process = Self { child, pid, watcher, gone: false };
        if let Some(watcher) = &process.watcher {
            watcher.started(pid);
        }
        let (Some(stdin), Some(stdout), Some(stderr)) = taken else {
            return Err(io::Error::other("a pipe to the child is missing"));
        };
        Ok((process, Pipes { stdin, stdout, stderr }))
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the child ends by itself, and says how. May be dropped and called again.
    pub(super) async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => format!("its status is unknown: {error}"),
        }
    }

    /// Gives the child, whose input is closed by now, time to end; asks it to; kills it.
    ///
    /// Source: MCP 2025-11-25 lifecycle, "Shutdown: stdio".
    pub(super) async fn stop(&mut self, grace: Duration) {
        if timeout(grace, self.ended()).await.is_err() {
            #[cfg(unix)]
            {
                const SIGTERM: i32 = 15;
                let _ = self.child.signal(SIGTERM);
                let _ = timeout(grace, self.ended()).await;
            }
        }
        self.kill().await;
    }

    /// Kills the child and everything in its group, and reaps it.
    pub(super) async fn kill(&mut self) {
        // Also when the child has ended: what it started may still run, and holds our pipes.
        let _ = self.child.start_kill();
        self.ended().await;
        self.forget();
    }

    fn forget(&mut self) {
        if !std::mem::replace(&mut self.gone, true)
            && let Some(watcher) = &self.watcher
        {
            watcher.ended(self.pid);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.gone {
            let _ = self.child.start_kill();
            self.forget();
        }
    }
}
