use std::time::Duration;

use doorward_types::{
    Issuer,
    outbound::{FetchFailed, Reach},
};
use serde_json::json;

use crate::{
    Code, Note, Target,
    scripted::{ISSUER, MCP, World, answer, resource, server, with},
};

const INSERTED: &str = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
const ROOT: &str = "https://mcp.example/.well-known/oauth-protected-resource";
const SERVER: &str = "https://as.example/.well-known/oauth-authorization-server";
const OPENID: &str = "https://as.example/.well-known/openid-configuration";

fn refused(world: &mut World) -> Code {
    let failed = world.run().unwrap_err();
    assert!(world.opened.is_empty(), "the browser was opened");
    assert!(world.sent.iter().all(|sent| sent.method == "GET"), "something was posted");
    failed.code()
}

#[test]
fn without_a_challenge_the_well_known_places_are_asked_in_order() {
    // proves: MCP-AUTH-012, MCP-AUTH-013, MCP-AUTH-014, MCP-AUTH-026, R9728-05
    let mut world = World::usual();
    world.run().unwrap();
    assert_eq!(world.urls()[..2], [INSERTED, SERVER]);

    let mut world = World::usual();
    world.status(INSERTED, 404);
    world.document(ROOT, resource(MCP, &[ISSUER]));
    world.run().unwrap();
    assert_eq!(world.urls()[..3], [INSERTED, ROOT, SERVER]);

    let mut world = World::usual();
    world.target = Target::new("https://mcp.example", "t").unwrap();
    world.document(ROOT, resource("https://mcp.example", &[ISSUER]));
    world.run().unwrap();
    assert_eq!(world.urls()[..2], [ROOT, SERVER]);
}

#[test]
fn the_place_that_the_challenge_names_is_the_only_one_that_is_asked() {
    // proves: MCP-AUTH-013, MCP-AUTH-015
    let custom = "https://mcp.example/custom/metadata.json";
    let mut world = World::usual();
    world.document(custom, resource(MCP, &[ISSUER]));
    world.challenge(&format!("Basic x, Bearer error=\"invalid_token\", resource_metadata=\"{custom}\""));
    world.run().unwrap();
    assert_eq!(world.urls()[..2], [custom, SERVER]);

    world = World::usual();
    world.challenge("Bearer resource_metadata=\"https://mcp.example/gone\"");
    assert_eq!(refused(&mut world), Code::NoResourceMetadata);
    assert_eq!(world.urls(), ["https://mcp.example/gone"]);
}

#[test]
fn a_malformed_challenge_is_as_good_as_none() {
    // proves: MCP-AUTH-015, DISC-07
    for challenge in [
        "Bearer",
        "Bearer resource_metadata=",
        "Bearer resource_metadata=\"x",
        "Negotiate",
        "Bearer resource_metadata=\"nonsense\"",
    ] {
        let mut world = World::usual();
        world.challenge(challenge);
        world.run().unwrap();
        assert_eq!(world.urls()[0], INSERTED, "{challenge}");
    }
}

#[test]
fn metadata_is_not_fetched_from_elsewhere() {
    // proves: DISC-01, DISC-06, MCP-SBP-016, MCP-SBP-017, R9728-11, R9728-15
    for place in [
        "http://169.254.169.254/latest",
        "http://localhost:6379/",
        "file:///etc/passwd",
        "gopher://mcp.example/",
        "https://intranet/",
        "https://evil.example/.well-known/oauth-protected-resource/mcp",
        "http://mcp.example/x",
        "https://u:p@mcp.example/x",
        "https://mcp.example/x#f",
        "https://mcp.example:8443/x",
        "javascript:alert(1)",
        "https://mcp.example.evil.example/",
        "http://localhost.evil/",
    ] {
        let mut world = World::usual();
        world.challenge(&format!("Bearer resource_metadata=\"{place}\""));
        assert_eq!(refused(&mut world), Code::Forbidden, "{place}");
        assert!(world.sent.is_empty(), "{place}");
    }
    let elsewhere = "https://meta.example/mcp.json";
    let mut world = World::usual();
    world.target.lenient.foreign_metadata = true;
    world.document(elsewhere, resource(MCP, &[ISSUER]));
    world.challenge(&format!("Bearer resource_metadata=\"{elsewhere}\""));
    world.run().unwrap();
    assert_eq!(world.notes, [Note::ForeignMetadata]);
    world.challenge("Bearer resource_metadata=\"http://localhost:6379/\"");
    assert_eq!(world.run().unwrap_err().code(), Code::Forbidden);
}

