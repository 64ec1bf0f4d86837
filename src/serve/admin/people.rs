//! Calls about people.

use super::State;
use super::access::{Caller, Permission};
use super::error::{Body, Failure};
use super::turn::Turn;
use super::types::{
    Imported, Login, Logins, LoginsQuery, NewPassword, NewPerson, Overview, People, PeopleQuery, Person,
};
use crate::base::Secret;
use crate::engine::desk::{DeskError, PersonDetails};
use crate::engine::trail;
use crate::store::Page;
use crate::store::directory::import::{self, Format};
use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State as With};
use axum::http::{HeaderMap, StatusCode, header};

/// What a body must be, as a sentence.
pub(super) fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Failure> {
    body.map(|Json(value)| value).map_err(|error| Failure::bad_request(format!("{}.", error.body_text())))
}

pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Failure> {
    query.map(|Query(value)| value).map_err(|error| Failure::bad_request(format!("{}.", error.body_text())))
}

/// People, sorted by username.
#[utoipa::path(get, path = "/v1/people", params(PeopleQuery), responses((status = 200, body = People), (status = "default", body = Body)))]
pub(super) async fn list(
    With(state): With<State>,
    caller: Caller,
    wanted: Result<Query<PeopleQuery>, QueryRejection>,
) -> Result<Json<People>, Failure> {
    caller.must(&state, Permission::Look, "person.list", "").await?;
    let PeopleQuery { matching, after, limit } =
        caller.audited(&state, "person.list", "", query(wanted)).await?;
    let subject = matching.clone().unwrap_or_default();
    let page = Page { matching, after, limit: limit.unwrap_or_default() };
    let people = caller.audited(&state, "person.list", &subject, state.desk.list(&page).await).await?;
    caller.note(&state, "person.list", &subject, "done", "").await?;
    Ok(Json(People { people: people.into_iter().map(Person::from).collect() }))
}

/// Adds a person.
#[utoipa::path(post, path = "/v1/people", request_body = NewPerson, responses((status = 201, body = Person), (status = "default", body = Body)))]
pub(super) async fn add(
    With(state): With<State>,
    caller: Caller,
    new: Result<Json<NewPerson>, JsonRejection>,
) -> Result<(StatusCode, Json<Person>), Failure> {
    caller.must(&state, Permission::Manage, "person.add", "").await?;
    let new = caller.audited(&state, "person.add", "", body(new)).await?;
    let subject = new.username.clone();
    let details = PersonDetails {
        username: new.username,
        name: new.name,
        roles: new.roles,
        groups: new.groups,
        email: new.email,
        phone: new.phone,
        password: new.password.map(Secret::new),
    };
    let added = state.desk.add_person(&caller.actor, details).await;
    let person = caller.audited(&state, "person.add", &subject, added).await?;
    Ok((StatusCode::CREATED, Json(person.into())))
}

/// Adds everyone of a CSV or TOML file, or nobody.
#[utoipa::path(post, path = "/v1/people/import", request_body(content = String, content_type = "text/csv"), responses((status = 200, body = Imported), (status = "default", body = Body)))]
pub(super) async fn import(
    With(state): With<State>,
    Turn { caller, place }: Turn,
    headers: HeaderMap,
    text: Result<String, axum::extract::rejection::StringRejection>,
) -> Result<Json<Imported>, Failure> {
    let text = text.map_err(|error| Failure::bad_request(format!("{}.", error.body_text())));
    let text = Secret::new(caller.audited(&state, "person.import", "", text).await?);
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let format = match kind.split(';').next().unwrap_or_default().trim() {
        "text/csv" => Ok(Format::Csv),
        "application/toml" => Ok(Format::Toml),
        _ => Err(Failure::bad_request("Say what the file is: Content-Type text/csv or application/toml.")),
    };
    let format = caller.audited(&state, "person.import", "", format).await?;
    let done = match import::parse(text.expose(), format, &state.desk.rules.load()) {
        Ok(rows) => state.desk.import(&caller.actor, rows).await,
        Err(errors) => Err(DeskError::Import(errors)),
    };
    let imported = caller.audited(&state, "person.import", "", done).await?;
    drop(place);
    Ok(Json(Imported { imported }))
}

