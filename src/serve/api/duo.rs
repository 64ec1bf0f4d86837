//! `/auth/v2/…`: Duo's Auth API, as far as it can be served without a phone app of ours.
//!
//! Nothing is pushed and no key is pressed: `sms` and `phone` send a code, which is the `passcode` of a second request.

use super::State;
use super::caller::{Caller, Origin, admit, may_look_up, warn};
use super::failure::log;
use super::incoming::{body_fields, is_json, text, whole};
use crate::base::Secret;
use crate::config::{ApiClient, ApiRight, Config};
use crate::domain::login::Offer;
use crate::domain::method::{Channel, Method};
use crate::domain::policy::LoginKind;
use crate::domain::reason::Reason;
use crate::engine::applications::{Answered, Failed, Order, Ways};
use crate::engine::login::Undecided;
use crate::wire::duo::answer::{Problem, ok};
use crate::wire::duo::{Authorization, Outcome, Signed, is_timely};
use crate::wire::privacyidea::Parameters;
use axum::Json;
use axum::extract::{Request, State as With};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
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

const TOO_OFTEN: Refusal = (Problem::TooOften, "Ask again in a second.");

fn undecided(failed: &Failed, request: &str) -> Refusal {
    if let Failed::Right(right) = failed {
        return (Problem::Forbidden, right.missing());
    }
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

/// The key and its application that a request names, and by which date.
struct Named {
    authorization: Authorization,
    client: Arc<ApiClient>,
    secret: Secret<String>,
    date: String,
}

/// Takes a request of an application that has signed it. Nothing of the body is read before the key is known.
async fn read(state: &State, request: Request) -> Result<Incoming, Refusal> {
    let unreadable = |_| (Problem::Parameters, "The request cannot be read.");
    let config = state.config.load_full();
    let (parts, body) = request.into_parts();
    let origin = Origin::of(&config.api, &parts);
    let address = origin.address();
    let refuse = |(problem, what): Refusal| {
        if !state.kept.rates.admit_stranger(address, Instant::now()) {
            return TOO_OFTEN;
        }
        warn(state, address, what);
        (problem, what)
    };
    let Named { authorization, client, secret, date } =
        named(state, &config, &parts, address).await?.map_err(refuse)?;
    let whole = whole(Request::from_parts(parts, body)).await;
    let (parts, body) = whole.map_err(|_| (Problem::Parameters, "The body is too large."))?;
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
        date: &date,
        headers: &own_headers(&parts.headers),
    };
    if !signed.is_signed(&secret, &authorization) {
        return Err(refuse((Problem::Signature, "it is not signed with its application's key")));
    }
    admit(&client, (&parts, origin), true).map_err(|what| refuse((Problem::Forbidden, what)))?;
    state.kept.proven.note(&authorization.key);
    if !state.kept.rates.admit(&client.name, client.rate, Instant::now()) {
        warn(state, address, "it asks more often than its `rate`");
        return Err(TOO_OFTEN);
    }
    let fields = if json { fields } else { signed_fields };
    let person =
        fields.text("ipaddr").filter(|_| client.trusted).and_then(|text| text.parse::<IpAddr>().ok());
    let origin = person.unwrap_or(address).to_canonical().to_string();
    let crowd = person.is_none().then_some(client.codes_per_origin);
    let caller = Caller { client, request: Uuid::now_v7().to_string(), origin, crowd, config };
    Ok(Incoming { caller, fields })
}

