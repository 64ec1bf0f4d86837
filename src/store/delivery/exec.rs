//! Gateways that are a program.
use super::{Message, Outcome, Provider};
use async_trait::async_trait;
pub(super) struct Exec;
impl Exec {
    pub(super) fn new(_: &crate::config::Program, _: std::time::Duration) -> Self {
        Self
    }
}
#[async_trait]
impl Provider for Exec {
    async fn send(&self, _: &Message) -> Outcome {
        Outcome::NotTaken("not yet".to_owned())
    }
}
