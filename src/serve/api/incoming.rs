//! A request: its fields, from the query and from a form, a form in parts or JSON, and who sends it.

use super::State;
use super::caller::{Caller, caller};
use super::failure::Failure;
use crate::wire::privacyidea::{BadParameters, Parameters, boundary};
use axum::body::{Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

/// Largest body in octets.
const LARGEST: usize = 64 * 1024;

/// A request of an application.
pub(super) struct Incoming {
    pub(super) caller: Caller,
    pub(super) fields: Parameters,
}

/// A header as text; empty if it is not there.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &str) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Head and body.
pub(super) async fn whole(request: Request) -> Result<(Parts, Bytes), Failure> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST).await;
    let body = body.map_err(|_| Failure::parameter("The body is too large, or did not come through."))?;
    Ok((parts, body))
}

/// Whether the body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let kind = text(headers, header::CONTENT_TYPE.as_str()).to_ascii_lowercase();
    kind.split(';').next().is_some_and(|kind| kind.trim() == "application/json")
}

/// Fields of the body.
pub(super) fn body_fields(headers: &HeaderMap, body: &[u8]) -> Result<Parameters, BadParameters> {
    match (body, boundary(text(headers, header::CONTENT_TYPE.as_str()))) {
        ([], _) => Ok(Parameters::default()),
        (json, _) if is_json(headers) => Parameters::of_json(json),
        (form, Some(boundary)) => Parameters::of_parts(boundary.ok_or(BadParameters::Parts)?, form),
        (form, None) => Parameters::of_form(std::str::from_utf8(form).map_err(|_| BadParameters::Encoding)?),
    }
}

/// Who asks is found out before anything that was sent is read.
pub(super) async fn read(state: &State, request: Request) -> Result<Incoming, Failure> {
    let (parts, body) = request.into_parts();
    let caller = caller(state, &parts).await?;
    let (parts, body) = whole(Request::from_parts(parts, body)).await?;
    let bad = |error: BadParameters| Failure::parameter(format!("The request cannot be read: {error}."));
    let fields = Parameters::of_form(parts.uri.query().unwrap_or_default()).map_err(bad)?;
    let mut fields = fields.and(body_fields(&parts.headers, &body).map_err(bad)?).map_err(bad)?;
    let agent = text(&parts.headers, header::USER_AGENT.as_str());
    if let Some(second) = caller.client.decoding.second(agent).filter(|_| !is_json(&parts.headers)) {
        fields = fields.decoded_again(second);
    }
    let mut caller = caller;
    if let (true, Some(client)) = (caller.client.trusted, fields.text("client"))
        && let Ok(origin) = client.parse::<std::net::IpAddr>()
    {
        caller.origin = origin.to_canonical().to_string();
        caller.crowd = None;
    }
    Ok(Incoming { caller, fields })
}
