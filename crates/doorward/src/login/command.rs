//! The command with which a person makes the login that is wanted.

use doorward_client::{Target, target::Grant, word};

/// The command with which a person logs in at this server.
pub(super) fn login_command(target: &Target) -> String {
    let mut words = vec!["doorward login".to_owned()];
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
    }
    if let Grant::Enterprise(enterprise) = &target.grant {
        say("--enterprise-idp", enterprise.issuer.as_str());
        say("--enterprise-client-id", enterprise.client.client_id.as_str());
        if let Some(redirect) = &enterprise.client.redirect_uri {
            say("--enterprise-redirect-uri", redirect.as_str());
        }
        if enterprise.client.secret.is_some() {
            say("--enterprise-client-secret-file", "FILE");
        }
    }
    words.push(word(target.resource.as_str()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use doorward_client::target::{Audience, AuthorizeParameter, Enterprise, PreRegistered};
    use doorward_types::{ClientId, Issuer, Secret};

    use super::*;

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
        let issuer = Issuer::parse("https://idp.example").unwrap();
        target = Target::new("https://mcp.example.com/mcp", "t").unwrap();
        target.grant = Grant::Enterprise(Box::new(Enterprise::new(issuer, client)));
        assert_eq!(
            login_command(&target),
            "doorward login --enterprise-idp https://idp.example --enterprise-client-id mine \
             --enterprise-client-secret-file FILE https://mcp.example.com/mcp"
        );
    }
}
