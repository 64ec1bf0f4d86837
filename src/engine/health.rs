//! How everything is at a moment: what metrics, `status` and load balancers are told. The same look for all of them.

use super::meters::Meters;
use super::sync::{Progress, Stage};
use crate::base::Timestamp;
use crate::config::Revocations;
use crate::domain::message::MessageState;
use crate::store::WriterState;
use crate::store::ldap::ServerState;
use crate::store::yubico;
use async_trait::async_trait;

/// Whether something answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It does.
    Up,
    /// It does not, and why, in a few words.
    Down(String),
}

impl State {
    /// Whether it does.
    pub const fn is_up(&self) -> bool {
        matches!(self, State::Up)
    }
}

/// Whether the kernel holds the daemon to the few places where it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confined {
    /// To all of it.
    Full,
    /// To a part of it: the kernel does not know the rest.
    Partial,
    /// To nothing: the kernel cannot, or the configuration says so.
    No,
}

impl Confined {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Full, Self::Partial, Self::No];

    /// As it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Confined::Full => "full",
            Confined::Partial => "partial",
            Confined::No => "no",
        }
    }
}

/// Something that fills and empties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// What it is called.
    pub name: &'static str,
    /// How much there is.
    pub value: usize,
    /// How much there may be; more is turned away, or pushes out what is older.
    pub limit: Option<usize>,
}

/// A directory that people come from.
#[derive(Debug, Clone)]
pub struct Followed {
    /// How its synchronisation stands.
    pub progress: Progress,
    /// How its servers are.
    pub servers: Vec<ServerState>,
}

impl Followed {
    /// Whether a server of it answers.
    pub fn is_up(&self) -> bool {
        self.servers.iter().any(|server| server.up)
    }
}

/// How everything is.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Version of the program.
    pub version: &'static str,
    /// Since when it runs.
    pub started: Timestamp,
    /// When this was seen.
    pub now: Timestamp,
    /// Whether it is confined.
    pub confined: Confined,
    /// RADIUS addresses served.
    pub addresses: Vec<String>,
    /// What happened to datagrams.
    pub events: Vec<(&'static str, u64)>,
    /// What waits.
    pub queues: Vec<Level>,
    /// What is kept in memory.
    pub kept: Vec<Level>,
    /// Certificates by the section that names them, and when they end.
    pub certificates: Vec<(&'static str, Timestamp)>,
    /// Lists of revoked certificates by the section that names them.
    pub revocations: Vec<(&'static str, Revocations)>,
    /// Whether the store can be read.
    pub store: State,
    /// How writing to it goes.
    pub writer: WriterState,
    /// Redis, where it is used.
    pub redis: Option<State>,
    /// Outside directories.
    pub directories: Vec<Followed>,
    /// Servers that validate YubiKeys for us.
    pub validators: Vec<yubico::ServerState>,
    /// Sockets of the service manager that the configuration does not name.
    pub left: Vec<String>,
    /// Messages by state; none: they could not be counted.
    pub outbox: Option<Vec<(MessageState, u64)>>,
    /// What is allowed but unwise, and certificates that end soon.
    pub warnings: Vec<String>,
}

/// Looks.
#[async_trait]
pub trait Observe: Send + Sync {
    /// At everything; within some seconds, whatever hangs.
    async fn look(&self) -> Snapshot;
    /// What was counted so far.
    fn meters(&self) -> &Meters;
}

impl Snapshot {
    /// Whether logins can be answered: the store can be read and written, Redis answers where it is used, and of outside directories at least one. One that
    /// is down while others are not shuts its own people out, here and at any other node that would be asked instead.
    pub fn is_ready(&self) -> bool {
        let directories = self.directories.is_empty() || self.directories.iter().any(Followed::is_up);
        let written = self.store.is_up() && self.writer.error.is_none();
        written && self.redis.as_ref().is_none_or(State::is_up) && directories
    }

    /// What is wrong, the worst first, as sentences.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let State::Down(why) = &self.store {
            problems.push(format!("The store does not answer: {why}."));
        }
        if let Some(why) = &self.writer.error {
            problems.push(format!("Nothing can be written to the store: {why}."));
        }
        if let Some(State::Down(why)) = &self.redis {
            problems.push(format!("Redis does not answer: {why}."));
        }
        self.directories.iter().for_each(|directory| directory.problems(&mut problems));
        for server in self.validators.iter().filter(|server| !server.up) {
            problems.push(format!(
                "The validation server {} could not be used when it was last asked.",
                server.server
            ));
        }
        for address in &self.left {
            problems.push(format!(
                "The service manager keeps {address} open, which the configuration does not name: nobody answers there."
            ));
        }
        let full = |level: &&Level| level.limit.is_some_and(|limit| level.value * 10 >= limit * 9);
        for Level { name, value, limit } in self.queues.iter().filter(full) {
            let limit = limit.unwrap_or_default();
            problems.push(format!("The queue `{name}` is nearly full: {value} of {limit}."));
        }
        if self.outbox.is_none() && self.store.is_up() {
            problems.push("The messages in the outbox could not be counted in time.".to_owned());
        }
        problems
    }
}

