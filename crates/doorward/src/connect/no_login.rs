//! Requests that carry an authorization of the user's own, so that there is no login.

use async_trait::async_trait;
use doorward_client::{Code, Failed, Target, login_command};
use doorward_relay::bridge::{BearerSource, Credential, Why};
use doorward_types::ResourceId;

/// No token, and none to be had.
pub(super) struct NoLogin {
    resource: ResourceId,
    /// The command that makes a login, for whoever leaves that header out.
    command: String,
}

impl NoLogin {
    pub(super) fn at(target: &Target) -> Self {
        Self { resource: target.resource.clone(), command: login_command(target) }
    }
}

#[async_trait]
impl BearerSource for NoLogin {
    fn login_command(&self, _: &ResourceId) -> String {
        self.command.clone()
    }

    async fn bearer(&self, why: Why<'_>) -> Result<Option<Credential>, Failed> {
        let status = match why {
            Why::ToSend => return Ok(None),
            Why::Rejected { .. } | Why::RejectedUnasked { .. } => 401,
            Why::InsufficientScope { .. } => 403,
        };
        Err(Failed::new(
            Code::TokenRefused,
            "the MCP server does not take the Authorization header that was given",
            format!("{} answered {status}", self.resource),
            format!("give another one, or leave it out and log in: {}", self.command),
        ))
    }
}
