//! Doorward: an authentication daemon that puts a password *and* a passcode in front of VPN, Wi-Fi and
//! applications.
//!
//! The crate is a stack of ranks. Each rank imports only ranks above it in this list, siblings inside
//! `serve` never import each other (only `http` and `handed`, which they share), and `tests/layering.rs`
//! holds both rules. `docs/architecture.md` says what is in each:
//!
//! | rank     | knows                                                                        |
//! |----------|------------------------------------------------------------------------------|
//! | `base`   | clock, randomness, secrets, prefixes, counters; nothing of the domain        |
//! | `wire`   | bytes and types of every protocol (RADIUS, EAP, LDAP …); no sockets, no clock |
//! | `domain` | people, factors, policies, the login machine, flows; pure decisions          |
//! | `eap`    | the server side of EAP-TLS, TTLS and PEAP as machines over buffers           |
//! | `config` | TOML on disk to resolved settings, with every error at once                  |
//! | `store`  | traits over what is kept, and their backends                                 |
//! | `engine` | runs the domain's machines against the stores; shared by every front         |
//! | `serve`  | the tokio shells: RADIUS, admin socket, portal, applications, metrics        |
//! | `app`    | command line, life cycle, wiring                                             |
//!
//! A login travels through them like this: `serve::radius` checks a datagram with `wire::radius`, hands
//! user name and password to `engine::login`, which asks `domain::login` what to do next, does it with a
//! `store`, and returns a decision; the shell turns the decision into a reply.
#![forbid(unsafe_code)]

pub mod base;
pub mod wire;

pub mod domain;

pub mod eap;

pub mod config;

pub mod store;

pub mod engine;

pub mod serve;

pub mod app;
