//! Where authorized requests go.

pub(crate) mod stdio;
