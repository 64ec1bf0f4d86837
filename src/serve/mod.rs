//! The tokio shells. Siblings never import each other; what they share lies in `engine`.

pub mod admin;
pub mod radius;
pub mod wsapi;
