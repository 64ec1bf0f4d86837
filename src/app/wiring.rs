//! The only place that knows everything: opens the stores, joins them to the engine and the shells.

use crate::base::{OsRandom, SystemClock};
use crate::config::Config;
use crate::domain::login::Pending;
use crate::engine::login::Gatekeeper;
use crate::serve::radius::{Counters, Server};
use crate::store::challenges::{Challenges, MemoryChallenges};
use crate::store::directory::{Embedded, HashPool};
use crate::store::records::Records;
use crate::store::seal::Keyring;
use anyhow::{Context, Result};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// What is kept, opened.
pub struct Stores {
    /// People, factors, counters, audit.
    pub records: Records,
    /// Hashes passwords and PINs.
    pub hashes: Arc<HashPool>,
}
