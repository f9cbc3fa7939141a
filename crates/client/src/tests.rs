//! The machine against scripted servers.

mod anything;
mod authorization;
mod busy;
mod callback;
mod device;
mod discovery;
mod dpop;
mod enterprise;
mod exchange;
mod moving;
mod old_servers;
mod redirects;
mod refresh;
mod registered;
mod registration;
mod sign_in;
mod taken_over;
mod tolerances;
mod unattended;
mod wishes;

/// The key of a client that signs its assertions, as its file has it.
fn client_key(pair: &doorward_types::jose::SigningKey) -> doorward_types::jose::ClientKey {
    let body = <base64ct::Base64 as base64ct::Encoding>::encode_string(pair.to_pkcs8());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    doorward_types::jose::ClientKey::parse(&pem).unwrap()
}
