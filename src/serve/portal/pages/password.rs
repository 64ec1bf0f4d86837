//! The part of a page where a new password is chosen (R-RESET-4, R-RESET-5), and the page of who knows the present one.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::{Shown, admitted};
use crate::domain::flow::{Level, Told};
use crate::domain::password::Requirement;
use crate::engine::portal::Problem;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new().route("/password", get(show).post(change))
}

/// The username, the rules, and the new password twice.
pub(super) fn fields(view: &View<'_>, username: &str, problems: &[Problem]) -> Markup {
    fields_of(view, (view.say("userid"), username), problems)
}

/// The same for an account that is called something else.
pub(super) fn fields_of(view: &View<'_>, (label, username): (String, &str), problems: &[Problem]) -> Markup {
    html! { (account(&label, username)) (twice(view, problems)) }
}

/// Whose password it is. First, so that password managers know.
fn account(label: &str, username: &str) -> Markup {
    html! {
        div.field {
            label for="username" { (label) }
            input id="username" name="username" type="text" value=(username) readonly autocomplete="username";
        }
    }
}

/// The rules, and the new password twice.
fn twice(view: &View<'_>, problems: &[Problem]) -> Markup {
    let password = Field {
        name: "password",
        label: view.say("new-password"),
        kind: "password",
        autocomplete: "new-password",
        problems,
        ..Field::default()
    };
    let again = Field {
        name: "password_again",
        label: view.say("new-password-again"),
        kind: "password",
        autocomplete: "new-password",
        problems,
        ..Field::default()
    };
    html! {
        (rules(view))
        div.new-password data-show=(view.say("show-password")) { (password.show(view)) (again.show(view)) }
    }
}

/// What a new password must be.
pub(super) fn rules(view: &View<'_>) -> Markup {
    let requirements = view.browser.state.portal.desk.rules.load().requirements();
    html! {
        p id="rules-heading" { (view.say("requirements-heading")) }
        ul.rules aria-labelledby="rules-heading" data-met=(view.say("requirement-met")) {
            @for requirement in &requirements {
                @let count = count(requirement);
                li data-rule=(requirement.id()) data-count=[(!count.is_empty()).then_some(&count)] {
                    (view.with(&format!("requirement-{}", requirement.id()), &[("count", &count)]))
                }
            }
        }
    }
}

/// The number in a requirement, if there is one.
fn count(requirement: &Requirement) -> String {
    match requirement {
        Requirement::MinLength { characters } | Requirement::MaxLength { characters } => {
            characters.to_string()
        }
        Requirement::Classes { least } | Requirement::Strength { least } => least.to_string(),
        _ => String::new(),
    }
}

async fn respond(browser: Browser, username: &str, problems: &[Problem]) -> Response {
    let view = browser.view();
    let title = view.say("password-title");
    let present = Field {
        name: "present",
        label: view.say("present-password"),
        kind: "password",
        autocomplete: "current-password",
        problems,
        ..Field::default()
    };
    let body = html! {
        h1 { (title) }
        (view.problems(problems))
        (view.form("/password", &html! {
            (account(&view.say("userid"), username)) (present.show(&view)) (twice(&view, problems))
            (view.button("change-button"))
        }))
        p { a href="/reset" { (view.say("topic-reset")) } }
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.show(status, &title, body).await
}

async fn show(mut browser: Browser) -> Shown {
    let account = admitted(&mut browser, Level::StepUp, "/password").await?;
    Ok(respond(browser, account.person.username.as_str(), &[]).await)
}

async fn change(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::StepUp, "/password").await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let (present, new, again) =
        (fields.secret("present"), fields.secret("password"), fields.secret("password_again"));
    let change = (&*account.person, &present, &new, &again);
    Ok(match portal.change_password(&visit, &mut browser.session, change).await {
        Ok(problems) if problems.is_empty() => {
            browser.renew();
            browser.tell("/security", Told::good("password-changed", &[])).await
        }
        Ok(problems) => respond(browser, account.person.username.as_str(), &problems).await,
        Err(error) => browser.failed(error, "/password").await,
    })
}
