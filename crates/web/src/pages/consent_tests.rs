//! The consent page: order, what is ticked, what is said.

use super::markup::{Tag, tags, text};
use super::samples::consent;
use super::*;

fn place(tags: &[Tag], id: &str) -> usize {
    tags.iter().position(|tag| tag.get("id") == Some(id)).unwrap_or_else(|| panic!("no #{id}"))
}

fn boxes(tags: &[Tag]) -> Vec<(&str, bool)> {
    let boxes = tags.iter().filter(|tag| tag.is("input", "type", "checkbox"));
    boxes.map(|tag| (tag.get("value").expect("a value"), tag.has("checked"))).collect()
}

#[test]
fn the_order_is_pinned() {
    // proves: WEB-23
    let tags = tags(&consent("x").render());
    let order = [
        "title",
        "you",
        "verified",
        "return-to",
        "local-warning",
        "claimed",
        "permissions",
        "how-long",
        "answers",
        "facts",
    ];
    let places: Vec<usize> = order.iter().map(|id| place(&tags, id)).collect();
    assert!(places.is_sorted(), "{order:?} stand at {places:?}");
    let heading = tags.iter().position(|tag| tag.name == "h1").expect("a headline");
    assert!(places[0] < heading && heading < places[1]);
    let claim = tags.iter().position(|tag| tag.is("bdi", "class", "claim")).expect("the claimed name");
    assert!(places[5] < claim && claim < places[6]);
    let identity = tags.iter().position(|tag| tag.has("data-identity")).expect("the identity");
    assert!(places[2] < identity && identity < places[3]);
}

#[test]
fn danger_takes_a_deliberate_tick() {
    // proves: WEB-25
    let mut page = consent("x");
    let expected = [("mcp:read", true), ("mcp:write", true), ("mcp:danger", false)];
    assert_eq!(boxes(&tags(&page.render())), expected);
    for scope in &mut page.scopes {
        scope.ticked = true;
        scope.already_allowed = true;
    }
    assert_eq!(boxes(&tags(&page.render())), expected);
    page.scopes[0].ticked = false;
    assert_eq!(boxes(&tags(&page.render()))[0], ("mcp:read", false));
    assert!(text(&page.render()).contains("Delete, send, run Danger"), "a word, not only a colour");
}

#[test]
fn only_what_was_asked_for_is_shown() {
    let mut page = consent("x");
    page.scopes.retain(|scope| scope.risk == Risk::Read);
    let html = page.render();
    assert_eq!(boxes(&tags(&html)), [("mcp:read", true)]);
    assert!(!text(&html).contains("Danger") && !html.contains("risk change"));
    assert_eq!(tags(&html).iter().filter(|tag| tag.get("class").is_some_and(|c| c.starts_with("risk "))).count(), 1);
}

#[test]
fn nobody_allows_by_accident() {
    // proves: WEB-25
    let tags = tags(&consent("x").render());
    assert!(tags.iter().all(|tag| !tag.has("autofocus")), "nothing has the focus");
    let form = place(&tags, "consent");
    let buttons: Vec<&Tag> = tags[form..].iter().filter(|tag| tag.name == "button").collect();
    let answers: Vec<_> = buttons.iter().map(|tag| (tag.get("name"), tag.get("value"))).collect();
    assert_eq!(
        answers,
        [(Some("answer"), Some("deny")), (Some("answer"), Some("allow"))],
        "the Enter key presses the first"
    );
}

#[test]
fn a_destination_on_this_computer_is_named_in_full_and_warned_about() {
    // proves: WEB-24
    // proves: MCP-AUTH-052, MCP-SBP-041, CIMD-12
    let uri = "http://127.0.0.1:41234/callback";
    let page = Consent { redirect_uri: uri.into(), ..consent("x") };
    let local = tags(&page.render());
    assert_eq!(local[place(&local, "return-to")].text, "an app on this computer (127.0.0.1)");
    let all = text(&page.render());
    assert!(
        all.contains("Any program on this computer could be asking. Continue only if you just started this sign-in.")
    );
    let verified: String =
        local[place(&local, "verified")..place(&local, "claimed")].iter().map(|t| t.text.as_str()).collect();
    assert!(verified.contains(uri), "{verified}");

    let uri = "https://vscode.dev/redirect";
    let web = Consent { redirect_uri: uri.into(), return_to: ReturnTo::Web("vscode.dev".into()), ..page.clone() };
    let web = tags(&web.render());
    assert_eq!(web[place(&web, "return-to")].text, "vscode.dev");
    assert!(web.iter().all(|tag| tag.get("id") != Some("local-warning")));
    assert_eq!(web[place(&web, "redirect-uri")].get("value"), Some(uri));

    let scheme = Consent { return_to: ReturnTo::Scheme("cursor".into()), ..page };
    let scheme = tags(&scheme.render());
    assert_eq!(scheme[place(&scheme, "return-to")].text, "the app that handles cursor://");
    place(&scheme, "local-warning");
}

