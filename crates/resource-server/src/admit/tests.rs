use doorward_types::Issuer;
use http::{HeaderValue, Request};

use super::*;

const END: i64 = 1_000_600;

fn authorized(grant: &str) -> Authorized {
    let claims = AccessTokenClaims {
        iss: Issuer::parse("https://gw.example").unwrap(),
        sub: "ann".into(),
        aud: ResourceId::parse("https://gw.example/mcp").unwrap(),
        client_id: ClientId::parse("dwcl_test").unwrap(),
        scope: Permission::Read.set(),
        iat: Timestamp::from_unix(1_000_000),
        exp: Timestamp::from_unix(END),
        jti: "j".into(),
        gid: grant.into(),
        cnf: None,
        act: None,
    };
    Authorized { claims: Arc::new(claims) }
}

#[test]
fn what_was_let_through_holds_nothing_that_its_caller_could_be_taken_for() {
    // proves: AUD-09, AUD-11, BCP-12
    let mut request = Request::new("body");
    request.extensions_mut().insert("the caller's");
    for name in [
        "authorization",
        "dpop",
        "proxy-authorization",
        "cookie",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-user",
        "x-auth-request-email",
        "x-user",
        "x-user-id",
        "x-upstream-authorization",
        "mcp-protocol-version",
        "x-request-id",
    ] {
        let name = HeaderName::from_static(name);
        // Twice, since one of two would be enough to be believed.
        request.headers_mut().append(name.clone(), HeaderValue::from_static("one"));
        request.headers_mut().append(name, HeaderValue::from_static("two"));
    }
    let admitted = AuthorizedRequest::new(authorized("g"), request);
    let left: std::collections::BTreeSet<_> = admitted.headers().keys().map(HeaderName::as_str).collect();
    assert_eq!(left.into_iter().collect::<Vec<_>>(), ["mcp-protocol-version", "x-request-id"]);
    assert_eq!(admitted.body(), &"body");
    assert!(admitted.into_parts().1.extensions.get::<&str>().is_none());
}

#[test]
fn a_stream_ends_with_its_token_or_its_grant() {
    struct One;
    impl Revocations for One {
        fn is_revoked(&self, grant: &str) -> bool {
            grant == "revoked"
        }
    }
    let (good, revoked) = (authorized("good"), authorized("revoked"));
    let at = Timestamp::from_unix;
    assert_eq!(good.withdrawn(&One, at(END - 1)), None);
    assert_eq!(good.withdrawn(&One, at(END)), Some(Refusal::Expired));
    assert_eq!(revoked.withdrawn(&One, at(0)), Some(Refusal::Revoked));
    assert!(revoked.is_revoked(&One) && !good.is_revoked(&One));
}
