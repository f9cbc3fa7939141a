use doorward_testkit::{SeededEntropy, url_text};
use doorward_types::{ClientId, ResourceId, S256Challenge};

use super::*;
use crate::{
    authorize::{self, Begin},
    facts::{ClientAuthentication, ClientKeys, ClientOrigin},
    fixtures::{
        CALLBACK, R1, account, at, browser, client, client_at, entropy, form, owner, policy, scopes, seconds, verifier,
    },
};

/// A request that waits for the browser of seed 1.
fn waiting() -> (Secret<InteractionToken>, Interaction) {
    waiting_for("mcp:read mcp:write")
}

fn waiting_for(scope: &str) -> (Secret<InteractionToken>, Interaction) {
    let challenge: S256Challenge = verifier().challenge();
    let form = form(&[
        ("response_type", "code"),
        ("client_id", client().id.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("scope", scope),
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

fn left(answered: Answered) -> (RedirectBack, Vec<Write>) {
    let Next::Leave(back) = answered.next else { panic!("{answered:?}") };
    (back, answered.writes)
}

fn granted(policy: &Policy, client: &Client, asked: &str, answer: Answer) -> Grant {
    let (token, row) = waiting_for(asked);
    let pending = open(policy, &row, &token, &browser(1).digest(), Some(client), at(0)).unwrap();
    let answered = super::answer(policy, pending, &owner(browser(1).digest()), answer, at(0), &mut entropy()).unwrap();
    let grant = answered.writes.into_iter().find_map(|write| match write {
        Write::InsertGrant(grant) => Some(grant),
        _ => None,
    });
    grant.unwrap()
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
    // proves: REDIR-01, CODE-18, CIMD-11
    let (token, row) = waiting();
    let open = |client: Option<&Client>, policy: &Policy| {
        open(policy, &row, &token, &browser(1).digest(), client, at(0)).map(|_| ())
    };
    assert_eq!(client_of(&row, &token), Ok(client().id));
    assert_eq!(open(None, &policy()), Err(PageRefusal::UnknownClient));
    let another = Client { id: ClientId::parse("dwcl_other").unwrap(), ..client() };
    assert_eq!(open(Some(&another), &policy()), Err(PageRefusal::UnknownClient));
    let moved = client_at(&["https://a.example/elsewhere"]);
    assert_eq!(open(Some(&moved), &policy()), Err(PageRefusal::ClientChanged));
    // Whatever of what the person sees has changed by now: it was not this that was asked.
    let renamed = Client { name: Some("Bank".into()), ..client() };
    let widened = client_at(&[CALLBACK, "https://evil.example/cb"]);
    let keyed = ClientAuthentication::PrivateKeyJwt(ClientKeys::At("https://evil.example/jwks".into()));
    for changed in [renamed, widened, Client { authentication: keyed, ..client() }] {
        assert_eq!(open(Some(&changed), &policy()), Err(PageRefusal::ClientChanged));
    }
    // A request without a picture of its client is still matched again.
    let mut bare = unseal(&row, &token).unwrap();
    bare.face = None;
    let waits = authorize::wait(&token, browser(1).digest(), &bare, at(600), &mut entropy());
    let reopened =
        |client: &Client| super::open(&policy(), &waits, &token, &browser(1).digest(), Some(client), at(0)).map(|_| ());
    assert_eq!(reopened(&client()), Ok(()));
    assert!(matches!(reopened(&moved), Err(PageRefusal::RedirectUri { .. })), "{:?}", reopened(&moved));
    let used = Client { last_used_at: Some(at(0)), fresh_until: Some(at(9)), ..client() };
    assert_eq!(open(Some(&used), &policy()), Ok(()));
    assert_eq!(open(Some(&Client { expires_at: Some(at(0)), ..client() }), &policy()), Err(PageRefusal::UnknownClient));
    let nothing = Policy { resources: Vec::new(), ..policy() };
    assert_eq!(open(Some(&client()), &nothing), Err(PageRefusal::ResourceGone));
    // Nor is anything offered that the resource does not have any more.
    let mut narrowed = policy();
    narrowed.resources[0].scopes = scopes("mcp:danger");
    assert_eq!(open(Some(&client()), &narrowed), Err(PageRefusal::ResourceGone));
}

#[test]
fn yes_makes_a_grant_and_a_code_for_what_was_both_asked_and_ticked() {
    // proves: INV-4, OA21-31, R9207-01
    let (back, writes) = left(answered(allow("mcp:read mcp:danger")).unwrap());
    let [Write::SpendInteraction(_), holds @ .., Write::InsertGrant(grant), Write::InsertCode(code)] =
        writes.as_slice()
    else {
        panic!("{writes:?}")
    };
    // Whoever is removed meanwhile gets nothing.
    let [Write::HoldClient(app), Write::HoldAccount(person)] = holds else { panic!("{holds:?}") };
    assert_eq!((app, Some(person)), (&grant.client, grant.account.as_ref()));
    assert_eq!(grant.scope, scopes("mcp:read"));
    assert_eq!((grant.resource.as_str(), grant.redirect_uri.as_deref()), (R1, Some(CALLBACK)));
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
    let (back, writes) = left(answered(Answer::Deny).unwrap());
    let [Write::SpendInteraction(_), Write::Record(event)] = writes.as_slice() else { panic!("{writes:?}") };
    let expected = (EventKind::Denied, Some(account().id), Some(client().id));
    assert_eq!((event.kind, event.account.clone(), event.client.clone()), expected);
    assert_eq!(event.resource.as_ref().map(ResourceId::as_str), Some(R1));
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
fn a_broad_permission_can_be_narrowed_to_what_it_implies() {
    // proves: MCP-AUTH-115
    let scope = |asked, ticked| granted(&policy(), &client(), asked, allow(ticked)).scope.to_string();
    assert_eq!(scope("mcp:danger", "mcp:read"), "mcp:read");
    assert_eq!(scope("mcp:write", "mcp:read"), "mcp:read");
    // Whoever may change may look: the grant says so, whatever was ticked.
    assert_eq!(scope("mcp:danger", "mcp:write"), "mcp:read mcp:write");
}

#[test]
fn who_asks_to_stay_connected_is_let_or_not() {
    let by_default = policy();
    let only_when_asked = Policy { refresh_only_when_asked: true, ..policy() };
    for (policy, asked, ticked, scope, refreshes) in [
        // Hosts that never ask stay connected all the same, unless the operator wants it otherwise.
        (&by_default, "mcp:read", "mcp:read", "mcp:read", true),
        (&only_when_asked, "mcp:read", "mcp:read", "mcp:read", false),
        (&by_default, "mcp:read", "mcp:read offline_access", "mcp:read", true),
        (&by_default, "mcp:read offline_access", "mcp:read offline_access", "mcp:read offline_access", true),
        (&only_when_asked, "mcp:read offline_access", "mcp:read offline_access", "mcp:read offline_access", true),
        (&by_default, "mcp:read offline_access", "mcp:read", "mcp:read", false),
    ] {
        let grant = granted(policy, &client(), asked, allow(ticked));
        assert_eq!((grant.scope, grant.refreshes), (scopes(scope), refreshes), "{asked} / {ticked}");
    }
    let alone = Client { grant_types: vec!["authorization_code".into()], ..client() };
    let grant = granted(&by_default, &alone, "mcp:read offline_access", allow("mcp:read offline_access"));
    assert_eq!((grant.scope, grant.refreshes), (scopes("mcp:read"), false));
    let refused = opened(0).map(|pending| {
        super::answer(&by_default, pending, &owner(browser(1).digest()), allow("offline_access"), at(0), &mut entropy())
    });
    assert_eq!(refused.unwrap().map(|_| ()), Err(ConsentRefusal::NothingChosen));
}

#[test]
fn what_was_allowed_ends_within_the_ceilings() {
    let end = |policy: &Policy, client: &Client, lasts| {
        granted(policy, client, "mcp:read", Answer::Allow { scope: scopes("mcp:read"), lasts }).expires_at
    };
    let own = Client { origin: ClientOrigin::Administrator, ..client() };
    let mut policy = policy();
    assert_eq!(end(&policy, &client(), Lasts::UntilRevoked), None);
    policy.strangers.grant = Some(seconds(3600));
    assert_eq!(end(&policy, &client(), Lasts::UntilRevoked), Some(at(3600)));
    assert_eq!(end(&policy, &client(), Lasts::Days30), Some(at(3600)));
    assert_eq!(end(&policy, &own, Lasts::UntilRevoked), None);
    policy.lifetimes.grant = Some(seconds(60));
    assert_eq!(end(&policy, &client(), Lasts::UntilRevoked), Some(at(60)));
    assert_eq!(end(&policy, &own, Lasts::Hours8), Some(at(60)));
}
