//! Calls about the audit trail and the daemon itself.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::query;
use super::types::{ExportFormat, ExportQuery, Status, Trail, TrailQuery, Verified};
use crate::base::Timestamp;
use crate::engine::trail::{self, Export, Format};
use crate::serve::http::streamed;
use crate::store::AuditQuery;
use axum::Json;
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

/// A moment, or a day.
fn moment(name: &str, text: Option<&str>) -> Result<Option<Timestamp>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let whole = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
    let wrong = || {
        Failure::bad_request(format!(
            "`{name}` is neither a day, such as 2026-11-01, nor a moment, such as 2026-11-01T12:00:00Z."
        ))
    };
    whole.map(Some).ok_or_else(wrong)
}

/// The trail, one entry a line, oldest first: as JSON objects, CEF, or syslog (RFC 5424).
#[utoipa::path(get, path = "/v1/audit/export", params(ExportQuery), responses((status = 200, content((String = "application/x-ndjson"), (String = "text/plain"))), (status = "default", body = Body)))]
pub(super) async fn export(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, Failure> {
    const ACTION: &str = "audit.export";
    caller.must(&state, Permission::Audit, ACTION, "").await?;
    let ExportQuery { format, from, to } = caller.audited(&state, ACTION, "", query(wanted)).await?;
    let times = moment("from", from.as_deref()).and_then(|from| Ok((from, moment("to", to.as_deref())?)));
    let (from, to) = caller.audited(&state, ACTION, "", times).await?;
    let (format, kind) = match format {
        ExportFormat::Json => (Format::Json, "application/x-ndjson"),
        ExportFormat::Cef => (Format::Cef, "text/plain; charset=utf-8"),
        ExportFormat::Syslog => (Format::Syslog, "text/plain; charset=utf-8"),
    };
    caller.note(&state, ACTION, "", "done", "").await?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let wanted = Export { format, from, to, host };
    Ok(streamed(kind, trail::export(Arc::clone(&state.desk.audit), wanted)))
}

/// How the daemon is.
#[utoipa::path(get, path = "/v1/status", responses((status = 200, body = Status), (status = "default", body = Body)))]
pub(super) async fn status(With(state): With<State>, caller: Caller) -> Result<Json<Status>, Failure> {
    caller.must(&state, Permission::Look, "status", "").await?;
    caller.note(&state, "status", "", "done", "").await?;
    let seen = state.observer.look().await;
    Ok(Json(Status::new(seen, state.observer.meters())))
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", responses((status = 200, body = String, content_type = "application/json"), (status = "default", body = Body)))]
pub(super) async fn document(With(state): With<State>, caller: Caller) -> Result<Response, Failure> {
    caller.must(&state, Permission::Look, "openapi", "").await?;
    caller.note(&state, "openapi", "", "done", "").await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], super::document()).into_response())
}
