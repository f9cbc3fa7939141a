//! Devices that cannot show a page: they ask, a person answers elsewhere, they poll.
//!
//! Source: RFC 8628.

use doorward_types::{
    Digest, Entropy, Secret, Timestamp,
    form::Form,
    secret::{DeviceCode, InteractionToken, SessionToken, UsedOnce, UserCode},
};
use serde_json::json;

use crate::{
    Policy, TokenRefusal, Write,
    authorize::{self, RequestRefusal, derived, wait},
    client_auth::AuthenticatedClient,
    facts::{AnswerTo, AuthorizationRequest, Device, DeviceAnswer, DeviceFacts, Interaction},
    policy::{DEVICE_CODE, OFFLINE_ACCESS, offline_access},
    redirect_target::AuthorizationError,
    token::{Decision, Fresh, check_grant, check_resource, issue},
    token_request::DeviceRequest,
};

/// The letters of a user code: no vowels, so that no words come about, and nothing that looks like a digit.
///
/// Source: RFC 8628 section 6.1.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many of them a code has: 34 bits, with few tries and a quarter of an hour to guess them in.
const LENGTH: usize = 8;
/// The least seconds between two polls, at first.
const INTERVAL: u32 = 5;
/// What a poll that came too soon adds to it, for good.
const SLOW_DOWN: u32 = 5;
/// The most that it grows to.
const LONGEST_INTERVAL: u32 = 300;
/// The most characters that are kept of where a device asked from.
const MOST_ASKED_FROM: usize = 256;

/// The answer to a device that asks.
///
/// Source: RFC 8628 section 3.2.
#[derive(Debug)]
pub struct DeviceResponse {
    /// What it polls with.
    pub device_code: Secret<DeviceCode>,
    /// What the person types.
    pub user_code: Secret<UserCode>,
    /// Where the person types it.
    pub verification_uri: String,
    /// Seconds until both codes end.
    pub expires_in: u64,
    /// The least seconds between two polls.
    pub interval: u32,
}

impl DeviceResponse {
    /// The body.
    pub fn to_json(&self) -> Vec<u8> {
        let user_code = shown(&self.user_code);
        let body = json!({
            "device_code": self.device_code.expose(),
            "verification_uri": self.verification_uri,
            "verification_uri_complete": format!("{}?user_code={user_code}", self.verification_uri),
            "user_code": user_code,
            "expires_in": self.expires_in,
            "interval": self.interval,
        });
        body.to_string().into_bytes()
    }
}

