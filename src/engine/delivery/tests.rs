//! The courier against an outbox in memory that keeps the contract of [`Outbox`], and providers that do as they are told.

use super::*;
use crate::base::{ManualClock, SeededRandom};
use crate::domain::message::{Content, MessageState};
use crate::domain::method::Channel;
use crate::domain::sent::CodeId;
use crate::store::delivery::{Provider, Terms, Verdict};
use crate::store::{MessageStatus, OutboxQuery, Result as StoreResult, StoreError};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Clone)]
struct Row {
    id: CodeId,
    channel: Channel,
    content: Option<Content>,
    state: MessageState,
    due: Timestamp,
    expires: Timestamp,
    attempts: u32,
    claimed: Timestamp,
    provider: String,
    detail: String,
    cost: u32,
}

#[derive(Default)]
struct Memory {
    rows: Mutex<Vec<Row>>,
    away: AtomicBool,
    looks: AtomicUsize,
    claims: AtomicUsize,
}

impl Memory {
    fn put(&self, now: Timestamp, lifetime: Duration) -> CodeId {
        self.put_over(Channel::Sms, now, lifetime)
    }

    fn put_over(&self, channel: Channel, now: Timestamp, lifetime: Duration) -> CodeId {
        let id = CodeId::from_uuid(uuid::Uuid::now_v7());
        let content = Content {
            to: "+15208782491".into(),
            code: "123456".into(),
            name: String::new(),
            minutes: 5,
            username: String::new(),
            notice: None,
            language: None,
            campus: None,
        };
        self.rows.lock().unwrap().push(Row {
            id,
            channel,
            content: Some(content),
            state: MessageState::Waiting,
            due: now,
            expires: now + lifetime,
            attempts: 0,
            claimed: now,
            provider: String::new(),
            detail: String::new(),
            cost: 0,
        });
        id
    }

    fn row(&self, id: CodeId) -> Row {
        self.rows.lock().unwrap().iter().find(|row| row.id == id).unwrap().clone()
    }

    fn here(&self) -> StoreResult<()> {
        if self.away.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("away".to_owned()));
        }
        Ok(())
    }
}

#[async_trait]
impl Outbox for Memory {
    async fn claim(&self, most: u32, patience: Duration, now: Timestamp) -> StoreResult<Vec<Claimed>> {
        self.here()?;
        self.claims.fetch_add(1, Ordering::SeqCst);
        let mut claimed = Vec::new();
        for row in self.rows.lock().unwrap().iter_mut() {
            match row.state {
                MessageState::Sending if now >= row.claimed + patience => {
                    row.state = MessageState::Dead;
                    row.content = None;
                }
                MessageState::Waiting if row.expires <= now => row.state = MessageState::Dead,
                MessageState::Waiting if row.due <= now && claimed.len() < most as usize => {
                    row.state = MessageState::Sending;
                    row.attempts += 1;
                    row.claimed = now;
                    claimed.push(Claimed {
                        id: row.id,
                        channel: row.channel,
                        content: row.content.clone().unwrap(),
                        attempt: row.attempts,
                        expires: row.expires,
                    });
                }
                _ => {}
            }
        }
        Ok(claimed)
    }

    async fn finish(&self, end: AttemptEnd) -> StoreResult<()> {
        self.here()?;
        let mut rows = self.rows.lock().unwrap();
        let row = rows.iter_mut().find(|row| row.id == end.id).unwrap();
        if row.attempts != end.attempt || row.state != MessageState::Sending {
            return Ok(());
        }
        (row.provider, row.detail, row.cost) = (end.provider, end.detail, end.cost);
        row.state = match end.outcome {
            Attempted::Sent => MessageState::Sent,
            Attempted::Dead | Attempted::Unknown => MessageState::Dead,
            Attempted::Again(at) => {
                row.due = at;
                MessageState::Waiting
            }
        };
        Ok(())
    }

    async fn due(&self, patience: Duration) -> StoreResult<Option<Timestamp>> {
        self.here()?;
        self.looks.fetch_add(1, Ordering::SeqCst);
        let when = |row: &Row| match row.state {
            MessageState::Waiting => Some(row.due),
            MessageState::Sending => Some(row.claimed + patience),
            _ => None,
        };
        Ok(self.rows.lock().unwrap().iter().filter_map(when).min())
    }

    async fn list(&self, _: &OutboxQuery) -> StoreResult<Vec<MessageStatus>> {
        Ok(Vec::new())
    }

    async fn counts(&self) -> StoreResult<Vec<(MessageState, u64)>> {
        Ok(Vec::new())
    }
}

