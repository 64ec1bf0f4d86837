//! EAP over RADIUS: EAP-Message (RFC 3579 §3.1) and the keys that an Access-Accept carries (RFC 2548 §2.4).

use super::attribute::{AttributeType, EncodedAttribute, Encryption};
use super::packet::Packet;
use super::reply::Reply;
use crate::base::Secret;

/// Microsoft's vendor number, and the types of the two keys.
const MICROSOFT: u32 = 311;
const MS_MPPE_SEND_KEY: u8 = 16;
const MS_MPPE_RECV_KEY: u8 = 17;
/// An attribute's value has at most so many octets.
const PART: usize = 253;

/// The EAP-Message attributes do not follow each other, so that their order means nothing (RFC 3579 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("EAP-Message attributes do not follow each other")]
pub struct Scattered;

impl Packet<'_> {
    /// The EAP packet that the attributes make up; `None` if there is none.
    pub fn eap_message(&self) -> Result<Option<Vec<u8>>, Scattered> {
        let mut message: Option<Vec<u8>> = None;
        let mut ended = false;
        for attribute in self.attributes() {
            if attribute.kind != AttributeType::EAP_MESSAGE {
                ended = message.is_some();
                continue;
            }
            if ended {
                return Err(Scattered);
            }
            message.get_or_insert_default().extend_from_slice(attribute.value);
        }
        Ok(message)
    }

    /// Framed-MTU: the longest frame where the peer is, with what the link puts before an EAP packet (RFC 3579 §2.4).
    pub fn framed_mtu(&self) -> Option<u32> {
        let value = self.first(AttributeType::FRAMED_MTU)?.value;
        value.try_into().ok().map(u32::from_be_bytes)
    }
}

impl Reply<'_> {
    /// Adds an EAP packet, in as many attributes as it needs.
    pub fn eap_message(mut self, message: &[u8]) -> Self {
        for part in message.chunks(PART) {
            self = self.attribute(AttributeType::EAP_MESSAGE, part);
        }
        self
    }

    /// Adds both keys: the first half of the master session key is what the NAS receives with (RFC 5216 §2.3).
    pub fn mppe_keys(self, master_session_key: &Secret<[u8; 64]>) -> Self {
        let (receive, send) = master_session_key.expose().split_at(32);
        let key = |kind, value: &[u8]| EncodedAttribute {
            bytes: value.to_vec(),
            encryption: Encryption::Mppe,
            vendor: MICROSOFT,
            kind,
            tag: 0,
        };
        self.hidden(key(MS_MPPE_RECV_KEY, receive)).hidden(key(MS_MPPE_SEND_KEY, send))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Code, Request, SharedSecret, vendor_attributes, verify_response};
    use super::*;

    fn secret() -> SharedSecret {
        SharedSecret::new("a-shared-secret".into()).unwrap()
    }

    #[test]
    fn long_message_is_split_and_put_together_again() {
        let message: Vec<u8> = (0..=255).cycle().take(600).collect();
        let request = Request::new(Code::ACCESS_REQUEST, 1, [9; 16]).seal(&secret()).unwrap();
        let request = Packet::decode(&request).unwrap();
        assert_eq!(request.eap_message(), Ok(None));
        let reply = Reply::to(&request, Code::ACCESS_CHALLENGE).eap_message(&message);
        let reply = reply.seal(&secret()).unwrap();
        let reply = Packet::decode(&reply).unwrap();
        let lengths: Vec<_> = reply.all(AttributeType::EAP_MESSAGE).map(|part| part.value.len()).collect();
        assert_eq!(lengths, [253, 253, 94]);
        assert_eq!(reply.eap_message(), Ok(Some(message)));
    }

    #[test]
    fn parts_that_do_not_follow_each_other_are_refused() {
        let request = Request::new(Code::ACCESS_REQUEST, 1, [9; 16])
            .attribute(AttributeType::EAP_MESSAGE, b"a")
            .attribute(AttributeType::USER_NAME, b"ann")
            .attribute(AttributeType::EAP_MESSAGE, b"b");
        let bytes = request.seal(&secret()).unwrap();
        assert_eq!(Packet::decode(&bytes).unwrap().eap_message(), Err(Scattered));
    }

    #[test]
    fn empty_message_is_a_start_and_not_nothing() {
        let request =
            Request::new(Code::ACCESS_REQUEST, 1, [9; 16]).attribute(AttributeType::EAP_MESSAGE, b"");
        let bytes = request.seal(&secret()).unwrap();
        assert_eq!(Packet::decode(&bytes).unwrap().eap_message(), Ok(Some(Vec::new())));
    }

    #[test]
    fn both_keys_come_out_as_they_went_in() {
        let request = Request::new(Code::ACCESS_REQUEST, 1, [9; 16]).seal(&secret()).unwrap();
        let mut key = [1; 64];
        key[32..].fill(2);
        let reply = Reply::to(&Packet::decode(&request).unwrap(), Code::ACCESS_ACCEPT);
        let reply = reply.mppe_keys(&Secret::new(key)).seal(&secret()).unwrap();
        let (reply, _) = verify_response(&[9; 16], &reply, &secret()).unwrap();
        let found: Vec<_> = reply
            .all(AttributeType::VENDOR_SPECIFIC)
            .flat_map(|attribute| vendor_attributes(attribute.value))
            .map(|(vendor, kind, value)| {
                let plain = secret().decrypt_salted(value, &[9; 16]).unwrap();
                (vendor, kind, value[..2].to_vec(), plain.expose().clone())
            })
            .collect();
        assert_eq!((found[0].0, found[0].1, &found[0].3), (311, 17, &vec![1; 32]));
        assert_eq!((found[1].0, found[1].1, &found[1].3), (311, 16, &vec![2; 32]));
        assert_ne!(found[0].2, found[1].2, "each has a salt of its own");
    }
}
