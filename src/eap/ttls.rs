//! What is inside a TTLS tunnel (RFC 5281 §11): a password, or EAP.

use super::InnerMethod;
use super::inner::{Inner, InnerEap};
use super::question::{Ended, Question};
use crate::base::Secret;
use crate::wire::eap::{Avp, Avps, Packet, push_avp};
use crate::wire::mschap::Exchange;
use zeroize::Zeroizing;

/// The attributes of one message that mean something here.
#[derive(Default)]
struct Attributes<'a> {
    user_name: Option<&'a [u8]>,
    user_password: Option<&'a [u8]>,
    eap: Option<Zeroizing<Vec<u8>>>,
    challenge: Option<&'a [u8]>,
    response: Option<&'a [u8]>,
}

impl<'a> Attributes<'a> {
    fn read(bytes: &'a [u8]) -> Result<Self, Ended> {
        let mut found = Self::default();
        for avp in Avps::new(bytes) {
            let avp = avp.map_err(|_| Ended::Unexpected("malformed AVPs"))?;
            let place = match (avp.vendor, avp.code) {
                (0, Avp::USER_NAME) => &mut found.user_name,
                (0, Avp::USER_PASSWORD) => &mut found.user_password,
                (Avp::MICROSOFT, Avp::MS_CHAP_CHALLENGE) => &mut found.challenge,
                (Avp::MICROSOFT, Avp::MS_CHAP2_RESPONSE) => &mut found.response,
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
    mschapv2: bool,
    /// Identifier of an exchange by attributes.
    exchange: Option<u8>,
    eap: InnerEap,
}

impl Ttls {
    pub(super) fn new(inner: &[InnerMethod], challenge: [u8; 16]) -> Self {
        let has = |method| inner.contains(&method);
        let (pap, mschapv2) = (has(InnerMethod::Pap), has(InnerMethod::Mschapv2));
        Self { pap, mschapv2, exchange: None, eap: InnerEap::new(inner, challenge) }
    }

    /// Takes what came through the tunnel; what is to be sent are AVPs. `implicit`: the challenge of MSCHAPv2 by attributes.
    pub(super) fn receive(&mut self, bytes: &[u8], implicit: &[u8; 17]) -> Result<Inner, Ended> {
        let attributes = Attributes::read(bytes)?;
        if let Some(eap) = attributes.eap {
            let packet =
                Packet::decode(&eap).map_err(|_| Ended::Unexpected("malformed EAP in the tunnel"))?;
            return Ok(match self.eap.receive(&packet)? {
                Inner::Send(request) => Inner::Send(in_avp(&request)),
                other => other,
            });
        }
        if let Some(response) = attributes.response {
            let challenge = attributes.challenge.unwrap_or_default();
            let name = attributes.user_name.unwrap_or_default();
            return self.mschapv2(name, (challenge, response), implicit);
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

    fn mschapv2(
        &mut self,
        name: &[u8],
        (challenge, response): (&[u8], &[u8]),
        implicit: &[u8; 17],
    ) -> Result<Inner, Ended> {
        if !self.mschapv2 {
            return Err(Ended::NoMethod);
        }
        // Identifier, flags, the peer's challenge, eight octets of nothing, the response (RFC 2548 §2.3.2).
        let parts = response.split_first_chunk::<2>().and_then(|([identifier, _], rest)| {
            let (peer_challenge, rest) = rest.split_first_chunk::<16>()?;
            let (_, rest) = rest.split_first_chunk::<8>()?;
            Some((*identifier, *peer_challenge, <[u8; 24]>::try_from(rest).ok()?))
        });
        let Some((identifier, peer_challenge, response)) = parts else {
            return Err(Ended::Unexpected("a malformed MS-CHAP2-Response"));
        };
        let (authenticator_challenge, last) = implicit.split_first_chunk::<16>().unwrap_or((&[0; 16], &[]));
        // Any other challenge could have been chosen by whoever knows an old response to it.
        if challenge != authenticator_challenge || [identifier] != *last {
            return Err(Ended::Unexpected("a challenge that is not the tunnel's"));
        }
        self.exchange = Some(identifier);
        let exchange = Exchange {
            authenticator_challenge: *authenticator_challenge,
            peer_challenge,
            name: name.to_vec(),
            response,
        };
        let identity = String::from_utf8_lossy(name).into_owned();
        Ok(Inner::Ask(Question::Exchange { identity, exchange }))
    }

    /// Tells a peer of MSCHAPv2 how it went. By attributes that is told only if it went well (RFC 5281 §11.2.4).
    pub(super) fn tell(&mut self, proof: Option<&str>) -> Option<Vec<u8>> {
        let (Some(identifier), Some(proof)) = (self.exchange, proof) else {
            return self.eap.tell(proof).map(|request| in_avp(&request));
        };
        let mut avps = Vec::new();
        let value = [&[identifier], proof.as_bytes()].concat();
        push_avp(&mut avps, Avp::MICROSOFT, Avp::MS_CHAP2_SUCCESS, &value);
        Some(avps)
    }

    /// Whether the peer agrees to an exchange by attributes with nothing but an acknowledgement.
    pub(super) const fn is_by_attributes(&self) -> bool {
        self.exchange.is_some()
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
