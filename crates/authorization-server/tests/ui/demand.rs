//! What follows takes the evidence and nothing less.

use doorward_authorization_server::{
    Policy, code,
    consent::{self, Answer, Pending},
    facts::{Account, Client, CodeFacts},
    redirect_target::{AuthorizationError, RedirectBack},
    token::{Decision, Fresh},
    token_request::CodeRequest,
};
use doorward_types::{Entropy, Issuer, Timestamp};

// A redirect to a URI that was not matched.
fn unmatched(issuer: &Issuer) -> RedirectBack {
    RedirectBack::with_error("https://evil.tld/", issuer, None, AuthorizationError::AccessDenied, "x")
}

// A code with nobody signed in.
fn nobody(policy: &Policy, pending: Pending, account: &Account, now: Timestamp, entropy: &mut dyn Entropy) {
    let _ = consent::answer(policy, pending, account, Answer::Deny, now, entropy);
}

// Tokens for a client that only says who it is.
fn claimed(policy: &Policy, client: &Client, asked: CodeRequest, facts: CodeFacts, now: Timestamp, fresh: Fresh<'_>) -> Decision {
    code::redeem(policy, client, asked, Some(facts), now, fresh)
}

fn main() {}
