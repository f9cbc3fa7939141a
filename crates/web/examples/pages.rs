//! Writes every page with realistic data into the folder given as the argument, with the stylesheet beside it, so that a
//! browser can open the files without a server.

use doorward_web::pages::*;
use std::{env, fs, io, path::Path};

const MCP_URL: &str = "http://localhost:8420/mcp";
const GATEWAY: &str = "Files";

fn main() -> io::Result<()> {
    let folder = env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: pages FOLDER"))?;
    let folder = Path::new(&folder);
    let style = folder.join(&style_path()[1..]);
    fs::create_dir_all(style.parent().unwrap_or(folder))?;
    fs::write(style, STYLE)?;
    for (name, html) in pages() {
        fs::write(folder.join(name).with_extension("html"), html.replace("href=\"/assets/", "href=\"assets/"))?;
    }
    Ok(())
}

fn pages() -> Vec<(&'static str, String)> {
    let link = Some(Link { path: "/sign-in", words: "Sign in" });
    let mut all = vec![
        ("home", Home { gateway: GATEWAY.into(), mcp_url: MCP_URL.into(), account: Some(account()) }.render()),
        ("home-signed-out", Home { gateway: GATEWAY.into(), mcp_url: MCP_URL.into(), account: None }.render()),
        (
            "signed-out",
            Notice {
                gateway: GATEWAY.into(),
                title: "You are signed out".into(),
                text: "Apps that you connected keep their access. You can revoke it in Connected apps.".into(),
                link,
            }
            .render(),
        ),
        (
            "error",
            ErrorPage {
                gateway: GATEWAY.into(),
                title: "This app cannot be sent an answer".into(),
                what: "The app asked to get its answer at an address that it did not register.".into(),
                why: "It asked for https://evil.example/callback; it registered http://127.0.0.1/callback.".into(),
                next: "Close this page. If you started this sign-in yourself, remove the server from the app and add it again."
                    .into(),
                link: None,
                code: "OA-104".into(),
            }
            .render(),
        ),
    ];
    all.extend(accounts());
    all.extend(consents());
    all.extend(returns());
    all.extend(apps());
    all.extend(devices());
    all
}

fn accounts() -> Vec<(&'static str, String)> {
    let set_up = SetUp {
        gateway: GATEWAY.into(),
        token: "dwu_example".into(),
        form_token: "token".into(),
        name: String::new(),
        error: None,
        name_error: None,
        password_error: None,
    };
    let refused = SetUp {
        name: "mara".into(),
        password_error: Some("The password has 7 characters; it needs at least 12".into()),
        ..set_up.clone()
    };
    let sign_in = SignIn {
        gateway: GATEWAY.into(),
        context: Some(SignInContext { client: "Claude Code".into(), resource: GATEWAY.into() }),
        interaction: Some("q9w8".into()),
        form_token: "token".into(),
        name: String::new(),
        error: None,
    };
    let wrong = SignIn { name: "mara".into(), error: Some(WRONG_NAME_OR_PASSWORD.into()), ..sign_in.clone() };
    vec![
        ("setup", set_up.render()),
        ("setup-error", refused.render()),
        ("sign-in", sign_in.render()),
        ("sign-in-error", wrong.render()),
    ]
}

fn consents() -> Vec<(&'static str, String)> {
    let unverified = Consent {
        gateway: GATEWAY.into(),
        error: None,
        client: "Claude Code".into(),
        client_id: "dwcl_7Qm2vJk0f3xN8sTz".into(),
        resource_name: GATEWAY.into(),
        resource_url: MCP_URL.into(),
        also_at: Vec::new(),
        account: account(),
        identity: Identity::Unverified,
        return_to: ReturnTo::ThisComputer { host: "127.0.0.1".into() },
        redirect_uri: "http://127.0.0.1:41234/callback".into(),
        first_seen: None,
        scopes: vec![
            ScopeChoice::new(
                "mcp:read",
                Risk::Read,
                "Read files and list folders",
                names(
                    "read_text_file read_media_file read_multiple_files list_directory list_directory_with_sizes directory_tree search_files get_file_info list_allowed_directories",
                ),
            ),
            ScopeChoice::new("mcp:write", Risk::Change, "Create folders and new files", names("create_directory")),
            ScopeChoice::new(
                "mcp:danger",
                Risk::Danger,
                "Overwrite, edit and move files",
                names("write_file edit_file move_file"),
            ),
        ],
        durations: vec![
            DurationChoice { duration: GrantDuration::Hours8, checked: true },
            DurationChoice { duration: GrantDuration::Days30, checked: false },
        ],
        asks_again: None,
        requested: at("2026-11-23T14:03:00Z", "23 November 2026, 14:03 UTC"),
        interaction: "q9w8".into(),
        form_token: "token".into(),
    };
    let mut known = Consent {
        client: "Visual Studio Code".into(),
        client_id: "https://vscode.dev/oauth/client-metadata.json".into(),
        identity: Identity::KnownApp,
        return_to: ReturnTo::Web("vscode.dev".into()),
        redirect_uri: "https://vscode.dev/redirect".into(),
        first_seen: Some(at("2026-11-02T09:12:00Z", "2 November 2026, 09:12 UTC")),
        ..unverified.clone()
    };
    known.durations.push(DurationChoice { duration: GrantDuration::UntilRevoked { at_most: None }, checked: false });
    let mut again = Consent {
        client: "Cursor".into(),
        client_id: "https://cursor.com/oauth/mcp.json".into(),
        identity: Identity::Domain("cursor.com".into()),
        return_to: ReturnTo::Scheme("cursor".into()),
        redirect_uri: "cursor://anysphere.cursor-mcp/oauth/callback".into(),
        error: Some("Choose at least one permission, or deny".into()),
        ..known.clone()
    };
    again.scopes[0].already_allowed = true;
    again.scopes[1].tools.clear();
    let device = Consent {
        client: "Living-room console".into(),
        identity: Identity::RegisteredByAdmin,
        return_to: ReturnTo::Device {
            code: "WDJB-MJHT".into(),
            asked_from: "203.0.113.9 · console/2.1 (Linux)".into(),
        },
        redirect_uri: String::new(),
        asks_again: Some("10 minutes".into()),
        durations: vec![
            DurationChoice { duration: GrantDuration::Hours8, checked: false },
            DurationChoice { duration: GrantDuration::Days30, checked: true },
            DurationChoice {
                duration: GrantDuration::UntilRevoked { at_most: Some("90 days".into()) },
                checked: false,
            },
        ],
        ..unverified.clone()
    };
    let hostile = Consent {
        client: "Claude Code” <b>verified</b> by “Anthropic \u{202E}\nclick Allow to continue to your account now"
            .into(),
        client_id: format!("dwcl_{}", "7Qm2vJk0f3xN8sTz".repeat(12)),
        return_to: ReturnTo::Web(
            "login.accounts.example-of-a-very-long-host-name.claude-code-authorization.example".into(),
        ),
        redirect_uri: format!("https://login.accounts.example/{}", "path".repeat(60)),
        ..unverified.clone()
    };
    vec![
        ("consent", unverified.render()),
        ("consent-known", known.render()),
        ("consent-again", again.render()),
        ("consent-hostile", hostile.render()),
        ("consent-device", device.render()),
    ]
}

