//! The authorization request: refuse on our own page, send an error back, or ask a person.

use doorward_types::{
    ClientId, Digest, Entropy, ResourceId, S256Challenge, Scope, ScopeSet, Secret, Timestamp,
    form::Form,
    secret::{InteractionToken, SessionToken, State},
};

use crate::{
    PageRefusal, Policy, Resource, Write,
    facts::{AuthorizationRequest, Client, Interaction},
    redirect_target::{AuthorizationError, RedirectBack},
    seal::Sealed,
};

/// What [`Sealed::seal`] is told when a waiting request is sealed.
pub(crate) const SEALED_REQUEST: &str = "authorization request";

/// How an authorization request goes on.
#[derive(Debug)]
pub enum Begin {
    /// Shown here: nobody may be sent anywhere.
    Refuse(PageRefusal),
    /// An error for the client, at its matched redirect URI. It is shown on a page first.
    Redirect(RedirectBack),
    /// A person is asked.
    Interact {
        /// Names the waiting request; it goes into the URL of the sign-in and consent pages.
        token: Secret<InteractionToken>,
        /// The request, as it will be read back.
        request: AuthorizationRequest,
        /// To be committed before the page is shown.
        writes: Vec<Write>,
    },
}

/// The client that a request names, to load its facts.
///
/// # Errors
/// When `client_id` is missing or malformed.
pub fn client_id(form: &Form) -> Result<ClientId, PageRefusal> {
    let text = form.get("client_id").ok_or(PageRefusal::NoClient)?;
    ClientId::parse(text).map_err(|_| PageRefusal::UnknownClient)
}

/// Decides on an authorization request. `browser` is the digest of the browser's session cookie, signed in or not:
/// only this browser can answer. The redirect URI is matched before anything is sent anywhere.
///
/// Source: OAuth 2.1 section 4.1.1, RFC 8707 section 2, RFC 9207 section 2.
pub fn begin(
    policy: &Policy,
    form: &Form,
    client: Option<&Client>,
    browser: Digest<SessionToken>,
    now: Timestamp,
    entropy: &mut dyn Entropy,
) -> Begin {
    let id = match client_id(form) {
        Ok(id) => id,
        Err(refusal) => return Begin::Refuse(refusal),
    };
    let Some(client) = client.filter(|client| client.id == id) else {
        return Begin::Refuse(PageRefusal::UnknownClient);
    };
    let Some(requested) = form.get("redirect_uri") else {
        return Begin::Refuse(PageRefusal::NoRedirectUri);
    };
    let Some(redirect) = client.match_redirect_uri(requested) else {
        return Begin::Refuse(PageRefusal::redirect_uri(requested));
    };
    // A state that cannot be one is not echoed; everything else of it is, verbatim.
    let state = form.get("state").map(Secret::<State>::parse);
    let request = match &state {
        Some(Err(_)) => Err(Wrong(AuthorizationError::InvalidRequest, "state is too long or holds other than ASCII")),
        _ => read(policy, form, client, requested, now),
    };
    match request {
        Err(Wrong(error, description)) => {
            let state = state.as_ref().and_then(|state| state.as_ref().ok()).map(Secret::expose);
            Begin::Redirect(RedirectBack::with_error(redirect, &policy.issuer, state, error, description))
        }
        Ok(request) => {
            let token = Secret::generate(entropy);
            let plain = serde_json::to_vec(&request).expect("a request serialises");
            let interaction = Interaction {
                digest: token.digest(),
                browser,
                request: Sealed::seal(&token, SEALED_REQUEST, &plain, entropy),
                expires_at: now.plus(policy.lifetimes.interaction),
                spent: false,
            };
            Begin::Interact { token, request, writes: vec![Write::InsertInteraction(interaction)] }
        }
    }
}

/// An error for the client, with a fixed sentence.
struct Wrong(AuthorizationError, &'static str);

fn read(
    policy: &Policy,
    form: &Form,
    client: &Client,
    requested: &str,
    now: Timestamp,
) -> Result<AuthorizationRequest, Wrong> {
    use AuthorizationError as E;
    if form.get("request").is_some() {
        return Err(Wrong(E::RequestNotSupported, "request objects are not supported"));
    }
    if form.get("request_uri").is_some() {
        return Err(Wrong(E::RequestUriNotSupported, "request objects are not supported"));
    }
    match form.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(Wrong(E::UnsupportedResponseType, "the only response_type is code")),
        None => return Err(Wrong(E::InvalidRequest, "response_type is missing")),
    }
    if !matches!(form.get("response_mode"), None | Some("query")) {
        return Err(Wrong(E::InvalidRequest, "the only response_mode is query"));
    }
    if !client.grant_types.iter().any(|grant_type| grant_type == "authorization_code") {
        return Err(Wrong(E::UnauthorizedClient, "the client did not register the grant type authorization_code"));
    }
    // A missing method would mean `plain` (RFC 7636 section 4.3), which does not exist here.
    if form.get("code_challenge_method") != Some("S256") {
        return Err(Wrong(E::InvalidRequest, "code_challenge_method must be S256"));
    }
    let challenge = form
        .get("code_challenge")
        .and_then(|text| S256Challenge::parse(text).ok())
        .ok_or(Wrong(E::InvalidRequest, "code_challenge must be the base64url form of a SHA-256 digest"))?;
    let resource = resource(policy, form)?;
    let scope = scope(form, resource)?;
    // Every answer needs a person here, so a request that forbids to ask one cannot succeed.
    if form.get("prompt").is_some_and(|prompt| prompt.split(' ').any(|value| value == "none")) {
        return Err(Wrong(E::InteractionRequired, "the person is always asked"));
    }
    Ok(AuthorizationRequest {
        client: client.id.clone(),
        redirect_uri: requested.to_owned(),
        state: form.get("state").map(ToOwned::to_owned),
        challenge,
        resource: resource.id.clone(),
        scope,
        requested_at: now,
    })
}

