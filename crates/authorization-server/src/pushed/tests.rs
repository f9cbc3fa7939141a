use super::*;
use crate::{
    authorize::SEALED_REQUEST,
    fixtures::{
        CALLBACK, CHALLENGE, CLIENT, another_client, at, authenticated, authorization_request, browser, client,
        entropy, form, policy, scopes,
    },
};

fn push_with(changes: &[(&str, &str)], key: Option<&str>) -> Result<(PushedResponse, PushedRequest), RequestRefusal> {
    let key = key.map(|key| Thumbprint::parse(key).unwrap());
    let client = authenticated(&client());
    let (response, writes) = push(&policy(), &client, &authorization_request(changes), key, at(0), &mut entropy())?;
    let [Write::InsertPushedRequest(row)] = writes.as_slice() else { panic!("{writes:?}") };
    Ok((response, row.clone()))
}

fn pushed() -> (Secret<RequestReference>, PushedRequest) {
    let (response, row) = push_with(&[], None).unwrap();
    let reference = reference(&form(&[("request_uri", &response.request_uri)])).unwrap().unwrap();
    (reference, row)
}

/// What the browser brings, with more parameters.
fn brought(reference: &Secret<RequestReference>, more: &[(&str, &str)]) -> Form {
    let uri = format!("{PREFIX}{}", reference.expose());
    let mut all = vec![("request_uri", uri.as_str())];
    if !more.iter().any(|(name, _)| *name == "client_id") {
        all.push(("client_id", CLIENT));
    }
    all.extend_from_slice(more);
    form(&all)
}

fn refused(begin: Result<Begin, PageRefusal>) -> PageRefusal {
    begin.unwrap_err()
}

#[test]
fn the_answer_is_a_reference_that_cannot_be_guessed_and_soon_ends() {
    // proves: R9126-02
    let (response, row) = push_with(&[], None).unwrap();
    assert_eq!(response.expires_in, 90);
    assert_eq!((row.expires_at, row.spent, row.client.as_str()), (at(90), false, CLIENT));
    let secret = response.request_uri.strip_prefix("urn:ietf:params:oauth:request_uri:").unwrap();
    let reference = Secret::<RequestReference>::parse(secret).unwrap();
    assert!(reference.is_well_formed() && reference.digest() == row.digest);
    // A copy of the row shows nothing of the request.
    let another = Secret::<RequestReference>::generate(&mut doorward_testkit::SeededEntropy::new(9));
    assert!(row.form.open(&another, SEALED_PUSHED).is_none());
}

#[test]
fn a_pushed_request_is_judged_like_any_other() {
    // proves: R9126-03
    use AuthorizationError as E;
    for (change, error) in [
        (("redirect_uri", "https://evil.example/"), E::InvalidRequest),
        (("redirect_uri", ""), E::InvalidRequest),
        (("request_uri", "urn:ietf:params:oauth:request_uri:x"), E::InvalidRequest),
        (("request", "eyJ"), E::RequestNotSupported),
        (("response_type", "token"), E::UnsupportedResponseType),
        (("code_challenge_method", "plain"), E::InvalidRequest),
        (("code_challenge", ""), E::InvalidRequest),
        (("scope", "mcp:evil"), E::InvalidScope),
        (("resource", "https://evil.example/mcp"), E::InvalidTarget),
        (("state", "a\r\nb"), E::InvalidRequest),
        (("prompt", "none"), E::InteractionRequired),
    ] {
        assert_eq!(push_with(&[change], None).unwrap_err().0, error, "{change:?}");
    }
    let limited = Client { grant_types: vec!["refresh_token".into()], ..client() };
    let refused = push(&policy(), &authenticated(&limited), &authorization_request(&[]), None, at(0), &mut entropy());
    assert_eq!(refused.unwrap_err().0, E::UnauthorizedClient);
}

#[test]
fn a_key_comes_with_the_proof_or_the_parameter() {
    // proves: R9449-10
    let other = "Ob_WUOnyfYuOVvpKWJ-M27-JGrsgIVLdSHoI0m1Wcek".replace("Wcek", "Wcec");
    let key = |changes: &[(&str, &str)], proof| {
        let (response, row) = push_with(changes, proof)?;
        let reference = reference(&form(&[("request_uri", &response.request_uri)])).unwrap().unwrap();
        let plain = row.form.open(&reference, SEALED_PUSHED).unwrap();
        let request: AuthorizationRequest = serde_json::from_slice(&plain).unwrap();
        let AnswerTo::Redirect { dpop, .. } = request.answer_to else { panic!() };
        Ok::<_, RequestRefusal>(dpop.map(|key| key.as_str().to_owned()))
    };
    assert_eq!(key(&[], None), Ok(None));
    for (changes, proof) in
        [(&[("dpop_jkt", CHALLENGE)][..], None), (&[], Some(CHALLENGE)), (&[("dpop_jkt", CHALLENGE)], Some(CHALLENGE))]
    {
        assert_eq!(key(changes, proof), Ok(Some(CHALLENGE.to_owned())), "{changes:?}");
    }
    assert!(Thumbprint::parse(other.as_str()).is_ok());
    assert_eq!(key(&[("dpop_jkt", CHALLENGE)], Some(&other)).unwrap_err().0, AuthorizationError::InvalidRequest);
}