#[test]
fn a_server_that_calls_this_computer_by_another_name_is_told_by_that_one() {
    let mut world = World::empty("http://127.0.0.1:8420/mcp");
    for (place, told) in [
        ("http://localhost:8420/.well-known/oauth-protected-resource/mcp", true),
        ("http://localhost:9999/.well-known/oauth-protected-resource/mcp", false),
        ("https://localhost:8420/.well-known/oauth-protected-resource/mcp", false),
    ] {
        world.challenge(&format!("Bearer resource_metadata=\"{place}\""));
        let failed = world.run().unwrap_err();
        assert_eq!(failed.code(), Code::Forbidden, "{failed}");
        assert_eq!(failed.hint().contains("give http://localhost:8420/mcp instead"), told, "{failed}");
    }
}

#[test]
fn the_metadata_must_describe_the_very_server() {
    // proves: MCP-AUTH-016, DISC-05, R9728-07, R9728-08, R9728-11
    for found in [
        "https://evil.example/mcp",
        "https://mcp.example/",
        "https://mcp.example",
        "https://mcp.example/mcp/",
        "https://mcp.example/mcp/a",
        "https://mcp.example/MCP",
        "https://mcp.example/mcp?x=1",
        "http://mcp.example/mcp",
        "https://mcp.example:8443/mcp",
        "https://mcp.example/mc",
        "mcp",
        "",
    ] {
        let mut world = World::usual();
        world.document(INSERTED, resource(found, &[ISSUER]));
        assert_eq!(refused(&mut world), Code::ResourceMismatch, "{found}");
        let mut world = World::usual();
        world.document(INSERTED, resource(found, &[ISSUER]));
        world.challenge(&format!("Bearer resource_metadata=\"{INSERTED}\""));
        assert_eq!(refused(&mut world), Code::ResourceMismatch, "{found}");
    }
}

#[test]
fn the_root_document_may_describe_the_whole_origin() {
    // proves: MCP-AUTH-014, MCP-AUTH-016, DISC-05
    let mut world = World::usual();
    world.status(INSERTED, 404);
    world.document(ROOT, resource("https://mcp.example", &[ISSUER]));
    let connected = world.run().unwrap();
    assert_eq!(world.notes, [Note::WholeOrigin]);
    assert_eq!((connected.tokens.audience.as_str(), connected.tokens.resource.as_str()), ("https://mcp.example", MCP));
    // But not another part of it, nor another origin; and a challenge cannot point there.
    for found in ["https://mcp.example/other", "https://evil.example", "https://mcp.example/?a"] {
        let mut world = World::usual();
        world.status(INSERTED, 404);
        world.document(ROOT, resource(found, &[ISSUER]));
        assert_eq!(refused(&mut world), Code::ResourceMismatch, "{found}");
    }
    let mut world = World::usual();
    world.document(ROOT, resource("https://mcp.example", &[ISSUER]));
    world.challenge(&format!("Bearer resource_metadata=\"{ROOT}\""));
    assert_eq!(refused(&mut world), Code::ResourceMismatch);
}

