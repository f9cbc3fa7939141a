//! Every page in every shape, with one text in every place that takes a text.

use super::*;

/// Each page with a name for messages. `filled` stands wherever a view takes a text.
pub(super) fn every_page(filled: &str) -> Vec<(&'static str, String)> {
    let f = || filled.to_owned();
    let link = Some(Link { path: "/sign-in", words: "Sign in" });
    let set_up = SetUp {
        gateway: f(),
        token: f(),
        form_token: f(),
        name: f(),
        error: None,
        name_error: None,
        password_error: None,
    };
    let sign_in = SignIn { gateway: f(), context: None, interaction: None, form_token: f(), name: f(), error: None };
    let apps = ConnectedApps {
        gateway: f(),
        account: account(filled),
        notice: None,
        grants: Vec::new(),
        ended: vec![EndedGrant { client: filled.into(), resource: f(), at: when(filled), why: "x" }],
        mcp_url: f(),
        form_token: f(),
    };
    let mut pages = vec![
        ("home", Home { gateway: f(), mcp_url: f(), account: None }.render()),
        ("home, signed in", Home { gateway: f(), mcp_url: f(), account: Some(account(filled)) }.render()),
        ("set-up", set_up.render()),
        (
            "set-up, refused",
            SetUp { error: Some(f()), name_error: Some(f()), password_error: Some(f()), ..set_up }.render(),
        ),
        ("sign-in", sign_in.render()),
        (
            "sign-in, refused",
            SignIn {
                context: Some(SignInContext { client: filled.into(), resource: f() }),
                interaction: Some(f()),
                error: Some(f()),
                ..sign_in
            }
            .render(),
        ),
        ("error", ErrorPage { gateway: f(), title: f(), what: f(), why: f(), next: f(), link, code: f() }.render()),
        (
            "device",
            DevicePage { gateway: f(), code: String::new(), brought: false, error: None, form_token: f() }.render(),
        ),
        (
            "device, brought",
            DevicePage { gateway: f(), code: f(), brought: true, error: None, form_token: f() }.render(),
        ),
        (
            "device, refused",
            DevicePage { gateway: f(), code: f(), brought: false, error: Some(f()), form_token: f() }.render(),
        ),
        ("notice", Notice { gateway: f(), title: f(), text: f(), link }.render()),
        ("apps, none", apps.render()),
        (
            "apps",
            ConnectedApps { notice: Some(f()), grants: identities(filled).map(|i| grant(filled, i)).into(), ..apps }
                .render(),
        ),
    ];
    for identity in identities(filled) {
        pages.push(("consent", Consent { identity, ..consent(filled) }.render()));
    }
    for return_to in destinations(filled) {
        pages.push(("consent", Consent { return_to: return_to.clone(), ..consent(filled) }.render()));
        for outcome in [Outcome::Allowed, Outcome::Denied, Outcome::NotAsked { error: "invalid_scope" }] {
            let (client, return_to) = (filled.into(), return_to.clone());
            let page =
                Interstitial { gateway: f(), client, return_to, url: format!("https://app.example/{filled}"), outcome };
            pages.push(("interstitial", page.render()));
        }
    }
    let device = ReturnTo::Device { code: f(), asked_from: f() };
    let durations =
        vec![DurationChoice { duration: GrantDuration::UntilRevoked { at_most: Some(f()) }, checked: true }];
    let asks_again = Some(f());
    let elsewhere =
        Consent { return_to: device, redirect_uri: String::new(), durations, asks_again, ..consent(filled) };
    pages.push(("consent, device", elsewhere.render()));
    let mut again = consent(filled);
    again.scopes[0].already_allowed = true;
    again.error = Some(f());
    again.first_seen = Some(when(filled));
    pages.push(("consent, again, refused", again.render()));
    pages
}

/// The consent page of an unverified app on this computer that asks for everything.
pub(super) fn consent(filled: &str) -> Consent {
    let f = || filled.to_owned();
    Consent {
        gateway: f(),
        error: None,
        client: filled.into(),
        client_id: f(),
        resource_name: f(),
        resource_url: f(),
        also_at: vec![f(), f()],
        account: account(filled),
        identity: Identity::Unverified,
        return_to: ReturnTo::ThisComputer { host: "127.0.0.1".into() },
        redirect_uri: f(),
        first_seen: None,
        scopes: vec![
            ScopeChoice::new("mcp:read", Risk::Read, f(), vec![f(); 9]),
            ScopeChoice::new("mcp:write", Risk::Change, f(), vec![f(), f()]),
            ScopeChoice::new("mcp:danger", Risk::Danger, f(), Vec::new()),
        ],
        durations: vec![
            DurationChoice { duration: GrantDuration::Hours8, checked: true },
            DurationChoice { duration: GrantDuration::Days30, checked: false },
            DurationChoice { duration: GrantDuration::UntilRevoked { at_most: None }, checked: false },
        ],
        asks_again: None,
        requested: when(filled),
        interaction: f(),
        form_token: f(),
    }
}

fn account(filled: &str) -> Account {
    Account { name: filled.to_owned(), form_token: filled.to_owned() }
}

fn when(filled: &str) -> When {
    When { datetime: filled.to_owned(), words: filled.to_owned() }
}

fn identities(filled: &str) -> [Identity; 5] {
    [
        Identity::KnownApp,
        Identity::Domain(filled.to_owned()),
        Identity::RegisteredByAdmin,
        Identity::Unverified,
        Identity::Imitation { of: filled.to_owned() },
    ]
}

fn destinations(filled: &str) -> [ReturnTo; 3] {
    [
        ReturnTo::Web(filled.to_owned()),
        ReturnTo::ThisComputer { host: filled.to_owned() },
        ReturnTo::Scheme(filled.to_owned()),
    ]
}

fn grant(filled: &str, identity: Identity) -> GrantCard {
    let f = || filled.to_owned();
    GrantCard {
        id: f(),
        client_id: f(),
        client: filled.into(),
        identity,
        resource: f(),
        also_at: vec![f()],
        scopes: [Risk::Read, Risk::Change, Risk::Danger].map(|risk| Chip { words: f(), risk }).into(),
        granted: when(filled),
        last_used: Some(when(filled)),
        expires: None,
    }
}
