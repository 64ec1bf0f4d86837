//! Every family of metrics, and what its samples are taken from. Labels have as many values as there are words in this program and names
//! in the configuration; nobody's username and no address of a person is one.

use super::exposition::{Exposition, Family, Kind};
use crate::domain::message::MessageState;
use crate::engine::health::{Confined, Level, Snapshot, State};
use crate::engine::meters::{Meters, Outcome};
use crate::engine::sync::Stage as Following;

macro_rules! families {
    ($($constant:ident $kind:ident $name:literal [$($label:literal)*] $help:literal;)*) => {
        $(const $constant: Family = Family {
            name: $name,
            kind: Kind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All of them, in the order in which they are told.
        pub const FAMILIES: &[&Family] = &[$(&$constant),*];
    };
}

families! {
    BUILD Gauge "doorward_build_info" ["version"] "1, with the version of the program.";
    STARTED Gauge "doorward_start_time_seconds" [] "When the daemon was started, in Unix time.";
    READY Gauge "doorward_ready" [] "1 if logins can be answered, as /ready says.";
    CONFINED Gauge "doorward_confined" ["state"]
        "1 for how far the kernel holds the daemon to the places where it writes: full, partial, no.";
    LOGINS Counter "doorward_logins_total" ["front" "method" "outcome" "reason"]
        "Rounds of logins that were decided, by where they came in, by what, how and why.";
    CLIENTS Counter "doorward_client_logins_total" ["front" "client" "outcome"]
        "The same by client; EAP counts as radius.";
    FLOWS Counter "doorward_flow_rounds_total" ["purpose" "outcome"]
        "Rounds of the portal's flows: password reset, activation, new contacts.";
    UNDECIDED Counter "doorward_undecided_total" ["front"]
        "Rounds that could not be decided: store, directory, Redis or a validation server is down, or too much waits.";
    LOGIN_DURATION Histogram "doorward_login_duration_seconds" ["front"]
        "From the arrival of a request to its decision; of EAP, from the first packet of the conversation.";
    STAGE_DURATION Histogram "doorward_stage_duration_seconds" ["stage"]
        "What each stage of a login takes: decode, policy, password, factor, store, directory.";
    RECEIVED Counter "doorward_radius_received_total" [] "Datagrams that were read.";
    ANSWERED Counter "doorward_radius_answered_total" [] "Answers that were sent, repeats included.";
    REPEATED Counter "doorward_radius_repeated_total" [] "Retransmissions that were answered with the same bytes.";
    STATUS_SERVER Counter "doorward_radius_status_server_total" [] "Status-Server requests.";
    DROPPED Counter "doorward_radius_dropped_total" ["reason"] "Datagrams that got no answer.";
    QUEUE Gauge "doorward_queue_length" ["queue"] "What waits or is under way.";
    QUEUE_LIMIT Gauge "doorward_queue_limit" ["queue"] "How much may; more is turned away.";
    KEPT Gauge "doorward_kept" ["what"] "What is kept in memory.";
    KEPT_LIMIT Gauge "doorward_kept_limit" ["what"] "How much is kept at most.";
    CERTIFICATE Gauge "doorward_certificate_expiry_timestamp_seconds" ["section"]
        "When the certificate that this section of the configuration names ends, in Unix time.";
    REVOCATIONS_DUE Gauge "doorward_crl_due_timestamp_seconds" ["section"]
        "When there should be a newer list of revoked certificates, because three quarters of the time of one are over, in Unix time.";
    REVOCATIONS Gauge "doorward_crl_expiry_timestamp_seconds" ["section"]
        "When the first list of revoked certificates that this section names ends, and certificates of its authority are refused, in Unix time.";
    STORE Gauge "doorward_store_up" [] "1 if the store can be read.";
    WRITABLE Gauge "doorward_store_writable" [] "1 if the last commit was done, or none was tried.";
    COMMITS Counter "doorward_store_commits_total" [] "Commits that were done, of all that waited together.";
    COMMIT_FAILURES Counter "doorward_store_commit_failures_total" [] "Commits that failed.";
    REDIS Gauge "doorward_redis_up" [] "1 if Redis answers; left out where it is not used.";
    DIRECTORY Gauge "doorward_directory_up" ["directory"] "1 if a server of the directory answers.";
    SERVER Gauge "doorward_directory_server_up" ["directory" "server"] "1 if this server answers.";
    DIRECTORY_STAGE Gauge "doorward_directory_stage" ["directory" "stage"]
        "1 for what its synchronisation is at: waiting, loading, following, retrying, held, elsewhere (another node leads).";
    PEOPLE Gauge "doorward_directory_people" ["directory"] "People of the directory.";
    LAST_CHANGE Gauge "doorward_directory_last_change_timestamp_seconds" ["directory"]
        "When a change of the directory was last written, in Unix time.";
    LOADS Counter "doorward_directory_loads_total" ["directory"] "Loads that were completed.";
    FAILURES Counter "doorward_directory_failures_total" ["directory"] "Errors and holds of its synchronisation.";
    CONFLICTS Gauge "doorward_directory_conflicts" ["directory"]
        "Entries that were left out, because somebody else has the username.";
    OUTBOX Gauge "doorward_outbox_messages" ["state"] "Messages in the outbox; sent and dead ones until they are cleaned up.";
    MESSAGES Counter "doorward_messages_total" ["result"] "Attempts to send a message: sent, again, dead.";
    LEFT Gauge "doorward_sockets_unserved" [] "Sockets of the service manager that the configuration does not name, so that nobody answers there.";
    VALIDATIONS Counter "doorward_validations_total" ["status"]
        "Answers to programs that asked [wsapi] whether an OTP of a YubiKey is good, by their status.";
    VALIDATOR Gauge "doorward_validation_server_up" ["server"]
        "1 if this validation server of [yubico] could be used when it was last asked.";
    VALIDATOR_ANSWERS Counter "doorward_validation_server_answers_total" ["server" "answer"]
        "What became of questions to it: decided, undecided, unreached (too late and broken off as well).";
    WATCHERS Gauge "doorward_watchers" [] "Who follows logins by `doorward watch`.";
}

/// Events that have a family of their own; all others are datagrams without an answer.
const OWN: [(&str, &Family); 4] = [
    ("received", &RECEIVED),
    ("answered", &ANSWERED),
    ("duplicate-answered", &REPEATED),
    ("status-server", &STATUS_SERVER),
];

/// Everything as text.
pub(super) fn text(seen: &Snapshot, meters: &Meters) -> String {
    let mut out = Exposition::default();
    out.family(&BUILD).number(&[seen.version], 1);
    out.family(&STARTED).number(&[], seen.started.unix_secs());
    out.family(&READY).number(&[], seen.is_ready().into());
    let mut confined = out.family(&CONFINED);
    for state in Confined::ALL {
        confined.number(&[state.as_str()], (state == seen.confined).into());
    }
    logins(&mut out, meters);
    let event = |(name, count): &(&'static str, u64)| (*name, *count);
    for (name, family) in OWN {
        let count = seen.events.iter().map(event).find(|(known, _)| *known == name);
        out.family(family).number(&[], count.map_or(0, |(_, count)| count));
    }
    let mut dropped = out.family(&DROPPED);
    for (name, count) in seen.events.iter().filter(|(name, _)| OWN.iter().all(|(own, _)| own != name)) {
        dropped.number(&[name], *count);
    }
    levels(&mut out, (&QUEUE, &QUEUE_LIMIT), &seen.queues);
    levels(&mut out, (&KEPT, &KEPT_LIMIT), &seen.kept);
    let mut certificates = out.family(&CERTIFICATE);
    for (section, ends) in &seen.certificates {
        certificates.number(&[section], ends.unix_secs());
    }
    let mut due = out.family(&REVOCATIONS_DUE);
    for (section, lists) in &seen.revocations {
        due.number(&[section], lists.due.unix_secs());
    }
    let mut ends = out.family(&REVOCATIONS);
    for (section, lists) in &seen.revocations {
        ends.number(&[section], lists.ends.unix_secs());
    }
    out.family(&STORE).number(&[], seen.store.is_up().into());
    out.family(&WRITABLE).number(&[], seen.writer.error.is_none().into());
    out.family(&COMMITS).number(&[], seen.writer.commits);
    out.family(&COMMIT_FAILURES).number(&[], seen.writer.failed);
    if let Some(redis) = &seen.redis {
        out.family(&REDIS).number(&[], matches!(redis, State::Up).into());
    }
    directories(&mut out, seen);
    let mut outbox = out.family(&OUTBOX);
    if let Some(counts) = &seen.outbox {
        for state in MessageState::ALL {
            let count = counts.iter().find(|(known, _)| *known == state).map_or(0, |(_, count)| *count);
            outbox.number(&[state.as_str()], count);
        }
    }
    let mut messages = out.family(&MESSAGES);
    for (sending, count) in meters.messages() {
        messages.number(&[sending.as_str()], count);
    }
    out.family(&LEFT).number(&[], seen.left.len() as u64);
    let mut validations = out.family(&VALIDATIONS);
    for (status, count) in meters.validations() {
        validations.number(&[status.as_str()], count);
    }
    let mut validators = out.family(&VALIDATOR);
    for server in &seen.validators {
        validators.number(&[&server.server], server.up.into());
    }
    let mut answers = out.family(&VALIDATOR_ANSWERS);
    for server in &seen.validators {
        for (answer, count) in server.answers {
            answers.number(&[&server.server, answer], count);
        }
    }
    out.family(&WATCHERS).number(&[], meters.feed.watchers() as u64);
    out.finish()
}

fn logins(out: &mut Exposition, meters: &Meters) {
    let mut logins = out.family(&LOGINS);
    for login in meters.logins() {
        let labels =
            [login.front.as_str(), login.how.as_str(), login.outcome.as_str(), login.reason.as_str()];
        logins.number(&labels, login.count);
    }
    let mut clients = out.family(&CLIENTS);
    for (front, client, outcomes) in meters.clients() {
        for outcome in Outcome::ALL {
            let count = outcomes.of(*outcome).get();
            clients.number(&[front.as_str(), &client, outcome.as_str()], count);
        }
    }
    let mut flows = out.family(&FLOWS);
    for (purpose, outcomes) in meters.flows() {
        for outcome in Outcome::ALL {
            flows.number(&[purpose.as_str(), outcome.as_str()], outcomes.of(*outcome).get());
        }
    }
    let mut undecided = out.family(&UNDECIDED);
    for (front, count) in meters.all_undecided() {
        undecided.number(&[front.as_str()], count);
    }
    let mut whole = out.family(&LOGIN_DURATION);
    for (front, durations) in meters.durations() {
        whole.durations(&[front.as_str()], &durations);
    }
    let mut stages = out.family(&STAGE_DURATION);
    for (stage, durations) in meters.stages() {
        stages.durations(&[stage.as_str()], &durations);
    }
}

fn levels(out: &mut Exposition, (family, limits): (&'static Family, &'static Family), levels: &[Level]) {
    let mut values = out.family(family);
    for level in levels {
        values.number(&[level.name], level.value as u64);
    }
    let mut most = out.family(limits);
    for level in levels {
        if let Some(limit) = level.limit {
            most.number(&[level.name], limit as u64);
        }
    }
}

fn directories(out: &mut Exposition, seen: &Snapshot) {
    let each = |out: &mut Exposition, family, value: &dyn Fn(usize) -> Option<u64>| {
        let mut samples = out.family(family);
        for (at, directory) in seen.directories.iter().enumerate() {
            if let Some(value) = value(at) {
                samples.number(&[&directory.progress.directory], value);
            }
        }
    };
    let all = &seen.directories;
    each(out, &DIRECTORY, &|at| all.get(at).map(|one| one.is_up().into()));
    let mut servers = out.family(&SERVER);
    for directory in all {
        for server in &directory.servers {
            servers.number(&[&directory.progress.directory, &server.url], server.up.into());
        }
    }
    let mut stages = out.family(&DIRECTORY_STAGE);
    for directory in all {
        for stage in Following::ALL {
            let is = directory.progress.stage == stage;
            stages.number(&[&directory.progress.directory, stage.as_str()], is.into());
        }
    }
    each(out, &PEOPLE, &|at| all.get(at).map(|one| one.progress.people as u64));
    each(out, &LAST_CHANGE, &|at| all.get(at)?.progress.last_change.map(|change| change.unix_secs()));
    each(out, &LOADS, &|at| all.get(at).map(|one| one.progress.loads));
    each(out, &FAILURES, &|at| all.get(at).map(|one| one.progress.failures));
    each(out, &CONFLICTS, &|at| all.get(at).map(|one| one.progress.conflicts.len() as u64));
}