/// Takes a device that asks. `asked_from` tells the person where it stands: its address and what it calls its software.
///
/// # Errors
/// When the client did not register for it, or asks for what it cannot have.
/// Source: RFC 8628 section 3.1.
pub fn ask(
    policy: &Policy,
    client: &AuthenticatedClient,
    form: &Form,
    asked_from: &str,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Result<(DeviceResponse, Vec<Write>), RequestRefusal> {
    if !client.may_use(DEVICE_CODE) {
        let description = "the client did not register the grant type device_code";
        return Err(RequestRefusal(AuthorizationError::UnauthorizedClient, description));
    }
    let resource = authorize::resource(policy, form)?;
    let (scope, offline) = authorize::scope(policy, form, client.client(), resource)?;
    let response = DeviceResponse {
        device_code: Secret::generate(entropy),
        user_code: draw(entropy),
        verification_uri: policy.issuer.endpoint("/device"),
        expires_in: policy.lifetimes.device_code.as_secs(),
        interval: INTERVAL,
    };
    let device = Device {
        digest: response.device_code.digest(),
        user_code: response.user_code.digest(),
        client: client.id().clone(),
        resource: resource.id.clone(),
        scope: if offline { scope.union(&offline_access()) } else { scope },
        asked_from: asked_from.chars().filter(|c| !c.is_control()).take(MOST_ASKED_FROM).collect(),
        requested_at: now,
        expires_at: now.plus(policy.lifetimes.device_code),
        interval: INTERVAL,
        polled_at: None,
        answer: DeviceAnswer::None,
        redeemed_at: None,
    };
    Ok((response, vec![Write::InsertDevice(device)]))
}

/// A new user code; every letter is as likely as every other.
fn draw(entropy: &mut dyn Entropy) -> Secret<UserCode> {
    let mut text = String::with_capacity(LENGTH);
    while text.len() < LENGTH {
        let mut byte = [0];
        entropy.fill(&mut byte);
        let fair = 256 / LETTERS.len() * LETTERS.len();
        if usize::from(byte[0]) < fair {
            text.push(char::from(LETTERS[usize::from(byte[0]) % LETTERS.len()]));
        }
    }
    Secret::parse(text).expect("letters are a code")
}

/// What a person typed, if it can be a code: case, spaces and dashes do not matter.
///
/// Source: RFC 8628 section 6.1.
pub fn typed(text: &str) -> Option<Secret<UserCode>> {
    let passed_over = |c: &char| !c.is_whitespace() && !matches!(c, '-' | '.' | '_' | '\u{2010}'..='\u{2015}');
    let code: String = text.chars().take(64).filter(passed_over).map(|c| c.to_ascii_uppercase()).collect();
    let right = code.len() == LENGTH && code.bytes().all(|letter| LETTERS.contains(&letter));
    right.then(|| Secret::parse(code).ok()).flatten()
}

/// A code as people read it: `XXXX-XXXX`.
pub fn shown(code: &Secret<UserCode>) -> String {
    let (first, second) = code.expose().split_at_checked(LENGTH / 2).unwrap_or((code.expose(), ""));
    format!("{first}-{second}")
}

/// The name under which a device waits for a person once its code was typed.
pub fn interaction(code: &Secret<UserCode>, device: &Device) -> Secret<InteractionToken> {
    derived(code, &format!("device {}", device.digest.to_text()))
}

/// Opens the device whose code was typed, for this browser and no other from then on; typed again there, it goes on. `begun`
/// is what [`interaction`] names. Nothing when no device waits for an answer under this code.
///
/// Source: RFC 8628 sections 3.3 and 5.
pub fn open(
    code: &Secret<UserCode>,
    facts: &DeviceFacts,
    begun: Option<&Interaction>,
    browser: Digest<SessionToken>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Option<(Secret<InteractionToken>, Vec<Write>)> {
    let device = &facts.device;
    let waits = device.user_code == code.digest() && device.expires_at > now && device.answer == DeviceAnswer::None;
    if !waits {
        return None;
    }
    let token = interaction(code, device);
    if begun.is_some() {
        return Some((token, Vec::new()));
    }
    let request = AuthorizationRequest {
        client: device.client.clone(),
        face: None,
        answer_to: AnswerTo::Device {
            device: device.digest,
            user_code: shown(code),
            asked_from: device.asked_from.clone(),
        },
        resource: device.resource.clone(),
        scope: device.scope.without(&offline_access()),
        offline: device.scope.contains_name(OFFLINE_ACCESS),
        requested_at: device.requested_at,
    };
    let opened = Secret::<UsedOnce>::parse(format!("device {}", device.digest.to_text())).ok()?;
    let waiting = wait(&token, browser, &request, device.expires_at, entropy);
    let once = Write::UseOnce { id: opened.digest(), until: device.expires_at };
    Some((token, vec![once, Write::InsertInteraction(waiting)]))
}

/// Decides on a device that polls.
///
/// Source: RFC 8628 sections 3.4 and 3.5.
pub fn poll(
    policy: &Policy,
    client: &AuthenticatedClient,
    request: DeviceRequest,
    facts: Option<DeviceFacts>,
    now: Timestamp,
    mut fresh: Fresh<'_>,
) -> Decision {
    let Some(DeviceFacts { device, grant, account }) = facts else { return TokenRefusal::UnknownDevice.into() };
    if device.digest != request.code.digest() {
        return TokenRefusal::UnknownDevice.into();
    }
    if device.client != *client.id() {
        return TokenRefusal::DeviceOfAnotherClient.into();
    }
    if !client.may_use(DEVICE_CODE) {
        return TokenRefusal::GrantTypeNotRegistered.into();
    }
    if device.redeemed_at.is_some() {
        return TokenRefusal::RedeemedDevice.into();
    }
    if device.expires_at <= now {
        return TokenRefusal::ExpiredDevice.into();
    }
    let id = match &device.answer {
        DeviceAnswer::None => return not_yet(&device, now),
        DeviceAnswer::Denied => return TokenRefusal::DeviceDenied.into(),
        DeviceAnswer::Allowed(id) => id,
    };
    let Some(grant) = grant.filter(|grant| grant.id == *id && grant.client == *client.id()) else {
        return TokenRefusal::GrantEnded.into();
    };
    let checked =
        check_resource(&request.resources, &grant).and_then(|()| check_grant(policy, &grant, account.as_ref(), now));
    if let Err(refusal) = checked {
        return refusal.into();
    }
    match issue(policy, client, &grant, grant.scope.clone(), now, &mut fresh) {
        Ok(issued) => issued.after(Write::RedeemDevice { device: device.digest, grant: grant.id, at: now }),
        Err(refusal) => refusal.into(),
    }
}

/// Nobody answered yet. A poll that comes too soon makes the device wait longer, each time.
fn not_yet(device: &Device, now: Timestamp) -> Decision {
    let least = std::time::Duration::from_secs(device.interval.into());
    let too_soon = device.polled_at.is_some_and(|before| now.since(before) < least);
    let slower = device.interval.saturating_add(SLOW_DOWN).min(LONGEST_INTERVAL);
    let (refusal, interval) =
        if too_soon { (TokenRefusal::SlowDown, slower) } else { (TokenRefusal::DevicePending, device.interval) };
    let polled = Write::PollDevice { device: device.digest, seen: device.polled_at, at: now, interval };
    Decision::Deny { refusal, writes: vec![polled] }
}

#[cfg(test)]
mod tests;
