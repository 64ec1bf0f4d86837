//! Resetting a password. One address shows the present step; each step has its form.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::{help, passcode, password};
use crate::domain::flow::{Reset, Told};
use crate::engine::portal::passcode::Answer;
use crate::engine::portal::{PortalError, Problem};
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/reset", get(show).post(begin))
        .route("/reset/choose", post(choose))
        .route("/reset/passcode", post(answer))
        .route("/reset/other", post(other))
        .route("/reset/answer", post(question))
        .route("/reset/password", post(finish))
        .route("/reset/cancel", post(cancel))
}

fn content(view: &View<'_>, problems: &[Problem]) -> Markup {
    let username = Field {
        name: "username",
        label: view.say("username"),
        autocomplete: "username",
        focus: true,
        problems,
        ..Field::default()
    };
    html! {
        @match &view.browser.session.reset {
            None => {
                h1 { (view.say("reset-title")) }
                p { (view.say("reset-intro")) }
                (view.form("/reset", &html! {
                    (username.show(view)) (view.acceptable_use()) (view.button("continue-button"))
                }))
            }
            Some(Reset::Help) => {
                (help(view))
                (view.form("/reset/cancel", &html! { (view.button("cancel-button")) }))
            }
            Some(Reset::Prove { proving, first }) => {
                h1 { (view.say("reset-title")) }
                @if first.is_some() { h2 { (view.say("second-proof-heading")) } p { (view.say("second-proof")) } }
                (passcode::show(view, proving, "/reset"))
                (view.form("/reset/cancel", &html! { button.link type="submit" { (view.say("cancel-button")) } }))
            }
            Some(Reset::Password { question: Some(question), .. }) => {
                @let field = Field {
                    name: "answer",
                    label: view.say(&format!("question-{question}")),
                    autocomplete: "off",
                    focus: true,
                    ..Field::default()
                };
                h1 { (view.say("reset-question-heading")) }
                (view.form("/reset/answer", &html! { (field.show(view)) (view.button("continue-button")) }))
            }
            Some(Reset::Password { username, question: None, .. }) => {
                h1 { (view.say("new-password-heading")) }
                (view.problems(problems))
                (view.form("/reset/password", &html! {
                    (password::fields(view, username, problems)) (view.button("change-button"))
                }))
            }
        }
    }
}

async fn show(browser: Browser) -> Response {
    respond(browser, StatusCode::OK, &[]).await
}

async fn respond(browser: Browser, status: StatusCode, problems: &[Problem]) -> Response {
    let view = browser.view();
    let (title, body) = (view.say("reset-title"), content(&view, problems));
    browser.show(status, &title, body).await
}

async fn begin(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    match portal.begin_reset(&visit, &mut browser.session, fields.text("username")).await {
        Ok(()) => browser.go("/reset").await,
        Err(error) => browser.failed(error, "/reset").await,
    }
}

async fn choose(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let choice = (fields.text("method"), fields.has("again"));
    match portal.choose_reset(&visit, &mut browser.session, choice).await {
        Ok(chosen) => {
            browser.session.told = passcode::chosen(chosen);
            browser.go("/reset").await
        }
        Err(error) => browser.failed(error, "/reset").await,
    }
}

async fn answer(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    match portal.answer_reset(&visit, &mut browser.session, fields.text("passcode")).await {
        Ok(answer) => {
            browser.session.told = passcode::answered(&answer);
            // The first of two passcodes is something already.
            if let Answer::Right(_) = answer {
                browser.renew();
            }
            browser.go("/reset").await
        }
        Err(error) => browser.failed(error, "/reset").await,
    }
}

async fn question(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    match portal.answer_question(&visit, &mut browser.session, fields.text("answer")).await {
        Ok(answer) => {
            if let Answer::Right(_) = answer {
                browser.renew();
            }
            browser.session.told = match answer {
                Answer::Wrong => Some(Told::problem("wrong-answer")),
                other => passcode::answered(&other),
            };
            browser.go("/reset").await
        }
        Err(error) => browser.failed(error, "/reset").await,
    }
}

async fn other(Posted { mut browser, .. }: Posted) -> Response {
    if let Some(proving) = browser.session.reset.as_mut().and_then(Reset::proving) {
        proving.back();
    }
    browser.go("/reset").await
}

async fn cancel(Posted { mut browser, .. }: Posted) -> Response {
    browser.session.reset = None;
    browser.go("/").await
}

async fn finish(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let passwords = (fields.secret("password"), fields.secret("password_again"));
    match portal.finish_reset(&visit, &mut browser.session, (&passwords.0, &passwords.1)).await {
        Ok(problems) if problems.is_empty() => {
            browser.session.told = Some(Told::good("password-changed", &[]));
            browser.renew();
            browser.go("/").await
        }
        Ok(problems) => respond(browser, StatusCode::UNPROCESSABLE_ENTITY, &problems).await,
        Err(error @ PortalError::Stale) => {
            browser.session.reset = None;
            browser.failed(error, "/reset").await
        }
        Err(error) => browser.failed(error, "/reset").await,
    }
}
