//! Authorize, consent, token, register, revoke, introspect: facts in, decision and writes out.
