//! `doorward logout`: the server is told first, then the login is removed here.

use std::time::Duration;

use doorward_client::{CredentialStore as _, Failed, Registration, Revoke, StoredTokens, Target, word};
use doorward_store::Attempt;
use doorward_types::{
    json,
    messages::ErrorResponse,
    outbound::{FetchFailed, Inbound},
};
use http::StatusCode;
use serde_json::{Value, json};

use super::{
    account, fail, identity,
    place::{self, Place},
};
use crate::{cli, clock::now, entropy::SystemEntropy, failure::Failure, output, trace::Kind};

/// How long another process may take to finish its refresh.
const PATIENCE: Duration = Duration::from_secs(75);
/// How long the end of a login that another one has replaced may take.
const A_MOMENT: Duration = Duration::from_secs(5);
const LEASE: Duration = Duration::from_secs(120);
/// How often a login is ended again that another process has renewed meanwhile.
const MOST_CONFLICTS: usize = 8;

/// What became of one login.
pub(super) enum Told {
    /// The server confirmed that the tokens are good no more.
    Confirmed,
    /// It has no way to be told.
    NoWay,
    /// It did not confirm.
    Not(Failed),
}

/// Runs the command.
pub(crate) async fn run(flags: cli::Logout, json: bool) -> Result<(), Box<Failure>> {
    let target = match &flags.url {
        Some(url) => Some(account::target(url, &flags.account, &flags.client).await?),
        None => None,
    };
    let place = Place::open(&flags.client).await?;
    let store_failed = |fault| fail::store(&fault);
    let all = match &target {
        Some(target) => place.store.for_resource(&target.resource).await.map_err(store_failed)?,
        None => place.store.list().await.map_err(store_failed)?,
    };
    place.warn();
    let named = &flags.account.account;
    let (mut told, mut last) = (Vec::new(), None);
    for tokens in all.into_iter().filter(|tokens| named.is_none() || *named == tokens.account) {
        // One that cannot be ended is no reason to keep the others.
        match end_stored(&place, &tokens).await {
            Ok(Some(outcome)) => told.push((tokens, outcome)),
            Ok(None) => {}
            Err(failure) => last = Some(failure),
        }
    }
    // What serves other servers too stays, unless they go as well.
    let identities = if flags.all { identity::end_all(&place).await? } else { Vec::new() };
    if json {
        let logins: Vec<_> = told.iter().map(|(tokens, told)| describe(tokens, told)).collect();
        let identities: Vec<_> = identities.iter().map(|(key, told)| identity::describe_end(key, told)).collect();
        output::data(&json!({ "logins": logins, "identities": identities }).to_string());
    } else if identities.is_empty() && told.is_empty() && last.is_none() {
        output::tell(&match &target {
            Some(target) => format!("There is no login at {}{}.", target.resource, as_account(named.as_deref())),
            None => format!("There are no logins{}.", as_account(named.as_deref())),
        });
    }
    for (tokens, told) in told {
        if !json {
            output::tell(&words(&tokens, &told));
        }
        if let Told::Not(failed) = told {
            last = Some(failed.into());
        }
    }
    for (key, told) in identities {
        if !json {
            output::tell(&identity::words_of_end(&key, &told));
        }
        if let Told::Not(failed) = told {
            last = Some(failed.into());
        }
    }
    last.map_or(Ok(()), Err)
}

fn as_account(named: Option<&str>) -> String {
    named.map(|account| format!(" with --account {}", word(account))).unwrap_or_default()
}

async fn end_stored(place: &Place, tokens: &StoredTokens) -> Result<Option<Told>, Box<Failure>> {
    let target = place::target(tokens.resource.as_str()).await?;
    Ok(end(place, &target, tokens).await?)
}

/// Ends what a new login has taken the place of: a login as the same account, of a client that this program registered before
/// it registered the present one. Nothing would use it again, and its tokens would be good for ever.
pub(super) async fn replaced_by(place: &Place, target: &Target, new: &StoredTokens) {
    let by_itself = |tokens: &StoredTokens| tokens.client.registration() == Registration::Dynamic;
    let is_replaced = |old: &StoredTokens| {
        let same = old.account == new.account && old.server.issuer() == new.server.issuer();
        same && old.client.client_id() != new.client.client_id() && by_itself(old) && by_itself(new)
    };
    let all = place.store.for_resource(&new.resource).await.unwrap_or_default();
    for old in all.into_iter().filter(is_replaced) {
        let key = old.key();
        // A refresh that ran meanwhile would bring new tokens to life.
        let _lock = place.store.refresh_lock(&key).acquire(LEASE, A_MOMENT).await;
        let old = match place.store.load(&key).await {
            Ok(Some(old)) => old,
            Ok(None) => continue,
            Err(_) => old,
        };
        // A server that has forgotten the client does not answer kindly, and one that is slow keeps nobody waiting.
        let _ = tokio::time::timeout(A_MOMENT, tell_server(place, target, &old)).await;
        match place.store.remove(&key, old.generation).await {
            Ok(true) => {}
            Ok(false) => tracing::info!("the login that there was before stays: another process has just renewed it"),
            Err(fault) => tracing::info!("the login that there was before stays: {fault}"),
        }
    }
}

