//! EAP inside a tunnel: who it is, then GTC.

use super::conversation::{Ended, Question};
use super::{InnerMethod, Settings};
use crate::base::Secret;
use crate::wire::eap::{Code, Method, Packet, request};

/// What GTC asks first.
const PROMPT: &str = "Password";

/// What came of a packet.
#[derive(Debug)]
pub(super) enum Inner {
    /// Send this through the tunnel.
    Send(Vec<u8>),
    /// Decide this.
    Ask(Question),
}

/// The inner conversation.
#[derive(Debug)]
pub(super) struct InnerEap {
    offered: Vec<Method>,
    identifier: u8,
    identity: Option<String>,
    /// The method that was asked for last.
    current: Option<Method>,
    /// The peer has answered by a method: it cannot choose another one.
    settled: bool,
}

impl InnerEap {
    pub(super) fn new(settings: &Settings) -> Self {
        let method = |inner: &InnerMethod| match inner {
            InnerMethod::Pap => None,
            InnerMethod::Gtc => Some(Method::GTC),
        };
        let offered = settings.inner.iter().filter_map(method).collect();
        Self { offered, identifier: 0, identity: None, current: None, settled: false }
    }

    /// Asks who it is.
    pub(super) fn start(&mut self) -> Vec<u8> {
        self.ask(Method::IDENTITY, &[])
    }

    /// Asks once more, by GTC.
    pub(super) fn prompt(&mut self, prompt: &str) -> Vec<u8> {
        self.ask(Method::GTC, prompt.as_bytes())
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
            _ => Err(Ended::Unexpected("another method inside the tunnel than the one asked for")),
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
            _ => Err(Ended::NoMethod),
        }
    }
}
