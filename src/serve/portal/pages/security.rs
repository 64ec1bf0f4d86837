//! My security: second factors, recovery codes, contacts, what was done with the account of late.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::{Shown, admitted, day, day_and_time, missing};
use crate::base::Secret;
use crate::config::Presence;
use crate::domain::factor::{FactorId, FactorKind};
use crate::domain::flow::{Level, Told};
use crate::engine::portal::Problem;
use crate::engine::portal::factors::{Activity, Overview, Own, Place, Renamed};
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::{Markup, html};
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route(HERE, get(show))
        .route("/security/rename/{id}", get(rename).post(renamed))
        .route("/security/revoke/{id}", get(revoke).post(revoked))
        .route("/security/recovery", get(back).post(recovery))
}

const HERE: &str = "/security";

fn kind(view: &View<'_>, kind: FactorKind) -> String {
    match kind {
        FactorKind::Pin => view.say("factor-pin"),
        kind => view.say(&format!("method-{kind}")),
    }
}

/// What a factor is called on a page about it.
pub(super) fn name(view: &View<'_>, factor: &Own) -> String {
    if factor.name.is_empty() { kind(view, factor.kind) } else { factor.name.clone() }
}

fn factors(view: &View<'_>, factors: &[Own]) -> Markup {
    html! {
        h2 { (view.say("factors-heading")) }
        @if factors.is_empty() { p { (view.say("factors-none")) } }
        @else {
            div.wide tabindex="0" role="region" aria-label=(view.say("factors-heading")) { table {
                thead { tr {
                    th scope="col" { (view.say("factor-kind")) } th scope="col" { (view.say("factor-name")) }
                    th scope="col" { (view.say("factor-since")) } th scope="col" { (view.say("factor-used")) } td {}
                } }
                tbody { @for factor in factors {
                    @let name = name(view, factor);
                    tr {
                        td { (kind(view, factor.kind)) }
                        td { (factor.name) }
                        td { (day(factor.created)) }
                        td { (factor.used.map_or_else(|| view.say("factor-never"), day_and_time)) }
                        td {
                            @if factor.kind != FactorKind::Pin {
                                a href={ "/security/rename/" (factor.id) } aria-label=(view.with("factor-rename-heading", &[("name", &name)])) {
                                    (view.say("factor-rename")) } " "
                            }
                            a href={ "/security/revoke/" (factor.id) } aria-label=(view.with("factor-revoke-heading", &[("name", &name)])) {
                                (view.say("factor-revoke")) }
                        }
                    }
                } }
            } }
        }
        ul {
            li { a href="/app" { (view.say("factor-add-app")) } }
            li { a href="/key" { (view.say("factor-add-key")) } }
            @if factors.iter().any(|factor| factor.kind == FactorKind::Yubikey) {
                li { a href="/key/verify" { (view.say("key-verify-link")) } }
            }
            @if view.browser.visit.config.portal.pin != Presence::Off && factors.iter().any(|factor| factor.kind == FactorKind::Totp) {
                li { a href="/app/pin" { (view.say("app-pin-change")) } }
            }
        }
    }
}

/// The button that makes new recovery codes. It names the set that it is about, so that what is sent twice does nothing.
pub(super) fn recovery_form(view: &View<'_>, present: Option<FactorId>) -> Markup {
    let present = present.map(|id| id.to_string()).unwrap_or_default();
    view.form(
        "/security/recovery",
        &html! { input type="hidden" name="set" value=(present); (view.button("recovery-button")) },
    )
}

fn codes(view: &View<'_>, present: Option<(FactorId, usize)>) -> Markup {
    html! {
        h2 { (view.say("recovery-heading")) }
        p { (view.say("recovery-intro")) }
        @match present {
            Some((_, left)) => p {
                (view.with("recovery-left", &[("count", &left.to_string())])) " " (view.say("recovery-replaces"))
            },
            None => p { (view.say("recovery-none")) },
        }
        (recovery_form(view, present.map(|(id, _)| id)))
    }
}

