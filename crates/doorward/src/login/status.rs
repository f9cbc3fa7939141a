//! `doorward status`: who is logged in, with what, until when, and whether the server still takes it.

use doorward_client::{Code, CredentialStore as _, Failed, StoredTokens, Target, word};
use doorward_relay::bridge::{BearerSource as _, Why};
use doorward_types::Timestamp;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    account,
    custody::Kept,
    fail,
    flow::Manner,
    list,
    manager::{LAST_SAVE, TokenManager},
    place::{self, Place},
    probe,
};
use crate::{
    cli,
    clock::now,
    failure::{Exit, Failure},
    output,
};

/// What a server says about a login.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It lets us in.
    Taken,
    /// It does not, and will not tomorrow.
    Refused(Failed),
    /// It gave no answer.
    Unknown(Failed),
    /// It was not asked.
    NotAsked,
}

/// Runs the command.
pub(crate) async fn run(flags: cli::Status, json: bool) -> Result<(), Box<Failure>> {
    let named = match &flags.url {
        Some(url) => Some(account::target(url, &flags.account, &flags.client).await?),
        None => None,
    };
    let place = Place::open(&flags.client).await?;
    let all = place.store.list().await.map_err(|fault| fail::store(&fault))?;
    place.warn();
    let wanted = |tokens: &StoredTokens| {
        named.as_ref().is_none_or(|target| target.resource == tokens.resource)
            && (flags.account.account.is_none() || flags.account.account == tokens.account)
    };
    let all: Vec<_> = all.into_iter().filter(wanted).collect();
    let kept = place.kept().await?;
    let judged = join_all(all.into_iter().map(|tokens| judge(&place, tokens, flags.offline))).await;
    if json {
        let logins: Vec<_> = judged.iter().map(|(tokens, verdict)| describe(&place, kept, tokens, verdict)).collect();
        output::data(&json!({ "logins": logins }).to_string());
    } else {
        for (at, (tokens, verdict)) in judged.iter().enumerate() {
            if at > 0 {
                output::data("");
            }
            let stored_in = (place.stored_in(), kept.map(Kept::words));
            output::data(&words(stored_in, tokens, verdict, now()));
        }
    }
    outcome(&place, named.as_ref(), &flags, &judged).await
}

pub(super) async fn judge(place: &Place, tokens: StoredTokens, offline: bool) -> (StoredTokens, Verdict) {
    if offline {
        return (tokens, Verdict::NotAsked);
    }
    match ask(place, &tokens).await {
        // What is stored may be newer now.
        Ok(verdict) => (place.store.load(&tokens.key()).await.ok().flatten().unwrap_or(tokens), verdict),
        Err(failed) if failed.exit() == doorward_client::Exit::AuthenticationNeeded => {
            (tokens, Verdict::Refused(failed))
        }
        Err(failed) => (tokens, Verdict::Unknown(failed)),
    }
}

async fn ask(place: &Place, tokens: &StoredTokens) -> Result<Verdict, Failed> {
    let mut target = place::target(tokens.resource.as_str()).await.map_err(|failure| fail::stored_target(&failure))?;
    target.account.clone_from(&tokens.account);
    target.also_typed.clone_from(&place.also_typed);
    let named = target.clone();
    let over = || fail::log_in_as(&named, "the login has ended: the server does not renew it");
    // One of another client may be newer, and is judged by itself.
    target.as_client_of(tokens);
    let manager = TokenManager::new(place.clone(), target.clone(), Manner::nobody());
    let credential = manager.bearer(Why::ToSend).await?.ok_or_else(over)?;
    manager.settle(LAST_SAVE).await;
    let answer = probe::send(place, &target, Some(&credential.bearer)).await?;
    if !answer.asks_for_login() {
        return Ok(verdict(&answer, &target));
    }
    // It may have ended early; a refresh tells.
    let renewed = manager.bearer(Why::RejectedUnasked { serial: Some(credential.serial) }).await?.ok_or_else(over)?;
    manager.settle(LAST_SAVE).await;
    let answer = probe::send(place, &target, Some(&renewed.bearer)).await?;
    if answer.asks_for_login() {
        return Err(fail::log_in_as(&named, "the server does not take the token"));
    }
    Ok(verdict(&answer, &target))
}

