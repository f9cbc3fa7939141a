//! Many callers at once, over two openings of one database.

use std::sync::Arc;

use doorward_authorization_server::{
    Write,
    facts::Grant,
    seal::Sealed,
    store::{Committed, Store},
};
use tokio::task::JoinSet;

use super::{Engine, done, facts::Draw};

/// Runs all commits at once, each second one through the other opening, and gives how they ended.
async fn all_at_once<S: Store>(stores: [Arc<S>; 2], commits: Vec<Vec<Write>>) -> Vec<Committed> {
    let barrier = Arc::new(tokio::sync::Barrier::new(commits.len()));
    let mut tasks = JoinSet::new();
    for (n, writes) in commits.into_iter().enumerate() {
        let (store, barrier) = (stores[n % 2].clone(), barrier.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            store.commit(writes).await.unwrap()
        });
    }
    tasks.join_all().await
}

fn winners(ends: &[Committed]) -> usize {
    ends.iter().filter(|end| **end == Committed::Done).count()
}

pub async fn of_64_redemptions_one_succeeds(engine: &impl Engine) {
    // proves: CODE-01, CODE-04, FLT-08, INV-1
    let stores = [Arc::new(engine.open().await), Arc::new(engine.open().await)];
    let mut draw = Draw::new(30);
    for round in 0..4 {
        let grant = draw.grant();
        let code = draw.code(&grant);
        done(&*stores[round % 2], vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())]).await;
        let tokens: Vec<_> = (0..64).map(|_| draw.refresh(&grant)).collect();
        let redeem = |token: &_| {
            vec![
                Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at: grant.created_at },
                Write::InsertRefresh(Clone::clone(token)),
            ]
        };
        let ends = all_at_once(stores.clone(), tokens.iter().map(redeem).collect()).await;
        assert_eq!((ends.len(), winners(&ends)), (64, 1));
        let mut issued = 0;
        for token in tokens {
            issued += usize::from(stores[0].refresh(&token.digest).await.unwrap().is_some());
        }
        assert_eq!(issued, 1);
    }
}

pub async fn of_32_rotations_one_succeeds(engine: &impl Engine) {
    // proves: RT-01, FLT-09, INV-2
    let stores = [Arc::new(engine.open().await), Arc::new(engine.open().await)];
    let mut draw = Draw::new(31);
    let grant = draw.grant();
    let mut head = draw.refresh(&grant);
    done(&*stores[0], vec![Write::InsertGrant(grant.clone()), Write::InsertRefresh(head.clone())]).await;
    for _ in 0..4 {
        let successors: Vec<_> = (0..32).map(|_| draw.refresh(&grant)).collect();
        let rotate = |successor: &doorward_authorization_server::facts::Refresh| {
            vec![
                Write::RotateRefresh {
                    token: head.digest,
                    grant: grant.id.clone(),
                    successor: successor.digest,
                    at: grant.created_at,
                    answer: Sealed::from_bytes(successor.digest.as_bytes().to_vec()),
                },
                Write::InsertRefresh(successor.clone()),
            ]
        };
        let ends = all_at_once(stores.clone(), successors.iter().map(rotate).collect()).await;
        assert_eq!((ends.len(), winners(&ends)), (32, 1));
        let rotated = stores[1].refresh(&head.digest).await.unwrap().unwrap().token.rotated.unwrap();
        // The one successor that exists is the one the token names, and so is its answer.
        let mut living = Vec::new();
        for successor in successors {
            if stores[0].refresh(&successor.digest).await.unwrap().is_some() {
                living.push(successor);
            }
        }
        let [next] = &living[..] else { panic!("{} successors", living.len()) };
        assert_eq!(rotated.successor, next.digest);
        assert_eq!(rotated.answer.as_bytes(), next.digest.as_bytes());
        head = next.clone();
    }
}

/// Whoever is told of a conflict sees, on its next look-up, what it lost against, even when both shared one commit.
pub async fn the_loser_sees_the_winner(engine: &impl Engine) {
    let store = engine.open().await;
    let mut draw = Draw::new(32);
    for _ in 0..4 {
        let grant = draw.grant();
        let code = draw.code(&grant);
        done(&store, vec![Write::InsertGrant(grant.clone()), Write::InsertCode(code.clone())]).await;
        let mut long = || (0..300).map(|_| Write::InsertInteraction(draw.interaction())).collect();
        let redeem_and_look = async || {
            let end = store
                .commit(vec![Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at: grant.created_at }])
                .await
                .unwrap();
            let redeemed = store.code(&code.digest).await.unwrap().unwrap().code.redeemed_at.is_some();
            (end, redeemed)
        };
        // While the first is being written the others gather, and the last keeps their commit waiting.
        let (before, after) = (long(), long());
        let ((), one, two, ()) =
            tokio::join!(done(&store, before), redeem_and_look(), redeem_and_look(), done(&store, after));
        assert_eq!(winners(&[one.0, two.0]), 1);
        assert!(one.1 && two.1);
    }
}

