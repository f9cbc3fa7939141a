//! What every page says to browsers, and who may open it.

use http::Method;

use crate::{
    app::App,
    html,
    world::{Answer, LOCAL, PASSWORD, PUBLIC, World},
};

/// One of each page that a person can meet, by name.
async fn every_page(world: &World) -> Vec<(&'static str, Answer)> {
    let app = App::new(world).await;
    let mut person = world.browser();
    let mut pages = vec![
        ("home", person.get("/").await),
        ("nothing here", person.get("/nowhere").await),
        ("no such file", person.get("/.well-known/nothing").await),
        ("set-up link", person.get("/setup?token=x").await),
        ("unknown client", person.get("/oauth/authorize?client_id=x").await),
        ("forged", person.post("/sign-in", &[]).await),
        ("unreadable", person.get("/sign-in?a=1&a=2").await),
        ("wrong scope", person.get(&app.request(&[("scope", Some("x"))])).await),
    ];
    let asked = person.get(&app.request(&[])).await;
    let sign_in = person.follow(asked).await;
    let form = html::form(sign_in.text(), "sign-in");
    pages.push(("sign-in again", person.submit(&form, &[("name", "ann"), ("password", "wrong")]).await));
    pages.push(("sign-in", sign_in));
    let answer = person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
    let consent = person.follow(answer).await;
    pages.push(("allowed", person.answer(&consent, "allow").await));
    pages.push(("answered", person.answer(&consent, "allow").await));
    pages.push(("consent", consent));
    let consent = person.consent(&app.request(&[])).await;
    pages.push(("denied", person.answer(&consent, "deny").await));
    let apps = person.get("/apps").await;
    pages.push(("home, signed in", person.get("/").await));
    pages.push(("signed out", person.submit(&html::form(apps.text(), "sign-out"), &[]).await));
    pages.push(("apps", apps));
    pages
}

#[tokio::test]
async fn every_page_is_strict_about_what_it_loads_and_who_frames_it() {
    // proves: WEB-12, BCP-02, BCP-21, WEB-22, HTTP-12, OA21-48
    // proves: R9700-21, R9700-22, R9700-23
    for origin in [LOCAL, PUBLIC] {
        let world = World::at(origin).await;
        for (name, page) in every_page(&world).await {
            // `lint` looks at each answer more closely; here is what it must not be told to skip.
            assert!(page.is_html(), "{name}: {page:?}");
            let policy = page.header("content-security-policy").unwrap();
            let forms = if html::forms(page.text()).is_empty() { "" } else { "form-action 'self'" };
            for needed in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "style-src 'self'", forms]
            {
                assert!(policy.contains(needed), "{name}: {policy}");
            }
            assert_eq!(page.header("x-frame-options"), Some("DENY"), "{name}");
            assert_eq!(page.header("cache-control"), Some("no-store"), "{name}");
            assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{name}");
            assert!(page.text().contains("<meta name=\"referrer\" content=\"no-referrer\">"), "{name}");
            let hsts = page.header("strict-transport-security");
            assert_eq!(hsts.is_some(), origin == PUBLIC, "{name}");
            // Each page's style is there.
            let style = &html::tags(page.text(), "link")[0]["href"];
            let style = world.get(style).await;
            assert_eq!((style.status.as_u16(), style.header("content-type")), (200, Some("text/css; charset=utf-8")));
            for elsewhere in ["url(", "@import", "//"] {
                assert!(!style.text().contains(elsewhere), "{elsewhere}");
            }
        }
        world.get("/assets/style-000000000000.css").await.text().contains("no such file");
    }
}

