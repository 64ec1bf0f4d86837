//! EAP packets: bytes ⇄ types (RFC 3748, 5216, 5281), and what is inside the tunnels.
//!
//! [`Packet`] checks the header, [`Fragment`] what EAP-TLS, TTLS and PEAP put behind their type, [`Avps`] what a TTLS
//! tunnel carries. [`mschapv2`] are the packets of EAP-MSCHAPv2. Nothing here remembers or decides.

mod avp;
mod fragment;
pub mod mschapv2;
mod packet;

pub use avp::{Avp, AvpError, Avps, push_avp};
pub use fragment::{Flags, Fragment, FragmentError};
pub use packet::{Code, Malformed, Method, Packet, failure, request, success};
