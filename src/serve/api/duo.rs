//! `/auth/v2/…`: Duo's Auth API, as far as it can be served without a phone app of ours.
//!
//! Nothing is pushed and no key is pressed: `sms` and `phone` send a code, which is the `passcode` of a second request. Where
//! several nodes serve, both must come to the same one.

use super::State;
use super::caller::{Caller, address, warn};
use super::failure::log;
use super::incoming::{body_fields, is_json, text, whole};
use crate::base::Secret;
use crate::domain::login::Offer;
use crate::domain::method::{Channel, Method};
use crate::domain::policy::LoginKind;
use crate::domain::reason::Reason;
use crate::engine::applications::{Answered, Failed, Order};
use crate::engine::login::Undecided;
use crate::wire::duo::answer::{Problem, ok};
use crate::wire::duo::{Authorization, Outcome, Signed, is_timely};
use crate::wire::privacyidea::Parameters;
use axum::Json;
use axum::extract::{Request, State as With};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::future::Future;
use tokio::time::Instant;
use uuid::Uuid;

/// Why there is no response: the problem, and what to do about it.
type Refusal = (Problem, &'static str);

/// A request that is signed with the key of an application.
struct Incoming {
    caller: Caller,
    fields: Parameters,
}

fn render(answer: Result<Value, Refusal>) -> Response {
    let (status, body) = match answer {
        Ok(response) => (StatusCode::OK, ok(&response)),
        Err((problem, detail)) => {
            let status = StatusCode::from_u16(problem.parts().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, problem.render(detail))
        }
    };
    (status, Json(body)).into_response()
}

fn undecided(failed: &Failed, request: &str) -> Refusal {
    if let Failed::Undecided(Undecided::Pool(_) | Undecided::ChallengesFull) = failed {
        return (Problem::TooOften, "More is asked than can be done at present. Ask again in a second.");
    }
    log(failed, request);
    (Problem::Unavailable, "It cannot be decided at present. Ask again.")
}

async fn in_time<T>(caller: &Caller, what: impl Future<Output = Result<T, Failed>>) -> Result<T, Refusal> {
    match tokio::time::timeout(caller.config.radius.request_deadline, what).await {
        Ok(done) => done.map_err(|failed| undecided(&failed, &caller.request)),
        Err(_) => Err((Problem::Unavailable, "It took too long. Ask again.")),
    }
}

/// Headers that are signed as well.
fn own_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let own = headers.iter().filter(|(name, _)| name.as_str().starts_with("x-duo-"));
    own.filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

/// Takes a request of an application that has signed it.
async fn read(state: &State, request: Request) -> Result<Incoming, Refusal> {
    let unreadable = |_| (Problem::Parameters, "The request cannot be read.");
    let (parts, body) = whole(request).await.map_err(|_| (Problem::Parameters, "The body is too large."))?;
    let config = state.config.load_full();
    let address = address(&config.api, &parts);
    let refuse = |problem, what| {
        if !state.kept.rates.admit_stranger(address, Instant::now()) {
            return (Problem::TooOften, "Ask again in a second.");
        }
        warn(state, address, what);
        (problem, what)
    };
    let authorization = Authorization::parse(text(&parts.headers, header::AUTHORIZATION.as_str()))
        .ok_or_else(|| refuse(Problem::Authorization, "it is not signed"))?;
    let x_date = text(&parts.headers, "x-duo-date");
    let date = if x_date.is_empty() { text(&parts.headers, header::DATE.as_str()) } else { x_date };
    if !is_timely(date, state.now()) {
        return Err(refuse(Problem::Date, "its date is more than five minutes off; set the clock"));
    }
    let found = state.applications.secret(&config.api, &authorization.key).await;
    let found = found.map_err(|error| undecided(&error.into(), "-"))?;
    let (client, secret) = found.ok_or_else(|| refuse(Problem::Key, "its key does not count"))?;
    let json = is_json(&parts.headers) && !body.is_empty();
    let query = Parameters::of_form(parts.uri.query().unwrap_or_default()).map_err(unreadable)?;
    let (signed_fields, fields) = match json {
        true => (query, body_fields(&parts.headers, &body).map_err(unreadable)?),
        false => {
            let form = body_fields(&parts.headers, &body).map_err(unreadable)?;
            (query.and(form).map_err(unreadable)?, Parameters::default())
        }
    };
    let signed = Signed {
        method: parts.method.as_str(),
        host: text(&parts.headers, header::HOST.as_str()),
        path: parts.uri.path(),
        fields: &signed_fields,
        json: if json { &body } else { b"" },
        date,
        headers: &own_headers(&parts.headers),
    };
    if !signed.is_signed(&secret, &authorization) {
        return Err(refuse(Problem::Signature, "it is not signed with its application's key"));
    }
    if !client.asks_from(address) {
        return Err(refuse(Problem::Forbidden, "its application may not ask from there"));
    }
    if !state.kept.rates.admit(&client.name, client.rate, Instant::now()) {
        warn(state, address, "it asks more often than its `rate`");
        return Err((Problem::TooOften, "Ask again in a second."));
    }
    let fields = if json { fields } else { signed_fields };
    let origin = match fields.text("ipaddr").filter(|_| client.trusted).and_then(|text| text.parse().ok()) {
        Some(origin) => origin,
        None => address,
    };
    let caller = Caller { client, request: Uuid::now_v7().to_string(), origin: origin.to_string(), config };
    Ok(Incoming { caller, fields })
}

impl Incoming {
    fn username(&self) -> Result<&str, Refusal> {
        let named = self.fields.text("username").or_else(|| self.fields.text("user_id"));
        named.ok_or((Problem::Parameters, "username"))
    }

    /// The protocol checks no passwords, so an application that asks by it has checked them.
    fn must_check_passcodes_only(&self) -> Result<(), Refusal> {
        let policy = &self.caller.client.policy;
        let only = |kind| kind == LoginKind::Passcode;
        if only(policy.default.kind) && policy.groups.iter().all(|(_, policy)| only(policy.kind)) {
            return Ok(());
        }
        Err((
            Problem::Forbidden,
            "Set `login = \"passcode\"` for this application in the configuration of Doorward.",
        ))
    }

    fn order(&self, typed: &str, methods: Option<Vec<Method>>) -> Result<Order, Refusal> {
        Ok(Order {
            username: self.username()?.to_owned(),
            typed: Secret::from(typed),
            transaction: None,
            methods,
            device: None,
            otponly: false,
        })
    }
}

/// Whether it is there. Says what time it is.
#[utoipa::path(get, path = "/auth/v2/ping", tag = "Duo", security(()), responses((status = 200, body = super::document::DuoAnswer)))]
pub(super) async fn ping(With(state): With<State>) -> Response {
    render(Ok(json!({"time": state.now().unix_secs()})))
}

/// Whether key and signature are right.
#[utoipa::path(get, path = "/auth/v2/check", tag = "Duo", responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
pub(super) async fn check(With(state): With<State>, request: Request) -> Response {
    let answer = read(&state, request).await.map(|_| json!({"time": state.now().unix_secs()}));
    render(answer)
}

/// How somebody can give a passcode.
#[utoipa::path(post, path = "/auth/v2/preauth", tag = "Duo", request_body(content = inline(super::document::PreauthForm), content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
pub(super) async fn preauth(With(state): With<State>, request: Request) -> Response {
    let answer = match read(&state, request).await {
        Ok(incoming) => looked_up(&state, &incoming).await,
        Err(refusal) => Err(refusal),
    };
    render(answer)
}

async fn looked_up(state: &State, incoming: &Incoming) -> Result<Value, Refusal> {
    incoming.must_check_passcodes_only()?;
    let asking = incoming.caller.asking();
    let account = in_time(&incoming.caller, state.applications.account(asking, incoming.username()?)).await?;
    let answer = |result: &str, message: &str| json!({"result": result, "status_msg": message});
    Ok(match state.applications.offers(asking, account) {
        Err(_) => answer("deny", "Your account is disabled and cannot access this application."),
        Ok(offers) if offers.is_empty() => {
            let mut answer = answer("enroll", "Enroll an authentication device to proceed.");
            if let Some(answer) = answer.as_object_mut() {
                answer.insert(
                    "enroll_portal_url".to_owned(),
                    incoming.caller.config.portal.origin.as_str().into(),
                );
            }
            answer
        }
        Ok(offers) => {
            let mut answer = answer("auth", "Account is active");
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("devices".to_owned(), offers.iter().map(device).collect());
            }
            answer
        }
    })
}

