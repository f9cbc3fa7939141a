//! Where well-known authorization servers differ from the rule, as data: `providers.toml`, read when it is first asked for.

use std::sync::LazyLock;

use serde::Deserialize;
use url::Url;

use crate::{Issuer, Scope, ScopeSet};

/// How an application gets its identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Registers {
    /// Only by hand.
    ByHand,
    /// By itself, with a token of an administrator.
    WithToken,
    /// By itself, unless an administrator has closed that.
    IfAllowed,
}

/// What becomes of the `resource` parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceParameter {
    /// It is used, or nothing is known.
    #[default]
    Sent,
    /// A request with it fails.
    Refused,
    /// It changes nothing.
    Ignored,
}

/// One provider, with the date and the sources of what is said about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// Its name.
    pub name: String,
    issuers: Vec<String>,
    /// How an application gets its identifier.
    pub registration: Registers,
    /// The page where a person registers one.
    #[serde(default)]
    pub register_at: Option<String>,
    /// What to choose there.
    pub register_as: String,
    /// The redirect URI to register, with a port where the provider compares it.
    pub redirect_uri: String,
    /// Whether the token endpoint wants a secret from native applications too.
    #[serde(default)]
    pub secret: bool,
    /// What becomes of the `resource` parameter.
    #[serde(default)]
    pub resource: ResourceParameter,
    /// Whether a refresh has to name its scopes.
    #[serde(default)]
    pub scope_on_refresh: bool,
    /// What to add to an authorization request, in this order.
    #[serde(default)]
    pub authorize: Vec<(String, String)>,
    /// Whether PKCE with S256 works although the metadata does not list it.
    #[serde(default)]
    pub pkce_unlisted: bool,
    /// Which of its issuers vouch for a person at other servers (ID-JAG); none where nothing is known of that.
    #[serde(default)]
    id_jag: Option<Vec<String>>,
    /// What stands between scopes in a token answer, where that is no space.
    #[serde(default)]
    pub scope_separator: Option<char>,
    /// One more thing to know.
    #[serde(default)]
    pub note: Option<String>,
    /// When this was last compared with the sources, as `2026-11-27`.
    pub checked: String,
    /// Where it says so.
    pub sources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    provider: Vec<Provider>,
}

static PROVIDERS: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let table: Table = toml::from_str(include_str!("../providers.toml")).expect("a test reads the table");
    table.provider
});

/// All providers.
pub fn all() -> &'static [Provider] {
    &PROVIDERS
}

/// The provider whose issuer this is, if it is one that is known to differ.
pub fn of(issuer: &Issuer) -> Option<&'static Provider> {
    let url = issuer.url();
    PROVIDERS.iter().find(|provider| provider.issuers.iter().any(|pattern| matches(pattern, &url)))
}

impl Provider {
    /// Whether only the provider itself can have such an issuer. Software that everybody runs is known by its paths alone,
    /// which anybody can choose.
    pub fn has_hosts_of_its_own(&self) -> bool {
        !self.issuers.iter().any(|pattern| pattern.starts_with("https://*/"))
    }

    /// Why an ID-JAG is hardly to be had from this issuer of the provider, in words for a person.
    ///
    /// Source: draft-ietf-oauth-identity-assertion-authz-grant section 4.3.
    pub fn doubt_id_jag(&self, issuer: &Issuer) -> Option<String> {
        let vouching = self.id_jag.as_ref()?;
        if vouching.iter().any(|pattern| matches(pattern, &issuer.url())) {
            return None;
        }
        let (name, checked) = (&self.name, &self.checked);
        Some(match vouching.first() {
            None => format!("{name} was not known to issue ID-JAGs on {checked}"),
            Some(pattern) => {
                format!("{name} issues ID-JAGs as {pattern} and not as {issuer}, as far as known on {checked}")
            }
        })
    }

    /// The scopes of a token answer, parted as this provider parts them.
    pub fn granted(&self, answered: &ScopeSet) -> ScopeSet {
        let Some(separator) = self.scope_separator else { return answered.clone() };
        let text = answered.to_string();
        text.split([separator, ' ']).filter_map(|scope| Scope::parse(scope.trim()).ok()).collect()
    }
}

