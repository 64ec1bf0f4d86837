//! Ground that every other rank stands on: time, randomness, secrets, address prefixes, counters, and the core of a thread.
//!
//! Time and randomness are traits so that tests inject them; the ranks that only decide (`wire`, `domain`, `eap`) never ask the system.

pub mod affinity;
pub mod clock;
pub mod drawn;
pub mod meter;
pub mod percent;
pub mod prefix;
pub mod qr;
pub mod rng;
pub mod secret;
pub mod soon;

pub use clock::{Clock, ManualClock, SystemClock, Timestamp, ticks};
pub use drawn::DrawnState;
pub use percent::{percent_decode, percent_encode};
pub use prefix::PrefixMap;
pub use rng::{OsRandom, Random, SeededRandom};
pub use secret::Secret;
pub use soon::Soon;
