//! Calls about factors and codes.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::people::body;
use super::types::{
    DevicePassword, Factor, FactorList, FirstCode, Id, Key, NewCode, NewKey, NewLabel, NewPin, RecoveryCodes,
    TemporaryCode, TwoCodes,
};
use crate::base::Secret;
use crate::engine::devices::DeviceEnrolled;
use crate::engine::enroll::{Device, Enrolled, KeyDetails};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State as With};
use axum::http::StatusCode;
use std::time::Duration;

type Created<T> = Result<(StatusCode, Json<T>), Failure>;

/// Factors of a person, pending ones too.
#[utoipa::path(get, path = "/v1/people/{username}/factors", params(("username" = String, Path)), responses((status = 200, body = FactorList), (status = "default", body = Body)))]
pub(super) async fn list(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
) -> Result<Json<FactorList>, Failure> {
    caller.must(&state, Permission::Look, "factor.list", &username).await?;
    let overview =
        caller.audited(&state, "factor.list", &username, state.desk.overview(&username).await).await?;
    caller.note(&state, "factor.list", &username, "done", "").await?;
    let now = state.desk.clock.now();
    let factors = overview.factors.iter().map(|factor| Factor::new(factor, &overview.failures, now));
    Ok(Json(FactorList { factors: factors.collect() }))
}

impl From<NewKey> for KeyDetails {
    fn from(new: NewKey) -> Self {
        Self { label: new.label, seed: new.seed.map(Secret::new), counter: new.counter.unwrap_or_default() }
    }
}

async fn enroll(
    (state, caller): (State, Caller),
    username: String,
    device: Device,
    new: Result<Json<NewKey>, JsonRejection>,
) -> Created<Key> {
    const ACTION: &str = "factor.enroll";
    caller.must(&state, Permission::Manage, ACTION, &username).await?;
    let details = caller.audited(&state, ACTION, &username, body(new)).await?.into();
    let limits = state.config.load().factors.clone();
    let done = state.desk.enroll_key(&caller.actor, &username, (device, details), &limits).await;
    let Enrolled { id, seed, uri } = caller.audited(&state, ACTION, &username, done).await?;
    let key = Key { id: id.to_string(), seed: seed.expose().clone(), uri: uri.expose().clone() };
    Ok((StatusCode::CREATED, Json(key)))
}

/// Enrolls a passcode app, pending until confirmed.
#[utoipa::path(post, path = "/v1/people/{username}/factors/totp", params(("username" = String, Path)), request_body = NewKey, responses((status = 201, body = Key), (status = "default", body = Body)))]
pub(super) async fn totp(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    new: Result<Json<NewKey>, JsonRejection>,
) -> Created<Key> {
    enroll((state, caller), username, Device::App, new).await
}

/// Enrolls a counter-based token, pending until confirmed.
#[utoipa::path(post, path = "/v1/people/{username}/factors/hotp", params(("username" = String, Path)), request_body = NewKey, responses((status = 201, body = Key), (status = "default", body = Body)))]
pub(super) async fn hotp(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    new: Result<Json<NewKey>, JsonRejection>,
) -> Created<Key> {
    enroll((state, caller), username, Device::Token, new).await
}

/// Makes a new set of recovery codes; the old one ends.
#[utoipa::path(post, path = "/v1/people/{username}/factors/recovery", params(("username" = String, Path)), responses((status = 201, body = RecoveryCodes), (status = "default", body = Body)))]
pub(super) async fn recovery(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
) -> Created<RecoveryCodes> {
    caller.must(&state, Permission::Manage, "factor.enroll", &username).await?;
    let limits = state.config.load().factors.clone();
    let done = state.desk.enroll_recovery(&caller.actor, &username, &limits).await;
    let (id, codes) = caller.audited(&state, "factor.enroll", &username, done).await?;
    let codes = codes.iter().map(|code| code.expose().clone()).collect();
    Ok((StatusCode::CREATED, Json(RecoveryCodes { id: id.to_string(), codes })))
}

/// Sets the PIN; the old one ends.
#[utoipa::path(post, path = "/v1/people/{username}/factors/pin", params(("username" = String, Path)), request_body = NewPin, responses((status = 201, body = Id), (status = "default", body = Body)))]
pub(super) async fn pin(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    new: Result<Json<NewPin>, JsonRejection>,
) -> Created<Id> {
    caller.must(&state, Permission::Manage, "factor.enroll", &username).await?;
    let pin = Secret::new(caller.audited(&state, "factor.enroll", &username, body(new)).await?.pin);
    let limits = state.config.load().factors.clone();
    let done = state.desk.enroll_pin(&caller.actor, &username, &pin, &limits).await;
    let id = caller.audited(&state, "factor.enroll", &username, done).await?.to_string();
    Ok((StatusCode::CREATED, Json(Id { id })))
}

