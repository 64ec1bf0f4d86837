//! Duo's Auth API v2 as its clients speak it: signed requests, and the JSON that they read.

pub mod answer;
mod result;
mod signature;

pub use result::{Outcome, Results};
pub use signature::{Authorization, Signed, is_timely};
