//! Our own validation service: `/wsapi/2.0/verify` of Yubico's protocol ([`crate::wire::wsapi`]), over HTTP on this machine
//! and HTTPS beyond it, so that programs that know YubiCloud can ask Doorward instead.
//!
//! Checks in this order: who asks, from where, signed by whom, how often, what is missing; only then is the OTP looked at,
//! which uses it up. Whoever has no key causes a log line now and then, no entry in the audit trail, and gets nothing that is
//! signed with the client's.

mod limits;
mod listener;
mod verify;

pub use crate::serve::http::{BindError, Running};
pub use listener::start;

use crate::base::Clock;
use crate::config::Config;
use crate::engine::meters::Meters;
use crate::engine::validation::KeyDesk;
use crate::engine::warnings::Warnings;
use arc_swap::ArcSwap;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use limits::Rates;
use std::sync::Arc;

/// What every request can reach.
#[derive(Clone)]
pub struct State {
    /// Looks at OTPs.
    pub desk: Arc<KeyDesk>,
    /// The settings.
    pub config: Arc<ArcSwap<Config>>,
    /// Counts.
    pub meters: Arc<Meters>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    kept: Arc<Kept>,
}

/// What is kept between requests.
#[derive(Default)]
struct Kept {
    rates: Rates,
    warnings: Warnings,
}

impl State {
    /// Nothing is kept yet.
    pub fn new(
        desk: Arc<KeyDesk>,
        config: Arc<ArcSwap<Config>>,
        meters: Arc<Meters>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { desk, config, meters, clock, kept: Arc::default() }
    }
}

fn router(state: State) -> Router {
    let nothing = || async { (StatusCode::NOT_FOUND, "There is only /wsapi/2.0/verify here.\r\n") };
    Router::new().route("/wsapi/2.0/verify", get(verify::verify)).fallback(nothing).with_state(state)
}
