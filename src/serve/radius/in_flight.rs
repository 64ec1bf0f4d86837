//! Requests being decided by one reader: polled where they were read, without tasks of their own.
//!
//! Each has a place, whose memory and waker are used again by the next request there. A request that panics, or that is
//! not decided by its deadline, ends alone.

use super::batch::Received;
use super::bell::{Bell, Ringer};
use super::duplicates::Ticket;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use tokio::time::Instant;

/// Free places whose memory is kept.
const SPARE: usize = 64;

/// What is known of a request whatever becomes of it.
#[derive(Debug)]
pub(super) struct About {
    pub(super) received: Received,
    pub(super) ticket: Ticket,
    /// When it arrived.
    pub(super) at: Instant,
    /// No answer after that.
    pub(super) deadline: Instant,
    /// What it is logged within.
    pub(super) span: tracing::Span,
}

/// How a request ended.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum End<O> {
    /// Decided, or not, by itself.
    Done(O),
    /// Its deadline passed.
    Late,
    /// It panicked.
    Broken,
}

struct Place<F> {
    /// The future of `about`; the allocation outlives it.
    future: Pin<Box<Option<F>>>,
    about: Option<About>,
    ringer: Arc<Ringer>,
    waker: Waker,
}

/// The requests.
pub(super) struct InFlight<F> {
    bell: Arc<Bell>,
    places: Vec<Option<Place<F>>>,
    /// Places without a request that have their memory, and those without.
    spare: Vec<usize>,
    bare: Vec<usize>,
    count: usize,
    /// No deadline is before that one.
    earliest: Option<Instant>,
    woken: Vec<usize>,
}

impl<F: Future> InFlight<F> {
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        let (places, spare, bare) = (Vec::new(), Vec::new(), Vec::new());
        Self { bell, places, spare, bare, count: 0, earliest: None, woken: Vec::new() }
    }

    /// How many there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// A moment at which [`InFlight::overdue`] may have something; none if there are no requests.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.earliest.filter(|_| self.count > 0)
    }

    /// Takes a request and begins it; how it ended if it did at once. `future` makes it where it stays: it is large, and each move copies it.
    pub(super) fn begin(
        &mut self,
        future: impl FnOnce() -> F,
        about: About,
    ) -> Option<(About, End<F::Output>)> {
        let deadline = about.deadline;
        self.earliest = Some(self.next_deadline().map_or(deadline, |earliest| earliest.min(deadline)));
        self.count += 1;
        let at = self.spare.pop().or_else(|| self.bare.pop()).unwrap_or(self.places.len());
        if at == self.places.len() {
            self.places.push(None);
        }
        let bell = &self.bell;
        let place = self.places.get_mut(at)?.get_or_insert_with(|| {
            let ringer = Ringer::new(bell, at);
            Place { future: Box::pin(None), about: None, waker: Arc::clone(&ringer).into(), ringer }
        });
        place.future.set(Some(future()));
        place.about = Some(about);
        self.poll(at)
    }

    /// Lets those go on that can, and tells how they ended; `false` if there were none.
    pub(super) fn advance(&mut self, mut ended: impl FnMut(About, End<F::Output>)) -> bool {
        // If `ended` panics, the others are still there the next time.
        if self.woken.is_empty() {
            self.bell.collect(&mut self.woken);
            self.woken.reverse();
        }
        let any = !self.woken.is_empty();
        while let Some(at) = self.woken.pop() {
            if let Some((about, end)) = self.poll(at) {
                ended(about, end);
            }
        }
        any
    }

    /// Ends those whose deadline has passed.
    pub(super) fn overdue(&mut self, now: Instant, mut ended: impl FnMut(About, End<F::Output>)) {
        if self.next_deadline().is_none_or(|earliest| now < earliest) {
            return;
        }
        self.earliest = None;
        for at in 0..self.places.len() {
            let Some(Some(Place { about: Some(about), .. })) = self.places.get(at) else { continue };
            let deadline = about.deadline;
            if now < deadline {
                self.earliest = Some(self.earliest.map_or(deadline, |earliest| earliest.min(deadline)));
            } else if let Some(about) = self.vacate(at) {
                ended(about, End::Late);
            }
        }
    }

    fn poll(&mut self, at: usize) -> Option<(About, End<F::Output>)> {
        // One that was woken may have ended since, by its deadline.
        let Place { future, about: Some(about), ringer, waker } = self.places.get_mut(at)?.as_mut()? else {
            return None;
        };
        let inside = about.span.enter();
        ringer.listen();
        let future = future.as_mut().as_pin_mut()?;
        let polled = catch_unwind(AssertUnwindSafe(|| future.poll(&mut Context::from_waker(waker))));
        drop(inside);
        let end = match polled {
            Ok(Poll::Pending) => return None,
            Ok(Poll::Ready(output)) => End::Done(output),
            Err(_) => End::Broken,
        };
        self.vacate(at).map(|about| (about, end))
    }

    /// Ends what is in a place, whatever it does when it is dropped.
    fn vacate(&mut self, at: usize) -> Option<About> {
        let slot = self.places.get_mut(at)?;
        let place = slot.as_mut()?;
        let about = place.about.take()?;
        self.count -= 1;
        let inside = about.span.enter();
        let dropped = catch_unwind(AssertUnwindSafe(|| place.future.set(None)));
        drop(inside);
        if dropped.is_ok() && self.spare.len() < SPARE {
            self.spare.push(at);
        } else {
            *slot = None;
            self.bare.push(at);
        }
        Some(about)
    }
}

