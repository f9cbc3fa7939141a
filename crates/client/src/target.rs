//! What the user wants to connect to, and how.

use doorward_types::{
    ClientId, Issuer, ResourceId, ScopeSet, Secret, Timestamp, outbound::Reach, redirect::RedirectUri, secret, web_url,
};

use crate::{
    AuthMethod, Code, Failed, Registration, StoredIdentity, StoredTokens,
    store::{Got, Key},
};

pub use crate::{
    bound::PreRegistered,
    extra::{Audience, AuthorizeParameter, InvalidAudience, InvalidParameter},
};

/// The MCP server to connect to, and the user's wishes. [`Target::new`] gives the usual ones.
#[derive(Clone, Debug)]
pub struct Target {
    /// The MCP server's URL.
    pub resource: ResourceId,
    /// The name that a person sees on the consent page.
    pub client_name: String,
    /// The user's own name for one of several accounts.
    pub account: Option<String>,
    /// What else stands in a command that a person is told to type so that it is about this same login, such as the folder
    /// of the logins: words that are not quoted yet.
    pub also_typed: Vec<String>,
    /// Whom the sign-in page may take the person for, such as an e-mail address.
    pub login_hint: Option<String>,
    /// Clients that the user got from the provider.
    pub clients: Vec<PreRegistered>,
    /// Clients that the user has at several providers: the one for the authorization server at hand is used, and where
    /// there is none they say nothing.
    pub clients_elsewhere: Vec<PreRegistered>,
    /// The client ID metadata document that stands for this program.
    pub metadata_document: Option<MetadataDocument>,
    /// Where the browser comes back to, on loopback, when this program registers its client; with a port in it, that port
    /// and no other. `None` means a path that nobody can guess, at any port.
    pub redirect_uri: Option<RedirectUri>,
    /// What the sign-in page wants to know besides.
    pub authorize: Vec<AuthorizeParameter>,
    /// What the authorization server is told that the token is for, in place of the MCP server's own identifier. The use
    /// of it is told as a [`Note`](crate::Note). The token goes to the MCP server all the same, and nowhere else.
    pub audience: Option<Audience>,
    /// How a token is got.
    pub grant: Grant,
    /// Whether tokens are bound to a key.
    pub dpop: Dpop,
    /// Exactly these scopes, whatever the server suggests.
    pub scope: Option<ScopeSet>,
    /// What was asked for before; it is asked for again, so that a step-up loses nothing.
    pub requested_before: Option<ScopeSet>,
    /// The authorization server of the last login at this MCP server. It is preferred when it is still listed.
    pub known_issuer: Option<Issuer>,
    /// Which addresses discovery may reach.
    pub reach: Reach,
    /// What the user tolerates from this server.
    pub lenient: Lenient,
    /// Of stored logins only this one.
    pub only: Option<Key>,
}

/// How a token is got.
#[derive(Clone, Debug, Default)]
pub enum Grant {
    /// A person signs in with a browser that comes back to this computer.
    #[default]
    Code,
    /// A person signs in with a browser anywhere and types a code.
    Device,
    /// The client asks for itself, without a person. It must have come from the provider, with a secret or a key.
    ClientCredentials,
    /// Somebody whom the authorization server trusts says who it is: a workload's own identity. Of several assertions the
    /// one for this server that has not expired is shown.
    Assertion(Vec<Secret<secret::Assertion>>),
    /// The organisation's identity provider decides.
    Enterprise(Box<Enterprise>),
    /// Another program got it.
    TakenOver(Box<TakenOver>),
}

/// An organisation's identity provider, and who the person is there.
#[derive(Clone, Debug)]
pub struct Enterprise {
    /// The identity provider.
    pub issuer: Issuer,
    /// This program as the identity provider knows it.
    pub client: PreRegistered,
    /// How it is known who the person is.
    pub who: Who,
    /// Which addresses its documents and endpoints may lie at, where the MCP server's own allow no more.
    pub reach: Reach,
}

/// How it is known who the person is at their organisation.
#[derive(Clone, Debug)]
pub enum Who {
    /// Somebody else signed them in there: this is the ID token that came of it.
    Given(Secret<secret::Assertion>),
    /// They sign in there themselves, once for all servers that believe that identity provider. What is kept of an earlier
    /// sign-in is used for as long as it is good.
    SignsIn(By),
}

/// How a person signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// With a browser that comes back to this computer.
    Browser,
    /// With a browser anywhere, by typing a code.
    Device,
}

impl Enterprise {
    /// An identity provider at which the person signs in with a browser; at a private address only when it is named by one.
    pub fn new(issuer: Issuer, client: PreRegistered) -> Self {
        let reach = reach_of(&issuer.url());
        Self { issuer, client, who: Who::SignsIn(By::Browser), reach }
    }

    /// Whether these tokens rest on this identity provider's word, as far as that is known.
    fn is_behind(&self, tokens: &StoredTokens) -> bool {
        tokens.identity.as_ref().map_or(!self.may_ask(), |identity| identity.key.issuer == self.issuer)
    }

