//! The tokio shells. Siblings never import each other; what they share lies in `engine`, connections of HTTP in `http`, and sockets
//! that were handed over in `handed`.

pub mod admin;
pub mod api;
pub mod handed;
mod http;
pub mod metrics;
pub mod portal;
pub mod radius;
pub mod wsapi;

pub use http::Places;
