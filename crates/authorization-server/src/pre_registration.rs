//! Clients that the operator adds: `doorward client add`.

use doorward_types::{
    ClientId, Entropy, ResourceId, ScopeSet, Secret, Timestamp, messages::ClientMetadata, secret::ClientSecret,
};
use serde_json::Value;

use crate::{
    Policy, Write,
    client_metadata::{self, METHODS, Method},
    display_name, exchange,
    facts::{Client, ClientOrigin},
    members::{Members, MetadataRefusal},
    random, registration,
};

/// The grant types that an operator can give a client.
pub const GRANT_TYPES: [&str; 6] = [
    "authorization_code",
    "refresh_token",
    "urn:ietf:params:oauth:grant-type:device_code",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:grant-type:jwt-bearer",
];

/// What an operator wants of a client.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Its identifier; none for a drawn one. An https URL here counts before any document at that URL.
    pub id: Option<String>,
    /// Its name for people.
    pub name: Option<String>,
    /// Where authorization responses may go.
    pub redirect_uris: Vec<String>,
    /// `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`; none for the first.
    pub method: Option<String>,
    /// Its public keys as a JWK set, for `private_key_jwt`.
    pub jwks: Option<Value>,
    /// Where its public keys are, for `private_key_jwt`.
    pub jwks_uri: Option<String>,
    /// By registered name, of [`GRANT_TYPES`]; empty for `authorization_code` and `refresh_token`.
    pub grant_types: Vec<String>,
    /// The most it may ask for, separated by spaces; none for whatever the resource has.
    pub scope: Option<String>,
    /// All its tokens are bound to a key of its own.
    pub dpop_bound: bool,
    /// It may only authorize with a pushed request.
    pub pushed_only: bool,
    /// The resource whose tokens it may ask about.
    pub protects: Option<String>,
    /// Other resources that it may exchange tokens for.
    pub exchanges_for: Vec<String>,
}

/// Why an operator's wishes make no client. The message names the wish, what is wrong with it, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishRefusal {
    /// An identifier that cannot be one, or that begins like those given to clients that register themselves.
    #[error("the identifier {0:?} cannot be used: {1}")]
    Identifier(String, &'static str),
    /// A redirect URI, a key set or another member breaks a rule.
    #[error(transparent)]
    Description(#[from] MetadataRefusal),
    /// A grant type that does not exist here.
    #[error("the grant type {0:?} does not exist here; use {list}", list = GRANT_TYPES.join(", "))]
    GrantType(String),
    /// A grant type that needs a client which can prove who it is.
    #[error(
        "the grant type {0} needs a client that proves who it is; choose client_secret_basic, client_secret_post or private_key_jwt"
    )]
    NeedsProof(&'static str),
    /// A grant type that needs a redirect URI.
    #[error("the grant type authorization_code needs at least one redirect URI")]
    NeedsRedirectUri,
    /// A redirect URI that no grant type uses.
    #[error("redirect URIs are for the grant type authorization_code, which the client does not have")]
    UselessRedirectUri,
    /// `refresh_token` with nothing to refresh.
    #[error("the grant type refresh_token needs authorization_code, device_code or jwt-bearer beside it")]
    NothingToRefresh,
    /// A resource to exchange for, without the grant type that does it.
    #[error("resources to exchange tokens for are for the grant type token-exchange, which the client does not have")]
    UselessExchange,
    /// A scope that is none, or that no resource has.
    #[error("the scope {0:?} cannot be used: {1}")]
    Scope(String, String),
    /// A resource that is not configured.
    #[error("the resource {0:?} is not configured; known are: {1}")]
    Resource(String, String),
}

/// A client that the operator adds, with its secret, which is shown once.
#[derive(Debug)]
pub struct Added {
    /// The client.
    pub client: Client,
    /// Its secret, for a client that has one.
    pub secret: Option<Secret<ClientSecret>>,
    /// To be committed; a conflict means that the identifier is taken.
    pub writes: Vec<Write>,
}

/// Makes a client of an operator's wishes. It never expires, and nobody manages it but the operator.
///
/// # Errors
/// Names the wish that cannot be had, and why.
pub fn add(policy: &Policy, wishes: &Wishes, now: Timestamp, entropy: &mut dyn Entropy) -> Result<Added, WishRefusal> {
    let id = identifier(wishes, entropy)?;
    let method = method(wishes)?;
    let grant_types = grant_types(wishes, &method)?;
    let redirect_uris = wishes
        .redirect_uris
        .iter()
        .map(|uri| client_metadata::redirect_uri(policy, uri))
        .collect::<Result<Vec<_>, _>>()?;
    let by_browser = grant_types.iter().any(|grant| grant == "authorization_code");
    match (by_browser, redirect_uris.is_empty()) {
        (true, true) => return Err(WishRefusal::NeedsRedirectUri),
        (false, false) => return Err(WishRefusal::UselessRedirectUri),
        _ => {}
    }
    let (authentication, secret) = registration::authentication(method, entropy);
    let client = Client {
        id,
        origin: ClientOrigin::Administrator,
        name: wishes.name.as_deref().and_then(display_name::clean_name),
        redirect_uris,
        authentication,
        grant_types,
        application_type: None,
        scope: scope(policy, wishes)?,
        client_uri: None,
        software_id: None,
        dpop_bound: wishes.dpop_bound,
        pushed_only: wishes.pushed_only,
        protects: wishes.protects.as_deref().map(|text| known(policy, text)).transpose()?,
        exchanges_for: exchanges_for(policy, wishes)?,
        management: None,
        fingerprint: None,
        created_at: now,
        last_used_at: None,
        expires_at: None,
        fresh_until: None,
    };
    Ok(Added { writes: vec![Write::InsertClient(client.clone())], client, secret })
}

