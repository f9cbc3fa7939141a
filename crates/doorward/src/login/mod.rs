//! The logins of a person at MCP servers: `login`, `list`, `status`, `token`, `refresh`, `logout`, and what `connect` uses of them.

mod account;
mod browser;
mod custody;
mod device;
mod elsewhere;
mod fail;
mod flow;
mod holder;
mod in_hand;
mod known;
mod ladder;
mod list;
mod listener;
mod logout;
mod manager;
mod notes;
mod pages;
mod paste;
mod place;
mod probe;
mod refresh;
mod renew;
mod riddle;
mod status;
#[cfg(test)]
mod tests;
mod token;
mod turn;
mod window;
mod wishes;

use doorward_client::{Code, Failed, StoredTokens, Target};
use doorward_relay::bridge::{BearerSource as _, Why};
use doorward_types::ScopeSet;
use serde_json::json;

pub(crate) use account::target;
pub(crate) use known::input_is_the_hosts;
pub(crate) use ladder::Manner;
pub(crate) use list::run as list;
pub(crate) use logout::run as logout;
pub(crate) use manager::TokenManager;
pub(crate) use place::Place;
pub(crate) use renew::run as refresh;
pub(crate) use status::run as status;
pub(crate) use token::run as token;
pub(crate) use wishes::apply as wishes;

use crate::{
    cli,
    clock::now,
    failure::{Exit, Failure},
    output,
};
use browser::Way;
use ladder::Paste;

/// `doorward login`.
pub(crate) async fn run(flags: cli::Login, json: bool) -> Result<(), Box<Failure>> {
    let mut target = target(&flags.url, &flags.account).await?;
    target.scope = flags.scope.as_deref().map(scopes).transpose()?;
    target.login_hint = flags.elsewhere.login_hint.clone().or(target.login_hint);
    wishes(&mut target, &flags.own_client, &flags.grants)?;
    let place = Place::open(&flags.client).await?;
    let manner = Manner::of_person(&flags.sign_in, &flags.elsewhere);
    if !flags.force
        && let Some(tokens) = present(&place, &target).await?
    {
        report(&tokens, true, json);
        return Ok(());
    }
    if manner.way == Way::Nobody && manner.paste != Paste::Wanted && target.grant.needs_a_person() {
        let why = "no browser can be opened here and nobody reads the address: this is no terminal, BROWSER is not set";
        return Err(fail::log_in_as(&target, why).into());
    }
    // A server that is not there is found out before anybody is asked for.
    let answer = probe::send(&place, &target, None).await?;
    let _turn = turn::take(&place, &target.resource, &manner).await?;
    // Another process may just have done it.
    if !flags.force
        && let Some(tokens) = present(&place, &target).await?
    {
        report(&tokens, true, json);
        return Ok(());
    }
    let tokens = log_in(&place, target, answer, &manner).await?;
    report(&tokens, false, json);
    Ok(())
}

/// The scopes that a person names.
pub(crate) fn scopes(text: &str) -> Result<ScopeSet, Box<Failure>> {
    ScopeSet::parse(text).map_err(|refusal| {
        let next = "name them as the server does, parted by single spaces: --scope \"files:read files:write\"";
        Failure::new("CL-001", Exit::Usage, format!("{text:?} is no list of scopes"), refusal, next)
    })
}

/// The tokens that there are, if they cover what is wanted and the server still takes them.
async fn present(place: &Place, target: &Target) -> Result<Option<StoredTokens>, Failed> {
    let Some(stored) = place.newest(target).await? else { return Ok(None) };
    if target.scope.as_ref().is_some_and(|wanted| !stored.granted.is_some_and(|granted| granted.covers(wanted))) {
        return Ok(None);
    }
    let manager = TokenManager::new(place.clone(), target.clone(), Manner::nobody());
    let Some(credential) = manager.bearer(Why::ToSend).await? else { return Ok(None) };
    let answer = probe::send(place, target, Some(&credential.bearer)).await?;
    if answer.asks_for_login() {
        let rejected = Why::Rejected { serial: Some(credential.serial), headers: &answer.headers };
        match manager.bearer(rejected).await {
            Ok(_) => {}
            Err(failed) if failed.code() == Code::LoginNeeded => return Ok(None),
            Err(failed) => return Err(failed),
        }
    }
    place.newest(target).await
}

async fn log_in(
    place: &Place,
    mut target: Target,
    answer: probe::Answer,
    manner: &Manner,
) -> Result<StoredTokens, Failed> {
    let before = place.newest(&target).await?;
    manager::remember(&mut target, before.as_ref());
    let resource = target.resource.clone();
    let challenge = answer.asks_for_login().then_some(&answer.headers);
    flow::log_in(place, target, challenge, manner).await.map_err(|failed| {
        if failed.code() == Code::NoResourceMetadata && answer.status.is_success() {
            let why =
                format!("{resource} answered {} without a token, and names no authorization server", answer.status);
            let next = format!("doorward connect {resource}");
            return Failed::new(Code::NoResourceMetadata, "this server asks for no login", why, next);
        }
        failed
    })
}

fn report(tokens: &StoredTokens, already: bool, json: bool) {
    if json {
        let mut object = list::describe(tokens);
        object["already_logged_in"] = json!(already);
        output::data(&object.to_string());
        return;
    }
    let painted = output::Paint::stderr();
    let verb = if already { "Already logged in to" } else { "Logged in to" };
    output::tell(&format!("{} {}", painted.green(verb), tokens.resource));
    output::tell(&format!("  by       {}", tokens.server.issuer()));
    output::tell(&format!("  scopes   {}", list::scopes(tokens)));
    output::tell(&format!("  expires  {}", list::expiry(tokens, now())));
    if already {
        output::tell(&format!("  {} doorward login --force {}", painted.dim("again:"), tokens.resource));
    }
}
