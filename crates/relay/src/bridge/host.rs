//! The host's side: lines in, lines out.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::mpsc,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::room::{Held, Room};
use crate::envelope::{self, INVALID_REQUEST, RpcError};

/// How much of a line's buffer is kept for the next one.
const KEPT: usize = 64 << 10;
/// How many lines wait for a host that does not read, and how many bytes they have.
const WAITING: usize = 64;
const MOST_WAITING: usize = 16 << 20;
/// How long a host may take to read what is left when the bridge ends.
const LAST_LINES: Duration = Duration::from_secs(2);

/// One line of the host.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A line without its end.
    Whole(Vec<u8>),
    /// A line longer than this was passed over.
    TooLong(usize),
    /// There are no more.
    End,
}

/// Reads the host's lines. A call of [`next`](Self::next) that is dropped loses nothing.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    most: usize,
    too_long: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R, most: usize) -> Self {
        Self { input: BufReader::with_capacity(KEPT, input), line: Vec::new(), most, too_long: false }
    }

    pub(super) async fn next(&mut self) -> io::Result<Line> {
        loop {
            let available = self.input.fill_buf().await?;
            let ended = available.is_empty();
            let newline = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..newline.unwrap_or(available.len())];
            if self.too_long || self.line.len() + part.len() > self.most {
                self.too_long = true;
                self.line = Vec::new();
            } else {
                self.line.extend_from_slice(part);
            }
            let used = part.len() + usize::from(newline.is_some());
            self.input.consume(used);
            if std::mem::take(&mut self.too_long) {
                if newline.is_some() || ended {
                    return Ok(Line::TooLong(self.most));
                }
                self.too_long = true;
            } else if newline.is_some() || (ended && !self.line.is_empty()) {
                return Ok(Line::Whole(std::mem::take(&mut self.line)));
            } else if ended {
                return Ok(Line::End);
            }
        }
    }
}

/// Writes lines to the host. Clones write to the same host, one whole line at a time.
#[derive(Clone)]
pub(super) struct Host {
    lines: mpsc::Sender<(String, Held)>,
    room: Arc<Room>,
    gone: CancellationToken,
}

/// The task that writes; it ends when every [`Host`] is dropped, or when it is told to.
pub(super) struct Writer {
    writing: JoinHandle<()>,
    last: CancellationToken,
}

impl Host {
    pub(super) fn start(output: impl AsyncWrite + Send + Unpin + 'static) -> (Self, Writer) {
        let (lines, waiting) = mpsc::channel(WAITING);
        let gone = CancellationToken::new();
        let last = CancellationToken::new();
        let writing = tokio::spawn(write(output, waiting, gone.clone(), last.clone()));
        (Self { lines, room: Arc::new(Room::of(MOST_WAITING)), gone }, Writer { writing, last })
    }

    /// Writes one message. Line breaks between its tokens and in its strings are gone from it.
    pub(super) async fn say(&self, json: &str) {
        let held = self.room.take(json.len()).await;
        // A host that closed its end is noticed by `gone`.
        let _ = self.lines.send((envelope::one_line(json).into_owned(), held)).await;
    }

    pub(super) async fn refuse_long_line(&self, most: usize) {
        let error = RpcError::new(INVALID_REQUEST, format!("a message has at most {most} bytes"));
        self.say(&envelope::error_response(None, &error)).await;
    }

    /// Waits until the host no longer reads.
    pub(super) async fn gone(&self) {
        self.gone.cancelled().await;
    }
}

impl Writer {
    /// Waits until everything is written that was said, if the host reads. Who has more to say says it to nobody: there may be
    /// tasks that wait for a server.
    pub(super) async fn finish(mut self) {
        self.last.cancel();
        if tokio::time::timeout(LAST_LINES, &mut self.writing).await.is_err() {
            self.writing.abort();
        }
    }
}

async fn write(
    mut output: impl AsyncWrite + Unpin,
    mut lines: mpsc::Receiver<(String, Held)>,
    gone: CancellationToken,
    last: CancellationToken,
) {
    let _gone = gone.drop_guard();
    loop {
        let line = tokio::select! {
            biased;
            line = lines.recv() => line,
            () = last.cancelled(), if !lines.is_closed() => {
                lines.close();
                continue;
            }
        };
        let Some((mut line, _held)) = line else { return };
        debug_assert!(!line.contains(['\n', '\r']), "a message is one line");
        line.push('\n');
        if output.write_all(line.as_bytes()).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(input: &[u8], most: usize) -> Vec<Line> {
        let mut reader = Lines::new(input, most);
        let mut out = Vec::new();
        loop {
            match reader.next().await.unwrap() {
                Line::End => return out,
                line => out.push(line),
            }
        }
    }

    #[tokio::test]
    async fn lines_are_read_within_a_limit() {
        // proves: STDIO-10
        let whole = |text: &str| Line::Whole(text.into());
        assert_eq!(lines(b"a\n\r\nbc\nd", 4).await, [whole("a"), whole("\r"), whole("bc"), whole("d")]);
        assert_eq!(lines(b"abcd\nabcde\nf\n", 4).await, [whole("abcd"), Line::TooLong(4), whole("f")]);
        assert_eq!(lines(b"abcdefgh", 4).await, [Line::TooLong(4)]);
        let mut long = vec![b'x'; 1 << 20];
        long.extend_from_slice(b"\nshort\n");
        assert_eq!(lines(&long, 1000).await, [Line::TooLong(1000), whole("short")]);
    }

    #[tokio::test]
    async fn a_read_that_is_dropped_loses_nothing() {
        // proves: STDIO-10
        let (mut host, bridge) = tokio::io::duplex(64);
        let mut reader = Lines::new(bridge, 100);
        host.write_all(b"first ha").await.unwrap();
        for _ in 0..3 {
            assert!(tokio::time::timeout(Duration::from_millis(5), reader.next()).await.is_err());
        }
        host.write_all(b"lf\n").await.unwrap();
        assert_eq!(reader.next().await.unwrap(), Line::Whole(b"first half".to_vec()));
    }

    #[tokio::test]
    async fn the_end_waits_for_what_was_said_and_not_for_who_might_say_more() {
        // proves: STDIO-10
        let (output, stdout) = tokio::io::duplex(1 << 10);
        let (host, writer) = Host::start(stdout);
        host.say("1").await;
        host.say("2").await;
        let begun = tokio::time::Instant::now();
        writer.finish().await;
        assert!(begun.elapsed() < LAST_LINES, "a task has a host in hand for ever");
        host.say("3").await;
        assert_eq!(lines_of(output).await, "1\n2\n");
    }

    async fn lines_of(mut output: tokio::io::DuplexStream) -> String {
        let mut text = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut output, &mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn what_waits_for_a_host_that_does_not_read_is_limited_in_bytes() {
        // proves: STDIO-10
        // Nobody reads from this one, and nobody closes it.
        let (_output, stdout) = tokio::io::duplex(16);
        let (host, _writer) = Host::start(stdout);
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        let mut taken = 0;
        while taken < WAITING && tokio::time::timeout(Duration::from_millis(50), host.say(&long)).await.is_ok() {
            taken += 1;
        }
        assert!(taken <= MOST_WAITING >> 20, "{taken} lines of 1 MiB");
    }
}
