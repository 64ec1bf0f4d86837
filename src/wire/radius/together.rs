//! Authenticators of many packets at once, for those that arrive, and those that leave, together.

use super::attribute::AttributeType;
use super::lanes::Messages;
use super::packet::Packet;
use super::reply::{MESSAGE_AUTHENTICATOR, put};
use super::secret::{MessageAuthenticator, SharedSecret};
use crate::base::Secret;
use std::fmt;
use zeroize::Zeroizing;

/// What the shared secret says of a request.
#[derive(Debug)]
pub struct Verified {
    /// Whether its Message-Authenticator fits.
    pub authenticator: MessageAuthenticator,
    /// What reveals its User-Password.
    pub pad: Pad,
}

/// What the first octets of a User-Password are hidden with (RFC 2865 §5.2); none where there is no password.
pub struct Pad(Option<Zeroizing<[u8; 16]>>);

impl Pad {
    /// The revealed User-Password of the request that this was reckoned for, if there is one.
    pub fn reveal(&self, packet: &Packet<'_>, secret: &SharedSecret) -> Option<Secret<Vec<u8>>> {
        let hidden = packet.first(AttributeType::USER_PASSWORD)?;
        secret.reveal_with(**self.0.as_ref()?, hidden.value)
    }
}

impl fmt::Debug for Pad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[pad]")
    }
}

/// Reckons them; what it needs room for is used again.
#[derive(Default)]
pub struct Together {
    first: Messages,
    second: Messages,
    pads: Messages,
}

impl fmt::Debug for Together {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Together([secret])")
    }
}

