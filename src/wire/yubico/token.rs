//! What the encrypted part says: 16 bytes under AES-128, with a checksum and the key's private id inside.

use super::otp::Otp;
use crate::base::Secret;
use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The use counter has 15 bits and ends here; a key that has come so far is worn out.
pub const LAST_USE: u16 = 0x7fff;
/// What the CRC of a whole token leaves, its own two bytes included (ISO 13239).
const CRC_RESIDUE: u16 = 0xf0b8;
/// The bit beside the use counter: Caps Lock made the key type, as old ones could.
const CAPS_LOCK: u16 = 0x8000;

/// What a key and its server share.
#[derive(Debug, Clone)]
pub struct Key {
    /// AES-128.
    pub aes: Secret<[u8; 16]>,
    /// Stands in every token.
    pub private_id: Secret<[u8; 6]>,
}

/// Why a ciphertext is not of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The checksum is wrong: another AES key, or damaged on its way.
    #[error("its checksum is wrong, so it was not made with this AES key")]
    Crc,
    /// Another private id.
    #[error("its private id is another than the key's")]
    PrivateId,
}

/// What a key said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// Rises each time that the key gets power; 15 bits.
    pub use_ctr: u16,
    /// Caps Lock made the key type.
    pub caps_lock: bool,
    /// Of a clock of about 8 Hz in the key, from a random start; 24 bits.
    pub timestamp: u32,
    /// Rises with each touch while the key has power.
    pub session_ctr: u8,
    /// Of the key's random generator.
    pub random: u16,
}

impl Token {
    /// Where it stands in the life of its key: a later one has a higher position.
    pub const fn position(&self) -> u64 {
        self.use_ctr as u64 * 256 + self.session_ctr as u64
    }
}

/// CRC-16 of ISO 13239, as keys reckon it.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0x8408 } else { crc >> 1 })
    })
}

