use std::time::Duration;

use tokio::{io::AsyncWriteExt, process::ChildStdin, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use super::calls::Ended;

/// How many lines wait for a child that reads slowly. More wait with their callers.
pub(super) const MOST_WAITING: usize = 64;

/// Writes lines to a child until it is to be stopped; then its input is closed, which asks it to end.
pub(super) async fn write(
    mut stdin: ChildStdin,
    mut lines: mpsc::Receiver<String>,
    limit: Duration,
    stop: CancellationToken,
    broken: mpsc::Sender<Ended>,
) {
    loop {
        let line = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            line = lines.recv() => match line {
                Some(line) => line,
                None => return,
            },
        };
        let written = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            written = timeout(limit, async {
                stdin.write_all(line.as_bytes()).await?;
                stdin.flush().await
            }) => written,
        };
        match written {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                let _ = broken.try_send(Ended::ClosedInput);
                return;
            }
            Err(_) => {
                let _ = broken.try_send(Ended::NotReading(limit));
                return;
            }
        }
    }
}
