//! What the flags say about the client and the way to a token, with the secrets read from where they lie.

use std::path::PathBuf;

use doorward_client::{
    Failed, Target,
    target::{Dpop, Enterprise, Grant, PreRegistered, Who},
};
use doorward_types::{ClientId, Issuer, RedirectUri, secret::Assertion};

use super::{
    known,
    named::{from_file, from_variable, key_in, refuse},
};
use crate::cli;

/// Adds what the flags say to the target.
///
/// # Errors
/// When a file cannot be read or holds nothing that could be used.
pub(crate) fn apply(target: &mut Target, registration: &cli::OwnClient, grants: &cli::Grants) -> Result<(), Failed> {
    target.clients.extend(client(registration)?);
    known::apply(target, registration)?;
    target.grant = grant(grants)?;
    if grants.dpop {
        target.dpop = Dpop::Always;
    }
    Ok(())
}

/// The client that the flags name.
fn client(flags: &cli::OwnClient) -> Result<Option<PreRegistered>, Failed> {
    let Some(id) = &flags.client_id else { return Ok(None) };
    let client_id = ClientId::parse(id.as_str()).map_err(|why| refuse("--client-id", &why))?;
    let secret = match (&flags.client_secret_file, &flags.client_secret_env) {
        (Some(file), _) => Some(from_file("--client-secret-file", file)?),
        (None, Some(name)) => Some(from_variable("--client-secret-env", name)?),
        (None, None) => None,
    };
    let key = flags.client_key_file.as_deref().map(|file| key_in("--client-key-file", file)).transpose()?;
    let key = match (key, &flags.client_key_id) {
        (Some(key), Some(kid)) => Some(key.named(kid.as_str())),
        (key, _) => key,
    };
    Ok(Some(PreRegistered { key, secret, ..bare(client_id) }))
}

/// A client without anything secret.
fn bare(client_id: ClientId) -> PreRegistered {
    PreRegistered { issuer: None, client_id, secret: None, key: None, auth_method: None, redirect_uri: None }
}

/// The way to a token that the flags name. Files are read anew each time: whoever writes them replaces them.
pub(super) fn grant(flags: &cli::Grants) -> Result<Grant, Failed> {
    if flags.client_credentials {
        return Ok(Grant::ClientCredentials);
    }
    if !flags.assertion_file.is_empty() {
        let read = |file: &PathBuf| from_file::<Assertion>("--assertion-file", file);
        return Ok(Grant::Assertion(flags.assertion_file.iter().map(read).collect::<Result<_, _>>()?));
    }
    if let Some(name) = &flags.assertion_env {
        return Ok(Grant::Assertion(vec![from_variable("--assertion-env", name)?]));
    }
    let (Some(issuer), Some(id)) = (&flags.enterprise_idp, &flags.enterprise_client_id) else {
        return Ok(Grant::Code);
    };
    let issuer = Issuer::parse(issuer.as_str()).map_err(|why| refuse("--enterprise-idp", &why))?;
    let client_id = ClientId::parse(id.as_str()).map_err(|why| refuse("--enterprise-client-id", &why))?;
    let secret = match (&flags.enterprise_client_secret_file, &flags.enterprise_client_secret_env) {
        (Some(file), _) => Some(from_file("--enterprise-client-secret-file", file)?),
        (None, Some(name)) => Some(from_variable("--enterprise-client-secret-env", name)?),
        (None, None) => None,
    };
    let key = flags.enterprise_client_key_file.as_deref();
    let key = key.map(|file| key_in("--enterprise-client-key-file", file)).transpose()?;
    let redirect_uri = flags.enterprise_redirect_uri.as_deref();
    let redirect_uri = redirect_uri
        .map(|text| RedirectUri::parse(text).map_err(|why| refuse("--enterprise-redirect-uri", &why)))
        .transpose()?;
    let client = PreRegistered { issuer: Some(issuer.clone()), secret, key, redirect_uri, ..bare(client_id) };
    let mut enterprise = Enterprise::new(issuer, client);
    match (&flags.id_token_file, &flags.id_token_env) {
        (Some(file), _) => enterprise.who = Who::Given(from_file("--id-token-file", file)?),
        (None, Some(name)) => enterprise.who = Who::Given(from_variable("--id-token-env", name)?),
        (None, None) => {}
    }
    Ok(Grant::Enterprise(Box::new(enterprise)))
}
