//! A person signs in somewhere else: they are shown a code and a page, and the server is asked until they have answered.

use std::time::Duration;

use doorward_types::{
    Secret, Timestamp, json,
    metadata::ValidatedMetadata,
    outbound::{FetchFailed, Inbound, Outbound},
    secret, web_url,
};
use serde::Deserialize;

use crate::{
    Code, Failed, RegisteredClient, Step,
    bearer::next_nonce,
    brought, busy, document,
    exchange::{self, may_register_again},
    failed::{no_answer, place},
    found::{Found, Login},
    registration,
    state::{AwaitDeviceCode, Next, Polling, State},
    step::ShowDeviceCode,
    store::Got,
    token_request::{self, Fresh, Parameters, TokenRequest, Told},
};

/// How long to wait between two questions when the server does not say.
const USUAL_INTERVAL: Duration = Duration::from_secs(5);
/// How much longer after each `slow_down`.
const SLOWER: Duration = Duration::from_secs(5);
/// The longest pause, however often the server did not answer.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest that a code is waited for, whatever the server says.
const MOST_LIFE: Duration = Duration::from_secs(60 * 60);
/// The most characters of a code that a person is asked to type.
const MOST_CODE: usize = 40;

/// Asks for a code to show to the person.
///
/// Source: RFC 8628 section 3.1, RFC 8707 section 2.
pub(crate) fn ask(found: Box<Found>, client: RegisteredClient, stored: bool, fresh: &mut Fresh<'_>) -> Next {
    let Some(endpoint) = found.server.device_authorization_endpoint().cloned() else {
        return Err(Failed::new(
            Code::NoDeviceFlow,
            "the authorization server has no sign-in by a code for another device",
            format!("{} names no device_authorization_endpoint", found.server.issuer()),
            "log in where a browser can come back to this computer",
        ));
    };
    let waiting = AwaitDeviceCode { found, client, stored, endpoint };
    let step = Step::Send(request(&waiting, fresh)?);
    Ok((State::DeviceCode(waiting), step))
}

/// The request for a code, as it is sent.
pub(crate) fn request(waiting: &AwaitDeviceCode, fresh: &mut Fresh<'_>) -> Result<Outbound, Failed> {
    let AwaitDeviceCode { found, client, endpoint, .. } = waiting;
    let scope = found.scope.as_ref().map(ToString::to_string);
    let parameters = Parameters::new(&[("resource", found.audience.as_str())]).and("scope", scope.as_deref());
    token_request::authenticated(endpoint, &found.server, client, &parameters, found.flow.target.reach, fresh)
}

#[derive(Deserialize)]
struct Answer {
    device_code: String,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: f64,
    interval: Option<f64>,
}

/// Has the code shown to the person.
pub(crate) fn given(waiting: AwaitDeviceCode, answer: Result<Inbound, FetchFailed>, now: Timestamp) -> Next {
    let what = "the authorization server gave no code for another device";
    let AwaitDeviceCode { found, client, stored, endpoint } = waiting;
    let answer = answer.map_err(|failed| no_answer(what, &endpoint, &failed))?;
    if let Some(error) = token_request::refusal(what, &endpoint, &answer)? {
        let forgotten = matches!(error.error.as_str(), "invalid_client" | "unauthorized_client");
        if forgotten && may_register_again(stored, &client) {
            return registration::register_again(found, brought::usual_redirect());
        }
        let code = if error.error == "invalid_client" { Code::ClientUnknown } else { Code::AuthorizationRefused };
        return Err(exchange::refused(code, &endpoint, &error));
    }
    let (shown, device_code, interval) = read(&found.server, &answer.body, now).map_err(|why| {
        let why = format!("{}: {}", place(&endpoint), document::or_page(why, &answer));
        Failed::new(Code::BadTokenAnswer, what, why, "ask the operator of the server")
    })?;
    let parameters = Parameters::new(&[
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device_code.expose()),
        ("resource", &found.audience),
    ]);
    let shown = ShowDeviceCode { wait: interval, ..shown };
    let expires = shown.expires;
    let request = TokenRequest::of(&found, client, parameters);
    let login = Login { found, again: None, got: Got::Device };
    let waiting = Polling { login, request, interval, pause: interval, expires };
    Ok((State::DevicePause(waiting), Step::ShowDeviceCode(Box::new(shown))))
}

