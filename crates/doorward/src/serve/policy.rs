//! What the operator decided, in one place: flags become the policy, or a sentence on why they cannot.

use std::time::Duration;

use doorward_authorization_server::policy::{Ceiling, Enterprise, Lifetimes, Policy, Resource};
use doorward_types::{Issuer, Permission, ResourceId, ScopeSet};

use crate::{
    cli::{self, OnOff, Registration},
    failure::{Exit, Failure},
};

/// Whether the environment names a proxy for requests to other hosts.
pub(crate) fn is_behind_proxy() -> bool {
    let named = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    named.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Builds the policy of a gateway for its own resource and those that check its tokens themselves.
pub(crate) fn build(
    clients: &cli::Clients,
    lifetimes: &cli::Lifetimes,
    issuer: &Issuer,
    resource: Resource,
    behind_proxy: bool,
) -> Result<Policy, Box<Failure>> {
    let registration = clients.registration == Registration::Open;
    if clients.dcr_confidential && !registration {
        return Err(contradiction(
            "--dcr-confidential and --registration closed",
            "no app registers itself, so none can be given a secret that way",
            "leave one of the two away",
        ));
    }
    if clients.client_documents == OnOff::On && behind_proxy {
        return Err(contradiction(
            "--client-documents on, and a proxy in the environment",
            "documents are read over direct connections, whose addresses are checked; a proxy would reach into your network",
            "leave --client-documents away, or start without HTTPS_PROXY and ALL_PROXY",
        ));
    }
    Ok(Policy {
        resources: resources(clients, resource)?,
        lifetimes: Lifetimes {
            access_token: Duration::from_secs(lifetimes.access_token_seconds),
            refresh_idle: lifetimes.refresh_idle.0,
            refresh_grace: lifetimes.refresh_grace.0,
            grant: lifetimes.grant_max.0,
            ..Lifetimes::default()
        },
        registration,
        registration_confidential: clients.dcr_confidential,
        client_documents: match clients.client_documents {
            OnOff::On => true,
            OnOff::Off => false,
            OnOff::Auto => !behind_proxy,
        },
        pushed_only: clients.require_par,
        dpop_only: clients.require_dpop,
        refresh_only_when_asked: clients.refresh_only_when_asked,
        enterprises: enterprises(clients, issuer)?,
        strangers: strangers(lifetimes)?,
        ..Policy::new(issuer.clone())
    })
}

/// The gateway's own resource comes first.
fn resources(clients: &cli::Clients, own: Resource) -> Result<Vec<Resource>, Box<Failure>> {
    let mut all = vec![own];
    for text in &clients.also_resource {
        let refuse = |why: &dyn std::fmt::Display| {
            Failure::new(
                "CFG-09",
                Exit::Configuration,
                format!("{text} is not a server to issue tokens for"),
                why,
                "give a name for people and the server's MCP URL, such as --also-resource Tickets=https://tickets.example.com/mcp",
            )
        };
        let (name, url) = text.split_once('=').ok_or_else(|| refuse(&"it has no = between a name and a URL"))?;
        let name = name.trim();
        if name.is_empty() || name.contains("://") {
            return Err(refuse(&"it has no name before the ="));
        }
        let id = ResourceId::parse(url).map_err(|refusal| refuse(&refusal))?;
        if all.iter().any(|known| known.id == id) {
            return Err(refuse(&"that server is named already, or is this gateway's own"));
        }
        all.push(Resource { id, name: name.to_owned(), scopes: Permission::all_scopes() });
    }
    Ok(all)
}

fn enterprises(clients: &cli::Clients, own: &Issuer) -> Result<Vec<Enterprise>, Box<Failure>> {
    let mut all: Vec<Enterprise> = Vec::new();
    for text in &clients.enterprise_issuer {
        let refuse = |why: &dyn std::fmt::Display| {
            Failure::new(
                "CFG-08",
                Exit::Configuration,
                format!("{text} cannot be an enterprise's issuer"),
                why,
                "give the issuer URL of its identity provider, such as --enterprise-issuer https://login.example.com",
            )
        };
        let issuer = Issuer::parse(text.as_str()).map_err(|refusal| refuse(&refusal))?;
        if issuer == *own {
            return Err(refuse(&"it is this gateway itself, which could then vouch for its own clients"));
        }
        if !all.iter().any(|known| known.issuer == issuer) {
            all.push(Enterprise { issuer, jwks_uri: None });
        }
    }
    Ok(all)
}

/// The ceiling over apps that the operator did not add. One above the common limit would say something that is not so.
fn strangers(lifetimes: &cli::Lifetimes) -> Result<Ceiling, Box<Failure>> {
    let (common, own) = (lifetimes.grant_max.0, lifetimes.stranger_grant_max.0);
    if let (Some(common), Some(own)) = (common, own)
        && own > common
    {
        return Err(contradiction(
            "--stranger-grant-max is longer than --grant-max",
            "the shorter one counts for everybody, so the longer one would never be reached",
            "make --stranger-grant-max the shorter one",
        ));
    }
    if lifetimes.stranger_refresh_idle.is_some_and(|idle| idle > lifetimes.refresh_idle) {
        return Err(contradiction(
            "--stranger-refresh-idle is longer than --refresh-idle",
            "it is a limit for apps that you did not add, and they would get more than those that you did",
            "make --stranger-refresh-idle the shorter one",
        ));
    }
    let scope = lifetimes.stranger_scope.as_deref().map(ScopeSet::parse).transpose().map_err(|refusal| {
        contradiction("--stranger-scope cannot be read", refusal, "write scopes parted by spaces, such as mcp:read")
    })?;
    Ok(Ceiling { grant: own, refresh_idle: lifetimes.stranger_refresh_idle.map(|idle| idle.0), scope })
}

fn contradiction(what: &str, why: impl std::fmt::Display, next: &str) -> Box<Failure> {
    Failure::new("CFG-07", Exit::Configuration, what, why, next)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn built(flags: &str, behind_proxy: bool) -> Result<Policy, Box<Failure>> {
        let words = format!("doorward serve {flags} -- true");
        let arguments = cli::Arguments::try_parse_from(words.split_whitespace()).unwrap();
        let cli::Command::Serve(serve) = arguments.command else { panic!("it is serve") };
        let resource = Resource {
            id: ResourceId::parse("https://gw.example/mcp").unwrap(),
            name: "Files".into(),
            scopes: Permission::all_scopes(),
        };
        build(&serve.clients, &serve.lifetimes, &Issuer::parse("https://gw.example").unwrap(), resource, behind_proxy)
    }

    #[test]
    fn flags_become_the_policy() {
        let policy = built("", false).unwrap();
        assert!(policy.registration && policy.client_documents);
        assert!(!policy.pushed_only && !policy.dpop_only && !policy.registration_confidential);
        let all = "--registration closed --client-documents off --require-par --require-dpop --refresh-idle 8h \
                   --refresh-grace 0s --grant-max 90d --stranger-grant-max 30d --stranger-refresh-idle 1h \
                   --stranger-scope mcp:read --enterprise-issuer https://idp.example \
                   --also-resource Tickets=https://tickets.example/mcp";
        let policy = built(all, false).unwrap();
        assert!(!policy.registration && !policy.client_documents && policy.pushed_only && policy.dpop_only);
        assert_eq!(policy.lifetimes.refresh_grace, Duration::ZERO);
        assert_eq!(policy.lifetimes.grant, Some(Duration::from_secs(90 * 86_400)));
        assert_eq!(policy.strangers.refresh_idle, Some(Duration::from_secs(3600)));
        assert_eq!(policy.strangers.scope.as_ref().map(ToString::to_string).as_deref(), Some("mcp:read"));
        assert_eq!(policy.enterprises.len(), 1);
        let named = policy.resources.iter().map(|resource| (resource.name.as_str(), resource.id.as_str()));
        let expected = [("Files", "https://gw.example/mcp"), ("Tickets", "https://tickets.example/mcp")];
        assert_eq!(named.collect::<Vec<_>>(), expected);
        assert!(!built("", true).unwrap().client_documents, "behind a proxy documents cannot be read");
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_a_reason() {
        // proves: ADM-06
        for (flags, behind_proxy) in [
            ("--dcr-confidential --registration closed", false),
            ("--client-documents on", true),
            ("--grant-max 8h --stranger-grant-max 30d", false),
            ("--refresh-idle 8h --stranger-refresh-idle 9h", false),
            ("--enterprise-issuer https://gw.example", false),
            ("--enterprise-issuer http://idp.example", false),
            ("--enterprise-issuer idp.example", false),
            ("--stranger-scope \u{e9}", false),
            ("--also-resource https://tickets.example/mcp", false),
            ("--also-resource =https://tickets.example/mcp", false),
            ("--also-resource Tickets=tickets.example", false),
            ("--also-resource Files=https://gw.example/mcp", false),
            ("--also-resource A=https://a.example/mcp,B=https://a.example/mcp", false),
        ] {
            let failure = built(flags, behind_proxy).unwrap_err();
            assert_eq!(failure.exit, Exit::Configuration, "{flags}");
            assert!(failure.why.len() > 10 && failure.next.len() > 10, "{flags}: {failure:?}");
        }
    }

    #[test]
    fn what_is_dangerous_cannot_even_be_said() {
        // proves: ADM-06, HTTP-04
        for bad in [
            "--trusted-proxy 0.0.0.0/0",
            "--trusted-proxy ::/0",
            "--refresh-grace 121s",
            "--access-token-seconds 86401",
            "--revocation-bound 0s",
            "--refresh-idle 0s",
        ] {
            let words = format!("doorward serve {bad} -- true");
            assert!(cli::Arguments::try_parse_from(words.split_whitespace()).is_err(), "{bad}");
        }
    }
}
