//! Passwords of one's devices, for Wi-Fi: what there is, and making one, which is shown once.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::security::name;
use super::{Shown, admitted, day, day_and_time, missing};
use crate::domain::flow::Level;
use crate::engine::portal::Problem;
use crate::engine::portal::factors::Own;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new().route(HERE, get(show).post(make))
}

const HERE: &str = "/devices";

/// Whether people make such passwords here.
fn are_made(view: &View<'_>) -> bool {
    view.browser.visit.config.factors.devices_per_person > 0
}

/// The part of a page that lists them. Where nobody has any, there is nothing to read.
pub(super) fn list(view: &View<'_>, devices: &[Own]) -> Markup {
    html! {
        @if are_made(view) || !devices.is_empty() {
            h2 { (view.say("devices-heading")) }
            p { (view.say("devices-intro")) }
            @if devices.is_empty() { p { (view.say("devices-none")) } }
            @else { (table(view, devices)) }
            @if are_made(view) { p { a href=(HERE) { (view.say("device-add")) } } }
        }
    }
}

fn table(view: &View<'_>, devices: &[Own]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label=(view.say("devices-heading")) { table {
            thead { tr {
                th scope="col" { (view.say("factor-name")) } th scope="col" { (view.say("factor-since")) }
                th scope="col" { (view.say("factor-used")) } td {}
            } }
            tbody { @for device in devices {
                @let name = name(view, device);
                tr {
                    td { (name) }
                    td { (day(device.created)) }
                    td { (device.used.map_or_else(|| view.say("factor-never"), day_and_time)) }
                    td {
                        a href={ "/security/rename/" (device.id) } aria-label=(view.with("factor-rename-heading", &[("name", &name)])) {
                            (view.say("factor-rename")) } " "
                        a href={ "/security/revoke/" (device.id) } aria-label=(view.with("factor-revoke-heading", &[("name", &name)])) {
                            (view.say("factor-revoke")) }
                    }
                }
            } }
        } }
    }
}

async fn respond(browser: Browser, typed: &str, problems: &[Problem]) -> Response {
    let view = browser.view();
    if !are_made(&view) {
        return missing(browser).await;
    }
    let title = view.say("device-add");
    let field = Field {
        name: "name",
        label: view.say("device-name"),
        value: typed,
        autocomplete: "off",
        hint: view.say("device-name-hint"),
        problems,
        focus: true,
        ..Field::default()
    };
    let body = html! {
        h1 { (title) }
        (view.problems(problems))
        p { (view.say("devices-intro")) }
        (view.form(HERE, &html! { (field.show(&view)) (view.button("device-button")) }))
        p { a href="/security" { (view.say("cancel-button")) } }
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.show(status, &title, body).await
}

async fn show(mut browser: Browser) -> Shown {
    admitted(&mut browser, Level::Passcode, HERE).await?;
    Ok(respond(browser, "", &[]).await)
}

/// Shows the password in the answer itself, so that it is kept nowhere.
async fn make(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    if visit.config.factors.devices_per_person == 0 {
        return Err(missing(browser).await);
    }
    let typed = fields.text("name");
    let made = match portal.add_device(&visit, &account.person, typed).await {
        Ok(Ok(made)) => made,
        Ok(Err(problem)) => return Ok(respond(browser, typed, &[problem]).await),
        Err(error) => return Err(browser.failed(error, HERE).await),
    };
    let view = browser.view();
    let title = view.with("device-made", &[("name", &made.label)]);
    let body = html! {
        h1 { (title) }
        p { (view.say("device-once")) }
        dl.facts {
            dt { (view.say("username")) } dd { code { (account.person.username) } }
            dt { (view.say("device-password")) } dd { code.key { (made.password.expose()) } }
        }
        p.hint { (view.say("device-hint")) }
        p { a.button href="/security" { (view.say("device-back")) } }
    };
    Ok(browser.page(&title, body).await)
}
