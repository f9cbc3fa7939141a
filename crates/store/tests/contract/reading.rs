//! Every field comes back as it was written.

use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{
        Account, AccountId, Client, ClientAuthentication, ClientOrigin, ExternalIdentity, Grant, GrantId, Interaction,
        Rotated,
    },
    store::Store,
};
use doorward_types::{
    Secret, Timestamp,
    secret::{ClientSecret, RefreshToken, SetupToken},
};

use super::{Engine, conflict, done, facts::Draw};

pub async fn an_empty_store_knows_nothing(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(1);
    let (client, account, grant, interaction) = (draw.client(), draw.account(), draw.grant(), draw.interaction());
    assert_eq!(store.client(&client.id).await.unwrap(), None);
    assert_eq!(store.account(&account.id).await.unwrap(), None);
    assert_eq!(store.account_by_name(&account.name).await.unwrap(), None);
    assert_eq!(store.grant(&grant.id).await.unwrap(), None);
    assert_eq!(store.grants_of(&account.id).await.unwrap(), []);
    assert_eq!(store.interaction(&interaction.digest).await.unwrap(), None);
    assert_eq!(store.session(&draw.session(&account).digest).await.unwrap(), None);
    assert!(store.code(&draw.code(&grant).digest).await.unwrap().is_none());
    assert!(store.refresh(&draw.refresh(&grant).digest).await.unwrap().is_none());
    assert!(!store.has_accounts().await.unwrap());
    assert_eq!(store.setup().await.unwrap(), None);
    assert_eq!(store.revoked_grants().await.unwrap(), []);
}

pub async fn clients(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(2);
    let public = draw.client();
    let basic = Client {
        origin: ClientOrigin::Administrator,
        name: None,
        authentication: ClientAuthentication::SecretBasic(draw.secret::<ClientSecret>().digest()),
        application_type: None,
        grant_types: vec![],
        ..draw.client()
    };
    let post = Client {
        authentication: ClientAuthentication::SecretPost(draw.secret::<ClientSecret>().digest()),
        redirect_uris: vec![],
        ..draw.client()
    };
    for client in [&public, &basic, &post] {
        done(&store, vec![Write::InsertClient(client.clone())]).await;
    }
    for client in [public, basic, post] {
        assert_eq!(store.client(&client.id).await.unwrap().as_ref(), Some(&client));
        let other = Client { name: Some("another".into()), ..client.clone() };
        conflict(&store, vec![Write::InsertClient(other)]).await;
        assert_eq!(store.client(&client.id).await.unwrap(), Some(client));
    }
}

pub async fn accounts(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(3);
    let ana = Account { name: "Ána-Ω@Example".into(), ..draw.account() };
    let bob = Account { password: None, administrator: false, disabled: true, name: "bob".into(), ..draw.account() };
    // Whom an enterprise sends before anybody set the gateway up must not close the set-up.
    let external = Some(ExternalIdentity { issuer: "https://idp.example".into(), subject: "eve".into() });
    let eve = Account { password: None, administrator: false, name: "eve".into(), external, ..draw.account() };
    done(&store, vec![Write::InsertAccount(eve)]).await;
    assert!(!store.has_accounts().await.unwrap());
    done(&store, vec![Write::InsertAccount(ana.clone())]).await;
    assert!(store.has_accounts().await.unwrap());
    done(&store, vec![Write::InsertAccount(bob.clone())]).await;
    for account in [&ana, &bob] {
        assert_eq!(store.account(&account.id).await.unwrap().as_ref(), Some(account));
        assert_eq!(store.account_by_name(&account.name).await.unwrap().as_ref(), Some(account));
    }
    // ASCII case only: other letters are other names.
    assert_eq!(store.account_by_name("ÁNA-Ω@EXAMPLE").await.unwrap().as_ref(), Some(&ana));
    assert_eq!(store.account_by_name("ána-Ω@example").await.unwrap(), None);
    assert_eq!(store.account_by_name("BOB").await.unwrap(), Some(bob.clone()));
    assert_eq!(store.account_by_name("b_b").await.unwrap(), None);

    let taken = Account { name: "BoB".into(), ..draw.account() };
    conflict(&store, vec![Write::InsertAccount(taken.clone())]).await;
    assert_eq!(store.account(&taken.id).await.unwrap(), None);
    let same_id = Account { id: bob.id, name: "carol".into(), ..taken };
    conflict(&store, vec![Write::InsertAccount(same_id)]).await;
}

