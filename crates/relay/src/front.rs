//! The HTTP front: checks a request from outside inwards, and writes the answer.

mod answer;
mod body;
mod caller;
mod changes;
mod headers;
mod http;
mod message;
mod origin;
mod request;
mod response;
mod session;

pub use body::RelayBody;
pub(crate) use http::handle;
pub(crate) use session::Sessions;