    /// Whether a person may have to sign in.
    pub const fn may_ask(&self) -> bool {
        matches!(self.who, Who::SignsIn(_))
    }
}

impl Grant {
    /// Whether a person may have to be there.
    pub fn may_ask(&self) -> bool {
        match self {
            Self::Enterprise(enterprise) => enterprise.may_ask(),
            other => other.needs_a_person(),
        }
    }

    /// Has the person, if one is needed, sign in in this way.
    pub fn ask_by(&mut self, by: By) {
        match self {
            Self::Enterprise(enterprise) if enterprise.may_ask() => enterprise.who = Who::SignsIn(by),
            Self::Code | Self::Device if by == By::Device => *self = Self::Device,
            Self::Code | Self::Device => *self = Self::Code,
            Self::Enterprise(_) | Self::ClientCredentials | Self::Assertion(_) | Self::TakenOver(_) => {}
        }
    }

    /// Whether a person has to be there in any case.
    pub const fn needs_a_person(&self) -> bool {
        matches!(self, Self::Code | Self::Device)
    }
}

/// What another program holds of a login at the MCP server.
#[derive(Clone, Debug)]
pub struct TakenOver {
    /// The authorization server that gave it, as far as that program noted it.
    pub issuer: Option<String>,
    /// The client that program registered. Without one it is the client that the user names.
    pub client: Option<TheirClient>,
    /// The access token, of type Bearer.
    pub access_token: Secret<secret::AccessToken>,
    /// When it expires, if that is known.
    pub expires_at: Option<Timestamp>,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret<secret::RefreshToken>>,
    /// What was asked for, if that is known.
    pub requested: Option<ScopeSet>,
    /// What was granted, if that is known.
    pub granted: Option<ScopeSet>,
}

/// A client that another program registered.
#[derive(Clone, Debug)]
pub struct TheirClient {
    /// The identifier.
    pub client_id: ClientId,
    /// The secret, if it got one.
    pub secret: Option<Secret<secret::ClientSecret>>,
    /// When the secret ends, if it does.
    pub secret_expires_at: Option<Timestamp>,
    /// How it proves itself, if that is known.
    pub auth_method: Option<AuthMethod>,
    /// The redirect URI that was registered, on loopback.
    pub redirect_uri: RedirectUri,
}

/// Whether tokens are bound to a key, so that a copy of them is good for nothing.
///
/// Source: RFC 9449.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// Where the MCP server says that it wants it, and the authorization server can do it.
    #[default]
    WhenAsked,
    /// Always; a token that is not bound is refused.
    Always,
    /// Never.
    Never,
}

/// A client ID metadata document.
#[derive(Clone, Debug)]
pub struct MetadataDocument {
    /// Its URL, which is the client's identifier.
    pub url: ClientId,
    /// A loopback redirect URI that it lists.
    pub redirect_uri: RedirectUri,
}

/// Rules that the user has switched off for one server, each by name. The use of each is told as a [`Note`](crate::Note).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lenient {
    /// The resource metadata that a challenge names may lie at another origin than the MCP server.
    pub foreign_metadata: bool,
    /// The resource metadata may describe a parent of the MCP server's URL at the same origin.
    pub parent_resource: bool,
    /// The authorization server's metadata may name another issuer. The server stays bound to the one it was asked for.
    pub other_issuer: bool,
    /// The authorization server's metadata may be silent about PKCE. S256 is used all the same.
    pub unlisted_pkce: bool,
    /// The `resource` parameter is left out.
    pub no_resource: bool,
}

impl Lenient {
    /// The names of all rules that can be switched off, with what that means.
    pub const NAMES: &'static [(&'static str, &'static str)] = &[
        ("foreign-metadata", "the server's metadata may lie at another origin"),
        ("parent-resource", "the server's metadata may describe a parent of its URL"),
        ("other-issuer", "the authorization server may call itself by another name"),
        ("unlisted-pkce", "the authorization server need not say that it supports PKCE"),
        ("no-resource", "the authorization server is not told which server the token is for"),
    ];

    /// Switches the rule of this name off; says whether there is one.
    pub fn tolerate(&mut self, name: &str) -> bool {
        let Some(rule) = self.rule(name) else { return false };
        *rule = true;
        true
    }

    /// The names of the rules that are switched off.
    pub fn names(mut self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.iter().map(|(name, _)| *name).filter(move |name| self.rule(name).is_some_and(|off| *off))
    }

    fn rule(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "foreign-metadata" => &mut self.foreign_metadata,
            "parent-resource" => &mut self.parent_resource,
            "other-issuer" => &mut self.other_issuer,
            "unlisted-pkce" => &mut self.unlisted_pkce,
            "no-resource" => &mut self.no_resource,
            _ => return None,
        })
    }
}