impl Key {
    /// What an OTP says, if this key made it.
    ///
    /// # Errors
    /// [`TokenError::Crc`] before [`TokenError::PrivateId`]: without the right AES key the latter means nothing.
    pub fn open(&self, otp: &Otp) -> Result<Token, TokenError> {
        let mut block = otp.cipher.into();
        Aes128::new(self.aes.expose().into()).decrypt_block(&mut block);
        let plain: Zeroizing<[u8; 16]> = Zeroizing::new(block.into());
        let [p0, p1, p2, p3, p4, p5, ctr0, ctr1, t0, t1, t2, session_ctr, r0, r1, _, _] = *plain;
        let right_crc = crc(&*plain).to_le_bytes().ct_eq(&CRC_RESIDUE.to_le_bytes());
        let right_id = [p0, p1, p2, p3, p4, p5].ct_eq(self.private_id.expose());
        if !bool::from(right_crc) {
            return Err(TokenError::Crc);
        }
        if !bool::from(right_id) {
            return Err(TokenError::PrivateId);
        }
        let counter = u16::from_le_bytes([ctr0, ctr1]);
        Ok(Token {
            use_ctr: counter & LAST_USE,
            caps_lock: counter & CAPS_LOCK != 0,
            timestamp: u32::from_le_bytes([t0, t1, t2, 0]),
            session_ctr,
            random: u16::from_le_bytes([r0, r1]),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::{PublicId, modhex};
    use super::*;
    use aes::cipher::BlockCipherEncrypt;

    /// A key that types.
    pub(crate) fn touch(key: &Key, public_id: PublicId, use_ctr: u16, session_ctr: u8) -> String {
        let mut plain = [0; 16];
        plain[..6].copy_from_slice(key.private_id.expose());
        plain[6..8].copy_from_slice(&use_ctr.to_le_bytes());
        plain[8..14].copy_from_slice(&[1, 2, 3, session_ctr, 4, 5]);
        let check = !crc(&plain[..14]);
        plain[14..].copy_from_slice(&check.to_le_bytes());
        let mut block = plain.into();
        Aes128::new(key.aes.expose().into()).encrypt_block(&mut block);
        Otp { public_id, cipher: block.into() }.to_string()
    }

    pub(crate) fn key(aes: &str, private_id: &str) -> Key {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        Key {
            aes: Secret::new(hex(aes).try_into().unwrap()),
            private_id: Secret::new(hex(private_id).try_into().unwrap()),
        }
    }

    // The example in the manuals of Yubico's `ykparse` and `ykgenerate`.
    #[test]
    fn published_token_is_read() {
        let key = key("ecde18dbe76fbd0c33330f1c354871db", "8792ebfe26cc");
        let otp = Otp::parse("dteffujehknhfjbrjnlnldnhcujvddbikngjrtgh").unwrap();
        let token = key.open(&otp).unwrap();
        let wanted =
            Token { use_ctr: 19, caps_lock: false, timestamp: 0x00_c230, session_ctr: 17, random: 0x9fc8 };
        assert_eq!(token, wanted);
        assert_eq!(token.position(), 19 * 256 + 17);
    }

    // Seven touches that Yubico published with their key ("Test vectors"), the first two with what they say.
    #[test]
    fn published_touches_are_read_in_their_order() {
        let key = key("0682952d3363f225654b58a73b131259", "c5fc55c3767f");
        let touches = [
            "ndgtriluugngkuhguutjdfihfkleuvnjtjiljkbtbngb",
            "ndgtriluugnghggtkhvrbbrrgtdfeivgklbkviteggcu",
            "ndgtriluugngvlbnjllchllugvhhftndludrjubuuvkh",
            "ndgtriluugngvukkrdlbvnettvhdhcjfgtjljkufulfe",
            "ndgtriluugngnfdeicbdnfhlinhjvkufikdvbunjjvbn",
            "ndgtriluugngbclrcivunvrbghicrfkeflvgrkdrfbve",
            "ndgtriluugngvkdlfkvljfcvbehdvbtelhuutgdhfdku",
        ];
        let tokens: Vec<_> = touches.iter().map(|otp| key.open(&Otp::parse(otp).unwrap()).unwrap()).collect();
        let said = |token: &Token| (token.use_ctr, token.timestamp, token.session_ctr, token.random);
        assert_eq!(said(&tokens[0]), (13, 0, 0, 0x331a));
        assert_eq!(said(&tokens[1]), (13, 22, 1, 0x975f));
        assert!(tokens.is_sorted_by(|before, after| before.position() < after.position()), "{tokens:?}");
    }

    #[test]
    fn wrong_key_damage_and_wrong_private_id_are_told_apart() {
        let right = key("000102030405060708090a0b0c0d0e0f", "010203040506");
        let id = PublicId::parse("vvcccccbcdef").unwrap();
        let otp = Otp::parse(&touch(&right, id, 5, 6)).unwrap();
        assert_eq!(right.open(&otp).map(|token| token.position()), Ok(5 * 256 + 6));
        let other = key("100102030405060708090a0b0c0d0e0f", "010203040506");
        assert_eq!(other.open(&otp), Err(TokenError::Crc));
        let other = key("000102030405060708090a0b0c0d0e0f", "010203040507");
        assert_eq!(other.open(&otp), Err(TokenError::PrivateId));
        for bit in 0..128 {
            let mut changed = otp;
            changed.cipher[bit / 8] ^= 1 << (bit % 8);
            assert!(right.open(&changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn caps_lock_is_no_part_of_the_counter_and_positions_never_fall() {
        let key = key("000102030405060708090a0b0c0d0e0f", "010203040506");
        let id = PublicId::new(&[]).unwrap();
        let token = |use_ctr, session_ctr| {
            key.open(&Otp::parse(&touch(&key, id, use_ctr, session_ctr)).unwrap()).unwrap()
        };
        assert_eq!(token(0x8007, 1).position(), token(7, 1).position());
        assert!(token(0x8007, 1).caps_lock);
        let order = [(0, 0), (0, 255), (1, 0), (0x7ffe, 255), (LAST_USE, 0), (LAST_USE, 255)];
        let positions: Vec<_> =
            order.iter().map(|(uses, touches)| token(*uses, *touches).position()).collect();
        assert!(positions.is_sorted_by(|before, after| before < after), "{positions:?}");
        assert_eq!(modhex::encode(id.as_bytes()), "");
    }
}
