//! What a target says of tokens that there are, and of how a person is asked.

use doorward_types::{
    ClientId, Issuer, Secret,
    jose::{ClientKey, SigningKey},
};

use super::{
    enterprise::{self, IDP},
    registration::given,
};
use crate::{
    AuthMethod, ClientCredentials, Got, IssuerBound, Registration, StoredTokens,
    scripted::{ISSUER, NOW, World},
    target::{By, Dpop, Enterprise, Grant, PreRegistered, Who},
};

/// Tokens that rest on a sign-in at the identity provider.
fn resting() -> StoredTokens {
    enterprise::world().0.run().unwrap().tokens
}

fn provider(issuer: &str, who: Who) -> Grant {
    let issuer = Issuer::parse(issuer).unwrap();
    Grant::Enterprise(Box::new(Enterprise { who, ..Enterprise::new(issuer, enterprise::client("at-idp")) }))
}

fn said() -> Who {
    Who::Given(Secret::parse("a.b.c").unwrap())
}

#[test]
fn tokens_are_taken_for_what_was_got_in_the_way_that_is_wanted_and_no_other() {
    // proves: EXT-EMA-026
    let (by_code, resting) = (World::usual().run().unwrap().tokens, resting());
    // Said by somebody whom this program does not know.
    let vouched = StoredTokens { identity: None, ..resting.clone() };
    let robots = StoredTokens { got: Got::ClientCredentials, ..vouched.clone() };
    let (browser, assertion) = (Who::SignsIn(By::Browser), || Grant::Assertion(Vec::new()));
    // the way; whether it takes tokens by code, on a sign-in, by somebody's word, of the client itself
    for (grant, takes) in [
        (Grant::Code, [true, true, true, true]),
        (Grant::Device, [true, true, true, true]),
        (Grant::ClientCredentials, [false, false, false, true]),
        (assertion(), [false, false, true, false]),
        (provider(IDP, browser.clone()), [false, true, false, false]),
        (provider("https://other.example", browser), [false, false, false, false]),
        (provider(IDP, said()), [false, true, true, false]),
        (provider("https://other.example", said()), [false, false, true, false]),
    ] {
        let mut target = World::usual().target;
        target.grant = grant;
        let got = [&by_code, &resting, &vouched, &robots].map(|tokens| target.takes(tokens));
        assert_eq!(got, takes, "{:?}", target.grant);
    }
}

#[test]
fn tokens_of_another_client_for_the_same_server_or_without_the_key_are_not_taken() {
    let tokens = World::usual().run().unwrap().tokens;
    for (clients, takes) in [
        (vec![], true),
        (vec![given(None, "dyn-1")], true),
        (vec![given(None, "other")], false),
        (vec![given(Some(ISSUER), "other")], false),
        (vec![given(Some("https://other.example"), "other")], true),
        (vec![given(Some(ISSUER), "other"), given(None, "dyn-1")], true),
    ] {
        let mut target = World::usual().target;
        target.clients = clients;
        assert_eq!(target.takes(&tokens), takes, "{:?}", target.clients);
    }
    let bound = StoredTokens { proof_key: Some(crate::ProofKey::generate()), ..tokens.clone() };
    for (dpop, bare, with_key) in
        [(Dpop::Always, false, true), (Dpop::WhenAsked, true, true), (Dpop::Never, true, true)]
    {
        let mut target = World::usual().target;
        target.dpop = dpop;
        assert_eq!((target.takes(&tokens), target.takes(&bound)), (bare, with_key), "{dpop:?}");
    }
}

/// The same as another authorization server would have given them to a client of this name.
fn at_another_server(tokens: &StoredTokens, name: &str) -> StoredTokens {
    const OTHER: &str = "https://other.example";
    let issuer = Issuer::parse(OTHER).unwrap();
    let mut document = tokens.server.document().clone();
    document.issuer = OTHER.to_owned();
    let server = document.validate_for_tokens(&issuer).unwrap();
    StoredTokens { server, client: super::registration::stored(OTHER, name), ..tokens.clone() }
}

