//! `ChallengeResponse` (RFC 2759 §8.5): the hash, padded with zeros to 21 bytes, is three keys of DES with 56 bits each, and each
//! encrypts the challenge. DES is broken; the last key has 16 bits at most. That is MSCHAPv2: it belongs inside TLS.

use super::{NtHash, NtResponse};
use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

pub(super) fn response(hash: &NtHash, challenge: &[u8; 8]) -> NtResponse {
    let mut padded = Zeroizing::new([0; 21]);
    padded.iter_mut().zip(hash.expose()).for_each(|(into, byte)| *into = *byte);
    let mut response = [0; 24];
    for (key, into) in padded.chunks_exact(7).zip(response.chunks_exact_mut(8)) {
        let mut block = (*challenge).into();
        Des::new((&*spread(key)).into()).encrypt_block(&mut block);
        into.copy_from_slice(&block);
    }
    response
}

/// 56 bits in 8 bytes, seven in each, above the bit of parity, which DES does not look at (§8.6).
pub(super) fn spread(key: &[u8]) -> Zeroizing<[u8; 8]> {
    let bits = key.iter().fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let mut spread = Zeroizing::new([0; 8]);
    for (at, byte) in spread.iter_mut().enumerate() {
        // Seven bits: the cast cuts nothing off.
        *byte = (bits >> (49 - 7 * at) & 0x7f) as u8;
        *byte <<= 1;
    }
    spread
}
