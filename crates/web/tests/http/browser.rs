//! A browser without a screen: it keeps cookies, sends what a browser adds to a form, and follows redirects on the site.

use std::collections::BTreeMap;

use http::Method;

use crate::{
    html::{self, Form},
    world::{Answer, PASSWORD, World},
};
use doorward_testkit::url_text;

/// A browser with its cookies.
#[derive(Clone)]
pub(crate) struct Browser<'w> {
    world: &'w World,
    pub(crate) cookies: BTreeMap<String, String>,
    /// What it adds to a form: what Chromium sends from a page under `Referrer-Policy: no-referrer`.
    pub(crate) form_headers: Vec<(&'static str, String)>,
}

impl<'w> Browser<'w> {
    pub(crate) fn new(world: &'w World) -> Self {
        let form_headers = [
            ("origin", "null"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let form_headers = form_headers.map(|(name, value)| (name, value.to_owned())).into();
        Self { world, cookies: BTreeMap::new(), form_headers }
    }

    /// Opens a path of the site, without following anything.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.visit(Method::GET, path, &[], String::new()).await
    }

    /// Opens a path of the site and follows redirects.
    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        let answer = self.get(path).await;
        self.follow(answer).await
    }

    /// Sends these fields to a path of the site, without following anything.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(String, String)]) -> Answer {
        let pairs: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let own = self.form_headers.clone();
        let mut headers = vec![("content-type", "application/x-www-form-urlencoded")];
        headers.extend(own.iter().map(|(name, value)| (*name, value.as_str())));
        self.visit(Method::POST, path, &headers, url_text::form(&pairs)).await
    }

    /// Sends a form of a page with some fields replaced, without following anything.
    pub(crate) async fn submit(&mut self, form: &Form, values: &[(&str, &str)]) -> Answer {
        self.post(&form.action, &form.with(values)).await
    }

    /// Follows redirects until a page comes.
    pub(crate) async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..5 {
            let Some(location) = answer.header("location").map(str::to_owned) else { return answer };
            answer = self.get(&location).await;
        }
        panic!("the redirects do not end: {answer:?}");
    }

    /// Signs in, on the page that it is given or on the one of the site.
    pub(crate) async fn sign_in(&mut self, name: &str) -> Answer {
        let page = self.get("/sign-in").await;
        let form = html::form(page.text(), "sign-in");
        let answer = self.submit(&form, &[("name", name), ("password", PASSWORD)]).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/apps")), "{answer:?}");
        answer
    }

    /// Opens an authorization request, signs in as `ann` if asked to, and stops at the consent page.
    pub(crate) async fn consent(&mut self, request: &str) -> Answer {
        self.consent_as("ann", request).await
    }

    pub(crate) async fn consent_as(&mut self, name: &str, request: &str) -> Answer {
        let page = self.page_as(name, request).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(page.text().contains("id=\"consent\""), "no consent page: {page:?}");
        page
    }

    /// Opens an authorization request, signs in as `ann` if asked to, and stops at whatever page comes.
    pub(crate) async fn consent_page(&mut self, request: &str) -> Answer {
        self.page_as("ann", request).await
    }

    async fn page_as(&mut self, name: &str, request: &str) -> Answer {
        let mut page = self.open(request).await;
        if page.text().contains("id=\"sign-in\"") {
            let form = html::form(page.text(), "sign-in");
            let answer = self.submit(&form, &[("name", name), ("password", PASSWORD)]).await;
            page = self.follow(answer).await;
        }
        page
    }

    /// Presses a button of the consent page.
    pub(crate) async fn answer(&mut self, page: &Answer, answer: &str) -> Answer {
        self.submit(&html::form(page.text(), "consent"), &[("answer", answer)]).await
    }

    async fn visit(&mut self, method: Method, path: &str, headers: &[(&str, &str)], body: String) -> Answer {
        let cookies = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let mut all = headers.to_vec();
        if !cookies.is_empty() {
            all.push(("cookie", &cookies));
        }
        let answer = self.world.send(method, path, &all, body).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (name, value) = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}
