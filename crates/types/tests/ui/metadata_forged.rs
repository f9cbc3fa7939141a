//! Endpoints come out of validated metadata, which only validation makes.

use doorward_types::metadata::{AuthorizationServerMetadata, ValidatedMetadata};

fn endpoint(document: &AuthorizationServerMetadata) -> &url::Url {
    document.token_endpoint()
}

fn main() {
    let document = AuthorizationServerMetadata::default();
    let _ = ValidatedMetadata { document };
    let _ = endpoint;
}
