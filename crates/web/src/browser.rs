//! The browser that sends a request: its session cookie, and who is signed in behind it.

use axum::{
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use doorward_authorization_server::{
    PageRefusal,
    facts::{Account, Session},
    session::{self, ResourceOwner},
};
use doorward_types::{
    Secret,
    form::Form,
    secret::{FormToken, SessionToken},
};

use crate::{
    Site,
    common::{self, Early},
    pages,
};

/// A browser. Every one that meets a page gets a cookie, so that forms and requests can be bound to it before anybody signs in.
pub(crate) struct Browser {
    /// The value of its cookie.
    pub(crate) token: Secret<SessionToken>,
    /// Whether the cookie is new and has to be set.
    fresh: bool,
    signed_in: Option<(Session, Account)>,
}

impl Browser {
    /// Reads the cookie and loads the session behind it.
    pub(crate) async fn of(site: &Site, headers: &HeaderMap) -> Result<Self, Early> {
        let Some(token) = cookie(site, headers) else { return Ok(Self::new(site)) };
        let found = site.store.session(&token.digest()).await.map_err(|fault| common::away(site, &fault))?;
        let now = (site.now)();
        let signed_in = found.filter(|(session, account)| ResourceOwner::of(session, account, now).is_some());
        Ok(Self { token, fresh: false, signed_in })
    }

    /// A browser that was not here before.
    pub(crate) fn new(site: &Site) -> Self {
        Self { token: Secret::generate(&mut *(site.entropy)()), fresh: true, signed_in: None }
    }

    /// The same browser under the cookie that signing in gave it.
    pub(crate) fn renewed(token: Secret<SessionToken>) -> Self {
        Self { token, fresh: true, signed_in: None }
    }

    /// The account that is signed in.
    pub(crate) fn account(&self) -> Option<&Account> {
        self.signed_in.as_ref().map(|(_, account)| account)
    }

    /// The proof that a person is signed in.
    pub(crate) fn owner(&self, site: &Site) -> Option<ResourceOwner> {
        let (session, account) = self.signed_in.as_ref()?;
        ResourceOwner::of(session, account, (site.now)())
    }

    /// The account as pages show it.
    pub(crate) fn shown_account(&self) -> Option<pages::Account> {
        Some(pages::Account { name: self.account()?.name.clone(), form_token: self.form_token("sign-out") })
    }

    /// The value that a form must bring back.
    pub(crate) fn form_token(&self, purpose: &str) -> String {
        session::form_token(&self.token, purpose).expose().to_owned()
    }

    /// Whether a form was served to this very browser for this purpose, and comes from one of our pages.
    pub(crate) fn check_form(&self, site: &Site, headers: &HeaderMap, form: &Form, purpose: &str) -> Result<(), Early> {
        let token = form.get("form_token").and_then(|text| Secret::<FormToken>::parse(text).ok());
        let right = token.is_some_and(|token| session::is_form_token(&self.token, purpose, &token));
        if !self.fresh && right && common::is_from_our_page(site, headers) {
            return Ok(());
        }
        Err(common::refused(site, &PageRefusal::ForgedForm))
    }

    /// Sets the cookie on an answer, if it is new.
    pub(crate) fn remembered(&self, site: &Site, mut response: Response) -> Response {
        if self.fresh {
            let secure = if is_secure(site) { "; Secure" } else { "" };
            let value =
                format!("{}={}; Path=/; HttpOnly; SameSite=Lax{secure}", cookie_name(site), self.token.expose());
            let mut value = HeaderValue::try_from(value).expect("a cookie is visible ASCII");
            value.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, value);
        }
        response
    }
}

fn is_secure(site: &Site) -> bool {
    site.policy.issuer.url().scheme() == "https"
}

/// Cookies do not know ports: on plain http, where the prefix that pins a cookie to one host cannot be used, the port is
/// part of the name, so that two gateways on one machine do not sign each other's people out.
fn cookie_name(site: &Site) -> String {
    if is_secure(site) {
        "__Host-doorward".to_owned()
    } else {
        format!("doorward-{}", site.policy.issuer.url().port_or_known_default().unwrap_or_default())
    }
}

/// The cookie's value, if it is there exactly once and has the form of ours.
fn cookie(site: &Site, headers: &HeaderMap) -> Option<Secret<SessionToken>> {
    cookie_named(&cookie_name(site), headers)
}

pub(crate) fn cookie_named(name: &str, headers: &HeaderMap) -> Option<Secret<SessionToken>> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim_matches(' ').split_once('='))
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value);
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    Secret::parse(value).ok().filter(Secret::is_well_formed)
}
