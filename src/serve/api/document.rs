//! The OpenAPI document of what is served to applications.

use std::sync::OnceLock;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoParams, Modify, OpenApi, ToSchema};

/// Fields of a check. Each can also stand in the query, or in JSON.
#[derive(ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a form")]
pub(super) struct CheckForm {
    /// The username; or `serial`.
    user: Option<String>,
    /// Its realm.
    realm: Option<String>,
    /// What was typed; nothing: a passcode is asked for.
    pass: Option<String>,
    /// One device alone.
    serial: Option<String>,
    /// The challenge that it answers; also `state`.
    transaction_id: Option<String>,
    /// Kinds of passcodes: `totp`, `hotp`, `yubikey`, `sms`, `voice`, `email`, `tan`, `registration`.
    r#type: Option<String>,
    /// 1: only the passcode counts.
    otponly: Option<String>,
    /// Where the person is; believed of applications that are trusted.
    client: Option<String>,
}

/// Fields of a trigger.
#[derive(ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes a form")]
pub(super) struct TriggerForm {
    /// The username; or `serial`.
    user: Option<String>,
    /// Its realm.
    realm: Option<String>,
    /// One device alone.
    serial: Option<String>,
    /// Kinds of passcodes.
    r#type: Option<String>,
}

/// A key in two parts.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form")]
pub(super) struct AuthForm {
    /// Name of the application, or id of the key.
    #[schema(min_length = 1)]
    username: String,
    /// Secret of the key.
    #[schema(min_length = 1)]
    password: String,
}

/// A new passcode app.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form")]
pub(super) struct InitForm {
    /// The username.
    user: Option<String>,
    /// Its realm.
    realm: Option<String>,
    /// `totp`.
    r#type: Option<String>,
    /// 1: a key is made.
    genkey: Option<String>,
    /// The key in hexadecimal digits, if the app has one already.
    otpkey: Option<String>,
    /// What the person calls the device.
    description: Option<String>,
    /// The device, with `verify`.
    serial: Option<String>,
    /// The first code of the app.
    verify: Option<String>,
}

/// Who is asked about.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form")]
pub(super) struct PreauthForm {
    /// The username.
    #[schema(min_length = 1)]
    username: String,
}

/// An authentication.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes a form")]
pub(super) struct DuoForm {
    /// The username.
    #[schema(min_length = 1)]
    username: String,
    /// `passcode`, `sms`, `phone` or `auto`.
    factor: String,
    /// With `passcode`: what was typed.
    #[schema(min_length = 1)]
    passcode: Option<String>,
    /// Anything; `auto`.
    device: Option<String>,
    /// 1: the result is asked for later.
    r#async: Option<String>,
    /// Where the person is; believed of applications that are trusted.
    ipaddr: Option<String>,
}

/// What plug-ins for privacyIDEA read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes an answer")]
pub(super) struct Envelope {
    jsonrpc: String,
    id: i64,
    /// Seconds since 1970.
    time: f64,
    version: String,
    versionnumber: String,
    /// `status`, and `value` with `authentication`, or `error` with `code` and `message`.
    result: Outcome,
    /// More, such as `transaction_id` and `multi_challenge`.
    #[schema(value_type = Option<Object>)]
    detail: Option<serde_json::Value>,
}

/// What came of it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes an answer")]
pub(super) struct Outcome {
    /// Whether it could be done; a refusal is.
    status: bool,
    /// True or false, a number, or an object.
    #[schema(value_type = Option<Value>)]
    value: Option<serde_json::Value>,
    /// `ACCEPT`, `REJECT` or `CHALLENGE`.
    authentication: Option<String>,
    /// `code` and `message`.
    #[schema(value_type = Option<Object>)]
    error: Option<serde_json::Value>,
}

/// What clients of Duo read.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes an answer")]
pub(super) struct DuoAnswer {
    /// `OK` or `FAIL`.
    stat: String,
    #[schema(value_type = Option<Object>)]
    response: Option<serde_json::Value>,
    code: Option<u32>,
    message: Option<String>,
    message_detail: Option<String>,
}

/// The same with the fields in the query.
#[utoipa::path(
    get, path = "/validate/check", tag = "privacyIDEA", params(CheckForm),
    responses((status = 200, body = Envelope), (status = "default", body = Envelope))
)]
#[expect(dead_code, reason = "it describes a form of a call")]
fn check_by_query() {}

/// The same with the fields in the query.
#[utoipa::path(
    get, path = "/validate/radiuscheck", tag = "privacyIDEA", params(CheckForm),
    responses((status = 204, description = "Let in."), (status = 400, description = "Refused."), (status = "default", body = Envelope))
)]
#[expect(dead_code, reason = "it describes a form of a call")]
fn radiuscheck_by_query() {}

/// The same with the fields in the query.
#[utoipa::path(
    get, path = "/validate/triggerchallenge", tag = "privacyIDEA", params(TriggerForm),
    responses((status = 200, body = Envelope), (status = "default", body = Envelope))
)]
#[expect(dead_code, reason = "it describes a form of a call")]
fn trigger_by_query() {}

/// The same with the challenge in the path.
#[utoipa::path(
    get, path = "/validate/polltransaction/{id}", tag = "privacyIDEA",
    params(("id" = String, Path, description = "The challenge.")),
    responses((status = 200, body = Envelope), (status = "default", body = Envelope))
)]
#[expect(dead_code, reason = "it describes a form of a call")]
fn poll_by_path() {}

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let key = SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
            "PI-Authorization",
            "A key, `ID.SECRET`, or a token of `/auth`; also bare in `Authorization`.",
        )));
        components.add_security_scheme("key", key);
        let signed = HttpBuilder::new().scheme(HttpAuthScheme::Basic);
        let signed = signed.description(Some("Id of a key, and the signature of the request."));
        components.add_security_scheme("signature", SecurityScheme::Http(signed.build()));
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Doorward for applications",
        description = "Second factors of people, for the applications of a campus, over HTTPS.",
        license(name = "Apache-2.0 OR MIT", identifier = "Apache-2.0 OR MIT")
    ),
    paths(
        super::validate::check,
        super::validate::radiuscheck,
        super::validate::trigger,
        super::validate::poll,
        check_by_query,
        radiuscheck_by_query,
        trigger_by_query,
        poll_by_path,
        super::auth::sign_in,
        super::tokens::list,
        super::tokens::init,
        super::duo::ping,
        super::duo::check,
        super::duo::preauth,
        super::duo::auth,
        super::duo::status,
    ),
    components(schemas(Envelope, Outcome, DuoAnswer)),
    security(("key" = [])),
    modifiers(&Schemes)
)]
struct Document;

/// The document as JSON, with a line end; checked in as `docs/applications.json`.
pub fn document() -> String {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = || Document::openapi().to_pretty_json().unwrap_or_default() + "\n";
    TEXT.get_or_init(text).clone()
}

/// The document, for whoever asks.
pub(super) async fn serve() -> ([(axum::http::HeaderName, &'static str); 1], String) {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], document())
}