fn device(offer: &Offer) -> Value {
    let (kind, name, can) = match offer {
        Offer::Factor(kind) => ("token", kind.as_str().to_owned(), "mobile_otp"),
        Offer::Sent(Channel::Voice, to) => ("phone", to.masked.clone(), "phone"),
        Offer::Sent(_, to) => ("phone", to.masked.clone(), "sms"),
    };
    let number = if kind == "phone" { name.as_str() } else { "" };
    json!({
        "device": offer.method().as_str(), "type": kind, "name": name, "number": number,
        "display_name": name, "capabilities": [can],
    })
}

/// Checks a passcode, or has one sent.
#[utoipa::path(post, path = "/auth/v2/auth", tag = "Duo", request_body(content = inline(super::document::DuoForm), content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
pub(super) async fn auth(With(state): With<State>, request: Request) -> Response {
    let answer = match read(&state, request).await {
        Ok(incoming) => authenticated(&state, &incoming).await,
        Err(refusal) => Err(refusal),
    };
    render(answer)
}

async fn authenticated(state: &State, incoming: &Incoming) -> Result<Value, Refusal> {
    incoming.must_check_passcodes_only()?;
    let outcome = match incoming.fields.text("factor").unwrap_or("auto") {
        "passcode" => passcode(state, incoming).await?,
        "sms" => sent(state, incoming, Some(Method::Sent(Channel::Sms))).await?,
        "phone" => sent(state, incoming, Some(Method::Sent(Channel::Voice))).await?,
        "auto" => sent(state, incoming, None).await?,
        _ => return Err((Problem::Parameters, "factor: one of passcode, sms, phone, auto")),
    };
    if incoming.fields.flag("async") {
        let txid = state.applications.results.keep(&incoming.caller.client.name, outcome, state.now());
        return Ok(json!({"txid": txid}));
    }
    Ok(json!(outcome))
}

