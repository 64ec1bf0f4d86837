//! Registering security data: contacts and security questions, and the confirmation of contacts.

use super::super::State;
use super::super::browser::{Browser, Fields, Posted};
use super::super::view::{Field, View};
use super::{admitted, help, passcode};
use crate::base::Secret;
use crate::config::{Enforce, Presence, QuestionsMode};
use crate::domain::contact::{ContactKind, OwnContact};
use crate::domain::flow::{Level, Told};
use crate::domain::question::QuestionId;
use crate::engine::portal::Problem;
use crate::engine::portal::passcode::Answer;
use crate::engine::portal::registration::SecurityForm;
use crate::store::SecurityProfile;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/register", get(show).post(save))
        .route("/register/confirm/{kind}", get(confirm))
        .route("/register/confirm/{kind}/choose", post(choose))
        .route("/register/confirm/{kind}/passcode", post(answer))
        .route("/register/confirm/{kind}/other", post(other))
}

/// What a person has typed, to be shown again beside what is wrong with it. Answers are not.
#[derive(Default)]
pub(super) struct Typed {
    contacts: Vec<(ContactKind, String)>,
    questions: Vec<Option<QuestionId>>,
    helpdesk: Option<QuestionId>,
}

/// Reads the form; the same is on the page of an activation.
pub(super) fn read(fields: &Fields, slots: usize) -> (SecurityForm, Typed) {
    let contact = |kind: ContactKind| (kind, fields.text(&format!("contact-{}", kind.as_str())).to_owned());
    let contacts: Vec<_> = ContactKind::ALL.map(contact).into();
    let gone = |kind: &ContactKind| fields.has(&format!("remove-{}", kind.as_str()));
    let remove = ContactKind::ALL.into_iter().filter(gone).collect();
    let question = |name: String| fields.text(&name).parse::<QuestionId>().ok();
    let questions: Vec<(Option<QuestionId>, Secret<String>)> = (1..=slots)
        .map(|slot| (question(format!("question-{slot}")), fields.secret(&format!("answer-{slot}"))))
        .collect();
    let helpdesk = (question("helpdesk".to_owned()), fields.secret("helpdesk-answer"));
    let typed = Typed {
        contacts: contacts.clone(),
        questions: questions.iter().map(|(question, _)| question.clone()).collect(),
        helpdesk: helpdesk.0.clone(),
    };
    (SecurityForm { contacts, remove, questions, helpdesk }, typed)
}

/// The fields: contacts, questions, the help-desk question.
pub(super) fn fields(
    view: &View<'_>,
    profile: &SecurityProfile,
    typed: Option<&Typed>,
    problems: &[Problem],
) -> Markup {
    let rules = &view.browser.visit.config.registration;
    html! {
        (contacts(view, profile, typed, problems))
        @if rules.mode != QuestionsMode::Off && rules.slots > 0 { (questions(view, profile, typed, problems)) }
        @if rules.helpdesk != Presence::Off { (helpdesk(view, profile, typed, problems)) }
    }
}

fn contacts(
    view: &View<'_>,
    profile: &SecurityProfile,
    typed: Option<&Typed>,
    problems: &[Problem],
) -> Markup {
    html! {
        fieldset {
            legend { (view.say("activation-contacts-heading")) }
            p.hint { (view.say("activation-contacts-intro")) }
            @for kind in ContactKind::ALL {
                @let name = format!("contact-{}", kind.as_str());
                @let value = typed.and_then(|typed| typed.contacts.iter().find(|(known, _)| *known == kind));
                @let known = profile.contacts.iter().find(|contact| contact.kind == kind);
                (Field {
                    name: &name,
                    label: view.say(&name),
                    kind: if kind == ContactKind::Email { "email" } else { "tel" },
                    value: value.map_or("", |(_, value)| value),
                    autocomplete: if kind == ContactKind::Email { "email" } else { "tel" },
                    hint: view.say(&format!("{name}-hint")),
                    optional: true,
                    problems,
                    ..Field::default()
                }.show(view))
                @if let Some(known) = known { (contact(view, known)) }
            }
        }
    }
}

