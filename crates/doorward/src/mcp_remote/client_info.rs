//! A client of the user's own, and what it asks for, as JSON.

use std::{collections::BTreeMap, io::Read as _};

use doorward_client::{AuthMethod, target::PreRegistered};
use doorward_types::{ClientId, ScopeSet, Secret, json};
use serde_json::Value;

use super::{
    expand::{expand, variable},
    refuse,
};
use crate::{cli, failure::Failure};

const INFO: &str = "--static-oauth-client-info";
const METADATA: &str = "--static-oauth-client-metadata";
/// The most bytes of a file.
const MOST_BYTES: u64 = 256 * 1024;

/// What the metadata says, as far as it means something here.
#[derive(Default)]
pub(super) struct Metadata {
    pub(super) scope: Option<ScopeSet>,
    pub(super) client_name: Option<String>,
    auth_method: Option<AuthMethod>,
}

/// The client that the flags name in mcp-remote's words.
pub(super) fn client(flags: &cli::McpRemote, metadata: &Metadata) -> Result<Option<PreRegistered>, Box<Failure>> {
    let instead = "--client-id ID --client-secret-file FILE says the same";
    let wrong = |why: &dyn std::fmt::Display| refuse(INFO, why, instead);
    let Some(given) = &flags.static_oauth_client_info else {
        if metadata.auth_method.is_some() {
            let why = "token_endpoint_auth_method: without a client of yours, doorward registers one with a way that the server lists";
            return Err(refuse(METADATA, why, "leave token_endpoint_auth_method out"));
        }
        return Ok(None);
    };
    let members = object(INFO, given)?;
    let text = |name: &str| match members.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => expand(text, &variable).map(Some),
        Some(_) => Err(format!("{name} is no text")),
    };
    let id = text("client_id").map_err(|why| wrong(&why))?.ok_or_else(|| wrong(&"it has no client_id"))?;
    let secret = text("client_secret").map_err(|why| wrong(&why))?.filter(|secret| !secret.is_empty());
    if secret.is_some() && !given.starts_with('@') && !given.contains("${") {
        tracing::warn!(
            "other users of this computer can read the client's secret in the list of processes: write ${{NAME}} in its \
             place and put it into the environment, or use --client-secret-file"
        );
    }
    let method = text("token_endpoint_auth_method").map_err(|why| wrong(&why))?;
    let method = method.map(|name| auth_method(INFO, &name)).transpose()?.or(metadata.auth_method);
    Ok(Some(PreRegistered {
        issuer: None,
        client_id: ClientId::parse(id).map_err(|why| wrong(&why))?,
        secret: secret.map(Secret::parse).transpose().map_err(|why| wrong(&why))?,
        key: None,
        auth_method: method,
        redirect_uri: None,
    }))
}

/// What a client is to be registered with.
pub(super) fn metadata(flags: &cli::McpRemote) -> Result<Metadata, Box<Failure>> {
    let mut metadata = Metadata::default();
    let Some(given) = &flags.static_oauth_client_metadata else { return Ok(metadata) };
    for (name, value) in object(METADATA, given)? {
        let Value::String(text) = &value else {
            return Err(member(&name, "leave it out"));
        };
        match name.as_str() {
            "scope" => {
                let scope = ScopeSet::parse(text)
                    .map_err(|why| refuse(METADATA, format!("scope: {why}"), "--scope \"one two\" says the same"))?;
                metadata.scope = Some(scope);
            }
            "client_name" => metadata.client_name = Some(text.clone()),
            "token_endpoint_auth_method" => metadata.auth_method = Some(auth_method(METADATA, text)?),
            other => return Err(member(other, "leave it out")),
        }
    }
    Ok(metadata)
}

/// A member that would change what is registered.
fn member(name: &str, next: &str) -> Box<Failure> {
    let next = match name {
        "redirect_uris" => "--redirect-uri URI, or PORT, --host and --callback-path",
        _ => next,
    };
    let name: String = name.chars().filter(|c| !c.is_control()).take(100).collect();
    refuse(METADATA, format!("{name}: doorward says itself what it is and what it needs"), next)
}

fn auth_method(flag: &str, name: &str) -> Result<AuthMethod, Box<Failure>> {
    let next = "none, client_secret_basic and client_secret_post are taken";
    AuthMethod::parse(name).filter(|method| *method != AuthMethod::PrivateKeyJwt).ok_or_else(|| {
        refuse(flag, format!("token_endpoint_auth_method: {name:?} needs what cannot be given here"), next)
    })
}

/// The members of a JSON object that stands there, or in the file after an @.
fn object(flag: &str, given: &str) -> Result<BTreeMap<String, Value>, Box<Failure>> {
    let next = "write a JSON object, or @ and the name of a file with one";
    let text = match given.strip_prefix('@') {
        None => given.to_owned(),
        Some(file) => {
            let mut text = String::new();
            let read = std::fs::File::open(file).and_then(|opened| opened.take(MOST_BYTES).read_to_string(&mut text));
            read.map_err(|error| refuse(flag, format!("{file}: {error}"), next))?;
            text
        }
    };
    // Its own words may repeat a secret.
    match json::parse(text.as_bytes()) {
        Ok(Value::Object(members)) => Ok(members.into_iter().collect()),
        Ok(_) => Err(refuse(flag, "it is no JSON object", next)),
        Err(_) => Err(refuse(flag, "it is no JSON; a host or a shell may have taken its quotes away", next)),
    }
}
