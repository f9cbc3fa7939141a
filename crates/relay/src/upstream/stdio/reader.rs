use std::sync::{Arc, atomic::Ordering::Relaxed};

use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, BufReader},
    process::ChildStdout,
};

use super::{
    Child, Note,
    calls::{Ended, Heard, tell_cancelled},
};
use crate::{
    envelope::{self, METHOD_NOT_FOUND, Message, Reply, Request, RpcError, raw},
    era::META_SUBSCRIPTION,
    listen::{Change, tagged},
};

/// Reads a child's lines until it closes its output; says why when it must be stopped instead.
pub(super) async fn read(stdout: ChildStdout, child: Arc<Child>, most: usize) -> Ended {
    let mut stdout = BufReader::with_capacity(64 << 10, stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        match next_line(&mut stdout, &mut line, most).await {
            Ok(Line::Whole) => dispatch(&child, &line),
            Ok(Line::TooLong) => return Ended::LineTooLong(most),
            Ok(Line::End) | Err(_) => return Ended::ClosedOutput,
        }
        // What a single huge line took is given back.
        line.shrink_to(64 << 10);
    }
}

pub(super) enum Line {
    Whole,
    TooLong,
    End,
}

/// Reads up to the next newline, which is left out. A last line without one counts as well.
pub(super) async fn next_line(
    input: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    most: usize,
) -> std::io::Result<Line> {
    loop {
        let available = input.fill_buf().await?;
        if available.is_empty() {
            return Ok(if line.is_empty() { Line::End } else { Line::Whole });
        }
        let newline = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..newline.unwrap_or(available.len())];
        if line.len() + part.len() > most {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(part);
        let used = newline.map_or(part.len(), |at| at + 1);
        input.consume(used);
        if newline.is_some() {
            return Ok(Line::Whole);
        }
    }
}

/// Acts on one line. Whatever is no message is dropped and counted.
fn dispatch(child: &Arc<Child>, line: &[u8]) {
    let text = std::str::from_utf8(line).ok().map(str::trim).filter(|text| !text.is_empty());
    let Some(message) = text.and_then(|text| envelope::message(text).ok()) else {
        if !line.trim_ascii().is_empty() {
            child.noise.fetch_add(1, Relaxed);
        }
        return;
    };
    let known = match message {
        Message::Response { id, reply } => {
            let number = id.and_then(|id| id.as_raw().get().parse().ok());
            number.is_some_and(|number| child.calls().answer(number, reply))
        }
        Message::Request(request) => {
            answer(child, &request);
            true
        }
        Message::Notification { method, params } => notified(child, Note { method, params }),
    };
    if !known {
        child.strays.fetch_add(1, Relaxed);
    }
}

/// A legacy server may ask its client. Here many clients share it, so nobody can be asked.
fn answer(child: &Arc<Child>, request: &Request) {
    let reply = match request.method.as_str() {
        "ping" => Reply::Result(raw(&serde_json::json!({}))),
        method => {
            let why = format!("{method} is not possible: this client declared no capabilities");
            Reply::Error(RpcError::new(METHOD_NOT_FOUND, why).to_raw())
        }
    };
    child.send_soon(envelope::response(Some(&request.id), &reply));
}

/// Finds out whom a notification is for; says whether there was anybody.
fn notified(child: &Arc<Child>, note: Note) -> bool {
    let subscription = note.params.object("_meta").and_then(|meta| Some(meta.get(META_SUBSCRIPTION)?.get().parse()));
    let is_change = note.method.ends_with("/list_changed") || note.method == "notifications/resources/updated";
    if note.method == "notifications/tools/list_changed" {
        child.forget_tools();
    }
    match (note.method.as_str(), subscription) {
        (_, Some(Ok(number))) => {
            let heard = child.calls().heard(number, Note { params: tagged(note.params, None), method: note.method });
            if heard == Heard::TooSlowly {
                tell_cancelled(child, number, "the listener is too slow");
            }
            heard == Heard::ByListener
        }
        (_, Some(Err(_))) => false,
        ("notifications/progress", None) => {
            let number = note.params.get("progressToken").and_then(|token| token.get().parse().ok());
            number.is_some_and(|number| child.calls().progress(number, note.params))
        }
        ("notifications/message", None) => child.calls().only(note),
        (_, None) if is_change => child.changed(Change { method: note.method, params: note.params }),
        _ => false,
    }
}
