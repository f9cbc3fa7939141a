//! A token comes out only for the server that it is for.
use doorward_client::{BearerFor, Occasion};
use doorward_types::{ResourceId, Secret, secret};

fn forged(resource: ResourceId, token: Secret<secret::AccessToken>) -> BearerFor {
    BearerFor::new(resource, token, None)
}

fn opened(bearer: &BearerFor) -> &str {
    bearer.token.expose()
}

fn by_text(bearer: &BearerFor, occasion: &mut Occasion<'_>) {
    bearer.headers_for("https://evil.example/mcp", occasion);
}

fn copied<Evidence: Clone>() {}

fn main() {
    copied::<BearerFor>();
}
