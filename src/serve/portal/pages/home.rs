//! The landing page (R-TOP-1): eight topics, each with whom it is for, its steps and its button.

use super::super::browser::Browser;
use super::super::view::View;
use axum::response::Response;
use maud::{Markup, html};

/// A topic: its name in the catalogue, whom it is for, how many steps, and where its button leads.
const TOPICS: [(&str, &str, usize, &str); 7] = [
    ("topic-activation", "audience-community", 3, "/activate"),
    ("topic-registration", "audience-community", 3, "/register"),
    ("topic-reset", "audience-community", 3, "/reset"),
    ("topic-mailbox", "audience-alumni", 3, "/mailbox"),
    ("topic-key", "audience-optional", 2, "/key"),
    ("topic-app", "audience-optional", 2, "/app"),
    ("topic-practices", "", 1, "/practices"),
];

fn topic(view: &View<'_>, (name, audience, steps, to): (&str, &str, usize, &str)) -> Markup {
    html! {
        details.topic id=(name) {
            summary {
                h2 { (view.say(name)) }
                @if !audience.is_empty() { span.audience { "(" (view.say(audience)) ")" } }
            }
            ol { @for step in 1..=steps { li { (view.say(&format!("{name}-{step}"))) } } }
            p { a.button href=(to) { (view.say(&format!("{name}-button"))) } }
        }
    }
}

pub(super) async fn show(browser: Browser) -> Response {
    let view = browser.view();
    let title = view.say("toolkit-title");
    let body = html! {
        h1 { (title) }
        p.lead { (view.say("toolkit-intro")) }
        @for entry in TOPICS { (topic(&view, entry)) }
        details.topic id="topic-use" {
            summary { h2 { (view.say("topic-use")) } }
            @match &browser.visit.config.portal.acceptable_use {
                Some(_) => (view.acceptable_use()),
                None => p { (view.say("acceptable-use")) " " (view.with("institution-policies", &[])) "." }
            }
        }
    };
    browser.page(&title, body).await
}
