use doorward_testkit::SeededEntropy;

use super::*;
use crate::{
    PageRefusal,
    consent::{self, Answer, Destination, Lasts, Next},
    facts::{Client, Grant, GrantKind},
    fixtures::{
        R1, account, another_client, at, authenticated, browser, client, entropy, form, fresh, owner, policy, scopes,
    },
};

fn console() -> Client {
    let grant_types = vec![DEVICE_CODE.into(), "refresh_token".into()];
    Client { grant_types, redirect_uris: Vec::new(), ..client() }
}

fn asked_for(scope: &str) -> (DeviceResponse, Device) {
    let client = authenticated(&console());
    let form = form(&[("scope", scope), ("resource", R1)]);
    let (response, writes) = ask(&policy(), &client, &form, "203.0.113.9 · tv\r\n/1", at(0), &mut entropy()).unwrap();
    let [Write::InsertDevice(device)] = writes.as_slice() else { panic!("{writes:?}") };
    (response, device.clone())
}

fn waiting() -> (DeviceResponse, Device) {
    asked_for("mcp:read")
}

fn facts(device: &Device) -> DeviceFacts {
    DeviceFacts { device: device.clone(), grant: None, account: None }
}

fn open_at(code: &Secret<UserCode>, device: &Device, now: i64) -> Option<(Secret<InteractionToken>, Vec<Write>)> {
    open(code, &facts(device), None, browser(1).digest(), at(now), &mut entropy())
}

fn answered(answer: Answer) -> (Device, Option<Grant>, Vec<Write>) {
    let (response, mut device) = asked_for("mcp:write offline_access");
    let (token, mut writes) = open_at(&response.user_code, &device, 5).unwrap();
    let Some(Write::InsertInteraction(row)) = writes.pop() else { panic!() };
    let pending = consent::open(&policy(), &row, &token, &browser(1).digest(), Some(&console()), at(6)).unwrap();
    let owner = owner(browser(1).digest());
    let answered = consent::answer(&policy(), pending, &owner, answer, at(7), &mut SeededEntropy::new(3)).unwrap();
    assert!(matches!(answered.next, Next::Stay));
    let mut grant = None;
    for write in &answered.writes {
        match write {
            Write::AnswerDevice { answer, .. } => device.answer = answer.clone(),
            Write::InsertGrant(made) => grant = Some(made.clone()),
            _ => {}
        }
    }
    (device, grant, answered.writes)
}

fn allow(scope: &str) -> Answer {
    Answer::Allow { scope: scopes(scope), lasts: Lasts::Days30 }
}

fn poll_as(client: &Client, facts: Option<DeviceFacts>, now: i64) -> Decision {
    let request = DeviceRequest { code: waiting().0.device_code, resources: vec![R1.into()] };
    poll(&policy(), &authenticated(client), request, facts, at(now), fresh(&mut entropy()))
}

fn refused(decision: Decision) -> TokenRefusal {
    match decision {
        Decision::Deny { refusal, .. } => refusal,
        Decision::Issue { .. } => panic!("tokens"),
    }
}

#[test]
fn a_device_gets_two_codes_and_what_to_do_with_them() {
    // proves: R8628-01, R8628-05
    let (response, device) = waiting();
    let body: serde_json::Value = serde_json::from_slice(&response.to_json()).unwrap();
    let code = body["user_code"].as_str().unwrap();
    assert_eq!(body["verification_uri"], "https://as.example/device");
    assert_eq!(body["verification_uri_complete"], format!("https://as.example/device?user_code={code}"));
    assert_eq!((body["expires_in"].as_u64(), body["interval"].as_u64()), (Some(900), Some(5)));
    assert!(body["device_code"].as_str().unwrap().starts_with("dwd_") && response.device_code.is_well_formed());
    assert!(code.len() == 9 && code.as_bytes()[4] == b'-', "{code}");
    assert_eq!((device.digest, device.user_code), (response.device_code.digest(), response.user_code.digest()));
    assert_eq!((device.expires_at, device.asked_from.as_str()), (at(900), "203.0.113.9 · tv/1"));
    assert_eq!(device.scope, scopes("mcp:read"));
    assert_eq!(asked_for("mcp:read offline_access").1.scope, scopes("mcp:read offline_access"));
    // All letters come up, and no others, and none more often: a byte that would favour some is drawn again.
    struct Bytes(u8);
    impl Entropy for Bytes {
        fn fill(&mut self, buffer: &mut [u8]) {
            for byte in buffer {
                *byte = self.0;
                self.0 = self.0.wrapping_add(1);
            }
        }
    }
    assert_eq!((draw(&mut Bytes(239)).expose(), draw(&mut Bytes(245)).expose()), ("ZBCDFGHJ", "BCDFGHJK"));
    let mut draws = SeededEntropy::new(1);
    let drawn: std::collections::BTreeSet<u8> =
        (0..200).flat_map(|_| draw(&mut draws).expose().as_bytes().to_vec()).collect();
    assert_eq!(drawn.into_iter().collect::<Vec<_>>(), LETTERS);
}