#[test]
fn a_parent_is_accepted_only_when_the_user_tolerates_it() {
    // proves: DISC-05
    let told = [Note::ParentResource];
    for (found, typed, good) in [
        ("https://mcp.example/a", "/a/b/c", Some(&told[..])),
        ("https://mcp.example/", "/a/b/c", Some(&told)),
        ("https://mcp.example/a/b/c/", "/a/b/c", Some(&told)),
        ("https://mcp.example/a/b/c", "/a/b/c", Some(&[])),
        ("https://mcp.example/a/b/c/d", "/a/b/c", None),
        ("https://mcp.example/a/b", "/a/bb", None),
        ("https://evil.example/a", "/a/b/c", None),
    ] {
        let mut world = World::usual();
        world.target = Target::new(&format!("https://mcp.example{typed}"), "t").unwrap();
        world.challenge("Bearer resource_metadata=\"https://mcp.example/x\"");
        world.document("https://mcp.example/x", resource(found, &[ISSUER]));
        if good != Some(&[]) {
            let failed = world.run().unwrap_err();
            assert_eq!(failed.code(), Code::ResourceMismatch);
            assert_eq!(failed.hint().contains("--tolerate parent-resource"), good.is_some(), "{found}: {failed}");
        }
        world.target.lenient.parent_resource = true;
        assert_eq!(world.run().ok().map(|_| world.notes.as_slice()), good, "{found}");
    }
}

#[test]
fn the_two_spellings_of_a_bare_origin_are_one() {
    // proves: MCP-AUTH-078
    for (typed, published) in
        [("https://mcp.example", "https://mcp.example/"), ("https://mcp.example/", "https://mcp.example")]
    {
        let mut world = World::usual();
        world.target = Target::new(typed, "t").unwrap();
        world.document(ROOT, resource(published, &[ISSUER]));
        world.challenge(&format!("Bearer resource_metadata=\"{ROOT}\""));
        assert_eq!(world.run().unwrap().tokens.audience, published);
        assert!(world.notes.is_empty(), "{:?}", world.notes);
    }
}

#[test]
fn a_server_that_is_down_is_not_passed_over() {
    // proves: DISC-10
    for (place, rest) in [(INSERTED, ROOT), (SERVER, OPENID)] {
        for status in [500, 502, 503, 429] {
            let mut world = World::usual();
            world.document(ROOT, resource(MCP, &[ISSUER]));
            world.document(OPENID, server(ISSUER));
            world.status(place, status);
            let code = if status == 429 { Code::TooOften } else { Code::ServerFault };
            assert_eq!(refused(&mut world), code, "{place} {status}");
            assert!(!world.urls().contains(&rest));
        }
        for (failed, code) in [
            (FetchFailed::Timeout(Duration::from_secs(10)), Code::Unreachable),
            (FetchFailed::Connect("refused".into()), Code::Unreachable),
            (FetchFailed::Name("x".into()), Code::Unreachable),
            (FetchFailed::Tls("bad certificate".into()), Code::Tls),
            (FetchFailed::Forbidden("10.0.0.1".into()), Code::Forbidden),
            (FetchFailed::TooLong(9), Code::ServerFault),
        ] {
            let mut world = World::usual();
            world.route(&format!("GET {place}"), move |_| Err(failed.clone()));
            assert_eq!(refused(&mut world), code);
        }
    }
}

#[test]
fn anything_that_is_not_there_is_passed_over() {
    // proves: DISC-10, DISC-12
    for status in [400, 401, 403, 404, 405, 410, 301, 302, 204] {
        let mut world = World::usual();
        world.status(INSERTED, status);
        world.document(ROOT, resource(MCP, &[ISSUER]));
        world.status(SERVER, status);
        world.document(OPENID, server(ISSUER));
        world.run().unwrap();
        assert_eq!(world.urls()[..4], [INSERTED, ROOT, SERVER, OPENID], "{status}");
    }
    for body in [
        "<!doctype html><title>Log in",
        "{\"issuer\":\"a\",\"issuer\":\"b\"}",
        "[]",
        "",
        "\u{feff}{}",
        "{\"error\":\"x\"}",
    ] {
        let mut world = World::usual();
        let page = move |_: &_| {
            let mut page = answer(200, &json!({}));
            page.body = body.into();
            Ok(page)
        };
        world.route(&format!("GET {INSERTED}"), page);
        assert_eq!(refused(&mut world), Code::BadResourceMetadata, "{body}");
        let mut world = World::usual();
        world.route(&format!("GET {SERVER}"), page);
        assert_eq!(refused(&mut world), Code::BadServerMetadata, "{body}");
    }
    assert_eq!(refused(&mut World::empty(MCP)), Code::NoResourceMetadata);
    // The endpoints of an old server are not guessed for one that names its authorization server.
    let mut world = World::usual();
    world.challenge("Bearer");
    world.status(SERVER, 404);
    assert_eq!(refused(&mut world), Code::NoServerMetadata);
    assert!(world.sent.iter().all(|sent| !sent.headers.contains_key("mcp-protocol-version")));
    assert_eq!(world.urls(), [INSERTED, SERVER, OPENID]);
}

