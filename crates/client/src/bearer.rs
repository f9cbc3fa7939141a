use doorward_types::{ResourceId, Secret, secret};
use http::HeaderValue;

/// An access token, bound to the MCP server that it was issued for. The only way to the token is to name that server,
/// so it cannot be sent to another one.
///
/// Source: RFC 8707 section 2, MCP 2026-07-28 authorization, "Access Token Usage".
#[derive(Debug)]
pub struct BearerFor {
    resource: ResourceId,
    token: Secret<secret::AccessToken>,
}

impl BearerFor {
    pub(crate) fn new(resource: ResourceId, token: Secret<secret::AccessToken>) -> Self {
        Self { resource, token }
    }

    /// The value of the `Authorization` header for a request to this server, marked as sensitive; `None` when the
    /// token is for another server.
    pub fn header_for(&self, resource: &ResourceId) -> Option<HeaderValue> {
        if resource != &self.resource {
            return None;
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.token.expose())).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The server that the token is for.
    pub fn resource(&self) -> &ResourceId {
        &self.resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_to_its_own_server_only() {
        // proves: MCP-AUTH-126, MCP-AUTH-130
        let id = |text: &str| ResourceId::parse(text).unwrap();
        let bearer = BearerFor::new(id("https://h.example/mcp"), Secret::parse("s3cret").unwrap());
        let value = bearer.header_for(&id("https://h.example/mcp")).unwrap();
        assert!(value.is_sensitive() && value == "Bearer s3cret");
        for other in
            ["https://h.example/", "https://h.example/mcp/", "https://h.example/mcp2", "https://evil.example/mcp"]
        {
            assert!(bearer.header_for(&id(other)).is_none(), "{other}");
        }
        assert!(!format!("{bearer:?} {value:?}").contains("s3cret"));
    }
}