#[test]
fn who_wants_the_tokens_of_one_client_takes_those_of_no_other() {
    let tokens = World::usual().run().unwrap().tokens;
    let mut target = World::usual().target;
    target.clients = vec![given(None, "mine")];
    assert!(!target.takes(&tokens));
    target.as_client_of(&tokens);
    assert!(target.takes(&tokens));
    let others = StoredTokens { client: super::registration::stored(ISSUER, "other"), ..tokens.clone() };
    assert!(!target.takes(&others));
    // Of the same name at another authorization server, and of whatever name there.
    for name in [tokens.client.client_id().as_str(), "other"] {
        let elsewhere = at_another_server(&tokens, name);
        assert!(!target.takes(&elsewhere), "{name}");
        let mut wanted = World::usual().target;
        wanted.as_client_of(&elsewhere);
        assert!(wanted.takes(&elsewhere) && !wanted.takes(&tokens), "{name}");
    }
    let [own] = target.clients.as_slice() else { panic!() };
    assert_eq!(own.issuer.as_ref().map(Issuer::as_str), Some(ISSUER));
}

#[test]
fn a_person_is_asked_in_the_other_way_only_where_one_is_asked_at_all() {
    let signs_in = |by| provider(IDP, Who::SignsIn(by));
    for (mut grant, by, asked, asks) in [
        (Grant::Code, By::Device, Grant::Device, true),
        (Grant::Device, By::Browser, Grant::Code, true),
        (Grant::Code, By::Browser, Grant::Code, true),
        (Grant::Device, By::Device, Grant::Device, true),
        (signs_in(By::Browser), By::Device, signs_in(By::Device), true),
        (signs_in(By::Device), By::Browser, signs_in(By::Browser), true),
        (provider(IDP, said()), By::Device, provider(IDP, said()), false),
        (Grant::ClientCredentials, By::Device, Grant::ClientCredentials, false),
    ] {
        grant.ask_by(by);
        assert_eq!(format!("{grant:?}"), format!("{asked:?}"));
        assert_eq!(grant.may_ask(), asks, "{grant:?}");
    }
}

#[test]
fn a_person_is_asked_again_as_they_were_before() {
    // proves: EXT-EMA-001
    let (mut world, _) = enterprise::world();
    let tokens = world.run().unwrap().tokens;
    let identity = world.identity.clone().unwrap();
    let named = |world: &World| {
        world.target.clients.iter().map(|client| client.client_id.as_str().to_owned()).collect::<Vec<_>>()
    };
    // Nothing is said but the server.
    let mut again = enterprise::world().0;
    (again.target.grant, again.identity) = (Grant::Code, Some(identity.clone()));
    again.target.clients.clear();
    again.target.ask_as_before(&tokens, &identity);
    assert_eq!(named(&again), ["at-as"]);
    // The clients are those of their own servers and of no others, as they proved themselves there.
    let [ours] = again.target.clients.as_slice() else { panic!() };
    let credentials = tokens.client.at(&tokens.server).unwrap();
    assert_eq!(ours.issuer.as_ref().map(Issuer::as_str), Some(ISSUER));
    assert_eq!((ours.auth_method, ours.secret.is_some()), (Some(credentials.auth_method), true));
    assert_eq!(ours.redirect_uri.as_ref(), Some(&credentials.redirect_uri));
    let Grant::Enterprise(provider) = &again.target.grant else { panic!("{:?}", again.target.grant) };
    assert_eq!((provider.issuer.as_str(), provider.client.client_id.as_str()), (IDP, "at-idp"));
    assert_eq!(provider.client.issuer.as_ref().map(Issuer::as_str), Some(IDP));
    again.run().unwrap();
    assert!(again.opened.is_empty(), "the sign-in that is kept is used");

    // What the user brings goes before, and a client that needs no bringing is not brought.
    let mut own = World::usual();
    own.target.clients = vec![given(None, "mine")];
    own.target.ask_as_before(&tokens, &identity);
    assert_eq!(named(&own), ["mine"]);
    let by_itself = World::usual().run().unwrap().tokens;
    assert_eq!(by_itself.client.registration(), Registration::Dynamic);
    let mut none = World::usual();
    none.target.ask_as_before(&StoredTokens { client: by_itself.client, ..tokens }, &identity);
    assert!(named(&none).is_empty());
}

