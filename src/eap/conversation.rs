//! One conversation, from the identity to Success or Failure. The drawing is at the top of the module.
//!
//! A response with another identifier than the last request's is ignored (RFC 3748 §4.1), so is what is no EAP. Whatever breaks a
//! method ends the conversation: nothing is tried a second time inside one.

use super::engine::{Handshake, Rustls};
use super::inner::Inner;
use super::peap::{Peap, PeapInside};
use super::sessions::{Claim, Ledger, Scope, Sessions};
use super::ttls::Ttls;
use super::tunnel::{Heard, Tunnel, TunnelError};
use super::{InnerMethod, NameKind, Settings};
use crate::base::{Secret, Timestamp};
use crate::domain::factor::FactorId;
use crate::domain::person::Person;
use crate::wire::eap::{Code, Flags, Method, Packet, failure, request, success};
use crate::wire::mschap::Exchange;
use crate::wire::x509::Names;
use std::fmt;
use std::sync::Arc;

/// What the login machine has to decide.
#[derive(Clone)]
pub enum Question {
    /// A password, with or without a passcode.
    Password {
        /// Whose, as it stands in the tunnel.
        identity: String,
        /// What was typed.
        password: Secret<Vec<u8>>,
        /// The peer can be asked once more.
        can_ask: bool,
    },
    /// An exchange of MSCHAPv2, which was made with a device's password or with nothing that is known here.
    Exchange {
        /// Whose, as it stands in the tunnel.
        identity: String,
        /// What was said.
        exchange: Exchange,
    },
    /// A certificate that TLS has verified, by the name that says whose it is.
    Certificate(String),
    /// A session that was resumed.
    Session(Claim),
}

impl fmt::Debug for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Question::Password { .. } => "a password",
            Question::Exchange { .. } => "an exchange of MSCHAPv2",
            Question::Certificate(_) => "a certificate",
            Question::Session(_) => "a session",
        })
    }
}

/// What it decided.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Let in.
    Accepted {
        /// Whom.
        person: Arc<Person>,
        /// By which device's password, and what proves to it that the server knows it.
        device: Option<(FactorId, String)>,
    },
    /// Ask this.
    Ask(String),
    /// Refused.
    Refused,
}

/// Why a conversation ended without a decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The peer wants a method that is not allowed here.
    #[error("the peer wants no method that is allowed here")]
    NoMethod,
    /// What the peer sent does not belong here.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
    /// Fragments or TLS failed.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// More requests or octets than allowed.
    #[error("it takes too many rounds or octets")]
    TooLong,
    /// The certificate says nobody.
    #[error("the certificate has no name of the kinds in eap.certificate_names")]
    Nameless,
    /// The login machine has refused.
    #[error("refused")]
    Refused,
}

/// What to do next.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// Send this request, and wait.
    Request(Vec<u8>),
    /// Decide [`Conversation::question`], and tell [`Conversation::decided`].
    Ask,
    /// It is over, and the peer is let in.
    Success {
        /// The packet.
        eap: [u8; 4],
        /// The keys.
        key: Secret<[u8; 64]>,
    },
    /// It is over.
    Failure {
        /// The packet.
        eap: [u8; 4],
        /// Why.
        why: Ended,
    },
    /// Stay silent.
    Ignore,
}

#[derive(Debug)]
enum Inside {
    Nothing,
    Ttls(Ttls),
    Peap(PeapInside),
}

#[derive(Debug)]
enum State {
    /// A method was begun; the peer may want another one.
    AwaitMethod,
    AwaitHandshake,
    /// The end of our handshake is on its way; the inside begins when the peer has it.
    AwaitQuiet,
    AwaitInner,
    AwaitDecision(Question),
    /// MSCHAPv2 was decided and its peer told: it has to agree before it is let in.
    AwaitAgreement(Option<Claim>),
    /// The last of ours is on its way to a peer that is let in, or told how it went.
    Closing(bool),
    /// An alert is on its way.
    AwaitFailure(Ended),
    Over,
}

