use std::time::Duration;

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::ChildStderr,
    time::Instant,
};

/// The most of one line that is logged.
const MOST_BYTES: usize = 4096;

/// Reads a child's standard error for as long as there is any, so that it never fills, and logs so many
/// lines of it per second, the start of each.
pub(super) async fn log(stderr: ChildStderr, pid: u32, per_second: u32) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    let (mut since, mut logged, mut dropped) = (Instant::now(), 0_u32, 0_u64);
    while let Ok(available) = stderr.fill_buf().await {
        let end = available.is_empty();
        let newline = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..newline.unwrap_or(available.len())];
        line.extend_from_slice(&part[..part.len().min(MOST_BYTES - line.len())]);
        let used = newline.map_or(part.len(), |at| at + 1);
        stderr.consume(used);
        if newline.is_none() && !end {
            continue;
        }
        if since.elapsed() >= Duration::from_secs(1) || end {
            if dropped > 0 {
                tracing::info!(target: "child", pid, dropped, "more lines were not logged");
            }
            (since, logged, dropped) = (Instant::now(), 0, 0);
        }
        match logged < per_second {
            true if !line.is_empty() => tracing::info!(target: "child", pid, "{}", printable(&line)),
            true => {}
            false => dropped += 1,
        }
        logged = logged.saturating_add(1);
        line.clear();
        if end {
            return;
        }
    }
}

/// Text that cannot move a terminal's cursor or fake a line of the log.
fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_do_not_reach_the_log() {
        // proves: STDIO-08, LEAK-05
        assert_eq!(super::printable(b"a\x1b[2Jb\r\xff"), "a\u{fffd}[2Jb\u{fffd}\u{fffd}");
    }
}