/// Removes a client; all its grants end.
pub fn remove(client: &Client, now: Timestamp) -> Vec<Write> {
    vec![Write::DeleteClient { client: client.id.clone(), at: now }]
}

fn identifier(wishes: &Wishes, entropy: &mut dyn Entropy) -> Result<ClientId, WishRefusal> {
    let Some(text) = &wishes.id else {
        return Ok(ClientId::parse(random::name("dwca_", entropy)).expect("base64url is a client identifier"));
    };
    let refuse = |why| WishRefusal::Identifier(text.chars().filter(|c| !c.is_control()).take(120).collect(), why);
    if text.starts_with(registration::PREFIX) {
        return Err(refuse("it begins like the identifiers that are given to clients which register themselves"));
    }
    if text.contains(char::is_whitespace) {
        return Err(refuse("it holds a space"));
    }
    ClientId::parse(text.as_str()).map_err(|_| refuse("it is not 1 to 2048 characters of printable ASCII"))
}

/// The keys are judged as those of a registration are.
fn method(wishes: &Wishes) -> Result<Method, WishRefusal> {
    let name = wishes.method.as_deref().unwrap_or(METHODS[0]);
    let said = ClientMetadata {
        token_endpoint_auth_method: Some(name.to_owned()),
        jwks: wishes.jwks.clone(),
        jwks_uri: wishes.jwks_uri.clone(),
        ..ClientMetadata::default()
    };
    let said = serde_json::to_vec(&said).expect("metadata serialises");
    let members = Members::read(&said, registration::MOST_BYTES)?;
    Ok(client_metadata::method(&members)?.unwrap_or(Method::None))
}

fn grant_types(wishes: &Wishes, method: &Method) -> Result<Vec<String>, WishRefusal> {
    let asked: Vec<&str> = match wishes.grant_types.as_slice() {
        [] => GRANT_TYPES[..2].to_vec(),
        named => named.iter().map(String::as_str).collect(),
    };
    if let Some(unknown) = asked.iter().find(|asked| !GRANT_TYPES.contains(asked)) {
        return Err(WishRefusal::GrantType(client_metadata::shorten(unknown)));
    }
    if *method == Method::None
        && let Some(proved) = GRANT_TYPES[3..].iter().find(|grant| asked.contains(grant))
    {
        return Err(WishRefusal::NeedsProof(proved));
    }
    let begins = [GRANT_TYPES[0], GRANT_TYPES[2], GRANT_TYPES[5]];
    if asked.contains(&"refresh_token") && !begins.iter().any(|grant| asked.contains(grant)) {
        return Err(WishRefusal::NothingToRefresh);
    }
    Ok(GRANT_TYPES.into_iter().filter(|known| asked.contains(known)).map(ToOwned::to_owned).collect())
}

fn scope(policy: &Policy, wishes: &Wishes) -> Result<Option<ScopeSet>, WishRefusal> {
    let Some(text) = &wishes.scope else { return Ok(None) };
    let refuse = |why: String| WishRefusal::Scope(client_metadata::shorten(text), why);
    let asked = ScopeSet::parse(text.trim()).map_err(|rule| refuse(rule.to_string()))?;
    let known = policy.resources.iter().fold(ScopeSet::none(), |all, resource| all.union(&resource.scopes));
    if asked.is_empty() || !known.covers(&asked) {
        return Err(refuse(format!("known are: {known}")));
    }
    Ok(Some(asked))
}

fn exchanges_for(policy: &Policy, wishes: &Wishes) -> Result<Vec<ResourceId>, WishRefusal> {
    if !wishes.exchanges_for.is_empty() && !wishes.grant_types.iter().any(|grant| grant == exchange::GRANT_TYPE) {
        return Err(WishRefusal::UselessExchange);
    }
    let mut all = wishes.exchanges_for.iter().map(|text| known(policy, text)).collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    all.dedup();
    Ok(all)
}

