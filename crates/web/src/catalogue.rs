use async_trait::async_trait;
use doorward_types::Permission;

/// A tool as the consent page names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its name for people.
    pub name: String,
    /// What it takes to call it.
    pub permission: Permission,
}

/// The tools behind the gateway.
#[async_trait]
pub trait Catalogue: Send + Sync + 'static {
    /// `subject` has signed in and may soon be asked what an app may do. Returns at once.
    fn get_ready(&self, subject: &str);

    /// The tools that `subject` could call; empty when they cannot be listed.
    async fn tools(&self, subject: &str) -> Vec<Tool>;
}
