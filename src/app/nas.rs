//! A login as a NAS would send it, to see what the server answers: for `doorward try` and the demonstration.
//!
//! A RADIUS client of one exchange at a time (RFC 2865), with Message-Authenticator, retransmission and the
//! check of the answer.

use crate::base::{Clock, OsRandom, Random, Secret, SystemClock};
use crate::domain::factor::{Algorithm, Factor, FactorId, FactorKind, FactorState, Material};
use crate::domain::passcode;
use crate::domain::person::PersonId;
use crate::wire::radius::{AttributeType, Code, Packet, Request, SharedSecret, verify_response};
use anyhow::{Context, Result, bail};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// Where to send requests.
#[derive(Debug)]
pub struct Nas {
    socket: UdpSocket,
    secret: SharedSecret,
}

/// What the server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Access-Accept, Access-Reject or Access-Challenge.
    pub code: Code,
    /// Reply-Message, joined.
    pub message: String,
    /// State, to be returned with the answer to a challenge.
    pub state: Option<Vec<u8>>,
    /// All attributes as (number, value).
    pub attributes: Vec<(u8, Vec<u8>)>,
}

/// Transmissions of a request.
const TRIES: u32 = 3;

impl Nas {
    /// Prepares to ask `server`, from an address of this machine if one is given.
    pub fn new(server: SocketAddr, from: Option<IpAddr>, secret: &str) -> Result<Self> {
        let any = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let local = SocketAddr::new(from.unwrap_or(any), 0);
        let socket = UdpSocket::bind(local).with_context(|| format!("{} cannot be sent from", local.ip()))?;
        socket.connect(server).with_context(|| format!("{server} cannot be reached"))?;
        socket.set_read_timeout(Some(Duration::from_secs(3)))?;
        Ok(Self { socket, secret: SharedSecret::new(Secret::from(secret))? })
    }

    /// Sends an Access-Request and waits for its answer.
    pub fn ask(&self, username: &str, typed: &[u8], state: Option<&[u8]>) -> Result<Answer> {
        let mut identifier = [0];
        OsRandom.fill(&mut identifier);
        let mut request = Request::new(Code::ACCESS_REQUEST, identifier[0], OsRandom.array())
            .attribute(AttributeType::USER_NAME, username.as_bytes())
            .attribute(AttributeType::NAS_IDENTIFIER, b"doorward-try")
            .password(Secret::new(typed.to_vec()));
        if let Some(state) = state {
            request = request.attribute(AttributeType::STATE, state);
        }
        let authenticator = *request.authenticator();
        let bytes = request.seal(&self.secret).context("username or password is too long for RADIUS")?;
        let mut buffer = [0; 4096];
        for _ in 0..TRIES {
            self.socket.send(&bytes)?;
            match self.socket.recv(&mut buffer) {
                Ok(length) => {
                    let answer = buffer.get(..length).unwrap_or_default();
                    match verify_response(&authenticator, answer, &self.secret) {
                        Some((packet, _)) if packet.identifier() == identifier[0] => {
                            return Ok(read(&packet));
                        }
                        _ => {
                            bail!("an answer came that does not fit the request: is the shared secret right?")
                        }
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error).context("the server does not listen there"),
            }
        }
        bail!(
            "no answer. Either nothing serves RADIUS there, or this address is no [[client]] of it, \
             or the shared secret differs; the server's log tells which"
        )
    }
}

fn read(packet: &Packet<'_>) -> Answer {
    let messages = packet.all(AttributeType::REPLY_MESSAGE);
    Answer {
        code: packet.code(),
        message: messages.map(|part| String::from_utf8_lossy(part.value).into_owned()).collect(),
        state: packet.first(AttributeType::STATE).map(|state| state.value.to_vec()),
        attributes: packet.attributes().map(|a| (a.kind.0, a.value.to_vec())).collect(),
    }
}

/// The present six-digit code of a base32 seed, as an app would show it.
pub fn code_now(base32: &str) -> Result<String> {
    let seed = data_encoding::BASE32_NOPAD
        .decode(base32.trim().trim_end_matches('=').to_ascii_uppercase().as_bytes())
        .context("the key is not base32")?;
    let nil = uuid::Uuid::nil();
    let factor = Factor {
        id: FactorId::from_uuid(nil),
        person: PersonId::from_uuid(nil),
        kind: FactorKind::Totp,
        label: String::new(),
        state: FactorState::Active,
        created: SystemClock.now(),
        used: None,
        next: 0,
        material: Material::Totp {
            seed: Secret::new(seed),
            algorithm: Algorithm::Sha1,
            digits: 6,
            period: 30,
        },
    };
    passcode::code_at(&factor, passcode::totp_step(&factor, SystemClock.now())).context("the key is unusable")
}
