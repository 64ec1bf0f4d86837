//! That a backup is made, for the trail. It is made by who asks, who can read the file itself.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::body;
use super::types::NewBackup;
use axum::Json;
use axum::extract::State as With;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;

/// Writes down that a backup is begun.
#[utoipa::path(post, path = "/v1/backups", request_body = NewBackup, responses((status = 204), (status = "default", body = Body)))]
pub(super) async fn begin(
    With(state): With<State>,
    caller: Caller,
    order: Result<Json<NewBackup>, JsonRejection>,
) -> Result<StatusCode, Failure> {
    const ACTION: &str = "store.backup";
    caller.must(&state, Permission::Manage, ACTION, "").await?;
    let NewBackup { file } = caller.audited(&state, ACTION, "", body(order)).await?;
    caller.note(&state, ACTION, &file, "done", "begun").await?;
    Ok(StatusCode::NO_CONTENT)
}
