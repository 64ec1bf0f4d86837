//! The portal as people use it: Debian's Chromium on pages of the real daemon, with real mail, a real directory, RADIUS, and two
//! nodes on one PostgreSQL.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

#[path = "portal/activation.rs"]
mod activation;
#[path = "portal/registration.rs"]
mod registration;
#[path = "portal/reset.rs"]
mod reset;
#[path = "portal/world.rs"]
mod world;
