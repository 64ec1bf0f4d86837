//! Keys of a session from MSCHAPv2 (RFC 3079 §3.3, 128 bits). Inside TTLS and PEAP the tunnel's own keys are used instead.

use super::{NtResponse, first_16};
use crate::base::Secret;
use sha1::{Digest, Sha1};

const MASTER: &[u8] = b"This is the MPPE Master Key";
const CLIENT_SENDS: &[u8] =
    b"On the client side, this is the send key; on the server side, it is the receive key.";
const SERVER_SENDS: &[u8] =
    b"On the client side, this is the receive key; on the server side, it is the send key.";

/// The keys as the server has them; the peer has them the other way round.
#[derive(Clone)]
pub struct MppeKeys {
    /// `MasterSendKey`: MS-MPPE-Send-Key, before it is padded for EAP.
    pub send: Secret<[u8; 16]>,
    /// `MasterReceiveKey`: MS-MPPE-Recv-Key.
    pub receive: Secret<[u8; 16]>,
}

impl MppeKeys {
    /// Of `PasswordHashHash` and the response that was right.
    pub(super) fn of(twice: &Secret<[u8; 16]>, response: &NtResponse) -> Self {
        let master = master(twice, response);
        Self { send: start(&master, SERVER_SENDS), receive: start(&master, CLIENT_SENDS) }
    }
}

/// `GetMasterKey`, §3.4.
pub(super) fn master(twice: &Secret<[u8; 16]>, response: &NtResponse) -> Secret<[u8; 16]> {
    first_16(Sha1::new().chain_update(twice.expose()).chain_update(response).chain_update(MASTER).finalize())
}

/// `GetAsymmetricStartKey`, §3.4.
fn start(master: &Secret<[u8; 16]>, magic: &[u8]) -> Secret<[u8; 16]> {
    let padded = Sha1::new().chain_update(master.expose()).chain_update([0; 40]);
    first_16(padded.chain_update(magic).chain_update([0xf2; 40]).finalize())
}
