//! TLS sessions that can be resumed. A handshake alone leaves nothing here: its sessions are held by a [`Ledger`] of the
//! conversation, and come in when the person was let in. So an aborted login cannot be resumed into one that skips the
//! password (CVE-2017-9148).
//!
//! A session belongs to whoever was let in, at that client, by that method, under those settings ([`Scope`]). The end of its
//! life counts from the login, however often it is resumed.

use crate::base::{Secret, Timestamp};
use crate::domain::login::Shown;
use crate::domain::person::PersonId;
use crate::domain::reason::Reason;
use crate::wire::eap::Method;
use rustls::server::StoresServerSessions;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Everything that must be the same for a session to be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// Digest of the client, its policy, and what stands behind all methods.
    pub client: [u8; 32],
    /// The method.
    pub method: Method,
    /// Digest of who vouches for certificates, where one was shown.
    pub vouching: Option<[u8; 32]>,
}

/// Whose a session is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who was let in.
    pub person: PersonId,
    /// Their version then: with a new password, or a lock, it is void.
    pub version: i64,
    /// By what they were let in.
    pub reason: Reason,
    /// The factors that they showed: without one of them it is void.
    pub factors: Shown,
    /// Their username.
    pub username: String,
    /// When the session ends.
    pub until: Timestamp,
}

struct Kept {
    value: Secret<Vec<u8>>,
    claim: Claim,
    scope: Scope,
}

/// The sessions, all in memory, for all conversations.
pub struct Sessions {
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    kept: HashMap<Vec<u8>, Kept>,
    /// In the order in which they came; some of these are gone.
    order: VecDeque<Vec<u8>>,
    limit: usize,
}

impl Table {
    fn put(&mut self, key: Vec<u8>, kept: Kept) {
        self.order.push_back(key.clone());
        self.kept.insert(key, kept);
        while self.kept.len() > self.limit {
            let Some(oldest) = self.order.pop_front() else { break };
            self.kept.remove(&oldest);
        }
        // One that was used, or void, has left its key behind.
        if self.order.len() > self.limit.saturating_mul(2) {
            self.order.retain(|key| self.kept.contains_key(key));
        }
    }

    fn find(&self, key: &[u8], scope: Scope, now: Timestamp) -> Option<(Vec<u8>, Claim)> {
        let kept = self.kept.get(key).filter(|kept| kept.scope == scope && now < kept.claim.until)?;
        Some((kept.value.expose().clone(), kept.claim.clone()))
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} sessions", self.len())
    }
}

impl Sessions {
    /// At most `limit` sessions; the oldest goes first.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { table: Mutex::new(Table { limit, ..Table::default() }) })
    }

    /// Takes a new limit on a reload.
    pub fn set_limit(&self, limit: usize) {
        self.lock().limit = limit;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one conversation sees of the sessions, and adds to them at its end.
pub struct Ledger {
    sessions: Arc<Sessions>,
    scope: Scope,
    now: Timestamp,
    /// Whether anything is resumed at all.
    enabled: bool,
    notes: Mutex<Notes>,
}

#[derive(Default)]
struct Notes {
    pending: Vec<(Vec<u8>, Secret<Vec<u8>>)>,
    /// The session that was found last.
    named: Option<(Vec<u8>, Claim)>,
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[ledger]")
    }
}

impl Ledger {
    /// Of a conversation that begins `now`.
    pub fn new(sessions: &Arc<Sessions>, scope: Scope, now: Timestamp, enabled: bool) -> Arc<Self> {
        Arc::new(Self { sessions: Arc::clone(sessions), scope, now, enabled, notes: Mutex::default() })
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose session was found, if one was. Only the handshake tells whether it was resumed.
    pub(super) fn claim(&self) -> Option<Claim> {
        self.notes().named.as_ref().map(|(_, claim)| claim.clone())
    }

    /// The person was let in: from now on the sessions of this conversation can be resumed.
    pub(super) fn commit(&self, claim: &Claim) {
        let pending = std::mem::take(&mut self.notes().pending);
        let mut table = self.sessions.lock();
        for (key, value) in pending {
            table.put(key, Kept { value, claim: claim.clone(), scope: self.scope });
        }
    }

    /// The session that was resumed is worth nothing any more.
    pub(super) fn void(&self) {
        if let Some((key, _)) = &self.notes().named {
            self.sessions.lock().kept.remove(key);
        }
    }
}

impl StoresServerSessions for Ledger {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        if self.enabled {
            self.notes().pending.push((key, Secret::new(value)));
        }
        self.enabled
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let (value, claim) = self.sessions.lock().find(key, self.scope, self.now)?;
        self.notes().named = Some((key.to_vec(), claim));
        Some(value)
    }

