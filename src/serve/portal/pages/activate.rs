//! Activating a new account. One address shows the present step; each step has its form.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::register::{self, Typed};
use super::{help, passcode, password};
use crate::domain::flow::activation::Second;
use crate::domain::flow::{Activation, Shown, Told};
use crate::domain::login::Offer;
use crate::engine::portal::activation::FirstPassword;
use crate::engine::portal::passcode::Chosen;
use crate::engine::portal::{PortalError, Problem};
use crate::store::SecurityProfile;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/activate", get(show).post(begin))
        .route("/activate/choose", post(choose))
        .route("/activate/passcode", post(answer))
        .route("/activate/other", post(other))
        .route("/activate/form", post(save))
        .route("/activate/back", post(back))
        .route("/activate/delivery", post(delivery))
        .route("/activate/password", post(finish))
        .route("/activate/cancel", post(cancel))
}

/// What a page needs to know beside the session.
#[derive(Default)]
struct Known {
    profile: SecurityProfile,
    choices: Vec<(String, Offer)>,
    typed: Option<Typed>,
    problems: Vec<Problem>,
}

fn content(view: &View<'_>, known: &Known) -> Markup {
    let name = Field {
        name: "username",
        label: view.say("username"),
        autocomplete: "username",
        focus: true,
        ..Field::default()
    };
    html! {
        @match &view.browser.session.activation {
            None => {
                h1 { (view.say("activation-title")) }
                p { (view.say("activation-intro")) }
                (view.form("/activate", &html! {
                    (name.show(view)) (view.acceptable_use()) (view.button("continue-button"))
                }))
            }
            Some(Activation::Help) => {
                (help(view))
                (view.form("/activate/cancel", &html! { (view.button("cancel-button")) }))
            }
            Some(Activation::Prove { proving }) => {
                h1 { (view.say("activation-title")) }
                (passcode::show(view, proving, "/activate"))
                (view.form("/activate/cancel", &html! { button.link type="submit" { (view.say("cancel-button")) } }))
            }
            Some(Activation::Form { .. }) => {
                h1 { (view.say("activation-title")) }
                (view.problems(&known.problems))
                (view.form("/activate/form", &html! {
                    (register::fields(view, &known.profile, known.typed.as_ref(), &known.problems))
                    (view.button("save-button"))
                }))
            }
            Some(Activation::Password { username, second, .. }) => {
                h1 { (view.say("activation-password-heading")) }
                (view.problems(&known.problems))
                @if *second != Second::Done { (deliver(view, second, known)) }
                (view.form("/activate/password", &last(view, (username, second), known)))
                (view.form("/activate/back", &html! {
                    button.link type="submit" { (view.say("activation-contacts-heading")) }
                }))
            }
        }
    }
}

/// Where the second passcode goes.
fn deliver(view: &View<'_>, second: &Second, known: &Known) -> Markup {
    let asked = match second {
        Second::Enter { proving, .. } => proving.asked.as_ref(),
        _ => None,
    };
    // Once more means to the same place, not to the first of the list.
    let chosen = known
        .choices
        .iter()
        .position(|(_, offer)| asked.is_some_and(|asked| asked.shown == Shown::from(offer)));
    view.form("/activate/delivery", &html! {
        fieldset id="delivery" tabindex="-1" aria-describedby=[View::wrong_id("delivery", &known.problems)] {
            legend { (view.say("activation-delivery")) }
            (view.wrong("delivery", &known.problems))
            p.hint { (view.say("activation-second-intro")) }
            @for (number, (value, offer)) in known.choices.iter().enumerate() {
                div.choice {
                    input type="radio" name="delivery" id={ "delivery-" (value) } value=(value) checked[number == chosen.unwrap_or(0)];
                    label for={ "delivery-" (value) } { (passcode::name(view, &Shown::from(offer))) }
                }
            }
            @if let Some(asked) = asked {
                p role="status" {
                    (view.with(&format!("enter-sent-{}", asked.shown.method.as_str()),
                        &[("destination", asked.shown.to.as_deref().unwrap_or_default())]))
                }
            }
            button.second type="submit" { (view.say(if asked.is_some() { "resend-button" } else { "send-passcode" })) }
        }
    })
}

fn last(view: &View<'_>, (username, second): (&str, &Second), known: &Known) -> Markup {
    let passcode = Field {
        name: "passcode",
        label: view.say("passcode"),
        autocomplete: "one-time-code",
        inputmode: "numeric",
        problems: &known.problems,
        ..Field::default()
    };
    html! {
        @if *second != Second::Done { (passcode.show(view)) }
        (password::fields(view, username, &known.problems))
        @if view.browser.visit.config.portal.acceptable_use.is_some() {
            (view.acceptable_use())
            (view.wrong("agree", &known.problems))
            @let wrong = View::wrong_id("agree", &known.problems);
            div.choice {
                input type="checkbox" name="agree" id="agree" value="1" required
                    aria-invalid=[wrong.as_ref().map(|_| "true")] aria-describedby=[wrong];
                label for="agree" { (view.say("activation-agree")) }
            }
        }
        (view.button("submit-button"))
    }
}

