//! `doorward login URL --import`: the login that mcp-remote holds becomes one of ours.

use doorward_client::{Code, CredentialStore as _, Failed, Registration, StoredTokens, Target, target::Grant, word};

use super::{
    command, fail,
    place::Place,
    refresh::{self, is_ending},
};
use crate::{mcp_remote::Found, output};

/// Renews tokens that were taken over and of which it is not known how long they last, or that end. Others are left as they
/// are.
///
/// # Errors
/// When they cannot be renewed.
pub(super) async fn renewed(place: &Place, target: &Target, tokens: StoredTokens) -> Result<StoredTokens, Failed> {
    let unsure = tokens.expires_at.is_none() || is_ending(&tokens);
    if !matches!(target.grant, Grant::TakenOver(_)) || !unsure || !tokens.can_be_renewed() {
        return Ok(tokens);
    }
    match refresh::run(place, tokens, target.reach).await? {
        Some(renewed) if renewed.unsaved => Err(Failed::new(
            Code::Store,
            "the login was taken over and renewed, and could not be saved",
            format!("{} cannot be written; what is there is good no more", place.stored_in()),
            command::login_command(target),
        )),
        Some(renewed) => Ok(renewed.tokens),
        None => Err(fail::log_in_as(target, "the login that was to be taken over has ended")),
    }
}

/// Keeps the client, too, for the next login there, unless there is one already.
///
/// # Errors
/// When the store fails.
pub(super) async fn keep_client(place: &Place, tokens: &StoredTokens) -> Result<(), Failed> {
    let (issuer, store) = (tokens.server.issuer(), &place.store);
    if tokens.client.registration() == Registration::Dynamic
        && store.load_client(issuer).await.map_err(|fault| fail::store(&fault))?.is_none()
    {
        store.save_client(&tokens.client).await.map_err(|fault| fail::store(&fault))?;
    }
    Ok(())
}

/// Tells what was taken over, and what is left where it was.
pub(super) fn tell(found: &Found, tokens: &StoredTokens) {
    output::tell(&format!("Taken over from mcp-remote: the tokens, and the client {}", tokens.client.client_id()));
    output::tell(&format!("  with the redirect URI {}", tokens.client.redirect_uri()));
    output::tell("mcp-remote's own files still lie there. Both of you renewing one login may end it, so remove them:");
    output::tell(&format!("  rm {}/{}_*", word(&found.folder.display().to_string()), found.digest));
}
