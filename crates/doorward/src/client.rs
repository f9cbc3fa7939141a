//! `doorward client`: the apps that the operator knows.

use std::{io::Read as _, path::Path};

use doorward_authorization_server::{
    Policy, Resource,
    facts::{Client, ClientOrigin},
    pre_registration::{self, Wishes},
    store::Committed,
};
use doorward_types::{ClientId, Issuer, Permission, ResourceId, Timestamp};
use serde_json::{Value, json};

use crate::{
    cli,
    clock::now,
    entropy::SystemEntropy,
    failure::{Exit, Failure},
    output,
    state::State,
};

/// How many clients are read at once.
const PAGE: u32 = 500;
/// The largest key set that is read, in bytes.
const MOST_KEYS: u64 = 64 * 1024;

/// Runs the command.
pub(crate) async fn run(command: cli::Client, json: bool) -> Result<(), Box<Failure>> {
    match command {
        cli::Client::Add(flags) => add(*flags, json).await,
        cli::Client::List { all, state } => list(&State::open_existing(&state).await?, all, json).await,
        cli::Client::Revoke { client, state } => revoke(&State::open_existing(&state).await?, &client, json).await,
    }
}

async fn add(flags: cli::AddClient, json: bool) -> Result<(), Box<Failure>> {
    let refuse = |why: &dyn std::fmt::Display| {
        let next = "put that right; doorward client add --help shows what there is";
        Failure::new("CLT-01", Exit::Usage, "the client was not added", why, next)
    };
    let policy = policy(flags.protects.iter().chain(&flags.exchanges_for)).map_err(|why| refuse(&why))?;
    let jwks = flags.jwks_file.as_deref().map(read_keys).transpose().map_err(|why| refuse(&why))?;
    let wishes = Wishes {
        id: flags.id,
        name: Some(flags.name),
        redirect_uris: flags.redirect_uri,
        method: flags.auth.map(|auth| auth.name().to_owned()),
        jwks,
        jwks_uri: flags.jwks_uri,
        grant_types: flags.grant.into_iter().map(|grant| grant.name().to_owned()).collect(),
        scope: flags.scope,
        dpop_bound: flags.dpop,
        pushed_only: flags.par,
        protects: flags.protects,
        exchanges_for: flags.exchanges_for,
    };
    let state = State::open(&flags.state).await?;
    let added = pre_registration::add(&policy, &wishes, now(), &mut SystemEntropy).map_err(|why| refuse(&why))?;
    match state.store.commit(added.writes).await.map_err(|fault| state.failed(&fault))? {
        Committed::Done => {}
        Committed::Conflict => {
            let id = output::harmless(added.client.id.as_str());
            return Err(Failure::new(
                "CLT-02",
                Exit::Error,
                "the client was not added",
                format!("there is a client {id} already"),
                "choose another --id, or remove that one with: doorward client revoke CLIENT_ID",
            ));
        }
    }
    let secret = added.secret.as_ref().map(|secret| secret.expose());
    if json {
        let mut described = described(&added.client);
        described["client_secret"] = json!(secret);
        output::data(&described.to_string());
        return Ok(());
    }
    output::data(&format!("Client ID      {}", added.client.id));
    if let Some(secret) = secret {
        output::data(&format!("Client secret  {secret}"));
        output::tell("The secret is shown this once: only its digest is kept.");
    }
    Ok(())
}

/// The rules for a client that the operator adds. The command does not know how the gateway is started, so it takes the
/// operator's word for the resources.
fn policy<'a>(named: impl Iterator<Item = &'a String>) -> Result<Policy, String> {
    let issuer = Issuer::parse("http://localhost").expect("it is an issuer");
    let resource = |text: &str| {
        let id = ResourceId::parse(text).map_err(|refusal| format!("{text} cannot be a resource: {refusal}"))?;
        Ok(Resource { id, name: String::new(), scopes: Permission::all_scopes() })
    };
    let resources =
        named.map(String::as_str).chain(["http://localhost/mcp"]).map(resource).collect::<Result<_, String>>()?;
    Ok(Policy { resources, ..Policy::new(issuer) })
}

fn read_keys(file: &Path) -> Result<Value, String> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)
        .and_then(|opened| opened.take(MOST_KEYS).read_to_end(&mut bytes))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{} is no JWK set: {error}", file.display()))
}

async fn list(state: &State, all: bool, json: bool) -> Result<(), Box<Failure>> {
    let mut found: Vec<Client> = Vec::new();
    let mut after: Option<(Timestamp, ClientId)> = None;
    loop {
        let page = state
            .store
            .clients(after.as_ref().map(|(at, id)| (*at, id)), PAGE)
            .await
            .map_err(|fault| state.failed(&fault))?;
        let Some(last) = page.last() else { break };
        after = Some((last.created_at, last.id.clone()));
        found.extend(page.into_iter().filter(|client| all || client.origin == ClientOrigin::Administrator));
    }
    if json {
        let clients: Vec<_> = found.iter().map(described).collect();
        output::data(&json!({ "clients": clients }).to_string());
        return Ok(());
    }
    if found.is_empty() {
        let own = "You have added no clients. --all shows those that registered themselves.";
        output::tell(if all { "There are no clients." } else { own });
        return Ok(());
    }
    let mut table = vec![["CLIENT ID", "NAME", "CAME BY", "PROVES ITSELF BY", "LAST USED"].map(str::to_owned)];
    table.extend(found.iter().map(|client| {
        [
            output::harmless(client.id.as_str()),
            output::harmless(client.name.as_deref().unwrap_or_default()),
            came_by(client).to_owned(),
            client.authentication.name().to_owned(),
            client.last_used_at.map_or_else(|| "never".to_owned(), output::moment),
        ]
    }));
    output::table(&table);
    Ok(())
}

async fn revoke(state: &State, id: &str, json: bool) -> Result<(), Box<Failure>> {
    let known = match ClientId::parse(id) {
        Ok(id) => state.store.client(&id).await.map_err(|fault| state.failed(&fault))?,
        Err(_) => None,
    };
    let Some(client) = known else {
        return Err(Failure::new(
            "CLT-03",
            Exit::Error,
            "no client was removed",
            format!("there is no client {}", output::harmless(id)),
            "see which there are: doorward client list --all",
        ));
    };
    // Removing twice is as good as once, so there is nothing that could conflict.
    state.store.commit(pre_registration::remove(&client, now())).await.map_err(|fault| state.failed(&fault))?;
    if json {
        output::data(&json!({ "client_id": client.id, "removed": true }).to_string());
    } else {
        output::data(&format!("{} is gone, and all that people allowed it has ended.", output::harmless(id)));
    }
    Ok(())
}

fn came_by(client: &Client) -> &'static str {
    match client.origin {
        ClientOrigin::Administrator => "administrator",
        ClientOrigin::Dynamic => "registration",
        ClientOrigin::Document => "document",
    }
}

/// A client for programs, without anything secret.
fn described(client: &Client) -> Value {
    json!({
        "client_id": client.id,
        "client_name": client.name,
        "came_by": came_by(client),
        "redirect_uris": client.redirect_uris.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "token_endpoint_auth_method": client.authentication.name(),
        "grant_types": client.grant_types,
        "scope": client.scope,
        "dpop_bound_access_tokens": client.dpop_bound,
        "require_pushed_authorization_requests": client.pushed_only,
        "protects": client.protects.as_ref().map(ToString::to_string),
        "exchanges_for": client.exchanges_for.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "created_at": output::moment(client.created_at),
        "last_used_at": client.last_used_at.map(output::moment),
        "expires_at": client.expires_at.map(output::moment),
    })
}
