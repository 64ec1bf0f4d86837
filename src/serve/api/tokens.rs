//! `/token/…`: which passcodes somebody has, and a new passcode app for them.

use super::State;
use super::failure::Failure;
use super::incoming::{Incoming, read};
use super::validate::in_time;
use crate::base::{Secret, qr};
use crate::config::{ApiRight, Factors};
use crate::domain::factor::{FactorKind, FactorState, Material};
use crate::domain::person::Person;
use crate::engine::applications::{Confirmed, ListedToken, no_device, serial, token_id};
use crate::engine::enroll::{Enrolled, KeyDetails};
use crate::store::StoreError;
use crate::wire::privacyidea::Parameters;
use crate::wire::privacyidea::answer::{Answer, code};
use axum::Json;
use axum::extract::{Request, State as With};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use data_encoding::{BASE32_NOPAD, BASE64, HEXLOWER};
use serde_json::{Value, json};
use std::sync::Arc;

/// Devices of somebody: `user`, `realm`, `serial`.
#[utoipa::path(
    get, path = "/token/", tag = "privacyIDEA",
    params(("user" = String, Query, min_length = 1, description = "The username."), ("realm" = Option<String>, Query), ("serial" = Option<String>, Query, description = "One device alone.")),
    responses((status = 200, body = super::document::Envelope), (status = "default", body = super::document::Envelope))
)]
pub(super) async fn list(With(state): With<State>, request: Request) -> Response {
    let answer = match read(&state, request).await {
        Ok(incoming) => listed(&state, &incoming).await,
        Err(failure) => Err(failure),
    };
    render(&state, answer)
}

/// Sets up a passcode app: first with `type=totp` and `genkey=1`, then with its `serial` and its first code as `verify`.
#[utoipa::path(
    post, path = "/token/init", tag = "privacyIDEA",
    request_body(content = inline(super::document::InitForm), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = super::document::Envelope), (status = "default", body = super::document::Envelope))
)]
pub(super) async fn init(With(state): With<State>, request: Request) -> Response {
    let answer = match read(&state, request).await {
        Ok(incoming) => begun(&state, &incoming).await,
        Err(failure) => Err(failure),
    };
    render(&state, answer)
}

fn render(state: &State, answer: Result<Answer, Failure>) -> Response {
    match answer {
        Ok(answer) => Json(answer.render(state.now())).into_response(),
        Err(failure) => failure.render(state),
    }
}

fn username(state: &State, incoming: &Incoming) -> Result<String, Failure> {
    let fields = &incoming.fields;
    let user = fields.text("user").ok_or_else(|| Failure::parameter("Missing parameter: `user`."))?;
    Ok(state.applications.username(incoming.caller.asking(), user, fields.text("realm")))
}

async fn listed(state: &State, incoming: &Incoming) -> Result<Answer, Failure> {
    in_time(incoming, state.applications.require(incoming.caller.asking(), ApiRight::List)).await?;
    let username = username(state, incoming)?;
    let device = incoming.fields.text("serial").map(|name| token_id(name).unwrap_or_else(no_device));
    let listing = state.applications.tokens(incoming.caller.asking(), &username, device);
    let (person, tokens) = match in_time(incoming, listing).await {
        Ok(listed) => listed,
        // Whoever is not trusted is not told that there is nobody.
        Err(failure) if failure.code == code::NO_USER && !incoming.caller.client.trusted => {
            return Ok(page(&[]));
        }
        Err(failure) => return Err(failure),
    };
    let shown: Vec<_> = tokens.iter().map(|token| one(&person, token)).collect();
    Ok(page(&shown))
}

fn page(tokens: &[Value]) -> Answer {
    Answer::plain(json!({"count": tokens.len(), "current": 1, "next": null, "prev": null, "tokens": tokens}))
}

fn one(person: &Person, ListedToken { factor, failures }: &ListedToken) -> Value {
    let digits = match &factor.material {
        Material::Totp { digits, .. } | Material::Hotp { digits, .. } => *digits,
        _ => 0,
    };
    let kind = match factor.kind {
        FactorKind::Recovery => "tan",
        FactorKind::Temporary => "registration",
        other => other.as_str(),
    };
    let pending = factor.state == FactorState::Pending;
    json!({
        "active": factor.state == FactorState::Active,
        "count": 0,
        "count_window": 10,
        "description": factor.label,
        "failcount": failures,
        "id": 0,
        "info": {},
        "locked": false,
        "maxfail": 0,
        "otplen": digits,
        "realms": [],
        "resolver": "",
        "revoked": false,
        "rollout_state": if pending { "verify" } else { "" },
        "serial": serial(factor.kind, factor.id),
        "sync_window": 0,
        "tokentype": kind,
        "user_id": person.id.to_string(),
        "user_realm": "",
        "username": person.username.as_str(),
    })
}