fn describe(tokens: &StoredTokens, told: &Told) -> Value {
    let (revoked, reason) = match told {
        Told::Confirmed => (true, None),
        Told::NoWay => (false, Some("the server has no revocation endpoint")),
        Told::Not(failed) => (false, Some(failed.why())),
    };
    let issuer = tokens.server.issuer();
    json!({
        "url": tokens.resource, "account": tokens.account, "issuer": issuer, "removed": true, "revoked": revoked,
        "reason": reason,
    })
}

fn words(tokens: &StoredTokens, told: &Told) -> String {
    let of = match &tokens.account {
        Some(account) => format!("{} ({account})", tokens.resource),
        None => tokens.resource.to_string(),
    };
    match told {
        Told::Confirmed => format!("Logged out of {of}; the server confirmed it."),
        Told::NoWay => {
            format!("Removed the login at {of}. The server cannot be told: its token is good until it expires.")
        }
        Told::Not(_) => format!("Removed the login at {of} on this computer only."),
    }
}

/// Ends one login; `None` when another process ended it first.
pub(super) async fn end(place: &Place, target: &Target, tokens: &StoredTokens) -> Result<Option<Told>, Failed> {
    let store_failed = |fault| fail::store(&fault);
    let key = tokens.key();
    // A refresh that ran meanwhile would bring new tokens to life.
    let lock = place.store.refresh_lock(&key).acquire(LEASE, PATIENCE).await.map_err(store_failed)?;
    let _lock = match lock {
        Attempt::Held(lock) => Some(lock),
        Attempt::Busy(_) => None,
    };
    let mut told = None;
    // Whatever another process puts there meanwhile goes as well.
    for _ in 0..MOST_CONFLICTS {
        let Some(present) = place.store.load(&key).await.map_err(store_failed)? else { break };
        let place = place.tracing(Kind::Logout, &present.resource, present.account.as_deref());
        let outcome = tell_server(&place, target, &present).await;
        place.trace.end(if let Told::Not(failed) = &outcome { Some(failed) } else { None });
        told = Some(outcome);
        if place.store.remove(&key, present.generation).await.map_err(store_failed)? {
            break;
        }
    }
    Ok(told)
}

async fn tell_server(place: &Place, target: &Target, tokens: &StoredTokens) -> Told {
    let revoke = match Revoke::start(tokens, target.reach, now(), &mut SystemEntropy) {
        Ok(Some(revoke)) => revoke,
        Ok(None) => return Told::NoWay,
        Err(failed) => return Told::Not(failed),
    };
    let mut outcome = Told::Confirmed;
    let mut refresh_token_revoked = false;
    for (at, request) in revoke.requests.into_iter().enumerate() {
        let answer = place.send(request).await;
        // Access tokens that cannot be revoked soon expire by themselves, and there will be no others.
        let unsupported = answer.as_ref().is_ok_and(is_unsupported);
        // One that does not answer at all does not answer the next request either.
        let is_silent = matches!(answer, Err(FetchFailed::Timeout(_)));
        match Revoke::confirmed(tokens, answer) {
            Ok(()) => refresh_token_revoked |= at == 0 && tokens.refresh_token.is_some(),
            Err(_) if unsupported && refresh_token_revoked => {}
            Err(failed) => outcome = Told::Not(failed),
        }
        if is_silent {
            break;
        }
    }
    outcome
}

/// Whether a server says that it does not revoke tokens of this kind.
///
/// Source: RFC 7009 section 2.2.1.
pub(super) fn is_unsupported(answer: &Inbound) -> bool {
    answer.status == StatusCode::BAD_REQUEST
        && json::parse_as::<ErrorResponse>(&answer.body).is_ok_and(|error| error.error == "unsupported_token_type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_servers_own_word_says_that_it_does_not_revoke_such_tokens() {
        for (status, body, unsupported) in [
            (400, r#"{"error":"unsupported_token_type"}"#, true),
            (503, r#"{"error":"unsupported_token_type"}"#, false),
            (200, r#"{"error":"unsupported_token_type"}"#, false),
            (400, r#"{"error":"invalid_client"}"#, false),
            (400, "unsupported_token_type", false),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let answer = Inbound { status, headers: http::HeaderMap::new(), body: body.into() };
            assert_eq!(is_unsupported(&answer), unsupported, "{status} {body}");
        }
    }
}
