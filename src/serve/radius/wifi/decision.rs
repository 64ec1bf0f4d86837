//! What a conversation asks, and what the login machine makes of it. Nothing here knows whether anybody still waits for it.

use crate::config::{Client, Config};
use crate::domain::directory::split_realm;
use crate::domain::login::{How, Vouched};
use crate::domain::reason::Reason;
use crate::eap::{Answer, Claim, Ended, Question, Step, TlsFailure, TunnelError};
use crate::engine::devices::DeviceVerdict;
use crate::engine::login::{Gatekeeper, Round, State, Undecided, Verdict};
use crate::engine::meters::{Front, Timing};
use crate::engine::refused::Refusal;
use crate::serve::radius::conversations::{Decided, Held, Open};
use crate::serve::radius::job::Job;
use crate::wire::mschap::Exchange;
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// What a decision needs, also where the request that wanted it is over before.
pub(super) struct Ground {
    pub(super) gatekeeper: Arc<Gatekeeper>,
    pub(super) config: Arc<Config>,
    pub(super) client: Arc<Client>,
    pub(super) request: Uuid,
    pub(super) peer: IpAddr,
    pub(super) timing: Timing,
    pub(super) station: String,
    pub(super) username: String,
}

impl Ground {
    pub(super) fn new(gatekeeper: Arc<Gatekeeper>, job: &Job) -> Self {
        Self {
            gatekeeper,
            config: Arc::clone(&job.config),
            client: Arc::clone(&job.client),
            request: job.request,
            peer: job.peer,
            timing: job.timing,
            station: job.wanted.calling_station.to_string(),
            username: job.wanted.username.to_string(),
        }
    }

    /// Has what a conversation asks decided, and leaves with it what comes of that.
    pub(super) async fn settle(&self, held: &mut Held) -> Result<(), Undecided> {
        let Some(open) = held.open() else { return Ok(()) };
        let Some(question) = open.conversation.question().cloned() else { return Ok(()) };
        let answer = match question {
            Question::Exchange { identity, exchange } => {
                open.username = Some(self.without_realm(&identity).to_owned());
                let verdict = self.device(&identity, exchange).await?;
                self.device_answer(open, verdict)
            }
            question => {
                open.username = Some(self.username_of(&question).to_owned());
                let (verdict, how) = self.ask(&question, open.login).await?;
                (open.login, open.how) = (None, how);
                self.answer(open, verdict)
            }
        };
        let step = open.conversation.decided(answer);
        // Who is told inside the tunnel need not ask for the end, and guesses on unseen.
        if let (Some(Decided::Refused(reason, _)), Step::Request(_)) = (&open.decided, &step) {
            let reason = *reason;
            self.report_failure(open, reason, &Ended::Refused);
        }
        open.came = Some(step);
        Ok(())
    }

    /// Writes down that it failed: nobody logged in, or came to the end of it, so the trail does not say so.
    pub(super) async fn note(&self, held: &mut Held) -> Result<(), Undecided> {
        let Some(open) = held.open() else { return Ok(()) };
        let Some(Step::Failure { why, .. }) = &open.came else { return Ok(()) };
        let (reason, claims) = (failed(open, why), open.conversation.claimed(why));
        let (person, request) = match &open.decided {
            Some(Decided::Accepted { person, request, .. }) => (Some(person), *request),
            _ => (None, self.request),
        };
        let refusal = Refusal {
            request,
            front: Front::Eap,
            client: &self.client.name,
            username: person.map_or(&*self.username, |person| person.username.as_str()),
            person: person.map(|person| person.id),
            reason,
            claims: claims.as_deref(),
        };
        self.gatekeeper.refused(&self.config, refusal).await?;
        open.noted = true;
        Ok(())
    }

    /// A round of the login machine.
    fn round<'r>(&'r self, id: &'r str, username: &'r str) -> Round<'r> {
        let Client { name, policy, .. } = &*self.client;
        let round = Round::new((Front::Eap, self.timing), id, name, policy, username);
        Round { peer: Some(self.peer), origin: &self.station, ..round }
    }

    /// Has it decide on an exchange of MSCHAPv2.
    async fn device(&self, identity: &str, exchange: Exchange) -> Result<DeviceVerdict, Undecided> {
        let mut name = [0; uuid::fmt::Simple::LENGTH];
        let id = self.request.simple().encode_lower(&mut name);
        let round = self.round(id, self.without_realm(identity));
        self.gatekeeper.device_login(&self.config, round, exchange).await
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
                let Claim { person, version, reason, factors, .. } = *claim;
                round.vouched = Some(Vouched::Session { person, version, reason, factors });
            }
        }
        self.gatekeeper.decide_within(&self.config, &round).await
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
        let eap = self.config.eap.as_ref();
        let known = |realm: &str| {
            eap.is_some_and(|eap| eap.realms.contains(&realm.to_lowercase()))
                && !self.config.realms.contains(realm)
        };
        // Of a name with both, what stands before it may be a directory's.
        let behind = name.rsplit_once('@').filter(|(_, realm)| known(realm));
        let either = || split_realm(name).filter(|(_, realm)| known(realm));
        behind.or_else(either).map_or(name, |(name, _)| name)
    }

    /// What the conversation is told of a verdict.
    fn answer(&self, open: &mut Open, verdict: Verdict) -> Answer {
        match verdict {
            Verdict::Accept { person, reason, factors } => {
                let request = self.request;
                open.decided = Some(Decided::Accepted { person: Arc::clone(&person), reason, request });
                Answer::Accepted { person, reason, factors, proof: None }
            }
            Verdict::Challenge { prompt, state, .. } => {
                open.login = Some(state);
                Answer::Ask(prompt)
            }
            Verdict::Reject { reason, .. } => {
                open.decided = Some(Decided::Refused(reason, self.request));
                Answer::Refused
            }
        }
    }

    /// The same of a verdict on a device's password.
    fn device_answer(&self, open: &mut Open, verdict: DeviceVerdict) -> Answer {
        match verdict {
            DeviceVerdict::Accept { person, factor, proven, .. } => {
                let (reason, request) = (Reason::DevicePassword, self.request);
                open.how = How::of(reason);
                open.decided = Some(Decided::Accepted { person: Arc::clone(&person), reason, request });
                let proof = Some(proven.authenticator_response.clone());
                Answer::Accepted { person, reason, factors: [Some(factor), None], proof }
            }
            DeviceVerdict::Reject { reason, .. } => {
                open.decided = Some(Decided::Refused(reason, self.request));
                Answer::Refused
            }
        }
    }
}

/// Why it ended, for counters, log and trail.
pub(super) fn failed(open: &Open, why: &Ended) -> Reason {
    match (why, &open.decided) {
        (_, Some(Decided::Accepted { .. })) => Reason::EapUnfinished,
        (Ended::Refused, Some(Decided::Refused(reason, _))) => *reason,
        (Ended::NoMethod, _) => Reason::EapMethod,
        (Ended::Nameless | Ended::Tunnel(TunnelError::Tls(TlsFailure::Certificate { .. })), _) => {
            Reason::CertificateRefused
        }
        _ => Reason::EapBroken,
    }
}

/// Whether this is written down here. Of the others the login machine has done it, or there was nobody.
pub(super) const fn is_noted(reason: Reason) -> bool {
    matches!(reason, Reason::CertificateRefused | Reason::EapUnfinished)
}
