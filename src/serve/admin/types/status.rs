//! JSON about the daemon itself.

use crate::base::Timestamp;
use crate::base::meter::{Durations, Outcomes};
use crate::domain::message::MessageState;
use crate::domain::sent::Purpose;
use crate::engine::health::{Level, Snapshot, State};
use crate::engine::meters::{Front, Meters, Outcome};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;
use utoipa::ToSchema;

/// How logins of one kind ended.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Ended {
    accept: u64,
    challenge: u64,
    reject: u64,
}

impl Ended {
    fn of(outcomes: &Outcomes) -> Self {
        Self {
            accept: outcomes.accept.get(),
            challenge: outcomes.challenge.get(),
            reject: outcomes.reject.get(),
        }
    }
}

/// Logins of a client, since the daemon started.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct ClientLogins {
    client: String,
    /// `radius` (EAP too), `api` or `portal`.
    front: &'static str,
    #[serde(flatten)]
    ended: Ended,
}

/// Logins that ended alike.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Alike {
    /// `radius`, `eap`, `api` or `portal`.
    front: &'static str,
    /// By what.
    method: &'static str,
    outcome: &'static str,
    reason: &'static str,
    count: u64,
}

/// Rounds of one of the portal's flows.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Flow {
    purpose: &'static str,
    #[serde(flatten)]
    ended: Ended,
}

/// A server of a directory, or one that validates YubiKeys.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct ServerStatus {
    /// The directory; none: it validates YubiKeys.
    directory: Option<String>,
    server: String,
    up: bool,
    /// Why not.
    error: Option<String>,
    /// What became of questions to one that validates YubiKeys.
    answers: Option<BTreeMap<&'static str, u64>>,
}

/// How long something took: the bounds that half, and 99 of a hundred, kept to. None: there was nothing, or it took more than ten seconds.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Took {
    /// What: a stage, or `login at` a front.
    what: String,
    count: u64,
    median_ms: Option<f64>,
    p99_ms: Option<f64>,
}

/// What waits, or is kept in memory.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Filled {
    name: &'static str,
    value: usize,
    limit: Option<usize>,
}

/// A certificate that is served.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct ServedCertificate {
    /// The section of the configuration that names it.
    section: &'static str,
    /// When it ends, RFC 3339.
    ends: String,
    /// Whole days until then.
    days: u64,
}

/// Lists of revoked certificates.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct RevocationLists {
    /// The section of the configuration that names them.
    section: &'static str,
    /// When there should be a newer one of each, RFC 3339.
    due: String,
    /// When the first ends, and certificates of its authority are refused, RFC 3339.
    ends: String,
    /// Whole days until then.
    days: u64,
}

/// The store.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct StoreStatus {
    /// `up`, or why it does not answer.
    state: String,
    /// Whether the last commit was done.
    writable: bool,
    waiting: usize,
    commits: u64,
    failed: u64,
}

/// A directory in short; `sync status` tells more.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct DirectoryStatus {
    directory: String,
    up: bool,
    stage: &'static str,
    people: usize,
    /// RFC 3339.
    last_change: Option<String>,
    /// Loads that were completed.
    loads: u64,
    /// Errors and holds.
    failures: u64,
    /// Entries that were left out, because somebody else has the username.
    conflicts: usize,
    error: Option<String>,
}