#[test]
fn only_who_registered_for_it_asks_and_only_for_what_it_may_have() {
    let ask = |client: &Client, parameters: &[(&str, &str)]| {
        ask(&policy(), &authenticated(client), &form(parameters), "", at(0), &mut entropy()).map(|_| ()).unwrap_err().0
    };
    assert_eq!(ask(&client(), &[]), AuthorizationError::UnauthorizedClient);
    assert_eq!(ask(&console(), &[("scope", "mcp:evil")]), AuthorizationError::InvalidScope);
    assert_eq!(ask(&console(), &[("resource", "https://evil.example/")]), AuthorizationError::InvalidTarget);
    assert_eq!(ask(&console(), &[("resource", R1), ("resource", R1)]), AuthorizationError::InvalidTarget);
}

#[test]
fn a_code_is_read_whatever_its_case_and_dashes() {
    // proves: R8628-05
    let code = Secret::<UserCode>::parse("BCDFGHJK").unwrap();
    assert_eq!(shown(&code), "BCDF-GHJK");
    for text in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk ", "b-c-d-f-g-h-j-k", "BCDF–GHJK", "BCDF\u{2011}GHJK"] {
        assert!(typed(text).is_some_and(|read| read.is(&code)), "{text}");
    }
    for text in ["", "BCDF-GHJ", "BCDF-GHJKL", "ACDF-GHJK", "BCDF-GHJ1", "BCDF/GHJK", "ＢCDF-GHJK", &"B".repeat(10_000)]
    {
        assert!(typed(text).is_none(), "{text}");
    }
}

#[test]
fn the_first_browser_that_types_a_code_answers_it_and_no_other() {
    // proves: EXT-04
    let (response, device) = waiting();
    let (token, writes) = open_at(&response.user_code, &device, 5).unwrap();
    let [Write::UseOnce { until, .. }, Write::InsertInteraction(row)] = writes.as_slice() else { panic!("{writes:?}") };
    assert_eq!((*until, row.expires_at, row.digest), (at(900), at(900), token.digest()));
    let consent = |seed| consent::open(&policy(), row, &token, &browser(seed).digest(), Some(&console()), at(6));
    let pending = consent(1).unwrap();
    let Destination::Device { user_code, asked_from } = pending.destination() else { panic!() };
    assert_eq!((user_code, asked_from), (shown(&response.user_code).as_str(), "203.0.113.9 · tv/1"));
    assert_eq!(pending.requested_at(), at(0));
    assert_eq!(consent(2).map(|_| ()), Err(PageRefusal::OtherBrowser));
    // Whoever types it next finds what the first one opened.
    let again = open(&response.user_code, &facts(&device), Some(row), browser(2).digest(), at(6), &mut entropy());
    let (same, writes) = again.unwrap();
    assert!(same.is(&token) && writes.is_empty());
}

#[test]
fn a_code_that_does_not_wait_opens_nothing() {
    let (response, device) = waiting();
    assert!(open_at(&response.user_code, &device, 899).is_some());
    assert!(open_at(&response.user_code, &device, 900).is_none());
    let another = Secret::<UserCode>::parse("BBBBBBBB").unwrap();
    assert!(open_at(&another, &device, 0).is_none());
    for answer in [DeviceAnswer::Denied, DeviceAnswer::Allowed(crate::facts::GrantId("dwg_1".into()))] {
        assert!(open_at(&response.user_code, &Device { answer, ..device.clone() }, 0).is_none());
    }
}

