//! Conversations between rustls on both sides.
