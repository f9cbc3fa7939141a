//! The address at which a browser on another computer ended, typed or pasted by a person.
//!
//! It is read as a request to the callback is: the machine checks its state, its issuer and the rest.

use std::io::BufRead;

use tokio::sync::mpsc;
use url::Url;

use crate::output;

/// The longest line that is an address.
const MOST_LINE: usize = 32 << 10;

/// What a person types, line by line.
pub(super) struct Typed(mpsc::Receiver<String>);

impl Typed {
    /// Reads the standard input from now on. The thread ends with the input or the process: a read of a terminal
    /// cannot be taken back.
    pub(super) fn start() -> Self {
        Self::read(|| std::io::stdin().lock())
    }

    fn read<R: BufRead>(open: impl FnOnce() -> R + Send + 'static) -> Self {
        let (sender, lines) = mpsc::channel(8);
        std::thread::spawn(move || {
            let mut input = open();
            let mut line = Vec::new();
            while let Ok(true) = next_line(&mut input, &mut line) {
                let text = String::from_utf8_lossy(&line).trim().to_owned();
                if !text.is_empty() && sender.blocking_send(text).is_err() {
                    break;
                }
            }
        });
        Self(lines)
    }

    /// The query of the next line that is the awaited address; `None` when there will be none.
    pub(super) async fn next(&mut self, redirect_uri: &str) -> Option<String> {
        loop {
            let line = self.0.recv().await?;
            if let Some(query) = query(&line, redirect_uri) {
                return Some(query);
            }
            output::tell("That is not the address of the page at which the browser ended. It begins with");
            output::tell(&format!("  {redirect_uri}?"));
        }
    }
}

/// Reads one line; of one that is too long, only its end is missing. False at the end of the input.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> std::io::Result<bool> {
    line.clear();
    loop {
        let available = input.fill_buf()?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let newline = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..newline.unwrap_or(available.len())];
        line.extend_from_slice(&part[..part.len().min(MOST_LINE - line.len())]);
        let used = part.len() + usize::from(newline.is_some());
        input.consume(used);
        if newline.is_some() {
            return Ok(true);
        }
    }
}

/// The query of a pasted address, if it is one of the awaited page; of a query alone, the query.
fn query(line: &str, redirect_uri: &str) -> Option<String> {
    let line = line.trim_matches(|c: char| c.is_whitespace() || "<>\"'".contains(c));
    if let Ok(url) = Url::parse(line) {
        let wanted = Url::parse(redirect_uri).ok()?;
        let same_place = url.origin() == wanted.origin() && url.path() == wanted.path();
        return url.query().filter(|query| same_place && !query.is_empty()).map(str::to_owned);
    }
    let query = line.strip_prefix('?').unwrap_or(line);
    let says = |name: &str| query.split('&').any(|pair| pair.split_once('=').is_some_and(|(own, _)| own == name));
    (says("state") && (says("code") || says("error")) && !query.contains(char::is_whitespace)).then(|| query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_awaited_address_is_taken() {
        // proves: BRW-07
        let redirect = "http://127.0.0.1:43121/callback/2hYcQ7xw";
        for good in [
            "http://127.0.0.1:43121/callback/2hYcQ7xw?code=a%20b&state=s",
            "<http://127.0.0.1:43121/callback/2hYcQ7xw?code=a%20b&state=s>",
            "\"http://127.0.0.1:43121/callback/2hYcQ7xw?code=a%20b&state=s#top\"",
            "code=a%20b&state=s",
            "?code=a%20b&state=s",
        ] {
            assert_eq!(query(good, redirect).as_deref(), Some("code=a%20b&state=s"), "{good}");
        }
        for bad in [
            "",
            "a-code",
            "code=a",
            "http://127.0.0.1:43121/callback/2hYcQ7xw",
            "http://127.0.0.1:43121/callback/2hYcQ7xw?",
            "http://127.0.0.1:43121/callback/other?code=a&state=s",
            "http://127.0.0.1:43122/callback/2hYcQ7xw?code=a&state=s",
            "http://localhost:43121/callback/2hYcQ7xw?code=a&state=s",
            "https://evil.example/callback/2hYcQ7xw?code=a&state=s",
            "code=a&state=s; rm -rf /",
        ] {
            assert_eq!(query(bad, redirect), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn lines_are_read_until_the_right_one_comes() {
        let long = "x".repeat(MOST_LINE * 3);
        let text = format!("\n{long}\nhello\nhttp://127.0.0.1:9/c?code=1&state=2\nmore\n");
        let mut typed = Typed::read(move || std::io::Cursor::new(text.into_bytes()));
        assert_eq!(typed.next("http://127.0.0.1:9/c").await.as_deref(), Some("code=1&state=2"));
        assert_eq!(typed.next("http://127.0.0.1:9/c").await, None, "the input has ended");
    }
}
