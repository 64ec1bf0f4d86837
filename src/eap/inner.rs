//! EAP inside a tunnel: who it is, then GTC or MSCHAPv2.

use super::InnerMethod;
use super::question::{Ended, Question};
use crate::base::Secret;
use crate::wire::eap::mschapv2::{self, FromPeer};
use crate::wire::eap::{Code, Method, Packet, request};
use crate::wire::mschap::Exchange;

/// What GTC asks first.
const PROMPT: &str = "Password";
/// What MSCHAPv2 calls this server.
const NAME: &str = "doorward";

/// What came of a packet.
#[derive(Debug)]
pub(super) enum Inner {
    /// Send this through the tunnel.
    Send(Vec<u8>),
    /// Decide this.
    Ask(Question),
    /// The peer has seen how MSCHAPv2 went; whether it agrees that it went well.
    Agreed(bool),
}

/// The inner conversation.
#[derive(Debug)]
pub(super) struct InnerEap {
    offered: Vec<Method>,
    /// That of MSCHAPv2, which is asked for once.
    challenge: [u8; 16],
    identifier: u8,
    identity: Option<String>,
    /// The method that was asked for last.
    current: Option<Method>,
    /// The peer has answered by a method: it cannot choose another one.
    settled: bool,
    /// MSCHAPv2 was decided, and its peer told.
    told: bool,
}

impl InnerEap {
    pub(super) fn new(inner: &[InnerMethod], challenge: [u8; 16]) -> Self {
        let method = |inner: &InnerMethod| match inner {
            InnerMethod::Pap => None,
            InnerMethod::Gtc => Some(Method::GTC),
            InnerMethod::Mschapv2 => Some(Method::MSCHAPV2),
        };
        let offered = inner.iter().filter_map(method).collect();
        let (identity, current) = (None, None);
        Self { offered, challenge, identifier: 0, identity, current, settled: false, told: false }
    }

    /// Of the last request.
    pub(super) fn identifier(&self) -> u8 {
        self.identifier
    }

    /// Asks who it is.
    pub(super) fn start(&mut self) -> Vec<u8> {
        self.ask(Method::IDENTITY, &[])
    }

    /// Asks once more, by GTC.
    pub(super) fn prompt(&mut self, prompt: &str) -> Vec<u8> {
        self.ask(Method::GTC, prompt.as_bytes())
    }

    /// Tells a peer of MSCHAPv2 how it went: with `proof` well. `None` if it speaks another method.
    pub(super) fn tell(&mut self, proof: Option<&str>) -> Option<Vec<u8>> {
        if self.current != Some(Method::MSCHAPV2) {
            return None;
        }
        self.told = true;
        let data = match proof {
            Some(proof) => mschapv2::success(self.identifier, &format!("{proof} M=Welcome")),
            None => mschapv2::failure(self.identifier, &self.challenge),
        };
        Some(self.ask(Method::MSCHAPV2, &data))
    }

    fn ask(&mut self, method: Method, data: &[u8]) -> Vec<u8> {
        self.identifier = self.identifier.wrapping_add(1);
        self.current = Some(method);
        request(self.identifier, method, data)
    }

    /// Takes a packet.
    pub(super) fn receive(&mut self, packet: &Packet<'_>) -> Result<Inner, Ended> {
        let (Code::Response, Some(method)) = (packet.code, packet.method) else {
            return Err(Ended::Unexpected("no response inside the tunnel"));
        };
        // Nothing is lost or comes twice in a tunnel, so it is no stray (RFC 3748 §4.1).
        if self.current.is_some() && packet.identifier != self.identifier {
            return Err(Ended::Unexpected("a response inside the tunnel to another request"));
        }
        match (self.current, method) {
            // Without a request in TTLS (RFC 5281 §11.3).
            (None | Some(Method::IDENTITY), Method::IDENTITY) => {
                self.identity = Some(String::from_utf8_lossy(packet.data).into_owned());
                self.identifier = packet.identifier;
                self.offer(None)
            }
            (Some(_), Method::NAK) if !self.settled => self.offer(Some(packet.data)),
            (Some(Method::GTC), Method::GTC) => {
                self.settled = true;
                let identity = self.identity.clone().unwrap_or_default();
                let password = Secret::new(packet.data.to_vec());
                Ok(Inner::Ask(Question::Password { identity, password, can_ask: true }))
            }
            (Some(Method::MSCHAPV2), Method::MSCHAPV2) => self.mschapv2(packet.data),
            _ => Err(Ended::Unexpected("another method inside the tunnel than the one asked for")),
        }
    }

    fn mschapv2(&mut self, data: &[u8]) -> Result<Inner, Ended> {
        match FromPeer::decode(data) {
            Some(FromPeer::Response { peer_challenge, response, name, .. }) if !self.settled => {
                self.settled = true;
                let identity = self.identity.clone().unwrap_or_default();
                let exchange = Exchange {
                    authenticator_challenge: self.challenge,
                    peer_challenge: *peer_challenge,
                    name: name.to_vec(),
                    response: *response,
                };
                Ok(Inner::Ask(Question::Exchange { identity, exchange }))
            }
            Some(FromPeer::Success) if self.told => Ok(Inner::Agreed(true)),
            Some(FromPeer::Failure) if self.told => Ok(Inner::Agreed(false)),
            _ => Err(Ended::Unexpected("no MSCHAPv2 that was asked for")),
        }
    }

    /// Asks for the first method that is wanted.
    fn offer(&mut self, wanted: Option<&[u8]>) -> Result<Inner, Ended> {
        if let Some(refused) = self.current {
            self.offered.retain(|method| *method != refused);
        }
        let fits = |method: &&Method| wanted.is_none_or(|wanted| wanted.contains(&method.0));
        match self.offered.iter().find(fits) {
            Some(&Method::GTC) => Ok(Inner::Send(self.ask(Method::GTC, PROMPT.as_bytes()))),
            Some(&Method::MSCHAPV2) => {
                let data = mschapv2::challenge(self.identifier.wrapping_add(1), &self.challenge, NAME);
                Ok(Inner::Send(self.ask(Method::MSCHAPV2, &data)))
            }
            _ => Err(Ended::NoMethod),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_to_another_request_ends_it() {
        let response = |identifier, method, data: &[u8]| {
            let mut bytes = request(identifier, method, data);
            bytes[0] = 2;
            bytes
        };
        for (off, taken) in [(0, true), (1, false)] {
            let mut inner = InnerEap::new(&[InnerMethod::Gtc], [0; 16]);
            // A device that begins by itself counts as it likes.
            let who = response(77, Method::IDENTITY, b"ann");
            let Ok(Inner::Send(asked)) = inner.receive(&Packet::decode(&who).unwrap()) else { panic!() };
            let answer = response(asked[1] + off, Method::GTC, b"secret");
            let came = inner.receive(&Packet::decode(&answer).unwrap());
            assert_eq!(matches!(came, Ok(Inner::Ask(_))), taken, "{came:?}");
        }
    }
}
