//! How strong a password is while it is typed, and which rules it meets. The script of the page asks, so the answer is JSON.

use super::super::State;
use super::super::browser::Posted;
use crate::base::Secret;
use crate::domain::flow::{Activation, Reset, Session};
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use std::sync::Arc;

/// Where it is asked.
pub(in super::super) const PATH: &str = "/password/strength";

pub(super) fn routes() -> Router<State> {
    Router::new().route(PATH, post(answer))
}

/// Who is choosing a password.
fn chooser(session: &Session) -> Option<&str> {
    let activating = match &session.activation {
        Some(Activation::Password { username, .. }) => Some(username),
        _ => None,
    };
    let resetting = match &session.reset {
        Some(Reset::Password { username, .. }) => Some(username),
        _ => None,
    };
    let signed_in = session.who.as_ref().map(|who| &who.username);
    activating.or(resetting).or(signed_in).map(String::as_str)
}

async fn answer(Posted { browser, fields }: Posted) -> Response {
    // Nobody else needs an answer that costs time.
    let Some(username) = chooser(&browser.session) else { return StatusCode::FORBIDDEN.into_response() };
    let account = match browser.state.portal.account(&browser.visit, username).await {
        Ok(Some(account)) => account,
        Ok(None) => return StatusCode::FORBIDDEN.into_response(),
        Err(error) => return browser.unavailable(&error),
    };
    let rules = browser.state.portal.desk.rules.load_full();
    let password: Secret<String> = fields.secret("password");
    // Up to a tenth of a second for what is made to take long.
    let judged = tokio::task::spawn_blocking(move || {
        let owner = Arc::clone(&account.person);
        let met = rules.review(&*owner, password.expose());
        let met: Vec<_> = met.into_iter().filter(|(_, met)| *met).map(|(rule, _)| rule.id()).collect();
        (rules.strength(&*owner, password.expose()), met)
    });
    let Ok((strength, met)) = judged.await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let view = browser.view();
    let advice = strength.advice.map(|advice| view.say(&format!("advice-{}", advice.id())));
    let body = serde_json::json!({
        "score": strength.score,
        "strength": view.with("strength", &[("level", &strength.score.to_string())]).trim(),
        "advice": advice,
        "met": met,
    });
    ([(CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
