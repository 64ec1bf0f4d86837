//! What is inside a PEAP tunnel, version 0 as Microsoft made it: EAP without its header, and at the end a TLV that says how
//! it went, with a header.

use super::InnerMethod;
use super::inner::{Inner, InnerEap};
use super::question::Ended;
use crate::wire::eap::{Code, Method, Packet, request};
use zeroize::Zeroizing;

/// Result-TLV: mandatory, type 3, two octets.
const RESULT: [u8; 4] = [0x80, 3, 0, 2];
const SUCCESS: u16 = 1;
const FAILURE: u16 = 2;
const HEADER: usize = 4;

/// What came through the tunnel.
#[derive(Debug)]
pub(super) enum Peap {
    /// Of the inner conversation.
    Inner(Inner),
    /// The peer says how it sees the end.
    Result(bool),
}

/// The inside of the tunnel.
#[derive(Debug)]
pub(super) struct PeapInside {
    eap: InnerEap,
    /// The TLV that was sent, with what it said.
    told: Option<bool>,
}

impl PeapInside {
    pub(super) fn new(inner: &[InnerMethod], challenge: [u8; 16]) -> Self {
        Self { eap: InnerEap::new(inner, challenge), told: None }
    }

    /// Asks who it is.
    pub(super) fn start(&mut self) -> Vec<u8> {
        without_header(&self.eap.start())
    }

    /// Asks once more.
    pub(super) fn prompt(&mut self, prompt: &str) -> Vec<u8> {
        without_header(&self.eap.prompt(prompt))
    }

    /// Tells a peer of MSCHAPv2 how it went.
    pub(super) fn tell(&mut self, proof: Option<&str>) -> Option<Vec<u8>> {
        self.eap.tell(proof).map(|request| without_header(&request))
    }

    /// Tells how it went.
    pub(super) fn result(&mut self, success: bool) -> Vec<u8> {
        self.told = Some(success);
        let status = if success { SUCCESS } else { FAILURE }.to_be_bytes();
        request(0, Method::TLV, &[&RESULT[..], &status].concat())
    }

    /// Takes what came through the tunnel.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Peap, Ended> {
        if let Some(told) = self.told {
            return Ok(Peap::Result(told && is_success(bytes)));
        }
        let length = u16::try_from(bytes.len() + HEADER).unwrap_or(u16::MAX).to_be_bytes();
        // The identifier stays outside, where it was looked at.
        let head = [2, self.eap.identifier(), length[0], length[1]];
        let whole = Zeroizing::new([&head, bytes].concat());
        let packet = Packet::decode(&whole).map_err(|_| Ended::Unexpected("malformed EAP in the tunnel"))?;
        Ok(Peap::Inner(match self.eap.receive(&packet)? {
            Inner::Send(request) => Inner::Send(without_header(&request)),
            other => other,
        }))
    }
}

fn without_header(packet: &[u8]) -> Vec<u8> {
    packet.get(HEADER..).unwrap_or_default().to_vec()
}

/// Whether a peer agrees that it went well.
fn is_success(bytes: &[u8]) -> bool {
    let Ok(Packet { code: Code::Response, method: Some(Method::TLV), mut data, .. }) = Packet::decode(bytes)
    else {
        return false;
    };
    let mut agreed = false;
    while let [kind, number, high, low, rest @ ..] = data {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((value, after)) = rest.split_at_checked(length) else { return false };
        // The first two bits of the type are flags.
        if (kind & 0x3f, *number) == (0, 3) {
            agreed = value == SUCCESS.to_be_bytes();
        }
        data = after;
    }
    agreed && data.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_result_of_success_is_one() {
        let response = |data: &[u8]| {
            let mut bytes = request(1, Method::TLV, data);
            bytes[0] = 2;
            bytes
        };
        assert!(is_success(&response(&[0x80, 3, 0, 2, 0, 1])));
        assert!(is_success(&response(&[0x00, 9, 0, 1, 7, 0x80, 3, 0, 2, 0, 1])));
        for data in [&[0x80, 3, 0, 2, 0, 2][..], &[0x80, 3, 0, 2, 0], &[], &[0x80, 3, 0, 2, 0, 1, 9]] {
            assert!(!is_success(&response(data)), "{data:?}");
        }
        assert!(!is_success(&request(1, Method::TLV, &[0x80, 3, 0, 2, 0, 1])), "not from the peer");
    }
}
