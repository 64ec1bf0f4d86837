//! Command line, life cycle, wiring. The only rank that prints.

pub mod check;
pub mod cli;
pub mod client;
pub mod demo;
pub mod lifecycle;
pub mod logging;
pub mod login_test;
pub mod serve;
pub mod wiring;