/// Does as it is told, message after message; when nothing is left to do, it hangs.
#[derive(Clone, Default)]
struct Told {
    outcomes: Arc<Mutex<VecDeque<Outcome>>>,
    got: Arc<Mutex<Vec<CodeId>>>,
}

impl Told {
    fn to(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        Self { outcomes: Arc::new(Mutex::new(outcomes.into_iter().collect())), got: Arc::default() }
    }

    fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }
}

#[async_trait]
impl Provider for Told {
    async fn send(&self, message: &Message) -> Verdict {
        assert!(
            matches!(&message.body, crate::domain::texts::Rendered::Text(text) if text.contains("123456") || text.contains("1, 2, 3, 4, 5, 6"))
        );
        self.got.lock().unwrap().push(message.id);
        let next = self.outcomes.lock().unwrap().pop_front();
        match next {
            Some(outcome) => outcome.into(),
            None => std::future::pending().await,
        }
    }
}

const TERMS: Terms = Terms { cost: 7, idempotent: false, timeout: Duration::from_secs(20) };

struct Office {
    memory: Arc<Memory>,
    clock: Arc<ManualClock>,
    waker: Waker,
    running: Running,
}

fn config() -> Arc<ArcSwap<Config>> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("k1.key"), "00".repeat(32)).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(dir.path().join("k1.key"), mode).unwrap();
    let file = dir.path().join("doorward.toml");
    std::fs::write(&file, "[keys]\nfiles = [\"k1.key\"]\n").unwrap();
    Arc::new(ArcSwap::from_pointee(crate::config::load(&file, std::iter::empty()).unwrap()))
}

fn open(memory: &Arc<Memory>, clock: &Arc<ManualClock>, providers: Providers) -> Office {
    let waker = Waker::default();
    let courier = Courier {
        outbox: memory.clone(),
        providers: Arc::new(providers),
        config: config(),
        clock: clock.clone(),
        random: Arc::new(SeededRandom::new(1)),
        waker: waker.clone(),
        meters: Arc::default(),
    };
    Office { memory: memory.clone(), clock: clock.clone(), waker, running: courier.start() }
}

fn office(providers: Providers) -> Office {
    open(&Arc::default(), &Arc::new(ManualClock::at(Timestamp::from_secs(1_000_000))), providers)
}

impl Office {
    fn put(&self) -> CodeId {
        let id = self.memory.put(self.clock.now(), Duration::from_secs(300));
        self.waker.wake();
        id
    }

    /// Waits until a message is as it should be.
    async fn until(&self, id: CodeId, what: impl Fn(&Row) -> bool) -> Row {
        until(|| what(&self.memory.row(id))).await;
        self.memory.row(id)
    }
}

async fn until(what: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !what() {
        assert!(Instant::now() < deadline, "it does not happen");
        sleep(Duration::from_millis(5)).await;
    }
}

fn not_taken(times: usize) -> Vec<Outcome> {
    vec![Outcome::NotTaken("busy".to_owned()); times]
}

fn sent() -> Outcome {
    Outcome::Sent("ok".to_owned())
}

fn providers(list: &[(&str, &Told)]) -> Providers {
    let add = |all: Providers, (name, told): &(&str, &Told)| {
        all.and(name, &[Channel::Sms], TERMS, Box::new((*told).clone()))
    };
    list.iter().fold(Providers::default(), add)
}

#[tokio::test]
async fn message_goes_to_the_next_provider_when_the_first_does_not_take_it() {
    let (a, b) = (Told::to(not_taken(1)), Told::to([sent()]));
    let office = office(providers(&[("a", &a), ("b", &b)]));
    let id = office.put();
    let row = office.until(id, |row| row.state == MessageState::Sent).await;
    assert_eq!((row.provider.as_str(), row.cost, row.attempts), ("b", 7, 1));
    assert_eq!((a.count(), b.count()), (1, 1));
}

// R-CODE-1
#[tokio::test]
async fn what_may_have_been_taken_is_not_sent_again_by_anybody() {
    let (a, b) = (Told::to([Outcome::Unknown("lost".to_owned())]), Told::to([sent()]));
    let office = office(providers(&[("a", &a), ("b", &b)]));
    let id = office.put();
    let row = office.until(id, |row| row.state == MessageState::Dead).await;
    assert!(row.detail.contains("may have been taken") && row.detail.contains("lost"), "{}", row.detail);
    assert_eq!((a.count(), b.count(), row.cost), (1, 0, 7));
}

