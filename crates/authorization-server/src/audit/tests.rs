use doorward_types::{
    Secret,
    secret::{AuthorizationCode, DeviceCode, RefreshToken},
};

use super::*;
use crate::{facts::Client, fixtures, seal::Sealed};

fn record(count: u64) -> Vec<Recorded> {
    let mut rows: Vec<Recorded> = Vec::new();
    for at in 0..count {
        let event = Event::new(Timestamp::from_unix(i64::try_from(at).unwrap()), EventKind::SignedIn);
        let (number, digest) = rows.last().map_or((0, START), |row| (row.number, row.digest));
        rows.push(Recorded::after(number, &digest, event.with_detail("x")));
    }
    rows
}

fn verify(rows: &[Recorded]) -> Result<(), Broken> {
    rows.iter()
        .try_fold((0, START), |(number, digest), row| check(number, &digest, row).map(|()| (row.number, row.digest)))
        .map(|_| ())
}

#[test]
fn a_changed_missing_or_moved_event_shows() {
    // proves: INV-12
    assert_eq!(verify(&record(5)), Ok(()));
    let changed = |change: &dyn Fn(&mut Vec<Recorded>)| {
        let mut rows = record(5);
        change(&mut rows);
        verify(&rows).unwrap_err()
    };
    assert_eq!(changed(&|rows| rows[2].event.detail = "y".into()), Broken::Digest(3));
    assert_eq!(changed(&|rows| rows[2].event.account = Some(AccountId(String::new()))), Broken::Digest(3));
    assert_eq!(changed(&|rows| rows[2].event.kind = EventKind::SignedOut), Broken::Digest(3));
    assert_eq!(changed(&|rows| drop(rows.remove(0))), Broken::Number { expected: 1, found: 2 });
    assert_eq!(changed(&|rows| rows.swap(1, 2)), Broken::Number { expected: 2, found: 3 });
    let put_in = changed(&|rows| {
        let (before, new) = (rows[1].clone(), rows[2].event.clone());
        rows[2] = Recorded::after(before.number, &before.digest, Event { detail: "z".into(), ..new });
    });
    assert_eq!(put_in, Broken::Digest(4));
}

#[test]
fn no_two_events_have_one_digest() {
    // proves: INV-12
    let base = Event::new(Timestamp::from_unix(7), EventKind::SignedIn);
    let account = |text: &str| Some(AccountId(text.into()));
    let grant = |text: &str| Some(GrantId(text.into()));
    let client = ClientId::parse("dwcl_a").ok();
    let resource = ResourceId::parse("https://a.example/mcp").ok();
    let events = [
        base.clone(),
        Event { at: Timestamp::from_unix(8), ..base.clone() },
        Event { kind: EventKind::SignedOut, ..base.clone() },
        Event { account: account(""), ..base.clone() },
        Event { account: account("ab"), ..base.clone() },
        Event { client, ..base.clone() },
        Event { grant: grant("ab"), ..base.clone() },
        Event { resource, ..base.clone() },
        base.clone().with_detail("ab"),
        // What stands in one part cannot move to the next, nor pass for what stands between them.
        Event { account: account("x"), detail: "\0".into(), ..base.clone() },
        Event { account: account("x\0"), ..base.clone() },
        Event { account: account("ab"), grant: grant("c"), ..base.clone() },
        Event { account: account("a"), grant: grant("bc"), ..base.clone() },
        Event { grant: grant("a"), ..base.clone() }.with_detail("b"),
        Event { grant: grant("ab"), ..base.clone() }.with_detail("c"),
        Event { grant: grant("a"), ..base }.with_detail("bc"),
    ];
    let mut digests: Vec<_> = events
        .iter()
        .flat_map(|event| [0, 1].map(|number| Recorded::after(number, &START, event.clone()).digest))
        .collect();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 2 * events.len());
}

#[test]
fn words_of_others_stay_on_their_line_and_are_cut() {
    // proves: LEAK-05
    let detail = |text: &str| Event::new(Timestamp::from_unix(0), EventKind::Granted).with_detail(text).detail;
    assert_eq!(detail("a\r\nb\u{1b}[31mc\0"), "ab[31mc");
    assert_eq!(detail(&"\u{e9}".repeat(10_000)).chars().count(), 256);
}

