//! One round of an EAP conversation: from the response in an Access-Request to what is answered.
//!
//! | the request carries | |
//! |---|---|
//! | an identity, whatever State is with it; no State and nothing (RFC 3579 §2.1) | a conversation begins |
//! | the State of a conversation's present round | it goes on |
//! | the State before, with the same response | the same request again (RFC 5080 §2.2.2) |
//! | the State of one that is being decided | silence |
//! | any other State | a refusal, so that the device begins anew |
//!
//! What the login machine could not decide gets no answer, and stays where it is: the response may come again.

mod report;

use super::conversations::{Conversations, Decided, Found, Held, New, Open, RoundState};
use super::counters::{Counters, Event};
use super::job::Job;
use super::workers::Workers;
use crate::base::Secret;
use crate::config::{Client, Config, Eap};
use crate::domain::login::{How, Vouched};
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::eap::{
    Answer, Claim, Conversation, Ended, InnerMethod, Place, Question, Sessions, Step, TlsFailure, TunnelError,
};
use crate::engine::devices::DeviceVerdict;
use crate::engine::login::{Gatekeeper, Round, State, Undecided, Verdict};
use crate::engine::meters::{Front, Outcome, Timing};
use crate::engine::warnings::Warnings;
use crate::wire::eap::{Code, Method, Packet, failure, request};
use crate::wire::mschap::Exchange;
use report::decided_by;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Octets that 802.1X puts before an EAP packet, for which Framed-MTU must leave room (RFC 3579 §2.4, RFC 3580 §3.10).
const EAPOL: usize = 4;

/// What all readers share.
#[derive(Debug)]
pub(super) struct Wifi {
    conversations: Arc<Conversations>,
    sessions: Arc<Sessions>,
    workers: Workers,
    counters: Arc<Counters>,
    warnings: Warnings,
}

/// What is answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// A request, in an Access-Challenge. Without a State where nothing is kept.
    Request(Vec<u8>, Option<RoundState>),
    /// Success and keys, in an Access-Accept.
    Success { eap: [u8; 4], key: Secret<[u8; 64]>, person: Arc<Person> },
    /// Failure, in an Access-Reject.
    Failure { eap: [u8; 4] },
    /// Nothing.
    Silence(Event),
}

/// A round under way.
struct Turn<'a> {
    gatekeeper: &'a Gatekeeper,
    config: &'a Config,
    client: &'a Client,
    eap: &'a Eap,
    request: Uuid,
    peer: IpAddr,
    timing: Timing,
    calling_station: &'a str,
    username: &'a str,
    workers: &'a Workers,
}

impl Wifi {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self {
            conversations: Arc::default(),
            sessions: Sessions::new(0),
            workers: Workers::default(),
            counters,
            warnings: Warnings::default(),
        }
    }

    /// Conversations under way.
    pub(super) fn conversations(&self) -> usize {
        self.conversations.len()
    }

    /// Sessions that can be resumed.
    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Steps of handshakes that wait.
    pub(super) fn handshakes(&self) -> usize {
        self.workers.waiting()
    }

    /// Takes an EAP message.
    pub(super) async fn decide(
        &self,
        gatekeeper: &Gatekeeper,
        job: &Job,
        eap: &Eap,
        message: &[u8],
    ) -> Result<Reply, Undecided> {
        let Job { config, client, wanted, request, peer, timing } = job;
        let turn = Turn {
            gatekeeper,
            config,
            client,
            eap,
            request: *request,
            peer: *peer,
            timing: *timing,
            calling_station: &wanted.calling_station,
            username: &wanted.username,
            workers: &self.workers,
        };
        let identity = Packet::decode(message).is_ok_and(|packet| packet.method == Some(Method::IDENTITY));
        let Some(state) = wanted.state.as_ref().filter(|_| !identity) else {
            return self.begin(&turn, job, message).await;
        };
        match self.conversations.take(state, &client.name, message, (timing.since, eap.lifetime)) {
            Found::Open(held, undecided) => turn.go_on(held, message, undecided).await,
            Found::Repeated(request, state) => Ok(Reply::Request(request, Some(state))),
            Found::Busy => Ok(Reply::Silence(Event::DuplicateInFlight)),
            Found::Unknown => Ok(turn.unknown(message)),
        }
    }

    /// Begins a conversation with whoever says who they are.
    async fn begin(&self, turn: &Turn<'_>, job: &Job, message: &[u8]) -> Result<Reply, Undecided> {
        if message.is_empty() {
            return Ok(Reply::Request(request(0, Method::IDENTITY, &[]), None));
        }
        let Ok(packet) = Packet::decode(message) else { return Ok(Reply::Silence(Event::EapMalformed)) };
        if (packet.code, packet.method) != (Code::Response, Some(Method::IDENTITY)) {
            return Ok(turn.unknown(message));
        }
        self.sessions.set_limit(turn.eap.sessions);
        let place = Place {
            sessions: Arc::clone(&self.sessions),
            client: turn.scope(),
            inner: turn.inner(),
            challenge: turn.fresh(),
            now: turn.gatekeeper.clock.now(),
            mtu: job.wanted.framed_mtu.and_then(|mtu| usize::try_from(mtu).ok()?.checked_sub(EAPOL)),
        };
        let methods = turn.eap.methods.iter().copied();
        let methods = methods.filter(|method| turn.client.eap.methods.contains(method)).collect();
        let settings = Arc::clone(&turn.eap.settings);
        let (conversation, step) = Conversation::start(settings, methods, place, packet.identifier);
        let identity = String::from_utf8_lossy(packet.data).into_owned();
        let (client, now) = (turn.client.name.clone(), job.timing.since);
        let new = New { conversation, client, peer: turn.peer, identity, now };
        let bounds = (turn.eap.conversations, turn.eap.lifetime);
        let (held, left) = self.conversations.begin(new, turn.fresh(), bounds);
        left.iter().for_each(|open| self.note_left(open, now));
        turn.step(held, step).await
    }
}

