//! The one-time passwords of YubiKeys, as Yubico describes them (YubiKey Technical Manual, "Yubico OTP"; "OTPs Explained").
//!
//! A touch types an optional public id and 16 encrypted bytes, all in modhex, and mostly Enter. Here is what these
//! characters say ([`Otp`]), what the bytes say under a key ([`Key`], [`Token`]) and what a keyboard may have done to them
//! ([`Layout`]). Whether the counter was used before is for others to decide.

mod layout;
mod modhex;
mod otp;
#[cfg(test)]
pub(crate) use token::tests;
mod token;

pub use layout::Layout;
pub use modhex::{ModhexError, decode, encode, is_modhex};
pub use otp::{MAX_PUBLIC_ID, Otp, OtpError, PublicId, TYPED, TYPED_CIPHER, ends_with_modhex};
pub use token::{Key, LAST_USE, Token, TokenError};