pub async fn sessions(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(4);
    let (ana, bob) = (draw.account(), draw.account());
    let (one, two, other) = (draw.session(&ana), draw.session(&ana), draw.session(&bob));
    done(&store, vec![Write::InsertAccount(ana.clone()), Write::InsertSession(one.clone())]).await;
    done(&store, vec![Write::InsertAccount(bob.clone()), Write::InsertSession(other.clone())]).await;
    done(&store, vec![Write::InsertSession(two.clone())]).await;
    assert_eq!(store.session(&one.digest).await.unwrap(), Some((one.clone(), ana.clone())));
    done(&store, vec![Write::DeleteSession(one.digest)]).await;
    assert_eq!(store.session(&one.digest).await.unwrap(), None);
    // Signing out twice is no error.
    done(&store, vec![Write::DeleteSession(one.digest)]).await;
    assert_eq!(store.session(&two.digest).await.unwrap(), Some((two.clone(), ana.clone())));
    done(&store, vec![Write::InsertSession(one.clone()), Write::DeleteSessions(ana.id)]).await;
    assert_eq!(store.session(&one.digest).await.unwrap(), None);
    assert_eq!(store.session(&two.digest).await.unwrap(), None);
    assert_eq!(store.session(&other.digest).await.unwrap(), Some((other, bob)));
}

pub async fn interactions(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(5);
    let interaction = draw.interaction();
    done(&store, vec![Write::InsertInteraction(interaction.clone())]).await;
    assert_eq!(store.interaction(&interaction.digest).await.unwrap(), Some(interaction.clone()));
    done(&store, vec![Write::SpendInteraction(interaction.digest)]).await;
    let spent = Interaction { spent: true, ..interaction };
    assert_eq!(store.interaction(&spent.digest).await.unwrap(), Some(spent));
}

pub async fn grants(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(6);
    let account = draw.account();
    let client = draw.client();
    let at = |second: i64| Timestamp::from_unix(1_795_000_000 + second);
    let old = Grant { account: Some(account.id.clone()), client: client.id.clone(), created_at: at(0), ..draw.grant() };
    let new = Grant { account: Some(account.id.clone()), created_at: at(9), expires_at: None, ..draw.grant() };
    let revoked = Grant { account: Some(account.id.clone()), created_at: at(5), ..draw.grant() };
    let foreign = draw.grant();
    let all = [&old, &new, &revoked, &foreign];
    done(&store, all.iter().map(|grant| Write::InsertGrant((*grant).clone())).collect()).await;
    done(&store, vec![Write::InsertClient(client.clone())]).await;
    for grant in all {
        assert_eq!(store.grant(&grant.id).await.unwrap().as_ref(), Some(grant));
    }
    let revoke = |second, reason| Write::RevokeGrant { grant: revoked.id.clone(), at: at(second), reason };
    done(&store, vec![revoke(20, RevocationReason::Person)]).await;
    // A second revocation keeps the first moment.
    done(&store, vec![revoke(30, RevocationReason::Client)]).await;
    let ended = Grant { revoked_at: Some(at(20)), ..revoked.clone() };
    assert_eq!(store.grant(&revoked.id).await.unwrap(), Some(ended));
    assert_eq!(store.revoked_grants().await.unwrap(), std::slice::from_ref(&revoked.id));
    assert_eq!(store.grants_of(&account.id).await.unwrap(), [(new, None), (old.clone(), Some(client))]);

    // The last use only moves forward, whatever order two commits come in.
    done(&store, vec![Write::TouchGrant(old.id.clone(), at(50))]).await;
    done(&store, vec![Write::TouchGrant(old.id.clone(), at(40))]).await;
    assert_eq!(store.grant(&old.id).await.unwrap(), Some(Grant { last_used_at: Some(at(50)), ..old }));
}

pub async fn codes(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(7);
    let account = draw.account();
    let grant = Grant { account: Some(account.id.clone()), ..draw.grant() };
    let code = draw.code(&grant);
    done(&store, vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())]).await;
    let facts = store.code(&code.digest).await.unwrap().unwrap();
    assert_eq!((facts.code, facts.grant, facts.account), (code.clone(), grant.clone(), None));

    done(&store, vec![Write::InsertAccount(account.clone()), Write::CountWrongVerifier(code.digest)]).await;
    done(&store, vec![Write::CountWrongVerifier(code.digest)]).await;
    let at = draw.moment();
    done(&store, vec![Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at }]).await;
    let facts = store.code(&code.digest).await.unwrap().unwrap();
    assert_eq!(facts.account, Some(account));
    assert_eq!((facts.code.wrong_verifiers, facts.code.redeemed_at), (2, Some(at)));
}

