//! Calls about outside directories.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::body;
use super::types::{Directories, Directory, SyncOrder};
use crate::engine::sync::{Handle, Stage};
use crate::serve::http::streamed;
use axum::Json;
use axum::body::Bytes;
use axum::extract::State as With;
use axum::extract::rejection::JsonRejection;
use axum::response::Response;

/// How the directories and their servers are.
#[utoipa::path(get, path = "/v1/sync", responses((status = 200, body = Directories), (status = "default", body = Body)))]
pub(super) async fn status(With(state): With<State>, caller: Caller) -> Result<Json<Directories>, Failure> {
    caller.must(&state, Permission::Look, "sync.status", "").await?;
    caller.note(&state, "sync.status", "", "done", "").await?;
    let directory = |handle: &Handle| Directory::new(handle.progress(), handle.servers());
    Ok(Json(Directories { directories: state.sync.iter().map(directory).collect() }))
}

/// Reads directories anew and tells how it goes, one JSON object a line, until all have ended.
#[utoipa::path(post, path = "/v1/sync", request_body = SyncOrder, responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = "default", body = Body)))]
pub(super) async fn once(
    With(state): With<State>,
    caller: Caller,
    order: Result<Json<SyncOrder>, JsonRejection>,
) -> Result<Response, Failure> {
    caller.must(&state, Permission::Manage, "sync.once", "").await?;
    let order = caller.audited(&state, "sync.once", "", body(order)).await?;
    let subject = order.directory.clone().unwrap_or_default();
    let wanted =
        |handle: &&Handle| order.directory.as_ref().is_none_or(|name| *name == handle.progress().directory);
    let handles: Vec<Handle> = state.sync.iter().filter(wanted).cloned().collect();
    if handles.is_empty() {
        let names: Vec<String> = state.sync.iter().map(|handle| handle.progress().directory).collect();
        let failure = match names.is_empty() {
            true => Failure::bad_request("There is no [[directory]] in the configuration."),
            false => {
                Failure::bad_request(format!("No directory has this name; there are: {}.", names.join(", ")))
            }
        };
        return caller.audited(&state, "sync.once", &subject, Err(failure)).await;
    }
    let detail = if order.accept_removals { "removals accepted" } else { "" };
    caller.note(&state, "sync.once", &subject, "done", detail).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    tokio::spawn(async move {
        for handle in handles {
            if !follow(&handle, order.accept_removals, &sender).await {
                return;
            }
        }
    });
    Ok(streamed("application/x-ndjson", receiver))
}

/// Asks one and tells of it until it has loaded or failed; `false` if nobody listens any more.
async fn follow(
    handle: &Handle,
    accept_removals: bool,
    lines: &tokio::sync::mpsc::Sender<Result<Bytes, std::io::Error>>,
) -> bool {
    let mut watch = handle.watch();
    let before = watch.borrow_and_update().clone();
    if !handle.reload(accept_removals) {
        // One that was asked for a moment ago has not begun yet, perhaps without the same consent.
        let mut line = super::types::SyncLine::new(before.clone(), &before, true, true);
        line.error = Some("another sync has just been asked for; try again".to_owned());
        let text = serde_json::to_string(&line).unwrap_or_default();
        return lines.send(Ok(Bytes::from(text + "\n"))).await.is_ok();
    }
    loop {
        if watch.changed().await.is_err() {
            return false;
        }
        let now = watch.borrow_and_update().clone();
        let elsewhere = now.stage == Stage::Elsewhere;
        let ended = now.loads > before.loads || now.failures > before.failures || elsewhere;
        let failed = now.failures > before.failures && matches!(now.stage, Stage::Held | Stage::Retrying);
        let refused = failed || elsewhere;
        let line = super::types::SyncLine::new(now, &before, ended, refused);
        let Ok(text) = serde_json::to_string(&line) else { return false };
        if lines.send(Ok(Bytes::from(text + "\n"))).await.is_err() {
            return false;
        }
        if ended {
            return true;
        }
    }
}
