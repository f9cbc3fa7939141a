//! Sign-ins at identity providers in the credential store.

use std::path::Path;

use doorward_client::{CredentialStore as _, SaveFailed, StoredIdentity};
use doorward_store::{Custody, SealedFile};
use serde_json::json;

async fn open(place: &Path) -> SealedFile {
    SealedFile::open(place, Custody::Plain).await.unwrap()
}

#[tokio::test]
async fn a_sign_in_at_an_identity_provider_is_kept_by_the_same_rules() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("doorward");
    let store = open(&place).await;
    let record = |refresh_token: &str, account: Option<&str>| {
        let client = json!({
            "issuer": "https://idp.example", "client_id": "at-idp", "client_secret": "s3cret", "auth_method": "client_secret_basic",
            "registration": "pre_registered", "redirect_uri": "http://127.0.0.1/callback",
        });
        let record = json!({
            "provider": { "issuer": "https://idp.example", "token_endpoint": "https://idp.example/token" },
            "client": client, "account": account, "subject": "ada", "id_token": "a.b.c", "until": 1_795_000_600,
            "refresh_token": refresh_token, "signed_in_at": 1_795_000_000, "generation": 0,
        });
        StoredIdentity::from_stored(serde_json::from_value(record).unwrap()).unwrap()
    };
    let (one, work) = (record("first", None), record("work", Some("work")));
    assert_eq!(store.save_identity(&one, 0).await, Ok(1));
    assert_eq!(store.save_identity(&work, 0).await, Ok(1));
    assert_eq!(store.save_identity(&record("late", None), 0).await, Err(SaveFailed::Conflict));
    assert_eq!(store.save_identity(&record("second", None), 1).await, Ok(2));
    // Another process reads it.
    let other = open(&place).await;
    let found = other.load_identity(&one.key()).await.unwrap().unwrap();
    let stored = serde_json::to_value(found.to_stored()).unwrap();
    assert_eq!((&stored["refresh_token"], found.generation), (&json!("second"), 2));
    assert_eq!(other.identities().await.unwrap().len(), 2);
    // Nothing of it lies there in plain text.
    let sealed = std::fs::read(place.join("credentials.sealed")).unwrap();
    let shows = |text: &str| sealed.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(!shows("second") && !shows("a.b.c") && !shows("s3cret"));
    assert!(other.remove_identity(&one.key()).await.unwrap() && !other.remove_identity(&one.key()).await.unwrap());
    assert_eq!(store.load_identity(&one.key()).await.unwrap().map(|found| found.generation), None);
    assert_eq!(store.identities().await.unwrap().len(), 1);
}