#[test]
fn nothing_of_the_browsers_request_counts_but_reference_and_client() {
    // proves: R9126-04
    let (reference, row) = pushed();
    let client = client();
    let facts = Facts { client: Some(&client), pushed: Some(&row), begun: None };
    let changed =
        [("scope", "mcp:danger"), ("redirect_uri", "https://evil.example/"), ("state", "evil"), ("prompt", "none")];
    for more in [&[][..], &changed] {
        let form = brought(&reference, more);
        let begun = begin(&policy(), &form, &reference, &facts, browser(1).digest(), at(5), &mut entropy());
        let Begin::Interact { token, writes } = begun.unwrap() else { panic!() };
        let [Write::SpendPushedRequest(spent), Write::InsertInteraction(waiting)] = writes.as_slice() else {
            panic!("{writes:?}")
        };
        assert_eq!((*spent, waiting.digest, waiting.browser), (row.digest, token.digest(), browser(1).digest()));
        let request = waiting.request.open(&token, SEALED_REQUEST).unwrap();
        let request: AuthorizationRequest = serde_json::from_slice(&request).unwrap();
        let AnswerTo::Redirect { uri, state, .. } = request.answer_to else { panic!() };
        assert_eq!((request.scope, uri.as_str(), state.as_deref()), (scopes("mcp:read"), CALLBACK, Some("xyz")));
    }
}

#[test]
fn a_reference_is_good_once_in_time_and_for_its_own_client() {
    // proves: R9126-02, R9126-04
    let (reference, row) = pushed();
    let (client, other) = (client(), another_client());
    let begin = |client: &Client, row: &PushedRequest, now| {
        let form = brought(&reference, &[("client_id", client.id.as_str())]);
        let facts = Facts { client: Some(client), pushed: Some(row), begun: None };
        super::begin(&policy(), &form, &reference, &facts, browser(1).digest(), at(now), &mut entropy())
    };
    assert!(matches!(begin(&client, &row, 89), Ok(Begin::Interact { .. })));
    let unknown = PageRefusal::UnknownPushedRequest;
    assert_eq!(refused(begin(&client, &row, 90)), unknown);
    assert_eq!(refused(begin(&other, &row, 0)), unknown);
    assert_eq!(refused(begin(&client, &PushedRequest { spent: true, ..row.clone() }, 0)), unknown);
    let foreign = PushedRequest { digest: Secret::<RequestReference>::parse("dwp_x").unwrap().digest(), ..row.clone() };
    assert_eq!(refused(begin(&client, &foreign, 0)), unknown);
    let form = brought(&reference, &[]);
    let crossed = Facts { client: Some(&other), pushed: Some(&row), begun: None };
    let begun = super::begin(&policy(), &form, &reference, &crossed, browser(1).digest(), at(0), &mut entropy());
    assert_eq!(refused(begun), PageRefusal::UnknownClient);
    let nobody = Facts { client: None, pushed: Some(&row), begun: None };
    let begun = super::begin(&policy(), &form, &reference, &nobody, browser(1).digest(), at(0), &mut entropy());
    assert_eq!(refused(begun), PageRefusal::UnknownClient);
    let form = brought(&reference, &[("client_id", "")]);
    let facts = Facts { client: Some(&client), pushed: Some(&row), begun: None };
    let begun = super::begin(&policy(), &form, &reference, &facts, browser(1).digest(), at(0), &mut entropy());
    assert_eq!(refused(begun), PageRefusal::NoClient);
}

#[test]
fn a_page_that_is_loaded_again_goes_on_with_what_was_begun() {
    let (reference, row) = pushed();
    let (client, other) = (client(), another_client());
    let form = brought(&reference, &[]);
    let facts = Facts { client: Some(&client), pushed: Some(&row), begun: None };
    let first = begin(&policy(), &form, &reference, &facts, browser(1).digest(), at(5), &mut entropy());
    let Begin::Interact { token, mut writes } = first.unwrap() else { panic!() };
    let Some(Write::InsertInteraction(waiting)) = writes.pop() else { panic!() };
    let spent = PushedRequest { spent: true, ..row };
    // Much later too: the row of the pushed request may be gone by then.
    for (pushed, now) in [(Some(&spent), 6), (None, 600)] {
        let again = Facts { client: Some(&client), pushed, begun: Some(&waiting) };
        let again = begin(&policy(), &form, &reference, &again, browser(1).digest(), at(now), &mut entropy());
        let Begin::Interact { token: same, writes } = again.unwrap() else { panic!() };
        assert!(same.is(&token) && writes.is_empty());
    }
    let open = |seed| consent::open(&policy(), &waiting, &token, &browser(seed).digest(), Some(&client), at(6));
    assert!(open(1).is_ok());
    assert_eq!(open(2).map(|_| ()), Err(PageRefusal::OtherBrowser));
    let form = brought(&reference, &[("client_id", other.id.as_str())]);
    let foreign = Facts { client: Some(&other), pushed: None, begun: Some(&waiting) };
    let foreign = begin(&policy(), &form, &reference, &foreign, browser(1).digest(), at(6), &mut entropy());
    assert_eq!(refused(foreign), PageRefusal::UnknownPushedRequest);
}

#[test]
fn what_is_no_reference_of_ours_is_told_apart() {
    let read = |uri: &str| reference(&form(&[("request_uri", uri)])).map(|found| found.is_some());
    assert_eq!(read(""), Ok(false));
    assert_eq!(read("https://client.example/request.jwt"), Ok(false));
    for bad in ["", "x", "dwp_short", "dwc_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "é"] {
        assert_eq!(read(&format!("{PREFIX}{bad}")), Err(PageRefusal::UnknownPushedRequest), "{bad}");
    }
    assert!(interaction(&pushed().0).is_well_formed());
}
