//! A login that another program made at this MCP server becomes one of this program.

use doorward_types::Timestamp;

use crate::{
    AuthMethod, ClientCredentials, Code, Connected, Failed, IssuerBound, RegisteredClient, Registration, Step,
    StoredTokens, assertion, brought,
    command::login_command,
    found::Found,
    state::{Next, State},
    store::Got,
    target::{Dpop, TakenOver, TheirClient},
};

/// Files the tokens under the authorization server that discovery found, if that is the one that gave them: what one
/// server gave is never sent to another.
///
/// Source: MCP 2026-07-28 authorization, "Authorization Server Binding".
pub(crate) fn take(found: Found, theirs: TakenOver, now: Timestamp) -> Next {
    let target = &found.flow.target;
    check_issuer(&found, &theirs)?;
    if target.dpop == Dpop::Always {
        let why = "they are of type Bearer, and tokens that are bound to a key are wanted (--dpop)";
        return Err(Failed::new(Code::NotBound, "the tokens cannot be taken over", why, log_in(&found)));
    }
    if theirs.refresh_token.is_none() && theirs.expires_at.is_some_and(|at| at <= now) {
        let why = "its access token has expired, and there is no refresh token";
        return Err(Failed::new(
            Code::LoginNeeded,
            "the login that was to be taken over has ended",
            why,
            log_in(&found),
        ));
    }
    let client = client(&found, theirs.client)?;
    let tokens = StoredTokens {
        resource: target.resource.clone(),
        account: target.account.clone(),
        audience: found.audience,
        server: found.server,
        client,
        got: Got::Code,
        identity: None,
        access_token: theirs.access_token,
        proof_key: None,
        expires_at: theirs.expires_at,
        issued_at: now,
        refresh_token: theirs.refresh_token,
        requested: theirs.requested,
        granted: theirs.granted,
        generation: 0,
    };
    Ok((State::Finished, Step::Done(Box::new(Connected { tokens, notes: found.flow.notes }))))
}

fn log_in(found: &Found) -> String {
    format!("log in anew: {}", login_command(&found.flow.target))
}

/// A program that did not note who gave a token may hold one whose text says it. Where nothing says it, the refresh token
/// and the secret are shown to nobody.
fn check_issuer(found: &Found, theirs: &TakenOver) -> Result<(), Failed> {
    let (issuer, resource) = (found.server.issuer(), &found.flow.target.resource);
    let noted = theirs.issuer.clone().or_else(|| {
        let claims = assertion::claims_of(theirs.access_token.expose())?;
        claims.get("iss")?.as_str().map(str::to_owned)
    });
    let (code, what, why) = match noted {
        // Some programs write a bare origin with a slash.
        Some(noted) if noted.trim_end_matches('/') == issuer.as_str().trim_end_matches('/') => return Ok(()),
        Some(noted) => (
            Code::IssuerChanged,
            "the login that was to be taken over is of another authorization server",
            format!("{noted:.200?} gave it, and {resource} now names {issuer}"),
        ),
        None => (
            Code::IssuerChanged,
            "it is not known which authorization server gave the login that was to be taken over",
            format!("nothing says that it was {issuer}, which {resource} names now, and its secrets go nowhere else"),
        ),
    };
    Err(Failed::new(code, what, why, log_in(found)))
}

fn client(found: &Found, theirs: Option<TheirClient>) -> Result<RegisteredClient, Failed> {
    let Some(theirs) = theirs else {
        return brought::named(found)?.ok_or_else(|| {
            Failed::new(
                Code::NoRegistration,
                "the login that was to be taken over has no client",
                "it holds tokens, and not to whom they were given",
                "name the client as you did there: --client-id ID, or --client-metadata-url URL",
            )
        });
    };
    let auth_method = match (theirs.auth_method, &theirs.secret) {
        (Some(method), _) => method,
        (None, Some(_)) => brought::with_secret(&found.server),
        (None, None) => AuthMethod::None,
    };
    if auth_method == AuthMethod::PrivateKeyJwt || (auth_method.needs_secret() && theirs.secret.is_none()) {
        return Err(Failed::new(
            Code::BadRegistration,
            "the client of the login that was to be taken over cannot prove itself",
            format!("its authentication method is {}, and what that needs is not there", auth_method.as_str()),
            log_in(found),
        ));
    }
    let credentials = ClientCredentials {
        client_id: theirs.client_id,
        secret_expires_at: theirs.secret_expires_at.filter(|_| auth_method.needs_secret()),
        secret: theirs.secret.filter(|_| auth_method.needs_secret()),
        key: None,
        auth_method,
        registration: Registration::Dynamic,
        redirect_uri: theirs.redirect_uri,
    };
    Ok(IssuerBound::new(found.server.issuer().clone(), credentials))
}