fn known(policy: &Policy, text: &str) -> Result<ResourceId, WishRefusal> {
    let found = ResourceId::parse(text).ok().filter(|id| policy.resource(id).is_some());
    found.ok_or_else(|| {
        let known: Vec<_> = policy.resources.iter().map(|resource| resource.id.as_str()).collect();
        WishRefusal::Resource(client_metadata::shorten(text), known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::ClientAuthentication;
    use crate::fixtures::{R1, at, entropy, policy};

    fn add_with(change: impl FnOnce(&mut Wishes)) -> Result<Added, WishRefusal> {
        let mut wishes = Wishes { redirect_uris: vec!["https://a.example/cb".into()], ..Wishes::default() };
        change(&mut wishes);
        add(&policy(), &wishes, at(0), &mut entropy())
    }

    #[test]
    fn an_operator_gets_the_client_that_was_asked_for() {
        // proves: CIMD-16, R7591-11, CID-16
        let public = add_with(|_| ()).unwrap();
        assert!(public.secret.is_none() && public.client.expires_at.is_none() && public.client.management.is_none());
        assert_eq!(public.client.origin, ClientOrigin::Administrator);
        assert_eq!(public.client.grant_types, ["authorization_code", "refresh_token"]);
        assert!(!public.client.id.as_str().starts_with("https://"));
        let [Write::InsertClient(row)] = public.writes.as_slice() else { panic!("{public:?}") };
        assert_eq!(*row, public.client);
        let machine = add_with(|wishes| {
            wishes.redirect_uris.clear();
            wishes.method = Some("client_secret_basic".into());
            wishes.grant_types = vec!["client_credentials".into()];
            wishes.protects = Some(R1.into());
            wishes.scope = Some("mcp:read".into());
        })
        .unwrap();
        let secret = machine.secret.unwrap();
        assert_eq!(machine.client.authentication, ClientAuthentication::SecretBasic(secret.digest()));
        assert_eq!(machine.client.protects.unwrap().as_str(), R1);
        let url = add_with(|wishes| wishes.id = Some("https://app.example/client.json".into())).unwrap();
        assert_eq!(url.client.id.as_str(), "https://app.example/client.json");
    }

    #[test]
    fn a_wish_that_cannot_be_had_is_named() {
        let refused = |change: &dyn Fn(&mut Wishes)| add_with(change).unwrap_err();
        use WishRefusal as W;
        assert!(matches!(refused(&|w| w.redirect_uris.clear()), W::NeedsRedirectUri));
        assert!(matches!(refused(&|w| w.id = Some("dwcl_mine".into())), W::Identifier(..)));
        assert!(matches!(refused(&|w| w.id = Some("a b".into())), W::Identifier(..)));
        let W::Identifier(shown, _) = refused(&|w| w.id = Some("a\u{1b}[31m b\r\n".into())) else { panic!() };
        assert_eq!(shown, "a[31m b");
        assert!(matches!(refused(&|w| w.grant_types = vec!["password".into()]), W::GrantType(_)));
        for grant in &GRANT_TYPES[3..] {
            let refusal = refused(&|w| w.grant_types = vec![(*grant).to_owned(), "authorization_code".into()]);
            assert_eq!(refusal, W::NeedsProof(grant));
        }
        let secret = |w: &mut Wishes| w.method = Some("client_secret_post".into());
        assert!(matches!(
            refused(&|w| {
                secret(w);
                w.grant_types = vec!["client_credentials".into()];
            }),
            W::UselessRedirectUri
        ));
        assert!(matches!(
            refused(&|w| {
                secret(w);
                w.grant_types = vec!["client_credentials".into(), "refresh_token".into()];
            }),
            W::NothingToRefresh
        ));
        assert!(matches!(refused(&|w| w.scope = Some("mcp:all".into())), W::Scope(..)));
        assert!(matches!(refused(&|w| w.scope = Some(" ".into())), W::Scope(..)));
        assert!(matches!(refused(&|w| w.protects = Some("https://b.example/".into())), W::Resource(..)));
        assert!(matches!(refused(&|w| w.exchanges_for = vec![R1.into()]), W::UselessExchange));
        let for_nothing = |w: &mut Wishes| {
            secret(w);
            w.redirect_uris.clear();
            w.grant_types = vec!["client_credentials".into()];
            w.exchanges_for = vec![R1.into()];
        };
        assert!(matches!(refused(&for_nothing), W::UselessExchange));
        let elsewhere = |w: &mut Wishes| {
            secret(w);
            w.redirect_uris.clear();
            w.grant_types = vec![exchange::GRANT_TYPE.into()];
            w.exchanges_for = vec!["https://b.example/".into()];
        };
        assert!(matches!(refused(&elsewhere), W::Resource(..)));
        for (change, named) in [
            (
                Box::new(|w: &mut Wishes| w.redirect_uris.push("http://b.example/cb".into()))
                    as Box<dyn Fn(&mut Wishes)>,
                "http://b.example/cb",
            ),
            (Box::new(|w: &mut Wishes| w.method = Some("private_key_jwt".into())), "jwks"),
            (Box::new(|w: &mut Wishes| w.method = Some("client_secret_jwt".into())), "client_secret_jwt"),
            (
                Box::new(|w: &mut Wishes| {
                    w.method = Some("private_key_jwt".into());
                    w.jwks = Some(json!({"keys": [{"kty": "oct", "k": "AAAA"}]}));
                }),
                "symmetric",
            ),
        ] {
            let refusal = refused(&*change).to_string();
            assert!(refusal.contains(named), "{refusal}");
        }
    }
}
