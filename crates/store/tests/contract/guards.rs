//! Each guard holds, and a commit happens whole or not at all.

use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{Grant, Refresh},
    seal::Sealed,
    store::Store,
};
use doorward_types::{Digest, secret::RefreshToken};

use super::{Engine, conflict, done, facts::Draw};

fn revoke(draw: &mut Draw, grant: &Grant) -> Write {
    Write::RevokeGrant { grant: grant.id.clone(), at: draw.moment(), reason: RevocationReason::Person }
}

fn rotate(draw: &mut Draw, token: &Refresh, successor: &Refresh) -> Write {
    let answer = Sealed::from_bytes(vec![7; 40]);
    Write::RotateRefresh {
        token: token.digest,
        grant: token.grant.clone(),
        successor: successor.digest,
        at: draw.moment(),
        answer,
    }
}

async fn is_rotated(store: &impl Store, token: &Digest<RefreshToken>) -> bool {
    store.refresh(token).await.unwrap().unwrap().token.rotated.is_some()
}

pub async fn a_code_is_redeemed_once(engine: &impl Engine) {
    // proves: CODE-01
    let store = engine.open().await;
    let mut draw = Draw::new(20);
    let grant = draw.grant();
    let code = draw.code(&grant);
    let (first, second) = (draw.moment(), draw.moment());
    let redeem = |at| Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at };
    conflict(&store, vec![redeem(first)]).await;
    done(&store, vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())]).await;
    done(&store, vec![redeem(first)]).await;
    conflict(&store, vec![redeem(second)]).await;
    conflict(&store, vec![redeem(first)]).await;
    assert_eq!(store.code(&code.digest).await.unwrap().unwrap().code.redeemed_at, Some(first));
}

pub async fn a_revoked_grant_takes_its_codes_and_tokens_along(engine: &impl Engine) {
    // proves: CODE-02, RT-05
    let store = engine.open().await;
    let mut draw = Draw::new(21);
    let grant = draw.grant();
    let code = draw.code(&grant);
    let (used, head, next) = (draw.refresh(&grant), draw.refresh(&grant), draw.refresh(&grant));
    let rotated = rotate(&mut draw, &used, &head);
    done(
        &store,
        vec![
            Write::InsertGrant(grant.clone()),
            Write::InsertCode(code.clone()),
            Write::InsertRefresh(used.clone()),
            rotated,
            Write::InsertRefresh(head.clone()),
        ],
    )
    .await;
    done(&store, vec![revoke(&mut draw, &grant)]).await;
    let at = draw.moment();
    conflict(&store, vec![Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at }]).await;
    conflict(&store, vec![rotate(&mut draw, &head, &next)]).await;
    conflict(&store, vec![Write::CountReplay { token: used.digest, seen: 0 }]).await;
    conflict(&store, vec![Write::InsertRefresh(next)]).await;
    conflict(&store, vec![Write::InsertCode(draw.code(&grant))]).await;
    assert_eq!(store.code(&code.digest).await.unwrap().unwrap().code.redeemed_at, None);
    assert!(!is_rotated(&store, &head.digest).await);
}

pub async fn a_refresh_token_is_rotated_once(engine: &impl Engine) {
    // proves: RT-01
    let store = engine.open().await;
    let mut draw = Draw::new(22);
    let grant = draw.grant();
    let (head, left, right) = (draw.refresh(&grant), draw.refresh(&grant), draw.refresh(&grant));
    done(&store, vec![Write::InsertGrant(grant), Write::InsertRefresh(head.clone())]).await;
    let to_left = rotate(&mut draw, &head, &left);
    let to_right = rotate(&mut draw, &head, &right);
    done(&store, vec![to_left, Write::InsertRefresh(left.clone())]).await;
    conflict(&store, vec![to_right.clone()]).await;
    conflict(&store, vec![to_right, Write::InsertRefresh(right.clone())]).await;
    assert!(store.refresh(&right.digest).await.unwrap().is_none());
    let rotated = store.refresh(&head.digest).await.unwrap().unwrap().token.rotated.unwrap();
    assert_eq!(rotated.successor, left.digest);
}

pub async fn a_family_has_one_live_head(engine: &impl Engine) {
    // proves: RT-01
    let store = engine.open().await;
    let mut draw = Draw::new(23);
    let grant = draw.grant();
    let (head, fork) = (draw.refresh(&grant), draw.refresh(&grant));
    done(&store, vec![Write::InsertGrant(grant), Write::InsertRefresh(head)]).await;
    conflict(&store, vec![Write::InsertRefresh(fork.clone())]).await;
    assert!(store.refresh(&fork.digest).await.unwrap().is_none());
}

