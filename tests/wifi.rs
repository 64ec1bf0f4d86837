//! 802.1X through the running daemon: Debian's `eapol_test` for every method, and a device of our own, with rustls, for what
//! `eapol_test` does not do: to break off, to lie, to be there ten thousand times.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

#[path = "wifi/bounds.rs"]
mod bounds;
#[path = "wifi/certificates.rs"]
mod certificates;
#[path = "wifi/challenges.rs"]
mod challenges;
#[path = "wifi/clients.rs"]
mod clients;
#[path = "wifi/demonstration.rs"]
mod demonstration;
#[path = "wifi/device.rs"]
mod device;
#[path = "wifi/directory.rs"]
mod directory;
#[path = "wifi/endings.rs"]
mod endings;
#[path = "wifi/methods.rs"]
mod methods;
#[path = "wifi/resumed.rs"]
mod resumed;
#[path = "wifi/secrets.rs"]
mod secrets;
#[path = "wifi/sessions.rs"]
mod sessions;
mod support;
#[path = "wifi/wired.rs"]
mod wired;
#[path = "wifi/world.rs"]
mod world;
