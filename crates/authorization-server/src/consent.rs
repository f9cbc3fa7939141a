//! A person's answer to an authorization request.

use doorward_types::{
    ClientId, Digest, Entropy, Permission, S256Challenge, ScopeSet, Secret, Timestamp,
    jose::Thumbprint,
    secret::{AuthorizationCode, DeviceCode, InteractionToken, SessionToken},
};

use crate::{
    PageRefusal, Policy, Resource, Write,
    audit::{Event, EventKind},
    authorize::SEALED_REQUEST,
    facts::{AnswerTo, AuthorizationRequest, Client, Code, DeviceAnswer, Grant, GrantId, GrantKind, Interaction},
    policy::{OFFLINE_ACCESS, offline_access},
    random,
    redirect_target::{AuthorizationError, MatchedRedirectUri, RedirectBack},
    session::ResourceOwner,
};

/// A request that waits for the person in this browser, judged against the client as it is now. Only [`open`] makes one.
#[derive(Debug)]
pub struct Pending {
    interaction: Digest<InteractionToken>,
    browser: Digest<SessionToken>,
    client: Client,
    resource: Resource,
    to: To,
    offered: ScopeSet,
    offline: bool,
    requested_at: Timestamp,
}

/// Where the answer goes, judged.
#[derive(Debug)]
enum To {
    Client { redirect: MatchedRedirectUri, state: Option<String>, challenge: S256Challenge, dpop: Option<Thumbprint> },
    Device { device: Digest<DeviceCode>, user_code: String, asked_from: String },
}

/// Where the answer will go, for people.
#[derive(Debug)]
pub enum Destination<'a> {
    /// With the browser, to the client.
    Client(&'a MatchedRedirectUri),
    /// To a device elsewhere.
    Device {
        /// The code that the device shows.
        user_code: &'a str,
        /// From where it asked.
        asked_from: &'a str,
    },
}

