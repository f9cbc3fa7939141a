//! The logins of a person at MCP servers: `login`, `list`, `status`, `token`, `refresh`, `logout`, and what `connect` uses of them.

mod account;
mod answer;
mod asked_for_more;
mod browser;
mod custody;
mod device;
mod elsewhere;
mod fail;
mod flow;
mod forgotten;
mod holder;
mod identity;
mod import;
mod in_hand;
mod known;
mod ladder;
mod list;
mod listener;
mod logout;
mod made;
mod manager;
mod named;
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
mod trouble;
mod turn;
mod window;
mod wishes;

use std::path::{Path, PathBuf};

use doorward_client::{Code, Failed, StoredTokens, Target, login_command, login_command_with, target::Grant, word};
use doorward_relay::bridge::{BearerSource as _, Why};
use doorward_types::ScopeSet;
use serde_json::json;

pub(crate) use known::input_is_the_hosts;
pub(crate) use ladder::Manner;
pub(crate) use list::run as list;
pub(crate) use logout::run as logout;
pub(crate) use manager::TokenManager;
pub(crate) use place::{Place, folder, target};
pub(crate) use renew::run as refresh;
pub(crate) use status::run as status;
pub(crate) use token::run as token;

#[cfg(test)]
pub(crate) use wishes::apply as apply_wishes;

use crate::{
    cli,
    clock::now,
    failure::{Exit, Failure},
    mcp_remote::{self, Asked, Store},
    output,
};
use browser::Way;
use ladder::Paste;
use manager::LAST_SAVE;

/// `doorward login`.
pub(crate) async fn run(flags: cli::Login, json: bool) -> Result<(), Box<Failure>> {
    let (url, store) = import_from(flags.url, flags.import)?;
    let wanted = Wanted {
        url: &url,
        scope: flags.scope.as_deref(),
        account: flags.account,
        own_client: flags.own_client,
        grants: &flags.grants,
        mcp_remote: &flags.mcp_remote,
        client: &flags.client,
    };
    let (mut target, asked) = wanted.target().await?;
    if asked.authorizes_itself() {
        let why = "the requests carry an Authorization header of yours";
        let next = format!("doorward connect {} with that header; or leave it out", word(&url));
        return Err(Failure::new("CLI-02", Exit::Usage, "there is nothing to log in to", why, next));
    }
    target.login_hint = flags.elsewhere.login_hint.clone().or(target.login_hint);
    let found = store
        .map(|store| store.find(&url, &asked.identity, !target.clients.is_empty(), &login_command(&target)))
        .transpose()?;
    if let Some(found) = &found {
        target.grant = Grant::TakenOver(Box::new(found.login.clone()));
    }
    let mut place = Place::open(&flags.client).await?;
    place.headers = asked.headers;
    identity::as_before(&place, &mut target).await?;
    let manner = Manner::of_person(&flags.sign_in, &flags.elsewhere);
    let again = login_command_with(&target, &["--force"]);
    if !flags.force
        && let Some(tokens) = present(&place, &target).await?
    {
        report(&tokens, Some(&again), json);
        return Ok(());
    }
    if manner.way == Way::Nobody && manner.paste != Paste::Wanted && identity::asks(&place, &target).await? {
        let why = "no browser can be opened here and nobody reads the address: this is no terminal, BROWSER is not set";
        return Err(fail::log_in_as(&target, why).into());
    }
    let place = place.tracing_login(&target);
    let outcome = get(&place, target, &manner, flags.force).await;
    place.trace.end(outcome.as_ref().err());
    let (tokens, already) = outcome?;
    if already {
        report(&tokens, Some(&again), json);
        return Ok(());
    }
    if found.is_some() {
        import::keep_client(&place, &tokens).await?;
    }
    report(&tokens, None, json);
    if let Some(found) = &found {
        import::tell(found, &tokens);
    }
    Ok(())
}

/// Logs in, and says whether another process had just done it.
async fn get(place: &Place, target: Target, manner: &Manner, force: bool) -> Result<(StoredTokens, bool), Failed> {
    // A server that is not there is found out before anybody is asked for.
    let answer = probe::send(place, &target, None).await?;
    let _turn = turn::take(place, &target, manner).await?;
    if !force && let Some(tokens) = present(place, &target).await? {
        return Ok((tokens, true));
    }
    Ok((log_in(place, target, answer, manner).await?, false))
}

