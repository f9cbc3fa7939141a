//! How the token endpoint is spoken to, and how clients prove who they are.

use base64ct::{Base64, Encoding as _};
use doorward_testkit::url_text;
use http::Method;
use serde_json::json;

use crate::{
    app::{App, Tokens, changed},
    world::{CALLBACK, LOCAL, World},
};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// An `Authorization` header, more fields, a query, and the status and error that follow.
type Case<'a> = (Option<&'a str>, Vec<(&'a str, &'a str)>, &'a str, u16, &'a str);

fn basic(id: &str, secret: &str) -> String {
    let encode = url_text::encode;
    format!("Basic {}", Base64::encode_string(format!("{}:{}", encode(id), encode(secret)).as_bytes()))
}

#[tokio::test]
async fn a_request_that_is_not_one_clear_form_is_refused() {
    // proves: CODE-13, OA21-20, OA21-21, OA21-26, HTTP-06
    // proves: R9700-08
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    let right = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("client_id", app.id.as_str()),
        ("code_verifier", app.verifier.as_str()),
    ];
    let body = url_text::form(&right);
    let before = world.state().await;
    // Twice, whether alike or not.
    for (name, value) in right {
        for again in [value, "other", ""] {
            let twice = format!("{body}&{name}={}", url_text::encode(again));
            world.send(Method::POST, "/oauth/token", &[FORM], twice).await.must_be(400, "invalid_request");
        }
    }
    for broken in ["&x=%", "&x=%zz", "&x=%ff", "&%c0%af=1"] {
        let answer = world.send(Method::POST, "/oauth/token", &[FORM], format!("{body}{broken}")).await;
        answer.must_be(400, "invalid_request");
    }
    // Another kind of body, or none that can be told.
    let json = json!({"grant_type": "authorization_code", "code": code, "client_id": app.id}).to_string();
    for (kind, sent) in [
        ("application/json", json.as_str()),
        ("application/json", &body),
        ("text/plain", &body),
        ("", &body),
        ("application/json, application/x-www-form-urlencoded", &body),
        ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\nx\r\n--x--"),
        ("application/x-www-form-urlencoded-evil", &body),
    ] {
        let answer = world.send(Method::POST, "/oauth/token", &[("content-type", kind)], sent.to_owned()).await;
        answer.must_be(400, "invalid_request");
    }
    world.send(Method::POST, "/oauth/token", &[], body.clone()).await.must_be(400, "invalid_request");
    world.send(Method::POST, "/oauth/token", &[FORM, FORM], body.clone()).await.must_be(400, "invalid_request");
    // What stands in the address is not read, whether it stands there alone or beside a body.
    let in_query = format!("/oauth/token?{body}");
    world.send(Method::POST, &in_query, &[FORM], "").await.must_be(400, "invalid_request");
    let without = url_text::form(&changed(&right, &[("code_verifier", None)]));
    let answer = world.send(Method::POST, &in_query, &[FORM], without).await;
    answer.must_be(400, "invalid_request");
    // Each parameter is needed, and empty means left out.
    for name in ["grant_type", "code", "client_id", "code_verifier"] {
        for value in [None, Some("")] {
            app.redeem(&code, &[(name, value)]).await.must_be(400, "invalid_request");
        }
    }
    for grant_type in ["password", "implicit", "Client_Credentials", "Authorization_Code", "urn:x", "<script>"] {
        app.redeem(&code, &[("grant_type", Some(grant_type))]).await.must_be(400, "unsupported_grant_type");
    }
    assert_eq!(world.state().await, before, "no refusal used the code up");
    // What is not known is passed over.
    let odd = [("x", Some("1")), ("scope", Some("admin")), ("state", Some("s")), ("redirect_uri", Some(""))];
    let tokens = Tokens::of(&app.redeem(&code, &odd).await);
    assert!(!tokens.scope.contains("admin"));
    // So are a charset and letter case of the media type.
    let refresh = [("grant_type", "refresh_token"), ("refresh_token", &tokens.refresh), ("client_id", &app.id)];
    let kind = [("content-type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")];
    let answer = world.send(Method::POST, "/oauth/token", &kind, url_text::form(&refresh)).await;
    Tokens::of(&answer);
}

#[tokio::test]
async fn other_methods_are_not_taken() {
    // proves: CODE-14, HTTP-11
    let world = World::at(LOCAL).await;
    let app = App::new(&world).await;
    let code = app.code(&mut world.browser()).await;
    let body = url_text::form(&[("grant_type", "authorization_code"), ("code", &code), ("client_id", &app.id)]);
    let before = world.state().await;
    for path in ["/oauth/token", "/oauth/revoke", "/oauth/register"] {
        for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            for extra in [("x-http-method-override", "POST"), ("x-original-url", "/oauth/token"), ("x-a", "b")] {
                let answer = world.send(method.clone(), &format!("{path}?{body}"), &[FORM, extra], body.clone()).await;
                assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("POST")), "{method} {path}");
            }
        }
    }
    for (path, allowed) in [("/oauth/jwks", "GET,HEAD"), ("/apps/revoke", "POST"), ("/sign-in", "GET,HEAD,POST")] {
        let answer = world.send(Method::DELETE, path, &[("x-http-method-override", "GET")], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some(allowed)), "{path}");
    }
    assert_eq!(world.state().await, before);
}