fn returns() -> Vec<(&'static str, String)> {
    let allowed = Interstitial {
        gateway: GATEWAY.into(),
        client: "Claude Code".into(),
        return_to: ReturnTo::ThisComputer { host: "127.0.0.1".into() },
        url: "http://127.0.0.1:41234/callback?code=dwc_example&state=s&iss=http%3A%2F%2Flocalhost%3A8420".into(),
        outcome: Outcome::Allowed,
    };
    let denied = Interstitial {
        return_to: ReturnTo::Web("vscode.dev".into()),
        url: "https://vscode.dev/redirect?error=access_denied&state=s".into(),
        outcome: Outcome::Denied,
        ..allowed.clone()
    };
    let not_asked = Interstitial { outcome: Outcome::NotAsked { error: "invalid_scope" }, ..denied.clone() };
    vec![
        ("returning", allowed.render()),
        ("returning-denied", denied.render()),
        ("returning-not-asked", not_asked.render()),
    ]
}

fn apps() -> Vec<(&'static str, String)> {
    let chip = |words: &str, risk| Chip { words: words.into(), risk };
    let cursor = GrantCard {
        id: "g1".into(),
        client_id: "https://cursor.com/oauth/mcp.json".into(),
        client: "Cursor".into(),
        identity: Identity::Domain("cursor.com".into()),
        resource: GATEWAY.into(),
        also_at: Vec::new(),
        scopes: vec![
            chip("Read files", Risk::Read),
            chip("Create files", Risk::Change),
            chip("Overwrite and move files", Risk::Danger),
        ],
        granted: at("2026-11-02T09:12:00Z", "2 November 2026"),
        last_used: Some(at("2026-11-23T13:58:00Z", "today, 13:58 UTC")),
        expires: Some(at("2026-12-02T09:12:00Z", "2 December 2026")),
    };
    let claude = GrantCard {
        id: "g2".into(),
        client_id: "dwcl_7Qm2vJk0f3xN8sTz".into(),
        client: "Claude Code".into(),
        identity: Identity::Unverified,
        scopes: vec![chip("Read files", Risk::Read)],
        granted: at("2026-11-23T14:03:00Z", "today, 14:03 UTC"),
        last_used: None,
        expires: None,
        ..cursor.clone()
    };
    let some = ConnectedApps {
        gateway: GATEWAY.into(),
        account: account(),
        notice: Some("Visual Studio Code has no access any more.".into()),
        grants: vec![claude, cursor],
        ended: vec![EndedGrant {
            client: "Zed".into(),
            resource: GATEWAY.into(),
            at: at("2026-11-20T08:00:00Z", "20 November 2026, 08:00 UTC"),
            why: "the app did not use it",
        }],
        mcp_url: MCP_URL.into(),
        form_token: "token".into(),
    };
    let none = ConnectedApps { grants: Vec::new(), ended: Vec::new(), notice: None, ..some.clone() };
    vec![("apps", some.render()), ("apps-none", none.render())]
}

fn devices() -> Vec<(&'static str, String)> {
    let empty = DevicePage {
        gateway: GATEWAY.into(),
        code: String::new(),
        brought: false,
        error: None,
        form_token: "token".into(),
    };
    let brought = DevicePage { code: "WDJB-MJHT".into(), brought: true, ..empty.clone() };
    let error = Some("No device is waiting with this code. Check it, or start again on the device.".into());
    let wrong = DevicePage { code: "WDJB-MJHX".into(), error, ..empty.clone() };
    let done = Notice {
        gateway: GATEWAY.into(),
        title: "The device is let in".into(),
        text: "“Living-room console” has what you allowed, in a few seconds. You can close this page, and stop the access at any time.".into(),
        link: Some(Link { path: "/apps", words: "Connected apps" }),
    };
    vec![
        ("device", empty.render()),
        ("device-brought", brought.render()),
        ("device-error", wrong.render()),
        ("device-done", done.render()),
    ]
}

fn account() -> Account {
    Account { name: "mara".into(), form_token: "token".into() }
}

fn at(datetime: &str, words: &str) -> When {
    When { datetime: datetime.into(), words: words.into() }
}

fn names(words: &str) -> Vec<String> {
    words.split(' ').map(str::to_owned).collect()
}
