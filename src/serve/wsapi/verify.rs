//! One request.

use super::State;
use crate::config::WsapiClient;
use crate::engine::validation::Validated;
use crate::wire::wsapi::{ApiKey, Counters, Reply, Request, Status};
use axum::extract::{ConnectInfo, RawQuery, State as With};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::net::SocketAddr;
use tokio::time::Instant;
use uuid::Uuid;

/// What is answered, beside what was asked.
struct Said {
    status: Status,
    counters: Option<Counters>,
}

impl From<Status> for Said {
    fn from(status: Status) -> Self {
        Self { status, counters: None }
    }
}

/// Answers are always 200 with lines in them: clients look at nothing else.
pub(super) async fn verify(
    With(state): With<State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    RawQuery(query): RawQuery,
) -> Response {
    let config = state.config.load_full();
    let request = Request::parse(query.as_deref().unwrap_or_default());
    let client = request.as_ref().and_then(|request| config.wsapi.clients.get(&request.client));
    let said = match (&request, client) {
        (Some(request), Some(client)) => decide(&state, peer, request, client).await,
        (Some(_), None) => {
            warn(&state, peer, "it names a client that is not in [wsapi]");
            Status::NoSuchClient.into()
        }
        (None, _) => {
            warn(&state, peer, "it is no request of the protocol");
            Status::MissingParameter.into()
        }
    };
    reply(&state, request.as_ref(), client.map(|client| &client.key), &said)
}

async fn decide(state: &State, peer: SocketAddr, request: &Request, client: &WsapiClient) -> Said {
    let id = request.client;
    if !client.asks_from(peer.ip()) {
        warn(state, peer, "its client may not ask from there");
        return Status::OperationNotAllowed.into();
    }
    if !request.is_signed(&client.key) {
        warn(state, peer, "it is not signed with its client's key");
        return Status::BadSignature.into();
    }
    let config = state.config.load();
    if !state.kept.rates.admit(id, config.wsapi.rate, Instant::now()) {
        warn(state, peer, "its client asks more often than wsapi.rate");
        return Status::BackendError.into();
    }
    let (Some(otp), Some(nonce), None) = (&request.otp, &request.nonce, request.missing()) else {
        return Status::MissingParameter.into();
    };
    if state.kept.recent.has(id, nonce, otp) {
        return Status::ReplayedRequest.into();
    }
    let number = Uuid::now_v7().to_string();
    let looking = state.desk.use_up(id, otp, &number);
    let validated = tokio::time::timeout(config.radius.request_deadline, looking).await;
    match validated {
        Ok(Ok(Validated::Good(token))) => {
            state.kept.recent.add(id, nonce, otp);
            let counters =
                Counters { timestamp: token.timestamp, session: token.use_ctr, usage: token.session_ctr };
            Said { status: Status::Ok, counters: request.counters.then_some(counters) }
        }
        Ok(Ok(Validated::Replayed)) => Status::ReplayedOtp.into(),
        Ok(Ok(Validated::Bad)) => Status::BadOtp.into(),
        Ok(Err(error)) => {
            tracing::error!(client = id, request = number, %error, "a YubiKey could not be validated");
            Status::BackendError.into()
        }
        Err(_) => {
            tracing::error!(client = id, request = number, "validating a YubiKey took too long");
            Status::BackendError.into()
        }
    }
}

fn warn(state: &State, peer: SocketAddr, what: &'static str) {
    if let Some(left_out) = state.kept.warnings.due(what, peer.ip(), Instant::now()) {
        tracing::warn!(peer = %peer.ip(), left_out, "a request to validate a YubiKey is refused: {what}");
    }
}

fn reply(state: &State, request: Option<&Request>, key: Option<&ApiKey>, said: &Said) -> Response {
    let reply = Reply {
        status: said.status,
        otp: request.and_then(|request| request.otp.as_deref()),
        nonce: request.and_then(|request| request.nonce.as_deref()),
        now: state.clock.now(),
        counters: said.counters,
    };
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=us-ascii"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, reply.render(key)).into_response()
}