#[test]
fn an_issuer_with_a_path_is_asked_in_its_own_order_and_never_at_the_root() {
    // proves: MCP-AUTH-024, MCP-AUTH-025
    let issuer = "https://as.example/tenant1";
    let last = "https://as.example/tenant1/.well-known/openid-configuration";
    let mut world = World::usual();
    world.document(INSERTED, resource(MCP, &[issuer]));
    world.document(last, server(issuer));
    // Registration has no route at this issuer, so the login ends there.
    assert_eq!(world.run().unwrap_err().code(), Code::RegistrationRefused);
    assert_eq!(
        world.urls(),
        [
            INSERTED,
            "https://as.example/.well-known/oauth-authorization-server/tenant1",
            "https://as.example/.well-known/openid-configuration/tenant1",
            last,
            "https://as.example/tenant1/register",
        ]
    );
}

#[test]
fn metadata_of_another_issuer_is_not_used() {
    // proves: MCP-AUTH-027, MCP-AUTH-028, MIX-05, R8414-09, R8414-10
    for issuer in ["https://honest.example", "https://as.example/", "https://AS.example", "https://as.example:443", ""]
    {
        let mut world = World::usual();
        world.document(SERVER, with(server(ISSUER), json!({ "issuer": issuer })));
        assert_eq!(refused(&mut world), Code::IssuerMismatch, "{issuer}");
    }
    let mut world = World::usual();
    world.document(SERVER, with(server(ISSUER), json!({ "issuer": "https://honest.example" })));
    world.document(OPENID, server(ISSUER));
    world.run().unwrap();
}

#[test]
fn without_s256_no_login_is_started() {
    // proves: CODE-11, MCP-AUTH-069, MCP-AUTH-070, MCP-AUTH-071, OA21-08, R7636-02, R8414-05
    for methods in [json!(null), json!([]), json!(["plain"]), json!(["s256"]), json!(["S512"])] {
        for place in [SERVER, OPENID] {
            let mut world = World::usual();
            world.status(SERVER, 404);
            world.document(place, with(server(ISSUER), json!({ "code_challenge_methods_supported": methods })));
            assert_eq!(refused(&mut world), Code::NoPkce, "{methods}");
            assert!(world.held.is_empty());
        }
    }
}

#[test]
fn endpoints_must_be_where_an_authorization_server_can_have_them() {
    // proves: DISC-03, DISC-06, BRW-01, BRW-02, MCP-AUTH-124, MCP-SBP-033, MCP-SBP-036
    for member in ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"] {
        for url in [
            "http://as.example/x",
            "http://localhost/x",
            "https://u:p@as.example/x",
            "https://as.example/x#y",
            "javascript:alert(1)",
            "file:///c:/windows/system32/calc.exe",
            "http:$(calc.exe)",
            "https://as.example/\"&calc&\"",
            "https://as.example/a b",
            "ms-msdt:x",
            "-flag",
            "",
            "https://$(id)@h/",
            "https://as.example\\x",
        ] {
            let mut world = World::usual();
            world.document(SERVER, with(server(ISSUER), json!({ member: url })));
            assert_eq!(refused(&mut world), Code::BadServerMetadata, "{member} {url}");
        }
    }
}

