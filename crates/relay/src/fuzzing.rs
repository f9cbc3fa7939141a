//! Entrances for the fuzzer; each says what must hold and panics when it does not.

use crate::{
    bridge::fuzzing::events,
    envelope::{self, Incoming},
};

/// Reads a body as one JSON-RPC message or a batch.
pub fn envelope(bytes: &[u8]) {
    let most = 10;
    match envelope::read(bytes, most) {
        Ok(Incoming::Batch(messages)) => assert!((1..=most).contains(&messages.len())),
        Ok(Incoming::Single(_)) => {
            let text = std::str::from_utf8(bytes).expect("what was read is text");
            let line = envelope::one_line(text);
            assert!(!line.contains(['\n', '\r']), "a line for a server's standard input holds no line break");
            assert!(envelope::message(&line).is_ok(), "the line says the same");
        }
        Err(_) => {}
    }
}

/// Splits a server's stream into events: where its chunks end makes no difference.
pub fn event_stream(bytes: &[u8]) {
    let (&[first, ref rest @ ..], most) = (bytes, 1 << 16) else { return };
    let whole = events(&[rest], most);
    let (left, right) = rest.split_at(usize::from(first).min(rest.len()));
    let single: Vec<&[u8]> = rest.chunks(1).collect();
    assert_eq!(whole, events(&[left, right], most), "in two chunks");
    assert_eq!(whole, events(&single, most), "byte by byte");
}
