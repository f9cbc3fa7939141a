//! Signing keys: in the store under the operator key, with a turn each, on every node.

use std::{fs, os::unix::fs::PermissionsExt as _};

use doorward_testkit::process::Gateway;
use doorward_types::jose::SigningKey;
use serde_json::Value;

use crate::{
    engine::{World, get, options, until},
    world::{App, CALLBACK, NAME, PASSWORD, visitor},
};

async fn published(gateway: &Gateway) -> Vec<String> {
    let (status, headers, body) = get(&format!("{}/oauth/jwks", gateway.public_url())).await;
    assert_eq!((status, headers["cache-control"].to_str().unwrap()), (200, "public, max-age=300"));
    let set: Value = serde_json::from_str(&body).unwrap();
    let names = set["keys"].as_array().unwrap().iter().map(|key| {
        assert_eq!(key.get("d"), None, "a private key is published");
        key["kid"].as_str().unwrap().to_owned()
    });
    names.collect()
}

#[tokio::test]
async fn tokens_outlive_the_turn_of_their_key() {
    // proves: FLT-11, AUD-17
    for world in World::each() {
        let app = App::register(&world.gateway, &[CALLBACK]).await;
        let mut person = visitor(&world.gateway);
        let before = app.tokens(&mut person).await;
        let [old] = published(&world.gateway).await.try_into().unwrap();
        let new = world.json("key rotate")["kid"].as_str().unwrap().to_owned();
        until("the new key is published", || async { published(&world.gateway).await == [old.clone(), new.clone()] })
            .await;
        // It does not sign yet.
        let meanwhile = app.refresh(before.refresh(), &[]).await;
        assert_eq!(signed_with(meanwhile.access()), old);
        assert_eq!(world.failure("key rotate").1["code"], "KEY-03");
        // Ten minutes later; not in the very second in which the first key was made.
        world.rows.run(&format!("UPDATE keys SET active_from = created_at + 1 WHERE kid = '{new}'")).await;
        let mut last = meanwhile.refresh().to_owned();
        let end = std::time::Instant::now() + crate::engine::PATIENCE;
        loop {
            assert!(std::time::Instant::now() < end, "the new key never signs");
            let renewed = app.refresh(&last, &[]).await;
            last = renewed.refresh().to_owned();
            if signed_with(renewed.access()) == new {
                assert_eq!(app.call(renewed.access()).await, 200);
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        for signed_before in [&before, &meanwhile] {
            assert_eq!(app.call(signed_before.access()).await, 200, "it is good until it expires");
        }
        assert_eq!(published(&world.gateway).await.len(), 2);
        let listed = world.json("key list");
        let stages: Vec<_> =
            listed["keys"].as_array().unwrap().iter().map(|key| key["stage"].as_str().unwrap()).collect();
        assert_eq!(stages, ["retiring", "signing"]);
    }
}

#[tokio::test]
async fn a_key_in_wrong_hands_is_dropped_within_seconds() {
    // proves: FLT-11, AUD-17
    for world in World::each() {
        let app = App::register(&world.gateway, &[CALLBACK]).await;
        let before = app.tokens(&mut visitor(&world.gateway)).await;
        assert_eq!(app.call(before.access()).await, 200);
        let new = world.json("key rotate --now")["kid"].as_str().unwrap().to_owned();
        until("the old key is gone", || async { published(&world.gateway).await == [new.clone()] }).await;
        // Although the gateway had verified this very token before.
        assert_eq!(app.call(before.access()).await, 401);
        let renewed = app.refresh(before.refresh(), &[]).await;
        assert_eq!((renewed.status, signed_with(renewed.access())), (200, new), "nobody has to sign in again");
        assert_eq!(app.call(renewed.access()).await, 200);
    }
}

#[tokio::test]
async fn another_operator_key_opens_nothing_and_a_lost_one_can_be_replaced() {
    // proves: FLT-11, ADM-06
    let mut world = World::sqlite();
    world.gateway.stop();
    let file = world.gateway.data_dir().join("operator.key");
    // A key that is not there is not made where keys are sealed under it: it would open none, and look like the right one.
    let kept = file.with_extension("kept");
    fs::rename(&file, &kept).unwrap();
    let (code, error) = world.failure("key rotate");
    assert_eq!((code, error["code"].as_str()), (6, Some("KEY-01")));
    assert!(error["hint"].as_str().unwrap().contains("--key-file"), "{error}");
    let (code, _, errors) = world.gateway.run(&["serve", "--listen", "127.0.0.1:0", "--", "true"]);
    assert!(code == Some(6) && errors.contains("KEY-01") && !file.exists(), "{errors}");
    fs::rename(&kept, &file).unwrap();

    let (_, other, _) = world.gateway.run(&["key", "generate"]);
    fs::write(&file, &other).unwrap();
    let (code, error) = world.failure("key rotate");
    assert_eq!((code, error["code"].as_str()), (6, Some("KEY-02")));
    assert!(error["hint"].as_str().unwrap().contains("--key-file"), "{error}");
    let (code, _, errors) = world.gateway.run(&["serve", "--listen", "127.0.0.1:0", "--", "true"]);
    assert!(code == Some(6) && errors.contains("KEY-02"), "{errors}");
    world.json("key rotate --now");
    world.gateway.restart();
    let app = App::register(&world.gateway, &[CALLBACK]).await;
    let tokens = app.tokens(&mut visitor(&world.gateway)).await;
    assert_eq!(app.call(tokens.access()).await, 200);
    // What others can read is no secret.
    world.gateway.stop();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(world.failure("key rotate").1["code"], "KEY-01");
}

#[tokio::test]
async fn a_key_file_of_an_older_version_is_taken_over() {
    let mut gateway = Gateway::start(options());
    gateway.stop();
    let folder = gateway.data_dir();
    for entry in fs::read_dir(&folder).unwrap() {
        fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let (key, file) = (SigningKey::generate(), folder.join("signing-key.p8"));
    fs::write(&file, key.to_pkcs8()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    gateway.restart();
    assert_eq!(published(&gateway).await, [key.kid()]);
    assert!(!file.exists() && folder.join("signing-key.p8.taken-over").exists());
    gateway.restart();
    assert_eq!(published(&gateway).await, [key.kid()], "and it stays");
    gateway.add_user(NAME, PASSWORD);
    let app = App::register(&gateway, &[CALLBACK]).await;
    let tokens = app.tokens(&mut visitor(&gateway)).await;
    assert_eq!(signed_with(tokens.access()), key.kid());
}

/// The name of the key that signed a token.
fn signed_with(token: &str) -> String {
    use base64ct::Encoding as _;
    let header = base64ct::Base64UrlUnpadded::decode_vec(token.split('.').next().unwrap()).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}
