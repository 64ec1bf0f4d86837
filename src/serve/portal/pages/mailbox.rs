//! The password of an alumnus's mailbox (R-ALUM-1).

use super::super::State;
use super::super::browser::{Browser, Posted};
use super::{Shown, admitted, password};
use crate::domain::flow::{Level, Told};
use crate::domain::login::Account;
use crate::domain::mailbox::MailboxAccount;
use crate::engine::portal::Problem;
use crate::engine::portal::mailbox::{MailboxOf, MailboxSet};
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use maud::html;
use std::sync::Arc;

pub(super) fn routes() -> Router<State> {
    Router::new().route(HERE, get(show).post(set))
}

const HERE: &str = "/mailbox";

/// A page that says why there is nothing to do.
async fn refuse(browser: Browser, message: &str) -> Response {
    let view = browser.view();
    let title = view.say("mailbox-title");
    let body = html! {
        h1 { (title) }
        p { (view.say(message)) }
        p { a href="/" { (view.say("back-to-toolkit")) } }
    };
    browser.show(StatusCode::FORBIDDEN, &title, body).await
}

async fn respond(browser: Browser, mailbox: &MailboxAccount, problems: &[Problem]) -> Response {
    let view = browser.view();
    let title = view.say("mailbox-title");
    let account = (view.say("mailbox-account-label"), mailbox.address());
    let body = html! {
        h1 { (title) }
        p { (view.with("mailbox-intro", &[("account", mailbox.address())])) }
        (view.problems(problems))
        (view.form(HERE, &html! {
            (password::fields_of(&view, account, problems))
            p.hint { (view.say("mailbox-provider-rules")) }
            (view.button("mailbox-button"))
        }))
    };
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    browser.show(status, &title, body).await
}

/// Whose mailbox it is; who has none learns it before a passcode is asked for.
async fn owner(mut browser: Browser) -> Result<(Browser, Arc<Account>, MailboxAccount), Response> {
    let account = admitted(&mut browser, Level::Enrolled, HERE).await?;
    let mailbox = match browser.state.portal.mailbox_of(&account.person) {
        MailboxOf::Somebody(mailbox) => mailbox,
        MailboxOf::NoAlumnus => return Err(refuse(browser, "mailbox-only-alumni").await),
        MailboxOf::Nobody => return Err(refuse(browser, "mailbox-none").await),
        MailboxOf::NotHere => return Err(refuse(browser, "mailbox-not-here").await),
    };
    let account = admitted(&mut browser, Level::StepUp, HERE).await?;
    Ok((browser, account, mailbox))
}

async fn show(browser: Browser) -> Shown {
    let (browser, _, mailbox) = owner(browser).await?;
    Ok(respond(browser, &mailbox, &[]).await)
}

async fn set(Posted { browser, fields }: Posted) -> Shown {
    let (browser, account, mailbox) = owner(browser).await?;
    let (portal, visit) = (Arc::clone(&browser.state.portal), browser.visit.clone());
    let (new, again) = (fields.secret("password"), fields.secret("password_again"));
    Ok(match portal.set_mailbox_password(&visit, &account.person, (&new, &again)).await {
        Ok(MailboxSet::Done) => browser.tell(HERE, Told::good("mailbox-changed", &[])).await,
        Ok(MailboxSet::Problems(problems)) => respond(browser, &mailbox, &problems).await,
        Ok(MailboxSet::Told(message)) => {
            let told = Told::good(message, &[("account", mailbox.address())]);
            browser.tell(HERE, Told { problem: true, ..told }).await
        }
        Err(error) => browser.failed(error, HERE).await,
    })
}