/// The one resource that is asked for: named once and known, or left out where there is only one.
fn resource<'a>(policy: &'a Policy, form: &Form) -> Result<&'a Resource, Wrong> {
    let wrong = |description| Wrong(AuthorizationError::InvalidTarget, description);
    let mut asked = form.all("resource");
    match (asked.next(), asked.next(), policy.resources.as_slice()) {
        (None, _, [only]) => Ok(only),
        (None, ..) => Err(wrong("resource is missing")),
        (Some(_), Some(_), _) => Err(wrong("only one resource can be asked for")),
        (Some(text), None, _) => ResourceId::parse(text)
            .ok()
            .and_then(|id| policy.resource(&id))
            .ok_or(wrong("the resource is not one of this server's protected resources")),
    }
}

/// The scopes that are asked for; all of the resource's when none is named, for the person to narrow.
/// `offline_access` is passed over: it asks for what follows from the registration anyway.
fn scope(form: &Form, resource: &Resource) -> Result<ScopeSet, Wrong> {
    let wrong = |description| Wrong(AuthorizationError::InvalidScope, description);
    let asked = ScopeSet::parse(form.get("scope").unwrap_or_default()).map_err(|_| wrong("scope is malformed"))?;
    let offline: ScopeSet = Scope::parse("offline_access").into_iter().collect();
    let asked = asked.without(&offline);
    if asked.is_empty() {
        return Ok(resource.scopes.clone());
    }
    if resource.scopes.covers(&asked) { Ok(asked) } else { Err(wrong("a scope is not one of the resource's")) }
}

#[cfg(test)]
mod tests {
    use doorward_testkit::url_text;

    use super::*;
    use crate::fixtures::{
        CALLBACK, CLIENT, ISSUER, R1, R2, at, browser, client, entropy, form, policy, policy_of_two, scopes,
    };

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    /// A good request with some parameters replaced; an empty value takes one out.
    fn request(changes: &[(&str, &str)]) -> Form {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", R1),
            ("scope", "mcp:read"),
            ("state", "xyz"),
        ];
        parameters.retain(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        parameters.extend_from_slice(changes);
        form(&parameters)
    }

    fn decide(policy: &Policy, changes: &[(&str, &str)]) -> Begin {
        begin(policy, &request(changes), Some(&client()), browser(1).digest(), at(0), &mut entropy())
    }

    fn asked(policy: &Policy, changes: &[(&str, &str)]) -> AuthorizationRequest {
        match decide(policy, changes) {
            Begin::Interact { token, request, writes } => {
                let [Write::InsertInteraction(row)] = writes.as_slice() else { panic!("{writes:?}") };
                assert_eq!((row.digest, row.browser, row.spent), (token.digest(), browser(1).digest(), false));
                assert_eq!(row.expires_at, at(15 * 60));
                request
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
        let expected: &[_] = if echoed {
            &["error", "error_description", "state", "iss"]
        } else {
            &["error", "error_description", "iss"]
        };
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
        assert_eq!(request.redirect_uri, CALLBACK);
        assert_eq!(request.resource.as_str(), R1);
        assert_eq!((request.scope, request.state.as_deref()), (scopes("mcp:read"), Some("xyz")));
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
            assert!(matches!(
                refused(&[("redirect_uri", "https://evil.tld/"), wrong]),
                PageRefusal::RedirectUri { .. }
            ));
        }
        let gone = begin(&policy(), &request(&[]), None, browser(1).digest(), at(0), &mut entropy());
        assert!(matches!(gone, Begin::Refuse(PageRefusal::UnknownClient)));
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
        assert_eq!(asked(&policy(), &[("state", &longest)]).state, Some(longest));
        assert_eq!(asked(&policy(), &[("state", "")]).state, None);
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
    fn scopes_are_those_of_the_resource() {
        let all = "mcp:danger mcp:read mcp:write";
        for (sent, expected) in [
            ("", all),
            ("offline_access", all),
            ("mcp:read offline_access", "mcp:read"),
            ("mcp:write mcp:read mcp:write", "mcp:read mcp:write"),
        ] {
            assert_eq!(asked(&policy(), &[("scope", sent)]).scope, scopes(expected), "{sent}");
        }
    }

    #[test]
    fn parameters_that_are_not_known_change_nothing() {
        // proves: OA21-18, REG-03
        let plain = asked(&policy(), &[]);
        let more =
            asked(&policy(), &[("approval_prompt", "auto"), ("skip_consent", "1"), ("prompt", "login"), ("x", "")]);
        assert_eq!(plain, more);
    }

    #[test]
    fn a_client_without_the_grant_type_is_told() {
        let client = Client { grant_types: vec!["refresh_token".into()], ..client() };
        let begin = begin(&policy(), &request(&[]), Some(&client), browser(1).digest(), at(0), &mut entropy());
        let Begin::Redirect(back) = begin else { panic!() };
        assert_eq!(back.error(), Some(AuthorizationError::UnauthorizedClient));
    }
}