pub async fn refresh_tokens(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(8);
    let account = draw.account();
    let grant = Grant { account: Some(account.id.clone()), ..draw.grant() };
    let presented = draw.secret::<RefreshToken>();
    let first = doorward_authorization_server::facts::Refresh { digest: presented.digest(), ..draw.refresh(&grant) };
    let (second, third) = (draw.refresh(&grant), draw.refresh(&grant));
    done(
        &store,
        vec![
            Write::InsertAccount(account.clone()),
            Write::InsertGrant(grant.clone()),
            Write::InsertRefresh(first.clone()),
        ],
    )
    .await;
    let facts = store.refresh(&first.digest).await.unwrap().unwrap();
    assert_eq!((facts.token, facts.successor_used), (first.clone(), false));
    assert_eq!((facts.grant, facts.account), (grant, Some(account)));

    let (at, answer) = (draw.moment(), draw.sealed(&presented));
    let rotate =
        |token, successor, answer| Write::RotateRefresh { token, grant: first.grant.clone(), successor, at, answer };
    done(&store, vec![rotate(first.digest, second.digest, answer.clone()), Write::InsertRefresh(second.clone())]).await;
    done(&store, vec![Write::CountReplay { token: first.digest, seen: 0 }]).await;
    let facts = store.refresh(&first.digest).await.unwrap().unwrap();
    let rotated = Rotated { at, successor: second.digest, answer: answer.clone(), replays: 1 };
    assert_eq!((facts.token.rotated.as_ref(), facts.successor_used), (Some(&rotated), false));
    let opened = rotated.answer.open(&presented, "test").unwrap();
    assert!(String::from_utf8(opened).unwrap().starts_with("plain text "));

    done(&store, vec![rotate(second.digest, third.digest, answer), Write::InsertRefresh(third)]).await;
    assert!(store.refresh(&first.digest).await.unwrap().unwrap().successor_used);
}

pub async fn the_setup_value(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(9);
    let (old, new) = (draw.secret::<SetupToken>().digest(), draw.secret::<SetupToken>().digest());
    conflict(&store, vec![Write::SpendSetup(old)]).await;
    done(&store, vec![Write::ReplaceSetup(old)]).await;
    assert_eq!(store.setup().await.unwrap(), Some(old));
    done(&store, vec![Write::ReplaceSetup(new)]).await;
    assert_eq!(store.setup().await.unwrap(), Some(new));
    conflict(&store, vec![Write::SpendSetup(old)]).await;
    done(&store, vec![Write::SpendSetup(new)]).await;
    assert_eq!(store.setup().await.unwrap(), None);
    conflict(&store, vec![Write::SpendSetup(new)]).await;
    done(&store, vec![Write::ReplaceSetup(old)]).await;
    assert_eq!(store.setup().await.unwrap(), Some(old));
}

/// What is bound into a statement is data, whatever it looks like.
pub async fn text_is_never_sql(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(10);
    for name in ["'; DROP TABLE accounts; --", "a' OR '1'='1", "$1", "?1", "%", "\"", "\\", "näme\u{202e}"] {
        let account = Account { name: name.into(), ..draw.account() };
        done(&store, vec![Write::InsertAccount(account.clone())]).await;
        assert_eq!(store.account_by_name(name).await.unwrap(), Some(account));
    }
    let nobody = Secret::<SetupToken>::generate(&mut draw.entropy).digest();
    conflict(&store, vec![Write::SpendSetup(nobody)]).await;
}

/// PostgreSQL cannot store the character; no engine does, and nobody's look-up fails for it.
pub async fn a_nul_is_never_stored(engine: &impl Engine) {
    // proves: INV-8
    let store = engine.open().await;
    let mut draw = Draw::new(11);
    let account = Account { name: "a\0b".into(), ..draw.account_without_password() };
    conflict(&store, vec![Write::InsertAccount(account.clone())]).await;
    assert_eq!(store.account_by_name("a\0b").await.unwrap(), None);
    assert_eq!(store.account_by_name("\0").await.unwrap(), None);
    let person = ExternalIdentity { issuer: "https://idp.example".into(), subject: "\0".into() };
    assert_eq!(store.account_by_identity(&person).await.unwrap(), None);
    let grant = GrantId("g\0".into());
    assert_eq!(store.grant(&grant).await.unwrap(), None);
    assert_eq!(store.grants_of(&AccountId("\0".into())).await.unwrap(), []);
    conflict(&store, vec![Write::InsertClient(Client { name: Some("\0".into()), ..draw.client() })]).await;
    done(&store, vec![Write::RevokeGrant { grant, at: draw.moment(), reason: RevocationReason::Person }]).await;
}
