//! `/auth`: a signed token for an application that shows its key. People get none here: they have the portal.

use super::State;
use super::caller::{Origin, admit, may_look_up, warn};
use super::failure::Failure;
use super::incoming::{body_fields, whole};
use crate::config::ApiClient;
use crate::wire::privacyidea::answer::{Answer, code};
use axum::Json;
use axum::extract::{Request, State as With};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

/// Exchanges a key for a token: `username` is the application's name or the key's id, `password` the key's secret.
#[utoipa::path(
    post, path = "/auth", tag = "privacyIDEA", security(()),
    request_body(content = inline(super::document::AuthForm), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = super::document::Envelope), (status = 401, body = super::document::Envelope), (status = "default", body = super::document::Envelope))
)]
pub(super) async fn sign_in(With(state): With<State>, request: Request) -> Response {
    match signed_in(&state, request).await {
        Ok(answer) => Json(answer.render(state.now())).into_response(),
        Err(failure) => failure.render(&state),
    }
}

async fn signed_in(state: &State, request: Request) -> Result<Answer, Failure> {
    let (parts, body) = whole(request).await?;
    let config = state.config.load_full();
    let origin = Origin::of(&config.api, &parts);
    let (address, now) = (origin.address(), Instant::now());
    let bad = |error| Failure::parameter(format!("The request cannot be read: {error}."));
    let fields = body_fields(&parts.headers, &body).map_err(bad)?;
    let (Some(username), Some(password)) = (fields.text("username"), fields.secret("password")) else {
        return Err(Failure::parameter("Missing parameter: `username` and `password`."));
    };
    // The key of an application has 200 bits, but a look-up costs something.
    if !may_look_up(state, username, address) {
        return Err(Failure::stranger_too_often());
    }
    // Names and secrets are of characters that are the same however often they are encoded.
    let admitted = |client: &ApiClient| admit(client, (&parts, origin), true).is_ok();
    let noted = || {
        let left_out = state.kept.warnings.due("a wrong secret for the trail", address, now)?;
        Some(format!("wrong secret, from {address}; {left_out} more were left out"))
    };
    let request = Uuid::now_v7().to_string();
    let found =
        state.applications.sign_in(&config.api, (username, password), (admitted, noted), &request).await;
    let found = found.map_err(|error| Failure::of(&error.into(), &request))?;
    let Some((client, token, claims)) = found else {
        if !state.kept.rates.admit_stranger(address, now) {
            return Err(Failure::stranger_too_often());
        }
        warn(state, address, "name or key at /auth is wrong, or its application may not ask from there");
        let message = "Authentication failure. Wrong credentials";
        return Err(Failure::new(StatusCode::UNAUTHORIZED, code::WRONG_CREDENTIALS, message));
    };
    // Not the name, which anybody can guess.
    state.kept.proven.note(&claims.kid);
    if !state.kept.rates.admit(&client.name, client.rate, now) {
        return Err(Failure::too_often());
    }
    let mut answer = Answer::plain(json!({
        "token": token.expose(),
        "username": client.name,
        "realm": claims.realm,
        "role": claims.role,
        "log_level": 0,
        "rights": [],
    }));
    answer.detail = json!({"username": client.name});
    Ok(answer)
}