fn outcome(result: &str, status: &str, message: &str) -> Outcome {
    Outcome { result: result.to_owned(), status: status.to_owned(), status_msg: message.to_owned() }
}

fn told(answered: Answered) -> Outcome {
    match answered {
        Answered::Accept(_) => outcome("allow", "allow", "Success. Logging you in..."),
        Answered::Challenge(asked) => outcome("deny", "sent", &asked.message),
        Answered::Reject { message, reason: Reason::HardStopped | Reason::PersonLocked } => {
            outcome("deny", "locked_out", &message)
        }
        Answered::Reject { message, .. } => outcome("deny", "deny", &message),
    }
}

async fn passcode(state: &State, incoming: &Incoming) -> Result<Outcome, Refusal> {
    let typed = incoming.fields.text("passcode").ok_or((Problem::Parameters, "passcode"))?;
    let (caller, asking) = (&incoming.caller, incoming.caller.asking());
    let mut order = incoming.order(typed, None)?;
    order.transaction = in_time(caller, state.applications.latest(asking, &order.username)).await?.map(Some);
    let mut answered = in_time(caller, state.applications.check(asking, &order)).await?;
    if let (Answered::Reject { reason: Reason::StateInvalid, .. }, Some(_)) = (&answered, order.transaction) {
        // The code that was sent is over or used up; what devices show counts by itself.
        order.transaction = None;
        answered = in_time(caller, state.applications.check(asking, &order)).await?;
    }
    Ok(told(answered))
}

async fn sent(state: &State, incoming: &Incoming, method: Option<Method>) -> Result<Outcome, Refusal> {
    let (caller, asking) = (&incoming.caller, incoming.caller.asking());
    // Where none is named, the first that the person can be reached by.
    let methods = method.map_or_else(|| Channel::ALL.map(Method::Sent).to_vec(), |method| vec![method]);
    let order = incoming.order("", Some(methods))?;
    let answered = in_time(caller, state.applications.trigger(asking, &order)).await?;
    Ok(answered.map_or_else(|| outcome("deny", "deny", &caller.config.texts.failed), told))
}

/// What came of a request with `async`.
#[utoipa::path(get, path = "/auth/v2/auth_status", tag = "Duo", params(("txid" = String, Query, description = "As it was answered.")), responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
pub(super) async fn status(With(state): With<State>, request: Request) -> Response {
    let answer = read(&state, request).await.and_then(|incoming| {
        let id = incoming.fields.text("txid").ok_or((Problem::Parameters, "txid"))?;
        let found = state.applications.results.find(&incoming.caller.client.name, id, state.now());
        found
            .map(|outcome| json!(outcome))
            .ok_or((Problem::NotFound, "No such transaction, or it is long ago."))
    });
    render(answer)
}
