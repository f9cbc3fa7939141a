//! Random writes against a small model: each guard says what the model says, and a family never has two heads.

use std::collections::{HashMap, HashSet};

use doorward_authorization_server::{
    RevocationReason, Write,
    facts::{Code, Grant, GrantId, Refresh},
    seal::Sealed,
    store::{Committed, Store as _},
};
use doorward_types::{Digest, secret::RefreshToken};

use super::{Engine, facts::Draw, record::read_all};

#[derive(Default)]
struct Model {
    revoked: HashSet<GrantId>,
    redeemed: HashSet<usize>,
    /// The tokens that are there, with what took their place and how often they were replayed.
    tokens: HashMap<Digest<RefreshToken>, Option<(Digest<RefreshToken>, u32)>>,
}

impl Model {
    fn is_used(&self, token: &Digest<RefreshToken>) -> bool {
        self.tokens.get(token).is_some_and(Option::is_some)
    }

    fn head(&self, family: &[Refresh]) -> Option<Digest<RefreshToken>> {
        let mut heads = family.iter().map(|token| token.digest).filter(|token| self.tokens.get(token) == Some(&None));
        let head = heads.next();
        assert!(heads.next().is_none(), "two live heads");
        head
    }
}

pub async fn no_order_of_writes_breaks_a_family(engine: &impl Engine) {
    // proves: INV-1, INV-2
    let stores = [engine.open().await, engine.open().await];
    let mut draw = Draw::new(90);
    for round in 0..6 {
        let grants: Vec<Grant> = (0..3).map(|_| draw.grant()).collect();
        let codes: Vec<Code> = grants.iter().map(|grant| draw.code(grant)).collect();
        let tokens: Vec<Vec<Refresh>> =
            grants.iter().map(|grant| (0..8).map(|_| draw.refresh(grant)).collect()).collect();
        let inserts =
            grants.iter().cloned().map(Write::InsertGrant).chain(codes.iter().cloned().map(Write::InsertCode));
        assert_eq!(stores[0].commit(inserts.collect()).await.unwrap(), Committed::Done);
        let mut model = Model::default();
        for step in 0..60 {
            let pick = |draw: &mut Draw, below: usize| usize::try_from(draw.entropy.below(below as u64)).unwrap();
            let family = pick(&mut draw, grants.len());
            let (grant, code) = (&grants[family], &codes[family]);
            let (one, other) = (pick(&mut draw, 8), pick(&mut draw, 8));
            let (one, other) = (&tokens[family][one], &tokens[family][other]);
            let at = draw.moment();
            let living = !model.revoked.contains(&grant.id);
            let (writes, expected) = match pick(&mut draw, 13) {
                0..=2 => {
                    let redeem = Write::RedeemCode { code: code.digest, grant: grant.id.clone(), at };
                    let can = living && !model.redeemed.contains(&family);
                    let fresh = model.head(&tokens[family]).is_none() && !model.tokens.contains_key(&one.digest);
                    if can && fresh {
                        model.redeemed.insert(family);
                        model.tokens.insert(one.digest, None);
                    }
                    (vec![redeem, Write::InsertRefresh(one.clone())], can && fresh)
                }
                3..=8 => {
                    let rotate = Write::RotateRefresh {
                        token: one.digest,
                        grant: grant.id.clone(),
                        successor: other.digest,
                        at,
                        answer: Sealed::from_bytes(vec![7; 9]),
                    };
                    let can = living
                        && model.tokens.get(&one.digest) == Some(&None)
                        && !model.tokens.contains_key(&other.digest);
                    if can {
                        model.tokens.insert(one.digest, Some((other.digest, 0)));
                        model.tokens.insert(other.digest, None);
                    }
                    (vec![rotate, Write::InsertRefresh(other.clone())], can)
                }
                9..=11 => {
                    let seen = u32::try_from(pick(&mut draw, 2)).unwrap();
                    let state = model.tokens.get(&one.digest).copied().flatten();
                    let can = living && state.is_some_and(|(next, replays)| replays == seen && !model.is_used(&next));
                    if let Some((next, _)) = state.filter(|_| can) {
                        model.tokens.insert(one.digest, Some((next, seen + 1)));
                    }
                    (vec![Write::CountReplay { token: one.digest, seen }], can)
                }
                _ => {
                    let revoke = Write::RevokeGrant { grant: grant.id.clone(), at, reason: RevocationReason::Person };
                    model.revoked.insert(grant.id.clone());
                    (vec![revoke], true)
                }
            };
            let end = stores[step % 2].commit(writes.clone()).await.unwrap();
            assert_eq!(end == Committed::Done, expected, "round {round}, step {step}: {writes:?}");
            model.head(&tokens[family]);
        }
        for token in tokens.iter().flatten() {
            let row = stores[0].refresh(&token.digest).await.unwrap();
            assert_eq!(row.is_some(), model.tokens.contains_key(&token.digest));
            let rotated = row.and_then(|row| row.token.rotated).map(|rotated| (rotated.successor, rotated.replays));
            assert_eq!(rotated, model.tokens.get(&token.digest).copied().flatten());
        }
    }
    read_all(&stores[0]).await;
}