#[test]
fn reuse_is_an_event_of_its_own_and_a_fresh_copy_is_none() {
    // proves: LEAK-07
    let (now, client) = (Timestamp::from_unix(9), fixtures::client());
    let kind = |write: &Write| event_of(write).map(|event| event.kind);
    let ended = |reason| kind(&Write::RevokeGrant { grant: GrantId("dwg_1".into()), at: now, reason });
    assert_eq!(ended(RevocationReason::CodeReplay), Some(EventKind::ReuseDetected));
    assert_eq!(ended(RevocationReason::RefreshReuse), Some(EventKind::ReuseDetected));
    assert_eq!(ended(RevocationReason::Person), Some(EventKind::Revoked));
    let replaced = |after: Client| {
        kind(&Write::ReplaceClient { before: Box::new(client.clone()), after: Box::new(after), at: now })
    };
    let fresher = Client { last_used_at: Some(now), expires_at: Some(now), fresh_until: Some(now), ..client.clone() };
    assert_eq!(replaced(fresher), None);
    assert_eq!(replaced(Client { name: Some("Bank".into()), ..client.clone() }), Some(EventKind::ClientChanged));
}

#[test]
fn every_kind_has_a_name_of_its_own() {
    for kind in EventKind::ALL {
        assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
    }
}

#[test]
fn an_event_names_whom_it_is_about() {
    // proves: LEAK-07
    let now = Timestamp::from_unix(9);
    let (client, account, grant) = (fixtures::client(), fixtures::account(), fixtures::grant());
    let mut draws = fixtures::entropy();
    let token = Secret::<RefreshToken>::generate(&mut draws);
    let (id, person, app) = (grant.id.clone(), account.id.clone(), client.id.clone());
    let answer = Sealed::seal(&token, "x", b"x", &mut draws);
    let reason = RevocationReason::Person;
    let renamed = Client { name: Some("Bank".into()), ..client.clone() };
    let (of_client, of_account, of_grant) = ((0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0));
    for (write, kind, about, detail) in [
        (Write::InsertClient(client.clone()), EventKind::ClientAdded, of_client, "Test"),
        (Write::DeleteClient { client: app.clone(), at: now }, EventKind::ClientRemoved, of_client, ""),
        (
            Write::ReplaceClient { before: Box::new(client), after: Box::new(renamed), at: now },
            EventKind::ClientChanged,
            of_client,
            "",
        ),
        (Write::InsertAccount(account), EventKind::AccountAdded, of_account, "ann"),
        (Write::DisableAccount { account: person.clone(), at: now }, EventKind::AccountDisabled, of_account, ""),
        (Write::EnableAccount { account: person.clone(), at: now }, EventKind::AccountEnabled, of_account, ""),
        (Write::InsertSession(fixtures::session(fixtures::browser(1).digest())), EventKind::SignedIn, of_account, ""),
        (Write::InsertGrant(grant.clone()), EventKind::Granted, (1, 1, 1, 1), "mcp:read mcp:write"),
        (
            Write::RedeemCode {
                code: Secret::<AuthorizationCode>::generate(&mut draws).digest(),
                grant: id.clone(),
                at: now,
            },
            EventKind::Issued,
            of_grant,
            "",
        ),
        (
            Write::RedeemDevice {
                device: Secret::<DeviceCode>::generate(&mut draws).digest(),
                grant: id.clone(),
                at: now,
            },
            EventKind::Issued,
            of_grant,
            "",
        ),
        (
            Write::RotateRefresh {
                token: token.digest(),
                grant: id.clone(),
                successor: token.digest(),
                at: now,
                answer,
            },
            EventKind::Refreshed,
            of_grant,
            "",
        ),
        (Write::RevokeGrant { grant: id.clone(), at: now, reason }, EventKind::Revoked, of_grant, reason.as_str()),
    ] {
        let (of_person, of_app, of_id, of_resource) = about;
        let event = event_of(&write).unwrap();
        assert_eq!((event.kind, event.detail.as_str()), (kind, detail), "{write:?}");
        assert_eq!(event.account, (of_person == 1).then(|| person.clone()), "{write:?}");
        assert_eq!(event.client, (of_app == 1).then(|| app.clone()), "{write:?}");
        assert_eq!(event.grant, (of_id == 1).then(|| id.clone()), "{write:?}");
        assert_eq!(event.resource, (of_resource == 1).then(|| grant.resource.clone()), "{write:?}");
    }
}
