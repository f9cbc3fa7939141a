use doorward_types::{Secret, secret::AccessToken};
use http::{HeaderMap, header::AUTHORIZATION};

use crate::Refusal;

/// How a token was presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Whoever holds it may use it.
    Bearer,
    /// With a proof that the caller holds its key.
    Dpop,
}

/// Takes the one token out of a request's headers. Tokens in the query or in a form body are never looked at.
///
/// # Errors
/// When there is no `Authorization` header, more than one, another scheme, or no single token in it.
/// Source: RFC 6750 section 2.1, OAuth 2.1 section 5.1, RFC 9449 section 7.1.
pub fn presented(headers: &HeaderMap) -> Result<(Scheme, Secret<AccessToken>), Refusal> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Refusal::NoCredentials)?;
    if values.next().is_some() {
        return Err(Refusal::Malformed("there is more than one Authorization header"));
    }
    let text = value.to_str().map_err(|_| Refusal::Malformed("the Authorization header is not ASCII"))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        scheme if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return Err(Refusal::OtherScheme),
    };
    // b64token of RFC 6750 section 2.1, which neither space nor comma can be part of.
    let token68 = |b: u8| b.is_ascii_alphanumeric() || b"-._~+/=".contains(&b);
    if token.is_empty() || !token.bytes().all(token68) {
        return Err(Refusal::Malformed("the Authorization header does not hold exactly one token"));
    }
    let token = Secret::parse(token).map_err(|_| Refusal::Malformed("the token is too long"))?;
    Ok((scheme, token))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(values: &[&str]) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        presented(&headers).map(|(scheme, token)| format!("{scheme:?} {}", token.expose()))
    }

    #[test]
    fn exactly_one_token_is_taken() {
        // proves: R6750-01, OA21-43, AUD-10, R9449-06
        assert_eq!(read(&["Bearer abc"]).unwrap(), "Bearer abc");
        assert_eq!(read(&["bEaReR abc.def-_~+/="]).unwrap(), "Bearer abc.def-_~+/=");
        assert_eq!(read(&["dpOP abc"]).unwrap(), "Dpop abc");
        assert_eq!(read(&[]).unwrap_err(), Refusal::NoCredentials);
        for other in ["Basic YWJj", "DPoPabc", "abc", "Bearerabc"] {
            assert_eq!(read(&[other]).unwrap_err(), Refusal::OtherScheme, "{other}");
        }
        for bad in
            ["Bearer", "Bearer ", "Bearer  a", "Bearer a,b", "Bearer a b", "Bearer \ta", "Bearer a;b", "DPoP", "DPoP "]
        {
            assert!(matches!(read(&[bad]), Err(Refusal::Malformed(_))), "{bad}");
        }
        for two in [["Bearer a", "Bearer a"], ["Bearer a", "DPoP a"], ["DPoP a", "Bearer a"]] {
            assert!(matches!(read(&two), Err(Refusal::Malformed(_))));
        }
        assert!(matches!(read(&[&format!("Bearer {}", "a".repeat(20_000))]), Err(Refusal::Malformed(_))));
    }
}
