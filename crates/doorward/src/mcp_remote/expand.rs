//! What stands for something in the environment.

/// Puts what the environment says in the place of each `${NAME}`.
///
/// # Errors
/// Names the variable that is not there: a text that should hold a secret would be sent without it.
pub(super) fn expand(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut whole, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}').filter(|length| *length > 0) else { break };
        let name = &rest[start + 2..start + 2 + length];
        whole.push_str(&rest[..start]);
        whole.push_str(&variable(name).ok_or_else(|| format!("the environment has no variable {name}"))?);
        rest = &rest[start + 2 + length + 1..];
    }
    whole.push_str(rest);
    Ok(whole)
}

/// What the environment of this process says.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_replaced_once_and_what_is_missing_is_named() {
        let variable = |name: &str| match name {
            "TOKEN" => Some("secret ${OTHER}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, whole) in [
            ("Bearer ${TOKEN}", "Bearer secret ${OTHER}"),
            ("${EMPTY}${TOKEN}", "secret ${OTHER}"),
            ("no names", "no names"),
            ("$TOKEN ${", "$TOKEN ${"),
            ("${}x", "${}x"),
        ] {
            assert_eq!(expand(text, &variable).as_deref(), Ok(whole), "{text}");
        }
        assert!(expand("a ${MISSING} b", &variable).unwrap_err().contains("MISSING"));
    }
}