#[tokio::test]
async fn refusal_is_the_end() {
    let (a, b) = (Told::to([Outcome::Refused("no such number".to_owned())]), Told::to([sent()]));
    let office = office(providers(&[("a", &a), ("b", &b)]));
    let id = office.put();
    let row = office.until(id, |row| row.state == MessageState::Dead).await;
    assert_eq!((row.detail.as_str(), row.cost, b.count()), ("refused: no such number", 0, 0));
}

#[tokio::test]
async fn provider_that_knows_messages_by_their_id_gets_one_again_and_nobody_else_does() {
    let unknown = || Outcome::Unknown("lost".to_owned());
    let (a, b) = (
        Told::to([unknown(), sent(), unknown(), unknown()].into_iter().chain(not_taken(1))),
        Told::default(),
    );
    let all = Providers::default()
        .and("a", &[Channel::Sms], Terms { idempotent: true, ..TERMS }, Box::new(a.clone()))
        .and("b", &[Channel::Sms], TERMS, Box::new(b.clone()));
    let office = office(all);
    let id = office.put();
    office.until(id, |row| row.state == MessageState::Sent).await;
    assert_eq!(*a.got.lock().unwrap(), [id, id]);
    let id = office.put();
    let row = office.until(id, |row| row.state == MessageState::Dead).await;
    assert_eq!((a.count(), b.count()), (5, 0));
    assert!(
        row.detail.contains("may have been taken"),
        "a later refusal to take it says nothing of the first"
    );
}

#[tokio::test]
async fn message_that_nobody_takes_is_tried_again_later_and_later_until_it_is_too_old() {
    let a = Told::to(not_taken(3));
    let office = office(providers(&[("a", &a)]));
    let id = office.put();
    let mut waits = Vec::new();
    for attempt in 1..=3 {
        let row = office.until(id, |row| row.attempts == attempt && row.state != MessageState::Sending).await;
        assert_eq!(row.state, MessageState::Waiting, "{}", row.detail);
        let wait = row.due.since(office.clock.now());
        waits.push(wait);
        office.waker.wake();
        office.clock.advance(wait);
        if attempt == 3 {
            office.clock.advance(Duration::from_secs(300));
        }
        office.waker.wake();
    }
    office.until(id, |row| row.state == MessageState::Dead).await;
    for (wait, seconds) in waits.iter().zip([1, 2, 4]) {
        let around = Duration::from_secs(seconds);
        assert!(*wait >= around * 3 / 4 && *wait <= around * 5 / 4, "{waits:?}");
    }
    assert_eq!(a.count(), 3);
}

#[tokio::test]
async fn message_that_nobody_is_there_for_is_dead_at_once() {
    let office = office(Providers::default());
    let id = office.put();
    let row = office.until(id, |row| row.state == MessageState::Dead).await;
    assert_eq!(row.detail, "no provider takes messages there");
}

// R-CODE-1: kill in the middle
#[tokio::test]
async fn message_that_was_under_way_when_the_courier_died_is_never_sent_again() {
    let (hanging, next) = (Told::default(), Told::to([sent(), sent()]));
    let office = office(providers(&[("a", &hanging)]));
    let id = office.put();
    until(|| hanging.count() == 1).await;
    office.running.task.abort();
    let office = open(&office.memory, &office.clock, providers(&[("a", &next)]));
    let other = office.put();
    office.until(other, |row| row.state == MessageState::Sent).await;
    assert_eq!(office.memory.row(id).state, MessageState::Sending, "its patience is not over");
    office.clock.advance(Duration::from_secs(600));
    office.waker.wake();
    office.until(id, |row| row.state == MessageState::Dead).await;
    assert_eq!(*next.got.lock().unwrap(), [other]);
}

#[tokio::test]
async fn stop_waits_for_what_is_under_way_and_claims_nothing_more() {
    let slow = Told::default();
    let office = office(providers(&[("a", &slow)]));
    office.put();
    until(|| slow.count() == 1).await;
    let begun = Instant::now();
    let Office { running, memory, clock, waker } = office;
    let stopping = tokio::spawn(running.stop(Duration::from_millis(300)));
    sleep(Duration::from_millis(50)).await;
    let late = memory.put(clock.now(), Duration::from_secs(300));
    waker.wake();
    stopping.await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!((memory.row(late).state, slow.count()), (MessageState::Waiting, 1));
}