fn contacts(view: &View<'_>, Overview { profile, .. }: &Overview) -> Markup {
    html! {
        h2 { (view.say("contacts-heading")) }
        @if profile.contacts.is_empty() { p { (view.say("contacts-none")) } }
        @else {
            ul { @for contact in &profile.contacts {
                @let label = view.say(&format!("contact-{}", contact.kind.as_str()));
                @if let Some(value) = &contact.proven { li { (label) ": " (contact.kind.masked(value)) } }
                @if let Some(value) = &contact.waiting {
                    li { (label) ": " (contact.kind.masked(value)) " (" (view.say("contacts-unproven")) ")" }
                }
            } }
        }
        p { a href="/register" { (view.say("contacts-change")) } }
    }
}

fn place(view: &View<'_>, place: &Place) -> String {
    match place {
        Place::Client(name) => name.clone(),
        Place::Here(None) => view.say("activity-here"),
        Place::Here(Some(address)) => view.with("activity-here-from", &[("address", address)]),
        Place::Staff => view.say("activity-staff"),
    }
}

fn activity(view: &View<'_>, entries: &[Activity]) -> Markup {
    html! {
        h2 { (view.say("activity-heading")) }
        p { (view.say("activity-intro")) }
        @if entries.is_empty() { p { (view.say("activity-none")) } }
        @else {
            div.wide tabindex="0" role="region" aria-label=(view.say("activity-heading")) { table {
                thead { tr { @for column in ["activity-when", "activity-what", "activity-where", "activity-result"] {
                    th scope="col" { (view.say(column)) }
                } } }
                tbody { @for entry in entries { tr {
                    td { (day_and_time(entry.at)) } td { (view.say(entry.what)) @if !entry.device.is_empty() { ": " (entry.device) } }
                    td { (place(view, &entry.place)) } td { (view.say(entry.result)) }
                } } }
            } }
        }
    }
}

fn acceptance(view: &View<'_>, accepted: Option<&(String, crate::base::Timestamp)>) -> Markup {
    html! {
        @if view.browser.visit.config.portal.acceptable_use.is_some() || accepted.is_some() {
            h2 { (view.say("acceptance-heading")) }
            @match accepted {
                Some((version, at)) => p { (view.with("acceptance-when", &[("version", version), ("time", &day(*at))])) },
                None => p { (view.say("acceptance-none")) },
            }
            (view.acceptable_use())
        }
    }
}

async fn show(mut browser: Browser) -> Shown {
    let account = admitted(&mut browser, Level::Enrolled, HERE).await?;
    let overview = match browser.state.portal.overview(&account.person).await {
        Ok(overview) => overview,
        Err(error) => return Err(browser.unavailable(&error)),
    };
    let view = browser.view();
    let title = view.say("factors-title");
    let body = html! {
        h1 { (title) }
        (factors(&view, &overview.factors))
        (super::device::list(&view, &overview.devices))
        (codes(&view, overview.recovery))
        (contacts(&view, &overview))
        h2 { (view.say("password-heading")) }
        p { a href="/password" { (view.say("change-password")) } }
        (activity(&view, &overview.activity))
        (acceptance(&view, overview.acceptance.as_ref()))
    };
    Ok(browser.page(&title, body).await)
}

/// The person's factor of this id, for whoever may see a page of this level.
async fn chosen(
    mut browser: Browser,
    (level, page, id): (Level, &str, &str),
) -> Result<(Browser, Arc<crate::domain::login::Account>, Own), Response> {
    let account = admitted(&mut browser, level, &format!("/security/{page}/{id}")).await?;
    match browser.state.portal.own(&account.person, id).await {
        Ok(Some(own)) => Ok((browser, account, own)),
        Ok(None) => Err(missing(browser).await),
        Err(error) => Err(browser.unavailable(&error)),
    }
}

