//! What people and programs write into text fields, and who may administer.

use doorward_testkit::{
    process::{Gateway, http},
    url_text::form,
};
use serde_json::json;

use crate::{
    engine::{World, get, options},
    world::{App, CALLBACK, PASSWORD, visitor},
};

/// Texts that databases, terminals and parsers stumble over.
fn texts() -> Vec<String> {
    let mut all: Vec<String> = [
        "' OR 1=1 --",
        "\"; DROP TABLE accounts; --",
        "\0",
        "a\0b",
        "\u{fffd}",
        "💣\u{202e}evil",
        "%00",
        "ﬀ",
        "İ",
        "ſ",
    ]
    .map(str::to_owned)
    .into();
    all.push("x".repeat(60_000));
    all
}

#[tokio::test]
async fn no_text_is_more_than_a_text() {
    // proves: ADM-02, ADM-03, HTTP-18
    for world in World::each() {
        let app = App::register(&world.gateway, &[CALLBACK]).await;
        let mut person = visitor(&world.gateway);
        let page = person.open(&app.request(&[])).await;
        for text in texts() {
            // Names that people type.
            let signed_in = person.submit(&page, "sign-in", &[("name", &text), ("password", PASSWORD)]).await;
            assert!((400..500).contains(&signed_in.status), "{text:?}: {}", signed_in.status);
            // What apps say about themselves.
            let body = json!({"client_name": text, "redirect_uris": [CALLBACK], "software_id": text, "scope": text});
            let request = http().post(format!("{}/oauth/register", app.issuer)).body(body.to_string());
            let registered = request.header("content-type", "application/json").send().await.unwrap();
            assert!(registered.status().as_u16() < 500, "{text:?}: {}", registered.status());
            // What they send to be looked up.
            for (path, name) in [("token", "refresh_token"), ("token", "code"), ("revoke", "token")] {
                let fields = [
                    (name, text.as_str()),
                    ("client_id", &text),
                    ("grant_type", "refresh_token"),
                    ("code_verifier", &text),
                ];
                let request = http().post(format!("{}/oauth/{path}", app.issuer)).body(form(&fields));
                let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
                assert!((400..500).contains(&answer.status().as_u16()), "{path} {text:?}: {}", answer.status());
            }
            let address = format!("{}/oauth/authorize?{}", app.issuer, form(&[("client_id", &text), ("state", &text)]));
            if address.len() < 16_000 {
                assert!((400..500).contains(&get(&address).await.0), "{text:?}");
            }
        }
        // What operators type; a command line cannot hold a nil byte.
        for text in texts().into_iter().filter(|text| !text.contains('\0')) {
            let (code, output, errors) = world.gateway.run(&["audit-log", "show", "--account", &text, "--json"]);
            assert_eq!((code, output.as_str()), (Some(0), "{\"events\":[]}"), "{text:?}: {errors}");
            let (code, output, errors) = world.gateway.run(&["audit-log", "show", "--client", &text, "--json"]);
            assert_eq!((code, output.as_str()), (Some(0), "{\"events\":[]}"), "{text:?}: {errors}");
        }
        for bad in ["0", "-1", "99999999999", "all", "1; DROP TABLE audit"] {
            assert_eq!(world.gateway.run(&["audit-log", "show", "--most", bad]).0, Some(2), "{bad}");
        }
        // The names that look like hers are not hers.
        for name in ["ａda", "аda", "ada ", " ada", "ada\u{200b}", "adа"] {
            let signed_in = person.submit(&page, "sign-in", &[("name", name), ("password", PASSWORD)]).await;
            assert!((400..500).contains(&signed_in.status), "{name:?}");
        }
        world.json("audit-log verify");
        let tokens = app.tokens(&mut visitor(&world.gateway)).await;
        assert_eq!(app.call(tokens.access()).await, 200, "all still stands");
    }
}

#[tokio::test]
async fn there_is_no_account_but_the_first_persons() {
    // proves: ADM-01
    let gateway = Gateway::start(options());
    let link = gateway.setup_url().expect("a link for the first account").to_owned();
    assert!(
        gateway.report["listen"].as_str().unwrap().starts_with("127.0.0.1:"),
        "only this machine, unless told otherwise"
    );
    for guess in [format!("{}/setup", gateway.public_url()), link.replace("token=dwu_", "token=dwu_A")] {
        let page = visitor(&gateway).open(&guess).await;
        assert!((400..500).contains(&page.status) && !page.has_form("setup"), "{guess}");
    }
    let mut person = visitor(&gateway);
    let page = person.open(&link).await;
    let fields = [("name", "ada"), ("password", PASSWORD)];
    let mut other = person.clone();
    assert!(person.submit(&page, "setup", &fields).await.status < 400);
    // The link is used up, for the form that is still open too.
    let fields = [("name", "eve"), ("password", PASSWORD)];
    assert!(other.submit(&page, "setup", &fields).await.status >= 400);
    assert!(visitor(&gateway).open(&link).await.status >= 400);
    for path in ["admin", "admin/clients", "api", "api/keys", "clients", "users", "keys", "audit-log", "backup"] {
        assert_eq!(get(&format!("{}/{path}", gateway.public_url())).await.0, 404, "{path}");
    }
}