#[tokio::test]
async fn store_that_is_away_is_waited_for() {
    let a = Told::to([sent()]);
    let office = office(providers(&[("a", &a)]));
    office.memory.away.store(true, Ordering::SeqCst);
    let id = office.put();
    sleep(Duration::from_millis(50)).await;
    assert_eq!(office.memory.row(id).state, MessageState::Waiting);
    office.memory.away.store(false, Ordering::SeqCst);
    office.until(id, |row| row.state == MessageState::Sent).await;
}

#[tokio::test]
async fn many_messages_go_out_at_the_same_time_and_each_once() {
    let a = Told::to(vec![sent(); 500]);
    let office = office(providers(&[("a", &a)]));
    let ids: Vec<_> = (0..500).map(|_| office.put()).collect();
    for id in &ids {
        office.until(*id, |row| row.state == MessageState::Sent).await;
    }
    let mut got = a.got.lock().unwrap().clone();
    got.sort_unstable();
    got.dedup();
    assert_eq!((got.len(), a.count()), (500, 500));
}

#[tokio::test]
async fn provider_that_hangs_holds_up_nothing_that_goes_elsewhere() {
    let (hanging, calls) = (Told::default(), Told::to([sent()]));
    let all = Providers::default().and("modem", &[Channel::Sms], TERMS, Box::new(hanging.clone())).and(
        "calls",
        &[Channel::Voice],
        TERMS,
        Box::new(calls.clone()),
    );
    let office = office(all);
    let texts: Vec<_> = (0..300).map(|_| office.put()).collect();
    let call = office.memory.put_over(Channel::Voice, office.clock.now(), Duration::from_secs(300));
    office.waker.wake();
    let begun = Instant::now();
    office.until(call, |row| row.state == MessageState::Sent).await;
    assert!(begun.elapsed() < TURN, "it waited for texts: {:?}", begun.elapsed());
    let back = |id: &CodeId| {
        let row = office.memory.row(*id);
        row.state == MessageState::Waiting && row.detail == BUSY
    };
    until(|| texts.iter().filter(|id| back(id)).count() == 300 - 64).await;
    assert_eq!(hanging.count(), 4, "each provider has its places, the rest comes again");
}

#[tokio::test]
async fn message_waits_a_moment_for_a_provider_that_is_busy_and_then_asks_the_next() {
    let (busy, next) = (Told::default(), Told::to([sent()]));
    let office = office(providers(&[("a", &busy), ("b", &next)]));
    let ids: Vec<_> = (0..5).map(|_| office.put()).collect();
    let begun = Instant::now();
    until(|| next.count() == 1).await;
    assert!(begun.elapsed() < TERMS.timeout / 2, "{:?}", begun.elapsed());
    let left = ids.iter().filter(|id| !busy.got.lock().unwrap().contains(id)).copied().collect::<Vec<_>>();
    assert_eq!((busy.count(), left.as_slice()), (4, next.got.lock().unwrap().as_slice()));
}

#[tokio::test]
async fn turns_are_taken_in_the_order_in_which_they_were_asked_for() {
    let told = Told::to(vec![sent(); 40]);
    let all = providers(&[("a", &told)]);
    let entry = all.towards(Channel::Sms, "+15208782491").remove(0);
    let message = || Message {
        id: CodeId::from_uuid(uuid::Uuid::now_v7()),
        channel: Channel::Sms,
        to: "+15208782491".to_owned(),
        body: crate::domain::texts::Rendered::Text("123456".to_owned()),
        code: "123456".to_owned(),
    };
    let messages: Vec<_> = (0..40).map(|_| message()).collect();
    let order: Vec<_> = messages.iter().map(|message| message.id).collect();
    let mut sending = JoinSet::new();
    for message in messages {
        let entry = Arc::clone(&entry);
        sending.spawn(async move { entry.send(&message, entry.timeout).await });
    }
    assert!(sending.join_all().await.into_iter().all(|outcome| outcome == sent()));
    assert_eq!(*told.got.lock().unwrap(), order);
}

#[tokio::test]
async fn courier_with_nothing_due_only_looks() {
    let office = office(Providers::default());
    // Something that is not due yet, and nothing else.
    let id = office.memory.put(office.clock.now() + Duration::from_secs(60), Duration::from_secs(300));
    let looks = || office.memory.looks.load(Ordering::SeqCst);
    for _ in 0..6 {
        let before = looks();
        office.waker.wake();
        until(|| looks() > before).await;
    }
    assert_eq!(office.memory.claims.load(Ordering::SeqCst), 0, "a claim is a write");
    office.clock.advance(Duration::from_secs(60));
    office.waker.wake();
    office.until(id, |row| row.state == MessageState::Dead).await;
    assert!(office.memory.claims.load(Ordering::SeqCst) >= 1);
}