#[cfg(test)]
mod tests {
    use super::super::batch::Arrival;
    use super::super::bell::Stage;
    use super::super::duplicates::{Duplicates, Key, Seen};
    use super::*;
    use std::time::Duration;
    use tokio::sync::oneshot;

    type Boxed = Pin<Box<dyn Future<Output = u32> + Send>>;

    fn about(at: Instant, seconds: u64) -> About {
        let source = "127.0.0.1:1".parse().unwrap();
        let mut table = Duplicates::new(Duration::from_secs(1), 1);
        let Seen::New(ticket) = table.begin(Key::new(source, 1), &[0; 16], at) else { unreachable!() };
        let received = Received { length: 0, source, arrival: Arrival::Bound };
        let deadline = at + Duration::from_secs(seconds);
        About { received, ticket, at, deadline, span: tracing::Span::none() }
    }

    fn ends(in_flight: &mut InFlight<Boxed>) -> Vec<End<u32>> {
        let mut ends = Vec::new();
        in_flight.advance(|_, end| ends.push(end));
        ends
    }

    #[test]
    fn only_what_was_woken_goes_on_and_the_reader_is_woken_once() {
        let (bell, now) = (Bell::new().unwrap(), Instant::now());
        let mut in_flight = InFlight::<Boxed>::new(Arc::clone(&bell));
        let mut senders = Vec::new();
        for number in 0..200 {
            let (sender, receiver) = oneshot::channel::<u32>();
            let future = Box::pin(async move { number + receiver.await.unwrap() });
            assert!(in_flight.begin(|| future, about(now, 9)).is_none());
            senders.push(sender);
        }
        assert!(bell.listen(Stage::Open));
        for sender in senders.drain(10..13) {
            sender.send(1000).unwrap();
        }
        assert_eq!(bell.events(), 1);
        assert!(!bell.listen(Stage::Open), "it has rung");
        assert_eq!(ends(&mut in_flight), [End::Done(1010), End::Done(1011), End::Done(1012)]);
        assert_eq!(in_flight.len(), 197);
        assert!(bell.listen(Stage::Open));
        bell.close();
        assert_eq!(bell.events(), 1);
        drop(senders);
        assert!(ends(&mut in_flight).iter().all(|end| *end == End::Broken), "the others panic");
        assert_eq!(in_flight.len(), 0);
        assert_eq!(in_flight.next_deadline(), None);
    }

    #[test]
    fn panic_at_one_end_does_not_lose_the_others_that_were_woken_with_it() {
        let now = Instant::now();
        let mut in_flight = InFlight::<Boxed>::new(Bell::new().unwrap());
        let mut senders = Vec::new();
        for _ in 0..3 {
            let (sender, receiver) = oneshot::channel::<u32>();
            assert!(in_flight.begin(|| Box::pin(async { receiver.await.unwrap() }), about(now, 9)).is_none());
            senders.push(sender);
        }
        for (number, sender) in (1..).zip(senders) {
            sender.send(number).unwrap();
        }
        let first = catch_unwind(AssertUnwindSafe(|| in_flight.advance(|_, _| panic!("on purpose"))));
        assert!(first.is_err());
        assert_eq!(ends(&mut in_flight), [End::Done(2), End::Done(3)]);
    }

    #[test]
    fn panic_ends_one_request_and_its_place_serves_the_next() {
        let now = Instant::now();
        let mut in_flight = InFlight::<Boxed>::new(Bell::new().unwrap());
        let (sender, receiver) = oneshot::channel::<u32>();
        assert!(in_flight.begin(|| Box::pin(async { receiver.await.unwrap() }), about(now, 9)).is_none());
        let (_, end) = in_flight.begin(|| Box::pin(async { panic!("on purpose") }), about(now, 9)).unwrap();
        assert_eq!(end, End::Broken);
        let (_, end) = in_flight.begin(|| Box::pin(async { 5 }), about(now, 9)).unwrap();
        assert_eq!(end, End::Done(5));
        sender.send(6).unwrap();
        assert_eq!(ends(&mut in_flight), [End::Done(6)]);
    }

    #[test]
    fn request_ends_at_its_deadline_and_a_late_wake_is_not_the_next_one_s() {
        let now = Instant::now();
        let mut in_flight = InFlight::<Boxed>::new(Bell::new().unwrap());
        let mut senders = Vec::new();
        for seconds in [5, 1, 3] {
            let (sender, receiver) = oneshot::channel::<u32>();
            let future = Box::pin(async { receiver.await.unwrap_or_default() });
            assert!(in_flight.begin(|| future, about(now, seconds)).is_none());
            senders.push(sender);
        }
        let late = |in_flight: &mut InFlight<Boxed>, seconds| {
            let mut late = Vec::new();
            in_flight.overdue(now + Duration::from_secs(seconds), |about, end| {
                assert_eq!(end, End::Late);
                late.push(about.deadline.duration_since(now).as_secs());
            });
            (late, in_flight.next_deadline().map(|next| next.duration_since(now).as_secs()))
        };
        assert_eq!(late(&mut in_flight, 0), (vec![], Some(1)));
        assert_eq!(late(&mut in_flight, 3), (vec![1, 3], Some(5)));
        assert!(senders.pop().unwrap().send(1).is_err(), "what was cut off is dropped");
        let (_, end) = in_flight.begin(|| Box::pin(async { 7 }), about(now, 2)).unwrap();
        assert_eq!(end, End::Done(7));
        assert_eq!(ends(&mut in_flight), []);
        assert_eq!(late(&mut in_flight, 9), (vec![5], None));
    }
}
