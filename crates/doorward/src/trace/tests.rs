//! What is kept of flows that run at once, are long, or are stopped in the middle.

use doorward_client::{Code, Failed};
use doorward_fetch::{Inbound, Outbound, Reach};
use doorward_types::ResourceId;
use http::{HeaderMap, StatusCode};

use super::{Kind, Trace, ring, show};
use crate::output::Paint;

fn begin(folder: &std::path::Path) -> Trace {
    Trace::begin(folder, Kind::Login, &ResourceId::parse("https://mcp.example/mcp?key=s3cr3ts3cr3t").unwrap(), None)
}

fn request(trace: &Trace, path: &str, body: &[u8]) {
    let url = url::Url::parse("https://as.example").unwrap().join(path).unwrap();
    let sent = trace.sending(&Outbound::post(url, "application/json", body.to_vec(), Reach::Public));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    trace.answered(&sent, &Ok(Inbound { status: StatusCode::OK, headers, body: body.to_vec() }));
}

fn text(folder: &std::path::Path) -> Vec<String> {
    let flows = ring::read(folder);
    flows.iter().map(|flow| show::lines(flow, Paint::none(), true).join("\n")).collect()
}

#[test]
fn what_was_done_is_there_at_each_moment_and_in_its_order() {
    // proves: LEAK-08
    let folder = tempfile::tempdir().unwrap();
    let trace = begin(folder.path());
    assert!(text(folder.path())[0].contains("not finished"));
    let url = url::Url::parse("https://as.example/token").unwrap();
    let form = b"grant_type=refresh_token&refresh_token=rt-0123456789".to_vec();
    let post = Outbound::post(url, "application/x-www-form-urlencoded", form, Reach::Public);
    let sent = trace.sending(&post);
    let told = &text(folder.path())[0];
    assert!(told.contains("  1.  POST https://as.example/token") && told.contains("<- nothing yet"), "{told}");
    assert!(told.contains("grant_type=refresh_token") && !told.contains("rt-0123456789"), "{told}");
    let why = "the server said rt-0123456789 again";
    trace.answered(&sent, &Err(doorward_types::outbound::FetchFailed::Other(why.into())));
    trace.end(Some(&Failed::new(Code::Unreachable, "no answer", why, "try again")));
    let told = &text(folder.path())[0];
    for part in [
        "Login at https://mcp.example/mcp?key=***",
        "the server said *** again",
        "at step 1",
        "[CL-101]",
        "try: try again",
    ] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    for file in std::fs::read_dir(folder.path().join("trace")).unwrap() {
        let kept = std::fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(!kept.contains("rt-0123456789") && !kept.contains("s3cr3t"), "{kept}");
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..40 {
        begin(folder.path()).end(None);
    }
    assert_eq!(ring::read(folder.path()).len(), 16);
    let long = begin(folder.path());
    let body = serde_json::json!({ "issuer": "x".repeat(20_000), "scope": "y ".repeat(10_000) }).to_string();
    for at in 0..200 {
        request(&long, &format!("/{at}"), body.as_bytes());
    }
    let kept = folder.path().join("trace");
    let sizes = std::fs::read_dir(&kept).unwrap().map(|file| file.unwrap().metadata().unwrap().len());
    assert!(sizes.max().unwrap() <= 128 << 10);
    let told = text(folder.path()).pop().unwrap();
    let has = |part: &str| told.contains(part);
    assert!(has("as.example/0 ") && has("as.example/199 ") && has("are left out"));
}

#[test]
fn flows_at_one_time_do_not_mix() {
    let folder = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for flow in 0..8 {
            let folder = folder.path();
            scope.spawn(move || {
                let trace = begin(folder);
                (0..50).for_each(|_| request(&trace, &format!("/of-{flow}-"), b"{}"));
                trace.end(None);
            });
        }
    });
    let all = text(folder.path());
    assert_eq!(all.len(), 8);
    for told in all {
        let of = (0..8).filter(|flow| told.contains(&format!("/of-{flow}-"))).count();
        assert_eq!((of, told.matches("POST").count(), told.contains("done after")), (1, 50, true), "{told}");
    }
}

#[test]
fn a_folder_that_is_not_private_holds_no_trace() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(elsewhere.path(), folder.path().join("trace")).unwrap();
    begin(folder.path()).end(None);
    assert_eq!(std::fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    // What is no flow is passed over.
    std::fs::write(elsewhere.path().join("000.json"), "{").unwrap();
    assert!(ring::read(folder.path()).is_empty());
}

#[test]
fn a_server_that_is_away_is_named_without_what_its_address_hides() {
    // proves: LEAK-02, LEAK-08
    for (query, secret) in [
        ("auth=0123456789abcdef", "0123456789abcdef"),
        ("pwd=hunter2", "hunter2"),
        ("token=ab%2Fcd%2Bef012345", "ab%2Fcd"),
        ("0123456789abcdef", "0123456789abcdef"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let resource = ResourceId::parse(format!("https://mcp.example/mcp?{query}")).unwrap();
        let trace = Trace::begin(folder.path(), Kind::Login, &resource, None);
        trace.wanted_besides([("organization", "acme")]);
        let why = format!("{resource} does not answer");
        let hint = format!("doorward login --authorize-param organization=acme '{resource}'");
        trace.end(Some(&Failed::new(Code::Unreachable, "no answer", &why, &hint)));
        let mut told = text(folder.path()).join("\n");
        for file in std::fs::read_dir(folder.path().join("trace")).unwrap() {
            told += &std::fs::read_to_string(file.unwrap().path()).unwrap();
        }
        assert!(!told.contains(secret) && !told.contains("acme"), "{told}");
        assert!(told.contains("organization=***") && told.contains("does not answer"), "{told}");
    }
}
