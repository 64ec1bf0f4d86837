//! Applications over HTTPS: what plug-ins for privacyIDEA and clients of Duo rely on, each of it a test, with the real daemon and
//! real clients.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

#[path = "api/apps.rs"]
mod apps;
#[path = "api/clients.rs"]
mod clients;
#[path = "api/conventions.rs"]
mod conventions;
#[path = "api/doors.rs"]
mod doors;
#[path = "api/duo.rs"]
mod duo;
#[path = "api/fuzzed.rs"]
mod fuzzed;
#[path = "api/left.rs"]
mod left;
#[path = "api/reference.rs"]
mod reference;
#[path = "api/rounds.rs"]
mod rounds;
#[path = "api/world.rs"]
mod world;
