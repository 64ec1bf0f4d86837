//! What administrators look at: registration, logins, messages that could not be sent, clients, the audit trail. One page each;
//! nothing is changed on them, and no secret is on any.

mod chart;
mod trail;

use super::super::State;
use super::super::browser::Browser;
use super::super::view::View;
use super::staff::{enter, role, stamp};
use crate::domain::desk::Area;
use crate::domain::policy::{LoginKind, LoginPolicy, SecondFactor};
use crate::engine::portal::administration::{Named, Whose, clients};
use crate::store::{Coverage, MessageStatus};
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/administration", get(show))
        .route("/administration/messages", get(messages))
        .route("/administration/clients", get(named))
        .route("/administration/audit", get(trail::show))
        .route("/administration/audit/export", post(trail::export))
}

/// The pages, and what each is called.
const PAGES: [(&str, &str); 4] = [
    ("/administration", "admin-title"),
    ("/administration/messages", "admin-dead-letters"),
    ("/administration/clients", "admin-clients"),
    ("/administration/audit", "admin-audit"),
];

/// Shows one of the pages, with links to the others.
async fn respond(browser: Browser, title: &str, content: impl FnOnce(&View<'_>) -> Markup) -> Response {
    let view = browser.view();
    let title = view.say(title);
    let body = html! {
        nav.areas aria-label=(view.say("administration")) {
            @for (path, name) in PAGES {
                a href=(path) aria-current=[(path == browser.path).then_some("page")] { (view.say(name)) }
            }
        }
        h1 { (title) }
        (content(&view))
    };
    browser.page(&title, body).await
}

async fn show(browser: Browser) -> Response {
    let (browser, clerk) = match enter(browser, Area::Administration).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let portal = Arc::clone(&browser.state.portal);
    let (coverage, activity) = match (portal.coverage(&clerk.visit).await, portal.activity().await) {
        (Ok(coverage), Ok(activity)) => (coverage, activity),
        (Err(error), _) | (_, Err(error)) => return browser.unavailable(&error),
    };
    let content = |view: &View<'_>| {
        html! {
            h2 { (view.say("admin-coverage")) }
            @for (whose, rows) in &coverage {
                @let called = match whose {
                    Whose::Everybody => view.say("admin-coverage-all"),
                    Whose::Campus(name) => name.clone(),
                    Whose::Others => view.say("admin-coverage-other"),
                };
                @if coverage.len() > 1 { h3 { (called) } }
                (covered(view, &called, rows))
            }
            h2 { (view.say("admin-logins")) }
            (chart::show(view, &activity))
        }
    };
    respond(browser, "admin-title", content).await
}

/// Of how many, as a bar and in words.
fn part(view: &View<'_>, some: u64, all: u64) -> Markup {
    let percent = some.saturating_mul(100).checked_div(all).unwrap_or_default();
    let values = [("count", some.to_string()), ("percent", percent.to_string())];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    html! {
        @if all > 0 { meter min="0" max=(all) value=(some) aria-hidden="true" {} }
        (view.with("admin-part", &values))
    }
}

fn covered(view: &View<'_>, called: &str, coverage: &[Coverage]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label={ (view.say("admin-coverage")) ": " (called) } { table {
            thead { tr {
                th scope="col" { (view.say("desk-roles")) }
                th.number scope="col" { (view.say("admin-people")) }
                th scope="col" { (view.say("admin-activated")) }
                th scope="col" { (view.say("admin-registered")) }
                th scope="col" { (view.say("admin-second-factor")) }
            } }
            tbody { @for row in coverage { tr {
                th scope="row" { (role(view, row.role)) }
                td.number { (row.people) }
                td { (part(view, row.people.saturating_sub(row.new), row.people)) }
                td { (part(view, row.registered, row.people)) }
                td { (part(view, row.factor, row.people)) }
            } } }
        } }
    }
}

async fn messages(browser: Browser) -> Response {
    let (browser, clerk) = match enter(browser, Area::Administration).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    match browser.state.portal.dead_letters(&clerk).await {
        Ok(messages) => respond(browser, "admin-dead-letters", |view| dead(view, &messages)).await,
        Err(error) => browser.unavailable(&error),
    }
}

fn dead(view: &View<'_>, messages: &[MessageStatus]) -> Markup {
    html! {
        @if messages.is_empty() { p role="status" { (view.say("admin-dead-none")) } }
        @else { div.wide tabindex="0" role="region" aria-label=(view.say("admin-dead-letters")) { table {
            thead { tr {
                th scope="col" { (view.say("activity-when")) }
                th scope="col" { (view.say("username")) }
                th scope="col" { (view.say("admin-destination")) }
                th scope="col" { (view.say("admin-reason")) }
            } }
            tbody { @for message in messages { tr {
                td { (stamp(message.ended.unwrap_or(message.created))) }
                td { (message.person) }
                td { (view.say(&format!("method-{}", message.channel))) " " (message.destination) }
                td { (message.detail) }
            } } }
        } } }
    }
}

async fn named(browser: Browser) -> Response {
    let (browser, clerk) = match enter(browser, Area::Administration).await {
        Ok(entered) => entered,
        Err(response) => return response,
    };
    let named = clients(&clerk.visit);
    respond(browser, "admin-clients", |view| listed(view, &named)).await
}

/// What is asked for, in words.
fn policy(view: &View<'_>, policy: &LoginPolicy) -> String {
    view.say(match (policy.kind, policy.second_factor) {
        (LoginKind::Password, _) => "policy-password",
        (LoginKind::Passcode, _) => "policy-passcode",
        (LoginKind::PinAndPasscode, _) => "policy-pin-and-passcode",
        (LoginKind::PasswordAndPasscode, SecondFactor::Required) => "policy-required",
        (LoginKind::PasswordAndPasscode, SecondFactor::IfEnrolled) => "policy-if-enrolled",
    })
}

fn listed(view: &View<'_>, named: &[Named]) -> Markup {
    html! {
        @if named.is_empty() { p role="status" { (view.say("admin-clients-none")) } }
        @else { div.wide tabindex="0" role="region" aria-label=(view.say("admin-clients")) { table {
            thead { tr {
                th scope="col" { (view.say("admin-client")) }
                th scope="col" { (view.say("admin-networks")) }
                th scope="col" { (view.say("admin-policy")) }
            } }
            tbody { @for (client, networks) in named { tr {
                th scope="row" { (client.name) }
                td { @for network in networks { div { (network) } } }
                td {
                    div { (policy(view, &client.policy.default)) }
                    @for (group, exception) in &client.policy.groups {
                        div { (view.with("admin-group", &[("group", group), ("policy", &policy(view, exception))])) }
                    }
                    @if !client.require_message_authenticator { div { (view.say("admin-unauthenticated")) } }
                }
            } } }
        } } }
    }
}