/// How the daemon is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Status {
    /// Version of the program.
    version: String,
    /// Since when it runs, RFC 3339.
    started: String,
    /// Whether logins can be answered.
    ready: bool,
    /// What is wrong, the worst first, as sentences.
    problems: Vec<String>,
    /// What is allowed but unwise, and certificates that end soon, as sentences.
    warnings: Vec<String>,
    /// How far the kernel holds the daemon to the places where it writes: `full`, `partial` or `no`.
    confined: &'static str,
    /// RADIUS addresses served.
    addresses: Vec<String>,
    /// Counters of the RADIUS server, and its decisions by reason as `decision.REASON`.
    radius: BTreeMap<String, u64>,
    /// How Redis is: `up`, or a sentence that says why not; none where it is not used.
    redis: Option<String>,
    store: StoreStatus,
    directories: Vec<DirectoryStatus>,
    /// Servers of directories, and those that validate YubiKeys.
    servers: Vec<ServerStatus>,
    /// Sockets of the service manager that the configuration does not name, so that nobody answers there.
    unserved: Vec<String>,
    /// How logins ended since the daemon started, by where they came in.
    logins: BTreeMap<&'static str, Ended>,
    clients: Vec<ClientLogins>,
    /// The same by what and why.
    reasons: Vec<Alike>,
    flows: Vec<Flow>,
    /// Rounds that could not be decided, by where they came in.
    undecided: BTreeMap<&'static str, u64>,
    /// Answers to programs that asked whether an OTP of a YubiKey is good, by their status.
    validations: BTreeMap<&'static str, u64>,
    took: Vec<Took>,
    queues: Vec<Filled>,
    kept: Vec<Filled>,
    certificates: Vec<ServedCertificate>,
    revocations: Vec<RevocationLists>,
    /// Messages in the outbox by state; none: they could not be counted.
    outbox: Option<BTreeMap<&'static str, u64>>,
    /// Attempts to send a message, by what became of them.
    sending: BTreeMap<&'static str, u64>,
    /// Who follows logins by `doorward watch`.
    watchers: usize,
}

impl Status {
    pub(in crate::serve::admin) fn new(seen: Snapshot, meters: &Meters) -> Self {
        let state = |state: &State| match state {
            State::Up => "up".to_owned(),
            State::Down(why) => why.clone(),
        };
        Self {
            version: seen.version.to_owned(),
            started: seen.started.to_string(),
            ready: seen.is_ready(),
            problems: seen.problems(),
            confined: seen.confined.as_str(),
            radius: radius(&seen, meters),
            redis: seen.redis.as_ref().map(state),
            store: StoreStatus {
                state: state(&seen.store),
                writable: seen.writer.error.is_none(),
                waiting: seen.writer.waiting,
                commits: seen.writer.commits,
                failed: seen.writer.failed,
            },
            logins: logins(meters),
            clients: clients(meters),
            reasons: reasons(meters),
            flows: flows(meters),
            undecided: meters.all_undecided().map(|(front, count)| (front.as_str(), count)).collect(),
            validations: meters.validations().map(|(status, count)| (status.as_str(), count)).collect(),
            servers: servers(&seen),
            unserved: seen.left,
            took: took(meters),
            queues: seen.queues.into_iter().map(Filled::from).collect(),
            kept: seen.kept.into_iter().map(Filled::from).collect(),
            certificates: seen
                .certificates
                .into_iter()
                .map(|(section, ends)| ServedCertificate {
                    section,
                    ends: ends.to_string(),
                    days: whole_days(seen.now, ends),
                })
                .collect(),
            revocations: seen
                .revocations
                .into_iter()
                .map(|(section, lists)| RevocationLists {
                    section,
                    due: lists.due.to_string(),
                    ends: lists.ends.to_string(),
                    days: whole_days(seen.now, lists.ends),
                })
                .collect(),
            outbox: seen.outbox.as_deref().map(messages),
            sending: meters.messages().map(|(sending, count)| (sending.as_str(), count)).collect(),
            directories: seen
                .directories
                .into_iter()
                .map(|directory| DirectoryStatus {
                    up: directory.is_up(),
                    stage: directory.progress.stage.as_str(),
                    people: directory.progress.people,
                    last_change: directory.progress.last_change.map(|at| at.to_string()),
                    loads: directory.progress.loads,
                    failures: directory.progress.failures,
                    conflicts: directory.progress.conflicts.len(),
                    error: directory.progress.error,
                    directory: directory.progress.directory,
                })
                .collect(),
            warnings: seen.warnings,
            addresses: seen.addresses,
            watchers: meters.feed.watchers(),
        }
    }
}

