//! The commands that a person is told to type.

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
    if let Some(scope) = target.scope.as_ref().filter(|_| !more.contains(&"--scope")) {
        say("--scope", &scope.to_string());
    }
    for own in &target.authorize {
        say("--authorize-param", &format!("{}={}", own.name(), own.value()));
    }
    let mut redirect = target.redirect_uri.as_ref();
    if let [own] = &target.clients[..] {
        redirect = own.redirect_uri.as_ref();
        say("--client-id", own.client_id.as_str());
        if let Some(issuer) = &own.issuer {
            say("--client-issuer", issuer.as_str());
        }
        if own.secret.is_some() {
            say("--client-secret-file", "FILE");
        }
        if let Some(key) = &own.key {
            say("--client-key-file", "FILE");
            if let Some(kid) = key.kid() {
                say("--client-key-id", kid);
            }
        }
    }
    if let Some(redirect) = redirect.filter(|_| !more.contains(&"--redirect-uri")) {
        say("--redirect-uri", redirect.as_str());
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

/// A text as one word of a shell's command.
pub fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@=+,%".contains(c);
    if text.is_empty() || !text.chars().all(|c| plain(c) || c == ' ') {
        return format!("'{}'", text.replace('\'', "'\\''"));
    }
    // Those of Windows know no other quotes.
    if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() }
}

/// Whether what a server has chosen can stand in a command for every shell: those of Windows know no quotes but ", and put
/// something else in the place of what stands between two %.
pub fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_alphanumeric() || "-_./:@=+, ".contains(c);
    !text.is_empty() && !text.starts_with('-') && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use doorward_types::{ClientId, Issuer, RedirectUri, ScopeSet, Secret};

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
            issuer: Some(Issuer::parse("https://as.example").unwrap()),
            client_id: ClientId::parse("mine").unwrap(),
            secret: Some(Secret::parse("s3cret").unwrap()),
            key: None,
            auth_method: None,
            redirect_uri: None,
        }];
        target.scope = Some(ScopeSet::parse("a b").unwrap());
        assert_eq!(
            login_command(&target),
            "doorward login --account tenant1 --resource https://tenant1.example.net/ --scope \"a b\" --authorize-param \
             'audience=it'\\''s $(id)' --client-id mine --client-issuer https://as.example --client-secret-file FILE \
             https://mcp.example.com/mcp"
        );
        let with_more = login_command_with(&target, &["--scope", "a b c"]);
        assert_eq!(with_more.matches("--scope").count(), 1, "{with_more}");
        let client = target.clients.remove(0);
        target = Target { account: None, ..Target::new("https://mcp.example.com/mcp?a=1&b=2", "t").unwrap() };
        let redirect_uri = RedirectUri::parse("http://127.0.0.1/callback").unwrap();
        target.redirect_uri = Some(RedirectUri::parse("http://localhost:8763/callback").unwrap());
        target.also_typed = vec!["--client-dir".into(), "/home/ada/my logins".into()];
        target.metadata_document =
            Some(MetadataDocument { url: ClientId::parse("https://me.example/c.json").unwrap(), redirect_uri });
        assert!(target.lenient.tolerate("no-resource") && target.lenient.tolerate("other-issuer"));
        target.dpop = Dpop::Always;
        assert_eq!(
            login_command_with(&target, &["--scope", "a b"]),
            "doorward login --scope \"a b\" --redirect-uri http://localhost:8763/callback --client-metadata-url \
             https://me.example/c.json --tolerate other-issuer --tolerate no-resource --dpop --client-dir \"/home/ada/my logins\" 'https://mcp.example.com/mcp?a=1&b=2'"
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
    fn what_a_server_has_chosen_stands_in_a_command_only_where_no_shell_reads_more_into_it() {
        for plain in ["read write", "https://a.example/mcp:read", "api://x/read"] {
            assert!(is_plain(plain), "{plain}");
        }
        for other in
            ["", "x&calc", "a|b", "a<b", "a>b", "%PATH%", "a^b", "a'b", "a`b", "$(id)", "~x", "-x", "!x", "a\nb"]
        {
            assert!(!is_plain(other), "{other}");
        }
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