#[tokio::test]
async fn a_confidential_client_proves_itself_in_the_way_it_registered() {
    // proves: CODE-15, CODE-16, OA21-12, OA21-13, OA21-14, OA21-22, OA21-26, R7591-11, RT-13
    let world = World::at(LOCAL).await;
    let by_post = App::registered(&world, json!({"token_endpoint_auth_method": "client_secret_post"})).await;
    let by_basic = App::registered(&world, json!({"token_endpoint_auth_method": "client_secret_basic"})).await;
    let secret_of = |app: &App<'_>| app.secret.clone().expect("a secret");
    for app in [&by_post, &by_basic] {
        let secret = secret_of(app);
        let code = app.code(&mut world.browser()).await;
        let before = world.state().await;
        let form =
            [("grant_type", "authorization_code"), ("code", code.as_str()), ("code_verifier", app.verifier.as_str())];
        let ask = async |header: Option<&str>, extra: &[(&str, &str)], query: &str| {
            let mut fields = form.to_vec();
            fields.extend_from_slice(extra);
            let headers: Vec<_> = header.map(|value| ("authorization", value)).into_iter().collect();
            world.form(&format!("/oauth/token{query}"), &headers, &fields).await
        };
        let id = ("client_id", app.id.as_str());
        let right = basic(&app.id, &secret);
        let no_colon = format!("Basic {}", Base64::encode_string(app.id.as_bytes()));
        let wrong_secret = basic(&app.id, "dwk_wrong");
        let other = basic(&by_basic.id, &secret_of(&by_basic));
        let long = format!("dwk_{}", "A".repeat(5000));
        let in_query = format!("?client_secret={secret}");
        let cases: Vec<Case<'_>> = vec![
            (None, vec![id], "", 401, "invalid_client"),
            (None, vec![id], &in_query, 401, "invalid_client"),
            (None, vec![id, ("client_secret", "")], "", 401, "invalid_client"),
            (None, vec![id, ("client_secret", "dwk_wrong")], "", 401, "invalid_client"),
            (None, vec![id, ("client_secret", &long)], "", 401, "invalid_client"),
            (None, vec![id, ("client_secret", "é")], "", 401, "invalid_client"),
            (None, vec![("client_secret", &secret)], "", 400, "invalid_request"),
            (Some(&wrong_secret), vec![], "", 401, "invalid_client"),
            (Some("Basic"), vec![], "", 401, "invalid_client"),
            (Some("Basic "), vec![], "", 401, "invalid_client"),
            (Some("Basic !!!"), vec![], "", 401, "invalid_client"),
            (Some("Basic AAAA AAAA"), vec![], "", 401, "invalid_client"),
            (Some(&no_colon), vec![], "", 401, "invalid_client"),
            (Some("Bearer abc"), vec![id], "", 401, "invalid_client"),
            (Some(&right), vec![id, ("client_secret", &secret)], "", 400, "invalid_request"),
            (Some(&right), vec![("client_assertion", "x")], "", 400, "invalid_request"),
            (None, vec![id, ("client_secret", &secret), ("client_assertion", "x")], "", 400, "invalid_request"),
            (None, vec![id, ("client_assertion", "x"), ("client_assertion_type", "y")], "", 401, "invalid_client"),
            (Some(&right), vec![("client_id", "dwcl_other")], "", 400, "invalid_request"),
        ];
        for (header, extra, query, status, error) in &cases {
            let answer = ask(*header, extra, query).await;
            answer.must_be(*status, error);
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge.is_some_and(|value| value.starts_with("Basic ")), *status == 401, "{answer:?}");
        }
        // The way it did not register.
        if std::ptr::eq(app, &by_post) {
            ask(Some(&right), &[], "").await.must_be(401, "invalid_client");
            ask(Some(&other), &[], "").await.must_be(400, "invalid_grant");
        } else {
            ask(None, &[id, ("client_secret", &secret)], "").await.must_be(401, "invalid_client");
        }
        assert_eq!(world.state().await, before, "no refusal used the code up");
        let answer = if std::ptr::eq(app, &by_post) {
            ask(None, &[id, ("client_secret", &secret)], "").await
        } else {
            ask(Some(&right.replace("Basic", "bAsIc")), &[id], "").await
        };
        let tokens = Tokens::of(&answer);
        // Refreshing and revoking take the same proof.
        app.refresh(&tokens.refresh, &[]).await.must_be(401, "invalid_client");
        app.revoke(&tokens.refresh, &[]).await.must_be(401, "invalid_client");
        assert!(!tokens.is_revoked(&world));
    }
    // A public client has no secret to present.
    let public = App::new(&world).await;
    assert_eq!(public.secret, None);
    let code = public.code(&mut world.browser()).await;
    public.redeem(&code, &[("client_secret", Some("x"))]).await.must_be(401, "invalid_client");
    let empty = basic(&public.id, "");
    let fields = [("grant_type", "authorization_code"), ("code", &code), ("code_verifier", &public.verifier)];
    world.form("/oauth/token", &[("authorization", &empty)], &fields).await.must_be(401, "invalid_client");
    let twice = [("authorization", empty.as_str()), ("authorization", empty.as_str())];
    world.form("/oauth/token", &twice, &fields).await.must_be(400, "invalid_request");
    Tokens::of(&public.redeem(&code, &[]).await);
}
