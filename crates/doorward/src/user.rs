//! `doorward user`: accounts without a browser.

use std::{io::Read as _, path::Path};

use doorward_authorization_server::{Write, account, password::PasswordHash, store::Committed};
use doorward_types::{Secret, secret::Password};

use crate::{
    cli,
    clock::now,
    entropy::SystemEntropy,
    failure::{Exit, Failure},
    output,
    state::State,
};

/// Runs the command.
pub(crate) async fn run(command: cli::User, json: bool) -> Result<(), Box<Failure>> {
    match command {
        cli::User::Add { name, password_file, administrator, state } => {
            add(&name, &password_file, administrator, &state, json).await
        }
        cli::User::Disable { name, state } => switch(&name, true, &State::open_existing(&state).await?, json).await,
        cli::User::Enable { name, state } => switch(&name, false, &State::open_existing(&state).await?, json).await,
    }
}

async fn add(
    name: &str,
    password_file: &Path,
    administrator: bool,
    state: &cli::State,
    json: bool,
) -> Result<(), Box<Failure>> {
    let password = read_password(password_file)?;
    let password = PasswordHash::choose(&password, &mut SystemEntropy).map_err(|refusal| {
        Failure::new("USR-02", Exit::Usage, "the account was not made", refusal, "choose a longer password")
    })?;
    let state = State::open(state).await?;
    let new = account::new_account(name, password, administrator, now(), &mut SystemEntropy);
    let (account, writes) = new.map_err(|refusal| {
        Failure::new("USR-03", Exit::Usage, "the account was not made", refusal, "choose another name")
    })?;
    match state.store.commit(writes).await {
        Ok(Committed::Done) => {}
        Ok(Committed::Conflict) => {
            return Err(Failure::new(
                "USR-04",
                Exit::Error,
                format!("there is an account {name:?} already"),
                format!("{} has one of that name", state.place),
                "choose another name",
            ));
        }
        Err(fault) => return Err(state.failed(&fault)),
    }
    if json {
        output::data(&serde_json::json!({"name": account.name, "id": account.id}).to_string());
    } else {
        output::data(&format!("Account {} is ready to sign in.", account.name));
    }
    Ok(())
}

async fn switch(name: &str, disabled: bool, state: &State, json: bool) -> Result<(), Box<Failure>> {
    let found = state.store.account_by_name(name).await.map_err(|fault| state.failed(&fault))?;
    let Some(account) = found else {
        return Err(Failure::new(
            "USR-05",
            Exit::Error,
            "no account was changed",
            format!("there is no account {} in {}", output::harmless(name), state.place),
            "see which there are: doorward audit-log show --kind account_added",
        ));
    };
    let (id, at) = (account.id, now());
    let write = match disabled {
        true => Write::DisableAccount { account: id.clone(), at },
        false => Write::EnableAccount { account: id.clone(), at },
    };
    state.store.commit(vec![write]).await.map_err(|fault| state.failed(&fault))?;
    if json {
        let changed = serde_json::json!({"name": account.name, "id": id, "disabled": disabled});
        output::data(&changed.to_string());
    } else if disabled {
        output::data(&format!("Account {} is disabled, and all that it allowed has ended.", account.name));
    } else {
        output::data(&format!("Account {} can sign in again.", account.name));
    }
    Ok(())
}

fn read_password(file: &Path) -> Result<Secret<Password>, Box<Failure>> {
    let refuse = |why: String| {
        Failure::new(
            "USR-01",
            Exit::Usage,
            "the password could not be read",
            why,
            "put it on the first line of a file, or pipe it in with --password-file -",
        )
    };
    // A little more than a password may have: the rest is not ours to read.
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(4096).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(4096).read_to_string(&mut text))
    };
    read.map_err(|error| refuse(format!("{}: {error}", file.display())))?;
    let line = text.lines().next().unwrap_or_default();
    Secret::parse(line).map_err(|error| refuse(error.to_string()))
}
