//! Yubico's validation protocol, version 2.0: one HTTP request with an OTP, one answer in lines, both signed with a key
//! that client and server share ("OTP validation protocol" of Yubico's developer documentation;
//! `doc/Validation_Protocol_V2.0.adoc` of yubikey-val).
//!
//! ```text
//!   client                                                                  server
//!     │ GET /wsapi/2.0/verify?id=7&nonce=…&otp=cccc…&h=…                       │
//!     ├────────────────────────────────────────────────────────────────────▶│  [`Request`]
//!     │                     h=… t=… otp=cccc… nonce=… sl=100 status=OK        │
//!     │◀────────────────────────────────────────────────────────────────────┤  [`Reply`]
//!  [`Question::judge`]
//! ```
//!
//! An OK counts only if it is signed and repeats both OTP and nonce: without the signature anyone on the way could say it,
//! without the nonce an old one could be sent again, without the OTP one of another key.

mod answer;
mod reply;
mod request;
mod signature;

pub use answer::{Answer, MalformedAnswer, Undecided, Verdict};
pub use reply::{Counters, Reply};
pub use request::{NONCE_LENGTH, Question, Request, SyncLevel};
pub use signature::{ApiKey, BadApiKey};

use std::collections::BTreeMap;
use std::fmt;

/// Names and values in the order in which they are signed.
type Fields = BTreeMap<String, String>;

/// What a server says about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// The OTP is good, and used up now.
    Ok,
    /// It is none, or of a key that the server does not know or that does not count any more.
    BadOtp,
    /// It was used before, or a later one was.
    ReplayedOtp,
    /// Of protocol 1: the key's clock does not fit to when it was used last. Some servers still say it.
    DelayedOtp,
    /// The request's signature is wrong.
    BadSignature,
    /// Something is missing in the request, or is not what it should be.
    MissingParameter,
    /// Nobody has this client id.
    NoSuchClient,
    /// This client may not ask.
    OperationNotAllowed,
    /// The server failed.
    BackendError,
    /// Too few of the servers that this one synchronises with have answered.
    NotEnoughAnswers,
    /// The same OTP came with the same nonce.
    ReplayedRequest,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 11] = [
        Status::Ok,
        Status::BadOtp,
        Status::ReplayedOtp,
        Status::DelayedOtp,
        Status::BadSignature,
        Status::MissingParameter,
        Status::NoSuchClient,
        Status::OperationNotAllowed,
        Status::BackendError,
        Status::NotEnoughAnswers,
        Status::ReplayedRequest,
    ];

    /// As it stands in an answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Status::Ok => "OK",
            Status::BadOtp => "BAD_OTP",
            Status::ReplayedOtp => "REPLAYED_OTP",
            Status::DelayedOtp => "DELAYED_OTP",
            Status::BadSignature => "BAD_SIGNATURE",
            Status::MissingParameter => "MISSING_PARAMETER",
            Status::NoSuchClient => "NO_SUCH_CLIENT",
            Status::OperationNotAllowed => "OPERATION_NOT_ALLOWED",
            Status::BackendError => "BACKEND_ERROR",
            Status::NotEnoughAnswers => "NOT_ENOUGH_ANSWERS",
            Status::ReplayedRequest => "REPLAYED_REQUEST",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Status {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Status::ALL.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}
