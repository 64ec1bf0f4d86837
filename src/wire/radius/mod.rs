//! RADIUS packets: bytes ⇄ types (RFC 2865, 2868, 2869, 3579, 5997, 2548).
//!
//! [`Packet::decode`] checks every length before anything else and borrows from the datagram. [`Reply`] builds
//! answers with Message-Authenticator as their first attribute. [`SharedSecret`] hides passwords and keys, and
//! [`Together`] checks and signs packets under it, many at once. [`Dictionary`] knows attributes by name.

mod attribute;
mod dictionary;
mod eap;
mod lanes;
mod packet;
mod reply;
mod secret;
mod together;

pub use attribute::{Attribute, AttributeType, EncodedAttribute, Encryption, vendor_attributes};
pub use dictionary::{DataType, Definition, Dictionary, ValueError};
pub use eap::Scattered;
pub use packet::{Attributes, Code, Malformed, Packet};
pub use reply::{Reply, ReplyTo, Request, TooLong, verify_response};
pub use secret::{EmptySecret, MessageAuthenticator, SharedSecret};
pub use together::{Pad, Together, Verified};
