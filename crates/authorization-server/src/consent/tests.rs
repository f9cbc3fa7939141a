use doorward_testkit::{SeededEntropy, url_text};
use doorward_types::{ClientId, S256Challenge};

use super::*;
use crate::{
    authorize::{self, Begin},
    fixtures::{CALLBACK, R1, at, browser, client, client_at, entropy, form, owner, policy, scopes, seconds, verifier},
};

/// A request that waits for the browser of seed 1.
fn waiting() -> (Secret<InteractionToken>, Interaction) {
    let challenge: S256Challenge = verifier().challenge();
    let form = form(&[
        ("response_type", "code"),
        ("client_id", client().id.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("scope", "mcp:read mcp:write"),
        ("state", "xyz"),
    ]);
    let begin = authorize::begin(&policy(), &form, Some(&client()), browser(1).digest(), at(0), &mut entropy());
    let Begin::Interact { token, mut writes, .. } = begin else { panic!("{begin:?}") };
    let Some(Write::InsertInteraction(row)) = writes.pop() else { panic!() };
    (token, row)
}

fn opened(now: i64) -> Result<Pending, PageRefusal> {
    let (token, row) = waiting();
    open(&policy(), &row, &token, &browser(1).digest(), Some(&client()), at(now))
}

fn allow(scope: &str) -> Answer {
    Answer::Allow { scope: scopes(scope), lasts: Lasts::Days30 }
}

fn answered(answer: Answer) -> Result<Answered, ConsentRefusal> {
    super::answer(&policy(), opened(10).unwrap(), &owner(browser(1).digest()), answer, at(10), &mut entropy())
}

#[test]
fn only_its_own_browser_opens_a_waiting_request_once_and_in_time() {
    // proves: WEB-02, REDIR-25
    let (token, row) = waiting();
    let client = client();
    let open = |row: &Interaction, token: &Secret<InteractionToken>, seed| {
        open(&policy(), row, token, &browser(seed).digest(), Some(&client), at(0)).map(|_| ())
    };
    assert_eq!(open(&row, &token, 1), Ok(()));
    assert_eq!(open(&row, &token, 2), Err(PageRefusal::OtherBrowser));
    assert_eq!(open(&Interaction { spent: true, ..row.clone() }, &token, 1), Err(PageRefusal::AlreadyAnswered));
    let another = Secret::generate(&mut SeededEntropy::new(8));
    assert_eq!(open(&row, &another, 1), Err(PageRefusal::UnknownInteraction));
    // The row of another request under this token's digest: the seal does not open.
    let swapped = Interaction { digest: another.digest(), ..row };
    assert_eq!(open(&swapped, &another, 1), Err(PageRefusal::UnknownInteraction));
    assert!(opened(15 * 60 - 1).is_ok());
    assert_eq!(opened(15 * 60).map(|_| ()), Err(PageRefusal::Expired));
}

#[test]
fn the_client_is_judged_as_it_is_now() {
    // proves: REDIR-01, CODE-18
    let (token, row) = waiting();
    let open = |client: Option<&Client>, policy: &Policy| {
        open(policy, &row, &token, &browser(1).digest(), client, at(0)).map(|_| ())
    };
    assert_eq!(client_of(&row, &token), Ok(client().id));
    assert_eq!(open(None, &policy()), Err(PageRefusal::UnknownClient));
    let another = Client { id: ClientId::parse("dwcl_other").unwrap(), ..client() };
    assert_eq!(open(Some(&another), &policy()), Err(PageRefusal::UnknownClient));
    let moved = client_at(&["https://a.example/elsewhere"]);
    assert!(matches!(open(Some(&moved), &policy()), Err(PageRefusal::RedirectUri { .. })));
    let nothing = Policy { resources: Vec::new(), ..policy() };
    assert_eq!(open(Some(&client()), &nothing), Err(PageRefusal::ResourceGone));
}

#[test]
fn yes_makes_a_grant_and_a_code_for_what_was_both_asked_and_ticked() {
    // proves: INV-4, OA21-31, R9207-01
    let Answered { back, writes } = answered(allow("mcp:read mcp:danger")).unwrap();
    let [Write::SpendInteraction(_), Write::InsertGrant(grant), Write::InsertCode(code)] = writes.as_slice() else {
        panic!("{writes:?}")
    };
    assert_eq!(grant.scope, scopes("mcp:read"));
    assert_eq!((grant.resource.as_str(), grant.redirect_uri.as_str()), (R1, CALLBACK));
    assert_eq!(grant.expires_at, Some(at(10).plus(seconds(30 * 86_400))));
    assert_eq!((&code.grant, code.expires_at, code.redeemed_at), (&grant.id, at(70), None));
    assert!(code.challenge.matches(&verifier()));
    let sent = url_text::parameter(back.url(), "code").unwrap();
    assert_eq!(Secret::<AuthorizationCode>::parse(sent).unwrap().digest(), code.digest);
    assert_eq!(url_text::parameter(back.url(), "state").as_deref(), Some("xyz"));
    assert!(back.error().is_none());
}

#[test]
fn no_is_told_to_the_client_and_makes_nothing() {
    let Answered { back, writes } = answered(Answer::Deny).unwrap();
    assert!(matches!(writes.as_slice(), [Write::SpendInteraction(_)]));
    assert_eq!(back.error(), Some(AuthorizationError::AccessDenied));
    assert_eq!(url_text::parameter(back.url(), "code"), None);
    assert_eq!(url_text::parameter(back.url(), "state").as_deref(), Some("xyz"));
}

#[test]
fn yes_to_nothing_is_no_answer() {
    for scope in ["", "mcp:danger", "mcp:evil"] {
        assert_eq!(answered(allow(scope)).map(|_| ()), Err(ConsentRefusal::NothingChosen), "{scope}");
    }
}

#[test]
fn another_session_cannot_answer() {
    // proves: WEB-02
    let pending = opened(0).unwrap();
    let other = owner(browser(2).digest());
    let refused = super::answer(&policy(), pending, &other, allow("mcp:read"), at(0), &mut entropy());
    assert_eq!(refused.map(|_| ()), Err(ConsentRefusal::OtherSession));
}

#[test]
fn durations_are_named() {
    for lasts in Lasts::ALL {
        assert_eq!(Lasts::parse(lasts.name()), Some(lasts));
    }
    assert_eq!(Lasts::parse("forever"), None);
    assert_eq!(Lasts::Hours8.end(at(0)), Some(at(8 * 3600)));
    assert_eq!(Lasts::UntilRevoked.end(at(0)), None);
}
