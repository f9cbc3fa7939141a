use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use doorward_relay::Gateway;
use doorward_web::{Catalogue, Tool};

/// How long the consent page waits for the tools' names.
const PATIENCE: Duration = Duration::from_secs(4);

/// The tools behind a gateway, for the consent page.
pub(crate) struct FromGateway(pub(crate) Arc<Gateway>);

#[async_trait]
impl Catalogue for FromGateway {
    fn get_ready(&self, subject: &str) {
        let (gateway, subject) = (self.0.clone(), subject.to_owned());
        // A server's first start may take longer than a person waits for a page.
        tokio::spawn(async move { gateway.tools(&subject).await.map(drop) });
    }

    async fn tools(&self, subject: &str) -> Vec<Tool> {
        match tokio::time::timeout(PATIENCE, self.0.tools(subject)).await {
            Ok(Ok(tools)) => {
                tools.into_iter().map(|tool| Tool { name: tool.name, permission: tool.permission }).collect()
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the tools could not be listed");
                Vec::new()
            }
            // The server goes on starting; the page does not wait for it.
            Err(_) => Vec::new(),
        }
    }
}