/// Where and when a conversation is held.
#[derive(Debug, Clone)]
pub struct Place {
    /// Sessions that can be resumed.
    pub sessions: Arc<Sessions>,
    /// Digest of the client, its policy, and whom it trusts: a session is resumed where it began.
    pub client: [u8; 32],
    /// What may stand inside a tunnel, in the order in which it is offered.
    pub inner: Vec<InnerMethod>,
    /// Drawn for this conversation.
    pub challenge: [u8; 16],
    /// The present moment.
    pub now: Timestamp,
    /// Octets of an EAP packet that fit where the peer is, if known.
    pub mtu: Option<usize>,
}

/// A conversation.
pub struct Conversation {
    settings: Arc<Settings>,
    /// Methods that may still be tried, in order.
    methods: Vec<Method>,
    place: Place,
    ledger: Option<Arc<Ledger>>,
    packet: usize,
    identifier: u8,
    rounds: u32,
    octets: usize,
    tunnel: Option<Tunnel>,
    inside: Inside,
    state: State,
    method: Option<Method>,
}

impl fmt::Debug for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conversation by {:?}, round {}", self.method, self.rounds)
    }
}

impl Conversation {
    /// Begins one with whoever said who they are in a response with this `identifier`, with the first of `methods`.
    pub fn start(
        settings: Arc<Settings>,
        methods: Vec<Method>,
        place: Place,
        identifier: u8,
    ) -> (Self, Step) {
        let mtu = place.mtu.filter(|mtu| *mtu >= SMALLEST).unwrap_or(usize::MAX);
        let packet = mtu.min(settings.packet);
        let mut conversation = Self {
            settings,
            methods,
            place,
            ledger: None,
            packet,
            identifier,
            rounds: 0,
            octets: 0,
            tunnel: None,
            inside: Inside::Nothing,
            state: State::Over,
            method: None,
        };
        let step = conversation.begin(None);
        (conversation, step)
    }

    /// The method, once one was begun.
    pub const fn method(&self) -> Option<Method> {
        self.method
    }

    /// Why a peer is let in without a password: for the log.
    pub fn is_resumed(&self) -> bool {
        self.tunnel.as_ref().is_some_and(|tunnel| tunnel.handshake() == Handshake::Resumed)
    }

    /// What is to be decided.
    pub const fn question(&self) -> Option<&Question> {
        match &self.state {
            State::AwaitDecision(question) => Some(question),
            _ => None,
        }
    }

    /// Takes a response.
    pub fn receive(&mut self, bytes: &[u8]) -> Step {
        let Ok(packet) = Packet::decode(bytes) else { return Step::Ignore };
        let (Code::Response, Some(method)) = (packet.code, packet.method) else { return Step::Ignore };
        if packet.identifier != self.identifier {
            return Step::Ignore;
        }
        self.octets = self.octets.saturating_add(bytes.len());
        if self.octets > self.settings.octets || self.rounds >= self.settings.rounds {
            return self.fail(Ended::TooLong);
        }
        match (&self.state, method) {
            (State::AwaitMethod, Method::NAK) => self.begin(Some(packet.data)),
            (State::Over | State::AwaitDecision(_), _) => Step::Ignore,
            (_, method) if Some(method) == self.method => {
                self.step(packet.data).unwrap_or_else(|ended| self.broken(ended))
            }
            _ => self.fail(Ended::Unexpected("a response by another method")),
        }
    }

