//! What a login has come to is kept.

use doorward_client::{Code, Connected, CredentialStore as _, Failed, SaveFailed, StoredTokens};

use super::{
    fail, notes,
    place::{Place, SAVE_AGAIN},
};

/// How often saving is tried again because another process wrote in between.
const MOST_CONFLICTS: usize = 8;

/// Saves the tokens in place of what is there: a person has just made them. It is tried again when the store fails, since
/// they are nowhere else.
pub(super) async fn save(place: &Place, connected: Connected) -> Result<StoredTokens, Failed> {
    let Connected { mut tokens, notes: more } = connected;
    more.iter().for_each(notes::tell);
    let (mut pauses, mut conflicts) = (SAVE_AGAIN.into_iter(), 0);
    loop {
        match put(place, &tokens).await {
            Ok(generation) => {
                tokens.generation = generation;
                place.trace.tokens_stored();
                return Ok(tokens);
            }
            Err(SaveFailed::Conflict) if conflicts < MOST_CONFLICTS => conflicts += 1,
            Err(SaveFailed::Conflict) => break,
            Err(SaveFailed::Fault(fault)) => match pauses.next() {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(fail::store(&fault)),
            },
        }
    }
    Err(Failed::new(
        Code::Store,
        "the new login could not be saved",
        "other processes changed it again and again",
        "try again",
    ))
}

/// Puts the tokens in the place of what is there now.
async fn put(place: &Place, tokens: &StoredTokens) -> Result<u64, SaveFailed> {
    let present = place.store.load(&tokens.key()).await?;
    place.store.save(tokens, present.map_or(0, |present| present.generation)).await
}