/// Whole days from one to the other; none if that is over.
fn whole_days(now: Timestamp, end: Timestamp) -> u64 {
    end.since(now).as_secs() / (24 * 3600)
}

impl From<Level> for Filled {
    fn from(Level { name, value, limit }: Level) -> Self {
        Self { name, value, limit }
    }
}

/// Names that were there before there were others: events, and decisions over RADIUS.
fn radius(seen: &Snapshot, meters: &Meters) -> BTreeMap<String, u64> {
    let mut counters: BTreeMap<String, u64> =
        seen.events.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
    for login in meters.logins() {
        if matches!(login.front, Front::Radius | Front::Eap) {
            *counters.entry(format!("decision.{}", login.reason.as_str())).or_default() += login.count;
        }
    }
    counters
}

fn logins(meters: &Meters) -> BTreeMap<&'static str, Ended> {
    let all = meters.logins();
    let count = |front: Front, outcome: Outcome| {
        let fits = all.iter().filter(|login| login.front == front && login.outcome == outcome);
        fits.map(|login| login.count).sum()
    };
    let ended = |front: Front| Ended {
        accept: count(front, Outcome::Accept),
        challenge: count(front, Outcome::Challenge),
        reject: count(front, Outcome::Reject),
    };
    Front::ALL.iter().map(|front| (front.as_str(), ended(*front))).collect()
}

fn clients(meters: &Meters) -> Vec<ClientLogins> {
    let clients = meters.clients().into_iter().map(|(front, client, outcomes)| ClientLogins {
        client,
        front: front.as_str(),
        ended: Ended::of(&outcomes),
    });
    clients.collect()
}

fn reasons(meters: &Meters) -> Vec<Alike> {
    let alike = meters.logins().into_iter().map(|login| Alike {
        front: login.front.as_str(),
        method: login.how.as_str(),
        outcome: login.outcome.as_str(),
        reason: login.reason.as_str(),
        count: login.count,
    });
    alike.collect()
}

fn flows(meters: &Meters) -> Vec<Flow> {
    let flow = |(purpose, outcomes): (Purpose, &Outcomes)| Flow {
        purpose: purpose.as_str(),
        ended: Ended::of(outcomes),
    };
    meters.flows().map(flow).collect()
}

fn servers(seen: &Snapshot) -> Vec<ServerStatus> {
    let of_directories = seen.directories.iter().flat_map(|directory| {
        directory.servers.iter().map(|server| ServerStatus {
            directory: Some(directory.progress.directory.clone()),
            server: server.url.clone(),
            up: server.up,
            error: server.error.clone(),
            answers: None,
        })
    });
    let validators = seen.validators.iter().map(|server| ServerStatus {
        directory: None,
        server: server.server.clone(),
        up: server.up,
        error: None,
        answers: Some(server.answers.into()),
    });
    of_directories.chain(validators).collect()
}

/// Of every state, those without any too.
fn messages(counts: &[(MessageState, u64)]) -> BTreeMap<&'static str, u64> {
    let count =
        |state: MessageState| counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
    MessageState::ALL.into_iter().map(|state| (state.as_str(), count(state))).collect()
}

fn took(meters: &Meters) -> Vec<Took> {
    let millis = |took: Duration| took.as_secs_f64() * 1000.0;
    let one = |what: String, durations: Durations| Took {
        what,
        count: durations.count,
        median_ms: durations.percentile(50).map(millis),
        p99_ms: durations.percentile(99).map(millis),
    };
    let whole =
        meters.durations().map(|(front, durations)| one(format!("login at {}", front.as_str()), durations));
    let stages = meters.stages().map(|(stage, durations)| one(stage.as_str().to_owned(), durations));
    whole.chain(stages).filter(|took| took.count > 0).collect()
}
