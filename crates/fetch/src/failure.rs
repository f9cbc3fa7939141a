//! What went wrong, told without URL, header or body: a URL's query can hold a code, a header a token.

use std::{error::Error, io, time::Duration};

use doorward_types::outbound::FetchFailed;
use url::Url;

use crate::resolver::NotResolved;

/// Reads reqwest's error for what the roles need to tell apart. Of the URL only the host is told, of a proxy its host and port.
pub(crate) fn from_reqwest(
    error: reqwest::Error,
    url: &Url,
    timeout: Duration,
    proxy: impl FnOnce() -> Option<String>,
) -> FetchFailed {
    let error = error.without_url();
    let is_unknown = chain(&error).any(|cause| cause.to_string() == "dns error" || cause.is::<NotResolved>());
    let is_tls = chain(&error).any(|cause| tls(cause).is_some());
    if error.is_connect()
        && !is_tls
        && let Some(proxy) = proxy()
    {
        let why = if is_unknown { "its name could not be resolved".to_owned() } else { words(&error) };
        return FetchFailed::Proxy { proxy, why };
    }
    if let Some(failed) = chain(&error).find_map(resolver).or_else(|| chain(&error).find_map(tls)) {
        return failed;
    }
    if is_unknown {
        return FetchFailed::Name(url.host_str().unwrap_or_default().to_owned());
    }
    match (error.is_connect(), error.is_timeout()) {
        (true, _) => FetchFailed::Connect(words(&error)),
        (false, true) => FetchFailed::Timeout(timeout),
        (false, false) => FetchFailed::Other(words(&error)),
    }
}

/// The innermost cause: the outer layers only say that a request failed.
pub(crate) fn words(error: &(dyn Error + 'static)) -> String {
    let cause = chain(error).last().map(ToString::to_string).unwrap_or_default();
    cause.chars().filter(|c| !c.is_control()).take(300).collect()
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source()).take(16)
}

fn resolver(error: &(dyn Error + 'static)) -> Option<FetchFailed> {
    error.downcast_ref::<NotResolved>().map(|error| match error {
        NotResolved::Unknown(name) => FetchFailed::Name(name.clone()),
        NotResolved::Forbidden(name) => FetchFailed::Forbidden(name.clone()),
    })
}

fn tls(error: &(dyn Error + 'static)) -> Option<FetchFailed> {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(FetchFailed::Tls(out_of_time(error).unwrap_or_else(|| error.to_string())));
    }
    // An i/o error that wraps another error leaves it out of its chain of sources.
    tls(error.downcast_ref::<io::Error>()?.get_ref()?)
}

/// A certificate that is not good at this time, in days: seconds since 1970 say nothing to a person.
fn out_of_time(error: &rustls::Error) -> Option<String> {
    const DAY: u64 = 24 * 60 * 60;
    let rustls::Error::InvalidCertificate(error) = error else { return None };
    let days = |from: &rustls::pki_types::UnixTime, to: &rustls::pki_types::UnixTime| {
        to.as_secs().saturating_sub(from.as_secs()).div_ceil(DAY)
    };
    match error {
        rustls::CertificateError::ExpiredContext { time, not_after } => {
            Some(format!("the certificate expired {} days ago by this computer's clock", days(not_after, time)))
        }
        rustls::CertificateError::NotValidYetContext { time, not_before } => {
            Some(format!("the certificate begins in {} days by this computer's clock", days(time, not_before)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, Error, pki_types::UnixTime};

    use super::*;

    #[test]
    fn a_certificate_out_of_its_time_is_told_in_days() {
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let told = |error| out_of_time(&Error::InvalidCertificate(error)).unwrap();
        let expired = CertificateError::ExpiredContext { time: at(200_000), not_after: at(100_000) };
        assert_eq!(told(expired), "the certificate expired 2 days ago by this computer's clock");
        let early = CertificateError::NotValidYetContext { time: at(100_000), not_before: at(200_000) };
        assert_eq!(told(early), "the certificate begins in 2 days by this computer's clock");
        assert_eq!(out_of_time(&Error::InvalidCertificate(CertificateError::UnknownIssuer)), None);
    }
}
