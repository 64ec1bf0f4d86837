//! Gateways over HTTP.
use super::{DeliveryError, Message, Outcome, Provider};
use async_trait::async_trait;
pub(super) struct Http;
impl Http {
    pub(super) fn new(
        _: &crate::config::Gateway,
        _: &crate::config::HttpGateway,
    ) -> Result<Self, DeliveryError> {
        Err(DeliveryError::new("http", "not yet"))
    }
}
#[async_trait]
impl Provider for Http {
    async fn send(&self, _: &Message) -> Outcome {
        Outcome::NotTaken("not yet".to_owned())
    }
}
