//! What is too much, and how it is said.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request};

use crate::{
    app::App,
    world::{LOCAL, PUBLIC, World, host},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

#[tokio::test]
async fn a_large_body_is_not_read() {
    // proves: HTTP-06, REG-09, WEB-15, INV-8
    let world = World::at(LOCAL).await;
    let before = world.state().await;
    for (path, kind) in [
        ("/oauth/token", FORM.1),
        ("/oauth/revoke", FORM.1),
        ("/oauth/register", "application/json"),
        ("/sign-in", FORM.1),
        ("/sign-out", FORM.1),
        ("/consent", FORM.1),
        ("/setup", FORM.1),
        ("/apps/revoke", FORM.1),
    ] {
        let answer = world.send(Method::POST, path, &[("content-type", kind)], "x".repeat(64 * 1024 + 1)).await;
        assert_eq!(answer.status, 413, "{path}");
        // Also when it does not say how long it is, and would never end.
        let endless = Body::from_stream(stream::repeat(Ok::<_, std::fmt::Error>(Bytes::from_static(&[b'x'; 4096]))));
        let request = Request::post(path).header("host", host(LOCAL)).header("content-type", kind);
        let answer = world.ask(request.body(endless).unwrap()).await;
        assert_eq!(answer.status, 413, "{path}");
        // A body that breaks off is the sender's mistake.
        let broken = stream::iter([Ok(Bytes::from_static(b"a=")), Err(std::io::Error::other("cut"))]);
        let request = Request::post(path).header("host", host(LOCAL)).header("content-type", kind);
        let answer = world.ask(request.body(Body::from_stream(broken)).unwrap()).await;
        assert_eq!(answer.status, 400, "{path}");
        // Just inside the limit it is read, and refused for what it says.
        let answer = world.send(Method::POST, path, &[("content-type", kind)], "x".repeat(64 * 1024)).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403), "{path}: {answer:?}");
        let compressed = [("content-type", kind), ("content-encoding", "gzip")];
        let answer = world.send(Method::POST, path, &compressed, vec![0x1f, 0x8b, 8, 0]).await;
        assert!((400..500).contains(&answer.status.as_u16()), "{path}: {answer:?}");
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_long_address_is_not_read() {
    // proves: HTTP-07, INV-8
    let world = World::at(PUBLIC).await;
    let app = App::new(&world).await;
    let before = world.state().await;
    for path in ["/", "/nowhere", "/sign-in", "/oauth/jwks", "/.well-known/oauth-protected-resource/mcp"] {
        let long = format!("{path}?{}", "x".repeat(16 * 1024 + 1));
        assert_eq!(world.get(&long).await.status, 414, "{path}");
    }
    let long = format!("{}&x={}", app.request(&[]), "x".repeat(16 * 1024));
    assert_eq!(world.get(&long).await.status, 414);
    assert_eq!(world.get(&format!("/{}", "x".repeat(30_000))).await.status, 414);
    assert_eq!(world.state().await, before);
    // Long, but not too long.
    let long = format!("{}&x={}", app.request(&[]), "x".repeat(15 * 1024));
    assert_eq!(world.get(&long).await.status, 303);
}

#[tokio::test]
async fn a_form_of_many_fields_is_not_read() {
    // proves: HTTP-06, HTTP-07, INV-8
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let fields = |count: usize| (0..count).map(|at| format!("f{at}=1")).collect::<Vec<_>>().join("&");
    for count in [65, 1000, 8000] {
        for path in ["/oauth/token", "/oauth/revoke"] {
            world.send(Method::POST, path, &[FORM], fields(count)).await.must_be(400, "invalid_request");
        }
        for path in ["/sign-in", "/consent", "/setup", "/apps/revoke", "/sign-out"] {
            world.send(Method::POST, path, &[FORM], fields(count)).await.must_be_page(400, "OA-121");
        }
    }
    let right = app.request(&[]);
    let own = right.matches('=').count();
    assert_eq!(world.get(&format!("{right}&{}", fields(64 - own))).await.status, 303);
    world.get(&format!("{right}&{}", fields(65 - own))).await.must_be_page(400, "OA-101");
    for path in ["/sign-in", "/consent", "/setup", "/apps"] {
        world.get(&format!("{path}?{}", fields(65))).await.must_be_page(400, "OA-121");
    }
    // The same name a thousand times, where it may repeat and where it may not.
    world.send(Method::POST, "/consent", &[FORM], "scope=a&".repeat(1000)).await.must_be_page(400, "OA-121");
    world.get(&format!("{right}&{}", "resource=a&".repeat(100))).await.must_be_page(400, "OA-101");
}
