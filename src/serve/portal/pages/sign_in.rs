//! Signing in, the passcode after it, and signing out.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::{help, local, passcode};
use crate::base::Secret;
use crate::domain::flow::{Level, Told};
use crate::engine::portal::Problem;
use crate::engine::portal::passcode::Answer;
use crate::engine::portal::sign_in::{Gate, SignIn};
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use std::collections::HashMap;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/sign-in", get(show).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/verify", get(verify))
        .route("/verify/choose", post(choose))
        .route("/verify/passcode", post(answer))
        .route("/verify/other", post(other))
}

type Next = Query<HashMap<String, String>>;

fn next_of(query: &Next) -> String {
    local(query.get("next").map_or("", String::as_str))
}

fn form(view: &View<'_>, next: &str, username: &str, problems: &[Problem]) -> Markup {
    let name = Field {
        name: "username",
        label: view.say("username"),
        value: username,
        autocomplete: "username",
        focus: username.is_empty(),
        problems,
        ..Field::default()
    };
    let password = Field {
        name: "password",
        label: view.say("password"),
        kind: "password",
        autocomplete: "current-password",
        ..Field::default()
    };
    html! {
        h1 { (view.say("sign-in")) }
        (view.problems(problems))
        (view.form("/sign-in", &html! {
            input type="hidden" name="next" value=(next);
            (name.show(view)) (password.show(view)) (view.acceptable_use()) (view.button("sign-in"))
        }))
        p { a href="/reset" { (view.say("topic-reset")) } }
    }
}

async fn show(browser: Browser, query: Next) -> Response {
    let next = next_of(&query);
    if browser.session.who.is_some() {
        return browser.go(&next).await;
    }
    let view = browser.view();
    let (title, body) = (view.say("sign-in"), form(&view, &next, "", &[]));
    browser.page(&title, body).await
}

async fn sign_in(Posted { mut browser, fields }: Posted) -> Response {
    let (next, username) = (local(fields.text("next")), fields.text("username").to_owned());
    let password = Secret::new(fields.text("password").as_bytes().to_vec());
    let portal = std::sync::Arc::clone(&browser.state.portal);
    let visit = browser.visit.clone();
    match portal.sign_in(&visit, &mut browser.session, &username, password).await {
        Ok(SignIn::In) => {
            browser.renew();
            browser.go(&next).await
        }
        Ok(SignIn::MustChange) => {
            browser.renew();
            browser.tell("/password", Told::problem("password-must-change")).await
        }
        Ok(SignIn::Expired) => browser.tell("/reset", Told::problem("password-is-expired")).await,
        Ok(SignIn::Wrong) => {
            let problems =
                [Problem { field: "username".into(), message: "wrong-login".into(), values: Vec::new() }];
            let view = browser.view();
            let (title, body) = (view.say("sign-in"), form(&view, &next, &username, &problems));
            browser.show(StatusCode::UNPROCESSABLE_ENTITY, &title, body).await
        }
        Err(error) => browser.unavailable(&error),
    }
}

async fn sign_out(Posted { browser, .. }: Posted) -> Response {
    browser.end("/").await
}

async fn verify(mut browser: Browser, query: Next) -> Response {
    if query.contains_key("next") {
        browser.session.next = Some(next_of(&query));
    }
    let next = browser.session.next.clone().unwrap_or_else(|| "/".to_owned());
    let portal = std::sync::Arc::clone(&browser.state.portal);
    let visit = browser.visit.clone();
    let gate = match portal.gate(&visit, &mut browser.session, Level::Passcode).await {
        Ok(gate) => gate,
        Err(error) => return browser.unavailable(&error),
    };
    match gate {
        Gate::SignIn => super::first("/sign-in", &next),
        Gate::Open(_) => {
            browser.session.next = None;
            browser.go(&next).await
        }
        Gate::Help => {
            let view = browser.view();
            let (title, body) = (view.say("no-method-heading"), help(&view));
            browser.page(&title, body).await
        }
        Gate::Prove => {
            let view = browser.view();
            let title = view.say("enter-heading");
            let asked = browser.session.proving.as_ref();
            let body = html! {
                h1 { (title) }
                @if let Some(proving) = asked { (passcode::show(&view, proving, "/verify")) }
            };
            browser.page(&title, body).await
        }
    }
}

async fn choose(Posted { mut browser, fields }: Posted) -> Response {
    let portal = std::sync::Arc::clone(&browser.state.portal);
    let visit = browser.visit.clone();
    let choice = (fields.text("method"), fields.has("again"));
    match portal.choose_passcode(&visit, &mut browser.session, choice).await {
        Ok(chosen) => {
            browser.session.told = passcode::chosen(chosen);
            browser.go(AGAIN).await
        }
        Err(error) => browser.unavailable(&error),
    }
}

async fn answer(Posted { mut browser, fields }: Posted) -> Response {
    let portal = std::sync::Arc::clone(&browser.state.portal);
    let visit = browser.visit.clone();
    match portal.answer_passcode(&visit, &mut browser.session, fields.text("passcode")).await {
        Ok(answer) => {
            if let Answer::Right(_) = answer {
                browser.renew();
            }
            browser.session.told = passcode::answered(&answer);
            browser.go(AGAIN).await
        }
        Err(error) => browser.unavailable(&error),
    }
}

async fn other(Posted { mut browser, .. }: Posted) -> Response {
    if let Some(proving) = &mut browser.session.proving {
        proving.back();
    }
    browser.go(AGAIN).await
}

/// The page of the passcode, which leads on by itself.
const AGAIN: &str = "/verify";
