//! Advice, and the rules that hold (R-BEST-1).

use super::super::browser::Browser;
use super::password;
use axum::response::Response;
use maud::html;

pub(super) async fn show(browser: Browser) -> Response {
    let view = browser.view();
    let title = view.say("practices-title");
    let body = html! {
        h1 { (title) }
        h2 { (view.say("practices-advice")) }
        ul { @for number in 1..=6 { li { (view.say(&format!("practices-{number}"))) } } }
        h2 { (view.say("practices-rules")) }
        (password::rules(&view))
        p { (view.say("practices-expiry")) }
        p { a href="/" { (view.say("back-to-toolkit")) } }
    };
    browser.page(&title, body).await
}
