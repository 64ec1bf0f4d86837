//! passcode
