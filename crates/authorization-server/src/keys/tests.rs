use doorward_types::jose;

use super::*;
use crate::fixtures::{at, entropy};

fn operator(seed: u64) -> Secret<OperatorKey> {
    Secret::generate(&mut doorward_testkit::SeededEntropy::new(seed))
}

/// What a store does with the writes of this file.
fn apply(rows: &mut Vec<KeyRow>, writes: Vec<Write>) {
    for write in writes {
        match write {
            Write::InsertKey { key, seen } => {
                assert_eq!(seen as usize, rows.len(), "the guard holds");
                rows.push(key);
            }
            Write::DeleteKey { kid, .. } => rows.retain(|row| row.kid != kid),
            other => panic!("{other:?}"),
        }
    }
}

fn started() -> (Vec<KeyRow>, Secret<OperatorKey>) {
    let (mut rows, operator) = (Vec::new(), operator(1));
    apply(&mut rows, first(&SigningKey::generate(), &operator, at(0), &mut entropy()));
    (rows, operator)
}

fn rotated(rows: &mut Vec<KeyRow>, operator: &Secret<OperatorKey>, now: Timestamp) -> String {
    let key = SigningKey::generate();
    let writes = rotate(rows, &key, operator, now, &mut entropy()).unwrap();
    apply(rows, writes);
    key.kid().to_owned()
}

#[test]
fn a_new_key_is_published_before_it_signs_and_the_old_one_after() {
    // proves: FLT-11, AUD-17
    let (mut rows, operator) = started();
    let old = rows[0].kid.clone();
    let new = rotated(&mut rows, &operator, at(100));
    let lead = i64::try_from(LEAD.as_secs()).unwrap();
    let trail = i64::try_from(TRAIL.as_secs()).unwrap();
    let begins = 100 + lead;
    for (now, signs, published) in [
        (100, &old, vec![&old, &new]),
        (begins - 1, &old, vec![&old, &new]),
        (begins, &new, vec![&old, &new]),
        (begins + trail - 1, &new, vec![&old, &new]),
        (begins + trail, &new, vec![&new]),
    ] {
        let ring = KeyRing::open(&rows, &operator, at(now)).unwrap();
        assert_eq!(ring.signer(at(now)).kid(), signs, "at {now}");
        assert_eq!(ring.names().collect::<Vec<_>>(), published, "at {now}");
        assert_eq!(ring.published().len(), published.len());
        let token = ring.signer(at(now)).sign("x", &serde_json::json!({}));
        assert!(jose::verify(&token, ring.verifying(), "x").is_ok());
    }
    assert!(expire(&rows, at(begins + trail - 1)).is_empty());
    let writes = expire(&rows, at(begins + trail));
    apply(&mut rows, writes);
    assert_eq!(rows.iter().map(|row| &row.kid).collect::<Vec<_>>(), [&new]);
}

#[test]
fn a_token_outlives_the_turn_of_its_key_and_not_its_removal() {
    // proves: FLT-11, AUD-17
    let (mut rows, operator) = started();
    let before = KeyRing::open(&rows, &operator, at(0)).unwrap();
    let token = before.signer(at(0)).sign("x", &serde_json::json!({}));
    rotated(&mut rows, &operator, at(100));
    let after = KeyRing::open(&rows, &operator, at(5000)).unwrap();
    assert_ne!(after.signer(at(5000)).kid(), before.signer(at(0)).kid());
    assert!(jose::verify(&token, after.verifying(), "x").is_ok());
    let writes = replace_all(&rows, &SigningKey::generate(), &operator, at(5000), &mut entropy());
    apply(&mut rows, writes);
    let replaced = KeyRing::open(&rows, &operator, at(5000)).unwrap();
    assert!(jose::verify(&token, replaced.verifying(), "x").is_err());
    assert_eq!(replaced.published().len(), 1);
}

#[test]
fn one_new_key_at_a_time() {
    let (mut rows, operator) = started();
    rotated(&mut rows, &operator, at(100));
    let again = rotate(&rows, &SigningKey::generate(), &operator, at(101), &mut entropy());
    assert_eq!(again.unwrap_err(), UnderWay { active_from: at(100).plus(LEAD) });
    let stages: Vec<_> = stages(&rows, at(101)).into_iter().map(|(_, stage)| stage).collect();
    assert_eq!(stages, [Stage::Signing, Stage::Next]);
}