#[tokio::test]
async fn a_form_leads_on_by_303_or_by_a_page() {
    // proves: BCP-17, OA21-02
    // proves: R9700-18
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    let asked = person.get(&app.request(&[])).await;
    assert_eq!(asked.status, 303);
    let sign_in = person.follow(asked).await;
    let form = html::form(sign_in.text(), "sign-in");
    let answer = person.submit(&form, &[("name", "ann"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status, 303);
    assert!(answer.body.is_empty());
    let consent = person.follow(answer).await;
    // The answer to the app is a page: a redirect would be held to the form's own policy and get lost.
    for word in ["allow", "deny"] {
        let page = person.consent(&app.request(&[])).await;
        let back = person.answer(&page, word).await;
        assert_eq!((back.status.as_u16(), back.header("location")), (200, None));
        let refresh = format!("<meta http-equiv=\"refresh\" content=\"0;url={}", app_callback());
        assert!(back.text().contains(&refresh), "{}", back.text());
        assert!(back.header("content-security-policy").unwrap().contains("form-action 'none'"));
    }
    assert_eq!(person.answer(&consent, "allow").await.status, 200);
}

fn app_callback() -> &'static str {
    "https://a.example/cb?"
}

#[tokio::test]
async fn a_link_alone_sends_nobody_to_an_app() {
    // proves: BCP-16, MCP-SBP-031
    // proves: MCP-AUTH-085, MCP-AUTH-086, R9700-02
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let mut signed_in = world.browser();
    signed_in.sign_in("ann").await;
    for mut browser in [world.browser(), signed_in] {
        let before = world.state().await;
        for (change, error) in [
            (("prompt", Some("none")), "interaction_required"),
            (("scope", Some("mcp:everything")), "invalid_scope"),
            (("resource", Some("https://evil.example/mcp")), "invalid_target"),
            (("response_type", Some("token")), "unsupported_response_type"),
            (("response_type", None), "invalid_request"),
            (("code_challenge", None), "invalid_request"),
        ] {
            let page = browser.get(&app.request(&[change])).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (200, None), "{change:?}");
            assert!(!page.text().contains("http-equiv"), "it does not move by itself: {}", page.text());
            assert!(page.text().contains("were not asked") && page.text().contains(error));
            assert_eq!(page.sent_back("error").as_deref(), Some(error));
            assert_eq!(page.sent_back("state").as_deref(), Some("the-state"));
            assert_eq!(page.sent_back("iss").as_deref(), Some(PUBLIC));
        }
        assert_eq!(world.state().await, before);
    }
}

#[tokio::test]
async fn pages_are_opened_by_navigation_alone() {
    // proves: WEB-26, BCP-21
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let mut person = world.browser();
    person.sign_in("ann").await;
    let cookie = person.cookies.iter().map(|(name, value)| format!("{name}={value}")).next().unwrap();
    let request = app.request(&[]);
    let before = world.state().await;
    for path in [request.as_str(), "/", "/sign-in", "/apps", "/setup?token=x", "/consent?interaction=x", "/nowhere"] {
        for dest in [
            "iframe",
            "frame",
            "fencedframe",
            "object",
            "embed",
            "script",
            "image",
            "style",
            "empty",
            "font",
            "audio",
            "video",
            "track",
            "manifest",
            "worker",
            "sharedworker",
            "serviceworker",
            "xslt",
            "report",
            "",
        ] {
            let headers = [("sec-fetch-dest", dest), ("sec-fetch-site", "cross-site"), ("cookie", cookie.as_str())];
            let refused = world.send(Method::GET, path, &headers, "").await;
            assert_eq!(refused.status, 403, "{path} as {dest:?}");
            assert!(!refused.is_html() && refused.header("set-cookie").is_none());
        }
        for purpose in ["prefetch", "prefetch;prerender", "prefetch;anonymous-client-ip"] {
            let headers = [("sec-purpose", purpose), ("sec-fetch-dest", "document"), ("cookie", cookie.as_str())];
            let nothing = world.send(Method::GET, path, &headers, "").await;
            assert_eq!(nothing.status, 204, "{path} for {purpose}");
            assert!(nothing.body.is_empty() && nothing.header("set-cookie").is_none());
        }
    }
    assert_eq!(world.state().await, before, "nothing was changed");
    let opened = [("sec-fetch-dest", "document"), ("sec-fetch-mode", "navigate"), ("cookie", cookie.as_str())];
    assert_eq!(world.send(Method::GET, &request, &opened, "").await.status, 303);
    let style = html::tags(world.get("/").await.text(), "link")[0]["href"].clone();
    assert_eq!(world.send(Method::GET, &style, &[("sec-fetch-dest", "style")], "").await.status, 200);
    for dest in ["script", "iframe", "object", "empty"] {
        assert_eq!(world.send(Method::GET, &style, &[("sec-fetch-dest", dest)], "").await.status, 403, "{dest}");
    }
}

