//! The portal: the self-service pages, over HTTPS. Rendered here, usable without JavaScript, from this host only.
//!
//! A request goes through one door ([`browser`], [`form`]): who asks and from where, their session, the language; for a form also how often,
//! whether the page that it was on is ours, and its size. Then a page shows where a flow stands, or a form moves it on and
//! leads to the page with a redirect, so that nothing is sent twice by a reload. What happens is the engine's
//! ([`crate::engine::portal`]).

mod answers;
mod assets;
mod browser;
mod cookie;
mod form;
mod listener;
mod pages;
mod peer;
mod rates;
mod turns;
mod view;

pub use crate::serve::http::{BindError, Running};
pub use listener::start;

use crate::config::Config;
use crate::engine::portal::Portal;
use crate::engine::warnings::Warnings;
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rates::Rates;
use std::path::PathBuf;
use std::sync::Arc;
use turns::Turns;

/// Largest form in bytes.
const LARGEST: usize = 64 * 1024;

/// What every request can reach.
#[derive(Clone)]
pub struct State {
    /// Runs the flows.
    pub portal: Arc<Portal>,
    /// The settings.
    pub config: Arc<ArcSwap<Config>>,
    /// Folder with everything that was sent; there is one in a demonstration only.
    pub sent: Option<Arc<PathBuf>>,
    rates: Arc<Rates>,
    /// The same for questions while a password is typed.
    typing: Arc<Rates>,
    turns: Arc<Turns>,
    answers: Arc<answers::Answers>,
    warnings: Arc<Warnings>,
}

impl State {
    /// Nobody has asked yet.
    pub fn new(portal: Arc<Portal>, config: Arc<ArcSwap<Config>>, sent: Option<PathBuf>) -> Self {
        Self {
            portal,
            config,
            sent: sent.map(Arc::new),
            rates: Arc::default(),
            typing: Arc::default(),
            turns: Arc::default(),
            answers: Arc::default(),
            warnings: Arc::default(),
        }
    }
}

/// A form that was begun is done to its end, also if the browser goes away meanwhile: else whoever closes the connection at the
/// right moment changes a password without the mail that tells of it.
async fn to_the_end(request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    let answer = tokio::spawn(next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn router(state: State) -> Router {
    pages::routes()
        .merge(assets::routes())
        .fallback(pages::missing)
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(axum::middleware::from_fn(to_the_end))
        .layer(axum::middleware::map_response(view::headers))
        .with_state(state)
}
