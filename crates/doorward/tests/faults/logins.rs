//! `doorward login` and the refresh of a token over a bad network.

use std::{thread, time::Duration};

use doorward_testkit::process::Fault;

use crate::world::{PATIENCE, Person, RESOURCE, SERVER, World};

/// A login asks for two documents (10 s each, in up to five places), registers (30 s), gets a token (30 s) and makes a first
/// call (30 s); one answer that never comes costs one of these times, and a document's neighbours are asked as well.
const LOGIN: Duration = Duration::from_secs(110);

/// A logout sends two requests of at most 30 s.
const LOGOUT: Duration = Duration::from_secs(50);

/// What each request of a login is recognised by.
const REQUESTS: [(&str, &str); 6] = [
    ("/mcp", "POST"),
    (RESOURCE, ""),
    (SERVER, ""),
    ("/register", ""),
    ("/token", "authorization_code"),
    ("/mcp", "Bearer at-"),
];

fn log_in(path: &str, part: &str, fault: &Fault) -> (Option<i32>, String, World) {
    let (world, person) = (World::new(3600), Person::new());
    world.proxy.spoil(path, part, usize::MAX, fault.clone());
    let (code, errors) = person.run(&["login", &world.mcp_url()], LOGIN);
    assert!(world.proxy.mend(), "{path} {fault:?}: the fault did not happen\n{errors}");
    (code, errors, world)
}

#[test]
fn a_login_without_a_fault_succeeds() {
    let (world, person) = (World::new(3600), Person::new());
    let (code, errors) = person.run(&["login", &world.mcp_url()], PATIENCE);
    assert_eq!(code, Some(0), "{errors}");
}

/// One fault for good at each request; the requests are tried at the same time.
fn spoiled(faults: &[Fault]) {
    thread::scope(|scope| {
        for (path, part) in REQUESTS {
            scope.spawn(move || {
                for fault in faults {
                    let (code, errors, world) = log_in(path, part, fault);
                    // Some faults do no harm, such as words that nobody reads.
                    if code != Some(0) {
                        let lines: Vec<_> = errors.lines().collect();
                        let told = lines.iter().any(|line| line.contains("CL-") || line.contains("error"));
                        assert!(told, "{path} {fault:?}: {code:?}\n{errors}");
                    }
                    assert!(world.seen.lock().unwrap().strangers.is_empty(), "{path} {fault:?} reached a stranger");
                }
            });
        }
    });
}

#[test]
fn a_login_that_is_cut_anywhere_ends_in_words() {
    // proves: FCL-01, DISC-10
    spoiled(&[
        Fault::NeverArrives,
        Fault::CutBeforeHeaders,
        Fault::CutInHeaders,
        Fault::CutAfterHeaders,
        Fault::CutInBody,
        Fault::LengthTooLong,
        Fault::LengthTooShort,
    ]);
}

#[test]
fn a_login_that_is_answered_with_nonsense_ends_in_words() {
    // proves: FCL-12, DISC-12, DISC-04
    spoiled(&[
        Fault::Garbage,
        Fault::WrongType,
        Fault::Compressed,
        Fault::EndlessHeaders,
        Fault::HugeBody(8 << 20),
        Fault::Unavailable,
        Fault::Redirect("http://localhost:9/".to_owned()),
    ]);
}

/// The reason for its time: it waits for deadlines of up to 30 s, all of them at once.
#[test]
fn a_login_that_hears_nothing_ends_in_words_inside_its_time() {
    // proves: FCL-01, DISC-10
    thread::scope(|scope| {
        for fault in [Fault::Stall, Fault::StallInBody, Fault::DripBody(Duration::from_millis(500))] {
            scope.spawn(move || spoiled(&[fault]));
        }
    });
}

#[test]
fn a_redirect_carries_no_secret_to_a_stranger() {
    // proves: DISC-04
    for (path, part) in REQUESTS {
        let (world, person) = (World::new(3600), Person::new());
        world.proxy.spoil(path, part, usize::MAX, Fault::Redirect(world.stranger.clone()));
        let (_, errors) = person.run(&["login", &world.mcp_url()], LOGIN);
        assert!(world.seen.lock().unwrap().strangers.is_empty(), "{path}\n{errors}");
    }
}

