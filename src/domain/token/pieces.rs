//! Values in files of tokens.

use crate::base::Secret;
use crate::wire::yubico::{Key, PublicId};
use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroize;

/// Longest serial number or name.
const LABEL: usize = 64;
/// Longest public id of a key that can type 48 characters.
const PUBLIC_ID: usize = 8;

/// A number or name that is printed somewhere.
pub(super) fn label(text: &str, what: &str) -> Result<String, String> {
    let text = text.trim();
    if text.len() > LABEL || text.chars().any(char::is_control) {
        return Err(format!("the {what} has more than {LABEL} bytes, or characters that cannot be printed"));
    }
    Ok(text.to_owned())
}

/// Bytes in hex, so many.
pub(super) fn hex<const N: usize>(text: &str, what: &str) -> Result<Secret<[u8; N]>, String>
where
    [u8; N]: Zeroize,
{
    let mut bytes = [0; N];
    let fits = HEXLOWER_PERMISSIVE.decode_len(text.len()) == Ok(N);
    if !fits || HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes).is_err() {
        return Err(format!("the {what} must be {} hexadecimal digits", 2 * N));
    }
    Ok(Secret::new(bytes))
}

/// A public id, in modhex. Without one nobody could tell whose key it is.
pub(super) fn public_id(text: &str) -> Result<PublicId, String> {
    let id = PublicId::parse(text).map_err(|_| "the public id must be modhex (letters cbdefghijklnrtuv)")?;
    if id.is_empty() || id.as_bytes().len() > PUBLIC_ID {
        return Err(format!(
            "the public id must have 2 to {} letters: by it the key is told from others",
            2 * PUBLIC_ID
        ));
    }
    Ok(id)
}

/// What a YubiKey shares with us.
pub(super) fn key(private_id: &str, aes: &str) -> Result<Key, String> {
    Ok(Key { private_id: hex(private_id, "private id")?, aes: hex(aes, "AES key")? })
}
