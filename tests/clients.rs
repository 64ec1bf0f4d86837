//! Clients that people use, from Debian, set up word for word as the guides in `docs/clients` say, on machines of their own: network
//! namespaces with the guides' addresses, and an `/etc` with the guides' files. Needs root.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "clients/freeradius.rs"]
mod freeradius;
#[path = "clients/guide.rs"]
mod guide;
#[path = "clients/ocserv.rs"]
mod ocserv;
#[path = "clients/openvpn.rs"]
mod openvpn;
#[path = "clients/pam.rs"]
mod pam;
#[path = "clients/strongswan.rs"]
mod strongswan;
mod support;
#[path = "clients/world.rs"]
mod world;