#[test]
fn only_a_server_that_lets_a_token_in_is_said_to() {
    // proves: DISC-04, MCP-AUTH-118
    let (world, person) = (World::new(3600), Person::new());
    let url = world.mcp_url();
    let stranger = world.stranger.clone();
    for (fault, code, word) in
        [(Fault::Unavailable, 4, "503"), (Fault::Redirect(stranger.clone()), 5, stranger.as_str())]
    {
        world.proxy.spoil("/mcp", "Bearer at-", usize::MAX, fault.clone());
        let (got, errors) = person.run(&["login", "--force", &url], PATIENCE);
        assert!(got == Some(code) && errors.contains(word), "{fault:?}: {got:?}\n{errors}");
        assert!(!errors.contains("Logged in"), "{fault:?}: {errors}");
        let (got, errors) = person.run(&["status"], PATIENCE);
        assert!(got == Some(code) && errors.contains(word), "{fault:?}: {got:?}\n{errors}");
        assert!(world.proxy.mend(), "{fault:?}: the fault did not happen");
    }
    assert_eq!(person.run(&["status"], PATIENCE).0, Some(0), "with no fault all is well");
    assert!(world.seen.lock().unwrap().strangers.is_empty(), "a stranger was asked");
    // Where it is found out before anybody signs in, nobody does.
    world.proxy.spoil("/mcp", "", usize::MAX, Fault::Redirect(stranger));
    let (got, errors) = person.run(&["login", "--force", &url], PATIENCE);
    assert!(got == Some(5) && !errors.contains("open this page"), "{errors}");
}

/// The reason for its time: it waits for a deadline of 30 s, and for one only.
#[test]
fn a_logout_that_is_not_heard_ends_here_and_says_where_it_can_be_ended_there() {
    // proves: FCL-01
    thread::scope(|scope| {
        for fault in [Fault::Stall, Fault::NeverArrives, Fault::CutBeforeHeaders, Fault::Unavailable] {
            scope.spawn(move || {
                let (world, person) = (World::new(3600), Person::new());
                let (code, errors) = person.run(&["login", &world.mcp_url()], PATIENCE);
                assert_eq!(code, Some(0), "{errors}");
                world.proxy.spoil("/revoke", "", usize::MAX, fault.clone());
                let (code, errors) = person.run(&["logout", &world.mcp_url()], LOGOUT);
                assert!(world.proxy.mend(), "{fault:?}: the fault did not happen\n{errors}");
                assert!(code.is_some_and(|code| code != 0), "{fault:?}: {errors}");
                assert!(errors.contains("on this computer only"), "{fault:?}: {errors}");
                // Trying again would find no login.
                assert!(errors.contains("try: end the login on the server's own page"), "{fault:?}: {errors}");
                let (code, errors) = person.run(&["list"], PATIENCE);
                assert!(code == Some(0) && errors.contains("There are no logins"), "{fault:?}: {errors}");
            });
        }
    });
}

#[test]
fn a_lost_answer_to_a_refresh_costs_no_login() {
    // proves: KEY-03, FCL-03
    for fault in [
        Fault::NeverArrives,
        Fault::CutBeforeHeaders,
        Fault::CutInHeaders,
        Fault::CutInBody,
        Fault::Garbage,
        Fault::WrongType,
        Fault::Unavailable,
        Fault::LengthTooLong,
        Fault::HugeBody(8 << 20),
    ] {
        let (world, person) = (World::new(3600), Person::new());
        let (code, errors) = person.run(&["login", &world.mcp_url()], PATIENCE);
        assert_eq!(code, Some(0), "{errors}");
        person.age();
        world.proxy.spoil("/token", "refresh_token", usize::MAX, fault.clone());
        let (code, errors) = person.run(&["token", &world.mcp_url()], LOGIN);
        assert!(world.proxy.mend(), "{fault:?}: the fault did not happen");
        assert_ne!(code, Some(0), "{fault:?}: there was no new token\n{errors}");
        let (code, errors) = person.run(&["token", &world.mcp_url()], PATIENCE);
        assert_eq!(code, Some(0), "{fault:?}: the login is still there\n{errors}");
    }
}
