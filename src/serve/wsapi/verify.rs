//! One request.

use super::State;
use crate::config::{Config, WsapiClient};
use crate::engine::validation::{self, Validated};
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
    match entitled(&config, peer, request.as_ref()) {
        Ok((request, client)) => {
            let said = decide(&state, &config, peer, request).await;
            reply(&state, &said, Some((request, &client.key)))
        }
        Err((status, why)) => {
            warn(&state, peer, why);
            reply(&state, &status.into(), None)
        }
    }
}

/// Who asks, if it has shown that it has its client's key; else what it is told, and why.
fn entitled<'a>(
    config: &'a Config,
    peer: SocketAddr,
    request: Option<&'a Request>,
) -> Result<(&'a Request, &'a WsapiClient), (Status, &'static str)> {
    let Some(request) = request else {
        return Err((Status::MissingParameter, "it is no request of the protocol"));
    };
    let Some(client) = config.wsapi.clients.get(&request.client) else {
        return Err((Status::NoSuchClient, "it names a client that is not in [wsapi]"));
    };
    if !client.asks_from(peer.ip()) {
        return Err((Status::OperationNotAllowed, "its client may not ask from there"));
    }
    if !request.is_signed(&client.key) {
        return Err((Status::BadSignature, "it is not signed with its client's key"));
    }
    Ok((request, client))
}

async fn decide(state: &State, config: &Config, peer: SocketAddr, request: &Request) -> Said {
    let client = request.client;
    if !state.kept.rates.admit(client, config.wsapi.rate, Instant::now()) {
        warn(state, peer, "its client asks more often than wsapi.rate");
        return Status::BackendError.into();
    }
    let (Some(typed), Some(nonce), None) = (&request.typed, &request.nonce, request.missing()) else {
        return Status::MissingParameter.into();
    };
    let id = Uuid::now_v7().to_string();
    let looking = state.desk.use_up(validation::Request { client, typed, nonce, id: &id });
    match tokio::time::timeout(config.radius.request_deadline, looking).await {
        Ok(Ok(Validated::Good(token))) => {
            let counters =
                Counters { timestamp: token.timestamp, session: token.use_ctr, usage: token.session_ctr };
            Said { status: Status::Ok, counters: request.counters.then_some(counters) }
        }
        Ok(Ok(Validated::Replayed)) => Status::ReplayedOtp.into(),
        Ok(Ok(Validated::Repeated)) => Status::ReplayedRequest.into(),
        Ok(Ok(Validated::Bad)) => Status::BadOtp.into(),
        Ok(Err(error)) => {
            tracing::error!(client, request = id, %error, "a YubiKey could not be validated");
            Status::BackendError.into()
        }
        Err(_) => {
            tracing::error!(client, request = id, "validating a YubiKey took too long");
            Status::BackendError.into()
        }
    }
}

fn warn(state: &State, peer: SocketAddr, what: &'static str) {
    if let Some(left_out) = state.kept.warnings.due(what, peer.ip(), Instant::now()) {
        tracing::warn!(peer = %peer.ip(), left_out, "a request to validate a YubiKey is refused: {what}");
    }
}

/// Signed, and about what was asked, only for whoever has the key. A stranger's answer says nothing that a stranger has chosen,
/// and gives nothing away that only the key's owner could make.
fn reply(state: &State, said: &Said, asked: Option<(&Request, &ApiKey)>) -> Response {
    state.meters.validation(said.status);
    let (request, key) = asked.unzip();
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