impl Turn<'_> {
    fn fresh(&self) -> [u8; 16] {
        let mut fresh = [0; 16];
        self.gatekeeper.random.fill(&mut fresh);
        fresh
    }

    /// What must be the same for a session to be resumed: the client with its policy, and whom the server trusts.
    fn scope(&self) -> [u8; 32] {
        let mut scope = self.client.eap.scope;
        scope.iter_mut().zip(self.eap.trust).for_each(|(place, octet)| *place ^= octet);
        scope
    }

    /// What may stand inside a tunnel here.
    fn inner(&self) -> Vec<InnerMethod> {
        let devices = self.client.eap.device_passwords;
        let taken = |inner: &InnerMethod| devices || *inner != InnerMethod::Mschapv2;
        self.eap.inner.iter().copied().filter(taken).collect()
    }

    /// Nobody waits for this.
    fn unknown(&self, message: &[u8]) -> Reply {
        match Packet::decode(message) {
            Ok(packet) => {
                self.report(None, (Outcome::Reject, Reason::EapBroken, How::Nothing), "");
                Reply::Failure { eap: failure(packet.identifier) }
            }
            Err(_) => Reply::Silence(Event::EapMalformed),
        }
    }

    async fn go_on(&self, mut held: Held, message: &[u8], undecided: bool) -> Result<Reply, Undecided> {
        let Some(open) = held.open() else { return Ok(self.unknown(message)) };
        // What could not be decided before waits where it was.
        let step = match open.conversation.question() {
            Some(_) if undecided => Step::Ask,
            _ if open.conversation.is_costly(message) => {
                let message = message.to_vec();
                let work = move || {
                    let step = held.open().map(|open| open.conversation.receive(&message));
                    (held, step)
                };
                return match self.workers.run(work).await {
                    Some((held, Some(step))) => self.step(held, step).await,
                    _ => Ok(Reply::Silence(Event::Faulty)),
                };
            }
            _ => open.conversation.receive(message),
        };
        self.step(held, step).await
    }

    async fn step(&self, mut held: Held, mut step: Step) -> Result<Reply, Undecided> {
        loop {
            let Some(open) = held.open() else { return Ok(Reply::Silence(Event::Faulty)) };
            match step {
                Step::Ignore => {
                    held.ignore();
                    return Ok(Reply::Silence(Event::EapMalformed));
                }
                Step::Request(request) => {
                    let state = held.wait(&request, self.fresh());
                    return Ok(Reply::Request(request, Some(state)));
                }
                Step::Ask => {
                    let Some(question) = open.conversation.question().cloned() else {
                        return Ok(Reply::Silence(Event::Faulty));
                    };
                    let answer = match question {
                        Question::Exchange { identity, exchange } => {
                            open.username = Some(self.without_realm(&identity).to_owned());
                            let verdict = self.device(&identity, exchange).await?;
                            device_answer(open, verdict)
                        }
                        question => {
                            open.username = Some(self.username_of(&question).to_owned());
                            let (verdict, how) = self.ask(&question, open.login).await?;
                            (open.login, open.how) = (None, how);
                            answer(open, verdict)
                        }
                    };
                    step = open.conversation.decided(answer);
                    // Who was told inside the tunnel need not ask for the end, and guesses on unseen.
                    if let (Some(Decided::Refused(reason)), Step::Request(_)) = (&open.decided, &step) {
                        let reason = *reason;
                        self.report_failure(open, reason, &Ended::Refused);
                    }
                }
                Step::Success { eap, key } => {
                    let decided = open.decided.take();
                    let Some(Decided::Accepted(person, reason)) = decided else {
                        held.end();
                        return Ok(Reply::Silence(Event::Faulty));
                    };
                    self.report(Some(open), (Outcome::Accept, reason, decided_by(open, reason)), "");
                    held.end();
                    return Ok(Reply::Success { eap, key, person });
                }
                Step::Failure { eap, why } => {
                    let reason = failed(open, &why);
                    self.report_failure(open, reason, &why);
                    held.end();
                    if reason == Reason::CertificateRefused {
                        self.note_refusal(reason).await?;
                    }
                    return Ok(Reply::Failure { eap });
                }
            }
        }
    }

    /// A round of the login machine.
    fn round<'r>(&'r self, id: &'r str, username: &'r str) -> Round<'r> {
        Round {
            request: id,
            front: Front::Eap,
            timing: self.timing,
            peer: Some(self.peer),
            client: &self.client.name,
            outcomes: None,
            purpose: Purpose::Login,
            policy: &self.client.policy,
            username,
            typed: None,
            device: None,
            language: None,
            vouched: None,
            state: None,
            origin: self.calling_station,
            crowd: None,
            reach: None,
            join: None,
        }
    }

    /// Has it decide on an exchange of MSCHAPv2.
    async fn device(&self, identity: &str, exchange: Exchange) -> Result<DeviceVerdict, Undecided> {
        let mut name = [0; uuid::fmt::Simple::LENGTH];
        let id = self.request.simple().encode_lower(&mut name);
        let round = self.round(id, self.without_realm(identity));
        self.gatekeeper.device_login(self.config, round, exchange).await
    }

    /// Has the login machine decide.
    async fn ask(&self, question: &Question, login: Option<State>) -> Result<(Verdict, How), Undecided> {
        let mut name = [0; uuid::fmt::Simple::LENGTH];
        let id = self.request.simple().encode_lower(&mut name);
        let mut round = self.round(id, self.username_of(question));
        match question {
            Question::Password { password, can_ask, .. } => {
                round.typed = Some(password.clone());
                round.state = login.as_ref().map(|state| &state[..]);
                if !can_ask {
                    round.policy = &self.client.eap.unasked;
                }
            }
            // It goes another way.
            Question::Exchange { .. } => {}
            Question::Certificate(_) => round.vouched = Some(Vouched::Certificate),
            Question::Session(claim) => {
                let Claim { person, version, reason, factor, .. } = *claim;
                round.vouched = Some(Vouched::Session { person, version, reason, factor });
            }
        }
        self.gatekeeper.decide_within(self.config, &round).await
    }

    fn username_of<'q>(&self, question: &'q Question) -> &'q str {
        match question {
            Question::Password { identity: name, .. }
            | Question::Exchange { identity: name, .. }
            | Question::Certificate(name) => self.without_realm(name),
            Question::Session(claim) => &claim.username,
        }
    }

    /// The name, without a realm that `eap.realms` has. One of a directory stays: without it the name could be that of somebody in
    /// another one.
    fn without_realm<'n>(&self, name: &'n str) -> &'n str {
        let known = |realm: &str| {
            self.eap.realms.contains(&realm.to_lowercase()) && !self.config.realms.contains(realm)
        };
        name.rsplit_once('@').filter(|(_, realm)| known(realm)).map_or(name, |(name, _)| name)
    }

    /// Nobody logged in, so there would be nothing in the audit trail.
    async fn note_refusal(&self, reason: Reason) -> Result<(), Undecided> {
        let mut name = [0; uuid::fmt::Simple::LENGTH];
        let id = self.request.simple().encode_lower(&mut name);
        self.gatekeeper.refuse(self.config, self.round(id, self.username), reason).await?;
        Ok(())
    }
}

