//! Server-sent events, as a client reads them.
//!
//! Source: HTML standard, "Server-sent events", "Parsing an event stream".

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Event {
    /// What kind; `message` when the server named none.
    pub(super) kind: String,
    /// The lines of data.
    pub(super) data: String,
}

/// An event longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is longer than {0} bytes")]
pub(super) struct TooLong(usize);

/// Splits a stream of bytes into events, wherever its chunks happen to end.
pub(super) struct Events {
    most: usize,
    line: Vec<u8>,
    first_line: bool,
    after_cr: bool,
    kind: String,
    data: Option<Vec<u8>>,
    /// The id that counts once the event that it stands in is whole.
    next_id: Option<String>,
    last_id: Option<String>,
    retry: Option<u64>,
}

impl Events {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            line: Vec::new(),
            first_line: true,
            after_cr: false,
            kind: String::new(),
            data: None,
            next_id: None,
            last_id: None,
            retry: None,
        }
    }

    /// Goes on after this event of another stream.
    pub(super) fn after(&mut self, last: Option<String>) {
        self.next_id.clone_from(&last);
        self.last_id = last;
    }

    /// The id of the last whole event that had one, to go on after it.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref().filter(|id| !id.is_empty())
    }

    /// After how many milliseconds the server wants to be asked again.
    pub(super) fn retry(&self) -> Option<u64> {
        self.retry
    }

    /// Whether nothing of an event is there that has not come to its end.
    pub(super) fn is_between(&self) -> bool {
        self.line.is_empty() && self.data.is_none() && self.kind.is_empty()
    }

    /// Begins with another stream that goes on where this one broke: what was not whole comes again.
    pub(super) fn begin_again(&mut self) {
        (self.first_line, self.after_cr) = (true, false);
        (self.line, self.kind, self.data) = (Vec::new(), String::new(), None);
        self.next_id.clone_from(&self.last_id);
    }

    /// The events that these bytes complete.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut out = Vec::new();
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() + self.data.as_ref().map_or(0, Vec::len) > self.most {
                return Err(TooLong(self.most));
            }
            self.line.extend_from_slice(part);
            let Some(end) = end else { break };
            self.after_cr = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            let line = std::mem::take(&mut self.line);
            let mut line = &line[..];
            if std::mem::take(&mut self.first_line) {
                line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
            }
            out.extend(self.take(line));
        }
        Ok(out)
    }

    /// Acts on one line.
    fn take(&mut self, line: &[u8]) -> Option<Event> {
        if line.is_empty() {
            self.last_id.clone_from(&self.next_id);
            let kind = std::mem::take(&mut self.kind);
            let data = String::from_utf8_lossy(&self.data.take()?).into_owned();
            return Some(Event { kind: if kind.is_empty() { "message".into() } else { kind }, data });
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"data" => match &mut self.data {
                None => self.data = Some(value.to_vec()),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            b"event" => self.kind = text(),
            b"id" if !value.contains(&0) => self.next_id = Some(text()),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => self.retry = text().parse().ok(),
            // A comment (the empty name), or a field of the future.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(data: &str) -> Event {
        Event { kind: "message".into(), data: data.into() }
    }

    #[test]
    fn events_are_split_wherever_the_chunks_end() {
        // proves: STDIO-11
        let stream = "\u{feff}: hello\r\nevent: message\rid: 7\ndata: {\"a\":\ndata:1}\r\n\r\n:\n\nevent: ping\ndata\n\n\
                      retry: 250\nretry: x\ndata: \u{2028}é\n\nid: 8\n\ndata: unfinished\n";
        let expected = [event("{\"a\":\n1}"), Event { kind: "ping".into(), data: String::new() }, event("\u{2028}é")];
        for size in 1..=stream.len() {
            let mut events = Events::new(1000);
            let found: Vec<_> = stream.as_bytes().chunks(size).flat_map(|chunk| events.feed(chunk).unwrap()).collect();
            assert_eq!(found, expected, "chunks of {size}");
            assert_eq!((events.last_id(), events.retry()), (Some("8"), Some(250)));
        }
    }

    #[test]
    fn an_event_that_was_cut_off_is_not_gone_on_after() {
        // proves: FCL-10
        let mut events = Events::new(100);
        events.feed(b"id: 1\ndata: a\n\nid: 2\ndata: b").unwrap();
        assert_eq!(events.last_id(), Some("1"), "the second one has not come");
        events.begin_again();
        assert_eq!(events.feed(b"data: without an id\n\n"), Ok(vec![event("without an id")]));
        assert_eq!(events.last_id(), Some("1"));
        events.feed(b"id: 2\ndata: b\n\n").unwrap();
        assert_eq!(events.last_id(), Some("2"));
        events.feed(b"id\ndata: c\n\n").unwrap();
        assert_eq!(events.last_id(), None, "the server has none to go on after");
    }

    #[test]
    fn an_endless_event_is_not_kept() {
        // proves: STDIO-11
        let mut one_line = Events::new(100);
        assert!((0..200).any(|_| one_line.feed(b"data: xxxx").is_err()));
        let mut many_lines = Events::new(100);
        assert!((0..200).any(|_| many_lines.feed(b"data: xxxx\n").is_err()));
        let mut many_events = Events::new(100);
        assert!((0..200).all(|_| many_events.feed(b"data: xxxx\n\n").is_ok()));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        // proves: STDIO-11
        assert_eq!(Events::new(100).feed(b"data: a\xffb\n\n"), Ok(vec![event("a\u{fffd}b")]));
    }
}
