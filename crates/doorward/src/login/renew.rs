//! `doorward refresh`: renews a login now, and says what became of it.

use doorward_client::{Code, CredentialStore as _, Failed, StoredTokens, login_command};
use serde_json::json;

use super::{account, fail, list, place::Place, refresh};
use crate::{cli, clock::now, failure::Failure, output};

/// Runs the command.
pub(crate) async fn run(flags: cli::Refresh, json: bool) -> Result<(), Box<Failure>> {
    let target = account::target(&flags.url, &flags.account, &flags.client).await?;
    let place = Place::open(&flags.client).await?;
    let stored = place.newest(&target).await?;
    place.warn();
    let Some(before) = stored else {
        return Err(account::missing(&place, &target, "there is no login at this server").await.into());
    };
    if !before.can_be_renewed() {
        return Err(fail::log_in_as(&target, "the server gave no refresh token, so only a new login renews it").into());
    }
    let renewed = match refresh::judged(&place, before.clone(), &target).await? {
        Ok(renewed) => renewed,
        Err(over) => {
            let why = over.as_ref().map_or("somebody has logged out meanwhile", Failed::why);
            return Err(fail::log_in_as(&target, &format!("the login has ended: {why}")).into());
        }
    };
    if renewed.unsaved {
        return Err(Failed::new(
            Code::Store,
            "the login was renewed and could not be saved",
            format!("{} cannot be written; the token there may be good no more", place.stored_in()),
            login_command(&target),
        )
        .into());
    }
    let after = place.store.load(&before.key()).await.map_err(|fault| fail::store(&fault))?.unwrap_or(renewed.tokens);
    tell(&before, &after, json);
    Ok(())
}

fn tell(before: &StoredTokens, after: &StoredTokens, json: bool) {
    if json {
        let mut object = list::describe(after);
        object["refresh_token_replaced"] = json!(is_replaced(before, after));
        object["before"] = json!({ "expires_at": before.expires_at, "scopes": before.granted });
        output::data(&object.to_string());
        return;
    }
    output::tell(&format!("{} {}", output::Paint::stderr().green("Renewed the login at"), after.resource));
    words(before, after).iter().for_each(|line| output::tell(line));
}

/// What changed, line by line.
pub(super) fn words(before: &StoredTokens, after: &StoredTokens) -> Vec<String> {
    let now = now();
    let scopes = match list::scopes(after) {
        same if same == list::scopes(before) => format!("{same} (as before)"),
        other => format!("{other} (before: {})", list::scopes(before)),
    };
    let mut lines = vec![
        format!("  expires  {}", list::expiry(after, now)),
        format!("  before   {}", list::expiry(before, now)),
        format!("  scopes   {}", output::harmless(&scopes)),
    ];
    // A client that asks for itself has none.
    if after.refresh_token.is_some() {
        let token = if is_replaced(before, after) { "was replaced by the server" } else { "stays the same" };
        lines.push(format!("  refresh  the refresh token {token}"));
    }
    lines
}

fn is_replaced(before: &StoredTokens, after: &StoredTokens) -> bool {
    let exposed = |tokens: &StoredTokens| tokens.refresh_token.as_ref().map(|token| token.expose().to_owned());
    exposed(before) != exposed(after)
}
