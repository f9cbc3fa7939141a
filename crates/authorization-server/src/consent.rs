//! A person's answer to an authorization request.

use std::time::Duration;

use doorward_types::{
    ClientId, Digest, Entropy, ScopeSet, Secret, Timestamp, redirect,
    secret::{AuthorizationCode, InteractionToken, SessionToken},
};

use crate::{
    PageRefusal, Policy, Resource, Write,
    authorize::SEALED_REQUEST,
    facts::{AuthorizationRequest, Client, Code, Grant, GrantId, Interaction},
    random,
    redirect_target::{AuthorizationError, MatchedRedirectUri, RedirectBack},
    session::ResourceOwner,
};

/// A request that waits for the person in this browser, judged against the client as it is now. Only [`open`] makes one.
#[derive(Debug)]
pub struct Pending {
    interaction: Digest<InteractionToken>,
    browser: Digest<SessionToken>,
    request: AuthorizationRequest,
    client: Client,
    resource: Resource,
    redirect: MatchedRedirectUri,
}

impl Pending {
    /// The request.
    pub fn request(&self) -> &AuthorizationRequest {
        &self.request
    }
    /// The client that asks.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The resource it wants to use.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
    /// How the answer will reach the client.
    pub fn redirect_kind(&self) -> &redirect::Kind {
        self.redirect.kind()
    }
    /// Where the answer will go.
    pub fn redirect(&self) -> &MatchedRedirectUri {
        &self.redirect
    }
}

/// Opens a waiting request for the browser it is bound to. The stored redirect URI is matched again: the
/// registration may have changed since.
///
/// # Errors
/// When it is not this browser's, was answered, has expired, or cannot be answered any more.
pub fn open(
    policy: &Policy,
    interaction: &Interaction,
    token: &Secret<InteractionToken>,
    browser: &Digest<SessionToken>,
    client: Option<&Client>,
    now: Timestamp,
) -> Result<Pending, PageRefusal> {
    let request = unseal(interaction, token)?;
    if interaction.browser != *browser {
        return Err(PageRefusal::OtherBrowser);
    }
    if interaction.spent {
        return Err(PageRefusal::AlreadyAnswered);
    }
    if interaction.expires_at <= now {
        return Err(PageRefusal::Expired);
    }
    let client = client.filter(|client| client.id == request.client).ok_or(PageRefusal::UnknownClient)?;
    let redirect = client
        .match_redirect_uri(&request.redirect_uri)
        .ok_or_else(|| PageRefusal::redirect_uri(&request.redirect_uri))?;
    let resource = policy.resource(&request.resource).ok_or(PageRefusal::ResourceGone)?.clone();
    if request.scope.intersection(&resource.scopes).is_empty() {
        return Err(PageRefusal::ResourceGone);
    }
    Ok(Pending {
        interaction: interaction.digest,
        browser: *browser,
        request,
        client: client.clone(),
        resource,
        redirect,
    })
}

/// The client of a waiting request, to load its facts for [`open`].
///
/// # Errors
/// When the token does not open the request.
pub fn client_of(interaction: &Interaction, token: &Secret<InteractionToken>) -> Result<ClientId, PageRefusal> {
    unseal(interaction, token).map(|request| request.client)
}

fn unseal(interaction: &Interaction, token: &Secret<InteractionToken>) -> Result<AuthorizationRequest, PageRefusal> {
    Some(interaction)
        .filter(|interaction| interaction.digest == token.digest())
        .and_then(|interaction| interaction.request.open(token, SEALED_REQUEST))
        .and_then(|plain| serde_json::from_slice(&plain).ok())
        .ok_or(PageRefusal::UnknownInteraction)
}

/// How long a person lets a client in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// Eight hours.
    Hours8,
    /// Thirty days.
    Days30,
    /// Until somebody ends it.
    UntilRevoked,
}

impl Lasts {
    /// All choices, the shortest first.
    pub const ALL: [Self; 3] = [Self::Hours8, Self::Days30, Self::UntilRevoked];

    /// The value in the form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hours8 => "hours8",
            Self::Days30 => "days30",
            Self::UntilRevoked => "until_revoked",
        }
    }

    /// Reads the value of the form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lasts| lasts.name() == text)
    }

    /// The moment at which it ends; none for: when it is revoked.
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Hours8 => Some(now.plus(Duration::from_secs(8 * 3600))),
            Self::Days30 => Some(now.plus(Duration::from_secs(30 * 24 * 3600))),
            Self::UntilRevoked => None,
        }
    }
}

/// What a person answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// No.
    Deny,
    /// Yes, to this much and for so long.
    Allow {
        /// The scopes that were ticked.
        scope: ScopeSet,
        /// For how long.
        lasts: Lasts,
    },
}

/// Why an answer was not taken; the request still waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsentRefusal {
    /// Allowed, but nothing ticked that was asked for.
    #[error("Choose at least one permission, or deny.")]
    NothingChosen,
    /// The session that answers is not the one the request was opened for.
    #[error("Another session has opened this request.")]
    OtherSession,
}

/// A person's answer on its way back to the client.
#[derive(Debug)]
pub struct Answered {
    /// Where the browser goes. Only after the writes are committed.
    pub back: RedirectBack,
    /// To be committed; on a conflict the request was answered in the meantime: [`open`] it again.
    pub writes: Vec<Write>,
}

/// Takes a person's answer: spends the request, and on Yes makes the grant and a code for it.
///
/// # Errors
/// When nothing was chosen, or by somebody else.
/// Source: OAuth 2.1 section 4.1.2.
pub fn answer(
    policy: &Policy,
    pending: Pending,
    owner: &ResourceOwner,
    answer: Answer,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Answered, ConsentRefusal> {
    if owner.session() != pending.browser {
        return Err(ConsentRefusal::OtherSession);
    }
    let Pending { interaction, request, resource, redirect, .. } = pending;
    let state = request.state.as_deref();
    let spend = Write::SpendInteraction(interaction);
    let Answer::Allow { scope: ticked, lasts } = answer else {
        let description = "the person said no";
        let back =
            RedirectBack::with_error(redirect, &policy.issuer, state, AuthorizationError::AccessDenied, description);
        return Ok(Answered { back, writes: vec![spend] });
    };
    let scope = ticked.intersection(&request.scope).intersection(&resource.scopes);
    if scope.is_empty() {
        return Err(ConsentRefusal::NothingChosen);
    }
    let secret = Secret::<AuthorizationCode>::generate(entropy);
    let grant = Grant {
        id: GrantId(random::name("dwg_", entropy)),
        account: owner.account().clone(),
        client: request.client.clone(),
        redirect_uri: request.redirect_uri.clone(),
        resource: request.resource.clone(),
        scope,
        created_at: now,
        expires_at: lasts.end(now),
        last_used_at: None,
        revoked_at: None,
    };
    let code = Code {
        digest: secret.digest(),
        grant: grant.id.clone(),
        client: request.client.clone(),
        redirect_uri: request.redirect_uri.clone(),
        challenge: request.challenge.clone(),
        expires_at: now.plus(policy.lifetimes.code),
        wrong_verifiers: 0,
        redeemed_at: None,
    };
    let back = RedirectBack::with_code(redirect, &policy.issuer, state, &secret);
    Ok(Answered { back, writes: vec![spend, Write::InsertGrant(grant), Write::InsertCode(code)] })
}

#[cfg(test)]
mod tests;
