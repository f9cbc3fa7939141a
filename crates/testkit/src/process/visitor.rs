use std::collections::BTreeMap;

use reqwest::{Method, header::HeaderMap};

use super::http;
use crate::url_text;

/// A browser without a screen: it keeps cookies, follows redirects on one site, and fills in that site's forms. Where a
/// test needs a hundred of them, or one that lies, Chromium is too slow and too honest.
#[derive(Clone, Debug)]
pub struct Visitor {
    site: String,
    cookies: BTreeMap<String, String>,
    /// Headers that a browser adds to a form that it sends; a test changes them to lie.
    pub form_headers: Vec<(&'static str, String)>,
}

/// What a visitor sees.
#[derive(Clone, Debug)]
pub struct Page {
    /// Where it was found, after redirects on the site.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// The answer's headers.
    pub headers: HeaderMap,
    /// The page's source.
    pub body: String,
}

impl Visitor {
    /// A visitor of the site at this origin, such as `http://localhost:8420`.
    pub fn new(site: &str) -> Self {
        let form_headers = vec![("origin", site.to_owned()), ("sec-fetch-site", "same-origin".to_owned())];
        Self { site: site.to_owned(), cookies: BTreeMap::new(), form_headers }
    }

    /// Opens an address (absolute, or a path on the site) and follows redirects as long as they stay on the site.
    ///
    /// # Panics
    /// When nothing answers, or the redirects do not end.
    pub async fn open(&mut self, url: &str) -> Page {
        self.visit(Method::GET, url, None).await
    }

    /// Sends the page's form `id` with its own values, except that each name in `values` is replaced; follows redirects.
    ///
    /// # Panics
    /// When the page has no such form.
    pub async fn submit(&mut self, page: &Page, id: &str, values: &[(&str, &str)]) -> Page {
        let (action, body) = page.form(id, values);
        self.visit(Method::POST, &action, Some(body)).await
    }

    /// Sends this form body to an address of the site; follows redirects.
    pub async fn post(&mut self, url: &str, body: &str) -> Page {
        self.visit(Method::POST, url, Some(body.to_owned())).await
    }

    /// Opens an authorization address, signs in when asked to, and answers the consent page with `allow` or `deny`.
    /// Returns the address of the client that the last page leads to, with the authorization response in it.
    ///
    /// # Panics
    /// When a page is not as it should be.
    pub async fn authorize(&mut self, url: &str, name: &str, password: &str, answer: &str) -> String {
        let page = self.consent_page(url, name, password).await;
        let last = self.submit(&page, "consent", &[("answer", answer)]).await;
        last.link("continue").unwrap_or_else(|| panic!("no way back to the client: {last:?}"))
    }

    /// Opens an authorization address and signs in when asked to; stops at the consent page.
    ///
    /// # Panics
    /// When the consent page does not come.
    pub async fn consent_page(&mut self, url: &str, name: &str, password: &str) -> Page {
        let mut page = self.open(url).await;
        if page.has_form("sign-in") {
            page = self.submit(&page, "sign-in", &[("name", name), ("password", password)]).await;
        }
        assert!(page.has_form("consent"), "no consent page: {page:?}");
        page
    }

    async fn visit(&mut self, method: Method, url: &str, body: Option<String>) -> Page {
        let (mut method, mut url, mut body) = (method, self.absolute(url), body);
        for _ in 0..10 {
            let mut request = http().request(method.clone(), &url);
            if !self.cookies.is_empty() {
                let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
                request = request.header("cookie", pairs.join("; "));
            }
            if let Some(body) = &body {
                request = request.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
                for (name, value) in &self.form_headers {
                    request = request.header(*name, value);
                }
            }
            let response = request.send().await.unwrap_or_else(|error| panic!("nothing answers at {url}: {error}"));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            self.keep_cookies(&headers);
            let location = headers.get("location").and_then(|value| value.to_str().ok()).map(|to| self.absolute(to));
            match location {
                Some(next) if status == 303 && next.starts_with(&format!("{}/", self.site)) => {
                    (method, url, body) = (Method::GET, next, None);
                }
                _ => {
                    let body = response.text().await.unwrap_or_else(|error| panic!("{url} broke off: {error}"));
                    return Page { url, status, headers, body };
                }
            }
        }
        panic!("the redirects do not end: {url}");
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok()) {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn absolute(&self, url: &str) -> String {
        if url.starts_with('/') { format!("{}{url}", self.site) } else { url.to_owned() }
    }
}

impl Page {
    /// Whether the page has a form of this id.
    pub fn has_form(&self, id: &str) -> bool {
        self.find_form(id).is_some()
    }

