//! One conversation, from the identity to Success or Failure. The drawing is at the top of the module.
//!
//! A response with another identifier than the last request's is ignored (RFC 3748 §4.1), so is one by another method (RFC 4137 §5.4), and
//! what is no EAP: whoever gets a stray packet in ends nothing by it. Whatever breaks a method ends the conversation: nothing is tried
//! a second time inside one.

mod decided;

use super::engine::{Handshake, Progress, Rustls, TlsFailure};
use super::inner::Inner;
use super::peap::{Peap, PeapInside};
use super::question::{Ended, Place, Question, Step};
use super::sessions::{Claim, Ledger, Scope};
use super::ttls::Ttls;
use super::tunnel::{Heard, Tunnel, TunnelError};
use super::{Cost, NameKind, Settings};
use crate::base::Timestamp;
use crate::wire::eap::{Code, Flags, Fragment, Method, Packet, failure, request};
use crate::wire::x509::{Facts, Names};
use std::fmt;
use std::sync::Arc;

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
    /// The last of ours is on its way to a peer that is let in, whose session is worth this; or is told that it is not.
    Closing(Option<Claim>),
    /// An alert is on its way.
    AwaitFailure(Ended),
    Over,
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
        mut methods: Vec<Method>,
        place: Place,
        identifier: u8,
    ) -> (Self, Step) {
        methods.retain(|method| settings.offers(*method, &place.inner));
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
        self.tunnel.as_ref().is_some_and(|tunnel| tunnel.progress() == Progress::Over(Handshake::Resumed))
    }

    /// What is to be decided.
    pub const fn question(&self) -> Option<&Question> {
        match &self.state {
            State::AwaitDecision(question) => Some(question),
            _ => None,
        }
    }

    /// What taking this response may cost at most.
    pub fn cost(&self, response: &[u8]) -> Cost {
        let Some(tunnel) = &self.tunnel else { return Cost::Light };
        let cost = match (&self.state, tunnel.progress()) {
            (State::AwaitHandshake, Progress::Underway(Handshake::Resumed)) => Cost::Light,
            // The certificate of the peer, whose keys are as large as they are. One of TLS 1.2 may come together with its hello.
            (State::AwaitMethod | State::AwaitHandshake, _) if tunnel.method == Method::TLS => Cost::Heavy,
            // A key exchange, and the signature that belongs to it. Whether it names a session is seen only then.
            (State::AwaitMethod | State::AwaitHandshake, Progress::Hello) if self.settings.light_key => {
                Cost::Middle
            }
            (State::AwaitMethod | State::AwaitHandshake, Progress::Hello) => Cost::Heavy,
            // The other half of a key exchange of TLS 1.2.
            (State::AwaitHandshake, Progress::Underway(Handshake::Full)) if !tunnel.is_tls13() => {
                Cost::Middle
            }
            _ => Cost::Light,
        };
        // Only the last part of a message is looked into.
        let last = |data| Fragment::decode(data).is_ok_and(|part| !part.more && !part.is_acknowledgement());
        match self.awaited(response) {
            Some((method, data)) if method != Method::NAK && last(data) => cost,
            _ => Cost::Light,
        }
    }

    /// The method of a response that was asked for, and what it says.
    fn awaited<'r>(&self, response: &'r [u8]) -> Option<(Method, &'r [u8])> {
        let packet = Packet::decode(response).ok()?;
        let (Code::Response, Some(method)) = (packet.code, packet.method) else { return None };
        let wanted = match (&self.state, method) {
            (State::Over | State::AwaitDecision(_), _) => false,
            (State::AwaitMethod, Method::NAK) => true,
            _ => Some(method) == self.method,
        };
        (wanted && packet.identifier == self.identifier).then_some((method, packet.data))
    }

    /// Takes a response.
    pub fn receive(&mut self, bytes: &[u8]) -> Step {
        let Some((method, data)) = self.awaited(bytes) else { return Step::Ignore };
        self.octets = self.octets.saturating_add(bytes.len());
        if self.octets > self.settings.octets || self.rounds >= self.settings.rounds {
            return self.fail(Ended::TooLong);
        }
        if method == Method::NAK {
            return self.begin(Some(data));
        }
        if matches!(self.state, State::AwaitMethod) {
            // From now on it wants no other.
            self.state = State::AwaitHandshake;
        }
        self.step(data).unwrap_or_else(|ended| self.broken(ended))
    }

    /// Begins the first method that the peer wants.
    fn begin(&mut self, wanted: Option<&[u8]>) -> Step {
        let fits = |method: &Method| wanted.is_none_or(|wanted| wanted.contains(&method.0));
        let found = self.methods.iter().position(fits).map(|at| self.methods.remove(at));
        let config = found.and_then(|method| self.settings.tls_of(method).map(|config| (method, config)));
        let Some((method, config)) = config else { return self.fail(Ended::NoMethod) };
        let Place { sessions, client, now, .. } = &self.place;
        let enabled = !self.settings.session_lifetime.is_zero();
        let vouching = (method == Method::TLS).then_some(self.settings.vouching);
        let ledger = Ledger::new(sessions, Scope { client: *client, method, vouching }, *now, enabled);
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

    /// The session that was resumed is worth nothing any more. One that was only named is another's business: who listens on the
    /// way knows its name, and could end it.
    fn void(&self) {
        if let Some(ledger) = self.ledger.as_ref().filter(|_| self.is_resumed()) {
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
            State::AwaitHandshake if message => self.handshake(),
            State::AwaitQuiet if !message => self.begin_inside(),
            State::AwaitInner if message => self.inside(),
            State::AwaitAgreement(claim) => self.agreed(claim, message),
            State::Closing(claim) if !message || matches!(self.inside, Inside::Peap(_)) => {
                self.close(claim, message)
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
        match tunnel.progress() {
            Progress::Hello | Progress::Underway(_) => {
                tunnel.flush();
                self.state = State::AwaitHandshake;
                Ok(self.part())
            }
            Progress::Over(Handshake::Resumed) => {
                let claim = self.ledger.as_ref().and_then(|ledger| ledger.claim());
                let claim = claim.ok_or(Ended::Unexpected("a session of nobody"))?;
                Ok(self.ask(Question::Session(claim)))
            }
            Progress::Over(Handshake::Full) => match self.inside {
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
        self.name_of(&Names::of(self.tunnel.as_ref()?.peer_certificate()?)?)
    }

    fn name_of(&self, names: &Names) -> Option<String> {
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

    /// Whom a certificate says it is for that was refused. Anybody can make one that says so.
    pub fn claimed(&self, why: &Ended) -> Option<String> {
        let certificate = match why {
            Ended::Nameless => self.tunnel.as_ref()?.peer_certificate()?,
            Ended::Tunnel(TunnelError::Tls(TlsFailure::Certificate { shown, .. })) => shown.as_deref()?,
            _ => return None,
        };
        let names = Names::of(certificate)?;
        let Names { upn, email, dns, common } = &names;
        let any = || [upn, email, common, dns].into_iter().flatten().next().cloned();
        self.name_of(&names).or_else(any)
    }

    /// When the peer's certificate ends.
    fn certificate_end(&self) -> Option<Timestamp> {
        Facts::of(self.tunnel.as_ref()?.peer_certificate()?)?.not_after
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
}

/// A Framed-MTU below that is not believed: no handshake would come to its end.
const SMALLEST: usize = 64;