/// A person with factors, failures and acceptance.
#[utoipa::path(get, path = "/v1/people/{username}", params(("username" = String, Path)), responses((status = 200, body = Overview), (status = "default", body = Body)))]
pub(super) async fn show(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
) -> Result<Json<Overview>, Failure> {
    caller.must(&state, Permission::Look, "person.show", &username).await?;
    let overview =
        caller.audited(&state, "person.show", &username, state.desk.overview(&username).await).await?;
    caller.note(&state, "person.show", &username, "done", "").await?;
    Ok(Json(Overview::new(overview, state.desk.clock.now())))
}

/// How the last logins of a person ended, and why; nothing else of the audit trail.
#[utoipa::path(get, path = "/v1/people/{username}/logins", params(("username" = String, Path), LoginsQuery), responses((status = 200, body = Logins), (status = "default", body = Body)))]
pub(super) async fn logins(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    wanted: Result<Query<LoginsQuery>, QueryRejection>,
) -> Result<Json<Logins>, Failure> {
    const ACTION: &str = "person.logins";
    caller.must(&state, Permission::Look, ACTION, &username).await?;
    let LoginsQuery { limit } = caller.audited(&state, ACTION, &username, query(wanted)).await?;
    let person = caller.audited(&state, ACTION, &username, state.desk.person(&username).await).await?;
    let limit = usize::try_from(limit.unwrap_or(20).min(200)).unwrap_or_default();
    let found = trail::logins(&*state.desk.audit, &person, limit).await;
    let found = caller.audited(&state, ACTION, &username, found).await?;
    caller.note(&state, ACTION, &username, "done", "").await?;
    Ok(Json(Logins { logins: found.into_iter().map(Login::from).collect() }))
}

/// Sets a password. Administrators only: the help desk never chooses one.
#[utoipa::path(put, path = "/v1/people/{username}/password", params(("username" = String, Path)), request_body = NewPassword, responses((status = 200, body = Person), (status = "default", body = Body)))]
pub(super) async fn password(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
    new: Result<Json<NewPassword>, JsonRejection>,
) -> Result<Json<Person>, Failure> {
    caller.must(&state, Permission::Manage, "person.password", &username).await?;
    let NewPassword { password, present } =
        caller.audited(&state, "person.password", &username, body(new)).await?;
    let (new, old) = (Secret::new(password), present.map(Secret::new));
    let done = state.desk.set_password(&caller.actor, &username, old.as_ref(), &new).await;
    Ok(Json(caller.audited(&state, "person.password", &username, done).await?.into()))
}

/// Locks a person: no login until unlocked.
#[utoipa::path(post, path = "/v1/people/{username}/lock", params(("username" = String, Path)), responses((status = 200, body = Person), (status = "default", body = Body)))]
pub(super) async fn lock(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
) -> Result<Json<Person>, Failure> {
    caller.must(&state, Permission::Help, "person.lock", &username).await?;
    let done = state.desk.set_locked(&caller.actor, &username, true).await;
    Ok(Json(caller.audited(&state, "person.lock", &username, done).await?.into()))
}

/// Unlocks a person and clears the failure counters.
#[utoipa::path(post, path = "/v1/people/{username}/unlock", params(("username" = String, Path)), responses((status = 200, body = Person), (status = "default", body = Body)))]
pub(super) async fn unlock(
    With(state): With<State>,
    caller: Caller,
    Path(username): Path<String>,
) -> Result<Json<Person>, Failure> {
    caller.must(&state, Permission::Help, "person.unlock", &username).await?;
    let done = state.desk.set_locked(&caller.actor, &username, false).await;
    Ok(Json(caller.audited(&state, "person.unlock", &username, done).await?.into()))
}
