//! From start to end: signals, reload, orderly stop.
//!
//! SIGTERM and SIGINT stop: no more datagrams are read, requests under way finish, refusals leave at their
//! moment, the store is closed. SIGHUP and `doorward reload` reload: the new configuration takes the place of the old one in one
//! step, or, if it has errors, they are logged and the old one stays.

use super::logging::Filter;
use super::notify::Notify;
use super::wiring::Running;
use crate::config::{self, Config};
use crate::serve::admin::{Order, Reloaded};
use anyhow::{Context, Result};
use std::path::Path;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::Receiver;
use tokio::time::{Interval, MissedTickBehavior};

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

    /// Waits for the next one, for somebody who asks for a reload, or for the time to show that the daemon is alive.
    async fn next(&mut self, orders: &mut Receiver<Order>, watchdog: Option<&mut Interval>) -> Next {
        let due = async {
            match watchdog {
                Some(watchdog) => watchdog.tick().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Next::Stop,
            _ = self.interrupt.recv() => Next::Stop,
            _ = self.hangup.recv() => Next::Reload(None),
            Some(order) = orders.recv() => Next::Reload(Some(order)),
            _ = due => Next::Look,
        }
    }
}

/// What is to be done.
enum Next {
    Stop,
    /// And tell who waits for it.
    Reload(Option<Order>),
    /// Look whether logins can be decided, and tell.
    Look,
}

/// Serves until a signal says stop. A service manager is told of it all; of a daemon that is told to be watched and whose
/// requests do not get on, it hears nothing, and starts it anew.
pub async fn run(mut running: Running, mut signals: Signals, path: &Path, filter: &Filter) -> Result<()> {
    let notify = Notify::from_environment();
    // A quarter of the time from one look to the next, as much for the look, and the rest to spare.
    let patience = notify.watchdog().map(|within| within / 4);
    let mut watchdog = patience.map(tokio::time::interval);
    watchdog.iter_mut().for_each(|each| each.set_missed_tick_behavior(MissedTickBehavior::Delay));
    let status = |running: &Running| format!("RADIUS is served at {}", running.served());
    notify.ready(&status(&running));
    running.left_over_keys().await.iter().for_each(|said| tracing::warn!("{said}"));
    loop {
        match signals.next(&mut running.orders, watchdog.as_mut()).await {
            Next::Stop => break,
            Next::Reload(order) => {
                notify.reloading();
                let came = reload(&mut running, path, filter).await;
                let refused =
                    if came.refused.is_empty() { "" } else { "; the last reload was refused, see the log" };
                notify.ready(&(status(&running) + refused));
                // Who has gone away does not want to know.
                if let Some(order) = order {
                    let _ = order.send(came);
                }
            }
            Next::Look => match running.look(patience.unwrap_or_default()).await {
                Ok(()) => notify.alive(),
                Err(what) => tracing::error!("{what}; the service manager is not told that all is well"),
            },
        }
    }
    notify.stopping(running.longest_stop());
    tracing::info!("stopping");
    let cut_off = running.stop().await;
    if cut_off > 0 {
        tracing::warn!(cut_off, "requests were cut off: they took longer than radius.drain_timeout");
    }
    tracing::info!("stopped");
    Ok(())
}

async fn reload(running: &mut Running, path: &Path, filter: &Filter) -> Reloaded {
    let new = match config::load(path, super::environment()) {
        Ok(new) => new,
        Err(errors) => {
            tracing::error!("reload refused, the old configuration stays:\n{errors}");
            return Reloaded { refused: errors.shown(), ..Reloaded::default() };
        }
    };
    let later = |what| format!("{what} changed: this takes effect only after a restart");
    let mut warnings: Vec<_> = running.needs_restart(&new).into_iter().map(later).collect();
    warnings.extend(new.warnings.iter().cloned());
    let mut left: Vec<_> =
        filter.set(&new.log.filter).err().map(|error| format!("{error:#}")).into_iter().collect();
    left.extend(running.reload(new).await);
    warnings.extend(running.left_over_keys().await);
    warnings.iter().for_each(|said| tracing::warn!("{said}"));
    left.iter().for_each(|said| tracing::error!("{said}"));
    tracing::info!("configuration reloaded");
    Reloaded { left, warnings, ..Reloaded::default() }
}

/// Says what is allowed but unwise.
pub fn warn(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}
