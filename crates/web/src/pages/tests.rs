//! What holds for every page.

use super::markup::{Tag, skeleton, tags, text};
use super::samples::{consent, every_page};
use super::*;
use std::collections::HashSet;

const HOSTILE: &[&str] = &[
    "<img src=x onerror=alert(1)>",
    "\"><script>alert(1)</script>",
    "'><svg onload=alert(1)>",
    "\" autofocus onfocus=\"alert(1)",
    "</title></textarea></style></script><script>alert(1)</script>",
    "--><script>alert(1)</script><!--",
    "{{7*7}} {% include \"x\" %} ${7*7} #{7*7} <%= 7*7 %>",
    "javascript:alert(1)",
    "&lt;script&gt; &#60;b&#62; &amp;",
    "a\nGoogle wants your password\r\n\t\0b",
    "\u{202E}gnp.exe\u{202C} \u{2066}x\u{2069}",
    "a\u{200D}\u{FEFF}\u{200B}👩‍👩‍👧‍👦",
    "`${alert(1)}`",
];

fn parsed(html: &str) -> Vec<Tag> {
    tags(html)
}

#[test]
fn no_text_changes_the_markup() {
    // proves: WEB-10
    let long = "<b>&\"'".repeat(1_700);
    let harmless: Vec<_> = every_page("harmless").into_iter().map(|(_, html)| skeleton(&html)).collect();
    for hostile in HOSTILE.iter().copied().chain([long.as_str()]) {
        for ((page, html), expected) in every_page(hostile).iter().zip(&harmless) {
            assert_eq!(&skeleton(html), expected, "{page} with {hostile:?}");
        }
    }
}

#[test]
fn a_template_in_a_text_stays_text() {
    // proves: WEB-10
    for (page, html) in every_page("{{7*7}}") {
        assert!(text(&html).contains("{{7*7}}"), "{page}");
        assert!(!text(&html).contains("49"), "{page}");
    }
}

#[test]
fn a_claimed_name_cannot_turn_the_text_around_or_end_its_quotation() {
    // proves: WEB-10
    let client = "Safe” \u{202E}verified\u{2066} by\n\nGoogle \u{200B}";
    let page = Consent { client: client.into(), client_id: client.into(), ..consent("x") };
    let html = page.render();
    for c in ['\u{202E}', '\u{2066}', '\u{200B}'] {
        assert!(!text(&html).contains(c), "{:04X} is in the text", u32::from(c));
    }
    let claim = tags(&html).into_iter().find(|tag| tag.is("bdi", "class", "claim")).expect("the claimed name");
    assert_eq!(claim.text, "Safe' verified by Google");
    assert!(text(&html).contains("Safe” <U+202E>verified<U+2066> by<U+000A><U+000A>Google <U+200B>"), "the evidence");
}

#[test]
fn a_name_of_10_kilobytes_takes_one_line() {
    // proves: WEB-10
    let page = Consent { client: "N".repeat(10_000).as_str().into(), ..consent("x") };
    let claim = parsed(&page.render()).into_iter().find(|tag| tag.is("bdi", "class", "claim")).expect("the name");
    assert!(claim.text.chars().count() <= NAME_LIMIT, "{}", claim.text);
}

#[test]
fn no_page_runs_code_or_fetches_from_elsewhere() {
    // proves: WEB-10, WEB-11
    const HARMLESS: &[&str] = &[
        "html", "head", "meta", "title", "link", "body", "header", "main", "footer", "section", "div", "h1", "h2", "p",
        "span", "bdi", "strong", "code", "data", "time", "ul", "li", "dl", "dt", "dd", "details", "summary", "form",
        "fieldset", "legend", "label", "input", "button", "a", "svg", "g", "path", "circle",
    ];
    for (page, html) in every_page("x") {
        assert!(!html.contains("<script") && !html.contains("style="), "{page}");
        for tag in parsed(&html) {
            assert!(HARMLESS.contains(&tag.name.as_str()), "{page}: <{}>", tag.name);
            for (name, value) in &tag.attributes {
                assert!(!name.starts_with("on") && name != "style", "{page}: {tag:?}");
                match name.as_str() {
                    "action" => assert!(is_local(value), "{page}: {tag:?}"),
                    "href" if tag.name == "link" => {
                        assert!(value == style_path() || value.starts_with("data:image/svg+xml,"), "{page}: {tag:?}");
                    }
                    "href" if tag.get("id") == Some("continue") => assert_eq!(value, "https://app.example/x"),
                    "href" => assert!(is_local(value) || value.starts_with('#'), "{page}: {tag:?}"),
                    "src" | "srcset" | "formaction" | "target" | "ping" => panic!("{page}: {tag:?}"),
                    _ => {}
                }
            }
        }
    }
}

fn is_local(path: &str) -> bool {
    path.starts_with('/') && !path.starts_with("//")
}

#[test]
fn no_link_comes_from_a_text() {
    // proves: WEB-11
    for lure in ["javascript:alert(1)", "data:text/html,x", "http://169.254.169.254/latest", "https://evil.example/"] {
        for (page, html) in every_page(lure) {
            for tag in parsed(&html).iter().filter(|tag| tag.get("id") != Some("continue")) {
                for address in ["href", "action", "src"].iter().filter_map(|name| tag.get(name)) {
                    assert!(!address.contains(lure), "{page}: {tag:?}");
                }
            }
        }
    }
}

