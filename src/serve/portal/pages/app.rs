//! Setting up a passcode app (R-APP-1 to 6): what there is, and then one address that shows the present step.

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::super::view::{Field, View};
use super::{Shown, admitted, missing, qr};
use crate::config::Presence;
use crate::domain::flow::{App, Level, Told};
use crate::engine::enroll::Enrolled;
use crate::engine::portal::Problem;
use crate::engine::portal::app::{AppStep, First};
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use std::sync::Arc;
use zeroize::Zeroizing;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/app", get(about))
        .route(HERE, get(show).post(begin))
        .route("/app/enroll/confirm", post(confirm))
        .route("/app/enroll/skip", post(skip))
        .route("/app/enroll/cancel", post(cancel))
        .route("/app/enroll/another", post(another))
        .route("/app/pin", get(pin).post(set_pin))
}

const HERE: &str = "/app/enroll";

/// An app, and where it is.
type Offer = (&'static str, &'static str);

const APPLE: [Offer; 3] = [
    ("Google Authenticator", "https://apps.apple.com/app/google-authenticator/id388497605"),
    ("Microsoft Authenticator", "https://apps.apple.com/app/microsoft-authenticator/id983156458"),
    ("FreeOTP", "https://apps.apple.com/app/freeotp-authenticator/id872559395"),
];

const ANDROID: [Offer; 4] = [
    ("Aegis Authenticator", "https://play.google.com/store/apps/details?id=com.beemdevelopment.aegis"),
    (
        "Google Authenticator",
        "https://play.google.com/store/apps/details?id=com.google.android.apps.authenticator2",
    ),
    ("Microsoft Authenticator", "https://play.google.com/store/apps/details?id=com.azure.authenticator"),
    ("FreeOTP", "https://play.google.com/store/apps/details?id=org.fedorahosted.freeotp"),
];

const WINDOWS: [Offer; 2] = [
    ("2fast", "https://apps.microsoft.com/search?query=2fast"),
    ("KeePassXC", "https://apps.microsoft.com/search?query=KeePassXC"),
];

/// Platforms with their store and apps that follow RFC 6238.
const STORES: [(&str, &str, &[Offer]); 3] = [
    ("app-platform-apple", "app-apple", &APPLE),
    ("app-platform-android", "app-android", &ANDROID),
    ("app-platform-windows", "app-windows", &WINDOWS),
];

async fn about(browser: Browser) -> Response {
    let view = browser.view();
    let title = view.say("app-title");
    let body = html! {
        h1 { (title) }
        p { (view.say("app-intro")) }
        table {
            thead { tr { th scope="col" { (view.say("app-store")) } th scope="col" { (view.say("app-app")) } } }
            tbody {
                @for (platform, store, apps) in STORES {
                    tr {
                        th scope="row" { (view.say(store)) " (" (view.say(platform)) ")" }
                        td { ul.plain { @for (name, link) in apps { li { a href=(link) rel="noreferrer" { (name) } } } } }
                    }
                }
            }
        }
        p.hint { (view.say("app-hint")) }
        p { (view.say("app-begin-hint")) }
        p { a.button href=(HERE) { (view.say("app-begin-button")) } }
    };
    browser.page(&title, body).await
}

/// The key in groups of four, as it is typed by hand.
fn grouped(seed: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(seed.len() * 2));
    for (at, letter) in seed.chars().enumerate() {
        if at > 0 && at % 4 == 0 {
            text.push(' ');
        }
        text.push(letter);
    }
    text
}

fn name(view: &View<'_>, problems: &[Problem]) -> Markup {
    let field = Field {
        name: "name",
        label: view.say("app-name"),
        autocomplete: "off",
        hint: view.say("app-name-hint"),
        optional: true,
        problems,
        focus: true,
        ..Field::default()
    };
    html! {
        h1 { (view.say("app-title")) }
        h2 { (view.say("app-name-heading")) }
        (view.problems(problems))
        (view.form(HERE, &html! { (field.show(view)) (view.button("app-enroll-button")) }))
        p { a href="/app" { (view.say("app-app")) } }
    }
}

fn scan(view: &View<'_>, key: &Enrolled) -> Markup {
    let field = Field {
        name: "passcode",
        label: view.say("app-first"),
        autocomplete: "one-time-code",
        inputmode: "numeric",
        ..Field::default()
    };
    html! {
        h1 { (view.say("app-scan-heading")) }
        p { (view.say("app-scan")) }
        (qr::svg(key.uri.expose(), &view.say("app-qr")))
        p { a href=(key.uri.expose()) { (view.say("app-open")) } }
        p { (view.say("app-key")) " " code.key { (grouped(key.seed.expose()).as_str()) } }
        (view.form("/app/enroll/confirm", &html! {
            input type="hidden" name="factor" value=(key.id);
            (field.show(view)) (view.button("app-confirm-button"))
        }))
        (view.form("/app/enroll/cancel", &html! { button.link type="submit" { (view.say("app-cancel")) } }))
    }
}

