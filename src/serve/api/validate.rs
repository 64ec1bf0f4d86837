//! `/validate/…`: somebody's passcode is checked, or asked for.

use super::State;
use super::failure::Failure;
use super::incoming::{Incoming, read};
use crate::config::ApiRight;
use crate::domain::login::Offer;
use crate::domain::policy::LoginKind;
use crate::domain::reason::Reason;
use crate::engine::applications::{Answered, Asked, Failed, Order, kinds, no_device, token_id};
use crate::wire::privacyidea::answer::{Answer, Authentication, Item, challenge};
use crate::wire::privacyidea::{Check, Transaction};
use axum::Json;
use axum::extract::{Request, State as With};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::future::Future;

/// Runs what must be answered in time.
pub(super) async fn in_time<T>(
    incoming: &Incoming,
    what: impl Future<Output = Result<T, Failed>>,
) -> Result<T, Failure> {
    let request = incoming.caller.request.as_str();
    match tokio::time::timeout(incoming.caller.config.radius.request_deadline, what).await {
        Ok(done) => done.map_err(|failed| Failure::of(&failed, request)),
        Err(_) => {
            tracing::error!(request, "an application's request took too long");
            Err(Failure::unavailable())
        }
    }
}

/// What is asked about whom.
async fn order(state: &State, incoming: &Incoming) -> Result<Order, Failure> {
    let asking = incoming.caller.asking();
    let check = Check::of(&incoming.fields);
    if check.otponly && asking.client.policy.default.kind != LoginKind::Passcode {
        in_time(incoming, state.applications.require(asking, ApiRight::OtpOnly)).await?;
    }
    let device = check.serial.map(token_id);
    let username = match (check.user, device) {
        (Some(user), _) => state.applications.username(asking, user, check.realm),
        (None, Some(device)) => {
            let owner = match device {
                Some(device) => in_time(incoming, state.applications.owner(device)).await?,
                None => None,
            };
            // Nobody's: the round takes place all the same, so that it looks like any other.
            owner.unwrap_or_else(|| "nobody has this device".to_owned())
        }
        (None, None) => return Err(Failure::parameter("Missing parameter: `user` or `serial`.")),
    };
    Ok(Order {
        username,
        transaction: check.transaction.map(Transaction::parse),
        methods: check.kind.map(kinds),
        device: device.map(|device| device.unwrap_or_else(no_device)),
        otponly: check.otponly,
        typed: check.pass,
    })
}

/// What is asked for, in the protocol's words.
fn asked(asked: &Asked) -> Value {
    let item = |(offer, serial): &(Offer, String)| Item {
        message: asked.message.clone(),
        serial: serial.clone(),
        kind: kind(offer),
    };
    let items: Vec<_> = asked.ways.iter().map(item).collect();
    challenge(&asked.message, &asked.transaction.to_string(), &items)
}

/// The protocol's word.
fn kind(offer: &Offer) -> &'static str {
    match offer.method().as_str() {
        "recovery" => "tan",
        "temporary" => "registration",
        other => other,
    }
}

fn is_stranger(reason: Reason) -> bool {
    matches!(reason, Reason::UnknownPerson | Reason::UsernameInvalid)
}

/// A refusal; whoever is trusted is told that nobody has the name.
fn refused(incoming: &Incoming, message: &str, reason: Reason) -> Result<Answer, Failure> {
    if incoming.caller.client.trusted && is_stranger(reason) {
        return Err(Failure::no_user());
    }
    Ok(Answer {
        value: false.into(),
        authentication: Some(Authentication::Reject),
        detail: json!({"message": message, "threadid": 0}),
    })
}

async fn checked(state: &State, incoming: &Incoming) -> Result<Answer, Failure> {
    let order = order(state, incoming).await?;
    match in_time(incoming, state.applications.check(incoming.caller.asking(), &order)).await? {
        Answered::Accept(person) => Ok(Answer {
            value: true.into(),
            authentication: Some(Authentication::Accept),
            detail: json!({
                "message": "matching 1 tokens",
                "username": person.username.as_str(),
                "threadid": 0,
            }),
        }),
        Answered::Challenge(challenge) => Ok(Answer {
            value: false.into(),
            authentication: Some(Authentication::Challenge),
            detail: asked(&challenge),
        }),
        Answered::Reject { message, reason } => refused(incoming, &message, reason),
    }
}

