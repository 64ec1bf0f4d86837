//! From start to end: signals, reload, orderly stop.
//!
//! SIGTERM and SIGINT stop: no more datagrams are read, requests under way finish, refusals leave at their
//! moment, the store is closed. SIGHUP reloads: the new configuration takes the place of the old one in one
//! step, or, if it has errors, they are logged and the old one stays.

use super::logging::Filter;
use super::wiring::Running;
use crate::config::{self, Config};
use anyhow::{Context, Result};
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the daemon obeys.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT and SIGHUP; do it before anything is announced as ready.
    pub fn install() -> Result<Self> {
        let take = |kind| signal(kind).context("a signal handler could not be installed");
        Ok(Self {
            terminate: take(SignalKind::terminate())?,
            interrupt: take(SignalKind::interrupt())?,
            hangup: take(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one; `true` for a stop, `false` for a reload.
    async fn next_is_stop(&mut self) -> bool {
        tokio::select! {
            _ = self.terminate.recv() => true,
            _ = self.interrupt.recv() => true,
            _ = self.hangup.recv() => false,
        }
    }
}

/// Serves until a signal says stop.
pub async fn run(mut running: Running, mut signals: Signals, path: &Path, filter: &Filter) -> Result<()> {
    while !signals.next_is_stop().await {
        reload(&mut running, path, filter);
    }
    tracing::info!("stopping");
    let cut_off = running.stop().await;
    if cut_off > 0 {
        tracing::warn!(cut_off, "requests were cut off: they took longer than radius.drain_timeout");
    }
    tracing::info!("stopped");
    Ok(())
}

fn reload(running: &mut Running, path: &Path, filter: &Filter) {
    match config::load(path, super::environment()) {
        Err(errors) => tracing::error!("reload refused, the old configuration stays:\n{errors}"),
        Ok(new) => {
            warn(&new);
            if let Err(error) = filter.set(&new.log.filter) {
                tracing::error!("{error:#}");
            }
            for what in running.needs_restart(&new) {
                tracing::warn!("{what} changed: this takes effect only after a restart");
            }
            for error in running.reload(new) {
                tracing::error!("{error}");
            }
            tracing::info!("configuration reloaded");
        }
    }
}

/// Says what is allowed but unwise.
pub fn warn(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}