fn pin_form(view: &View<'_>, problems: &[Problem]) -> Markup {
    let min = view.browser.visit.config.factors.pin_min.to_string();
    let field = |name, label, hint| Field {
        name,
        label: view.say(label),
        kind: "password",
        autocomplete: "new-password",
        inputmode: "numeric",
        hint,
        problems,
        ..Field::default()
    };
    html! {
        h1 { (view.say("app-pin-heading")) }
        (view.problems(problems))
        p { (view.with("app-pin-intro", &[("min", &min)])) }
        (view.form("/app/pin", &html! {
            (field("pin", "app-pin", view.say("app-pin-rows")).show(view))
            (field("pin_again", "app-pin-again", String::new()).show(view))
            (view.button("app-pin-button"))
        }))
        @if view.browser.session.app == Some(App::Pin) && view.browser.visit.config.portal.pin == Presence::Optional {
            (view.form("/app/enroll/skip", &html! { button.link type="submit" { (view.say("app-pin-skip")) } }))
        }
    }
}

fn done(view: &View<'_>, offer_recovery: bool) -> Markup {
    html! {
        h1 { (view.say("app-title")) }
        div.told.good role="status" { p { (view.say("app-done")) } }
        p { (view.say("app-done-next")) }
        @if offer_recovery {
            h2 { (view.say("recovery-heading")) }
            p { (view.say("app-recovery")) }
            (super::security::recovery_form(view, None))
        }
        (view.form("/app/enroll/another", &html! { button.second type="submit" { (view.say("app-another")) } }))
        p { a href="/security" { (view.say("my-security")) } }
    }
}

async fn respond(mut browser: Browser, problems: &[Problem]) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let step = match portal.app_step(&visit, &mut browser.session, &account.person).await {
        Ok(step) => step,
        Err(error) => return Err(browser.failed(error, "/app").await),
    };
    let view = browser.view();
    let body = match &step {
        AppStep::Name => name(&view, problems),
        AppStep::Scan(key) => scan(&view, key),
        AppStep::Pin => pin_form(&view, problems),
        AppStep::Done(offer_recovery) => done(&view, *offer_recovery),
    };
    let title = view.say("app-title");
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(browser.show(status, &title, body).await)
}

async fn show(browser: Browser) -> Shown {
    respond(browser, &[]).await
}

async fn begin(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let wanted = (&*account.person, fields.text("name"));
    match portal.begin_app(&visit, &mut browser.session, wanted).await {
        Ok(None) => Ok(browser.go(HERE).await),
        Ok(Some(problem)) => respond(browser, &[problem]).await,
        Err(error) => Err(browser.failed(error, HERE).await),
    }
}

async fn confirm(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let typed = (&*account.person, fields.text("factor"), fields.text("passcode"));
    Ok(match portal.prove_app(&visit, &mut browser.session, typed).await {
        Ok(First::Right) => match browser.session.app {
            Some(App::Pin) => browser.tell(HERE, Told::good("app-confirmed", &[])).await,
            _ => browser.go(HERE).await,
        },
        Ok(First::Wrong) => browser.tell(HERE, Told::problem("app-wrong")).await,
        Ok(First::NotAsked) => browser.tell(HERE, Told::problem("step-done-already")).await,
        Err(error) => browser.failed(error, HERE).await,
    })
}

async fn skip(Posted { mut browser, .. }: Posted) -> Shown {
    admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    portal.leave_pin_out(&visit, &mut browser.session);
    Ok(browser.go(HERE).await)
}

async fn cancel(Posted { mut browser, .. }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, HERE).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    Ok(match portal.end_app(&visit, &mut browser.session, &account.person).await {
        Ok(()) => browser.tell("/app", Told::good("app-cancelled", &[])).await,
        Err(error) => browser.failed(error, "/app").await,
    })
}

async fn another(Posted { mut browser, .. }: Posted) -> Response {
    if browser.session.app == Some(App::Done) {
        browser.session.app = None;
    }
    browser.go(HERE).await
}

async fn respond_pin(browser: Browser, owed: bool, problems: &[Problem]) -> Response {
    if browser.visit.config.portal.pin == Presence::Off {
        return missing(browser).await;
    }
    let view = browser.view();
    let title = view.say("app-pin-heading");
    let body = html! {
        @if owed && problems.is_empty() { div.told role="status" { p { (view.say("app-pin-due")) } } }
        (pin_form(&view, problems))
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.show(status, &title, body).await
}

async fn pin(mut browser: Browser) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, "/app/pin").await?;
    let owed = browser.state.portal.owes_pin(&browser.visit, &account);
    Ok(respond_pin(browser, owed, &[]).await)
}

async fn set_pin(Posted { mut browser, fields }: Posted) -> Shown {
    let account = admitted(&mut browser, Level::Passcode, "/app/pin").await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let (pin, again) = (fields.secret("pin"), fields.secret("pin_again"));
    let chosen = (&*account.person, &pin, &again);
    Ok(match portal.set_pin(&visit, &mut browser.session, chosen).await {
        Ok(problems) if !problems.is_empty() => respond_pin(browser, false, &problems).await,
        Ok(_) if browser.session.app == Some(App::Done) => browser.go(HERE).await,
        Ok(_) => browser.tell("/security", Told::good("app-pin-set", &[])).await,
        Err(error) => browser.failed(error, "/security").await,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_shown_in_groups_of_four() {
        assert_eq!(grouped("ABCDEFGHIJ").as_str(), "ABCD EFGH IJ");
        assert_eq!(grouped("").as_str(), "");
    }

    #[test]
    fn stores_are_named_and_led_to_by_tls() {
        assert!(STORES.iter().flat_map(|(_, _, apps)| *apps).all(|(_, link)| link.starts_with("https://")));
    }
}
