//! What applications ask over HTTPS: `/validate/…`, `/auth` and `/token/…` as plug-ins for privacyIDEA do, and `/auth/v2/…` as
//! clients of Duo do. Nobody is served who has not shown which `[[api_client]]` it is.
//!
//! A request goes through one door ([`incoming`], [`caller`]): its size and fields, who asks and from where, how often. What happens is
//! the engine's ([`crate::engine::applications`]). Addresses of requests are never logged: some hold passwords.

mod auth;
mod caller;
mod document;
mod duo;
mod failure;
mod incoming;
mod limits;
mod listener;
mod tokens;
mod validate;

pub use crate::serve::http::{BindError, Running};
pub use document::document;
pub use listener::start;

use crate::base::{Clock, Timestamp};
use crate::config::Config;
use crate::engine::applications::Applications;
use crate::engine::warnings::Warnings;
use arc_swap::ArcSwap;
use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use limits::{Proven, Rates};
use std::sync::Arc;

/// What every request can reach.
#[derive(Clone)]
pub struct State {
    /// Asks the login machine.
    pub applications: Arc<Applications>,
    /// The settings.
    pub config: Arc<ArcSwap<Config>>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    kept: Arc<Kept>,
}

/// What is kept between requests.
#[derive(Default)]
struct Kept {
    rates: Rates,
    proven: Proven,
    warnings: Warnings,
}

impl State {
    /// Nobody has asked yet.
    pub fn new(applications: Arc<Applications>, config: Arc<ArcSwap<Config>>, clock: Arc<dyn Clock>) -> Self {
        Self { applications, config, clock, kept: Arc::default() }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

fn router(state: State) -> Router {
    Router::new()
        .route("/validate/check", get(validate::check).post(validate::check))
        .route("/validate/radiuscheck", get(validate::radiuscheck).post(validate::radiuscheck))
        .route("/validate/triggerchallenge", get(validate::trigger).post(validate::trigger))
        .route("/validate/polltransaction", get(validate::poll))
        .route("/validate/polltransaction/{id}", get(validate::poll))
        .route("/auth", post(auth::sign_in))
        .route("/token/", get(tokens::list))
        .route("/token/init", post(tokens::init))
        .route("/auth/v2/ping", get(duo::ping))
        .route("/auth/v2/check", get(duo::check))
        .route("/auth/v2/preauth", post(duo::preauth))
        .route("/auth/v2/auth", post(duo::auth))
        .route("/auth/v2/auth_status", get(duo::status))
        .route("/openapi.json", get(document::serve))
        .fallback(failure::no_route)
        .method_not_allowed_fallback(failure::no_method)
        .layer(axum::middleware::map_response(headers))
        .with_state(state)
}

/// Nothing that is answered belongs into a cache or is to be taken for something else.
async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, header::HeaderValue::from_static("nosniff"));
    response.into_response()
}
