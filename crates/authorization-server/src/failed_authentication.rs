//! Clients that could not prove who they are, in the record.

use doorward_types::{ClientId, Digest, Secret, Timestamp, secret::UsedOnce};

use crate::{
    TokenRefusal, Write,
    audit::{Event, EventKind},
    facts::Client,
};

/// How long one entry stands for all failures of the same client, in seconds.
const SLICE: i64 = 60;

/// What to record when a client could not prove who it is, and the name under which this minute's entry is known: when that
/// name was used, there is one already.
///
/// Anybody can fail as often as they like, so the record takes one entry per client and minute, on all nodes together.
/// What names no registered client shares one.
pub fn failure(
    known: Option<&Client>,
    refusal: &TokenRefusal,
    now: Timestamp,
) -> Option<(Digest<UsedOnce>, Vec<Write>)> {
    if !refusal.asks_for_basic() {
        return None;
    }
    let client = known.map(|client| client.id.clone());
    let minute = now.as_unix().div_euclid(SLICE);
    let name = format!("failed authentication {minute} {}", client.as_ref().map_or("", ClientId::as_str));
    let id = Secret::<UsedOnce>::parse(name).ok()?.digest();
    let event = Event { client, ..Event::new(now, EventKind::ClientAuthenticationFailed) };
    let event = event.with_detail(refusal.description());
    let until = Timestamp::from_unix((minute + 1).saturating_mul(SLICE));
    Some((id, vec![Write::UseOnce { id, until }, Write::Record(event)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{another_client, at, client};

    #[test]
    fn one_entry_per_client_and_minute() {
        // proves: INV-12
        let id = |client: Option<&Client>, seconds: i64| {
            let (id, writes) = failure(client, &TokenRefusal::WrongSecret, at(seconds)).unwrap();
            let [Write::UseOnce { id: named, until }, Write::Record(event)] = writes.as_slice() else { panic!() };
            assert_eq!((*named, event.kind), (id, EventKind::ClientAuthenticationFailed));
            assert_eq!(event.client.as_ref(), client.map(|client| &client.id));
            assert!(*until > at(seconds));
            id
        };
        // 1,000,000 seconds are 40 seconds into a minute.
        assert_eq!(id(Some(&client()), 0), id(Some(&client()), 19));
        assert_ne!(id(Some(&client()), 0), id(Some(&client()), 20));
        assert_ne!(id(Some(&client()), 0), id(Some(&another_client()), 0));
        assert_ne!(id(Some(&client()), 0), id(None, 0));
        assert!(failure(Some(&client()), &TokenRefusal::UnknownCode, at(0)).is_none());
    }
}
