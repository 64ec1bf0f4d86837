//! Challenges and codes in process and in Redis: the same claims about both, then real servers in every arrangement.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

#[path = "challenges/applications.rs"]
mod applications;
#[path = "challenges/claims.rs"]
mod claims;
#[path = "challenges/nodes.rs"]
mod nodes;
#[path = "challenges/same.rs"]
mod same;
#[path = "challenges/servers.rs"]
mod servers;
#[path = "challenges/tampering.rs"]
mod tampering;
#[path = "challenges/world.rs"]
mod world;
