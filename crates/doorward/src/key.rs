//! `doorward key`: the keys that sign access tokens.

use doorward_authorization_server::{
    facts::KeyRow,
    keys::{self, KeyRefusal, KeyRing, Stage},
    store::Committed,
};
use doorward_types::jose::SigningKey;
use serde_json::json;

use crate::{
    cli,
    clock::now,
    entropy::SystemEntropy,
    failure::{Exit, Failure},
    operator_key::{self, Missing, Operator},
    output,
    state::State,
};

/// Runs the command.
pub(crate) async fn run(command: cli::Key, json: bool) -> Result<(), Box<Failure>> {
    match command {
        cli::Key::List { state } => list(&State::open_existing(&state).await?, json).await,
        cli::Key::Rotate { now, key, state } => {
            let state = State::open(&state).await?;
            let has_keys = !state.store.keys().await.map_err(|fault| state.failed(&fault))?.is_empty();
            // With --now no key is left that would have to open.
            let missing = if has_keys && !now { Missing::Refuse } else { Missing::Make };
            let operator = operator_key::find(&key, &state.folder, missing)?;
            rotate(&state, &operator, now, json).await
        }
        cli::Key::Generate => {
            let key = operator_key::generate();
            output::data(key.expose());
            Ok(())
        }
    }
}

async fn list(state: &State, json: bool) -> Result<(), Box<Failure>> {
    let rows = state.store.keys().await.map_err(|fault| state.failed(&fault))?;
    let stages = keys::stages(&rows, now());
    if json {
        let listed: Vec<_> = stages.into_iter().map(|(row, stage)| described(row, stage)).collect();
        output::data(&json!({ "keys": listed }).to_string());
        return Ok(());
    }
    if stages.is_empty() {
        output::tell("There are no keys yet: the first start of doorward serve makes one.");
        return Ok(());
    }
    let mut table = vec![["KEY", "STAGE", "MADE", "SIGNS FROM"].map(str::to_owned)];
    table.extend(stages.into_iter().map(|(row, stage)| {
        [row.kid.clone(), word(stage).to_owned(), output::moment(row.created_at), output::moment(row.active_from)]
    }));
    output::table(&table);
    Ok(())
}

fn described(row: &KeyRow, stage: Stage) -> serde_json::Value {
    json!({
        "kid": row.kid,
        "stage": word(stage),
        "created_at": output::moment(row.created_at),
        "active_from": output::moment(row.active_from),
    })
}

fn word(stage: Stage) -> &'static str {
    match stage {
        Stage::Next => "next",
        Stage::Signing => "signing",
        Stage::Retiring => "retiring",
        Stage::Ended => "ended",
    }
}

async fn rotate(state: &State, operator: &Operator, at_once: bool, json: bool) -> Result<(), Box<Failure>> {
    let key = SigningKey::generate();
    loop {
        let (now, rows) = (now(), state.store.keys().await.map_err(|fault| state.failed(&fault))?);
        let writes = if at_once {
            keys::replace_all(&rows, &key, &operator.key, now, &mut SystemEntropy)
        } else {
            // A key that the running nodes could not open would stop them, so theirs must open under this one.
            match KeyRing::open(&rows, &operator.key, now) {
                Ok(_) | Err(KeyRefusal::None) => {}
                Err(refusal) => return Err(sealed_otherwise(state, operator, &refusal)),
            }
            keys::rotate(&rows, &key, &operator.key, now, &mut SystemEntropy).map_err(|under_way| {
                Failure::new(
                    "KEY-03",
                    Exit::Error,
                    "no new key was made",
                    format!("{under_way}, and signs from {}", output::moment(under_way.active_from)),
                    "wait until then, or use --now when a key is in wrong hands",
                )
            })?
        };
        match state.store.commit(writes).await.map_err(|fault| state.failed(&fault))? {
            Committed::Conflict => continue,
            Committed::Done => {}
        }
        let rows = state.store.keys().await.map_err(|fault| state.failed(&fault))?;
        let made = rows.iter().find(|row| row.kid == key.kid());
        let active_from = made.map_or(now, |row| row.active_from);
        if json {
            let all: Vec<_> = keys::stages(&rows, now).into_iter().map(|(row, stage)| described(row, stage)).collect();
            output::data(
                &json!({ "kid": key.kid(), "active_from": output::moment(active_from), "keys": all }).to_string(),
            );
        } else if at_once {
            output::data(&format!("Key {} signs from now on.", key.kid()));
            output::data(
                "All other keys are gone. Nodes that run take it over within seconds; clients renew their tokens.",
            );
        } else {
            output::data(&format!("Key {} is published and signs from {}.", key.kid(), output::moment(active_from)));
            output::data("Tokens that were signed before stay good until they expire.");
        }
        return Ok(());
    }
}

/// The store's keys do not open under this operator key.
pub(crate) fn sealed_otherwise(state: &State, operator: &Operator, refusal: &KeyRefusal) -> Box<Failure> {
    Failure::new(
        "KEY-02",
        Exit::Configuration,
        format!("the signing keys in {} cannot be opened", state.place),
        format!("{refusal}; the operator key came from {}", operator.from),
        "give the key that the first machine has: --key-file FILE, or DOORWARD_KEY; if it is lost: doorward key rotate --now",
    )
}