/// What is there already of one kind.
fn contact(view: &View<'_>, contact: &OwnContact) -> Markup {
    let kind = contact.kind.as_str();
    let shown = |value: &String| crate::engine::portal::passcode::masked(contact.kind, value);
    html! {
        @if let Some(value) = &contact.proven {
            p.known { (view.with("contact-proven", &[("value", &shown(value))])) }
        }
        @if let Some(value) = &contact.waiting {
            p.known { (view.with("contact-waiting", &[("value", &shown(value))])) " "
                a href={ "/register/confirm/" (kind) } { (view.say("contact-confirm")) } }
        }
        div.choice {
            input type="checkbox" name={ "remove-" (kind) } id={ "remove-" (kind) } value="1";
            label for={ "remove-" (kind) } { (view.say("contact-remove")) }
        }
    }
}

fn select(
    view: &View<'_>,
    (name, label): (&str, String),
    chosen: Option<&QuestionId>,
    problems: &[Problem],
) -> Markup {
    let wrong = View::wrong_id(name, problems);
    html! {
        div.field {
            label for=(name) { (label) }
            (view.wrong(name, problems))
            select id=(name) name=(name) aria-invalid=[wrong.as_ref().map(|_| "true")] aria-describedby=[wrong] {
                option value="" { (view.say("question-choose")) }
                @for question in &view.browser.visit.config.registration.questions {
                    option value=(question) selected[chosen == Some(question)] { (view.say(&format!("question-{question}"))) }
                }
            }
        }
    }
}

fn questions(
    view: &View<'_>,
    profile: &SecurityProfile,
    typed: Option<&Typed>,
    problems: &[Problem],
) -> Markup {
    let rules = &view.browser.visit.config.registration;
    let least = if profile.registered.is_some() { rules.min_existing } else { rules.min_new };
    html! {
        fieldset {
            legend { (view.say("questions-legend")) }
            p { (view.with("questions-intro", &[("count", &least.to_string())])) }
            p.note { (view.say("answers-notice")) }
            @for slot in 1..=rules.slots {
                @let kept = profile.questions.get(slot - 1);
                @let chosen = match typed { Some(typed) => typed.questions.get(slot - 1).and_then(Option::as_ref), None => kept };
                @let (name, number) = (format!("question-{slot}"), slot.to_string());
                div.slot {
                    (select(view, (&name, view.with("question-slot", &[("number", &number)])), chosen, problems))
                    (Field {
                        name: &format!("answer-{slot}"),
                        label: view.with("answer-slot", &[("number", &number)]),
                        autocomplete: "off",
                        hint: if kept.is_some() { view.say("answer-kept") } else { String::new() },
                        optional: slot > least || kept.is_some(),
                        problems,
                        ..Field::default()
                    }.show(view))
                }
            }
        }
    }
}

fn helpdesk(
    view: &View<'_>,
    profile: &SecurityProfile,
    typed: Option<&Typed>,
    problems: &[Problem],
) -> Markup {
    let required = view.browser.visit.config.registration.helpdesk == Presence::Required;
    let kept = profile.helpdesk.as_ref();
    let chosen = match typed {
        Some(typed) => typed.helpdesk.as_ref(),
        None => kept,
    };
    html! {
        fieldset {
            legend { (view.say("helpdesk-legend")) }
            p { (view.say(if required { "helpdesk-required" } else { "helpdesk-optional" })) }
            (select(view, ("helpdesk", view.say("helpdesk-legend")), chosen, problems))
            (Field {
                name: "helpdesk-answer",
                label: view.say("answer"),
                autocomplete: "off",
                hint: if kept.is_some() { view.say("answer-kept") } else { String::new() },
                optional: !required || kept.is_some(),
                problems,
                ..Field::default()
            }.show(view))
        }
    }
}

