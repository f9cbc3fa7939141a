//! Credentials come out only for the checked metadata of a server, and nobody else can bind them.
use doorward_client::{ClientCredentials, IssuerBound, RegisteredClient};
use doorward_types::Issuer;

fn by_name(client: &RegisteredClient, server: &Issuer) {
    client.at(server);
}

fn by_force(client: &RegisteredClient) -> &ClientCredentials {
    &client.value
}

fn rebound(client: ClientCredentials, server: Issuer) -> RegisteredClient {
    IssuerBound::new(server, client)
}

fn main() {}
