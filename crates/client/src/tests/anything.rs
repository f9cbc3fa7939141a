//! Whatever a server or a stranger at the port sends.

use http::{HeaderMap, HeaderValue, header::WWW_AUTHENTICATE};
use proptest::prelude::*;

use crate::{
    Connect, Input, Step,
    scripted::{Counting, NOW, World, parameter},
};

proptest! {
    #[test]
    fn no_challenge_makes_a_request_to_another_origin(
        place in prop_oneof![".{0,80}", "[a-z]{1,6}:.{0,40}", "https?://[a-z0-9.:@\\[\\]/-]{0,40}", "https://mcp.example[a-z.:/@#?]{0,20}"],
        around in "[ -~]{0,30}",
    ) {
        // proves: DISC-01, DISC-07
        let text = format!("{around} Bearer resource_metadata=\"{place}\", {around}");
        let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(WWW_AUTHENTICATE, value)]);
        if let Ok((_, Step::Send(request))) = Connect::start(World::usual().target, Some(&headers)) {
            prop_assert_eq!(request.url.origin().ascii_serialization(), "https://mcp.example");
        }
    }

    #[test]
    fn no_query_without_our_state_is_taken(query in prop_oneof![".{0,200}", "((code|state|iss|error)=[a-z%0-9]{0,9}&){0,6}"]) {
        // proves: BRW-07, MCP-AUTH-080
        let mut entropy = Counting(1);
        let (connect, page) = World::usual().run_to_browser(&mut entropy);
        prop_assert!(!query.contains(&parameter(&page.url, "state").unwrap()));
        let (_, step) = connect.on(Input::Callback { query }, NOW, &mut entropy).unwrap();
        let kept_waiting = matches!(step, Step::KeepWaiting { at_most: None, .. });
        prop_assert!(kept_waiting);
    }
}
