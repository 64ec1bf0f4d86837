//! Mail by SMTP.
use super::{DeliveryError, Message, Outcome, Provider};
use async_trait::async_trait;
pub(super) struct Smtp;
impl Smtp {
    pub(super) fn new(_: &crate::config::Smtp) -> Result<Self, DeliveryError> {
        Ok(Self)
    }
}
#[async_trait]
impl Provider for Smtp {
    async fn send(&self, _: &Message) -> Outcome {
        Outcome::NotTaken(super::said::said("not yet", ""))
    }
}