fn verdict(answer: &probe::Answer, target: &Target) -> Verdict {
    match answer.judge(target) {
        Ok(()) => Verdict::Taken,
        Err(probe::NotLetIn { failed, .. }) if failed.code() == Code::TokenRefused => Verdict::Refused(failed),
        Err(probe::NotLetIn { failed, .. }) => Verdict::Unknown(failed),
    }
}

fn describe(place: &Place, kept: Option<Kept>, tokens: &StoredTokens, verdict: &Verdict) -> Value {
    let mut object = list::describe(tokens);
    object["stored_in"] = json!(place.stored_in());
    object["kept"] = json!(kept.map(Kept::name));
    let (server, reason) = match verdict {
        Verdict::Taken => ("accepted", None),
        Verdict::Refused(failed) => ("refused", Some(failed.why())),
        Verdict::Unknown(failed) => ("unknown", Some(failed.why())),
        Verdict::NotAsked => ("not_asked", None),
    };
    object["server"] = json!(server);
    object["reason"] = json!(reason);
    object
}

pub(super) fn words(
    (folder, kept): (String, Option<&str>),
    tokens: &StoredTokens,
    verdict: &Verdict,
    now: Timestamp,
) -> String {
    let paint = output::Paint::stdout();
    let server = match verdict {
        Verdict::Taken => paint.green("lets you in"),
        Verdict::Refused(failed) => format!("{}: {}", paint.red("does not let you in"), failed.why()),
        Verdict::Unknown(failed) => format!("{}: {}", paint.red("did not say"), failed.why()),
        Verdict::NotAsked => "was not asked".to_owned(),
    };
    let mut lines = vec![paint.bold(tokens.resource.as_str())];
    let mut line = |name: &str, text: &str| lines.push(format!("  {name:<8} {}", output::harmless(text)));
    if let Some(account) = &tokens.account {
        line("account", account);
    }
    line("by", tokens.server.issuer().as_str());
    if let Some(rests_on) = &tokens.identity {
        line("via", &format!("{} as {}", rests_on.key.issuer, rests_on.subject));
    }
    line("client", tokens.client.client_id().as_str());
    line("scopes", &list::scopes(tokens));
    line("expires", &list::expiry(tokens, now));
    line("stored", &folder);
    if let Some(kept) = kept {
        line("", kept);
    }
    lines.push(format!("  {:<8} {server}", "server"));
    lines.join("\n")
}

/// The exit status says whether everything that was asked about is well.
async fn outcome(
    place: &Place,
    named: Option<&Target>,
    flags: &cli::Status,
    judged: &[(StoredTokens, Verdict)],
) -> Result<(), Box<Failure>> {
    if judged.is_empty() {
        let more: Vec<_> = place.also_typed.iter().map(|text| word(text) + " ").collect();
        return Err(match (named, &flags.account.account) {
            (Some(target), _) => account::missing(place, target, "there is no login at this server").await.into(),
            (None, Some(account)) => Failure::new(
                doorward_client::Code::LoginNeeded.as_str(),
                Exit::AuthenticationNeeded,
                "there is no such login",
                format!("none with --account {account} is stored in {}", place.stored_in()),
                "doorward list shows which there are",
            ),
            (None, None) => Failure::new(
                doorward_client::Code::LoginNeeded.as_str(),
                Exit::AuthenticationNeeded,
                "there is no login",
                format!("none is stored in {}", place.stored_in()),
                format!("in a terminal, type: doorward login {}URL", more.join("")),
            ),
        });
    }
    let trouble = |wanted: fn(&Verdict) -> Option<&Failed>| judged.iter().find_map(|(_, verdict)| wanted(verdict));
    let refused = trouble(|verdict| if let Verdict::Refused(failed) = verdict { Some(failed) } else { None });
    let unknown = trouble(|verdict| if let Verdict::Unknown(failed) = verdict { Some(failed) } else { None });
    match refused.or(unknown) {
        Some(failed) => Err(failed.clone().into()),
        None => Ok(()),
    }
}
