//! EAP conversations under way, of all readers. Bounded in number and age; one is in one pair of hands at a time. Where there is no
//! room the client that has the most gives way, with what was silent longest there: one client cannot take the others' place.
//!
//! A State is the conversation's place and what was drawn anew for this round: an older one is known as a repetition if the
//! same response comes with it, and worth nothing else. It belongs to the client that it was sent to.
//!
//! What a response has led to stays with the conversation until somebody can be told: the request that brought it may be over by
//! then, and the next one that brings it is told.

use crate::domain::login::How;
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::eap::{Conversation, Step};
use crate::engine::login::State;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use uuid::Uuid;

/// Octets of a place, and of what is new in each round.
const PLACE: usize = 16;
const FRESH: usize = 16;
/// Those that are over are looked for so often at most.
const SWEEP: Duration = Duration::from_secs(1);

/// The State of a round.
pub(super) type RoundState = [u8; PLACE + FRESH];

/// A conversation and what belongs to it here.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) conversation: Conversation,
    /// Name of the client.
    pub(super) client: String,
    /// Where it began.
    pub(super) peer: IpAddr,
    /// Outer identity, for the log.
    pub(super) identity: String,
    /// Calling-Station-Id, for the log.
    pub(super) station: String,
    /// Who it is inside the tunnel, once that was said.
    pub(super) username: Option<String>,
    /// By what it was decided last.
    pub(super) how: How,
    pub(super) since: Instant,
    /// The State that the next response must carry.
    state: RoundState,
    /// What was last taken, and the request that answered it.
    last: Option<Last>,
    /// The challenge of the login machine that waits inside.
    pub(super) login: Option<State>,
    /// What the login machine has decided.
    pub(super) decided: Option<Decided>,
    /// What the last response has led to, until somebody is there to be told.
    pub(super) came: Option<Step>,
    /// It was told that this one failed.
    pub(super) reported: bool,
    /// The same stands in the trail.
    pub(super) noted: bool,
}

/// What was decided.
#[derive(Debug)]
pub(super) enum Decided {
    /// Let in.
    Accepted {
        /// Whom.
        person: Arc<Person>,
        /// Why.
        reason: Reason,
        /// The request in which that was decided.
        request: Uuid,
    },
    /// Refused, and in which request.
    Refused(Reason, Uuid),
}

#[derive(Debug)]
struct Last {
    state: RoundState,
    response: [u8; 32],
    request: Vec<u8>,
}

/// What a State leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// The conversation, and whether this very response was taken before and could not be decided.
    Open(Held, bool),
    /// It was answered before: this request again, under the present State.
    Repeated(Vec<u8>, RoundState),
    /// It is being decided.
    Busy,
    /// The conversation is there, and waits for something else.
    Stray,
    /// Nothing.
    Unknown,
}

#[derive(Debug)]
enum Slot {
    Idle(Box<Open>, u64),
    Busy,
}

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<[u8; PLACE], Slot>,
    /// By name of the client.
    queues: HashMap<String, Queue>,
    serial: u64,
    /// When those that are over were looked for last.
    swept: Option<Instant>,
}

/// Conversations of one client that wait.
#[derive(Debug, Default)]
struct Queue {
    /// Those that were put back, in that order; of some a later turn follows.
    order: VecDeque<([u8; PLACE], u64, Instant)>,
    /// How many wait.
    waiting: usize,
}

/// The conversations.
#[derive(Debug, Default)]
pub(super) struct Conversations(Mutex<Table>);

/// A conversation in hand. Unless it has ended it goes back into its place.
#[derive(Debug)]
pub(super) struct Held {
    table: Arc<Conversations>,
    place: [u8; PLACE],
    open: Option<Box<Open>>,
    /// What was taken before that which is in hand.
    before: Option<Last>,
}

impl Conversations {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Takes those out that are over.
    pub(super) fn expire(&self, now: Instant, lifetime: Duration) -> Vec<Open> {
        self.lock().expire(now, lifetime)
    }

    /// Takes in a new one, and those out that are over or too many, which are given back. None is taken in where all others are in
    /// somebody's hands.
    pub(super) fn begin(
        self: &Arc<Self>,
        open: New,
        random: [u8; PLACE],
        (limit, lifetime): (usize, Duration),
    ) -> (Option<Held>, Vec<Open>) {
        let New { conversation, client, peer, identity, station, now } = open;
        let mut table = self.lock();
        let mut out = table.expire(now, lifetime);
        while table.slots.len() >= limit {
            let Some(silent) = table.make_room() else { return (None, out) };
            out.push(*silent);
        }
        table.slots.insert(random, Slot::Busy);
        drop(table);
        let mut state = [0; PLACE + FRESH];
        state.split_at_mut(PLACE).0.copy_from_slice(&random);
        let open = Open {
            conversation,
            client,
            peer,
            identity,
            station,
            username: None,
            how: How::Nothing,
            since: now,
            state,
            last: None,
            login: None,
            decided: None,
            came: None,
            reported: false,
            noted: false,
        };
        let open = Some(Box::new(open));
        (Some(Held { table: Arc::clone(self), place: random, open, before: None }), out)
    }

