//! Calls about the master keys.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::types::MasterKeys;
use crate::serve::http::streamed;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State as With;
use axum::response::Response;

/// The master keys, and how many values are under each.
#[utoipa::path(get, path = "/v1/keys", responses((status = 200, body = MasterKeys), (status = "default", body = Body)))]
pub(super) async fn list(With(state): With<State>, caller: Caller) -> Result<Json<MasterKeys>, Failure> {
    caller.must(&state, Permission::Look, "keys.list", "").await?;
    let keys = caller.audited(&state, "keys.list", "", state.keys.known().await).await?;
    caller.note(&state, "keys.list", "", "done", "").await?;
    Ok(Json(MasterKeys::new(keys, state.keys.is_rotating())))
}

/// Makes the first key of the configuration the one that seals, seals anew what is under others, and tells how it goes, one JSON
/// object a line. It goes on where nobody reads that any more.
#[utoipa::path(post, path = "/v1/keys/rotate", responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = "default", body = Body)))]
pub(super) async fn rotate(With(state): With<State>, caller: Caller) -> Result<Response, Failure> {
    caller.must(&state, Permission::Manage, "keys.rotate", "").await?;
    let begun = state.keys.rotate(&caller.actor).await;
    let mut progress = caller.audited(&state, "keys.rotate", "", begun).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    tokio::spawn(async move {
        while let Some(line) = progress.recv().await {
            let Ok(text) = serde_json::to_string(&line) else { return };
            if sender.send(Ok(Bytes::from(text + "\n"))).await.is_err() {
                return;
            }
        }
    });
    Ok(streamed("application/x-ndjson", receiver))
}