/// What the conversation is told of a verdict.
fn answer(open: &mut Open, verdict: Verdict) -> Answer {
    match verdict {
        Verdict::Accept { person, reason, factor } => {
            open.decided = Some(Decided::Accepted(Arc::clone(&person), reason));
            Answer::Accepted { person, reason, factor, proof: None }
        }
        Verdict::Challenge { prompt, state, .. } => {
            open.login = Some(state);
            Answer::Ask(prompt)
        }
        Verdict::Reject { reason, .. } => {
            open.decided = Some(Decided::Refused(reason));
            Answer::Refused
        }
    }
}

/// The same of a verdict on a device's password.
fn device_answer(open: &mut Open, verdict: DeviceVerdict) -> Answer {
    match verdict {
        DeviceVerdict::Accept { person, factor, proven, .. } => {
            let reason = Reason::DevicePassword;
            open.decided = Some(Decided::Accepted(Arc::clone(&person), reason));
            let proof = Some(proven.authenticator_response.clone());
            Answer::Accepted { person, reason, factor: Some(factor), proof }
        }
        DeviceVerdict::Reject { reason, .. } => {
            open.decided = Some(Decided::Refused(reason));
            Answer::Refused
        }
    }
}

/// Why it ended, for counters and log.
fn failed(open: &Open, why: &Ended) -> Reason {
    match (why, &open.decided) {
        (Ended::Refused, Some(Decided::Refused(reason))) => *reason,
        (Ended::NoMethod, _) => Reason::EapMethod,
        (Ended::Nameless | Ended::Tunnel(TunnelError::Tls(TlsFailure::Certificate(_))), _) => {
            Reason::CertificateRefused
        }
        _ => Reason::EapBroken,
    }
}