/// Reads the head. The outer error: it cannot be decided; the inner one: it does not count.
async fn named(
    state: &State,
    config: &Config,
    parts: &Parts,
    address: IpAddr,
) -> Result<Result<Named, Refusal>, Refusal> {
    let Some(authorization) = Authorization::parse(text(&parts.headers, header::AUTHORIZATION.as_str()))
    else {
        return Ok(Err((Problem::Authorization, "it is not signed")));
    };
    let x_date = text(&parts.headers, "x-duo-date");
    let date = if x_date.is_empty() { text(&parts.headers, header::DATE.as_str()) } else { x_date };
    if !is_timely(date, state.now()) {
        return Ok(Err((Problem::Date, "its date is more than five minutes off; set the clock")));
    }
    if !may_look_up(state, &authorization.key, address) {
        return Err(TOO_OFTEN);
    }
    let found = state.applications.secret(&config.api, &authorization.key).await;
    let found = found.map_err(|error| undecided(&error.into(), "-"))?;
    let named = |(client, secret)| Named { authorization, client, secret, date: date.to_owned() };
    Ok(found.map(named).ok_or((Problem::Key, "its key does not count")))
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
#[utoipa::path(get, path = "/auth/v2/check", tag = "Duo", security(("signature" = [])), responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
pub(super) async fn check(With(state): With<State>, request: Request) -> Response {
    let answer = read(&state, request).await.map(|_| json!({"time": state.now().unix_secs()}));
    render(answer)
}

/// How somebody can give a passcode.
#[utoipa::path(post, path = "/auth/v2/preauth", tag = "Duo", security(("signature" = [])), request_body(content = inline(super::document::PreauthForm), content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
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
    let ways = in_time(&incoming.caller, state.applications.ways(asking, incoming.username()?)).await?;
    let active = |devices: Vec<Value>| json!({"result": "auth", "status_msg": "Account is active", "devices": devices});
    Ok(match ways {
        Ways::Offered(offers) => active(offers.iter().map(device).collect()),
        Ways::Unsaid => active(vec![unsaid(asking.client.may(ApiRight::Trigger))]),
        Ways::Denied => json!({
            "result": "deny",
            "status_msg": "Your account is disabled and cannot access this application.",
        }),
        Ways::Nothing => json!({
            "result": "enroll",
            "status_msg": "Enroll an authentication device to proceed.",
            "enroll_portal_url": incoming.caller.config.portal.origin,
        }),
    })
}

/// The same for everybody, of who may not see what somebody has.
fn unsaid(trigger: bool) -> Value {
    let can: &[&str] = if trigger { &["mobile_otp", "sms", "phone"] } else { &["mobile_otp"] };
    json!({
        "device": "auto", "type": "phone", "name": "", "number": "", "display_name": "Passcode",
        "capabilities": can,
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
#[utoipa::path(post, path = "/auth/v2/auth", tag = "Duo", security(("signature" = [])), request_body(content = inline(super::document::DuoForm), content_type = "application/x-www-form-urlencoded"), responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
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

/// That somebody is locked is for applications that are trusted.
fn told(trusted: bool, answered: Answered) -> Outcome {
    match answered {
        Answered::Accept(_) => outcome("allow", "allow", "Success. Logging you in..."),
        Answered::Challenge(asked) => {
            // A word for a device asks for what it shows, and nothing is on its way.
            let sent = asked.ways.first().is_some_and(|(offer, _)| matches!(offer, Offer::Sent(..)));
            outcome("deny", if sent { "sent" } else { "deny" }, &asked.message)
        }
        Answered::Reject { message, reason: Reason::HardStopped | Reason::PersonLocked } if trusted => {
            outcome("deny", "locked_out", &message)
        }
        Answered::Reject { message, .. } => outcome("deny", "deny", &message),
    }
}

async fn passcode(state: &State, incoming: &Incoming) -> Result<Outcome, Refusal> {
    let typed = incoming.fields.text("passcode").ok_or((Problem::Parameters, "passcode"))?;
    let (caller, asking) = (&incoming.caller, incoming.caller.asking());
    let order = incoming.order(typed, None)?;
    let answered = in_time(caller, state.applications.check_unnamed(asking, order)).await?;
    Ok(told(caller.client.trusted, answered))
}

async fn sent(state: &State, incoming: &Incoming, method: Option<Method>) -> Result<Outcome, Refusal> {
    let (caller, asking) = (&incoming.caller, incoming.caller.asking());
    // Where none is named, the first that the person can be reached by.
    let methods = method.map_or_else(|| Channel::ALL.map(Method::Sent).to_vec(), |method| vec![method]);
    let order = incoming.order("", Some(methods))?;
    let answered = in_time(caller, state.applications.trigger_unnamed(asking, &order)).await?;
    Ok(answered.map_or_else(
        || outcome("deny", "deny", &caller.config.texts.failed),
        |answered| told(caller.client.trusted, answered),
    ))
}

/// What came of a request with `async`.
#[utoipa::path(get, path = "/auth/v2/auth_status", tag = "Duo", security(("signature" = [])), params(("txid" = String, Query, description = "As it was answered.")), responses((status = 200, body = super::document::DuoAnswer), (status = "default", body = super::document::DuoAnswer)))]
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::StoreError;

    // R-API-1
    #[test]
    fn overload_is_429_and_what_is_down_503() {
        let status = |undecided_: Undecided| undecided(&undecided_.into(), "-").0.parts().0;
        assert_eq!(status(Undecided::ChallengesFull), 429);
        assert_eq!(status(Undecided::Pool(crate::store::directory::PoolError::Overloaded)), 429);
        assert_eq!(status(StoreError::Unavailable("down".into()).into()), 503);
    }
}
