//! Logins as they happen, for whoever may read the audit trail.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::query;
use super::types::WatchQuery;
use crate::engine::meters::Outcome;
use crate::engine::meters::feed::{Line, Seen, Watcher};
use crate::serve::http::streamed;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as With};
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;
use tokio::sync::mpsc;

type Pieces = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// Logins as they are decided, one JSON object a line, until the caller goes away or the daemon stops. Whoever does not keep up loses
/// lines, and is told how many: `{"lost": 12}`. `{"watching": true}` comes first.
#[utoipa::path(get, path = "/v1/watch", params(WatchQuery), responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = "default", body = Body)))]
pub(super) async fn watch(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Query<WatchQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    caller.must(&state, Permission::Audit, "watch", "").await?;
    let wanted = caller.audited(&state, "watch", "", query(wanted)).await?;
    let watcher = state.observer.meters().feed.watch().ok_or_else(|| {
        let message = "As many follow the logins already as may; end one of them first.";
        Failure::new(StatusCode::CONFLICT, "too-many-watch", message)
    });
    let watcher = caller.audited(&state, "watch", "", watcher).await?;
    caller.note(&state, "watch", wanted.user.as_deref().unwrap_or_default(), "done", "").await?;
    // What waits here is little: what waits longer, waits in the feed, which counts what is lost.
    let (pieces, receiver) = mpsc::channel(4);
    tokio::spawn(async move { follow(&state, &caller, &wanted, watcher, pieces).await });
    Ok(streamed("application/x-ndjson", receiver))
}

async fn follow(state: &State, caller: &Caller, wanted: &WatchQuery, mut watcher: Watcher, pieces: Pieces) {
    let mut line = json!({"watching": true});
    loop {
        let text = format!("{line}\n");
        if pieces.send(Ok(text.into())).await.is_err() {
            return;
        }
        line = loop {
            let seen = tokio::select! {
                () = pieces.closed() => return,
                seen = watcher.next() => seen,
            };
            match seen {
                // The role may have been taken away meanwhile.
                _ if !caller.may(state, Permission::Audit) => return,
                None => return,
                Some(Seen::Lost(lost)) => break json!({"lost": lost}),
                Some(Seen::Login(seen)) if wanted.fits(&seen) => match serde_json::to_value(&*seen) {
                    Ok(value) => break value,
                    Err(_) => return,
                },
                Some(Seen::Login(_)) => {}
            }
        };
    }
}

impl WatchQuery {
    fn fits(&self, line: &Line) -> bool {
        let same = |wanted: &Option<String>, is: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(is))
        };
        let rejected = !self.rejected.unwrap_or_default() || line.outcome == Outcome::Reject.as_str();
        rejected && same(&self.user, &line.username) && same(&self.client, &line.client)
    }
}