impl Target {
    /// Connecting to this URL with the usual wishes: nothing registered beforehand, the scopes that the server
    /// suggests, and private addresses only when the URL itself names one.
    ///
    /// # Errors
    /// When the URL cannot be a protected resource.
    pub fn new(url: &str, client_name: impl Into<String>) -> Result<Self, Failed> {
        let resource = ResourceId::parse(url).map_err(|refusal| {
            let next = match put_right(url) {
                Some(right) => format!("give it as {right}"),
                None => "give an https URL, or an http URL of this computer, as in https://mcp.example.com/mcp".into(),
            };
            Failed::new(Code::BadTarget, "the URL of the MCP server cannot be used", refusal.to_string(), next)
        })?;
        let reach = reach_of(&resource.url());
        Ok(Self {
            resource,
            client_name: client_name.into(),
            account: None,
            also_typed: Vec::new(),
            login_hint: None,
            clients: Vec::new(),
            clients_elsewhere: Vec::new(),
            metadata_document: None,
            redirect_uri: None,
            authorize: Vec::new(),
            audience: None,
            grant: Grant::default(),
            dpop: Dpop::default(),
            scope: None,
            requested_before: None,
            known_issuer: None,
            reach,
            lenient: Lenient::default(),
            only: None,
        })
    }

    /// All clients that the user has.
    pub(crate) fn brought(&self) -> impl Iterator<Item = &PreRegistered> {
        self.clients.iter().chain(&self.clients_elsewhere)
    }

    /// Whether these tokens of an earlier login are what is wanted: got in the way that the user names, if it is one without
    /// a person; by the client that the user names, if there is one for that server; for the audience that they name; bound to a key, if they are to be.
    pub fn takes(&self, tokens: &StoredTokens) -> bool {
        let got_so = match self.grant {
            Grant::Code | Grant::Device | Grant::TakenOver(_) => true,
            Grant::ClientCredentials => tokens.got == Got::ClientCredentials,
            Grant::Assertion(_) => tokens.got == Got::Assertion && tokens.identity.is_none(),
            Grant::Enterprise(ref enterprise) => tokens.got == Got::Assertion && enterprise.is_behind(tokens),
        };
        let issuer = tokens.server.issuer();
        let mut here = self.brought().filter(|own| own.issuer.as_ref().is_none_or(|own| own == issuer)).peekable();
        let by_this = here.peek().is_none() || here.any(|own| &own.client_id == tokens.client.client_id());
        let for_this = self.audience.as_ref().is_none_or(|own| own.as_str() == tokens.audience);
        let is_it = self.only.as_ref().is_none_or(|only| *only == tokens.key());
        is_it && got_so && by_this && for_this && (self.dpop != Dpop::Always || tokens.proof_key.is_some())
    }

    /// The same tokens, whose client proves itself from now on with the secret or the key that the user gives now, if they
    /// give one: the one that is stored may have been replaced at the provider.
    #[must_use]
    pub fn with_own_client(&self, mut tokens: StoredTokens) -> StoredTokens {
        let issuer = tokens.server.issuer();
        let is_it = |own: &&PreRegistered| &own.client_id == tokens.client.client_id();
        let exact = self.brought().filter(|own| own.issuer.as_ref() == Some(issuer)).find(is_it);
        let any = || self.brought().filter(|own| own.issuer.is_none()).find(is_it);
        if let Some(own) = exact.or_else(any) {
            tokens.client = tokens.client.proving_itself_as(own);
        }
        tokens
    }

    /// Wants the tokens of this very client at this authorization server and no others.
    pub fn as_client_of(&mut self, tokens: &StoredTokens) {
        self.only = Some(tokens.key());
        self.clients = vec![PreRegistered::again(&tokens.client)];
    }

    /// Asks in the way in which these tokens were got, which rest on this sign-in.
    pub fn ask_as_before(&mut self, tokens: &StoredTokens, identity: &StoredIdentity) {
        let enterprise = Enterprise::new(identity.provider.issuer().clone(), identity.own_client());
        self.grant = Grant::Enterprise(Box::new(enterprise));
        if self.clients.is_empty() && tokens.client.registration() == Registration::PreRegistered {
            self.clients.push(PreRegistered::again(&tokens.client));
        }
    }

    /// Whether the MCP server is this computer, where plain http and loopback addresses are right.
    pub(crate) fn is_here(&self) -> bool {
        web_url::is_loopback(&self.resource.url())
    }
}

/// The URL without what no server's has: a fragment, a name and a password, or another spelling.
fn put_right(url: &str) -> Option<ResourceId> {
    let mut url = url::Url::parse(url.trim()).ok()?;
    url.set_fragment(None);
    url.set_username("").and_then(|()| url.set_password(None)).ok()?;
    ResourceId::parse(url.as_str()).ok()
}

/// Anywhere when the URL says by itself that the server is in a private network: loopback, or a private address literal.
pub fn reach_of(url: &url::Url) -> Reach {
    let is_private = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_private() || ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback() || ip.is_unique_local(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if is_private { Reach::Anywhere } else { Reach::Public }
}
