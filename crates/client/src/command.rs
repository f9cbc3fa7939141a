//! The commands that a person is told to type.

use doorward_types::ResourceId;

use crate::{
    Target,
    target::{Dpop, Grant, Who},
};

/// The command with which a person makes the login that is wanted here.
pub fn login_command(target: &Target) -> String {
    login_command_with(target, &[])
}

/// The same with more to it: flags and their values, as words that are not quoted yet.
pub fn login_command_with(target: &Target, more: &[&str]) -> String {
    let mut words = vec!["doorward login".to_owned()];
    words.extend(more.iter().copied().map(word));
    let mut say = |flag: &str, value: &str| words.extend([flag.to_owned(), word(value)]);
    if let Some(account) = &target.account {
        say("--account", account);
    }
    // Without these it would be another login than the one that is wanted here.
    if let Some(audience) = &target.audience {
        say("--resource", audience.as_str());
    }
    for own in &target.authorize {
        say("--authorize-param", &format!("{}={}", own.name(), own.value()));
    }
    if let [own] = &target.clients[..] {
        say("--client-id", own.client_id.as_str());
        if let Some(redirect) = &own.redirect_uri {
            say("--redirect-uri", redirect.as_str());
        }
        if own.secret.is_some() {
            say("--client-secret-file", "FILE");
        }
        if own.key.is_some() {
            say("--client-key-file", "FILE");
        }
    }
    if let Some(document) = &target.metadata_document {
        say("--client-metadata-url", document.url.as_str());
    }
    for name in target.lenient.names() {
        say("--tolerate", name);
    }
    match &target.grant {
        Grant::Enterprise(enterprise) => {
            say("--enterprise-idp", enterprise.issuer.as_str());
            say("--enterprise-client-id", enterprise.client.client_id.as_str());
            if let Some(redirect) = &enterprise.client.redirect_uri {
                say("--enterprise-redirect-uri", redirect.as_str());
            }
            if enterprise.client.secret.is_some() {
                say("--enterprise-client-secret-file", "FILE");
            }
            if enterprise.client.key.is_some() {
                say("--enterprise-client-key-file", "FILE");
            }
            if let Who::Given(_) = enterprise.who {
                say("--id-token-file", "FILE");
            }
        }
        Grant::Assertion(_) => say("--assertion-file", "FILE"),
        Grant::ClientCredentials => words.push("--client-credentials".to_owned()),
        Grant::Code | Grant::Device | Grant::TakenOver(_) => {}
    }
    if target.dpop == Dpop::Always {
        words.push("--dpop".to_owned());
    }
    words.extend(target.also_typed.iter().map(|text| word(text)));
    words.push(word(target.resource.as_str()));
    words.join(" ")
}

/// The command with which a person logs in at an MCP server as one of their accounts.
pub(crate) fn log_in(resource: &ResourceId, account: Option<&str>) -> String {
    let account = account.map(|name| format!("--account {} ", word(name))).unwrap_or_default();
    format!("doorward login {account}{}", word(resource.as_str()))
}

/// A text as one word of a shell's command.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@=+,%".contains(c);
    if text.is_empty() || !text.chars().all(|c| plain(c) || c == ' ') {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    // Those of Windows know no other quotes.
    if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use doorward_types::{ClientId, Issuer, RedirectUri, Secret};

    use super::*;
    use crate::target::{Audience, AuthorizeParameter, Enterprise, MetadataDocument, PreRegistered};
    use crate::{Code, Failed};

    #[test]
    fn the_command_makes_the_login_that_is_wanted() {
        let mut target = Target::new("https://mcp.example.com/mcp", "t").unwrap();
        assert_eq!(login_command(&target), "doorward login https://mcp.example.com/mcp");
        target.account = Some("tenant1".into());
        target.audience = Some(Audience::parse("https://tenant1.example.net/").unwrap());
        target.authorize = vec![AuthorizeParameter::parse("audience=it's $(id)").unwrap()];
        target.clients = vec![PreRegistered {
            issuer: None,
            client_id: ClientId::parse("mine").unwrap(),
            secret: Some(Secret::parse("s3cret").unwrap()),
            key: None,
            auth_method: None,
            redirect_uri: None,
        }];
        assert_eq!(
            login_command(&target),
            "doorward login --account tenant1 --resource https://tenant1.example.net/ --authorize-param \
             'audience=it'\\''s $(id)' --client-id mine --client-secret-file FILE https://mcp.example.com/mcp"
        );
        let client = target.clients.remove(0);
        target = Target { account: None, ..Target::new("https://mcp.example.com/mcp?a=1&b=2", "t").unwrap() };
        let redirect_uri = RedirectUri::parse("http://127.0.0.1/callback").unwrap();
        target.also_typed = vec!["--client-dir".into(), "/home/ada/my logins".into()];
        target.metadata_document =
            Some(MetadataDocument { url: ClientId::parse("https://me.example/c.json").unwrap(), redirect_uri });
        assert!(target.lenient.tolerate("no-resource") && target.lenient.tolerate("other-issuer"));
        target.dpop = Dpop::Always;
        assert_eq!(
            login_command_with(&target, &["--scope", "a b"]),
            "doorward login --scope \"a b\" --client-metadata-url https://me.example/c.json --tolerate other-issuer \
             --tolerate no-resource --dpop --client-dir \"/home/ada/my logins\" 'https://mcp.example.com/mcp?a=1&b=2'"
        );
        target.grant = Grant::ClientCredentials;
        assert!(login_command(&target).contains(" --client-credentials "));
        let issuer = Issuer::parse("https://idp.example").unwrap();
        target = Target::new("https://mcp.example.com/mcp", "t").unwrap();
        target.grant = Grant::Enterprise(Box::new(Enterprise::new(issuer, client)));
        assert_eq!(
            login_command(&target),
            "doorward login --enterprise-idp https://idp.example --enterprise-client-id mine \
             --enterprise-client-secret-file FILE https://mcp.example.com/mcp"
        );
    }

    #[test]
    fn a_word_of_a_command_is_one_word_and_the_command_is_whole() {
        for (text, word) in [
            ("https://a.example/mcp", "https://a.example/mcp"),
            ("read write", "\"read write\""),
            ("", "''"),
            ("a$(id)", "'a$(id)'"),
            ("a `id`", "'a `id`'"),
            ("it's", "'it'\\''s'"),
            ("a&b", "'a&b'"),
        ] {
            assert_eq!(super::word(text), word);
        }
        let command = format!("doorward login --scope \"{}\" URL", "scope ".repeat(1000));
        assert_eq!(Failed::new(Code::Denied, "no", "why", &command).hint(), command);
    }
}
