//! `doorward list`: which logins there are.

use std::time::Duration;

use doorward_client::{CredentialStore as _, StoredTokens};
use doorward_types::Timestamp;
use serde_json::{Value, json};

use super::{custody::Kept, fail, identity, place::Place};
use crate::{cli, clock::now, failure::Failure, output};

/// Runs the command.
pub(crate) async fn run(flags: cli::List, json: bool) -> Result<(), Box<Failure>> {
    let place = Place::open(&flags.client).await?;
    let all = place.store.list().await.map_err(|fault| fail::store(&fault))?;
    let identities = place.store.identities().await.map_err(|fault| fail::store(&fault))?;
    place.warn();
    let kept = place.kept().await?;
    if json {
        let logins: Vec<_> = all.iter().map(describe).collect();
        let identities: Vec<_> = identities.iter().map(identity::describe).collect();
        let (stored_in, kept) = (place.stored_in(), kept.map(Kept::name));
        let all = json!({ "logins": logins, "identities": identities, "stored_in": stored_in, "kept": kept });
        output::data(&all.to_string());
        return Ok(());
    }
    if all.is_empty() && identities.is_empty() {
        output::tell("There are no logins. Make one with: doorward login URL");
        return Ok(());
    }
    let now = now();
    if !all.is_empty() {
        output::table(&rows(&all, now));
    }
    for identity in &identities {
        output::data(&identity::words(identity, now));
    }
    if let Some(kept) = kept {
        output::tell(&format!("They lie in {}, {}.", output::harmless(&place.stored_in()), kept.words()));
    }
    Ok(())
}

/// The table, with its heading.
pub(super) fn rows(all: &[StoredTokens], now: Timestamp) -> Vec<[String; 5]> {
    let mut rows = vec![["URL", "ACCOUNT", "ISSUER", "SCOPES", "EXPIRES"].map(str::to_owned)];
    rows.extend(all.iter().map(|tokens| {
        let account = tokens.account.clone().unwrap_or_else(|| "-".to_owned());
        let (url, issuer) = (tokens.resource.to_string(), tokens.server.issuer().to_string());
        [url, account, issuer, scopes(tokens), expiry(tokens, now)].map(|text| output::harmless(&text))
    }));
    rows
}

/// A login for programs, without its secrets.
pub(super) fn describe(tokens: &StoredTokens) -> Value {
    json!({
        "url": tokens.resource,
        "issuer": tokens.server.issuer(),
        "client_id": tokens.client.client_id(),
        "account": tokens.account,
        "scopes": tokens.granted,
        "expires_at": tokens.expires_at,
        "renewable": tokens.can_be_renewed(),
        "identity_provider": tokens.identity.as_ref().map(|rests_on| &rests_on.key.issuer),
    })
}

pub(super) fn scopes(tokens: &StoredTokens) -> String {
    match &tokens.granted {
        Some(scopes) if !scopes.is_empty() => scopes.to_string(),
        _ => "(the server did not say)".to_owned(),
    }
}

/// When the access token ends, and whether that matters.
pub(super) fn expiry(tokens: &StoredTokens, now: Timestamp) -> String {
    let renewed = if tokens.can_be_renewed() { ", renewed by itself" } else { ", then log in again" };
    match tokens.expires_at {
        None => "the server did not say".to_owned(),
        Some(at) if at <= now => match tokens.can_be_renewed() {
            true => "expired, renewed when used".to_owned(),
            false => "expired: log in again".to_owned(),
        },
        Some(at) => format!("in {}{renewed}", words(at.since(now))),
    }
}

pub(super) fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_people_tell_them() {
        for (seconds, told) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (200_000, "2 days")]
        {
            assert_eq!(words(Duration::from_secs(seconds)), told);
        }
    }
}
