//! Which of several accounts at a server is meant, and what to say when there is none of that name.

use doorward_client::{CredentialStore as _, Failed, Target, word};

use super::{
    fail,
    place::{self, Place},
};
use crate::{cli, failure::Failure};

/// The MCP server that a person named, as the account that they named.
pub(crate) async fn target(url: &str, account: &cli::Account, client: &cli::ClientDir) -> Result<Target, Box<Failure>> {
    let mut target = place::target(url).await?;
    target.also_typed = client.also_typed();
    target.account.clone_from(&account.account);
    // A name of the person's own, such as `work`, means nothing to the server.
    target.login_hint = account.account.clone().filter(|name| name.contains('@'));
    Ok(target)
}

/// There is no login as this account. Where there are others, their names are told.
pub(super) async fn missing(place: &Place, target: &Target, why: &str) -> Failed {
    let others = place.store.for_resource(&target.resource).await.unwrap_or_default();
    let mut names: Vec<_> = others.iter().filter(|tokens| tokens.account != target.account).collect();
    names.sort_by(|one, other| one.account.cmp(&other.account));
    names.dedup_by(|one, other| one.account == other.account);
    if names.is_empty() {
        return fail::log_in_as(target, why);
    }
    let named = |account: &Option<String>| match account {
        Some(name) => format!("--account {}", word(name)),
        None => "no --account".to_owned(),
    };
    let names: Vec<_> = names.iter().map(|tokens| named(&tokens.account)).collect();
    let asked = named(&target.account);
    fail::log_in_as(
        target,
        &format!("there is no login with {asked} at this server; there is one with {}", names.join(", and with ")),
    )
}