    /// Begins the first method that the peer wants.
    fn begin(&mut self, wanted: Option<&[u8]>) -> Step {
        let fits = |method: &Method| wanted.is_none_or(|wanted| wanted.contains(&method.0));
        let found = self.methods.iter().position(fits).map(|at| self.methods.remove(at));
        let config = found.and_then(|method| self.settings.tls_of(method).map(|config| (method, config)));
        let Some((method, config)) = config else { return self.fail(Ended::NoMethod) };
        let Place { sessions, client, now, .. } = &self.place;
        let enabled = !self.settings.session_lifetime.is_zero();
        let ledger = Ledger::new(sessions, Scope { client: *client, method }, *now, enabled);
        let mut config = (*config).clone();
        config.session_storage = Arc::clone(&ledger) as Arc<_>;
        self.ledger = Some(ledger);
        let engine = match Rustls::new(Arc::new(config)) {
            Ok(engine) => Box::new(engine),
            Err(error) => return self.fail(TunnelError::from(error).into()),
        };
        self.tunnel = Some(Tunnel::new(method, engine, self.packet));
        self.inside = match method {
            Method::TTLS => Inside::Ttls(Ttls::new(&self.place.inner, self.place.challenge)),
            Method::PEAP => Inside::Peap(PeapInside::new(&self.place.inner, self.place.challenge)),
            _ => Inside::Nothing,
        };
        self.method = Some(method);
        self.state = State::AwaitMethod;
        self.request(&[Flags::START])
    }

    fn request(&mut self, data: &[u8]) -> Step {
        let Some(method) = self.method else { return self.fail(Ended::NoMethod) };
        self.identifier = self.identifier.wrapping_add(1);
        self.rounds += 1;
        Step::Request(request(self.identifier, method, data))
    }

    /// The next part of ours, or nothing but flags.
    fn part(&mut self) -> Step {
        let data = self.tunnel.as_mut().map(Tunnel::part).unwrap_or_default();
        self.request(&data)
    }

    /// The session that was resumed is worth nothing any more.
    fn void(&self) {
        if let Some(ledger) = &self.ledger {
            ledger.void();
        }
    }

    fn fail(&mut self, why: Ended) -> Step {
        self.void();
        self.state = State::Over;
        Step::Failure { eap: failure(self.identifier), why }
    }

    /// Ends it; an alert is sent first if there is one.
    fn broken(&mut self, why: Ended) -> Step {
        let alert = matches!(why, Ended::Tunnel(TunnelError::Tls(_)))
            && self.tunnel.as_mut().is_some_and(Tunnel::flush);
        if !alert {
            return self.fail(why);
        }
        self.state = State::AwaitFailure(why);
        self.part()
    }

