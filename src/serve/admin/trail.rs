//! Calls about the audit trail and the daemon itself.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::query;
use super::types::{Status, Trail, TrailQuery, Verified};
use crate::store::AuditQuery;
use axum::Json;
use axum::body::{Body as HttpBody, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as With};
use axum::http::header;
use axum::response::{IntoResponse, Response};

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
    let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, std::io::Error>>(4);
    tokio::spawn(async move {
        let mut after = 0;
        loop {
            let page = AuditQuery { after, limit: 1000, ..AuditQuery::default() };
            let text = match state.desk.audit.entries(&page).await {
                Ok(entries) if entries.is_empty() => return,
                Ok(entries) => {
                    after = entries.last().map_or(after, |entry| entry.seq);
                    let lines = entries.iter().filter_map(|entry| serde_json::to_string(entry).ok());
                    Ok(Bytes::from(lines.fold(String::new(), |text, line| text + &line + "\n")))
                }
                // Breaking off shows the reader that something is missing; an end would not.
                Err(error) => Err(std::io::Error::other(error.to_string())),
            };
            let failed = text.is_err();
            if sender.send(text).await.is_err() || failed {
                return;
            }
        }
    });
    let body = HttpBody::from_stream(Pages(receiver));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// A channel as the stream that a body is made of.
pub(super) struct Pages(pub(super) tokio::sync::mpsc::Receiver<Result<Bytes, std::io::Error>>);

impl futures_core::Stream for Pages {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
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