#[tokio::test]
async fn programs_of_other_origins_reach_the_protocol_and_no_page() {
    // proves: HTTP-08, OA21-19, R7009-07, REG-14, MCP-AUTH-117
    // proves: R9700-16
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let authorize = app.request(&[]);
    let protocol = [
        ("/oauth/token", "POST"),
        ("/oauth/register", "POST"),
        ("/oauth/revoke", "POST"),
        ("/oauth/jwks", "GET"),
        ("/.well-known/oauth-protected-resource", "GET"),
        ("/.well-known/oauth-protected-resource/mcp", "GET"),
        ("/.well-known/oauth-authorization-server", "GET"),
        ("/.well-known/openid-configuration", "GET"),
    ];
    for origin in
        ["https://evil.example", "null", "http://gw.example", "https://x.gw.example", "https://gw.example.evil"]
    {
        for (path, method) in protocol {
            let asked = [
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", "authorization, content-type"),
            ];
            let preflight = world.send(Method::OPTIONS, path, &asked, "").await;
            assert_eq!(preflight.status, 204, "{path}");
            assert_eq!(preflight.header("access-control-allow-origin"), Some("*"), "{path}");
            assert!(preflight.header("access-control-allow-methods").unwrap().contains(method));
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = world.send(method, path, &[("origin", origin), ("cookie", "a=b")], "").await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
            assert_eq!(answer.header("access-control-expose-headers"), Some("WWW-Authenticate, DPoP-Nonce"), "{path}");
            assert_eq!(answer.header("set-cookie"), None);
        }
        for path in [authorize.as_str(), "/", "/sign-in", "/sign-out", "/consent", "/setup", "/apps", "/apps/revoke"] {
            for method in [Method::GET, Method::POST, Method::OPTIONS] {
                let asked = [("origin", origin), ("access-control-request-method", "POST")];
                let answer = world.send(method, path, &asked, "").await;
                let shared = answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
                assert_eq!(shared, None, "{path}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_strangers_words_stay_words() {
    // proves: WEB-10, REG-07, WEB-24
    let world = World::at(LOCAL).await;
    for name in [
        "<img src=x onerror=alert(1)>",
        "\"><script>alert(1)</script>",
        "</title><script>alert(1)</script>",
        "{{7*7}}",
        "a\" onmouseover=\"alert(1)",
        "Claude\u{202e}edualC",
        "x\r\nSet-Cookie: a=b",
        &"w".repeat(10_000),
    ] {
        let loopback = "http://127.0.0.1/cb?a=%3Cscript%3E&amp;b=%27";
        let app = App::registered(&world, serde_json::json!({"client_name": name, "redirect_uris": [loopback]})).await;
        let mut person = world.browser();
        let consent = person.consent(&app.request(&[])).await;
        let back = person.answer(&consent, "allow").await;
        let apps = person.get("/apps").await;
        for page in [&consent, &back, &apps] {
            let text = page.text();
            // `lint` has looked for tags that must not be there; here is what would still be wrong.
            assert!(!text.contains("onerror=alert(1)>") && !text.contains("onmouseover=\"") && !text.contains("49"));
            assert!(!text.contains('\u{202e}') && !text.contains(&"w".repeat(70)), "{text}");
        }
        assert!(consent.text().contains("id=\"local-warning\"") && consent.text().contains("127.0.0.1"));
    }
}
