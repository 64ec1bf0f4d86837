//! Calls about the audit trail and the daemon itself.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::query;
use super::types::{Status, Trail, TrailQuery, Verified};
use crate::engine::trail;
use crate::serve::http::Pages;
use crate::store::AuditQuery;
use axum::Json;
use axum::body::Body as HttpBody;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as With};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Entries of the audit trail.
#[utoipa::path(get, path = "/v1/audit", params(TrailQuery), responses((status = 200, body = Trail), (status = "default", body = Body)))]
pub(super) async fn list(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Query<TrailQuery>, QueryRejection>,
) -> Result<Json<Trail>, Failure> {
    caller.must(&state, Permission::Audit, "audit.list", "").await?;
    let TrailQuery { after, limit, subject, newest } =
        caller.audited(&state, "audit.list", "", query(wanted)).await?;
    let wanted = AuditQuery {
        after: after.unwrap_or_default(),
        limit: limit.unwrap_or_default(),
        subject,
        newest_first: newest.unwrap_or_default(),
        before: None,
    };
    let entries = state.desk.audit.entries(&wanted).await?;
    caller.note(&state, "audit.list", wanted.subject.as_deref().unwrap_or_default(), "done", "").await?;
    Ok(Json(Trail { entries }))
}

/// Recomputes the whole chain.
#[utoipa::path(get, path = "/v1/audit/verify", responses((status = 200, body = Verified), (status = "default", body = Body)))]
pub(super) async fn verify(With(state): With<State>, caller: Caller) -> Result<Json<Verified>, Failure> {
    caller.must(&state, Permission::Audit, "audit.verify", "").await?;
    let check = state.desk.audit.verify().await?;
    let detail = if check.broken.is_some() { "broken" } else { "whole" };
    caller.note(&state, "audit.verify", "", "done", detail).await?;
    Ok(Json(check.into()))
}

/// The whole trail, one JSON object a line, oldest first.
#[utoipa::path(get, path = "/v1/audit/export", responses((status = 200, body = String, content_type = "application/x-ndjson"), (status = "default", body = Body)))]
pub(super) async fn export(With(state): With<State>, caller: Caller) -> Result<Response, Failure> {
    caller.must(&state, Permission::Audit, "audit.export", "").await?;
    caller.note(&state, "audit.export", "", "done", "").await?;
    let body = HttpBody::from_stream(Pages(trail::export(Arc::clone(&state.desk.audit))));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// How the daemon is.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status), (status = "default", body = Body)))]
pub(super) async fn status(With(state): With<State>, caller: Caller) -> Result<Json<Status>, Failure> {
    caller.must(&state, Permission::Look, "status", "").await?;
    caller.note(&state, "status", "", "done", "").await?;
    Ok(Json((state.status)()))
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, body = String, content_type = "application/json"), (status = "default", body = Body)))]
pub(super) async fn document(With(state): With<State>, caller: Caller) -> Result<Response, Failure> {
    caller.must(&state, Permission::Look, "openapi", "").await?;
    caller.note(&state, "openapi", "", "done", "").await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], super::document()).into_response())
}
