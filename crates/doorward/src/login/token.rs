//! `doorward token`: the access token itself, for other programs.

use std::time::Duration;

use doorward_client::{Code, Failed, login_command_with, word};
use doorward_relay::bridge::{BearerSource as _, Why};
use serde_json::json;

use super::{
    account, fail,
    flow::Manner,
    manager::{LAST_SAVE, TokenManager},
    place::Place,
};
use crate::{cli, clock::now, failure::Failure, output};

/// Runs the command: renews the token when it is about to end, and prints it.
pub(crate) async fn run(flags: cli::Token, json: bool) -> Result<(), Box<Failure>> {
    let target = account::target(&flags.url, &flags.account, &flags.client).await?;
    let resource = target.resource.clone();
    let place = Place::open(&flags.client).await?;
    let manager = TokenManager::new(place.clone(), target.clone(), Manner::nobody());
    let Some(credential) = manager.bearer(Why::ToSend).await? else {
        return Err(account::missing(&place, &target, "there is no login, or it has ended").await.into());
    };
    manager.settle(LAST_SAVE).await;
    let ended = || fail::log_in_as(&target, "the login has ended");
    let tokens = manager.in_hand().ok_or_else(ended)?;
    if tokens.expires_within(Duration::ZERO, now()) {
        if tokens.can_be_renewed() {
            return Err(Failed::new(
                Code::OutOfOrder,
                "there is no token that is still good",
                "the server's new access token had expired before it could be printed",
                "compare this computer's clock with the server's; if both are right, the server's tokens are too short",
            )
            .into());
        }
        let why = "the access token has expired, and there is no refresh token to renew it with";
        return Err(fail::log_in_as(&target, why).into());
    }
    if credential.bearer.resource() != &resource {
        let next = login_command_with(&target, &["--force"]);
        let why = "the stored login is for another server";
        return Err(Failed::new(Code::OutOfOrder, "the token cannot be printed", why, next).into());
    }
    if tokens.proof_key.is_some() && !json {
        let at = word(resource.as_str());
        return Err(Failed::new(
            Code::NotBound,
            "this token is good for nothing by itself",
            "it is bound to a key that stays here (DPoP), and each request needs a new proof of that key",
            format!("let doorward connect {at} make the requests; --json prints the token all the same"),
        )
        .into());
    }
    let token = tokens.access_token.expose();
    if json {
        let object = json!({
            "access_token": token,
            "token_type": tokens.token_type(),
            "expires_at": tokens.expires_at,
            "scopes": tokens.granted,
            "url": resource,
            "account": tokens.account,
        });
        output::data(&object.to_string());
    } else if flags.header {
        output::data(&format!("Authorization: {} {token}", tokens.token_type()));
    } else {
        output::data(token);
    }
    Ok(())
}
