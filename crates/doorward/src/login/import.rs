//! `doorward login URL --import`: the login that mcp-remote holds becomes one of ours.

use doorward_client::{
    Code, CredentialStore as _, Failed, Registration, StoredTokens, Target, login_command, target::Grant, word,
};

use super::{
    fail,
    place::Place,
    refresh::{self, is_ending},
};
use crate::{mcp_remote::Found, output};

/// Whether these tokens were taken over and can be renewed.
pub(super) fn can_be_renewed(target: &Target, tokens: &StoredTokens) -> bool {
    matches!(target.grant, Grant::TakenOver(_)) && tokens.can_be_renewed()
}

/// Whether tokens that were taken over are renewed before they are used: it is not known how long they last, or they end.
pub(super) fn is_unsure(target: &Target, tokens: &StoredTokens) -> bool {
    can_be_renewed(target, tokens) && (tokens.expires_at.is_none() || is_ending(tokens))
}

/// Renews tokens that were taken over.
///
/// # Errors
/// When they cannot be renewed. Only the server's word that the login is over loses them.
pub(super) async fn renew(place: &Place, target: &Target, tokens: StoredTokens) -> Result<StoredTokens, Failed> {
    match refresh::run(place, tokens, target).await? {
        Some(renewed) if renewed.unsaved => Err(Failed::new(
            Code::Store,
            "the login was taken over and renewed, and could not be saved",
            format!("{} cannot be written; what is there is good no more", place.stored_in()),
            login_command(target),
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
