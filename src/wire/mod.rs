//! Bytes on the wire and the types they stand for. No tokio, no sockets, no clock, no log.

pub mod cef;
pub mod cms;
pub mod duo;
pub mod eap;
pub mod ldap;
pub mod mobileconfig;
pub mod mschap;
pub mod privacyidea;
pub mod pskc;
pub mod radius;
pub mod sealed_lines;
pub mod syslog;
pub mod wsapi;
pub mod x509;
pub mod yubico;