#[test]
fn every_page_can_be_used_without_a_pointer_or_colours() {
    // proves: WEB-23
    for (page, html) in every_page("x") {
        let tags = parsed(&html);
        let count = |name: &str| tags.iter().filter(|tag| tag.name == name).count();
        assert_eq!((count("h1"), count("main"), count("title")), (1, 1, 1), "{page}");
        assert!(tags.iter().any(|tag| tag.is("html", "lang", "en")), "{page}");
        assert!(tags.iter().any(|tag| tag.is("meta", "name", "viewport")), "{page}");
        assert!(tags.iter().any(|tag| tag.is("meta", "content", "light dark")), "{page}");

        let mut ids = HashSet::new();
        for id in tags.iter().filter_map(|tag| tag.get("id")) {
            assert!(ids.insert(id), "{page}: two elements are {id}");
        }
        for tag in &tags {
            for reference in ["aria-labelledby", "aria-describedby", "for"].iter().filter_map(|name| tag.get(name)) {
                assert!(reference.split(' ').all(|id| ids.contains(id)), "{page}: {tag:?}");
            }
            if let Some(id) = tag.get("href").and_then(|href| href.strip_prefix('#')) {
                assert!(ids.contains(id), "{page}: {tag:?}");
            }
            if tag.name == "svg" {
                assert_eq!(tag.get("aria-hidden"), Some("true"), "{page}: a picture stands beside words");
            }
        }
        for input in tags.iter().filter(|tag| tag.name == "input" && tag.get("type") != Some("hidden")) {
            let id = input.get("id").unwrap_or_else(|| panic!("{page}: {input:?}"));
            assert!(tags.iter().any(|tag| tag.is("label", "for", id)), "{page}: {input:?} has no label");
        }
        assert!(tags.iter().filter(|tag| tag.has("autofocus")).count() <= 1, "{page}");
    }
}

#[test]
fn an_error_is_announced_and_leads_to_its_field() {
    // proves: WEB-23
    for (page, html) in every_page("x").into_iter().filter(|(page, _)| page.contains("refused")) {
        let tags = parsed(&html);
        let summary = tags.iter().find(|tag| tag.get("role") == Some("alert")).unwrap_or_else(|| panic!("{page}"));
        assert_eq!(summary.get("tabindex"), Some("-1"), "{page}");
        assert!(summary.has("autofocus"), "{page}");
        assert!(tags.iter().any(|tag| tag.get("href").is_some_and(|href| href.starts_with('#'))), "{page}");
        assert!(
            tags.iter().find(|tag| tag.name == "title").is_some_and(|tag| tag.text.starts_with("Error: ")),
            "{page}"
        );
    }
}

#[test]
fn the_way_back_survives_escaping() {
    // proves: WEB-10
    for url in [
        "http://127.0.0.1:41234/callback?code=dwc_x&state=a%20b&iss=http%3A%2F%2Flocalhost%3A8420",
        "cursor://anysphere.cursor-retrieval/oauth/callback?code=c&state=s",
        "https://app.example/cb?state=\"><script>alert(1)</script>&x='y'&amp;&copy=1;url=https://evil.example/",
    ] {
        let page = Interstitial {
            gateway: "Files".into(),
            client: "Claude Code".into(),
            return_to: ReturnTo::Web("app.example".into()),
            url: url.into(),
            outcome: Outcome::Allowed,
        };
        let tags = parsed(&page.render());
        let refresh = tags.iter().find(|tag| tag.is("meta", "http-equiv", "refresh")).expect("a refresh");
        assert_eq!(refresh.get("content"), Some(format!("0;url={url}").as_str()));
        let link = tags.iter().find(|tag| tag.is("a", "id", "continue")).expect("a link");
        assert_eq!(link.get("href"), Some(url));
    }
}

#[test]
fn the_way_back_needs_nothing_but_a_style() {
    for (_, html) in every_page("x").into_iter().filter(|(page, _)| *page == "interstitial") {
        assert!(!html.contains("data:"), "its policy allows no picture");
        assert!(parsed(&html).iter().all(|tag| tag.name != "form"), "its policy allows no form");
    }
}

#[test]
fn every_form_that_changes_something_carries_its_token() {
    for (page, html) in every_page("the token") {
        let tags = parsed(&html);
        let forms: Vec<usize> = (0..tags.len()).filter(|i| tags[*i].name == "form").collect();
        for (n, start) in forms.iter().enumerate() {
            let end = forms.get(n + 1).copied().unwrap_or(tags.len());
            assert_eq!(tags[*start].get("method"), Some("post"), "{page}");
            let token = tags[*start..end].iter().find(|tag| tag.is("input", "name", "form_token"));
            assert_eq!(token.and_then(|tag| tag.get("value")), Some("the token"), "{page}: {:?}", tags[*start]);
        }
    }
}

#[test]
fn each_grant_can_be_found_and_revoked() {
    let (_, html) = every_page("x").into_iter().find(|(page, _)| *page == "apps").expect("the page");
    let tags = parsed(&html);
    assert_eq!(tags.iter().filter(|tag| tag.has("data-grant") && tag.has("data-client")).count(), 5);
    assert_eq!(tags.iter().filter(|tag| tag.is("form", "class", "revoke")).count(), 5);
    assert_eq!(tags.iter().filter(|tag| tag.is("button", "class", "revoke")).count(), 5);
    assert_eq!(tags.iter().filter(|tag| tag.is("input", "name", "grant")).count(), 5);
    assert_eq!(tags.iter().filter(|tag| tag.is("input", "name", "all")).count(), 1);
}

#[test]
fn no_apps_teaches_the_command() {
    let (_, html) =
        every_page("http://localhost:8420/mcp").into_iter().find(|(page, _)| *page == "apps, none").expect("it");
    assert!(text(&html).contains("doorward connect http://localhost:8420/mcp"));
    assert!(parsed(&html).iter().all(|tag| tag.get("class") != Some("revoke-all")));
}
