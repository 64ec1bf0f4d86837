//! What is inside a TTLS tunnel (RFC 5281 §11): a password, or EAP.

use super::conversation::{Ended, Question};
use super::inner::{Inner, InnerEap};
use super::{InnerMethod, Settings};
use crate::base::Secret;
use crate::wire::eap::{Avp, Avps, Packet, push_avp};
use zeroize::Zeroizing;

/// The attributes of one message that mean something here.
#[derive(Default)]
struct Attributes<'a> {
    user_name: Option<&'a [u8]>,
    user_password: Option<&'a [u8]>,
    eap: Option<Zeroizing<Vec<u8>>>,
}

impl<'a> Attributes<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Ended> {
        let mut found = Self::default();
        for avp in Avps::new(bytes) {
            let avp = avp.map_err(|_| Ended::Unexpected("malformed AVPs"))?;
            let place = match (avp.vendor, avp.code) {
                (0, Avp::USER_NAME) => &mut found.user_name,
                (0, Avp::USER_PASSWORD) => &mut found.user_password,
                (0, Avp::EAP_MESSAGE) => {
                    found.eap.get_or_insert_default().extend_from_slice(avp.value);
                    continue;
                }
                _ if avp.mandatory => {
                    return Err(Ended::Unexpected("a mandatory AVP that is not understood"));
                }
                _ => continue,
            };
            if place.replace(avp.value).is_some() {
                return Err(Ended::Unexpected("an AVP twice"));
            }
        }
        Ok(found)
    }
}

/// The inside of the tunnel.
#[derive(Debug)]
pub(super) struct Ttls {
    pap: bool,
    eap: InnerEap,
}

impl Ttls {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { pap: settings.inner.contains(&InnerMethod::Pap), eap: InnerEap::new(settings) }
    }

    /// Takes what came through the tunnel; what is to be sent are AVPs.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Inner, Ended> {
        let attributes = Attributes::read(bytes)?;
        if let Some(eap) = attributes.eap {
            let packet =
                Packet::decode(&eap).map_err(|_| Ended::Unexpected("malformed EAP in the tunnel"))?;
            return Ok(match self.eap.receive(&packet)? {
                Inner::Send(request) => Inner::Send(in_avp(&request)),
                ask @ Inner::Ask(_) => ask,
            });
        }
        match (attributes.user_name, attributes.user_password) {
            (Some(name), Some(password)) if self.pap => {
                // It was filled up with NULs (RFC 5281 §11.2.5).
                let length = password.iter().rposition(|octet| *octet != 0).map_or(0, |last| last + 1);
                let password = Secret::new(password.get(..length).unwrap_or_default().to_vec());
                let identity = String::from_utf8_lossy(name).into_owned();
                Ok(Inner::Ask(Question::Password { identity, password, can_ask: false }))
            }
            (_, Some(_)) => Err(Ended::NoMethod),
            _ => Err(Ended::Unexpected("no authentication that is understood in the tunnel")),
        }
    }

    /// Asks once more.
    pub(super) fn prompt(&mut self, prompt: &str) -> Vec<u8> {
        in_avp(&self.eap.prompt(prompt))
    }
}

fn in_avp(eap: &[u8]) -> Vec<u8> {
    let mut avps = Vec::new();
    push_avp(&mut avps, 0, Avp::EAP_MESSAGE, eap);
    avps
}
