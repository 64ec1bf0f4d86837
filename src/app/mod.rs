//! Command line, life cycle, wiring. The only rank that prints.

pub mod check;
pub mod cli;
pub mod client;
pub mod confinement;
pub mod demo;
pub mod lifecycle;
pub mod logging;
pub mod nas;
pub mod notify;
pub mod serve;
pub mod wiring;

/// Variables of the environment; those that are not UTF-8 are none of ours.
fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}
