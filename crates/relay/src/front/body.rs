use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

use super::answer::Out;
use crate::sse;

/// The body of a gateway's answer: whole, or a stream of events.
pub struct RelayBody(Kind);

enum Kind {
    Whole(Option<Bytes>),
    Events { first: Option<Out>, rest: mpsc::Receiver<Out> },
}

impl RelayBody {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self(Kind::Whole(Some(bytes.into()).filter(|bytes| !bytes.is_empty())))
    }

    pub(super) fn events(first: Option<Out>, rest: mpsc::Receiver<Out>) -> Self {
        Self(Kind::Events { first, rest })
    }
}

impl Body for RelayBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut self.get_mut().0 {
            Kind::Whole(bytes) => bytes.take(),
            Kind::Events { first, rest } => match first.take() {
                Some(out) => Some(event(out)),
                None => std::task::ready!(rest.poll_recv(cx)).map(event),
            },
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Events { .. } => SizeHint::default(),
        }
    }
}

fn event(out: Out) -> Bytes {
    match out {
        Out::Open | Out::KeepAlive => Bytes::from_static(sse::KEEP_ALIVE.as_bytes()),
        Out::Note(json) => sse::event(&json).into(),
        Out::Final(last) => sse::event(&last.json).into(),
    }
}