async fn respond(
    browser: Browser,
    (profile, typed): (&SecurityProfile, Option<&Typed>),
    problems: &[Problem],
) -> Response {
    let view = browser.view();
    let title = view.say("registration-title");
    let body = html! {
        h1 { (title) }
        @if view.browser.visit.config.registration.enforce != Enforce::Off { p { (view.say("registration-intro")) } }
        (view.problems(problems))
        (view.form("/register", &html! {
            (fields(&view, profile, typed, problems))
            (view.button("update-button"))
        }))
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.show(status, &title, body).await
}

async fn show(mut browser: Browser) -> Response {
    let account = match admitted(&mut browser, Level::Change, "/register").await {
        Ok(account) => account,
        Err(elsewhere) => return elsewhere,
    };
    let portal = Arc::clone(&browser.state.portal);
    match portal.profile(&account.person).await {
        Ok(profile) => {
            // In another session, perhaps.
            if let Some(who) = browser.session.who.as_mut().filter(|_| profile.registered.is_some()) {
                who.unregistered = false;
            }
            respond(browser, (&profile, None), &[]).await
        }
        Err(error) => browser.unavailable(&error),
    }
}

async fn save(Posted { mut browser, fields }: Posted) -> Response {
    let account = match admitted(&mut browser, Level::Change, "/register").await {
        Ok(account) => account,
        Err(elsewhere) => return elsewhere,
    };
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let (form, typed) = read(&fields, visit.config.registration.slots);
    match portal.register(&visit, &account.person, &form).await {
        Ok(Ok(written)) => {
            if let Some(who) = &mut browser.session.who {
                who.unregistered = false;
            }
            // Another address may have been entered than the one that is being confirmed.
            browser.session.contact = None;
            let to = match written.entered.first() {
                Some((kind, _)) => format!("/register/confirm/{}", kind.as_str()),
                None => "/register".to_owned(),
            };
            browser.tell(&to, Told::good("updated", &[])).await
        }
        Ok(Err(problems)) => match portal.profile(&account.person).await {
            Ok(profile) => respond(browser, (&profile, Some(&typed)), &problems).await,
            Err(error) => browser.unavailable(&error),
        },
        Err(error) => browser.failed(error, "/register").await,
    }
}

async fn confirm(mut browser: Browser, Path(kind): Path<String>) -> Response {
    let Ok(kind) = kind.parse::<ContactKind>() else { return super::missing(browser).await };
    let here = format!("/register/confirm/{}", kind.as_str());
    // The first proven contact gets passcodes: whoever can be reached already shows that it is them.
    let account = match admitted(&mut browser, Level::StepUp, &here).await {
        Ok(account) => account,
        Err(elsewhere) => return elsewhere,
    };
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    if browser.session.contact.as_ref().is_none_or(|contact| contact.kind != kind) {
        match portal.begin_contact(&visit, &mut browser.session, (&account.person, kind)).await {
            Ok(true) => {}
            Ok(false) => return browser.go("/register").await,
            Err(error) => return browser.unavailable(&error),
        }
    }
    let view = browser.view();
    let (title, body) = match &browser.session.contact {
        Some(contact) => {
            let value = crate::engine::portal::passcode::masked(contact.kind, &contact.value);
            let title = view.with("contact-confirm-heading", &[("value", &value)]);
            let base = format!("/register/confirm/{}", kind.as_str());
            let body = html! {
                h1 { (title) }
                (passcode::show(&view, &contact.proving, &base))
                p { a href="/register" { (view.say("registration-title")) } }
            };
            (title, body)
        }
        None => (view.say("registration-title"), help(&view)),
    };
    browser.page(&title, body).await
}

async fn choose(Path(kind): Path<String>, Posted { mut browser, fields }: Posted) -> Response {
    if let Err(elsewhere) =
        admitted(&mut browser, Level::StepUp, &super::local(&format!("/register/confirm/{kind}"))).await
    {
        return elsewhere;
    }
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let choice = (fields.text("method"), fields.has("again"));
    match portal.choose_contact(&visit, &mut browser.session, choice).await {
        Ok(chosen) => {
            browser.session.told = passcode::chosen(chosen);
            browser.go(&super::local(&format!("/register/confirm/{kind}"))).await
        }
        Err(error) => browser.failed(error, "/register").await,
    }
}

async fn answer(Path(kind): Path<String>, Posted { mut browser, fields }: Posted) -> Response {
    if let Err(elsewhere) =
        admitted(&mut browser, Level::StepUp, &super::local(&format!("/register/confirm/{kind}"))).await
    {
        return elsewhere;
    }
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let value = browser
        .session
        .contact
        .as_ref()
        .map(|contact| crate::engine::portal::passcode::masked(contact.kind, &contact.value));
    match portal.answer_contact(&visit, &mut browser.session, fields.text("passcode")).await {
        Ok(Answer::Right(_)) => {
            browser.renew();
            let value = value.unwrap_or_default();
            browser.tell("/register", Told::good("contact-confirmed", &[("value", &value)])).await
        }
        Ok(answer) => {
            browser.session.told = passcode::answered(&answer);
            browser.go(&super::local(&format!("/register/confirm/{kind}"))).await
        }
        Err(error) => browser.failed(error, "/register").await,
    }
}

async fn other(Path(kind): Path<String>, Posted { mut browser, .. }: Posted) -> Response {
    if let Some(contact) = &mut browser.session.contact {
        contact.proving.back();
    }
    browser.go(&super::local(&format!("/register/confirm/{kind}"))).await
}