#[test]
fn a_device_elsewhere_is_shown_with_its_code_and_warned_about() {
    // proves: EXT-04
    let device = ReturnTo::Device { code: "WDJB-MJHT".into(), asked_from: "203.0.113.9 · tv\u{202E}/1".into() };
    let identity = Identity::RegisteredByAdmin;
    let page = Consent { return_to: device, redirect_uri: String::new(), identity, ..consent("x") };
    let tags = tags(&page.render());
    assert_eq!(tags[place(&tags, "return-to")].text, "a device elsewhere");
    assert_eq!(tags[place(&tags, "device-code")].text, "WDJB-MJHT");
    assert_eq!(tags[place(&tags, "asked-from")].text, "203.0.113.9 · tv<U+202E>/1");
    assert!(place(&tags, "device-code") < place(&tags, "device-warning"));
    assert!(place(&tags, "device-warning") < place(&tags, "permissions"));
    assert!(tags.iter().all(|tag| tag.get("id") != Some("local-warning") && tag.get("id") != Some("redirect-uri")));
    // Deny and Allow look alike, whoever vouches for the app.
    assert!(tags[place(&tags, "answers")].get("class").unwrap().contains("wary"));
}

#[test]
fn each_identity_has_its_words() {
    // proves: WEB-23
    // proves: CID-12
    for (identity, words) in [
        (Identity::KnownApp, "Known app"),
        (Identity::Domain("vscode.dev".into()), "Identified by domain vscode.dev"),
        (Identity::RegisteredByAdmin, "Registered by your administrator"),
        (Identity::Unverified, "Unverified app Anyone can claim this name."),
        (Identity::Imitation { of: "Claude".into() }, "This is probably not Claude"),
    ] {
        let page = Consent { identity, ..consent("x") };
        assert!(text(&page.render()).contains(words), "{words}");
    }
}

#[test]
fn tools_are_named_or_said_to_be_unknown() {
    let mut page = consent("x");
    page.scopes[0].tools =
        ["read_file", "list_directory", "search_files", "get_file_info", "directory_tree"].map(String::from).into();
    let all = text(&page.render());
    assert!(all.contains("Tools: read_file, list_directory, search_files, get_file_info…"), "{all}");
    assert!(all.contains("All 5 tools read_file list_directory search_files get_file_info directory_tree"), "{all}");
    assert!(all.contains("Tools: the list is not available yet."));
}

#[test]
fn asking_again_says_what_is_new() {
    let mut page = consent("x");
    page.scopes[0] =
        ScopeChoice { already_allowed: true, ..ScopeChoice::new("mcp:read", Risk::Read, "Read files", vec![]) };
    page.scopes[1] = ScopeChoice::new("mcp:write", Risk::Change, "Change files", vec![]);
    page.scopes.truncate(2);
    let all = text(&page.render());
    assert!(all.contains("Already allowed Read files New Change files"), "{all}");
    assert!(all.contains("Read files already allowed") && all.contains("Change files new"), "{all}");
    page.scopes[0].already_allowed = false;
    assert!(!text(&page.render()).contains("lready allowed"));
}

#[test]
fn the_durations_are_the_views() {
    let mut page = consent("x");
    page.durations = vec![
        DurationChoice { duration: GrantDuration::Hours8, checked: false },
        DurationChoice { duration: GrantDuration::Days30, checked: true },
    ];
    let tags = tags(&page.render());
    let radios = tags.iter().filter(|tag| tag.is("input", "name", "duration"));
    let radios: Vec<_> = radios.map(|tag| (tag.get("type"), tag.get("value"), tag.has("checked"))).collect();
    assert_eq!(radios, [(Some("radio"), Some("hours8"), false), (Some("radio"), Some("days30"), true)]);
}

#[test]
fn programs_can_read_the_facts() {
    let page = Consent {
        client_id: "dwcl_1".into(),
        redirect_uri: "http://127.0.0.1:1/cb".into(),
        resource_url: "http://localhost:8420/mcp".into(),
        ..consent("x")
    };
    let tags = tags(&page.render());
    for (id, value) in
        [("client-id", "dwcl_1"), ("redirect-uri", "http://127.0.0.1:1/cb"), ("resource", "http://localhost:8420/mcp")]
    {
        let tag = &tags[place(&tags, id)];
        assert_eq!((tag.name.as_str(), tag.get("value")), ("data", Some(value)));
    }
}