    /// As [`get`](Self::get): who names a ticket may have only heard of it. It has been used when its login is through.
    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.get(key)
    }

    fn can_cache(&self) -> bool {
        self.enabled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::from_secs(1000);

    fn claim() -> Claim {
        let person = PersonId::from_uuid(uuid::Uuid::nil());
        Claim {
            person,
            version: 1,
            reason: Reason::PasswordOnly,
            factors: Shown::default(),
            username: "ann".to_owned(),
            until: NOW + Duration::from_secs(60),
        }
    }

    fn ledger(sessions: &Arc<Sessions>, scope: u8, now: Timestamp) -> Arc<Ledger> {
        Ledger::new(sessions, Scope { client: [scope; 32], method: Method::TTLS, vouching: None }, now, true)
    }

    #[test]
    fn handshake_without_a_login_leaves_no_session() {
        let sessions = Sessions::new(10);
        let first = ledger(&sessions, 1, NOW);
        assert!(first.put(b"id".to_vec(), b"secret".to_vec()));
        drop(first);
        assert!(ledger(&sessions, 1, NOW).get(b"id").is_none());
        let second = ledger(&sessions, 1, NOW);
        assert!(second.put(b"id".to_vec(), b"secret".to_vec()));
        second.commit(&claim());
        let third = ledger(&sessions, 1, NOW);
        assert_eq!(third.get(b"id").as_deref(), Some(&b"secret"[..]));
        assert_eq!(third.claim(), Some(claim()));
    }

    #[test]
    fn session_ends_with_its_time_its_scope_and_when_it_is_void() {
        let sessions = Sessions::new(10);
        let first = ledger(&sessions, 1, NOW);
        first.put(b"id".to_vec(), b"secret".to_vec());
        first.commit(&claim());
        assert!(ledger(&sessions, 2, NOW).take(b"id").is_none(), "another client's");
        assert!(ledger(&sessions, 1, NOW + Duration::from_secs(60)).get(b"id").is_none(), "too late");
        let again = ledger(&sessions, 1, NOW);
        assert!(again.get(b"id").is_some());
        again.void();
        assert!(ledger(&sessions, 1, NOW).get(b"id").is_none());
    }

    #[test]
    fn ticket_is_there_until_it_is_void_and_the_oldest_session_makes_room() {
        let sessions = Sessions::new(2);
        for key in [b"a", b"b", b"c"] {
            let ledger = ledger(&sessions, 1, NOW);
            ledger.put(key.to_vec(), b"secret".to_vec());
            ledger.commit(&claim());
        }
        let take = |key: &[u8]| {
            let ledger = ledger(&sessions, 1, NOW);
            ledger.take(key).map(|_| ledger)
        };
        assert!(take(b"a").is_none());
        assert!(take(b"b").is_some() && take(b"c").is_some());
        take(b"b").unwrap().void();
        assert!(take(b"b").is_none());
        assert_eq!(sessions.len(), 1);
    }

    // Each time a device comes back by TLS 1.3 its session is another one.
    #[test]
    fn sessions_of_others_stay_while_one_device_comes_back_again_and_again() {
        let sessions = Sessions::new(3);
        let put = |key: &[u8]| {
            let ledger = ledger(&sessions, 1, NOW);
            ledger.put(key.to_vec(), b"secret".to_vec());
            ledger.commit(&claim());
        };
        put(b"other");
        for turn in 0..100_u8 {
            put(&[turn]);
            let back = ledger(&sessions, 1, NOW);
            assert!(back.get(&[turn]).is_some());
            back.void();
        }
        assert!(ledger(&sessions, 1, NOW).get(b"other").is_some());
        assert!(sessions.lock().order.len() <= 6);
        for key in [b"a", b"b", b"c"] {
            put(key);
        }
        assert!(ledger(&sessions, 1, NOW).get(b"other").is_none(), "the oldest");
        assert_eq!(sessions.len(), 3);
    }

    #[test]
    fn nothing_is_offered_where_resumption_is_off() {
        let scope = Scope { client: [0; 32], method: Method::TTLS, vouching: None };
        let ledger = Ledger::new(&Sessions::new(2), scope, NOW, false);
        assert!(!ledger.can_cache() && !ledger.put(b"a".to_vec(), b"b".to_vec()));
    }
}
