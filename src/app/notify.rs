//! What a service manager is told (sd_notify(3)): that the daemon is ready, reloads, stops, and that it is alive. Without
//! `NOTIFY_SOCKET` nothing is told.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager.
#[derive(Debug)]
pub struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says.
    pub fn from_environment() -> Self {
        let manager = std::env::var_os("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.as_bytes() {
                [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest),
                _ => SocketAddr::from_pathname(&name),
            };
            let socket = UnixDatagram::unbound().ok()?;
            // A manager that does not read must not hold the daemon up.
            socket.set_nonblocking(true).ok()?;
            Some((socket, address.ok()?))
        });
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        // Of a process that was started by the one that is watched, nothing is expected.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog =
            number("WATCHDOG_USEC").filter(|_| ours && manager.is_some()).map(Duration::from_micros);
        Self { manager, watchdog }
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.manager
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::warn!("the service manager could not be told `{}`: {error}", state.trim());
        }
    }

    /// It serves; `status` is for people.
    pub fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// It takes a configuration over; [`Notify::ready`] says when that is done.
    pub fn reloading(&self) {
        let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map(Duration::from);
        let now = now.unwrap_or_default().as_micros();
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={now}\nSTATUS=reloading\n"));
    }

    /// It stops, and may take so long, whatever the manager usually allows.
    pub fn stopping(&self, longest: Duration) {
        let micros = longest.as_micros();
        self.tell(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={micros}\nSTATUS=stopping\n"));
    }

    /// It is alive.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1\n");
    }

    /// Within which time it must show that it is alive; none: nobody watches.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }
}
