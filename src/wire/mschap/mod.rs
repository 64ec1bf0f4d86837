//! MSCHAPv2 (RFC 2759) and the keys that come of it (RFC 3079 §3.3), over bytes that others have taken out of packets.
//!
//! A server sends a challenge, the peer answers with a challenge of its own and a response. Whoever knows the NT hash of the
//! password can tell whether the response is right ([`Exchange::answered_by`]), and only then can prove the same to the peer
//! ([`Proven`]). The hash is as good as the password: it is kept like a seed. How the packets look, and who may log in with what,
//! is for others.

mod des56;
mod hash;
mod keys;
#[cfg(test)]
mod tests;

pub use hash::NtHash;
pub use keys::MppeKeys;

use crate::base::Secret;
use data_encoding::HEXUPPER;
use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

/// A challenge of either side.
pub type Challenge = [u8; 16];

/// What a peer makes of both challenges, its name and its password.
pub type NtResponse = [u8; 24];

/// §8.7.
const SIGNING: &[u8] = b"Magic server to client signing constant";
const PADDING: &[u8] = b"Pad to make it do more than one iteration";

/// What was said in one exchange. None of it is secret by itself, but a response lets its reader guess at the password, so it is
/// for no log: there is no `Debug`.
#[derive(Clone)]
pub struct Exchange {
    /// What the server sent.
    pub authenticator_challenge: Challenge,
    /// What the peer sent.
    pub peer_challenge: Challenge,
    /// The name that the peer gave, as it stands in its packet, with a Windows domain or without.
    pub name: Vec<u8>,
    /// The peer's response.
    pub response: NtResponse,
}

impl Exchange {
    /// Whether the response was made with the password behind `hash`. A wrong hash takes as long as the right one.
    pub fn answered_by(&self, hash: &NtHash) -> Option<Proven> {
        let challenge = self.challenge_hash();
        let right = bool::from(des56::response(hash, &challenge).ct_eq(&self.response));
        right.then(|| self.proven(hash, &challenge))
    }

    /// What a peer that knows `hash` answers (`GenerateNTResponse`, §8.1).
    pub fn response_of(&self, hash: &NtHash) -> NtResponse {
        des56::response(hash, &self.challenge_hash())
    }

    /// `ChallengeHash`, §8.2. The name counts without its Windows domain.
    fn challenge_hash(&self) -> [u8; 8] {
        let name = self.name.rsplit(|byte| *byte == b'\\').next().unwrap_or_default();
        let digest = Sha1::new()
            .chain_update(self.peer_challenge)
            .chain_update(self.authenticator_challenge)
            .chain_update(name)
            .finalize();
        let mut challenge = [0; 8];
        challenge.iter_mut().zip(digest).for_each(|(into, byte)| *into = byte);
        challenge
    }

    /// `GenerateAuthenticatorResponse`, §8.7, with the keys.
    fn proven(&self, hash: &NtHash, challenge: &[u8; 8]) -> Proven {
        let twice = hash.hashed();
        let signed = Sha1::new()
            .chain_update(twice.expose())
            .chain_update(self.response)
            .chain_update(SIGNING)
            .finalize();
        let proof = Sha1::new().chain_update(signed).chain_update(challenge).chain_update(PADDING).finalize();
        Proven {
            authenticator_response: format!("S={}", HEXUPPER.encode(&proof)),
            keys: MppeKeys::of(&twice, &self.response),
        }
    }
}

/// What follows from a right response. It is made of one and of nothing else.
#[derive(Clone)]
pub struct Proven {
    /// `S=` and 40 digits: proves to the peer that the server knows the password too. The text of a Success packet begins so.
    pub authenticator_response: String,
    /// Keys of the session, 16 bytes each, as the server sends and receives.
    pub keys: MppeKeys,
}

/// The text of a Failure packet (§6): "authentication failure", not to be tried again with this challenge. `message` is what the
/// person may read; it must not tell why.
pub fn failure(next_challenge: &Challenge, message: &str) -> String {
    format!("E=691 R=0 C={} V=3 M={message}", HEXUPPER.encode(next_challenge))
}

/// Bytes of SHA-1's output that a key is made of.
fn first_16(digest: impl AsRef<[u8]>) -> Secret<[u8; 16]> {
    let mut first = [0; 16];
    first.iter_mut().zip(digest.as_ref()).for_each(|(into, byte)| *into = *byte);
    Secret::new(first)
}
