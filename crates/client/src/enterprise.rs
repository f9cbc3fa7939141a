//! The organisation's identity provider decides: what it says of the person becomes an assertion for the MCP server's
//! authorization server, and that becomes a token.
//!
//! Who the person is comes from what is kept of their sign-in there, while it is good; else that is renewed; else they sign
//! in. What the identity provider refuses leads to the next of these, once each.

pub(crate) mod again;
pub(crate) mod exchange;
pub(crate) mod keys;
pub(crate) mod person;
pub(crate) mod provider;
pub(crate) mod renew;
pub(crate) mod shown;
mod sign_in;