impl Followed {
    fn problems(&self, problems: &mut Vec<String>) {
        let Progress { directory, stage, error, .. } = &self.progress;
        let down = self.servers.iter().filter(|server| !server.up);
        if !self.is_up() {
            problems.push(format!("No server of directory `{directory}` answers; its people cannot log in."));
        }
        for server in down {
            let why = server.error.as_deref().unwrap_or("no answer");
            problems.push(format!("Directory `{directory}`: {} is down: {why}.", server.url));
        }
        if matches!(stage, Stage::Retrying | Stage::Held) {
            let why = error.as_deref().unwrap_or("see the log");
            problems.push(format!("Directory `{directory}` is not followed: {why}"));
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn well() -> Snapshot {
        Snapshot {
            version: "1",
            started: Timestamp::from_secs(1),
            now: Timestamp::from_secs(61),
            confined: Confined::Full,
            addresses: Vec::new(),
            events: Vec::new(),
            queues: vec![Level { name: "passwords", value: 3, limit: Some(10) }],
            kept: Vec::new(),
            certificates: Vec::new(),
            revocations: Vec::new(),
            store: State::Up,
            writer: WriterState::default(),
            redis: None,
            directories: Vec::new(),
            validators: Vec::new(),
            left: Vec::new(),
            outbox: Some(Vec::new()),
            warnings: Vec::new(),
        }
    }

    fn followed(name: &str, up: &[bool]) -> Followed {
        let progress =
            Progress { directory: name.to_owned(), stage: Stage::Following, ..Progress::default() };
        let server = |up: &bool| ServerState {
            url: "ldaps://ldap.example.org".to_owned(),
            up: *up,
            error: (!up).then(|| "no route to host".to_owned()),
        };
        Followed { progress, servers: up.iter().map(server).collect() }
    }

    #[test]
    fn logins_can_be_answered_while_store_redis_and_one_directory_do() {
        let mut seen = well();
        assert!(seen.is_ready() && seen.problems().is_empty());
        seen.redis = Some(State::Up);
        seen.directories = vec![followed("staff", &[false]), followed("students", &[false, true])];
        assert!(seen.is_ready(), "{:?}", seen.problems());
        let problems = seen.problems();
        assert!(problems[0].contains("No server of directory `staff`"), "{problems:?}");
        assert_eq!(problems.len(), 3, "{problems:?}");
        seen.directories = vec![followed("staff", &[false, false])];
        assert!(!seen.is_ready());
        seen.directories.clear();
        seen.redis = Some(State::Down("refused".to_owned()));
        assert!(!seen.is_ready());
        seen.redis = None;
        assert!(seen.is_ready());
        seen.writer.error = Some("the disk is full".to_owned());
        assert!(!seen.is_ready(), "what must be written down first is not answered");
        seen.writer.error = None;
        seen.store = State::Down("no answer".to_owned());
        assert!(!seen.is_ready());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_worst_first() {
        let mut seen = well();
        seen.queues[0].value = 9;
        seen.writer.error = Some("the disk is full".to_owned());
        seen.store = State::Down("it is locked".to_owned());
        let problems = seen.problems();
        assert!(problems[0].starts_with("The store does not answer"), "{problems:?}");
        assert!(problems[1].contains("the disk is full"), "{problems:?}");
        assert!(problems[2].contains("`passwords` is nearly full: 9 of 10"), "{problems:?}");
    }
}