#[test]
fn a_row_opens_under_its_own_key_and_name_only() {
    // proves: FLT-22
    let (mut rows, right) = started();
    let refused = |rows: &[KeyRow], operator: &Secret<OperatorKey>| KeyRing::open(rows, operator, at(0)).unwrap_err();
    assert_eq!(refused(&rows, &operator(2)), KeyRefusal::Sealed(rows[0].kid.clone()));
    assert_eq!(refused(&[], &right), KeyRefusal::None);
    rotated(&mut rows, &right, at(100));
    let swapped = rows[0].sealed.clone();
    rows[0].sealed = std::mem::replace(&mut rows[1].sealed, swapped);
    assert!(matches!(refused(&rows, &right), KeyRefusal::Sealed(_)));
    // Nor does what was sealed for this row but is another key.
    let (mut odd, other) = (started().0, SigningKey::generate());
    odd[0].sealed = Sealed::seal(&right, &purpose(&odd[0].kid), other.to_pkcs8(), &mut entropy());
    assert_eq!(refused(&odd, &right), KeyRefusal::Unreadable(odd[0].kid.clone()));
    // Whoever lost the operator's key begins anew.
    let writes = replace_all(&rows, &SigningKey::generate(), &operator(2), at(200), &mut entropy());
    apply(&mut rows, writes);
    assert!(KeyRing::open(&rows, &operator(2), at(200)).is_ok());
}

#[test]
fn the_order_of_the_rows_does_not_matter_and_rings_tell_themselves_apart() {
    let (mut rows, operator) = started();
    let ring = |rows: &[KeyRow]| KeyRing::open(rows, &operator, at(200)).unwrap();
    let before = ring(&rows);
    let new = rotated(&mut rows, &operator, at(100));
    let (forward, active) = (ring(&rows), at(100).plus(LEAD));
    rows.reverse();
    assert_eq!((forward.signer(active).kid(), ring(&rows).signer(active).kid()), (new.as_str(), new.as_str()));
    assert!(forward.is(&ring(&rows)) && !forward.is(&before) && !before.is(&forward));
    // With no key before it nobody could meet it too early.
    let writes = rotate(&[], &SigningKey::generate(), &operator, at(7), &mut entropy()).unwrap();
    assert!(matches!(writes.as_slice(), [Write::InsertKey { key, .. }] if key.active_from == at(7)));
}

#[test]
fn nonces_are_the_operators_own_and_follow_no_signing_key() {
    // proves: EXT-05
    let (mut rows, right) = started();
    let nonces = |rows: &[KeyRow], operator: &Secret<OperatorKey>, place: &str| {
        KeyRing::open(rows, operator, at(0)).unwrap().nonces(place).current(at(0))
    };
    let own = nonces(&rows, &right, "token");
    assert_ne!(own, nonces(&rows, &right, "resource"));
    let mut theirs = Vec::new();
    apply(&mut theirs, first(&SigningKey::generate(), &operator(2), at(0), &mut entropy()));
    assert_ne!(own, nonces(&theirs, &operator(2), "token"));
    assert_ne!(own, Nonces::new(&[0; 32], "token").current(at(0)), "nobody can work one out");
    rotated(&mut rows, &right, at(0));
    assert_eq!(own, nonces(&rows, &right, "token"));
}

#[test]
fn a_clock_that_is_behind_all_keys_still_signs() {
    let (rows, operator) = started();
    let ring = KeyRing::open(&rows, &operator, at(-3600)).unwrap();
    assert_eq!(ring.signer(at(-3600)).kid(), rows[0].kid);
}

#[test]
fn a_shared_ring_is_replaced_for_all() {
    let shared = SharedKeys::new(KeyRing::single(SigningKey::generate()));
    let (before, key) = (shared.signer(at(0)), SigningKey::generate());
    let kid = key.kid().to_owned();
    shared.replace(KeyRing::single(key));
    assert_ne!(shared.signer(at(0)).kid(), before.kid());
    assert_eq!(shared.current().names().collect::<Vec<_>>(), [kid]);
    shared.cannot_be_read();
    assert!(!shared.are_readable());
    shared.replace(KeyRing::single(SigningKey::generate()));
    assert!(shared.are_readable());
}
