//! Answers that wait for their moment: an Access-Reject leaves a fixed time after its request arrived, however
//! long the decision took, so that the time tells nothing and guessing is slow. Waiting holds no task and no
//! place among the requests in flight; the queue is bounded.

use super::socket::{Arrival, Socket};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// An answer and where it goes.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) socket: Arc<Socket>,
    pub(super) bytes: Arc<[u8]>,
    pub(super) to: SocketAddr,
    pub(super) from: Arrival,
}

impl Outgoing {
    /// Sends it now. A lost answer is asked for again by the client.
    pub(super) fn send(&self) {
        if let Err(error) = self.socket.send(&self.bytes, self.to, self.from) {
            tracing::debug!(to = %self.to, %error, "an answer could not be sent");
        }
    }
}

/// Hands answers to the task that waits for their moment.
#[derive(Debug, Clone)]
pub(super) struct Delayed(mpsc::Sender<(Instant, Outgoing)>);

impl Delayed {
    /// Starts the task; it ends when every handle is gone and everything has been sent.
    pub(super) fn start(limit: usize) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(limit.max(1));
        (Self(sender), tokio::spawn(run(receiver, limit.max(1))))
    }

    /// Queues an answer; `false` when there is no room, and the client has to ask again.
    pub(super) fn send_at(&self, moment: Instant, outgoing: Outgoing) -> bool {
        self.0.try_send((moment, outgoing)).is_ok()
    }
}

/// Ordered by moment, then by arrival.
struct Waiting(Instant, u64, Outgoing);

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        (self.0, self.1) == (other.0, other.1)
    }
}
impl Eq for Waiting {}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0, self.1).cmp(&(other.0, other.1))
    }
}

async fn run(mut receiver: mpsc::Receiver<(Instant, Outgoing)>, limit: usize) {
    let mut heap: BinaryHeap<Reverse<Waiting>> = BinaryHeap::new();
    let (mut serial, mut open) = (0_u64, true);
    while open || !heap.is_empty() {
        let next = heap.peek().map(|Reverse(waiting)| waiting.0);
        let room = heap.len() < limit;
        tokio::select! {
            received = receiver.recv(), if open && room => match received {
                Some((moment, outgoing)) => {
                    serial += 1;
                    heap.push(Reverse(Waiting(moment, serial, outgoing)));
                }
                None => open = false,
            },
            () = tokio::time::sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                let now = Instant::now();
                while heap.peek().is_some_and(|Reverse(waiting)| waiting.0 <= now) {
                    if let Some(Reverse(Waiting(_, _, outgoing))) = heap.pop() {
                        outgoing.send();
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::socket::DATAGRAM_LIMIT;
    use super::*;
    use std::time::Duration;

    async fn pair() -> (Arc<Socket>, tokio::net::UdpSocket, SocketAddr) {
        let server = Arc::new(Socket::bind("127.0.0.1:0".parse().unwrap()).unwrap());
        let client = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = client.local_addr().unwrap();
        (server, client, to)
    }

    #[tokio::test]
    async fn answers_leave_in_the_order_of_their_moments_and_all_before_the_end() {
        let (socket, client, to) = pair().await;
        let (delayed, task) = Delayed::start(10);
        let start = Instant::now();
        for (millis, name) in [(30, &b"late"[..]), (10, b"early")] {
            let outgoing =
                Outgoing { socket: Arc::clone(&socket), bytes: name.into(), to, from: Arrival::Unknown };
            assert!(delayed.send_at(start + Duration::from_millis(millis), outgoing));
        }
        drop(delayed);
        task.await.unwrap();
        assert!(start.elapsed() >= Duration::from_millis(30));
        let mut buffer = [0; DATAGRAM_LIMIT];
        for name in [&b"early"[..], b"late"] {
            let (length, _) = client.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..length], name);
        }
    }
}