/// Reads the answer; what a person is shown is what they could type, and only a web page is opened.
///
/// Source: RFC 8628 section 3.2.
fn read(
    server: &ValidatedMetadata,
    body: &[u8],
    now: Timestamp,
) -> Result<(ShowDeviceCode, Secret<secret::DeviceCode>, Duration), String> {
    let answer: Answer = json::parse_as(body).map_err(|error| error.to_string())?;
    let local = web_url::is_loopback(&server.issuer().url());
    let page = |text: &str| {
        let url = web_url::parse(text).map_err(|error| error.to_string())?;
        if web_url::is_loopback(&url) && !local {
            return Err("its page is on this computer".to_owned());
        }
        Ok(url)
    };
    let code = answer.user_code.trim();
    if code.is_empty() || code.len() > MOST_CODE || !code.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Err("its user_code is nothing that a person could type".into());
    }
    let seconds = |value: f64| Duration::try_from_secs_f64(value).ok();
    let life = seconds(answer.expires_in).filter(|life| !life.is_zero()).ok_or("its expires_in is no time")?;
    let interval = answer.interval.and_then(seconds).filter(|pause| !pause.is_zero()).unwrap_or(USUAL_INTERVAL);
    // No clock reaches the end of what can be written there.
    let interval = interval.min(MOST_LIFE);
    let verification_uri = page(&answer.verification_uri).map_err(|why| format!("its verification_uri: {why}"))?;
    // What is only a convenience is left out when it leads elsewhere.
    let complete = answer.verification_uri_complete.and_then(|text| page(&text).ok());
    let shown = ShowDeviceCode {
        complete: complete.filter(|complete| complete.origin() == verification_uri.origin()),
        verification_uri,
        user_code: code.to_owned(),
        expires: now.plus(life.min(MOST_LIFE)),
        issuer: server.issuer().clone(),
        wait: interval,
    };
    let device_code = Secret::parse(answer.device_code).map_err(|error| error.to_string())?;
    Ok((shown, device_code, interval))
}

/// Asks the server again.
pub(crate) fn ask_again(waiting: Polling, fresh: &mut Fresh<'_>) -> Next {
    if waiting.expires <= fresh.now {
        return Err(time_up(&waiting, true));
    }
    let step = Step::Send(waiting.request.outbound(fresh)?);
    Ok((State::DeviceAnswer(waiting), step))
}

/// Goes on with the server's answer.
///
/// Source: RFC 8628 section 3.5.
pub(crate) fn answered(mut waiting: Polling, answer: Result<Inbound, FetchFailed>, fresh: &mut Fresh<'_>) -> Next {
    let (client, endpoint) = (waiting.request.client.clone(), waiting.request.server.token_endpoint().clone());
    if let Err(failed @ FetchFailed::Forbidden(_)) = &answer {
        // It is where it may not be asked, and stays there.
        return Err(no_answer("the authorization server cannot be asked for the token", &endpoint, failed));
    }
    let unanswered = answer.as_ref().map_or(true, |answer| busy::is(answer.status));
    if unanswered {
        // What the question came to is unknown, and the code is still good.
        let wished = answer.ok().and_then(|answer| busy::seconds(&answer.headers)).unwrap_or_default();
        waiting.pause = (waiting.pause * 2).min(LONGEST.max(waiting.interval)).max(wished.min(MOST_LIFE));
        return Ok(wait(waiting));
    }
    let nonce = answer.as_ref().ok().and_then(|answer| next_nonce(&answer.headers)).map(str::to_owned);
    let error = match waiting.request.clone().on(answer, fresh)? {
        Told::Tokens(tokens, key) => return exchange::finish(waiting.login, client, tokens, key, fresh.now),
        Told::Again(request, outbound) => {
            waiting.request = *request;
            return Ok((State::DeviceAnswer(waiting), Step::Send(outbound)));
        }
        Told::Refused(error) => error,
    };
    match error.error.as_str() {
        "authorization_pending" => {}
        "slow_down" => waiting.interval += SLOWER,
        "expired_token" => return Err(time_up(&waiting, true)),
        "access_denied" => {
            return Err(Failed::new(
                Code::Denied,
                "access was denied in the browser",
                format!("{} answered access_denied", place(&endpoint)),
                "log in again to allow it",
            ));
        }
        "invalid_client" => return Err(exchange::refused(Code::ClientUnknown, &endpoint, &error)),
        _ => return Err(exchange::refused(Code::TokenRefused, &endpoint, &error)),
    }
    waiting.pause = waiting.interval;
    waiting.request = waiting.request.anew(nonce);
    Ok(wait(waiting))
}

fn wait(waiting: Polling) -> (State, Step) {
    let step = Step::Wait(waiting.pause);
    (State::DevicePause(waiting), step)
}

/// Nobody typed the code in time: its own, or what this program gives them.
pub(crate) fn time_up(waiting: &Polling, has_expired: bool) -> Failed {
    let issuer = waiting.request.server.issuer();
    let why = match has_expired {
        true => format!("the code of {issuer} has expired"),
        false => format!("{issuer} was not told in time that the code is right"),
    };
    let next = "try again; type the code on the page that is shown with it, and finish the login there";
    Failed::new(Code::LoginTimedOut, "nobody typed the code for another device in time", why, next)
}