/// The URL of the server, and the store that a login there is taken over from, if it is to be.
fn import_from(url: Option<String>, import: Option<PathBuf>) -> Result<(String, Option<Store>), Box<Failure>> {
    match (url, import) {
        (Some(url), import) => Ok((url, import.as_deref().map(Store::at))),
        // The URL was taken for the folder.
        (None, Some(import)) if import.to_string_lossy().contains("://") => {
            Ok((import.to_string_lossy().into_owned(), Some(Store::at(Path::new(Store::USUAL)))))
        }
        (None, import) => Err(Store::at(&import.unwrap_or_default()).which()),
    }
}

/// What `connect` and `login` are told of a server and of how to log in there.
pub(crate) struct Wanted<'a> {
    pub(crate) url: &'a str,
    pub(crate) scope: Option<&'a str>,
    pub(crate) account: cli::Account,
    pub(crate) own_client: cli::OwnClient,
    pub(crate) grants: &'a cli::Grants,
    pub(crate) mcp_remote: &'a cli::McpRemote,
    pub(crate) client: &'a cli::ClientDir,
}

impl Wanted<'_> {
    /// The target, and what is asked for besides.
    pub(crate) async fn target(mut self) -> Result<(Target, Asked), Box<Failure>> {
        let asked = mcp_remote::read(self.mcp_remote, self.url, &self.own_client)?;
        asked.complete(&mut self.own_client, &mut self.account);
        let mut target = account::target(self.url, &self.account, self.client).await?;
        target.scope = self.scope.map(scopes).transpose()?;
        wishes::apply(&mut target, &self.own_client, self.grants)?;
        asked.apply(&mut target);
        Ok((target, asked))
    }
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
    let credential = match manager.bearer(Why::ToSend).await {
        Ok(Some(credential)) => credential,
        Ok(None) => return Ok(None),
        Err(failed) if a_new_one_may_do(&failed) => return Ok(None),
        Err(failed) => return Err(failed),
    };
    manager.settle(LAST_SAVE).await;
    let answer = probe::send(place, target, Some(&credential.bearer)).await?;
    if answer.asks_for_login() {
        // Renewed and no more than that: a new login is made by whoever asks this, in its turn.
        match manager.bearer(Why::RejectedUnasked { serial: Some(credential.serial) }).await {
            Ok(Some(_)) => manager.settle(LAST_SAVE).await,
            Ok(None) => return Ok(None),
            Err(failed) if failed.code() == Code::LoginNeeded || a_new_one_may_do(&failed) => return Ok(None),
            Err(failed) => return Err(failed),
        }
    }
    place.newest(target).await
}

/// Whether what keeps a login from being renewed need not keep a new one from being made: the server's refusal of this one.
/// Where the client has another secret now, the login that is to come may bring it.
fn a_new_one_may_do(failed: &Failed) -> bool {
    matches!(failed.code(), Code::ClientUnknown | Code::TokenRefused | Code::BadTokenAnswer | Code::NotBound)
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
        let nowhere = failed.code() == Code::NoResourceMetadata;
        nowhere.then(|| answer.asks_for_none(&resource)).flatten().unwrap_or(failed)
    })
}

/// Tells of a login; `again` is the command for another one, where it was there already.
fn report(tokens: &StoredTokens, again: Option<&str>, json: bool) {
    if json {
        let mut object = list::describe(tokens);
        object["already_logged_in"] = json!(again.is_some());
        output::data(&object.to_string());
        return;
    }
    let painted = output::Paint::stderr();
    let verb = if again.is_some() { "Already logged in to" } else { "Logged in to" };
    output::tell(&format!("{} {}", painted.green(verb), tokens.resource));
    if let Some(account) = &tokens.account {
        output::tell(&format!("  account  {}", output::harmless(account)));
    }
    output::tell(&format!("  by       {}", tokens.server.issuer()));
    output::tell(&format!("  scopes   {}", list::scopes(tokens)));
    output::tell(&format!("  expires  {}", list::expiry(tokens, now())));
    if let Some(again) = again {
        output::tell(&format!("  {} {again}", painted.dim("again:")));
    }
}
