//! What a monitoring system, a load balancer, fail2ban and a person at a terminal are told of a running daemon.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests fail by panicking")]

mod support;

#[path = "monitoring/documents.rs"]
mod documents;
#[path = "monitoring/figures.rs"]
mod figures;
#[path = "monitoring/log.rs"]
mod log;
#[path = "monitoring/watch.rs"]
mod watch;
#[path = "monitoring/world.rs"]
mod world;
