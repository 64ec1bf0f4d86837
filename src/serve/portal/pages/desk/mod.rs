//! The help desk: finding a person, and what is done about them. Each form leads back to the person's page, but the one that
//! shows the question: its answer is on the page that comes back, and nowhere else.

mod person;

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::staff::{enter, forbidden, stamp};
use crate::base::percent_encode;
use crate::domain::desk::{Area, Denied};
use crate::domain::flow::Told;
use crate::domain::person::Person;
use crate::engine::portal::desk::{Case, Clerk, Done, FOUND, Refusal};
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use person::{Question, page};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/desk", get(find))
        .route("/desk/person/{username}", get(show))
        .route("/desk/person/{username}/question", post(question))
        .route("/desk/person/{username}/verified", post(verified))
        .route("/desk/person/{username}/lock", post(lock))
        .route("/desk/person/{username}/unlock", post(unlock))
        .route("/desk/person/{username}/revoke", post(revoke))
        .route("/desk/person/{username}/code", post(code))
        .route("/desk/person/{username}/reset", post(reset))
}

/// Where a person's page is.
fn address(username: &str) -> String {
    format!("/desk/person/{}", percent_encode(username))
}

fn people(view: &View<'_>, found: &[Person]) -> Markup {
    html! {
        @if found.is_empty() { p role="status" { (view.say("desk-none")) } }
        @else {
            p role="status" {
                (view.with("desk-found", &[("count", &found.len().to_string())]))
                @if found.len() >= FOUND as usize { " " (view.say("desk-found-more")) }
            }
            div.wide tabindex="0" role="region" aria-label=(view.say("desk-find")) { table {
                thead { tr {
                    th scope="col" { (view.say("username")) }
                    th scope="col" { (view.say("desk-name")) }
                    th scope="col" { (view.say("desk-status")) }
                } }
                tbody { @for person in found { tr {
                    td { a href=(address(person.username.as_str())) { (person.username) } }
                    td { (person.name) }
                    td { (view.say(&format!("status-{}", person.status.as_str()))) }
                } } }
            } }
        }
    }
}

async fn find(browser: Browser, Query(query): Query<HashMap<String, String>>) -> Response {
    let (browser, clerk) = match enter(browser, Area::Desk).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let wanted = query.get("username").map_or("", |text| text.trim());
    let found = if wanted.is_empty() {
        None
    } else {
        match browser.state.portal.find(&clerk, wanted).await {
            Ok(found) => Some(found),
            Err(error) => return browser.unavailable(&error),
        }
    };
    let view = browser.view();
    let title = view.say("desk-title");
    let field = Field {
        name: "username",
        label: view.say("desk-find-label"),
        value: wanted,
        autocomplete: "off",
        hint: view.say("desk-find-hint"),
        focus: found.is_none(),
        ..Field::default()
    };
    let body = html! {
        h1 { (title) }
        form method="get" action="/desk" role="search" aria-label=(view.say("desk-find")) {
            (field.show(&view)) (view.button("desk-find"))
        }
        @if let Some(found) = &found { (people(&view, found)) }
    };
    browser.page(&title, body).await
}

async fn show(browser: Browser, Path(username): Path<String>) -> Response {
    match enter(browser, Area::Desk).await {
        Ok((browser, clerk)) => shown(browser, &clerk, &username, Question::Hidden).await,
        Err(response) => response,
    }
}

/// The page of a person.
async fn shown(browser: Browser, clerk: &Clerk, username: &str, question: Question) -> Response {
    let portal = Arc::clone(&browser.state.portal);
    let case: Case = match portal.case(clerk, &browser.session, username).await {
        Ok(Ok(case)) => case,
        Ok(Err(refusal)) => return refused(browser, username, refusal).await,
        Err(error) => return browser.unavailable(&error),
    };
    let view = browser.view();
    let (title, body) = page(&view, clerk.staff, &case, &question);
    browser.page(&title, body).await
}

