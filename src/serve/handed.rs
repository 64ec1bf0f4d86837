//! Sockets that a service manager has opened and hands over (`sd_listen_fds(3)`): they stay open while the daemon is started anew,
//! and what arrives meanwhile waits in them. Each belongs to the address in the configuration that it is bound to.

use crate::config::Config;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// One that is taken once.
type Once<T> = Mutex<Option<T>>;

/// All of them, each with what it is bound to. Those of UDP stay here: who reads gets another descriptor of the same socket, so that an
/// address which one reload takes away can be given back by the next.
#[derive(Debug, Default)]
pub struct Handed {
    udp: Vec<(SocketAddr, UdpSocket)>,
    tcp: Vec<(SocketAddr, Once<TcpListener>)>,
    unix: Vec<(Option<PathBuf>, Once<UnixListener>)>,
}

fn take<T>(once: &Once<T>) -> Option<T> {
    once.lock().unwrap_or_else(PoisonError::into_inner).take()
}

impl Handed {
    /// Those that the environment tells of; none where there is no service manager. To be called once, before there are other threads:
    /// it takes the variables away, so that no program that is started later believes the sockets to be its own.
    ///
    /// # Errors
    /// One that is neither UDP, nor TCP or a stream of Unix that listens.
    pub fn from_environment() -> io::Result<Self> {
        let mut given = listenfd::ListenFd::from_env();
        let mut handed = Self::default();
        for at in 0..given.len() {
            if let Ok(Some(udp)) = given.take_udp_socket(at) {
                handed.udp.push((udp.local_addr()?, udp));
            } else if let Ok(Some(tcp)) = given.take_tcp_listener(at) {
                handed.tcp.push((tcp.local_addr()?, Mutex::new(Some(tcp))));
            } else if let Some(unix) = given.take_unix_listener(at)? {
                let path = unix.local_addr()?.as_pathname().map(Path::to_owned);
                handed.unix.push((path, Mutex::new(Some(unix))));
            }
        }
        Ok(handed)
    }

    /// All UDP sockets of an address, to be read all: the kernel shares out among them what arrives.
    pub(in crate::serve) fn udp(&self, address: SocketAddr) -> io::Result<Vec<UdpSocket>> {
        let there = self.udp.iter().filter(|(bound, _)| *bound == address);
        there.map(|(_, socket)| socket.try_clone()).collect()
    }

    /// The TCP socket of an address, for the first that asks.
    pub(in crate::serve) fn tcp(&self, address: SocketAddr) -> Option<TcpListener> {
        self.tcp.iter().filter(|(bound, _)| *bound == address).find_map(|(_, socket)| take(socket))
    }

    /// The Unix socket of a path, likewise.
    pub(in crate::serve) fn unix(&self, path: &Path) -> Option<UnixListener> {
        let mut there = self.unix.iter().filter(|(bound, _)| bound.as_deref() == Some(path));
        there.find_map(|(_, socket)| take(socket))
    }

    /// Where those are bound that this configuration does not name: what arrives there is answered by nobody, and an address that
    /// it does name may be taken by one of them.
    pub fn left(&self, config: &Config) -> Vec<String> {
        let http = [&config.portal.listen, &config.api.listen, &config.wsapi.listen, &config.metrics.listen];
        let udp = self.udp.iter().filter(|(bound, _)| !config.radius.listen.contains(bound));
        let tcp = self.tcp.iter().filter(|(bound, _)| !http.iter().any(|listen| listen.contains(bound)));
        let unix = self.unix.iter().filter(|(bound, _)| bound.as_ref() != Some(&config.admin.socket));
        let path = |path: &Option<PathBuf>| {
            path.as_ref().map_or_else(|| "a Unix socket".to_owned(), |path| path.display().to_string())
        };
        let mut left: Vec<String> = udp.map(|(address, _)| format!("udp {address}")).collect();
        // An address has as many sockets as there are readers.
        left.dedup();
        left.extend(tcp.map(|(address, _)| format!("tcp {address}")));
        left.extend(unix.map(|(bound, _)| path(bound)));
        left
    }
}