    /// Takes out the one that a response of this client belongs to.
    pub(super) fn take(
        self: &Arc<Self>,
        state: &[u8],
        client: &str,
        response: &[u8],
        (now, lifetime): (Instant, Duration),
    ) -> Found {
        let Ok(state) = RoundState::try_from(state) else { return Found::Unknown };
        let mut place = [0; PLACE];
        place.copy_from_slice(state.split_at(PLACE).0);
        let mut table = self.lock();
        let open = match table.slots.get(&place) {
            None => return Found::Unknown,
            Some(Slot::Busy) => return Found::Busy,
            Some(Slot::Idle(open, _)) => open,
        };
        if open.client != client || now >= open.since + lifetime {
            return Found::Unknown;
        }
        let digest = <[u8; 32]>::from(Sha256::digest(response));
        let present = bool::from(open.state.ct_eq(&state));
        let repeated =
            open.last.as_ref().filter(|last| last.response == digest && bool::from(last.state.ct_eq(&state)));
        // One that was taken and has no answer yet is the only one of its round (RFC 3748 §4.1).
        let taken = open.last.as_ref().is_some_and(|last| last.request.is_empty());
        match repeated {
            Some(last) if !last.request.is_empty() => {
                return Found::Repeated(last.request.clone(), open.state);
            }
            None if taken || !present => return Found::Stray,
            _ => {}
        }
        let undecided = repeated.is_some();
        let Some(Slot::Idle(mut open, _)) = table.slots.insert(place, Slot::Busy) else {
            return Found::Unknown;
        };
        if let Some(queue) = table.queues.get_mut(client) {
            queue.waiting = queue.waiting.saturating_sub(1);
        }
        let last = Last { state, response: digest, request: Vec::new() };
        let before = open.last.replace(last);
        Found::Open(Held { table: Arc::clone(self), place, open: Some(open), before }, undecided)
    }
}

/// What a conversation begins with.
#[derive(Debug)]
pub(super) struct New {
    pub(super) conversation: Conversation,
    pub(super) client: String,
    pub(super) peer: IpAddr,
    pub(super) identity: String,
    pub(super) station: String,
    pub(super) now: Instant,
}

impl Table {
    fn put(&mut self, place: [u8; PLACE], open: Box<Open>, now: Instant) {
        self.serial += 1;
        let queue = match self.queues.get_mut(&open.client) {
            Some(queue) => queue,
            None => self.queues.entry(open.client.clone()).or_default(),
        };
        queue.order.push_back((place, self.serial, now));
        queue.waiting += 1;
        self.slots.insert(place, Slot::Idle(open, self.serial));
        // Those that a later turn follows would pile up behind one that is silent.
        if queue.order.len() > 64 + 2 * queue.waiting {
            let slots = &self.slots;
            queue.order.retain(|(place, serial, _)| waits(slots, place, *serial));
        }
    }

    /// Ends those that are over, looking around once in a while.
    fn expire(&mut self, now: Instant, lifetime: Duration) -> Vec<Open> {
        let mut over = Vec::new();
        if self.swept.is_some_and(|swept| now < swept + SWEEP) {
            return over;
        }
        self.swept = Some(now);
        let slots = &mut self.slots;
        self.queues.retain(|_, queue| {
            while queue.order.front().is_some_and(|(.., put)| now >= *put + lifetime) {
                over.extend(queue.pop(slots).map(|open| *open));
            }
            !queue.order.is_empty()
        });
        over
    }

    /// Ends the one that was silent longest, of the client that has the most; none if none waits.
    fn make_room(&mut self) -> Option<Box<Open>> {
        let most = self.queues.values_mut().max_by_key(|queue| queue.waiting);
        let queue = most.filter(|queue| queue.waiting > 0)?;
        while !queue.order.is_empty() {
            if let Some(open) = queue.pop(&mut self.slots) {
                return Some(open);
            }
        }
        None
    }
}

impl Queue {
    /// Takes the first out, if it still waited.
    fn pop(&mut self, slots: &mut HashMap<[u8; PLACE], Slot>) -> Option<Box<Open>> {
        let (place, serial, _) = self.order.pop_front()?;
        if !waits(slots, &place, serial) {
            return None;
        }
        self.waiting = self.waiting.saturating_sub(1);
        match slots.remove(&place) {
            Some(Slot::Idle(open, _)) => Some(open),
            _ => None,
        }
    }
}

fn waits(slots: &HashMap<[u8; PLACE], Slot>, place: &[u8; PLACE], serial: u64) -> bool {
    matches!(slots.get(place), Some(Slot::Idle(_, present)) if *present == serial)
}

impl Held {
    /// The conversation.
    pub(super) fn open(&mut self) -> Option<&mut Open> {
        self.open.as_deref_mut()
    }

    /// Puts it back until the answer to `request` comes; the State to send with it.
    pub(super) fn wait(mut self, request: &[u8], fresh: [u8; FRESH]) -> RoundState {
        let Some(mut open) = self.open.take() else { return [0; PLACE + FRESH] };
        open.state.split_at_mut(PLACE).1.copy_from_slice(&fresh);
        if let Some(last) = &mut open.last {
            last.request = request.to_vec();
        }
        let state = open.state;
        self.open = Some(open);
        state
    }

    /// Has the conversation take a response, and keeps what comes of it. One that was not asked for is as if it had not come.
    pub(super) fn receive(&mut self, response: &[u8]) {
        let Some(open) = &mut self.open else { return };
        match open.conversation.receive(response) {
            Step::Ignore => open.last = self.before.take(),
            step => open.came = Some(step),
        }
    }

    /// It is over.
    pub(super) fn end(mut self) {
        self.open = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        // A mistake may have left it in the midst of something.
        let whole = self.open.take().filter(|_| !std::thread::panicking());
        match whole {
            Some(open) => table.put(self.place, open, Instant::now()),
            None => {
                table.slots.remove(&self.place);
            }
        }
    }
}

#[cfg(test)]
mod tests;
