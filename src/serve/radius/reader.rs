//! One socket's task: reads, lets logins go on, sends; in turns that other tasks are not kept waiting by.
//!
//! A turn takes what can go on, reads one batch, and sends every answer that came of both together. So a lone request is
//! answered without delay, and under load the calls into the kernel are shared. Logins are polled here; what takes long
//! (password hashes, the store) runs elsewhere.

use super::batch::Inbox;
use super::bell::Bell;
use super::counters::Event;
use super::desk::Desk;
use super::in_flight::InFlight;
use super::job::{Done, Job};
use super::socket::Socket;
use super::{Counters, Shell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

/// Turns before other tasks of the thread have theirs.
const TURNS: usize = 4;

/// The reader of a socket; `decide` makes the future of a login.
pub(super) struct Reader<D, F> {
    socket: Socket,
    inbox: Inbox,
    desk: Desk,
    decide: D,
    in_flight: InFlight<F>,
    bell: Arc<Bell>,
    counters: Arc<Counters>,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires, if that is of interest.
    armed: Option<Instant>,
}

impl<D: Fn(Job) -> F, F: Future<Output = Done>> Reader<D, F> {
    /// A reader that ends after `bell` was closed, with the last of its answers.
    pub(super) fn new(shell: Arc<Shell>, socket: Socket, sockets: usize, bell: Arc<Bell>, decide: D) -> Self {
        Self {
            socket,
            inbox: Inbox::new(),
            counters: Arc::clone(&shell.counters),
            desk: Desk::new(shell, sockets),
            decide,
            in_flight: InFlight::new(Arc::clone(&bell)),
            bell,
            timer: Box::pin(tokio::time::sleep_until(Instant::now())),
            armed: None,
        }
    }

    /// Serves. Logins await what tokio would let a task await only so often at a time, which would hold up all of a
    /// reader's; it has its own measure.
    pub(super) async fn run(mut self) {
        tokio::task::unconstrained(std::future::poll_fn(|context| self.turns(context))).await;
    }

    fn turns(&mut self, context: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURNS {
            match catch_unwind(AssertUnwindSafe(|| self.turn(context))) {
                Ok(Turn::More) => {}
                Ok(Turn::Waiting) => return Poll::Pending,
                Ok(Turn::Over) => return Poll::Ready(()),
                Err(_) => {
                    // What was being taken or answered is lost to its client, which asks again.
                    self.counters.count(Event::Faulty);
                    tracing::error!("a mistake in the program ended the handling of a datagram");
                    self.desk.outbox.clear();
                }
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    fn turn(&mut self, context: &mut Context<'_>) -> Turn {
        let closing = self.bell.is_closing();
        let now = Instant::now();
        self.desk.refresh();
        let advanced = self.in_flight.advance(|about, end| self.desk.ended(&about, end, now));
        self.in_flight.overdue(now, |about, end| self.desk.ended(&about, end, now));
        self.desk.delayed.due(now, &mut self.desk.outbox);
        let read = !closing && self.read(context);
        self.flush();
        if advanced || read {
            return Turn::More;
        }
        if closing && self.in_flight.len() == 0 && self.desk.delayed.next().is_none() {
            return Turn::Over;
        }
        if self.fires(context) || !self.bell.wait(context.waker(), closing) {
            return Turn::More;
        }
        Turn::Waiting
    }

    /// Reads one batch and takes what is in it; `false` if there is nothing to read.
    fn read(&mut self, context: &mut Context<'_>) -> bool {
        match self.socket.poll_receive(context, &mut self.inbox) {
            Poll::Pending => return false,
            // An ICMP error of an earlier answer shows here; it concerns that client only.
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "reading datagrams failed");
                return true;
            }
            Poll::Ready(Ok(())) => {}
        }
        let now = Instant::now();
        self.counters.add(Event::Received, self.inbox.len());
        for (received, bytes) in self.inbox.iter() {
            let Some((job, about)) = self.desk.datagram(received, bytes, now) else { continue };
            if let Some((about, end)) = self.in_flight.begin((self.decide)(job), about) {
                self.desk.ended(&about, end, now);
            }
        }
        true
    }

    fn flush(&mut self) {
        self.counters.add(Event::Answered, self.desk.outbox.len());
        self.desk.outbox.flush(&self.socket);
    }

    /// Sets the timer for the next deadline or delayed answer; whether it is due already. It is left alone where it
    /// fires early enough: then it is set anew, once in a while and not with each request.
    fn fires(&mut self, context: &mut Context<'_>) -> bool {
        let next = [self.in_flight.next_deadline(), self.desk.delayed.next()].into_iter().flatten().min();
        let Some(next) = next else { return false };
        if self.armed.is_none_or(|armed| next < armed) {
            self.timer.as_mut().reset(next);
            self.armed = Some(next);
        }
        let fired = self.timer.as_mut().poll(context).is_ready();
        if fired {
            self.armed = None;
        }
        fired
    }
}

/// How a turn left the reader.
enum Turn {
    /// There may be more to do.
    More,
    /// There is nothing to do until it is woken.
    Waiting,
    /// It has served its time.
    Over,
}
