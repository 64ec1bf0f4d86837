//! Calls about the inventory of tokens.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::{body, query};
use super::turn::Turn;
use super::types::{
    AssignToken, Id, ImportedTokens, NewExport, RemoveTokens, RemovedTokens, TokenFile, TokenList, TokenPage,
    Touch,
};
use crate::base::Secret;
use crate::config::Factors;
use crate::domain::passcode::Window;
use crate::engine::inventory::ImportRules;
use crate::engine::tokens::Wanted;
use crate::serve::http::streamed;
use crate::store::TokenQuery;
use crate::wire::pskc::Unlock;
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State as With};
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::HEXLOWER_PERMISSIVE;
use std::sync::Arc;

fn window(limits: &Factors) -> Window {
    Window { totp_skew: limits.totp_skew, hotp_look_ahead: limits.hotp_look_ahead }
}

/// Tokens, the oldest first.
#[utoipa::path(get, path = "/v1/tokens", params(TokenPage), responses((status = 200, body = TokenList), (status = "default", body = Body)))]
pub(super) async fn list(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Query<TokenPage>, QueryRejection>,
) -> Result<Json<TokenList>, Failure> {
    const ACTION: &str = "token.list";
    caller.must(&state, Permission::Look, ACTION, "").await?;
    let page = caller.audited(&state, ACTION, "", query(wanted)).await?;
    let subject = page.user.clone().or_else(|| page.matching.clone()).unwrap_or_default();
    let person = match &page.user {
        None => None,
        Some(user) => Some(caller.audited(&state, ACTION, user, state.desk.person(user).await).await?.id),
    };
    let read = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (kind, place) = (read(page.kind), read(page.state));
    let kind = kind.map(|kind| kind.parse().map_err(|()| Failure::bad_request("There is no such kind.")));
    let place = place.map(|at| at.parse().map_err(|()| Failure::bad_request("There is no such state.")));
    let kind = caller.audited(&state, ACTION, &subject, kind.transpose()).await?;
    let place = caller.audited(&state, ACTION, &subject, place.transpose()).await?;
    let (matching, after, limit) = (page.matching, page.after, page.limit.unwrap_or_default());
    let wanted = TokenQuery { kind, state: place, person, matching, after, limit };
    let tokens = caller.audited(&state, ACTION, &subject, state.desk.list_tokens(&wanted).await).await?;
    caller.note(&state, ACTION, &subject, "done", "").await?;
    Ok(Json(TokenList { tokens: tokens.into_iter().map(Into::into).collect() }))
}

/// What opens an encrypted file.
fn unlock(key: Option<String>, passphrase: Option<String>) -> Result<Option<Unlock>, Failure> {
    match (key.map(Secret::new), passphrase.map(Secret::new)) {
        (None, None) => Ok(None),
        (None, Some(passphrase)) => Ok(Some(Unlock::Passphrase(passphrase))),
        (Some(key), None) => match HEXLOWER_PERMISSIVE.decode(key.expose().trim().as_bytes()) {
            Ok(key) => Ok(Some(Unlock::Key(Secret::new(key)))),
            Err(_) => Err(Failure::bad_request("The key must be hexadecimal digits.")),
        },
        (Some(_), Some(_)) => Err(Failure::bad_request("Give a key or a passphrase, not both.")),
    }
}

/// Brings the tokens of a file into the inventory: all or none, unless bad lines may be left out.
#[utoipa::path(post, path = "/v1/tokens/import", request_body = TokenFile, responses((status = 200, body = ImportedTokens), (status = "default", body = Body)))]
pub(super) async fn import(
    With(state): With<State>,
    Turn { caller, place }: Turn,
    file: Result<Json<TokenFile>, JsonRejection>,
) -> Result<Json<ImportedTokens>, Failure> {
    const ACTION: &str = "token.import";
    let TokenFile { format, content, key, passphrase, dry_run, skip_bad, replace, prefix } =
        caller.audited(&state, ACTION, "", body(file)).await?;
    let unlock = caller.audited(&state, ACTION, "", unlock(key, passphrase)).await?;
    let content = Secret::new(content);
    let now = state.desk.clock.now();
    // Keys of a large file take a moment to read; the sockets do not wait for it.
    let reading = Arc::clone(&place);
    let read = tokio::task::spawn_blocking(move || {
        let file = format.read(content.expose(), unlock.as_ref(), now);
        drop(reading);
        file
    })
    .await;
    let read = read.map_err(|_| Failure::bad_request("The file could not be read."));
    let file = caller.audited(&state, ACTION, "", read).await?;
    let rules = ImportRules { dry_run, skip_bad, replace, prefix };
    let done = state.desk.import_tokens(&caller.actor, file, &rules).await;
    let done = caller.audited(&state, ACTION, "", done).await?;
    if dry_run || done.is_nothing() {
        let detail = format!("would be: {}", done.summary());
        caller.note(&state, ACTION, "dry run", "done", &detail).await?;
    }
    drop(place);
    Ok(Json(ImportedTokens::new(done, dry_run)))
}

