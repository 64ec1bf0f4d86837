//! What applications ask for people: rounds of the login machine under the application's own policy, and which application it is.
//!
//! ```text
//!   key, token ──▶ client ──▶ which [[api_client]], with its key
//!   check ──▶ round ──▶ Accept | Challenge(transaction) | Reject
//!                └─ wrong answer of a transaction ──▶ retry: the same transaction can be answered once more
//!   trigger ──▶ round with the method's word ──▶ Challenge
//! ```
//!
//! A transaction is the State of a challenge. Of that, too, one answer is taken; but plug-ins send the same transaction again after
//! a wrong one, so a new challenge for the same code is opened then ([`retry`]). It is charged like any other.

mod check;
mod client;
mod people;
mod retry;

pub use check::{Answered, Asked, Order, kinds};
pub use client::{KEY_PREFIX, ShownKey, left_over, new_key};
pub use people::{Confirmed, ListedToken, Ways, no_device, serial, token_id};

use super::desk::{Actor, Desk, DeskError};
use super::login::{Gatekeeper, Undecided};
use crate::base::{Clock, Random};
use crate::config::{ApiClient, ApiRight, Config};
use crate::domain::audit::AuditEntry;
use crate::store::{ClientKeys, StoreError};
use crate::wire::duo::Results;
use crate::wire::privacyidea::token::Signer;
use std::sync::Arc;

/// What applications are served with.
pub struct Applications {
    /// Decides.
    pub gatekeeper: Arc<Gatekeeper>,
    /// Sets up apps.
    pub desk: Arc<Desk>,
    /// Keys of applications.
    pub keys: Arc<dyn ClientKeys>,
    /// Signs tokens.
    pub signer: Signer,
    /// Signs results that are asked for later.
    pub results: Results,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Makes keys.
    pub random: Arc<dyn Random>,
}

/// One request of an application.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The settings.
    pub config: &'a Config,
    /// Who asks.
    pub client: &'a ApiClient,
    /// Id of the request, for log and audit.
    pub request: &'a str,
    /// Where the person is, as far as it is known.
    pub origin: &'a str,
    /// It is where the application is: so many codes may be sent for people of whom it does not say more.
    pub crowd: Option<u32>,
}

impl Asking<'_> {
    /// Who acts, for the trail.
    pub fn actor(&self) -> Actor {
        Actor { name: format!("api:{}", self.client.name), request: self.request.to_owned() }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// It could not be decided.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// What was asked for cannot be done.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The application may not.
    #[error("{}", .0.missing())]
    Right(ApiRight),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Failed::Undecided(error.into())
    }
}

impl Applications {
    /// Refuses, and notes in the trail, what an application has no right for.
    pub async fn require(&self, asking: Asking<'_>, right: ApiRight) -> Result<(), Failed> {
        if asking.client.may(right) {
            return Ok(());
        }
        let entry = self.desk.entry(&asking.actor(), "client.right", &asking.client.name, None);
        let entry = AuditEntry { outcome: "refused", detail: right.as_str().into(), ..entry };
        self.desk.audit.append(entry).await.map_err(Failed::from)?;
        Err(Failed::Right(right))
    }

    /// Everything that applications are served with.
    pub fn new(gatekeeper: Arc<Gatekeeper>, desk: Arc<Desk>, keys: Arc<dyn ClientKeys>) -> Self {
        let signer = Signer::new(gatekeeper.digester.signing_key("token"));
        let results = Results::new(gatekeeper.digester.signing_key("result"));
        let (clock, random) = (Arc::clone(&gatekeeper.clock), Arc::clone(&gatekeeper.random));
        Self { gatekeeper, desk, keys, signer, results, clock, random }
    }
}