#[test]
fn only_authorization_servers_of_the_public_internet_serve_a_public_server() {
    // proves: DISC-02, DISC-06, MCP-SBP-016
    for servers in [&["http://localhost:9"][..], &["http://127.0.0.1:9", "http://[::1]:9"]] {
        let mut world = World::usual();
        world.document(INSERTED, resource(MCP, servers));
        assert_eq!(refused(&mut world), Code::Forbidden);
        assert_eq!(world.urls(), [INSERTED]);
    }
    for servers in
        [&[][..], &["javascript:alert(1)"], &["http://as.example"], &["as.example"], &["https://as.example?x"]]
    {
        let mut world = World::usual();
        world.document(INSERTED, resource(MCP, servers));
        assert_eq!(refused(&mut world), Code::BadResourceMetadata);
    }
    let many: Vec<String> = (0..1000).map(|n| format!("https://as{n}.example")).collect();
    let mut world = World::usual();
    world.document(INSERTED, resource(MCP, &many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(refused(&mut world), Code::NoServerMetadata);
    assert_eq!(world.sent.len(), 1 + 5 * 2);
}

#[test]
fn requests_reach_private_addresses_only_for_a_server_that_is_there() {
    // proves: DISC-01, MCP-SBP-016, R8707-01, R9728-15
    for (url, reach) in [
        ("https://mcp.example/mcp", Reach::Public),
        ("https://8.8.8.8/mcp", Reach::Public),
        ("http://localhost:8420/mcp", Reach::Anywhere),
        ("http://127.0.0.1:8420/mcp", Reach::Anywhere),
        ("https://192.168.1.9/mcp", Reach::Anywhere),
        ("https://[fd00::1]/mcp", Reach::Anywhere),
        ("http://[::1]:8420/mcp", Reach::Anywhere),
    ] {
        assert_eq!(Target::new(url, "t").unwrap().reach, reach, "{url}");
    }
    for bad in [
        "http://mcp.example/mcp",
        "ftp://mcp.example",
        "mcp.example",
        "https://u@mcp.example/",
        "https://mcp.example/#x",
        "",
    ] {
        assert_eq!(Target::new(bad, "t").unwrap_err().code(), Code::BadTarget, "{bad}");
    }
    for (bad, right) in [
        ("https://mcp.example/mcp#x", "https://mcp.example/mcp"),
        ("https://ada:s3cret@mcp.example/mcp", "https://mcp.example/mcp"),
        ("https://mcp.example/a b", "https://mcp.example/a%20b"),
    ] {
        let failed = Target::new(bad, "t").unwrap_err();
        assert!(failed.hint() == format!("give it as {right}"), "{failed}");
        assert!(!failed.to_string().contains("s3cret"), "{failed}");
    }
}

#[test]
fn a_server_on_this_computer_may_use_plain_http() {
    // proves: DISC-06
    let (mcp, issuer) = ("http://localhost:8420/mcp", "http://localhost:8420");
    let mut world = World::empty(mcp);
    world.document("http://localhost:8420/.well-known/oauth-protected-resource/mcp", resource(mcp, &[issuer]));
    world.document("http://localhost:8420/.well-known/oauth-authorization-server", server(issuer));
    let failed = world.run().unwrap_err();
    assert_eq!((failed.code(), world.held.len()), (Code::RegistrationRefused, 1));
}

#[test]
fn of_several_authorization_servers_the_known_one_is_taken_else_the_first_that_works() {
    // proves: MIX-13, MCP-AUTH-017
    let listed = ["https://evil.example", "https://other.example", ISSUER];
    let mut world = World::usual();
    world.document(INSERTED, resource(MCP, &listed));
    world.document("https://evil.example/.well-known/oauth-authorization-server", server("https://evil.example"));
    world.target.known_issuer = Some(Issuer::parse(ISSUER).unwrap());
    world.run().unwrap();
    assert!(world.notes.is_empty() && !world.urls().iter().any(|url| url.contains("evil")));

    let mut world = World::usual();
    world.document(INSERTED, resource(MCP, &["https://gone.example", ISSUER]));
    world.target.known_issuer = Some(Issuer::parse("https://before.example").unwrap());
    world.run().unwrap();
    let notes = world.notes.clone();
    assert_eq!(notes, [Note::IssuerChanged { from: Issuer::parse("https://before.example").unwrap() }]);
}
