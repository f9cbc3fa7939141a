use doorward_testkit::url_text;

use super::*;
use crate::{
    facts::ClientOrigin,
    fixtures::{
        CALLBACK, CHALLENGE, ISSUER, R1, R2, at, authorization_request, browser, client, entropy, policy,
        policy_of_two, scopes,
    },
    policy::Ceiling,
};

fn decide(policy: &Policy, changes: &[(&str, &str)]) -> Begin {
    begin(policy, &authorization_request(changes), Some(&client()), browser(1).digest(), at(0), &mut entropy())
}

fn asked(policy: &Policy, changes: &[(&str, &str)]) -> AuthorizationRequest {
    match decide(policy, changes) {
        Begin::Interact { token, writes } => {
            let [Write::InsertInteraction(row)] = writes.as_slice() else { panic!("{writes:?}") };
            assert_eq!((row.digest, row.browser, row.spent), (token.digest(), browser(1).digest(), false));
            assert_eq!(row.expires_at, at(15 * 60));
            serde_json::from_slice(&row.request.open(&token, SEALED_REQUEST).unwrap()).unwrap()
        }
        other => panic!("{changes:?}: {other:?}"),
    }
}

/// The error that is sent back, after checks that hold for every error response.
fn sent_back(policy: &Policy, changes: &[(&str, &str)]) -> String {
    let Begin::Redirect(back) = decide(policy, changes) else { panic!("{changes:?}") };
    let read = url_text::parameters(back.url());
    let names: Vec<_> = read.iter().map(|(name, _)| name.as_str()).collect();
    let echoed = !changes.iter().any(|(name, _)| *name == "state");
    let expected: &[_] =
        if echoed { &["error", "error_description", "state", "iss"] } else { &["error", "error_description", "iss"] };
    assert_eq!(names, expected);
    let value = |name| url_text::parameter(back.url(), name).unwrap();
    assert_eq!(value("iss"), ISSUER);
    assert!(!echoed || value("state") == "xyz");
    assert!(value("error_description").bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')));
    assert!(!back.url().contains("<script>") && !back.url().contains("evil") && !back.url().contains("code="));
    assert_eq!(back.error().unwrap().as_str(), value("error"));
    value("error")
}

#[test]
fn a_good_request_waits_for_a_person_in_this_browser() {
    let request = asked(&policy(), &[]);
    assert_eq!((request.resource.as_str(), &request.scope, request.offline), (R1, &scopes("mcp:read"), false));
    let AnswerTo::Redirect { uri, state, challenge, dpop } = request.answer_to else { panic!() };
    assert_eq!((uri.as_str(), state.as_deref(), challenge.as_str(), dpop), (CALLBACK, Some("xyz"), CHALLENGE, None));
}

#[test]
fn nobody_is_sent_anywhere_for_an_unknown_client_or_redirect_uri() {
    // proves: REDIR-01, REDIR-18, REDIR-19, REG-02, BCP-01, BCP-16, OA21-03, OA21-10
    let refused = |changes: &[(&str, &str)]| match decide(&policy(), changes) {
        Begin::Refuse(refusal) => refusal,
        other => panic!("{changes:?}: {other:?}"),
    };
    assert_eq!(refused(&[("client_id", "")]), PageRefusal::NoClient);
    for id in ["evil_client_id", "dwcl_test ", "dwcl_test\0", "DWCL_TEST", "dwcl_tes", "dwcl_tést"] {
        assert_eq!(refused(&[("client_id", id)]), PageRefusal::UnknownClient, "{id}");
    }
    assert_eq!(refused(&[("redirect_uri", "")]), PageRefusal::NoRedirectUri);
    assert_eq!(refused(&[("redirect_uri", ""), ("redirect_uri[]", CALLBACK)]), PageRefusal::NoRedirectUri);
    for uri in
        ["https://evil.tld/", "https://a.example.evil.tld/cb", "https://a.example/cb/../x", "javascript:alert(1)"]
    {
        let PageRefusal::RedirectUri { requested } = refused(&[("redirect_uri", uri)]) else { panic!("{uri}") };
        assert_eq!(requested, uri);
    }
    // Whatever else is wrong with the request, the redirect URI is judged first.
    for wrong in
        [("response_type", "token"), ("scope", "evil"), ("prompt", "none"), ("request_uri", "https://evil.tld/")]
    {
        assert!(matches!(refused(&[("redirect_uri", "https://evil.tld/"), wrong]), PageRefusal::RedirectUri { .. }));
    }
    let gone = begin(&policy(), &authorization_request(&[]), None, browser(1).digest(), at(0), &mut entropy());
    assert!(matches!(gone, Begin::Refuse(PageRefusal::UnknownClient)));
    let ended = Client { expires_at: Some(at(0)), ..client() };
    let begun = begin(&policy(), &authorization_request(&[]), Some(&ended), browser(1).digest(), at(0), &mut entropy());
    assert!(matches!(begun, Begin::Refuse(PageRefusal::UnknownClient)));
    let PageRefusal::RedirectUri { requested } = PageRefusal::redirect_uri(&"<\u{202e}\r\n é".repeat(400)) else {
        panic!()
    };
    assert_eq!(requested, "<".repeat(200));
}

#[test]
fn what_is_wrong_otherwise_goes_back_as_an_error() {
    // proves: REDIR-26, CODE-07, CODE-08, CODE-21, BCP-09, BCP-10, BCP-26, WEB-04, AUD-02, OA21-27, OA21-30, R7636-03
    // proves: R8707-02, MCP-AUTH-087
    let bad_challenges = [
        "",
        &CHALLENGE[..42],
        &format!("{CHALLENGE}A"),
        &format!("{CHALLENGE}="),
        &CHALLENGE.replace('-', "+"),
        &CHALLENGE.replace('M', "N"),
        "\0",
        "é",
    ]
    .map(ToOwned::to_owned);
    for challenge in &bad_challenges {
        assert_eq!(sent_back(&policy(), &[("code_challenge", challenge)]), "invalid_request");
    }
    for method in ["", "plain", "PLAIN", "s256", "S512", "S256 "] {
        assert_eq!(sent_back(&policy(), &[("code_challenge_method", method)]), "invalid_request", "{method}");
    }
    let both = [("code_challenge", ""), ("code_challenge_method", "")];
    assert_eq!(sent_back(&policy(), &both), "invalid_request");
    for (response_type, error) in [
        ("", "invalid_request"),
        ("token", "unsupported_response_type"),
        ("code token", "unsupported_response_type"),
        ("id_token", "unsupported_response_type"),
        ("CODE", "unsupported_response_type"),
        ("<script>", "unsupported_response_type"),
    ] {
        assert_eq!(sent_back(&policy(), &[("response_type", response_type)]), error, "{response_type}");
    }
    for mode in ["fragment", "form_post", "web_message"] {
        assert_eq!(sent_back(&policy(), &[("response_mode", mode)]), "invalid_request");
    }
    for prompt in ["none", "consent none", "none login"] {
        assert_eq!(sent_back(&policy(), &[("prompt", prompt)]), "interaction_required");
    }
    for scope in ["mcp:evil", "mcp:read <script>", "mcp:read  mcp:write", "*", "mcp:Read", "openid", "é"] {
        assert_eq!(sent_back(&policy(), &[("scope", scope)]), "invalid_scope", "{scope}");
    }
    let long = format!("https://evil.tld/{}", "a".repeat(10_000));
    for resource in [
        "https://evil.tld/mcp",
        "https://as.example",
        "https://as.example/mcp/",
        "https://as.example/mcp#",
        "https://as.example/mcp#evil",
        "https://as.example/mcp?evil",
        "https://u@as.example/mcp",
        "https://аs.example/mcp",
        "/mcp",
        "javascript:alert(1)",
        &long,
    ] {
        assert_eq!(sent_back(&policy(), &[("resource", resource)]), "invalid_target", "{resource}");
    }
    assert_eq!(sent_back(&policy(), &[("resource", R1), ("resource", R1)]), "invalid_target");
    assert_eq!(sent_back(&policy_of_two(), &[("resource", R1), ("resource", R2)]), "invalid_target");
    assert_eq!(sent_back(&policy(), &[("request", "eyJ")]), "request_not_supported");
    assert_eq!(sent_back(&policy(), &[("request_uri", "https://evil.tld/")]), "request_uri_not_supported");
}

#[test]
fn a_state_that_cannot_be_one_is_not_echoed() {
    for state in ["a\r\nb", "é", &"a".repeat(4097)] {
        assert_eq!(sent_back(&policy(), &[("state", state)]), "invalid_request");
    }
    let longest = "~ ".repeat(2048);
    let kept = |sent| match asked(&policy(), &[("state", sent)]).answer_to {
        AnswerTo::Redirect { state, .. } => state,
        other => panic!("{other:?}"),
    };
    assert_eq!(kept(&longest), Some(longest.clone()));
    assert_eq!(kept(""), None);
}

#[test]
fn a_missing_resource_is_the_only_one() {
    // proves: AUD-05, MCP-AUTH-077
    assert_eq!(asked(&policy(), &[("resource", "")]).resource.as_str(), R1);
    assert_eq!(sent_back(&policy_of_two(), &[("resource", "")]), "invalid_target");
    assert_eq!(asked(&policy_of_two(), &[("resource", R2)]).resource.as_str(), R2);
    assert_eq!(asked(&policy(), &[("resource", "HTTPS://AS.example/mcp")]).resource.as_str(), R1);
}

#[test]
fn scopes_are_those_of_the_resource_with_what_they_imply() {
    // proves: MCP-AUTH-115, STEP-06
    // proves: R8707-07
    let all = "mcp:danger mcp:read mcp:write";
    for (sent, expected, offline) in [
        ("", all, false),
        ("offline_access", all, true),
        ("mcp:read offline_access", "mcp:read", true),
        ("mcp:write mcp:read mcp:write", "mcp:read mcp:write", false),
        ("mcp:write", "mcp:read mcp:write", false),
        ("mcp:danger", all, false),
    ] {
        let request = asked(&policy(), &[("scope", sent)]);
        assert_eq!((request.scope, request.offline), (scopes(expected), offline), "{sent}");
    }
}

#[test]
fn nobody_stays_connected_who_did_not_register_for_it() {
    let client = Client { grant_types: vec!["authorization_code".into()], ..client() };
    let form = authorization_request(&[("scope", "mcp:read offline_access")]);
    let request = read(&policy(), &form, &client, &redirect(&form, &client).unwrap(), at(0)).unwrap();
    assert_eq!((request.scope, request.offline), (scopes("mcp:read"), false));
}

#[test]
fn a_client_gets_no_more_than_its_ceilings() {
    let strangers = Ceiling { scope: Some(scopes("mcp:write")), ..Ceiling::default() };
    let limited = Policy { strangers, ..policy() };
    let scope = |policy: &Policy, client: &Client, asked: &str| {
        let form = authorization_request(&[("scope", asked)]);
        read(policy, &form, client, &redirect(&form, client).unwrap(), at(0)).map(|request| request.scope.to_string())
    };
    let registered = |scope: &str, origin| Client { scope: Some(scopes(scope)), origin, ..client() };
    for origin in [ClientOrigin::Dynamic, ClientOrigin::Document] {
        let stranger = Client { origin, ..client() };
        assert_eq!(scope(&limited, &stranger, "mcp:danger").unwrap(), "mcp:read mcp:write");
        assert_eq!(scope(&limited, &stranger, "").unwrap(), "mcp:read mcp:write");
        // What it said of itself is no limit: it was the first challenge's scope, or is about something else.
        assert_eq!(scope(&limited, &registered("mcp:read", origin), "mcp:danger").unwrap(), "mcp:read mcp:write");
        assert_eq!(scope(&limited, &registered("openid email", origin), "").unwrap(), "mcp:read mcp:write");
    }
    let own = Client { origin: ClientOrigin::Administrator, ..client() };
    assert_eq!(scope(&limited, &own, "mcp:danger").unwrap(), "mcp:danger mcp:read mcp:write");
    assert_eq!(scope(&limited, &registered("mcp:read", ClientOrigin::Administrator), "").unwrap(), "mcp:read");
    let refused = scope(&limited, &registered("openid", ClientOrigin::Administrator), "mcp:read").unwrap_err();
    assert_eq!(refused.0, AuthorizationError::InvalidScope);
}

#[test]
fn a_code_can_be_bound_to_a_key_from_the_start() {
    // proves: R9449-10
    let AnswerTo::Redirect { dpop, .. } = asked(&policy(), &[("dpop_jkt", CHALLENGE)]).answer_to else { panic!() };
    assert_eq!(dpop.unwrap().as_str(), CHALLENGE);
    for bad in ["x", &CHALLENGE[1..], &format!("{CHALLENGE}="), "é"] {
        assert_eq!(sent_back(&policy(), &[("dpop_jkt", bad)]), "invalid_request", "{bad}");
    }
}

#[test]
fn where_requests_must_be_pushed_a_plain_one_is_refused() {
    // proves: R9126-05
    assert_eq!(sent_back(&Policy { pushed_only: true, ..policy() }, &[]), "invalid_request");
    let client = Client { pushed_only: true, ..client() };
    let begun =
        begin(&policy(), &authorization_request(&[]), Some(&client), browser(1).digest(), at(0), &mut entropy());
    let Begin::Redirect(back) = begun else { panic!("{begun:?}") };
    assert_eq!(back.error(), Some(AuthorizationError::InvalidRequest));
}

#[test]
fn parameters_that_are_not_known_change_nothing() {
    // proves: OA21-18, REG-03
    let plain = asked(&policy(), &[]);
    let more = asked(&policy(), &[("approval_prompt", "auto"), ("skip_consent", "1"), ("prompt", "login"), ("x", "")]);
    assert_eq!(plain, more);
}

#[test]
fn a_client_without_the_grant_type_is_told() {
    let client = Client { grant_types: vec!["refresh_token".into()], ..client() };
    let begin =
        begin(&policy(), &authorization_request(&[]), Some(&client), browser(1).digest(), at(0), &mut entropy());
    let Begin::Redirect(back) = begin else { panic!() };
    assert_eq!(back.error(), Some(AuthorizationError::UnauthorizedClient));
}
