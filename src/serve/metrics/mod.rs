//! What a monitoring system and a load balancer ask, over HTTP on this machine, and beyond it only from where the configuration says:
//!
//! - `/metrics`: figures in Prometheus' text format
//! - `/health`: the daemon runs
//! - `/ready`: it can answer logins; else 503, and the body says what is down

mod exposition;
mod families;

pub use crate::serve::http::{BindError, Running};
pub use exposition::{Family, Kind};
pub use families::FAMILIES;

use crate::config::Config;
use crate::engine::health::{Observe, State as Answers};
use crate::serve::handed::Handed;
use crate::serve::http::{Limits, Protection, Service};
use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::State as With;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Monitoring asks a few times a minute; load balancers every second, each.
const LIMITS: Limits = Limits {
    connections: 64,
    per_peer: 16,
    head: Duration::from_secs(5),
    request: Duration::from_secs(10),
    whole: Duration::from_secs(300),
    longest_head: 16 * 1024,
};

/// What every request can reach.
#[derive(Clone)]
pub struct State {
    /// Looks.
    pub observer: Arc<dyn Observe>,
    /// The settings.
    pub config: Arc<ArcSwap<Config>>,
}

/// Serves the addresses of the present configuration, which may be none.
pub async fn start(state: State, handed: &Handed) -> Result<Running, BindError> {
    let service = Service::new("[metrics]", router(state.clone()), LIMITS);
    let addresses = state.config.load().metrics.listen.clone();
    service
        .serve_at(&addresses, handed, move |local, peer: &SocketAddr| protection(&state, local, peer))
        .await
}

/// Strangers are not even spoken to.
fn protection(state: &State, local: SocketAddr, peer: &SocketAddr) -> Protection {
    let config = state.config.load();
    match &config.metrics.tls {
        _ if !config.metrics.answers(peer.ip()) => {
            tracing::debug!(%peer, %local, "a connection for [metrics] is closed: `networks` does not name the address");
            Protection::Refused
        }
        Some(tls) => Protection::Tls(Arc::clone(&tls.0)),
        None => Protection::Plain,
    }
}

fn router(state: State) -> Router {
    let nothing = || async { (StatusCode::NOT_FOUND, "There are /metrics, /health and /ready here.\n") };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(|| async { plain(StatusCode::OK, "up\n".to_owned()) }))
        .route("/ready", get(ready))
        .fallback(nothing)
        .with_state(state)
}

async fn metrics(With(state): With<State>) -> Response {
    let seen = state.observer.look().await;
    let text = families::text(&seen, state.observer.meters());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}

async fn ready(With(state): With<State>) -> Response {
    let seen = state.observer.look().await;
    let mut text = format!("{}\n", if seen.is_ready() { "ready" } else { "not ready" });
    let mut line = |what: &str, up: bool| {
        // A `String` takes anything.
        let _ = writeln!(text, "{what}: {}", if up { "up" } else { "down" });
    };
    line("store", seen.store.is_up());
    if let Some(redis) = &seen.redis {
        line("redis", matches!(redis, Answers::Up));
    }
    for directory in &seen.directories {
        line(&format!("directory {}", directory.progress.directory), directory.is_up());
    }
    let status = if seen.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    plain(status, text)
}

/// No cache may say that all is well.
fn plain(status: StatusCode, text: String) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, text).into_response()
}