async fn triggered(state: &State, incoming: &Incoming) -> Result<Answer, Failure> {
    let client = &incoming.caller.client;
    in_time(incoming, state.applications.require(incoming.caller.asking(), ApiRight::Trigger)).await?;
    if client.policy.default.kind != LoginKind::Passcode && client.policy.groups.is_empty() {
        return Err(Failure::forbidden(
            "This application's policy asks for the password first. If the application checks it, set `login = \"passcode\"` \
             for it in the configuration.",
        ));
    }
    let order = order(state, incoming).await?;
    let none = |message: &str, reason| {
        refused(incoming, message, reason).map(|answer| Answer { value: 0.into(), ..answer })
    };
    match in_time(incoming, state.applications.trigger(incoming.caller.asking(), &order)).await? {
        Some(Answered::Challenge(challenge)) => Ok(Answer {
            value: challenge.ways.len().into(),
            authentication: Some(Authentication::Challenge),
            detail: asked(&challenge),
        }),
        Some(Answered::Reject { message, reason }) => none(&message, reason),
        Some(Answered::Accept(_)) | None => {
            none(&incoming.caller.config.texts.failed, Reason::MethodUnavailable)
        }
    }
}

fn render(state: &State, answer: Result<Answer, Failure>) -> Response {
    match answer {
        Ok(answer) => Json(answer.render(state.now())).into_response(),
        Err(failure) => failure.render(state),
    }
}

/// Checks what somebody typed. A refusal is no error: the status is 200.
#[utoipa::path(
    post, path = "/validate/check", tag = "privacyIDEA",
    request_body(content = inline(super::document::CheckForm), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = super::document::Envelope), (status = "default", body = super::document::Envelope))
)]
pub(super) async fn check(With(state): With<State>, request: Request) -> Response {
    let answer = match read(&state, request).await {
        Ok(incoming) => checked(&state, &incoming).await,
        Err(failure) => Err(failure),
    };
    render(&state, answer)
}

/// The same for programs that look at the status alone: 204 lets in. Whatever asks back is a refusal for them, so it must be none of
/// the statuses of a success.
#[utoipa::path(
    post, path = "/validate/radiuscheck", tag = "privacyIDEA",
    request_body(content = inline(super::document::CheckForm), content_type = "application/x-www-form-urlencoded"),
    responses((status = 204, description = "Let in."), (status = 400, description = "Refused."), (status = "default", body = super::document::Envelope))
)]
pub(super) async fn radiuscheck(With(state): With<State>, request: Request) -> Response {
    let answer = match read(&state, request).await {
        Ok(incoming) => checked(&state, &incoming).await,
        Err(failure) => Err(failure),
    };
    match answer {
        Ok(Answer { authentication: Some(Authentication::Accept), .. }) => {
            StatusCode::NO_CONTENT.into_response()
        }
        Ok(_) => StatusCode::BAD_REQUEST.into_response(),
        Err(failure) => failure.render(&state),
    }
}

/// Has a passcode asked for, or sent. The value is the number of ways in which it can be answered.
#[utoipa::path(
    post, path = "/validate/triggerchallenge", tag = "privacyIDEA",
    request_body(content = inline(super::document::TriggerForm), content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = super::document::Envelope), (status = "default", body = super::document::Envelope))
)]
pub(super) async fn trigger(With(state): With<State>, request: Request) -> Response {
    let answer = match read(&state, request).await {
        Ok(incoming) => triggered(&state, &incoming).await,
        Err(failure) => Err(failure),
    };
    render(&state, answer)
}

/// Whether a challenge was answered elsewhere. There is no way to do that, so it never was.
#[utoipa::path(
    get, path = "/validate/polltransaction", tag = "privacyIDEA",
    params(("transaction_id" = Option<String>, Query, description = "The challenge; also as the end of the path.")),
    responses((status = 200, body = super::document::Envelope), (status = "default", body = super::document::Envelope))
)]
pub(super) async fn poll(With(state): With<State>, request: Request) -> Response {
    let answer = read(&state, request).await.map(|_| Answer {
        value: false.into(),
        authentication: Some(Authentication::Reject),
        detail: json!({"challenge_status": "pending", "threadid": 0}),
    });
    render(&state, answer)
}