async fn begun(state: &State, incoming: &Incoming) -> Result<Answer, Failure> {
    let fields = &incoming.fields;
    in_time(incoming, state.applications.require(incoming.caller.asking(), ApiRight::Enroll)).await?;
    if fields.text("type").is_some_and(|kind| !kind.eq_ignore_ascii_case("totp")) {
        return Err(Failure::parameter("Only apps are set up here: `type=totp`."));
    }
    if let Some(first) = fields.text("verify") {
        return confirmed(state, incoming, first).await;
    }
    let username = username(state, incoming)?;
    let generated = fields.flag("genkey") || fields.text("otpkey").is_none();
    let seed = fields
        .text("otpkey")
        .filter(|_| !generated)
        .map(|hex| HEXLOWER.decode(hex.to_lowercase().as_bytes()));
    let seed = seed
        .transpose()
        .map_err(|_| Failure::parameter("`otpkey` must be hexadecimal; or send `genkey=1`."))?;
    if seed.is_some() {
        must_fit(fields, &incoming.caller.config.factors)?;
    }
    let seed = seed.map(|seed| Secret::new(BASE32_NOPAD.encode(Secret::new(seed).expose())));
    let details = KeyDetails { label: fields.text("description").map(str::to_owned), seed, counter: 0 };
    let enrolling = state.applications.enroll(incoming.caller.asking(), &username, details);
    let enrolled = in_time(incoming, enrolling).await?;
    Ok(Answer { detail: shown(&enrolled), ..Answer::plain(true.into()) })
}

/// An app that has its key already must reckon with it as is done here. Any other is told how by its picture.
fn must_fit(fields: &Parameters, here: &Factors) -> Result<(), Failure> {
    let kept = [
        ("hashlib", here.totp_algorithm.as_str().to_owned()),
        ("otplen", here.totp_digits.to_string()),
        ("timeStep", here.totp_period.to_string()),
    ];
    for (name, kept) in kept {
        if fields.text(name).is_some_and(|asked| !asked.eq_ignore_ascii_case(&kept)) {
            let message = format!("Apps work with `{name}={kept}` here ([totp] of the configuration).");
            return Err(Failure::parameter(message));
        }
    }
    Ok(())
}

async fn confirmed(state: &State, incoming: &Incoming, first: &str) -> Result<Answer, Failure> {
    let no_device = || {
        let message = "There is no such `serial` that waits for its first code.";
        Failure::new(StatusCode::NOT_FOUND, code::NOT_FOUND, message)
    };
    let name =
        incoming.fields.text("serial").ok_or_else(|| Failure::parameter("Missing parameter: `serial`."))?;
    let device = token_id(name).ok_or_else(no_device)?;
    let username = incoming.fields.text("user").map(|_| username(state, incoming)).transpose()?;
    // To its end whatever becomes of the request: who has an app must be told of it.
    let (applications, caller) = (Arc::clone(&state.applications), incoming.caller.clone());
    let first = Secret::new(first.to_owned());
    let confirming = tokio::spawn(async move {
        let device = (device, username.as_deref());
        applications.confirm(caller.asking(), device, first.expose()).await
    });
    let confirmed = async {
        let lost = |_| StoreError::Unavailable("the work was broken off".into());
        confirming.await.map_err(lost)?
    };
    match in_time(incoming, confirmed).await? {
        Confirmed::Done => {}
        Confirmed::Nothing => return Err(no_device()),
        Confirmed::Wrong => {
            let message = "Could not verify the code. Type the next one that the app shows.";
            return Err(Failure::parameter(message));
        }
        Confirmed::Over => {
            let message =
                "Too many codes were wrong, and the app does not count. Set it up anew, without `verify`.";
            return Err(Failure::parameter(message));
        }
    }
    Ok(Answer { detail: json!({"serial": name, "rollout_state": "enrolled"}), ..Answer::plain(true.into()) })
}

fn image(text: &str) -> String {
    let Some((path, width)) = qr::path(text) else { return String::new() };
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {width}\" width=\"256\" height=\"256\">\
         <rect width=\"{width}\" height=\"{width}\" fill=\"#fff\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
    );
    format!("data:image/svg+xml;base64,{}", BASE64.encode(svg.as_bytes()))
}

/// The key, for this one time.
fn shown(Enrolled { id, seed, uri }: &Enrolled) -> Value {
    let image = image(uri.expose());
    let hex = Secret::new(BASE32_NOPAD.decode(seed.expose().as_bytes()).unwrap_or_default());
    json!({
        "serial": serial(FactorKind::Totp, *id),
        "rollout_state": "verify",
        "verify": {"message": "Please enter a valid OTP value of the new token."},
        "googleurl": {"description": "URL for passcode apps", "value": uri.expose(), "img": image},
        "otpkey": {
            "description": "OTP seed",
            "value": format!("seed://{}", HEXLOWER.encode(hex.expose())),
            "value_b32": seed.expose(),
            "img": "",
        },
        "threadid": 0,
    })
}