/// Makes a password for one device, for Wi-Fi.
#[utoipa::path(post, path = "/v1/people/{username}/factors/device-password", params(("username" = String, Path)), request_body = NewLabel, responses((status = 201, body = DevicePassword), (status = "default", body = Body)))]
pub(super) async fn device_password(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    new: Result<Json<NewLabel>, JsonRejection>,
) -> Created<DevicePassword> {
    const ACTION: &str = "factor.enroll";
    caller.must(&state, Permission::Manage, ACTION, &username).await?;
    let NewLabel { label } = caller.audited(&state, ACTION, &username, body(new)).await?;
    let limits = state.config.load().factors.clone();
    let done = state.desk.enroll_device_password(&caller.actor, &username, &label, &limits).await;
    let DeviceEnrolled { id, label, password } = caller.audited(&state, ACTION, &username, done).await?;
    let (id, password) = (id.to_string(), password.expose().clone());
    Ok((StatusCode::CREATED, Json(DevicePassword { id, label, password })))
}

/// Hands out a temporary code, good once.
#[utoipa::path(post, path = "/v1/people/{username}/codes", params(("username" = String, Path)), request_body = NewCode, responses((status = 201, body = TemporaryCode), (status = "default", body = Body)))]
pub(super) async fn issue(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    new: Result<Json<NewCode>, JsonRejection>,
) -> Created<TemporaryCode> {
    caller.must(&state, Permission::Help, "code.issue", &username).await?;
    let lifetime = caller
        .audited(&state, "code.issue", &username, body(new))
        .await?
        .lifetime_seconds
        .map(Duration::from_secs);
    let limits = state.config.load().factors.clone();
    let done = state.desk.issue_code(&caller.actor, &username, lifetime, &limits).await;
    let issued = caller.audited(&state, "code.issue", &username, done).await?;
    let (id, code) = (issued.id.to_string(), issued.code.expose().clone());
    Ok((StatusCode::CREATED, Json(TemporaryCode { id, code, expires: issued.expires.to_string() })))
}

/// Takes the first code of a pending factor; it counts from then on.
#[utoipa::path(post, path = "/v1/factors/{id}/confirm", params(("id" = String, Path)), request_body = FirstCode, responses((status = 200, body = Factor), (status = "default", body = Body)))]
pub(super) async fn confirm(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<String>,
    new: Result<Json<FirstCode>, JsonRejection>,
) -> Result<Json<Factor>, Failure> {
    caller.must(&state, Permission::Manage, "factor.confirm", &id).await?;
    let code = Secret::new(caller.audited(&state, "factor.confirm", &id, body(new)).await?.code);
    let limits = state.config.load().factors.clone();
    let done = state.desk.confirm(&caller.actor, &id, code.expose(), &limits).await;
    let factor = caller.audited(&state, "factor.confirm", &id, done).await?;
    Ok(Json(Factor::new(&factor, &[], state.desk.clock.now())))
}

/// Ends a factor for good.
#[utoipa::path(delete, path = "/v1/factors/{id}", params(("id" = String, Path)), responses((status = 204), (status = "default", body = Body)))]
pub(super) async fn revoke(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    caller.must(&state, Permission::Help, "factor.revoke", &id).await?;
    let done = state.desk.revoke(&caller.actor, &id).await;
    caller.audited(&state, "factor.revoke", &id, done).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Finds a token again by two codes in a row, whose counter has run ahead or whose clock is off.
#[utoipa::path(post, path = "/v1/factors/{id}/resync", params(("id" = String, Path)), request_body = TwoCodes, responses((status = 200, body = Factor), (status = "default", body = Body)))]
pub(super) async fn resync(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<String>,
    codes: Result<Json<TwoCodes>, JsonRejection>,
) -> Result<Json<Factor>, Failure> {
    caller.must(&state, Permission::Help, "factor.resync", &id).await?;
    let TwoCodes { first, second } = caller.audited(&state, "factor.resync", &id, body(codes)).await?;
    let (first, second) = (Secret::new(first), Secret::new(second));
    let limits = state.config.load().factors.clone();
    let done = state.desk.resync(&caller.actor, &id, (first.expose(), second.expose()), &limits).await;
    let factor = caller.audited(&state, "factor.resync", &id, done).await?;
    Ok(Json(Factor::new(&factor, &[], state.desk.clock.now())))
}

/// Gives a factor another name.
#[utoipa::path(put, path = "/v1/factors/{id}/label", params(("id" = String, Path)), request_body = NewLabel, responses((status = 200, body = Factor), (status = "default", body = Body)))]
pub(super) async fn rename(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<String>,
    new: Result<Json<NewLabel>, JsonRejection>,
) -> Result<Json<Factor>, Failure> {
    const ACTION: &str = "factor.rename";
    caller.must(&state, Permission::Help, ACTION, &id).await?;
    let NewLabel { label } = caller.audited(&state, ACTION, &id, body(new)).await?;
    let done = state.desk.rename(&caller.actor, &id, &label).await;
    let factor = caller.audited(&state, ACTION, &id, done).await?;
    Ok(Json(Factor::new(&factor, &[], state.desk.clock.now())))
}
