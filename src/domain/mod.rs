//! People, factors, policies and the login machine: decisions without input or output.
//!
//! Everything here is a function of its arguments; time comes in as a [`crate::base::Timestamp`].

pub mod activity;
pub mod audit;
pub mod campus;
pub mod contact;
pub mod desk;
pub mod device;
pub mod digest;
pub mod directory;
pub mod factor;
pub mod flow;
pub mod login;
pub mod mailbox;
pub mod message;
pub mod method;
pub mod passcode;
pub mod password;
pub mod person;
pub mod policy;
pub mod question;
pub mod reason;
pub mod retention;
pub mod sent;
pub mod texts;
pub mod throttle;
pub mod token;
pub mod words;
pub mod yubikey;
