//! The tokio shells. Siblings never import each other; what they share lies in `engine`, and connections of HTTP in `http`.

pub mod admin;
pub mod api;
mod http;
pub mod portal;
pub mod radius;
pub mod wsapi;