pub async fn replays_are_counted_while_the_successor_is_unused(engine: &impl Engine) {
    // proves: RT-04, RT-06
    let store = engine.open().await;
    let mut draw = Draw::new(24);
    let grant = draw.grant();
    let (one, two, three) = (draw.refresh(&grant), draw.refresh(&grant), draw.refresh(&grant));
    let replay = |seen| Write::CountReplay { token: one.digest, seen };
    done(&store, vec![Write::InsertGrant(grant.clone()), Write::InsertRefresh(one.clone())]).await;
    conflict(&store, vec![replay(0)]).await;
    done(&store, vec![rotate(&mut draw, &one, &two), Write::InsertRefresh(two.clone())]).await;
    done(&store, vec![replay(0)]).await;
    conflict(&store, vec![replay(0)]).await;
    done(&store, vec![replay(1)]).await;
    done(&store, vec![rotate(&mut draw, &two, &three), Write::InsertRefresh(three)]).await;
    conflict(&store, vec![replay(2)]).await;
    assert_eq!(store.refresh(&one.digest).await.unwrap().unwrap().token.rotated.unwrap().replays, 2);
}

pub async fn an_interaction_is_answered_once_by_its_browser(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(25);
    let interaction = draw.interaction();
    let (signed_in, stranger) = (draw.secret().digest(), draw.secret().digest());
    let other = draw.interaction();
    let rebind = |from, to| Write::RebindInteractions { from, to };
    conflict(&store, vec![Write::SpendInteraction(interaction.digest)]).await;
    done(&store, vec![Write::InsertInteraction(interaction.clone())]).await;
    conflict(&store, vec![Write::InsertInteraction(interaction.clone())]).await;
    done(&store, vec![Write::InsertInteraction(other.clone())]).await;
    let bound_to = async |digest| store.interaction(&digest).await.unwrap().unwrap().browser;
    done(&store, vec![rebind(stranger, stranger)]).await;
    done(&store, vec![rebind(interaction.browser, signed_in)]).await;
    assert_eq!(bound_to(interaction.digest).await, signed_in);
    assert_eq!(bound_to(other.digest).await, other.browser);
    done(&store, vec![Write::SpendInteraction(interaction.digest)]).await;
    conflict(&store, vec![Write::SpendInteraction(interaction.digest)]).await;
    done(&store, vec![rebind(signed_in, stranger)]).await;
    assert_eq!(bound_to(interaction.digest).await, signed_in, "what was answered stays with who answered");
}

pub async fn what_points_nowhere_is_a_conflict(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(26);
    let (grant, account) = (draw.grant(), draw.account());
    conflict(&store, vec![Write::InsertCode(draw.code(&grant))]).await;
    conflict(&store, vec![Write::InsertRefresh(draw.refresh(&grant))]).await;
    conflict(&store, vec![Write::InsertSession(draw.session(&account))]).await;
    // What is not guarded does nothing.
    let code = draw.code(&grant).digest;
    done(&store, vec![revoke(&mut draw, &grant), Write::CountWrongVerifier(code)]).await;
    done(&store, vec![Write::TouchGrant(grant.id.clone(), grant.created_at)]).await;
    assert_eq!(store.grant(&grant.id).await.unwrap(), None);
    done(&store, vec![]).await;
}

/// The failing write stands last, first and in the middle: nothing of the commit is there afterwards.
pub async fn a_commit_happens_whole_or_not_at_all(engine: &impl Engine) {
    // proves: FLT-01
    let store = engine.open().await;
    let mut draw = Draw::new(27);
    let interaction = draw.interaction();
    let mut spent = draw.interaction();
    spent.spent = true;
    done(&store, vec![Write::InsertInteraction(interaction.clone()), Write::InsertInteraction(spent.clone())]).await;
    for place in 0..3 {
        let (grant, client) = (draw.grant(), draw.client());
        let code = draw.code(&grant);
        let mut writes = vec![
            Write::SpendInteraction(interaction.digest),
            Write::InsertGrant(grant.clone()),
            Write::InsertCode(code.clone()),
            Write::InsertClient(client.clone()),
        ];
        writes.insert([0, 2, 4][place], Write::SpendInteraction(spent.digest));
        conflict(&store, writes).await;
        assert_eq!(store.grant(&grant.id).await.unwrap(), None);
        assert_eq!(store.client(&client.id).await.unwrap(), None);
        assert!(store.code(&code.digest).await.unwrap().is_none());
        assert!(!store.interaction(&interaction.digest).await.unwrap().unwrap().spent);
    }
    done(&store, vec![Write::SpendInteraction(interaction.digest)]).await;
}
