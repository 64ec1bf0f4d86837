//! The pages, each with the forms that it sends.

mod activate;
mod administration;
mod app;
mod desk;
mod device;
mod home;
mod key;
mod mailbox;
mod passcode;
mod password;
mod practices;
mod qr;
mod register;
mod reset;
mod security;
mod sent;
mod sign_in;
mod staff;
pub(super) mod strength;

use super::State;
use super::browser::{Browser, redirect};
use super::view::View;
use crate::base::Timestamp;
use crate::domain::flow::Level;
use crate::domain::login::Account;
use crate::engine::portal::sign_in::Gate;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::html;
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/", get(home::show))
        .route("/practices", get(practices::show))
        .route("/sent", get(sent::show))
        .route("/language/{tag}", get(language))
        .merge(sign_in::routes())
        .merge(reset::routes())
        .merge(activate::routes())
        .merge(register::routes())
        .merge(strength::routes())
        .merge(desk::routes())
        .merge(administration::routes())
        .merge(app::routes())
        .merge(key::routes())
        .merge(device::routes())
        .merge(security::routes())
        .merge(password::routes())
        .merge(mailbox::routes())
}

/// A page that is not there.
pub(super) async fn missing(browser: Browser) -> Response {
    let view = browser.view();
    let text = view.say("page-missing");
    let body = html! { h1 { (text) } p { a href="/" { (view.say("back-to-toolkit")) } } };
    browser.show(StatusCode::NOT_FOUND, &text, body).await
}

async fn language(
    browser: Browser,
    Path(tag): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    browser.speak(&tag, &local(query.get("next").map_or("", String::as_str)))
}

/// A path of ours to lead to: never another host's.
fn local(next: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "/-_".contains(c);
    let good = next.starts_with('/') && !next.starts_with("//") && next.len() < 100 && next.chars().all(fine);
    if good { next.to_owned() } else { "/".to_owned() }
}

/// Leads to where one signs in or shows a passcode, and then back.
fn first(at: &str, next: &str) -> Response {
    redirect(&format!("{at}?next={}", local(next)))
}

/// What a handler comes to; both are shown.
type Shown = Result<Response, Response>;

/// Pages that are open to who has yet to choose a PIN that is required.
const BEFORE_PIN: [&str; 2] = ["/app", "/register"];

/// Who may see a page of this level, or where they are led first.
async fn admitted(browser: &mut Browser, level: Level, here: &str) -> Result<Arc<Account>, Response> {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    match portal.gate(&visit, &mut browser.session, level).await {
        Ok(Gate::Open(account)) => {
            let before = BEFORE_PIN.iter().any(|path| here.starts_with(path));
            if !before && portal.owes_pin(&visit, &account) {
                return Err(redirect("/app/pin"));
            }
            Ok(account)
        }
        Ok(Gate::SignIn) => Err(first("/sign-in", here)),
        Ok(Gate::Prove | Gate::Help) => Err(first("/verify", here)),
        Err(error) => Err(browser.unavailable(&error)),
    }
}

/// A day as people read it.
fn day(at: Timestamp) -> String {
    written(at, "%Y-%m-%d")
}

/// A day with the time.
fn day_and_time(at: Timestamp) -> String {
    written(at, "%Y-%m-%d %H:%M")
}

fn written(at: Timestamp, form: &str) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    moment.to_zoned(jiff::tz::TimeZone::system()).strftime(form).to_string()
}

/// A moment as people read it.
fn moment(at: Timestamp) -> String {
    written(at, "%H:%M")
}

/// What stands where only the help desk can help: the same for everybody.
fn help(view: &View<'_>) -> maud::Markup {
    let institution = &view.browser.visit.config.catalogue.institution;
    html! {
        h1 { (view.say("no-method-heading")) }
        p { (view.say("no-method")) }
        ul {
            @if !institution.support_phone.is_empty() { li { (institution.support_phone) } }
            @if !institution.support_email.is_empty() { li { (institution.support_email) } }
        }
        p { a href="/" { (view.say("back-to-toolkit")) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_host() {
        for bad in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/%2fevil",
            "/a?b",
            "javascript:x",
        ] {
            assert_eq!(local(bad), "/", "{bad}");
        }
        assert_eq!(local("/register"), "/register");
        assert_eq!(local("/register/confirm/email"), "/register/confirm/email");
    }
}