impl Pending {
    /// The client that asks.
    pub fn client(&self) -> &Client {
        &self.client
    }
    /// The resource it wants to use.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
    /// The scopes that the person can allow: what was asked for with all that it implies, within what the client may have.
    pub fn offered(&self) -> &ScopeSet {
        &self.offered
    }
    /// Whether the client asks to stay connected without asking again.
    pub fn offline(&self) -> bool {
        self.offline
    }
    /// When it asked.
    pub fn requested_at(&self) -> Timestamp {
        self.requested_at
    }
    /// Where the answer will go.
    pub fn destination(&self) -> Destination<'_> {
        match &self.to {
            To::Client { redirect, .. } => Destination::Client(redirect),
            To::Device { user_code, asked_from, .. } => Destination::Device { user_code, asked_from },
        }
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
    let known = |client: &&Client| client.id == request.client && client.exists(now);
    let client = client.filter(known).ok_or(PageRefusal::UnknownClient)?;
    if request.face.is_some_and(|face| face != client.face().to_text()) {
        return Err(PageRefusal::ClientChanged);
    }
    let to = match request.answer_to {
        AnswerTo::Redirect { uri, state, challenge, dpop } => {
            let redirect = client.match_redirect_uri(&uri).ok_or_else(|| PageRefusal::redirect_uri(&uri))?;
            To::Client { redirect, state, challenge, dpop }
        }
        AnswerTo::Device { device, user_code, asked_from } => To::Device { device, user_code, asked_from },
    };
    let resource = policy.resource(&request.resource).ok_or(PageRefusal::ResourceGone)?.clone();
    let offered = request.scope.intersection(&policy.most_scope(client, &resource));
    if offered.is_empty() {
        return Err(PageRefusal::ResourceGone);
    }
    Ok(Pending {
        interaction: interaction.digest,
        browser: *browser,
        client: client.clone(),
        resource,
        to,
        offered,
        offline: request.offline && client.may_use("refresh_token"),
        requested_at: request.requested_at,
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

pub use crate::lasts::Lasts;

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

/// A person's answer on its way back.
#[derive(Debug)]
pub struct Answered {
    /// How the browser goes on. Only after the writes are committed.
    pub next: Next,
    /// To be committed; on a conflict the request was answered in the meantime: [`open`] it again.
    pub writes: Vec<Write>,
}

/// How the browser goes on after an answer.
#[derive(Debug)]
pub enum Next {
    /// Back to the client.
    Leave(RedirectBack),
    /// Nowhere: the device learns it when it polls.
    Stay,
}

/// Takes a person's answer: spends the request, and on Yes makes the grant and the code for it, or lets the device in.
///
/// # Errors
/// When nothing was chosen, or by somebody else.
/// Source: OAuth 2.1 section 4.1.2, RFC 8628 section 3.3.
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
    match answer {
        Answer::Deny => Ok(deny(policy, pending, owner, now)),
        Answer::Allow { scope, lasts } => {
            let grant = granted(policy, &pending, owner, &scope, lasts, now, entropy)?;
            Ok(allow(policy, pending, grant, now, entropy))
        }
    }
}

fn deny(policy: &Policy, pending: Pending, owner: &ResourceOwner, now: Timestamp) -> Answered {
    let denied = Event {
        account: Some(owner.account().clone()),
        client: Some(pending.client.id),
        resource: Some(pending.resource.id),
        ..Event::new(now, EventKind::Denied)
    };
    let mut writes = vec![Write::SpendInteraction(pending.interaction), Write::Record(denied)];
    let next = match pending.to {
        To::Client { redirect, state, .. } => {
            let (error, description) = (AuthorizationError::AccessDenied, "the person said no");
            Next::Leave(RedirectBack::with_error(redirect, &policy.issuer, state.as_deref(), error, description))
        }
        To::Device { device, .. } => {
            writes.push(Write::AnswerDevice { device, answer: DeviceAnswer::Denied, at: now });
            Next::Stay
        }
    };
    Answered { next, writes }
}

/// The grant, for what was both offered and ticked. A broader permission that was ticked brings the narrower ones it
/// implies, so that the grant says what it allows.
fn granted(
    policy: &Policy,
    pending: &Pending,
    owner: &ResourceOwner,
    ticked: &ScopeSet,
    lasts: Lasts,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<Grant, ConsentRefusal> {
    let Pending { client, offered, .. } = pending;
    let scope = Permission::with_implied(&ticked.intersection(offered)).intersection(offered);
    if scope.is_empty() {
        return Err(ConsentRefusal::NothingChosen);
    }
    let offline = pending.offline && ticked.contains_name(OFFLINE_ACCESS);
    // Who asked to stay connected and was not allowed that must ask again; who never asks is judged by the policy.
    let may_refresh = if pending.offline { offline } else { !policy.refresh_only_when_asked };
    let (kind, redirect_uri) = match &pending.to {
        To::Client { redirect, .. } => (GrantKind::AuthorizationCode, Some(redirect.as_str().to_owned())),
        To::Device { .. } => (GrantKind::DeviceCode, None),
    };
    Ok(Grant {
        id: GrantId(random::name("dwg_", entropy)),
        account: Some(owner.account().clone()),
        client: client.id.clone(),
        kind,
        redirect_uri,
        resource: pending.resource.id.clone(),
        scope: if offline { scope.union(&offline_access()) } else { scope },
        refreshes: may_refresh && client.may_use("refresh_token"),
        dpop: None,
        created_at: now,
        expires_at: lasts.end(now, policy.longest_grant(client)),
        last_used_at: None,
        revoked_at: None,
    })
}

fn allow(policy: &Policy, pending: Pending, grant: Grant, now: Timestamp, entropy: &mut dyn Entropy) -> Answered {
    let mut writes = vec![Write::SpendInteraction(pending.interaction), Write::HoldClient(grant.client.clone())];
    writes.extend(grant.account.clone().map(Write::HoldAccount));
    let id = grant.id.clone();
    writes.push(Write::InsertGrant(grant));
    let next = match pending.to {
        To::Client { redirect, state, challenge, dpop } => {
            let secret = Secret::<AuthorizationCode>::generate(entropy);
            writes.push(Write::InsertCode(Code {
                digest: secret.digest(),
                grant: id,
                client: pending.client.id,
                redirect_uri: redirect.as_str().to_owned(),
                challenge,
                dpop,
                expires_at: now.plus(policy.lifetimes.code),
                wrong_verifiers: 0,
                redeemed_at: None,
            }));
            Next::Leave(RedirectBack::with_code(redirect, &policy.issuer, state.as_deref(), &secret))
        }
        To::Device { device, .. } => {
            writes.push(Write::AnswerDevice { device, answer: DeviceAnswer::Allowed(id), at: now });
            Next::Stay
        }
    };
    Answered { next, writes }
}

#[cfg(test)]
mod tests;
