//! Runs the domain's machines against the stores. Every front (RADIUS, admin socket, portal, applications)
//! goes through here, so a login is decided in one place.

pub mod applications;
mod closing;
pub mod delivery;
pub mod desk;
pub mod devices;
pub mod enroll;
pub mod export;
pub mod health;
pub mod inventory;
pub mod keys;
mod late_key;
pub mod login;
pub mod meters;
mod notices;
pub mod once;
pub mod portal;
pub mod reach;
pub mod refused;
pub mod sync;
pub mod tokens;
pub mod trail;
mod undecided;
pub mod upkeep;
pub mod validation;
pub mod warnings;