    fn step(&mut self, data: &[u8]) -> Result<Step, Ended> {
        if matches!(self.state, State::AwaitFailure(_)) {
            return Ok(self.after_alert(data));
        }
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        let heard = tunnel.receive(data)?;
        match heard {
            Heard::Part => return Ok(self.request(&[0])),
            Heard::Next => return Ok(self.part()),
            Heard::Message | Heard::Acknowledged => {}
        }
        let message = heard == Heard::Message;
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitMethod | State::AwaitHandshake if message => self.handshake(),
            State::AwaitQuiet if !message => self.begin_inside(),
            State::AwaitInner if message => self.inside(),
            State::AwaitAgreement(claim) => self.agreed(claim, message),
            State::Closing(success) if !message || matches!(self.inside, Inside::Peap(_)) => {
                self.close(success, message)
            }
            _ => Err(Ended::Unexpected("this response is not what was asked for")),
        }
    }

    fn after_alert(&mut self, data: &[u8]) -> Step {
        let more = self.tunnel.as_mut().is_some_and(|tunnel| tunnel.receive(data) == Ok(Heard::Next));
        if more {
            return self.part();
        }
        match std::mem::replace(&mut self.state, State::Over) {
            State::AwaitFailure(why) => self.fail(why),
            _ => Step::Ignore,
        }
    }

    fn handshake(&mut self) -> Result<Step, Ended> {
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        match tunnel.handshake() {
            Handshake::Underway => {
                tunnel.flush();
                self.state = State::AwaitHandshake;
                Ok(self.part())
            }
            Handshake::Resumed => {
                let claim = self.ledger.as_ref().and_then(|ledger| ledger.claim());
                let claim = claim.ok_or(Ended::Unexpected("a session of nobody"))?;
                Ok(self.ask(Question::Session(claim)))
            }
            Handshake::Full => match self.inside {
                Inside::Nothing => {
                    let name = self.certificate_name().ok_or(Ended::Nameless)?;
                    Ok(self.ask(Question::Certificate(name)))
                }
                Inside::Ttls(_) => self.inside(),
                Inside::Peap(_) if tunnel.is_tls13() => self.begin_inside(),
                Inside::Peap(_) => {
                    tunnel.flush();
                    self.state = State::AwaitQuiet;
                    Ok(self.part())
                }
            },
        }
    }

    /// The name in the peer's certificate: of the first kind that it has.
    fn certificate_name(&self) -> Option<String> {
        let names = Names::of(self.tunnel.as_ref()?.peer_certificate()?)?;
        let first = |kind: &NameKind| {
            let list = match kind {
                NameKind::Upn => &names.upn,
                NameKind::Email => &names.email,
                NameKind::Dns => &names.dns,
                NameKind::Common => &names.common,
            };
            list.first().cloned()
        };
        self.settings.names.iter().find_map(first)
    }

    /// Opens the inside of PEAP.
    fn begin_inside(&mut self) -> Result<Step, Ended> {
        let Inside::Peap(inside) = &mut self.inside else { return Err(Ended::NoMethod) };
        let request = inside.start();
        self.state = State::AwaitInner;
        self.through_tunnel(&request)
    }

    fn through_tunnel(&mut self, plain: &[u8]) -> Result<Step, Ended> {
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        tunnel.write(plain)?;
        tunnel.flush();
        Ok(self.part())
    }

    /// Takes what came through the tunnel.
    fn inside(&mut self) -> Result<Step, Ended> {
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        let plain = tunnel.read();
        if plain.expose().is_empty() {
            // The end of the handshake, and nothing yet.
            tunnel.flush();
            self.state = State::AwaitInner;
            return Ok(self.part());
        }
        let inner = match &mut self.inside {
            Inside::Ttls(ttls) => ttls.receive(plain.expose(), &tunnel.challenge()?)?,
            Inside::Peap(peap) => match peap.receive(plain.expose())? {
                Peap::Inner(inner) => inner,
                Peap::Result(_) => return Err(Ended::Unexpected("a result before its time")),
            },
            Inside::Nothing => return Err(Ended::Unexpected("data in the tunnel of EAP-TLS")),
        };
        match inner {
            Inner::Send(request) => {
                self.state = State::AwaitInner;
                self.through_tunnel(&request)
            }
            Inner::Ask(question) => Ok(self.ask(question)),
            Inner::Agreed(_) => Err(Ended::Unexpected("an end of MSCHAPv2 before its time")),
        }
    }

    fn ask(&mut self, question: Question) -> Step {
        self.state = State::AwaitDecision(question);
        Step::Ask
    }

    /// Takes the answer to the question.
    pub fn decided(&mut self, answer: Answer) -> Step {
        let State::AwaitDecision(question) = std::mem::replace(&mut self.state, State::Over) else {
            return Step::Ignore;
        };
        let step = match answer {
            Answer::Accepted { person, device } => self.decided_well(&question, &person, device),
            Answer::Ask(prompt) => self.prompt(&prompt),
            Answer::Refused => match self.tell(None) {
                Some(told) => {
                    self.state = State::AwaitAgreement(None);
                    self.through_tunnel(&told)
                }
                None => self.refused(),
            },
        };
        step.unwrap_or_else(|ended| self.broken(ended))
    }

    fn prompt(&mut self, prompt: &str) -> Result<Step, Ended> {
        let request = match &mut self.inside {
            Inside::Ttls(ttls) => ttls.prompt(prompt),
            Inside::Peap(peap) => peap.prompt(prompt),
            Inside::Nothing => return Err(Ended::Refused),
        };
        self.state = State::AwaitInner;
        self.through_tunnel(&request)
    }

    fn refused(&mut self) -> Result<Step, Ended> {
        self.void();
        let Inside::Peap(inside) = &mut self.inside else { return Err(Ended::Refused) };
        let result = inside.result(false);
        self.state = State::Closing(false);
        self.through_tunnel(&result)
    }

    /// Tells a peer of MSCHAPv2 how it went; `None` if it speaks another method, or is told by the end alone.
    fn tell(&mut self, proof: Option<&str>) -> Option<Vec<u8>> {
        match &mut self.inside {
            Inside::Ttls(ttls) => ttls.tell(proof),
            Inside::Peap(peap) => peap.tell(proof),
            Inside::Nothing => None,
        }
    }

    fn decided_well(
        &mut self,
        question: &Question,
        person: &Person,
        device: Option<(FactorId, String)>,
    ) -> Result<Step, Ended> {
        if let Question::Session(claim) = question {
            // Its life counts from the login.
            return self.accepted(claim, true);
        }
        let claim = Claim {
            person: person.id,
            version: person.version,
            device: device.as_ref().map(|(factor, _)| *factor),
            username: person.username.as_str().to_owned(),
            until: self.place.now + self.settings.session_lifetime,
        };
        let told = device.and_then(|(_, proof)| self.tell(Some(&proof)));
        match told {
            Some(told) => {
                self.state = State::AwaitAgreement(Some(claim));
                self.through_tunnel(&told)
            }
            None => self.accepted(&claim, false),
        }
    }

    /// The peer of MSCHAPv2 has seen how it went.
    fn agreed(&mut self, claim: Option<Claim>, message: bool) -> Result<Step, Ended> {
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        let plain = tunnel.read();
        let agreed = match &mut self.inside {
            Inside::Ttls(ttls) if ttls.is_by_attributes() => !message || plain.expose().is_empty(),
            Inside::Ttls(ttls) => {
                matches!(ttls.receive(plain.expose(), &tunnel.challenge()?)?, Inner::Agreed(true))
            }
            Inside::Peap(peap) => {
                matches!(peap.receive(plain.expose())?, Peap::Inner(Inner::Agreed(true)))
            }
            Inside::Nothing => false,
        };
        match claim {
            Some(claim) if agreed => self.accepted(&claim, false),
            Some(_) => Err(Ended::Unexpected("the peer does not believe that the server knows the password")),
            None => self.refused(),
        }
    }

    fn accepted(&mut self, claim: &Claim, resumed: bool) -> Result<Step, Ended> {
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        self.state = State::Closing(true);
        // What can be resumed is on its way to the peer only now.
        if let Some(ledger) = &self.ledger {
            ledger.commit(claim);
        }
        if let Inside::Peap(inside) = &mut self.inside {
            let result = inside.result(true);
            return self.through_tunnel(&result);
        }
        // That nothing more follows (RFC 9190 §2.5, RFC 9427 §2.3).
        if tunnel.is_tls13() && (resumed || tunnel.method == Method::TLS) {
            tunnel.write(&[0])?;
        }
        if tunnel.flush() {
            return Ok(self.part());
        }
        self.succeed()
    }

    /// The peer has the last of ours.
    fn close(&mut self, success: bool, message: bool) -> Result<Step, Ended> {
        let Inside::Peap(inside) = &mut self.inside else { return self.succeed() };
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        let plain = tunnel.read();
        let agreed = matches!(inside.receive(plain.expose())?, Peap::Result(true));
        match (success, message && agreed) {
            (true, true) => self.succeed(),
            (true, false) => Err(Ended::Unexpected("the peer does not agree that it went well")),
            (false, _) => Err(Ended::Refused),
        }
    }

    fn succeed(&mut self) -> Result<Step, Ended> {
        let Some(tunnel) = &self.tunnel else { return Err(Ended::NoMethod) };
        let key = tunnel.key()?;
        self.state = State::Over;
        Ok(Step::Success { eap: success(self.identifier), key })
    }
}

/// A Framed-MTU below that is not believed: no handshake would come to its end.
const SMALLEST: usize = 64;
