use doorward_types::redirect::RedirectUri;
use serde_json::json;

use super::registration::{stored, used_client};
use crate::{
    Code,
    scripted::{ISSUER, World, parameter},
    step::PortChoice,
};

const REGISTER: &str = "https://as.example/register";

#[test]
fn a_redirect_uri_of_the_users_is_the_one_that_is_registered_and_held() {
    let redirect = |text: &str| Some(RedirectUri::parse(text).unwrap());
    for (own, port, used) in [
        ("http://localhost:9696/oauth/callback", PortChoice::Only(9696), "http://localhost:9696/oauth/callback"),
        ("http://127.0.0.1/oauth/callback", PortChoice::Any, "http://127.0.0.1:43121/oauth/callback"),
    ] {
        let mut world = World::usual();
        world.target.redirect_uri = redirect(own);
        world.run().unwrap();
        assert_eq!((world.held[0].port, world.held[0].either), (port, false));
        assert_eq!(parameter(&world.opened[0], "redirect_uri").unwrap(), used);
        assert_eq!(world.sent_to(REGISTER)[0].json()["redirect_uris"], json!([used]));

        // The next login finds that client, and holds the port that was asked for.
        let registered = world.saved.pop().unwrap();
        let mut next = World::usual();
        (next.target.redirect_uri, next.stored) = (redirect(own), Some(registered));
        next.run().unwrap();
        assert!(next.sent_to(REGISTER).is_empty());
        assert!(matches!(next.held[0].port, PortChoice::Only(9696) | PortChoice::Prefer(43121)), "{:?}", next.held);

        // One that was registered for another place is not used for this one.
        let mut other = World::usual();
        (other.target.redirect_uri, other.stored) = (redirect(own), Some(stored(ISSUER, "known")));
        other.run().unwrap();
        assert_eq!(used_client(&other), "dyn-1");
    }
    let mut world = World::usual();
    world.target.redirect_uri = redirect("https://web.example/cb");
    assert_eq!(world.run().unwrap_err().code(), Code::BadRedirect);
}