impl Together {
    /// Checks requests, each under its secret; in their order.
    pub fn verify(&mut self, requests: &[(&SharedSecret, Packet<'_>)]) -> Vec<Verified> {
        let Self { first, second, pads } = self;
        for (secret, packet) in requests {
            if let Some(at) = packet.message_authenticator_place() {
                secret.add_inner(first, packet.bytes(), at);
            }
            if packet.has_password() {
                secret.add_pad(pads, packet.authenticator());
            }
        }
        let signed = requests.iter().filter(|(_, packet)| packet.message_authenticator_place().is_some());
        for ((secret, _), inner) in signed.zip(first.digest()) {
            secret.add_outer(second, inner);
        }
        let (mut expected, mut found) = (second.digest().iter(), pads.digest().iter());
        let verified = requests.iter().map(|(_, packet)| Verified {
            authenticator: packet.message_authenticator_place().map_or(MessageAuthenticator::Missing, |at| {
                expected.next().map_or(MessageAuthenticator::Invalid, |expected| packet.compare(at, expected))
            }),
            pad: Pad(packet.has_password().then(|| found.next().copied().map(Zeroizing::new)).flatten()),
        });
        let verified = verified.collect();
        pads.wipe();
        verified
    }

    /// Signs answers that [`super::Reply::draft`] has made, each under its secret. Until then the request's authenticator stands in them.
    pub fn seal(&mut self, drafts: &mut [(&SharedSecret, &mut [u8])]) {
        let Self { first, second, .. } = self;
        for (secret, packet) in drafts.iter() {
            secret.add_inner(first, packet, MESSAGE_AUTHENTICATOR);
        }
        for ((secret, _), inner) in drafts.iter().zip(first.digest()) {
            secret.add_outer(second, inner);
        }
        for ((secret, packet), message) in drafts.iter_mut().zip(second.digest()) {
            put(packet, MESSAGE_AUTHENTICATOR, message);
            secret.add_response(first, packet);
        }
        for ((_, packet), response) in drafts.iter_mut().zip(first.digest()) {
            put(packet, 4, response);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Code, Reply, Request, verify_response};
    use super::*;
    use hmac::{Hmac, KeyInit, Mac};
    use md5::Md5;

    /// As long as a block, and longer: the key of an HMAC is their digest then.
    fn secrets() -> Vec<SharedSecret> {
        let lengths = [1, 10, 63, 64, 65, 200];
        lengths.map(|length| SharedSecret::new("s3cret!".repeat(40)[..length].into()).unwrap()).into()
    }

    fn request(number: usize, secret: &SharedSecret) -> Vec<u8> {
        let request = Request::new(Code::ACCESS_REQUEST, number as u8, [number as u8; 16])
            .attribute(AttributeType::USER_NAME, "anna".repeat(1 + number % 50).as_bytes());
        let request = match number % 3 {
            0 => request,
            _ => request.password("correct horse ".repeat(number % 9).as_str().into()),
        };
        request.seal(secret).unwrap()
    }

    #[test]
    fn many_are_told_what_each_is_told_alone() {
        let secrets = secrets();
        let mut together = Together::default();
        for count in [1, 2, 8, 9, 30] {
            let mut all: Vec<_> = (0..count)
                .map(|number| (&secrets[number % 6], request(number, &secrets[number % 6])))
                .collect();
            for (number, (_, bytes)) in all.iter_mut().enumerate() {
                match number % 5 {
                    // Another password, another authenticator, and none.
                    3 => *bytes.last_mut().unwrap() ^= 1,
                    4 => bytes[25] ^= 0x80,
                    2 => {
                        bytes.drain(20..38);
                        bytes[3] -= 18;
                    }
                    _ => {}
                }
            }
            let requests: Vec<_> =
                all.iter().map(|(secret, bytes)| (*secret, Packet::decode(bytes).unwrap())).collect();
            let verified = together.verify(&requests);
            assert_eq!(verified.len(), count);
            for (number, ((secret, packet), verified)) in requests.iter().zip(verified).enumerate() {
                let expected = match number % 5 {
                    2 => MessageAuthenticator::Missing,
                    3 | 4 => MessageAuthenticator::Invalid,
                    _ => MessageAuthenticator::Valid,
                };
                assert_eq!(verified.authenticator, expected, "{number}");
                assert_eq!(packet.message_authenticator(secret), expected);
                let typed = verified.pad.reveal(packet, secret);
                assert_eq!(typed.is_some(), number % 3 > 0);
                let alone = packet.user_password(secret);
                assert_eq!(typed.map(|it| it.expose().clone()), alone.map(|it| it.expose().clone()));
                if number % 5 < 2 && number % 3 > 0 {
                    let typed = verified.pad.reveal(packet, secret).unwrap();
                    assert_eq!(typed.expose(), "correct horse ".repeat(number % 9).as_bytes());
                }
            }
        }
    }

    #[test]
    fn message_authenticator_is_that_of_the_library() {
        for length in [1, 10, 63, 64, 65, 200] {
            let text = "s3cret!".repeat(40)[..length].to_owned();
            let secret = SharedSecret::new(text.as_str().into()).unwrap();
            let mut bytes = request(1, &secret);
            let found = bytes[22..38].to_vec();
            bytes[22..38].fill(0);
            let mut mac = Hmac::<Md5>::new_from_slice(text.as_bytes()).unwrap();
            mac.update(&bytes);
            assert_eq!(found, mac.finalize().into_bytes().to_vec(), "{length}");
        }
    }

    #[test]
    fn answers_that_are_signed_together_are_good_each_for_its_request_only() {
        let secrets = secrets();
        let mut together = Together::default();
        let requests: Vec<_> = (0..20).map(|number| request(number, &secrets[number % 6])).collect();
        let packets: Vec<_> = requests.iter().map(|bytes| Packet::decode(bytes).unwrap()).collect();
        let answer = |(number, packet): (usize, &Packet<'_>)| {
            let text = "welcome ".repeat(number * 3);
            Reply::to(packet, Code::ACCESS_ACCEPT).message(&text).draft(&secrets[number % 6]).unwrap()
        };
        let mut drafts: Vec<_> = packets.iter().enumerate().map(answer).collect();
        let signs = |(number, draft)| (&secrets[number % 6], Vec::as_mut_slice(draft));
        together.seal(&mut drafts.iter_mut().enumerate().map(signs).collect::<Vec<_>>());
        for (number, bytes) in drafts.iter().enumerate() {
            for (other, packet) in packets.iter().enumerate() {
                let good = verify_response(packet.authenticator(), bytes, &secrets[number % 6]);
                assert_eq!(good.is_some(), number == other);
                assert!(good.is_none_or(|(_, signed)| signed));
            }
        }
    }
}
