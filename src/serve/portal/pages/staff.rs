//! What the pages of the help desk and of administrators share: their door, and how moments and states are shown.

use super::super::browser::{Browser, redirect};
use super::super::view::View;
use super::first;
use crate::base::Timestamp;
use crate::domain::desk::Area;
use crate::domain::person::Role;
use crate::engine::portal::desk::{Clerk, Door};
use axum::http::StatusCode;
use axum::response::Response;
use maud::html;
use std::sync::Arc;

/// Lets in who works here and has shown a passcode of late. Everybody else gets one and the same page.
pub(super) async fn enter(mut browser: Browser, area: Area) -> Result<(Browser, Box<Clerk>), Response> {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let begin = match area {
        Area::Desk => "/desk",
        Area::Administration => "/administration",
    };
    match portal.door(&visit, &mut browser.session, area).await {
        Ok(Door::Open(clerk)) => Ok((browser, clerk)),
        Ok(Door::SignIn) => Err(first("/sign-in", begin)),
        Ok(Door::Prove) => Err(first("/verify", begin)),
        Ok(Door::ChoosePin) => Err(redirect("/app/pin")),
        Ok(Door::Forbidden) => Err(forbidden(browser).await),
        Err(error) => Err(browser.unavailable(&error)),
    }
}

/// A page that is not for this person.
pub(super) async fn forbidden(browser: Browser) -> Response {
    let view = browser.view();
    let text = view.say("page-forbidden");
    let body = html! { h1 { (text) } p { a href="/" { (view.say("back-to-toolkit")) } } };
    browser.show(StatusCode::FORBIDDEN, &text, body).await
}

/// A moment of any day, as people read it.
pub(super) fn stamp(at: Timestamp) -> String {
    shown(at, "%Y-%m-%d %H:%M")
}

/// The same with seconds, for the trail.
pub(super) fn exact(at: Timestamp) -> String {
    shown(at, "%Y-%m-%d %H:%M:%S")
}

fn shown(at: Timestamp, format: &str) -> String {
    let moment = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    moment.to_zoned(jiff::tz::TimeZone::system()).strftime(format).to_string()
}

/// What a role is called; none: those without any.
pub(super) fn role(view: &View<'_>, role: Option<Role>) -> String {
    view.say(&format!("role-{}", role.map_or("none", Role::as_str)))
}
