//! Keys of applications: `[[api_client]]` says what one may, a key shows that it is the one.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::types::{Application, ApplicationKey, ApplicationSecret, Applications, Rotation};
use crate::config::Identify;
use crate::engine::applications::{ShownKey, left_over};
use crate::store::StoreError;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State as With};
use axum::http::StatusCode;
use std::time::Duration;

/// Longest grace of a rotation.
const GRACE: u32 = 30 * 24 * 3600;

fn new(key: &ShownKey) -> ApplicationSecret {
    ApplicationSecret {
        id: key.id.clone(),
        secret: key.secret.expose().clone(),
        key: format!("{}.{}", key.id, key.secret.expose()),
        older_until: key.older_until.map(|until| until.to_string()),
    }
}

/// A message of the store, as a sentence.
fn sentence(what: &str) -> String {
    let mut letters = what.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

fn known(state: &State, name: &str) -> Result<(), Failure> {
    if state.config.load().api.client(name).is_some() {
        return Ok(());
    }
    let message = format!("No [[api_client]] is called `{name}`. Add it to the configuration, and reload.");
    Err(Failure::new(StatusCode::NOT_FOUND, "client-not-found", message))
}

/// Applications and their keys.
#[utoipa::path(get, path = "/v1/clients", responses((status = 200, body = Applications), (status = "default", body = Body)))]
pub(super) async fn list(With(state): With<State>, caller: Caller) -> Result<Json<Applications>, Failure> {
    caller.must(&state, Permission::Look, "client.list", "").await?;
    let keys = caller.audited(&state, "client.list", "", state.applications.keys.list().await).await?;
    let way = |identify| match identify {
        Identify::Network => "network",
        Identify::Key => "key",
        Identify::Certificate => "certificate",
    };
    let config = state.config.load_full();
    let named = config.api.clients.iter().map(|client| (client.name.clone(), Some(way(client.identify))));
    let warnings = left_over(&config.api, &keys, state.desk.clock.now());
    let mut clients: Vec<_> =
        named.map(|(name, identify)| Application { name, identify, keys: Vec::new() }).collect();
    for key in keys {
        let shown = ApplicationKey {
            id: key.id,
            created: key.created.to_string(),
            expires: key.expires.map(|end| end.to_string()),
        };
        match clients.iter_mut().find(|client| client.name == key.client) {
            Some(client) => client.keys.push(shown),
            None => clients.push(Application { name: key.client, identify: None, keys: vec![shown] }),
        }
    }
    caller.note(&state, "client.list", "", "done", "").await?;
    Ok(Json(Applications { clients, warnings }))
}

/// Makes one more key for an application.
#[utoipa::path(post, path = "/v1/clients/{name}/keys", params(("name" = String, Path)), responses((status = 201, body = ApplicationSecret), (status = "default", body = Body)))]
pub(super) async fn add(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<(StatusCode, Json<ApplicationSecret>), Failure> {
    const ACTION: &str = "client.add";
    caller.must(&state, Permission::Manage, ACTION, &name).await?;
    caller.audited(&state, ACTION, &name, known(&state, &name)).await?;
    let made = state.applications.make_key(&caller.actor, &name, None).await;
    let key = caller.audited(&state, ACTION, &name, made).await?;
    Ok((StatusCode::CREATED, Json(new(&key))))
}

/// Makes a key that takes the place of all others of an application, at once or after a grace.
#[utoipa::path(post, path = "/v1/clients/{name}/rotate", params(("name" = String, Path)), request_body = Rotation, responses((status = 201, body = ApplicationSecret), (status = "default", body = Body)))]
pub(super) async fn rotate(
    With(state): With<State>,
    caller: Caller,
    Path(name): Path<String>,
    order: Result<Json<Rotation>, JsonRejection>,
) -> Result<(StatusCode, Json<ApplicationSecret>), Failure> {
    const ACTION: &str = "client.rotate";
    caller.must(&state, Permission::Manage, ACTION, &name).await?;
    let Rotation { grace_seconds } =
        caller.audited(&state, ACTION, &name, super::people::body(order)).await?;
    caller.audited(&state, ACTION, &name, known(&state, &name)).await?;
    if grace_seconds > GRACE {
        let failure = Failure::bad_request("The grace may be 30 days at most.");
        return caller.audited(&state, ACTION, &name, Err(failure)).await;
    }
    let grace = Duration::from_secs(grace_seconds.into());
    let made = state.applications.make_key(&caller.actor, &name, Some(grace)).await;
    let key = caller.audited(&state, ACTION, &name, made).await?;
    Ok((StatusCode::CREATED, Json(new(&key))))
}

/// Ends a key, and every token that was signed for it.
#[utoipa::path(delete, path = "/v1/client-keys/{id}", params(("id" = String, Path)), responses((status = 204), (status = "default", body = Body)))]
pub(super) async fn revoke(
    With(state): With<State>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Failure> {
    const ACTION: &str = "client.revoke";
    caller.must(&state, Permission::Manage, ACTION, &id).await?;
    let done = state.applications.revoke_key(&caller.actor, &id).await.map_err(|error| match error {
        StoreError::NotFound(what) => Failure::new(StatusCode::NOT_FOUND, "key-not-found", sentence(&what)),
        other => other.into(),
    });
    caller.audited(&state, ACTION, &id, done).await?;
    Ok(StatusCode::NO_CONTENT)
}