#[test]
fn a_stored_client_proves_itself_with_what_is_given_now_for_it_and_for_its_server() {
    // proves: MCP-AUTH-065, MCP-AUTH-067
    use AuthMethod::{ClientSecretBasic as Basic, ClientSecretPost as Post, None as Public, PrivateKeyJwt as Signs};
    let (old_key, new_key) = (super::client_key(&SigningKey::generate()), super::client_key(&SigningKey::generate()));
    let tokens = World::usual().run().unwrap().tokens;
    let own = |issuer: Option<&str>, id: &str, method, secret: Option<&str>, key: Option<&ClientKey>| PreRegistered {
        auth_method: method,
        secret: secret.map(|secret| Secret::parse(secret).unwrap()),
        key: key.cloned(),
        ..given(issuer, id)
    };
    let here = |method, secret, key| vec![own(Some(ISSUER), "c", method, secret, key)];
    let (old, new) = ((Some("old"), None), (Some("new"), None));
    let (signs, signs_anew) = ((None, Some(&old_key)), (None, Some(&new_key)));
    // how it proved itself, what the user gives, how it proves itself then
    for (method, before, clients, then, with) in [
        (Basic, old, vec![], Basic, old),
        (Basic, old, here(None, Some("new"), None), Basic, new),
        (Post, old, here(None, Some("new"), None), Post, new),
        (Basic, old, here(Some(Post), None, None), Post, old),
        (Public, (None, None), here(None, Some("new"), None), Basic, new),
        (Public, (None, None), here(Some(Post), Some("new"), None), Post, new),
        (Public, (None, None), here(Some(Basic), None, None), Public, (None, None)),
        (Public, (None, None), here(Some(Signs), None, None), Public, (None, None)),
        (Public, (None, None), here(Some(Signs), None, Some(&new_key)), Signs, signs_anew),
        (Signs, signs, here(None, None, None), Signs, signs),
        (Signs, signs, here(None, None, Some(&new_key)), Signs, signs_anew),
        (Signs, signs, here(None, Some("new"), None), Signs, signs),
        (Basic, (Some("old"), Some(&old_key)), here(Some(Signs), None, None), Signs, (Some("old"), Some(&old_key))),
        (Basic, old, here(Some(Basic), Some("new"), Some(&new_key)), Basic, new),
        // What is given for another client or another server is none of its business; what is given for this one goes first.
        (Basic, old, vec![own(None, "other", None, Some("new"), None)], Basic, old),
        (Basic, old, vec![own(Some("https://other.example"), "c", None, Some("new"), None)], Basic, old),
        (Basic, old, vec![own(None, "c", None, Some("new"), None)], Basic, new),
        (Basic, old, [vec![own(None, "c", None, Some("x"), None)], here(None, Some("new"), None)].concat(), Basic, new),
    ] {
        let client = ClientCredentials {
            client_id: ClientId::parse("c").unwrap(),
            secret: before.0.map(|secret| Secret::parse(secret).unwrap()),
            secret_expires_at: before.0.map(|_| NOW),
            key: before.1.cloned(),
            auth_method: method,
            registration: Registration::PreRegistered,
            redirect_uri: tokens.client.redirect_uri().clone(),
        };
        let mut target = World::usual().target;
        target.clients = clients;
        let client = IssuerBound::new(Issuer::parse(ISSUER).unwrap(), client);
        let got = target.with_own_client(StoredTokens { client, ..tokens.clone() }).client;
        let proves = got.at(&tokens.server).unwrap();
        let text = format!("{method:?} {:?}", target.clients);
        assert_eq!(proves.auth_method, then, "{text}");
        assert_eq!(proves.secret.as_ref().map(|secret| secret.expose()), with.0, "{text}");
        let key = |key: Option<&ClientKey>| key.map(|key| serde_json::to_value(key.to_stored()).unwrap());
        assert_eq!(key(proves.key.as_ref()), key(with.1), "{text}");
        // A new secret does not end when the old one did.
        assert_eq!(got.is_expired(NOW), with.0 == Some("old"), "{text}");
    }
}