/// Whether an issuer is one of those that a pattern describes. Scheme and port are as usual, or it is not.
fn matches(pattern: &str, issuer: &Url) -> bool {
    let Some((host, path)) = pattern.strip_prefix("https://").map(|rest| rest.split_once('/').unwrap_or((rest, "")))
    else {
        return false;
    };
    if issuer.scheme() != "https" || issuer.port().is_some() {
        return false;
    }
    let fits = |wanted: &str, found: &str| wanted == found || (wanted == "*" && !found.is_empty());
    let Some(own_host) = issuer.host_str() else { return false };
    // A star alone is any host at all, for software that everybody runs under a name of their own.
    let hosts = host == "*" || parts_fit(host.split('.').collect(), own_host.split('.').collect(), fits);
    let own_path: Vec<_> = issuer.path().trim_matches('/').split('/').collect();
    let path: Vec<_> = path.split('/').collect();
    match path.split_last() {
        Some((&"**", first)) => {
            hosts && own_path.len() >= first.len() && parts_fit(first.to_vec(), own_path[..first.len()].to_vec(), fits)
        }
        _ => hosts && parts_fit(path, own_path, fits),
    }
}

fn parts_fit(wanted: Vec<&str>, found: Vec<&str>, fits: impl Fn(&str, &str) -> bool) -> bool {
    wanted.len() == found.len() && wanted.iter().zip(&found).all(|(wanted, found)| fits(wanted, found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RedirectUri;

    fn name(issuer: &str) -> Option<&'static str> {
        of(&Issuer::parse(issuer).unwrap()).map(|provider| provider.name.as_str())
    }

    #[test]
    fn every_entry_can_be_read_is_dated_and_has_its_sources() {
        assert!(all().len() >= 8);
        for provider in all() {
            let date: Vec<_> = provider.checked.split('-').map(str::len).collect();
            assert_eq!(date, [4, 2, 2], "{}", provider.name);
            assert!(!provider.sources.is_empty() && !provider.issuers.is_empty(), "{}", provider.name);
            for pattern in provider.id_jag.iter().flatten() {
                assert!(provider.issuers.contains(pattern), "{pattern}");
            }
            for url in provider.sources.iter().chain(&provider.register_at) {
                assert_eq!(Url::parse(url).unwrap().scheme(), "https", "{url}");
            }
            let redirect = RedirectUri::parse(provider.redirect_uri.as_str()).unwrap();
            assert!(matches!(redirect.kind(), crate::redirect::Kind::Loopback { .. }), "{redirect}");
        }
    }

    #[test]
    fn a_provider_is_found_by_its_issuer_and_by_nothing_like_it() {
        for (issuer, wanted) in [
            ("https://github.com/login/oauth", Some("GitHub")),
            ("https://github.com/login", None),
            ("https://login.microsoftonline.com/3aa4a235-b6e2-48d5-9195-7fcf05b459b0/v2.0", Some("Microsoft Entra ID")),
            ("https://login.microsoftonline.com/v2.0", None),
            ("https://login.microsoftonline.com.evil.example/t/v2.0", None),
            ("https://accounts.google.com", Some("Google")),
            ("https://accounts.google.com/", Some("Google")),
            ("https://accounts.google.com:8443", None),
            ("http://localhost/realms/one", None),
            ("https://tenant.okta.com/oauth2/default", Some("Okta")),
            ("https://okta.com", None),
            ("https://tenant.eu.auth0.com/", Some("Auth0")),
            ("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_x", Some("Amazon Cognito")),
            ("https://id.example.com/realms/one", Some("Keycloak")),
            ("https://id.example.com/realms/one/more", None),
            ("https://auth.pingone.eu/1/as", Some("PingOne")),
            ("https://as.example", None),
        ] {
            assert_eq!(name(issuer), wanted, "{issuer}");
        }
    }

    #[test]
    fn an_issuer_that_hardly_vouches_for_anybody_is_told() {
        for (issuer, wanted) in [
            ("https://tenant.okta.com", None),
            (
                "https://tenant.okta.com/oauth2/default",
                Some("Okta issues ID-JAGs as https://*.okta.com and not as https"),
            ),
            ("https://id.example.com/realms/one", Some("Keycloak was not known to issue ID-JAGs on 20")),
            ("https://tenant.eu.auth0.com/", Some("Auth0 was not known to issue ID-JAGs on 20")),
            ("https://accounts.google.com", None),
        ] {
            let issuer = Issuer::parse(issuer).unwrap();
            let doubt = of(&issuer).unwrap().doubt_id_jag(&issuer);
            assert_eq!(doubt.is_some(), wanted.is_some(), "{issuer}: {doubt:?}");
            assert!(doubt.unwrap_or_default().starts_with(wanted.unwrap_or_default()), "{issuer}");
        }
    }

    #[test]
    fn scopes_that_are_parted_otherwise_are_read() {
        let github = of(&Issuer::parse("https://github.com/login/oauth").unwrap()).unwrap();
        let answered = ScopeSet::parse("repo,gist").unwrap();
        assert_eq!(github.granted(&answered), ScopeSet::parse("repo gist").unwrap());
        let google = of(&Issuer::parse("https://accounts.google.com").unwrap()).unwrap();
        assert_eq!(google.granted(&answered), answered);
    }
}