    /// The form's address and the body that a browser would send, with `values` in the place of its own.
    ///
    /// # Panics
    /// When the page has no such form.
    pub fn form(&self, id: &str, values: &[(&str, &str)]) -> (String, String) {
        let (form, inside) = self.find_form(id).unwrap_or_else(|| panic!("no form {id}: {self:?}"));
        let mut pairs: Vec<(String, String)> = Vec::new();
        for input in tags(inside, "input") {
            let Some(name) = input.get("name") else { continue };
            let kind = input.get("type").map_or("text", String::as_str);
            if matches!(kind, "checkbox" | "radio") && !input.contains_key("checked") {
                continue;
            }
            if !values.iter().any(|(replaced, _)| replaced == name) {
                pairs.push((name.clone(), input.get("value").cloned().unwrap_or_default()));
            }
        }
        let own = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = own.chain(values.iter().copied()).collect();
        (form.get("action").cloned().unwrap_or_else(|| self.url.clone()), url_text::form(&all))
    }

    /// The target of the link of this id.
    pub fn link(&self, id: &str) -> Option<String> {
        tags(&self.body, "a").into_iter().find(|tag| tag.get("id").is_some_and(|found| found == id))?.remove("href")
    }

    fn find_form(&self, id: &str) -> Option<(BTreeMap<String, String>, &str)> {
        let mut rest = self.body.as_str();
        while let Some((_, after)) = rest.split_once("<form ") {
            let (form, inside) = attributes(after);
            let inside = inside.split("</form>").next().unwrap_or_default();
            if form.get("id").is_some_and(|found| found == id) {
                return Some((form, inside));
            }
            rest = after;
        }
        None
    }
}

/// The attributes of each tag of this name.
fn tags(html: &str, name: &str) -> Vec<BTreeMap<String, String>> {
    html.split(&format!("<{name} ")).skip(1).map(|after| attributes(after).0).collect()
}

/// Reads attributes up to the end of the tag; returns them and what follows the tag.
fn attributes(mut text: &str) -> (BTreeMap<String, String>, &str) {
    let mut found = BTreeMap::new();
    loop {
        text = text.trim_start();
        let end = text.find(|c: char| c == '=' || c == '>' || c.is_whitespace()).unwrap_or(text.len());
        let (name, after) = text.split_at(end);
        if !name.is_empty() && name != "/" {
            let quoted = after.strip_prefix("=\"").and_then(|value| value.split_once('"'));
            let (value, after) = quoted.unwrap_or(("", after));
            found.insert(name.to_owned(), unescape(value));
            text = after;
        } else {
            // A `=` without a name is no attribute.
            text = after.strip_prefix('=').unwrap_or(after);
        }
        if let Some(after) = text.strip_prefix('>') {
            return (found, after);
        }
        if text.is_empty() {
            return (found, text);
        }
    }
}

/// Undoes the character references that a template engine writes.
fn unescape(text: &str) -> String {
    let mut parts = text.split('&');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once(';').unwrap_or((part, ""));
        let number = name.strip_prefix('#').and_then(|digits| match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok(),
            None => digits.parse().ok(),
        });
        let character = number.and_then(char::from_u32).or(match name {
            "amp" => Some('&'),
            "lt" => Some('<'),
            "gt" => Some('>'),
            "quot" => Some('"'),
            _ => None,
        });
        match character {
            Some(character) => {
                out.push(character);
                out.push_str(rest);
            }
            None => {
                out.push('&');
                out.push_str(part);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Page {
        Page { url: "http://localhost/x".into(), status: 200, headers: HeaderMap::new(), body: body.to_owned() }
    }

    #[test]
    fn a_form_is_sent_as_a_browser_would() {
        let page = page(concat!(
            "<form method=\"post\" action=\"/out\" id=\"other\"><input name=\"no\" value=\"1\"></form>",
            "<form method=\"post\" action=\"/in\" id=\"it\">\n<input type=\"hidden\" name=\"t\" value=\"a&amp;b&#x27;&#34;\">",
            "<input type=\"checkbox\" name=\"scope\" value=\"r\" checked><input type=\"checkbox\" name=\"scope\" value=\"w\">",
            "<input id=\"p\" name=\"password\" type=\"password\" required></form>",
        ));
        let (action, body) = page.form("it", &[("password", "x y"), ("answer", "allow")]);
        assert_eq!(action, "/in");
        let pairs = url_text::parameters(&body);
        let expected = [("t", "a&b'\""), ("scope", "r"), ("password", "x y"), ("answer", "allow")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert!(page.has_form("other") && !page.has_form("none"));
    }

    #[test]
    fn a_link_is_found_by_its_id() {
        let page =
            page("<a href=\"/no\">x</a><a class=\"button\" id=\"continue\" href=\"http://h/?a=1&amp;b=2\" rel=\"r\">");
        assert_eq!(page.link("continue").as_deref(), Some("http://h/?a=1&b=2"));
        assert_eq!(page.link("other"), None);
    }
}
