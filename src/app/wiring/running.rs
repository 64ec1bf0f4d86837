//! What becomes of everything that runs: its state, a reload, the stop.

use super::{Running, password_rules};
use crate::app::confinement::sends_by_program;
use crate::base::{Clock, SystemClock};
use crate::config::Config;
use crate::engine::applications::left_over;
use crate::serve::radius::Server;
use crate::store::StoreError;
use crate::store::seal::Keyring;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// What a stop takes beside waiting.
const MARGIN: Duration = Duration::from_secs(15);
/// With a store that does not answer, for what is only told.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn shown(radius: &Server) -> Vec<String> {
    radius.addresses().iter().map(ToString::to_string).collect()
}

impl Running {
    /// Settings of `new` that a reload does not take over.
    pub fn needs_restart(&self, new: &Config) -> Vec<&'static str> {
        let old = self.config.load();
        let changed = [
            (old.store != new.store, "[store]"),
            (old.password != new.password, "[password]"),
            (old.redis != new.redis, "[redis]"),
            (!old.directories.iter().eq(&new.directories), "[[directory]]"),
            (old.admin.socket != new.admin.socket, "admin.socket"),
            (old.log.json != new.log.json, "log.format"),
            (old.sandbox != new.sandbox, "[sandbox]"),
            (
                !sends_by_program(&old) && sends_by_program(new),
                "that a [[gateway]] is a program, which may write temporary files,",
            ),
            (old.wsapi.listen != new.wsapi.listen, "wsapi.listen"),
            (old.portal.listen != new.portal.listen, "portal.listen"),
            (old.api.listen != new.api.listen, "api.listen"),
            (old.metrics.listen != new.metrics.listen, "metrics.listen"),
            (old.radius.challenge_entries != new.radius.challenge_entries, "radius.challenge_entries"),
        ];
        changed.into_iter().filter_map(|(changed, what)| changed.then_some(what)).collect()
    }

    /// Takes a new configuration over; what of it could not be is returned, the rest holds.
    pub async fn reload(&mut self, new: Config) -> Vec<String> {
        let mut left = Vec::new();
        if let Err(error) = self.take_keys(&new).await {
            left.push(format!("the old [keys] stay: {error}"));
        }
        left.extend(self.outside.reload(&new));
        match password_rules(&new) {
            Ok(rules) => self.rules.store(Arc::new(rules)),
            Err(error) => left.push(format!("the old rules for new passwords stay: {error}")),
        }
        self.config.store(Arc::new(new));
        left.extend(self.radius.reload().iter().map(ToString::to_string));
        self.addresses.store(Arc::new(shown(&self.radius)));
        left
    }

    /// What to do about keys of applications that the configuration does not name; nothing where they cannot be read.
    pub async fn left_over_keys(&self) -> Vec<String> {
        let keys = timeout(PATIENCE, self.stores.records.client_keys().list()).await;
        let keys = keys.ok().and_then(Result::ok).unwrap_or_default();
        left_over(&self.config.load().api, &keys, SystemClock.now())
    }

    /// The key that seals stays until `doorward keys rotate`.
    async fn take_keys(&self, new: &Config) -> Result<(), StoreError> {
        self.stores.records.master_keys().replace(Keyring::new(&new.keys.master)?).await
    }

    /// Where RADIUS is served, for people.
    pub fn served(&self) -> String {
        self.addresses.load().join(", ")
    }

    /// Looks whether requests get on, along the way that they go: each socket is read, passwords are hashed, and there is
    /// somebody who writes. The error is what does not. Where the runtime's threads are held up, no time passes for who asks, and nobody is
    /// told either. A store that does not answer is told in the log; of that a new start mends
    /// nothing, and what is remembered goes on meanwhile.
    pub async fn look(&self, patience: Duration) -> Result<(), &'static str> {
        let asked = timeout(patience, self.stores.records.look());
        let (turns, answered) = tokio::join!(self.radius.takes_turns(patience), asked);
        if answered.is_err() {
            tracing::warn!("the store does not answer");
        }
        let parts = [
            (turns, "a RADIUS socket is not read"),
            (self.stores.records.has_writer(), "nobody writes to the store any more"),
            (self.stores.hashes.is_whole(), "a thread that hashes passwords has ended"),
        ];
        parts.into_iter().find(|(well, _)| !well).map_or(Ok(()), |(_, what)| Err(what))
    }

    /// How long a stop may take at most: what is asked over HTTP, RADIUS and messages are waited for one after the other.
    pub fn longest_stop(&self) -> Duration {
        self.config.load().radius.drain_timeout * 3 + MARGIN
    }

    /// Stops in order: what is asked over HTTP, no new requests of RADIUS, those under way, then the store. Returns how many were
    /// cut off.
    pub async fn stop(mut self) -> usize {
        // Who watches does not hold the stop up, nor who waits for a reload that will not be.
        self.meters.feed.close();
        drop(self.orders);
        let drain = self.config.load().radius.drain_timeout;
        // RADIUS is answered meanwhile.
        let over = async {
            tokio::join!(
                self.admin.stop(),
                self.portal.stop(),
                self.api.stop(),
                self.wsapi.stop(),
                self.metrics.stop()
            );
        };
        if timeout(drain, over).await.is_err() {
            tracing::warn!("requests over HTTP were cut off: they took longer than radius.drain_timeout");
        }
        let cut_off = self.radius.stop().await;
        self.courier.stop(drain).await;
        self.background.shutdown().await;
        self.stores.records.close().await;
        self.stores.hashes.close();
        cut_off
    }
}
