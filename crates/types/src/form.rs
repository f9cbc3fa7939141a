//! `application/x-www-form-urlencoded`, read strictly.

/// The most fields that one form or query may have.
pub const MOST_FIELDS: usize = 64;
/// The most bytes of one form or query.
pub const MOST_BYTES: usize = 64 * 1024;

/// The parameters of a request. Parameters without a value count as omitted; a repeated one is an error,
/// save for `resource`, which RFC 8707 allows to repeat and whose reader must say how many it takes.
///
/// Source: OAuth 2.1 sections 3.1 and 3.2.
#[derive(Clone, Default)]
pub struct Form(Vec<(String, String)>);

/// Why a form was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidForm {
    /// More than [`MOST_BYTES`].
    #[error("the parameters are longer than {MOST_BYTES} bytes")]
    TooLong,
    /// More than [`MOST_FIELDS`].
    #[error("there are more than {MOST_FIELDS} parameters")]
    TooMany,
    /// One parameter more than once.
    #[error("the parameter `{0}` is repeated")]
    Repeated(String),
    /// Broken percent-encoding or text that is not UTF-8.
    #[error("the parameters are not well-formed UTF-8 in percent-encoding")]
    Encoding,
}

impl Form {
    /// Reads a form body or a query string.
    ///
    /// # Errors
    /// When it is too long, has too many fields, repeats one, or is not UTF-8.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidForm> {
        Self::parse_repeating(bytes, &["resource"])
    }

    /// As [`parse`](Self::parse), with another list of parameters that may repeat: for a page's checkboxes.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_repeating(bytes: &[u8], repeatable: &[&str]) -> Result<Self, InvalidForm> {
        if bytes.len() > MOST_BYTES {
            return Err(InvalidForm::TooLong);
        }
        check_encoding(bytes)?;
        let mut fields: Vec<(String, String)> = Vec::new();
        for (at, (name, value)) in url::form_urlencoded::parse(bytes).enumerate() {
            if at >= MOST_FIELDS {
                return Err(InvalidForm::TooMany);
            }
            if name.contains('\u{fffd}') || value.contains('\u{fffd}') {
                return Err(InvalidForm::Encoding);
            }
            if !repeatable.contains(&name.as_ref()) && fields.iter().any(|(seen, _)| *seen == name) {
                return Err(InvalidForm::Repeated(name.chars().filter(char::is_ascii_graphic).take(40).collect()));
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(fields))
    }

    /// The value of a parameter; `None` when it is missing or empty. Of a repeated `resource`, the first.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// All non-empty values of a parameter.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, v)| n == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    /// The names of all parameters that were sent, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

fn check_encoding(bytes: &[u8]) -> Result<(), InvalidForm> {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        match rest.get(at + 1..at + 3) {
            Some(hex) if hex.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return Err(InvalidForm::Encoding),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_strictly() {
        // OA21-18, OA21-21
        let form = Form::parse(b"a=1&b=&c=x+y%20z&resource=p&resource=q").unwrap();
        assert_eq!(
            (form.get("a"), form.get("b"), form.get("c"), form.get("d")),
            (Some("1"), None, Some("x y z"), None)
        );
        assert_eq!(form.all("resource").collect::<Vec<_>>(), ["p", "q"]);
        assert_eq!(Form::parse(b"a=1&a=1").unwrap_err(), InvalidForm::Repeated("a".into()));
        assert_eq!(Form::parse(b"a=%ff").unwrap_err(), InvalidForm::Encoding);
        assert_eq!(Form::parse(b"a=%f").unwrap_err(), InvalidForm::Encoding);
        assert_eq!(
            Form::parse("a=1&".repeat(65).replace("a=", "").as_bytes()).unwrap_err(),
            InvalidForm::Repeated("1".into())
        );
        let many = (0..65).map(|n| format!("p{n}=1")).collect::<Vec<_>>().join("&");
        assert_eq!(Form::parse(many.as_bytes()).unwrap_err(), InvalidForm::TooMany);
        assert_eq!(Form::parse(&vec![b'a'; MOST_BYTES + 1]).unwrap_err(), InvalidForm::TooLong);
    }
}
