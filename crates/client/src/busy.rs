//! A server that does not answer for now, and when it wants to be asked again.

use std::time::Duration;

use doorward_types::outbound::Inbound;
use http::{HeaderMap, StatusCode, header};
use url::Url;

use crate::{Code, Failed, failed::place};

/// The longest time for which a login waits, all in all, before servers that want to be left alone are asked again. Some
/// hosts give a program that they have started one minute and no more.
const MOST: Duration = Duration::from_secs(30);
/// The least time between two requests, whatever the server says.
const LEAST: Duration = Duration::from_secs(1);
/// The most characters of a date.
const MOST_DATE: usize = 40;

/// Whether an answer says nothing but that there is none for now.
pub(crate) fn is(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// Why there is no answer for now, if there is none.
pub(crate) fn failed(what: &str, url: &Url, answer: &Inbound) -> Option<Failed> {
    no_answer_for_now(what, url, answer.status, &answer.headers)
}

/// Why a server gives no answer for now, if it gives none, and when to ask it again. `what` is what could not be done.
///
/// Source: RFC 9110 section 10.2.3, RFC 6585 section 4.
pub fn no_answer_for_now(what: &str, url: &Url, status: StatusCode, headers: &HeaderMap) -> Option<Failed> {
    if !is(status) {
        return None;
    }
    let again = again(headers);
    let at = place(url);
    Some(match status {
        StatusCode::TOO_MANY_REQUESTS => {
            let why = format!("{at} answered {status}: it has been asked too often");
            let again = again.unwrap_or_else(|| "in some minutes".to_owned());
            Failed::new(Code::TooOften, what, why, format!("try again {again}"))
        }
        _ => {
            let again = again.unwrap_or_else(|| "later".to_owned());
            let next = format!("the server has a problem of its own; try again {again}");
            Failed::new(Code::ServerFault, what, format!("{at} answered {status}"), next)
        }
    })
}

/// How long to wait until a request may be sent once more, where that is worth it. `waited` is for how long this login has
/// waited so before.
///
/// Source: RFC 9110 section 10.2.3, RFC 6585 section 4.
pub(crate) fn pause(answer: &Inbound, waited: Duration) -> Option<Duration> {
    let says = matches!(answer.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
    let pause = seconds(&answer.headers).filter(|_| says)?.max(LEAST);
    (waited.saturating_add(pause) <= MOST).then_some(pause)
}

/// How many seconds the server wants to be left alone for, if it says so in seconds.
pub(crate) fn seconds(headers: &HeaderMap) -> Option<Duration> {
    says(headers)?.parse().ok().map(Duration::from_secs)
}

/// When the server wants to be asked again, in words. Its date is told as it is: it is by its own clock.
fn again(headers: &HeaderMap) -> Option<String> {
    if let Some(time) = seconds(headers) {
        return Some(format!("in {}", words(time)));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || " ,:-".contains(c);
    let date = says(headers).filter(|text| text.ends_with(" GMT") && text.len() <= MOST_DATE);
    date.filter(|date| date.chars().all(plain)).map(|date| format!("after {date}"))
}

fn says(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::trim)
}

fn words(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..=120 => format!("{seconds} s"),
        seconds @ 121..=7200 => format!("{} min", seconds.div_ceil(60)),
        seconds @ 7201..=172_800 => format!("{} h", seconds.div_ceil(3600)),
        seconds => format!("{} days", seconds.div_ceil(86_400)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn answer(status: u16, after: Option<&'static str>) -> Inbound {
        let after = after.map(|text| (header::RETRY_AFTER, HeaderValue::from_static(text)));
        let status = StatusCode::from_u16(status).unwrap();
        Inbound { status, headers: HeaderMap::from_iter(after), body: Vec::new() }
    }

    #[test]
    fn it_is_told_what_is_the_matter_and_when_to_try_again() {
        // proves: DISC-16
        let date = "Wed, 21 Oct 2026 07:28:00 GMT";
        for (status, after, code, next) in [
            (429, Some("60"), Code::TooOften, "try again in 60 s"),
            (429, Some("301"), Code::TooOften, "try again in 6 min"),
            (429, Some("1000000000"), Code::TooOften, "try again in 11575 days"),
            (429, Some(date), Code::TooOften, "try again after Wed, 21 Oct 2026 07:28:00 GMT"),
            (429, Some("-1"), Code::TooOften, "try again in some minutes"),
            (429, Some("run $(id) GMT"), Code::TooOften, "try again in some minutes"),
            (429, None, Code::TooOften, "try again in some minutes"),
            (503, Some("7200"), Code::ServerFault, "the server has a problem of its own; try again in 120 min"),
            (500, None, Code::ServerFault, "the server has a problem of its own; try again later"),
        ] {
            let url = Url::parse("https://as.example/token?x").unwrap();
            let failed = failed("no token", &url, &answer(status, after)).unwrap();
            assert_eq!((failed.code(), failed.hint()), (code, next), "{status} {after:?}");
            assert!(failed.why().starts_with("https://as.example/token answered"), "{failed}");
        }
    }

    #[test]
    fn only_a_time_that_is_named_and_short_is_waited_out() {
        // proves: DISC-16
        let seconds = Duration::from_secs;
        for (status, after, waited, pause) in [
            (429, Some("5"), 0, Some(5)),
            (503, Some("5"), 0, Some(5)),
            (429, Some("30"), 0, Some(30)),
            (429, Some("5"), 26, None),
            (429, Some("0"), 0, Some(1)),
            (429, Some("31"), 0, None),
            (429, Some("18446744073709551615"), 1, None),
            (429, Some("-1"), 0, None),
            (429, Some("Wed, 21 Oct 2026 07:28:00 GMT"), 0, None),
            (429, None, 0, None),
            (500, Some("5"), 0, None),
            (200, Some("5"), 0, None),
            (400, Some("5"), 0, None),
        ] {
            let told = super::pause(&answer(status, after), seconds(waited));
            assert_eq!(told, pause.map(seconds), "{status} {after:?}");
        }
    }
}
