use std::sync::Arc;

use async_trait::async_trait;
use doorward_relay::Gateway;
use doorward_web::{Catalogue, Tool};

/// The tools behind a gateway, for the consent page.
pub(crate) struct FromGateway(pub(crate) Arc<Gateway>);

#[async_trait]
impl Catalogue for FromGateway {
    async fn tools(&self, subject: &str) -> Vec<Tool> {
        match self.0.tools(subject).await {
            Ok(tools) => tools.into_iter().map(|tool| Tool { name: tool.name, permission: tool.permission }).collect(),
            Err(error) => {
                tracing::warn!(%error, "the tools could not be listed");
                Vec::new()
            }
        }
    }
}