/// Looks up what the present step shows. One that took too long begins anew.
async fn look(browser: &mut Browser) -> Result<Known, PortalError> {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let mut known = Known::default();
    if !matches!(browser.session.activation, Some(Activation::Form { .. } | Activation::Password { .. })) {
        return Ok(known);
    }
    let person = portal.activating(&visit, &browser.session).await?;
    known.profile = portal.profile(&person).await?;
    if let Some(Activation::Password {
        second: Second::Choose(contacts) | Second::Enter { contacts, .. },
        ..
    }) = &browser.session.activation
    {
        known.choices = portal.second_choices(&visit, &person, contacts).await?;
    }
    Ok(known)
}

async fn respond(mut browser: Browser, problems: Vec<Problem>, typed: Option<Typed>) -> Response {
    let mut known = match look(&mut browser).await {
        Ok(known) => known,
        Err(error) => {
            browser.session.activation = None;
            return browser.failed(error, "/activate").await;
        }
    };
    (known.problems, known.typed) = (problems, typed);
    let status = if known.problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = browser.view();
    let (title, body) = (view.say("activation-title"), content(&view, &known));
    browser.show(status, &title, body).await
}

async fn show(browser: Browser) -> Response {
    respond(browser, Vec::new(), None).await
}

async fn begin(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    match portal.begin_activation(&visit, &mut browser.session, fields.text("username")).await {
        Ok(()) => browser.go("/activate").await,
        Err(error) => browser.failed(error, "/activate").await,
    }
}

async fn choose(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let choice = (fields.text("method"), fields.has("again"));
    match portal.choose_activation(&visit, &mut browser.session, choice).await {
        Ok(chosen) => {
            browser.session.told = passcode::chosen(chosen);
            browser.go("/activate").await
        }
        Err(error) => browser.failed(error, "/activate").await,
    }
}

async fn answer(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    match portal.answer_activation(&visit, &mut browser.session, fields.text("passcode")).await {
        Ok(answer) => {
            browser.session.told = passcode::answered(&answer);
            if let Some(Activation::Form { .. }) = browser.session.activation {
                browser.renew();
            }
            browser.go("/activate").await
        }
        Err(error) => browser.failed(error, "/activate").await,
    }
}

async fn other(Posted { mut browser, .. }: Posted) -> Response {
    if let Some(proving) = browser.session.activation.as_mut().and_then(Activation::proving) {
        proving.back();
    }
    browser.go("/activate").await
}

async fn back(Posted { mut browser, .. }: Posted) -> Response {
    browser.session.activation = browser.session.activation.take().map(Activation::back);
    browser.go("/activate").await
}

async fn cancel(Posted { mut browser, .. }: Posted) -> Response {
    browser.session.activation = None;
    browser.go("/").await
}

async fn save(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let (form, typed) = register::read(&fields, visit.config.registration.slots);
    match portal.save_activation(&visit, &mut browser.session, &form).await {
        Ok(problems) if problems.is_empty() => browser.go("/activate").await,
        Ok(problems) => respond(browser, problems, Some(typed)).await,
        Err(error) => browser.failed(error, "/activate").await,
    }
}

async fn delivery(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let name = fields.text("delivery").to_owned();
    let again = matches!(
        &browser.session.activation,
        Some(Activation::Password { second: Second::Enter { .. }, .. })
    );
    match portal.choose_second(&visit, &mut browser.session, (&name, again)).await {
        Ok(Chosen::Asked) => browser.go("/activate").await,
        Ok(chosen) => {
            browser.session.told = passcode::chosen(chosen);
            browser.go("/activate").await
        }
        Err(error) => browser.failed(error, "/activate").await,
    }
}

async fn finish(Posted { mut browser, fields }: Posted) -> Response {
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let last = FirstPassword {
        passcode: fields.text("passcode").to_owned(),
        password: fields.secret("password"),
        again: fields.secret("password_again"),
        agreed: fields.has("agree"),
    };
    match portal.finish_activation(&visit, &mut browser.session, &last).await {
        Ok(problems) if problems.is_empty() => {
            browser.renew();
            browser.tell("/", Told::good("activation-done", &[])).await
        }
        Ok(problems) => respond(browser, problems, None).await,
        Err(error) => browser.failed(error, "/activate").await,
    }
}
