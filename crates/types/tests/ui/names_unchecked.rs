//! Issuer, resource, redirect URI and challenge exist only as parsed; there is no challenge for `plain`.

use doorward_types::{Issuer, RedirectUri, ResourceId, S256Challenge};

fn main() {
    let _ = Issuer("https://a.example".to_owned());
    let _ = ResourceId("https://a.example/mcp".to_owned());
    let _ = RedirectUri { text: "https://a.example/cb".to_owned() };
    let _ = S256Challenge::plain("verifier");
    let _ = S256Challenge("verifier".to_owned());
}
