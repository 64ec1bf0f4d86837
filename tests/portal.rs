//! The portal as people use it: Debian's Chromium on pages of the real daemon, with real mail, a real directory, RADIUS, and two
//! nodes on one PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

mod support;

#[path = "portal/activation.rs"]
mod activation;
#[path = "portal/devices.rs"]
mod devices;
#[path = "portal/doors.rs"]
mod doors;
#[path = "portal/looks.rs"]
mod looks;
#[path = "portal/pages.rs"]
mod pages;
#[path = "portal/registration.rs"]
mod registration;
#[path = "portal/reset.rs"]
mod reset;
#[path = "portal/steady.rs"]
mod steady;
#[path = "portal/strangers.rs"]
mod strangers;
#[path = "portal/twice.rs"]
mod twice;
#[path = "portal/world.rs"]
mod world;
