//! The HTTP interface that plug-ins for privacyIDEA speak: what they send, and the JSON that they read.
//!
//! [`Parameters`] are the fields of a request, from a query, a form (also in parts) or JSON; [`Check`] is what one asks. [`answer`] makes the
//! envelope, [`token`] the signed tokens of `/auth`. Nothing here knows who may ask, or decides anything about a person.

pub mod answer;
mod check;
mod multipart;
mod parameters;
pub mod token;

pub use check::{Check, Transaction};
pub use multipart::boundary;
pub use parameters::{BadParameters, Decoding, Parameters, Second};
