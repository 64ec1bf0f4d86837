//! YubiKeys (R-YUBI-1 to 4): where to buy one, registering it by a touch, and verifying that it works.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::{Shown, admitted};
use crate::domain::flow::{Level, Told};
use crate::engine::portal::Problem;
use crate::engine::portal::key::Verified;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::html;
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/key", get(about))
        .route(REGISTER, get(show).post(register))
        .route(VERIFY, get(verify).post(verified))
}

const REGISTER: &str = "/key/register";
const VERIFY: &str = "/key/verify";
const SHOP: &str = "https://www.yubico.com/store/";

async fn about(browser: Browser) -> Response {
    let view = browser.view();
    let title = view.say("key-title");
    let body = html! {
        h1 { (title) }
        p { (view.say("topic-key-1")) }
        h2 { (view.say("key-buy-heading")) }
        p { (view.say("key-where")) " " a href=(SHOP) rel="noreferrer" { (view.say("key-where-link")) } ". " (view.say("key-intro")) }
        p { (view.say("key-local")) }
        p { a.button href=(REGISTER) { (view.say("key-begin-button")) } }
        p { a href=(VERIFY) { (view.say("key-verify-link")) } }
    };
    browser.page(&title, body).await
}

/// The field that a key types into. It ends with Enter, which sends the form.
fn touch<'f>(view: &View<'_>, problems: &'f [Problem], focus: bool) -> Field<'f> {
    Field {
        name: "touch",
        label: view.say("key-touch"),
        autocomplete: "off",
        hint: view.say("key-touch-hint"),
        problems,
        focus,
        ..Field::default()
    }
}

async fn respond(browser: Browser, typed: &str, problems: &[Problem]) -> Response {
    let view = browser.view();
    let title = view.say("key-register-heading");
    let name = Field {
        name: "name",
        label: view.say("key-name"),
        value: typed,
        autocomplete: "off",
        hint: view.say("key-name-hint"),
        optional: true,
        problems,
        focus: problems.is_empty(),
        ..Field::default()
    };
    let body = html! {
        h1 { (title) }
        (view.problems(problems))
        (view.form(REGISTER, &html! {
            (name.show(&view)) (touch(&view, problems, false).show(&view)) (view.button("key-register-button"))
        }))
        p { a href="/key" { (view.say("key-buy-heading")) } }
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.show(status, &title, body).await
}

async fn show(mut browser: Browser) -> Shown {
    admitted(&mut browser, Level::Passcode, REGISTER).await?;
    Ok(respond(browser, "", &[]).await)
}

async fn register(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, REGISTER).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let (name, touch) = (fields.text("name"), fields.text("touch"));
    Ok(match portal.register_key(&visit, &account.person, (name, touch)).await {
        Ok(Ok(name)) => browser.tell("/key", Told::good("key-registered", &[("name", &name)])).await,
        Ok(Err(problem)) => respond(browser, name, &[problem]).await,
        Err(error) => browser.failed(error, REGISTER).await,
    })
}

async fn verify(mut browser: Browser) -> Shown {
    admitted(&mut browser, Level::Enrolled, VERIFY).await?;
    let view = browser.view();
    let title = view.say("key-verify-title");
    let body = html! {
        h1 { (title) }
        p { (view.say("key-verify-intro")) }
        (view.form(VERIFY, &html! { (touch(&view, &[], true).show(&view)) (view.button("key-verify-button")) }))
        p { a href="/security" { (view.say("my-security")) } }
    };
    Ok(browser.page(&title, body).await)
}

async fn verified(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Enrolled, VERIFY).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let told = match portal.verify_key(&visit, &account, fields.text("touch")).await {
        Ok(Verified::Works(name)) => Told::good("key-verified", &[("name", &name)]),
        Ok(Verified::Wrong) => Told::problem("key-not-verified"),
        Ok(Verified::Throttled) => Told::problem("throttled"),
        Ok(Verified::NoKey) => Told::problem("key-none"),
        Err(error) => return Err(browser.failed(error, VERIFY).await),
    };
    Ok(browser.tell(VERIFY, told).await)
}