/// What is said where nothing was done.
async fn refused(browser: Browser, username: &str, refusal: Refusal) -> Response {
    let message = match refusal {
        Refusal::Denied(Denied::Forbidden) => return forbidden(browser).await,
        Refusal::NoPerson => {
            let view = browser.view();
            let text = view.say("desk-none");
            let body = html! { h1 { (text) } p { a href="/desk" { (view.say("desk-find")) } } };
            return browser.show(StatusCode::NOT_FOUND, &text, body).await;
        }
        Refusal::Denied(Denied::NotVerified) => "desk-not-verified",
        Refusal::Denied(Denied::Status) => "desk-not-now",
        Refusal::Gone => "desk-gone",
        Refusal::NoBasis => "desk-reason-missing",
        Refusal::Limited => "desk-limited",
        Refusal::Unregistered => "desk-unregistered",
    };
    browser.tell(&address(username), Told::problem(message)).await
}

/// Leads back to the person and says what was done.
async fn done(browser: Browser, username: &str, done: crate::engine::portal::Result<Done<Told>>) -> Response {
    match done {
        Ok(Ok(told)) => browser.tell(&address(username), told).await,
        Ok(Err(refusal)) => refused(browser, username, refusal).await,
        Err(error) => browser.unavailable(&error),
    }
}

async fn question(Path(username): Path<String>, Posted { browser, .. }: Posted) -> Response {
    let (mut browser, clerk) = match enter(browser, Area::Desk).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let portal = Arc::clone(&browser.state.portal);
    match portal.helpdesk_question(&clerk, &mut browser.session, &username).await {
        Ok(Ok(found)) => {
            let question =
                found.map_or(Question::Missing, |(question, answer)| Question::Shown(question, answer));
            shown(browser, &clerk, &username, question).await
        }
        Ok(Err(refusal)) => refused(browser, &username, refusal).await,
        Err(error) => browser.unavailable(&error),
    }
}

async fn verified(Path(username): Path<String>, Posted { browser, fields }: Posted) -> Response {
    let (mut browser, clerk) = match enter(browser, Area::Desk).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let portal = Arc::clone(&browser.state.portal);
    let marked = portal.verify(&clerk, &mut browser.session, &username, fields.text("reason")).await;
    let told = |until| Told::good("desk-verified", &[("time", &super::moment(until))]);
    done(browser, &username, marked.map(|marked| marked.map(told))).await
}

async fn lock(path: Path<String>, posted: Posted) -> Response {
    locked(path, posted, true).await
}

async fn unlock(path: Path<String>, posted: Posted) -> Response {
    locked(path, posted, false).await
}

async fn locked(Path(username): Path<String>, Posted { browser, .. }: Posted, locks: bool) -> Response {
    let (browser, clerk) = match enter(browser, Area::Desk).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let portal = Arc::clone(&browser.state.portal);
    let changed = portal.lock(&clerk, &browser.session, &username, locks).await;
    let told = |whole| match (locks, whole) {
        (true, _) => Told::good("desk-locked", &[]),
        (false, true) => Told::good("desk-unlocked", &[]),
        (false, false) => Told::problem("desk-half-unlocked"),
    };
    done(browser, &username, changed.map(|changed| changed.map(told))).await
}

async fn revoke(Path(username): Path<String>, Posted { browser, fields }: Posted) -> Response {
    let (browser, clerk) = match enter(browser, Area::Desk).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let portal = Arc::clone(&browser.state.portal);
    let taken = portal.take_away(&clerk, &browser.session, &username, fields.text("factor")).await;
    let told = |name: String| Told::good("factor-revoked", &[("name", &name)]);
    done(browser, &username, taken.map(|taken| taken.map(told))).await
}

async fn code(path: Path<String>, posted: Posted) -> Response {
    send(path, posted, false).await
}

async fn reset(path: Path<String>, posted: Posted) -> Response {
    send(path, posted, true).await
}

async fn send(Path(username): Path<String>, Posted { browser, fields }: Posted, reset: bool) -> Response {
    let (browser, clerk) = match enter(browser, Area::Desk).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let portal = Arc::clone(&browser.state.portal);
    let target = (fields.text("destination"), reset);
    let sent = portal.send_code(&clerk, &browser.session, &username, target).await;
    let message = if reset { "desk-reset-started" } else { "desk-code-sent" };
    let told = |to: String| Told::good(message, &[("destination", &to)]);
    done(browser, &username, sent.map(|sent| sent.map(told))).await
}
