//! What a user adds to the requests of a login, checked so that it takes the place of nothing that protects the login.

use std::fmt;

use url::Url;

/// The most bytes of a name, a value or an identifier.
const MOST_BYTES: usize = 2048;

/// What the login itself says, each time anew or in a place of its own.
const OWN: [(&str, &str); 13] = [
    ("response_type", "the login itself says it"),
    ("client_id", "give it with --client-id"),
    ("redirect_uri", "give it with --redirect-uri"),
    ("state", "it is drawn anew for each login"),
    ("code_challenge", "it is made anew for each login"),
    ("code_challenge_method", "it is always S256"),
    ("scope", "give it with --scope"),
    ("resource", "give it with --resource, so that it is sent with every request"),
    ("response_mode", "the answer comes as a query"),
    ("dpop_jkt", "it is the key of the login"),
    ("request", "requests are not sent as objects"),
    ("request_uri", "requests are not sent by reference"),
    ("client_secret", "it belongs on no page"),
];

/// A parameter that an authorization server wants on its sign-in page, such as `audience=https://api.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizeParameter {
    name: String,
    value: String,
}

/// Why a text is no parameter that may be added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameter {
    /// It is not a name, an equals sign and a value of moderate length.
    #[error("{0:?} is not written as name=value")]
    Form(String),
    /// The login says this itself.
    #[error("{0} cannot be set: {1}")]
    Own(&'static str, &'static str),
}

impl AuthorizeParameter {
    /// Reads `name=value`.
    ///
    /// # Errors
    /// When it is no such text, or names a parameter of the login itself.
    pub fn parse(text: &str) -> Result<Self, InvalidParameter> {
        let form = || InvalidParameter::Form(text.chars().filter(|c| !c.is_control()).take(100).collect());
        let (name, value) = text.split_once('=').ok_or_else(form)?;
        let name = name.trim();
        if name.is_empty() || text.len() > MOST_BYTES || text.contains(char::is_control) {
            return Err(form());
        }
        match OWN.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)) {
            Some((own, why)) => Err(InvalidParameter::Own(own, why)),
            None => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// What the `resource` parameter says in place of the MCP server's own identifier.
///
/// Source: RFC 8707 section 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(String);

/// The text is no absolute URI without a fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no absolute URI without a fragment, as in https://tenant.example.com/")]
pub struct InvalidAudience;

impl Audience {
    /// Reads an absolute URI, which is sent as it is written.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &str) -> Result<Self, InvalidAudience> {
        let right = text.len() <= MOST_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        let url = Url::parse(text).map_err(|_| InvalidAudience)?;
        (right && url.fragment().is_none()).then(|| Self(text.to_owned())).ok_or(InvalidAudience)
    }

    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_protects_the_login_is_not_the_users_to_set() {
        // proves: MCP-AUTH-080
        for (name, _) in OWN {
            for text in [format!("{name}=x"), format!(" {}=x", name.to_uppercase())] {
                assert!(matches!(AuthorizeParameter::parse(&text), Err(InvalidParameter::Own(..))), "{text}");
            }
        }
        for bad in ["", "=x", "audience", "a\n=b", "a=b\r\nc", &format!("a={}", "x".repeat(MOST_BYTES))] {
            assert!(matches!(AuthorizeParameter::parse(bad), Err(InvalidParameter::Form(_))), "{bad:?}");
        }
        let good = AuthorizeParameter::parse("audience=https://api.example.com/?a=b").unwrap();
        assert_eq!((good.name(), good.value()), ("audience", "https://api.example.com/?a=b"));
        assert_eq!(AuthorizeParameter::parse("prompt=").unwrap().value(), "");
    }

    #[test]
    fn an_audience_is_an_absolute_uri() {
        for good in ["https://tenant1.example.net/", "api://3aa4a235", "urn:example:mcp"] {
            assert_eq!(Audience::parse(good).unwrap().as_str(), good);
        }
        let long = format!("https://a.example/{}", "x".repeat(MOST_BYTES));
        for bad in
            ["", "tenant1", "/mcp", "https://a.example/#x", "https://a.example/a b", "https://a.example/ü", &long]
        {
            assert!(Audience::parse(bad).is_err(), "{bad}");
        }
    }
}
