//! The audit trail: newest first, about one name or about everything, and whole as a file.

use super::super::super::browser::{Browser, Posted};
use super::super::super::view::{Field, View};
use super::super::staff::exact;
use super::{enter, respond};
use crate::base::percent_encode;
use crate::domain::desk::Area;
use crate::engine::portal::administration::Entries;
use crate::serve::http::{Endless, Pages};
use axum::body::Body;
use axum::extract::Query;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use std::collections::HashMap;

pub(super) async fn show(browser: Browser, Query(query): Query<HashMap<String, String>>) -> Response {
    let (browser, clerk) = match enter(browser, Area::Administration).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let wanted = query.get("username").map_or("", |text| text.trim());
    let before = query.get("before").and_then(|text| text.parse().ok());
    match browser.state.portal.entries(&clerk, wanted, before).await {
        Ok(entries) => respond(browser, "admin-audit", |view| content(view, wanted, &entries)).await,
        Err(error) => browser.unavailable(&error),
    }
}

fn content(view: &View<'_>, wanted: &str, page: &Entries) -> Markup {
    let field = Field {
        name: "username",
        label: view.say("admin-audit-search"),
        value: wanted,
        autocomplete: "off",
        hint: view.say("admin-audit-hint"),
        optional: true,
        ..Field::default()
    };
    html! {
        form method="get" action="/administration/audit" role="search" aria-label=(view.say("admin-audit")) {
            (field.show(view)) (view.button("admin-audit-find"))
        }
        (view.form("/administration/audit/export", &html! {
            p.hint { (view.say("admin-audit-export-hint")) }
            button.second type="submit" { (view.say("admin-audit-export")) }
        }))
        @if page.entries.is_empty() { p role="status" { (view.say("admin-audit-none")) } }
        @else { div.wide tabindex="0" role="region" aria-label=(view.say("admin-audit")) { (table(view, page)) } }
        @if let Some(before) = page.before {
            p { a rel="next" href={ "/administration/audit?username=" (percent_encode(wanted)) "&before=" (before) } {
                (view.say("admin-audit-older"))
            } }
        }
    }
}

/// What belongs together shares a column, so that a row stays in sight as a whole.
fn table(view: &View<'_>, page: &Entries) -> Markup {
    let both = |one, other| html! { th scope="col" { (view.say(one)) " / " (view.say(other)) } };
    html! {
        table.trail {
            thead { tr {
                th.number scope="col" { (view.say("admin-number")) }
                th scope="col" { (view.say("activity-when")) }
                th scope="col" { (view.say("admin-actor")) }
                (both("activity-what", "admin-subject"))
                (both("activity-result", "admin-reason"))
            } }
            tbody { @for entry in &page.entries { tr {
                td.number { (entry.seq) }
                td { @for part in exact(entry.at).split(' ') { span.whole { (part) } " " } }
                td { (entry.actor) }
                td { code { (entry.action) } " " div { (entry.subject) } }
                td { (entry.outcome) " " div.hint { (entry.detail) } }
            } } }
        }
    }
}

/// The whole trail, one JSON object a line, oldest first.
pub(super) async fn export(Posted { browser, .. }: Posted) -> Response {
    let (browser, clerk) = match enter(browser, Area::Administration).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    match browser.state.portal.export(&clerk).await {
        Ok(pages) => {
            let headers = [
                (CONTENT_TYPE, "application/x-ndjson"),
                (CONTENT_DISPOSITION, "attachment; filename=\"audit.jsonl\""),
            ];
            let mut response = (headers, Body::from_stream(Pages(pages))).into_response();
            response.extensions_mut().insert(Endless);
            response
        }
        Err(error) => browser.unavailable(&error),
    }
}
