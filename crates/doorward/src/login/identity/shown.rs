//! What a person is told of their sign-ins at identity providers, and their end.

use doorward_client::{CredentialStore as _, Failed, IdentityKey, Revoke, StoredIdentity};
use doorward_fetch::Reach;
use doorward_types::{ResourceId, Timestamp};
use serde_json::{Value, json};

use crate::{
    clock::now,
    entropy::SystemEntropy,
    login::{fail, list, logout::Told, place::Place},
    network, output,
    trace::Kind,
};

/// A sign-in for programs, without its secrets.
pub(in crate::login) fn describe(identity: &StoredIdentity) -> Value {
    json!({
        "issuer": identity.provider.issuer(),
        "client_id": identity.client.client_id(),
        "account": identity.account,
        "subject": identity.subject,
        "email": identity.email,
        "signed_in_at": identity.signed_in_at,
        "expires_at": identity.until,
        "renewable": identity.can_be_renewed(),
    })
}

/// A sign-in in one line.
pub(in crate::login) fn words(identity: &StoredIdentity, now: Timestamp) -> String {
    let until = match (identity.can_be_renewed(), identity.until > now) {
        (true, _) => "renewed by itself".to_owned(),
        (false, true) => format!("for {} more, then sign in again", list::words(identity.until.since(now))),
        (false, false) => "over: sign in again".to_owned(),
    };
    let account = identity.account.as_ref().map(|account| format!(" (account {account})")).unwrap_or_default();
    let text = format!("Signed in at {} as {}{account}, {until}", identity.provider.issuer(), identity.name());
    output::harmless(&text)
}

/// Ends all sign-ins, and tells the identity providers.
pub(in crate::login) async fn end_all(place: &Place) -> Result<Vec<(IdentityKey, Told)>, Failed> {
    let store_failed = |fault| fail::store(&fault);
    let mut told = Vec::new();
    for identity in place.store.identities().await.map_err(store_failed)? {
        let mut sitting = super::Sitting::default();
        let key = identity.key();
        // A renewal that is under way would bring it to life again.
        let Some(identity) = sitting.load(place, &key, super::RENEWAL).await? else { continue };
        // The flow is one at the provider, which has an address as a server has one.
        let place = match ResourceId::parse(identity.provider.issuer().as_str()) {
            Ok(provider) => &place.tracing(Kind::Logout, &provider, identity.account.as_deref()),
            Err(_) => place,
        };
        let outcome = tell_provider(place, &identity).await;
        place.trace.end(if let Told::Not(failed) = &outcome { Some(failed) } else { None });
        place.store.remove_identity(&key).await.map_err(store_failed)?;
        told.push((key, outcome));
    }
    Ok(told)
}

async fn tell_provider(place: &Place, identity: &StoredIdentity) -> Told {
    let reach = network::reach(&identity.provider.issuer().url(), Reach::Public).await;
    match Revoke::sign_in(identity, reach, now(), &mut SystemEntropy) {
        Ok(Some(request)) => match Revoke::sign_in_confirmed(identity, place.send(request).await) {
            Ok(()) => Told::Confirmed,
            Err(failed) => Told::Not(failed),
        },
        Ok(None) => Told::NoWay,
        Err(failed) => Told::Not(failed),
    }
}

/// What became of one, for programs.
pub(in crate::login) fn describe_end(key: &IdentityKey, told: &Told) -> Value {
    let reason = match told {
        Told::Confirmed => None,
        Told::NoWay => Some("the identity provider gave nothing that it could take back"),
        Told::Not(failed) => Some(failed.why()),
    };
    let revoked = matches!(told, Told::Confirmed);
    json!({ "issuer": key.issuer, "account": key.account, "removed": true, "revoked": revoked, "reason": reason })
}

/// The same for people.
pub(in crate::login) fn words_of_end(key: &IdentityKey, told: &Told) -> String {
    let issuer = &key.issuer;
    match told {
        Told::Confirmed => {
            format!("Signed out of {issuer} here; it confirmed that nothing renews the sign-in any more.")
        }
        Told::NoWay => format!("Signed out of {issuer} here. Your browser may still be signed in there."),
        Told::Not(_) => format!("Signed out of {issuer} on this computer only."),
    }
}