/// One set-up value, many browsers: one first account.
pub async fn of_16_set_ups_one_succeeds(engine: &impl Engine) {
    let stores = [Arc::new(engine.open().await), Arc::new(engine.open().await)];
    let mut draw = Draw::new(33);
    let setup = draw.secret().digest();
    done(&*stores[0], vec![Write::ReplaceSetup(setup)]).await;
    let account = draw.account();
    let mut commits = Vec::new();
    for _ in 0..16 {
        let mut account = account.clone();
        account.id.0 = draw.name();
        account.name = draw.name();
        commits.push(vec![Write::SpendSetup(setup), Write::InsertAccount(account)]);
    }
    assert_eq!(winners(&all_at_once(stores.clone(), commits).await), 1);
    assert_eq!(stores[1].setup().await.unwrap(), None);
}

/// Nodes that start at once make one key, not one each.
pub async fn of_16_first_keys_one_is_made(engine: &impl Engine) {
    // proves: FLT-10
    let stores = [Arc::new(engine.open().await), Arc::new(engine.open().await)];
    let mut draw = Draw::new(34);
    for seen in 0..3 {
        let commits = (0..16).map(|_| vec![Write::InsertKey { key: draw.key(), seen }]).collect();
        assert_eq!(winners(&all_at_once(stores.clone(), commits).await), 1);
    }
    assert_eq!(stores[0].keys().await.unwrap().len(), 3);
}

/// Whatever gets in before the revocation ends with it, and nothing gets in after it.
pub async fn a_revocation_ends_what_races_with_it(engine: &impl Engine) {
    // proves: INV-9
    let stores = [Arc::new(engine.open().await), Arc::new(engine.open().await)];
    let mut draw = Draw::new(35);
    for _ in 0..10 {
        let grant = draw.grant();
        let (head, next) = (draw.refresh(&grant), draw.refresh(&grant));
        done(&*stores[0], vec![Write::InsertGrant(grant.clone()), Write::InsertRefresh(head.clone())]).await;
        let rotate = Write::RotateRefresh {
            token: head.digest,
            grant: grant.id.clone(),
            successor: next.digest,
            at: grant.created_at,
            answer: Sealed::from_bytes(vec![1]),
        };
        let revoke = Write::RevokeGrant {
            grant: grant.id.clone(),
            at: grant.created_at,
            reason: doorward_authorization_server::RevocationReason::Person,
        };
        let both = vec![vec![rotate.clone(), Write::InsertRefresh(next.clone())], vec![revoke]];
        all_at_once(stores.clone(), both).await;
        assert_eq!(stores[0].commit(vec![rotate]).await.unwrap(), Committed::Conflict);
        for token in [head, next] {
            if let Some(facts) = stores[1].refresh(&token.digest).await.unwrap() {
                assert!(facts.grant.revoked_at.is_some());
            }
        }
    }
}

/// Whoever is let in while the client is removed is put out again, or was not let in.
pub async fn a_removal_ends_what_races_with_it(engine: &impl Engine) {
    // proves: INV-9
    let stores = [Arc::new(engine.open().await), Arc::new(engine.open().await)];
    let mut draw = Draw::new(36);
    for _ in 0..8 {
        let (client, account) = (draw.client(), draw.account_without_password());
        let grants: Vec<_> = (0..8)
            .map(|_| Grant { client: client.id.clone(), account: Some(account.id.clone()), ..draw.grant() })
            .collect();
        done(&*stores[0], vec![Write::InsertClient(client.clone()), Write::InsertAccount(account.clone())]).await;
        let at = client.created_at;
        let let_in = |(n, grant): (usize, &Grant)| {
            let hold = match n % 2 {
                0 => Write::HoldClient(client.id.clone()),
                _ => Write::HoldAccount(account.id.clone()),
            };
            vec![Write::InsertGrant(grant.clone()), hold]
        };
        let mut commits: Vec<_> = grants.iter().enumerate().map(let_in).collect();
        commits.insert(3, vec![Write::DeleteClient { client: client.id.clone(), at }]);
        commits.insert(5, vec![Write::DisableAccount { account: account.id.clone(), at }]);
        all_at_once(stores.clone(), commits).await;
        assert_eq!(stores[0].client(&client.id).await.unwrap(), None);
        assert!(stores[0].account(&account.id).await.unwrap().unwrap().disabled);
        for grant in &grants {
            let row = stores[1].grant(&grant.id).await.unwrap();
            assert!(row.is_none_or(|grant| grant.revoked_at.is_some()));
        }
    }
}