/// Gives a token to a person; it counts at once.
#[utoipa::path(post, path = "/v1/tokens/{token}/assign", params(("token" = String, Path)), request_body = AssignToken, responses((status = 201, body = Id), (status = "default", body = Body)))]
pub(super) async fn assign(
    With(state): With<State>,
    caller: Caller,
    Path(token): Path<String>,
    order: Result<Json<AssignToken>, JsonRejection>,
) -> Result<(StatusCode, Json<Id>), Failure> {
    const ACTION: &str = "token.assign";
    caller.must(&state, Permission::Manage, ACTION, &token).await?;
    let order = caller.audited(&state, ACTION, &token, body(order)).await?;
    let code = order.code.map(Secret::new);
    let wanted = Wanted {
        label: order.label,
        code: code.as_ref().map(|code| code.expose().as_str()),
        revoked: order.revoked,
        window: window(&state.config.load().factors),
    };
    let done = state.desk.assign_token(&caller.actor, &token, &order.username, wanted).await;
    let id = caller.audited(&state, ACTION, &token, done).await?.to_string();
    Ok((StatusCode::CREATED, Json(Id { id })))
}

/// Takes a token back, lost or not: nobody logs in with it any more. It is found by id, public id or serial number.
#[utoipa::path(delete, path = "/v1/tokens/{token}", params(("token" = String, Path)), responses((status = 204), (status = "default", body = Body)))]
pub(super) async fn revoke(
    With(state): With<State>,
    caller: Caller,
    Path(token): Path<String>,
) -> Result<StatusCode, Failure> {
    caller.must(&state, Permission::Help, "token.revoke", &token).await?;
    let done = state.desk.revoke_token(&caller.actor, &token).await;
    caller.audited(&state, "token.revoke", &token, done).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The whole inventory, sealed under a passphrase, for `doorward import sealed` elsewhere.
#[utoipa::path(post, path = "/v1/tokens/export", request_body = NewExport, responses((status = 200, body = String, content_type = "text/plain"), (status = "default", body = Body)))]
pub(super) async fn export(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Json<NewExport>, JsonRejection>,
) -> Result<Response, Failure> {
    const ACTION: &str = "token.export";
    caller.must(&state, Permission::Manage, ACTION, "").await?;
    let passphrase = Secret::new(caller.audited(&state, ACTION, "", body(wanted)).await?.passphrase);
    let begun = state.desk.export_tokens(&caller.actor, passphrase).await;
    let mut export = caller.audited(&state, ACTION, "", begun).await?;
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    tokio::spawn(async move {
        loop {
            let page = match export.next().await {
                Ok(None) => return,
                Ok(Some(text)) => Ok(Bytes::from(text)),
                // Breaking off shows the reader that something is missing; an end would not.
                Err(error) => Err(std::io::Error::other(error.to_string())),
            };
            let failed = page.is_err();
            if sender.send(page).await.is_err() || failed {
                return;
            }
        }
    });
    Ok(streamed("text/plain; charset=utf-8", receiver))
}

/// Removes tokens that nobody has for good, with their counters: all of them, or none.
#[utoipa::path(post, path = "/v1/tokens/remove", request_body = RemoveTokens, responses((status = 200, body = RemovedTokens), (status = "default", body = Body)))]
pub(super) async fn remove(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Json<RemoveTokens>, JsonRejection>,
) -> Result<Json<RemovedTokens>, Failure> {
    const ACTION: &str = "token.remove";
    caller.must(&state, Permission::Manage, ACTION, "").await?;
    let RemoveTokens { tokens } = caller.audited(&state, ACTION, "", body(wanted)).await?;
    let subject = tokens.first().cloned().unwrap_or_default();
    let done = state.desk.remove_tokens(&caller.actor, &tokens).await;
    let removed = caller.audited(&state, ACTION, &subject, done).await?;
    Ok(Json(RemovedTokens { removed }))
}

/// Binds the YubiKey that has just been touched.
#[utoipa::path(post, path = "/v1/people/{username}/factors/yubikey", params(("username" = String, Path)), request_body = Touch, responses((status = 201, body = Id), (status = "default", body = Body)))]
pub(super) async fn enroll(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    touch: Result<Json<Touch>, JsonRejection>,
) -> Result<(StatusCode, Json<Id>), Failure> {
    const ACTION: &str = "factor.enroll";
    caller.must(&state, Permission::Manage, ACTION, &username).await?;
    let Touch { otp, label, revoked } = caller.audited(&state, ACTION, &username, body(touch)).await?;
    let otp = Secret::new(otp);
    let window = window(&state.config.load().factors);
    let wanted = Wanted { label, code: Some(otp.expose()), revoked, window };
    let done = state.desk.enroll_yubikey(&caller.actor, &username, wanted).await;
    let id = caller.audited(&state, ACTION, &username, done).await?.to_string();
    Ok((StatusCode::CREATED, Json(Id { id })))
}