#[test]
fn yes_lets_the_device_in_once() {
    // proves: R8628-03, EXT-04
    let (device, grant, writes) = answered(allow("mcp:write offline_access"));
    let [
        Write::SpendInteraction(_),
        Write::HoldClient(_),
        Write::HoldAccount(_),
        Write::InsertGrant(_),
        Write::AnswerDevice { .. },
    ] = writes.as_slice()
    else {
        panic!("{writes:?}")
    };
    let grant = grant.unwrap();
    assert_eq!((grant.kind, grant.redirect_uri.as_deref()), (GrantKind::DeviceCode, None));
    let facts = DeviceFacts { device: device.clone(), grant: Some(grant.clone()), account: Some(account()) };
    let Decision::Issue { response, writes } = poll_as(&console(), Some(facts.clone()), 10) else { panic!() };
    assert_eq!(response.scope, Some(scopes("mcp:read mcp:write offline_access")));
    assert!(response.refresh_token.is_some());
    let [Write::RedeemDevice { .. }, Write::InsertRefresh(_), Write::TouchGrant(..), ..] = writes.as_slice() else {
        panic!("{writes:?}")
    };
    let redeemed = Device { redeemed_at: Some(at(10)), ..device.clone() };
    let again = DeviceFacts { device: redeemed, ..facts.clone() };
    assert_eq!(refused(poll_as(&console(), Some(again), 11)), TokenRefusal::RedeemedDevice);
    // What ended in between is not issued for.
    let revoked = Grant { revoked_at: Some(at(9)), ..grant.clone() };
    let of = |grant: Option<Grant>, account| DeviceFacts { device: device.clone(), grant, account };
    assert_eq!(refused(poll_as(&console(), Some(of(Some(revoked), Some(account()))), 10)), TokenRefusal::GrantEnded);
    assert_eq!(refused(poll_as(&console(), Some(of(None, None)), 10)), TokenRefusal::GrantEnded);
    // Another grant than the one the person gave to this device is none.
    for other in [
        Grant { id: crate::facts::GrantId("dwg_other".into()), ..grant.clone() },
        Grant { client: another_client().id, ..grant.clone() },
    ] {
        assert_eq!(refused(poll_as(&console(), Some(of(Some(other), Some(account()))), 10)), TokenRefusal::GrantEnded);
    }
    assert_eq!(refused(poll_as(&console(), Some(of(Some(grant.clone()), None)), 10)), TokenRefusal::AccountGone);
    assert_eq!(refused(poll_as(&console(), Some(facts), 900)), TokenRefusal::ExpiredDevice);
}

#[test]
fn no_is_told_when_the_device_polls() {
    // proves: R8628-03
    let (device, grant, writes) = answered(Answer::Deny);
    assert!(grant.is_none());
    assert!(matches!(writes.as_slice(), [Write::SpendInteraction(_), Write::Record(_), Write::AnswerDevice { .. }]));
    let refusal = refused(poll_as(&console(), Some(facts(&device)), 10));
    assert_eq!((refusal.error(), refusal.status().as_u16()), ("access_denied", 400));
}

#[test]
fn a_device_waits_and_waits_longer_when_it_polls_too_often() {
    // proves: R8628-03
    let (_, mut device) = waiting();
    let mut polled = Vec::new();
    for now in [0, 4, 9, 19, 29, 30] {
        let Decision::Deny { refusal, writes } = poll_as(&console(), Some(facts(&device)), now) else { panic!() };
        let [Write::PollDevice { seen, at: when, interval, .. }] = writes.as_slice() else { panic!("{writes:?}") };
        assert_eq!((*seen, *when), (device.polled_at, at(now)));
        (device.polled_at, device.interval) = (Some(*when), *interval);
        polled.push((refusal.error(), *interval));
    }
    let (pending, slow) = ("authorization_pending", "slow_down");
    assert_eq!(polled, [(pending, 5), (slow, 10), (slow, 15), (slow, 20), (slow, 25), (slow, 30)]);
    let mut patient = device;
    (patient.polled_at, patient.interval) = (Some(at(30)), 30);
    assert_eq!(refused(poll_as(&console(), Some(facts(&patient)), 60)), TokenRefusal::DevicePending);
    patient.interval = LONGEST_INTERVAL;
    let Decision::Deny { writes, .. } = poll_as(&console(), Some(facts(&patient)), 31) else { panic!() };
    assert!(matches!(writes.as_slice(), [Write::PollDevice { interval: LONGEST_INTERVAL, .. }]));
    assert_eq!(refused(poll_as(&console(), Some(facts(&patient)), 900)).error(), "expired_token");
}

#[test]
fn a_device_code_is_its_own_clients() {
    // proves: EXT-04
    let (_, device) = waiting();
    let other = Client { grant_types: console().grant_types, ..another_client() };
    for decision in [poll_as(&other, Some(facts(&device)), 0), poll_as(&console(), None, 0)] {
        let Decision::Deny { refusal, writes } = decision else { panic!() };
        assert_eq!((refusal.error(), refusal.description().as_ref()), ("invalid_grant", "the device code is unknown"));
        assert!(writes.is_empty());
    }
    let foreign = Device { digest: Secret::<DeviceCode>::parse("dwd_x").unwrap().digest(), ..device.clone() };
    assert_eq!(refused(poll_as(&console(), Some(facts(&foreign)), 0)), TokenRefusal::UnknownDevice);
    assert_eq!(refused(poll_as(&client(), Some(facts(&device)), 0)), TokenRefusal::GrantTypeNotRegistered);
    let request = DeviceRequest { code: waiting().0.device_code, resources: vec!["https://evil.example/".into()] };
    let (device, grant, _) = answered(allow("mcp:read"));
    let facts = DeviceFacts { device, grant, account: Some(account()) };
    let decision = poll(&policy(), &authenticated(&console()), request, Some(facts), at(9), fresh(&mut entropy()));
    assert_eq!(refused(decision).error(), "invalid_target");
}
