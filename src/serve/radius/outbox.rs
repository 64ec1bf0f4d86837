//! Answers that leave together.
//!
//! Those for one port that are equally long are given to the kernel in one piece, which it cuts into datagrams (`UDP_SEGMENT`,
//! udp(7)): under load the way through the kernel is most of what sending costs, and they go it once.

use super::batch::{self, Arrival, BATCH};
use super::socket::Socket;
use nix::sys::socket::SockaddrStorage;
use std::io::{ErrorKind, IoSlice};
use std::net::{IpAddr, SocketAddr};

/// Octets of an answer that may be a part of a piece. Such a part must not become fragments: as many octets fit wherever IPv6 does,
/// after the headers (RFC 8200 §5).
const LONGEST: usize = 1280 - 40 - 8;

#[derive(Debug)]
struct Answer {
    /// Where it is in the bytes.
    begin: usize,
    length: usize,
    to: SocketAddr,
    /// The address that was asked.
    from: Arrival,
    /// The same for all that may leave together.
    order: u64,
}

/// Few others have the same number: what that costs is a call more.
fn order(length: usize, to: SocketAddr, from: Arrival) -> u64 {
    let last = |octets: &[u8]| octets.iter().rev().take(3).fold(0, |sum, octet| sum << 8 | u64::from(*octet));
    let from = match from {
        Arrival::Bound => 0,
        Arrival::V4(address) => last(&address.to_ne_bytes()),
        Arrival::V6 { address, .. } => last(&address),
    };
    let ip = match to.ip() {
        IpAddr::V4(ip) => last(&ip.octets()),
        IpAddr::V6(ip) => last(&ip.octets()),
    };
    (from & 0xff) << 56 | (length as u64 & 0xffff) << 40 | u64::from(to.port()) << 24 | ip
}

/// Answers that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    answers: Vec<Answer>,
    /// Where the pieces of a call go.
    to: Vec<Option<SockaddrStorage>>,
    /// The way does not take pieces.
    uncut: bool,
}

impl Outbox {
    /// Adds a datagram to `to` from the address that was asked.
    pub(super) fn push(&mut self, bytes: &[u8], to: SocketAddr, from: Arrival) {
        let (begin, length) = (self.bytes.len(), bytes.len());
        self.answers.push(Answer { begin, length, to, from, order: order(length, to, from) });
        self.bytes.extend_from_slice(bytes);
    }

    /// What waits, one after the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.answers.len()
    }

    /// Forgets what waits.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.answers.clear();
    }

    /// Sends all; to each port those of one length in their order.
    pub(super) fn flush(&mut self, socket: &Socket) {
        let mut answers = std::mem::take(&mut self.answers);
        if answers.len() > 1 {
            answers.sort_unstable_by_key(|answer| (answer.order, answer.begin));
        }
        // One call names one source address and one length.
        for alike in answers.chunk_by(|one, next| (one.from, one.length) == (next.from, next.length)) {
            for part in alike.chunks(BATCH) {
                self.send(socket, part, socket.cuts() && !self.uncut);
            }
        }
        self.answers = answers;
        self.clear();
    }

    /// Sends answers of one length from one address, those for one port in one piece if they may be `cut`.
    fn send(&mut self, socket: &Socket, answers: &[Answer], cut: bool) {
        let Some(Answer { length, from, .. }) = answers.first() else { return };
        let cut = cut && answers.len() > 1 && *length <= LONGEST;
        let slices: [_; BATCH] = std::array::from_fn(|at| {
            let bytes = answers.get(at).and_then(|one| self.bytes.get(one.begin..one.begin + one.length));
            IoSlice::new(bytes.unwrap_or_default())
        });
        let together = |one: &Answer, next: &Answer| cut && one.to == next.to;
        let mut pieces: [&[IoSlice<'_>]; BATCH] = [&[]; BATCH];
        self.to.clear();
        let (mut begin, mut count) = (0, 0);
        for piece in answers.chunk_by(together) {
            if let (Some(place), Some(slices)) =
                (pieces.get_mut(count), slices.get(begin..begin + piece.len()))
            {
                *place = slices;
                self.to.push(piece.first().map(|answer| answer.to.into()));
            }
            (begin, count) = (begin + piece.len(), count + 1);
        }
        let pieces = pieces.get(..count).unwrap_or_default();
        let length = if cut { u16::try_from(*length).unwrap_or(0) } else { 0 };
        let mut failed = Vec::new();
        batch::send(socket.as_raw_fd(), (*from, length), pieces, &self.to, |at, error| {
            failed.push((at, error))
        });
        for (at, error) in failed {
            let piece = answers.chunk_by(together).nth(at);
            let Some(piece @ [Answer { to, .. }, rest @ ..]) = piece else { continue };
            if rest.is_empty() || error.kind() == ErrorKind::WouldBlock {
                tracing::debug!(%to, %error, answers = piece.len(), "an answer could not be sent");
                continue;
            }
            // There are ways that take none (IPsec, devices that leave checksums to others), or are too narrow.
            self.uncut |= error.raw_os_error() == Some(nix::libc::EIO);
            self.send(socket, piece, false);
        }
    }
}

#[cfg(test)]
mod tests;
