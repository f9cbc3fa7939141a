//! `doorward backup`: a copy of the state while the gateway runs.

use std::path::PathBuf;

use doorward_store::BackupError;
use serde_json::json;

use crate::{
    cli,
    failure::{Exit, Failure},
    operator_key, output,
    state::State,
};

/// Runs the command.
pub(crate) async fn run(
    file: PathBuf,
    key: &cli::OperatorKeyFile,
    flags: &cli::State,
    json: bool,
) -> Result<(), Box<Failure>> {
    let state = State::open_existing(flags).await?;
    let made = state.store.backup(&file).await;
    state.store.close().await;
    made.map_err(|error| {
        let next = match &error {
            BackupError::Exists(_) => "name a file that does not exist yet",
            BackupError::Io { .. } => "check that the folder is yours, writable and not full",
            BackupError::UsePgDump { .. } => "run that command, or let the database's own backups do it",
            BackupError::Store(_) => "check that the gateway's state is sound and the disk not full",
        };
        Failure::new("STO-03", Exit::Error, "no copy was made", &error, next)
    })?;
    // Without the operator key the copy could not sign; with it in the same place the sealing would be for nothing.
    let beside = operator_key::place(key, &state.folder);
    if json {
        output::data(&json!({ "file": file.display().to_string(), "operator_key": beside }).to_string());
        return Ok(());
    }
    output::data(&format!("The state was copied to {}.", file.display()));
    if let Some(key) = beside {
        output::data(&format!("Its signing keys open with {key} only: keep a copy of it in another place."));
    }
    Ok(())
}