async fn rename(browser: Browser, Path(id): Path<String>) -> Shown {
    let (browser, _, own) = chosen(browser, (Level::Passcode, "rename", &id)).await?;
    Ok(name_anew(browser, &own, (&own.name, &[])).await)
}

async fn name_anew(browser: Browser, own: &Own, (value, problems): (&str, &[Problem])) -> Response {
    let view = browser.view();
    let title = view.with("factor-rename-heading", &[("name", &name(&view, own))]);
    let field = Field {
        name: "name",
        label: view.say("factor-name-label"),
        value,
        autocomplete: "off",
        optional: true,
        problems,
        focus: true,
        ..Field::default()
    };
    let body = html! {
        h1 { (title) }
        (view.problems(problems))
        (view.form(&format!("/security/rename/{}", own.id), &html! { (field.show(&view)) (view.button("factor-rename")) }))
        p { a href=(HERE) { (view.say("cancel-button")) } }
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.show(status, &title, body).await
}

async fn renamed(Path(id): Path<String>, Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let typed = fields.text("name");
    let told = match portal.rename_factor(&visit, &account.person, (&id, typed)).await {
        Ok(Renamed::Done) => Told::good("factor-renamed", &[]),
        Ok(Renamed::Gone) => Told::problem("factors-gone"),
        Ok(Renamed::Not(problem)) => {
            let (browser, _, own) = chosen(browser, (Level::Passcode, "rename", &id)).await?;
            return Ok(name_anew(browser, &own, (typed, &[problem])).await);
        }
        Err(error) => return Err(browser.failed(error, HERE).await),
    };
    Ok(browser.tell(HERE, told).await)
}

async fn revoke(browser: Browser, Path(id): Path<String>) -> Shown {
    let (browser, _, own) = chosen(browser, (Level::Passcode, "revoke", &id)).await?;
    let view = browser.view();
    let title = view.with("factor-revoke-heading", &[("name", &name(&view, &own))]);
    let body = html! {
        h1 { (title) }
        p { (kind(&view, own.kind)) ", " (view.say("factor-since")) " " (day(own.created)) }
        p { (view.say(if own.kind == FactorKind::DevicePassword { "device-revoke-hint" } else { "factor-revoke-hint" })) }
        (view.form(&format!("/security/revoke/{}", own.id), &view.button("factor-revoke")))
        p { a href=(HERE) { (view.say("factor-keep")) } }
    };
    Ok(browser.page(&title, body).await)
}

async fn revoked(Path(id): Path<String>, Posted { mut browser, .. }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let told = match portal.revoke_factor(&visit, &account.person, &id).await {
        Ok(Some(own)) => Told::good("factor-revoked", &[("name", &name(&browser.view(), &own))]),
        Ok(None) => Told::problem("factors-gone"),
        Err(error) => return Err(browser.failed(error, HERE).await),
    };
    Ok(browser.tell(HERE, told).await)
}

/// The page with the codes is there once only.
async fn back(browser: Browser) -> Response {
    browser.go(HERE).await
}

/// Shows the codes in the answer itself, so that they are kept nowhere.
async fn recovery(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let codes = match portal.new_recovery_codes(&visit, &account.person, fields.text("set")).await {
        Ok(Some(codes)) => codes,
        Ok(None) => return Ok(browser.tell(HERE, Told::problem("step-done-already")).await),
        Err(error) => return Err(browser.failed(error, HERE).await),
    };
    let view = browser.view();
    let title = view.say("recovery-heading-new");
    let body = html! {
        h1 { (title) }
        p { (view.say("recovery-once")) }
        ol.codes { @for code in &codes { li { code.key { (Secret::expose(code)) } } } }
        p.hint { (view.say("recovery-print")) }
        p { a.button href=(HERE) { (view.say("recovery-back")) } }
    };
    Ok(browser.page(&title, body).await)
}
