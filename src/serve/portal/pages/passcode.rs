//! The part of a page that asks for a passcode: the ways to get one, or the field for it.

use super::super::view::{Field, View};
use super::moment;
use crate::domain::flow::{Asked, Proving, Shown, Told};
use crate::domain::method::Method;
use crate::engine::portal::passcode::{Answer, Chosen};
use maud::{Markup, html};

/// What a way is called.
pub(super) fn name(view: &View<'_>, shown: &Shown) -> String {
    let method = view.say(&format!("method-{}", shown.method.as_str()));
    match &shown.to {
        Some(to) => view.with("method-to", &[("method", &method), ("destination", to)]),
        None => method,
    }
}

/// Asks; forms go to `base` with `/choose`, `/passcode` and `/other` after it.
pub(super) fn show(view: &View<'_>, proving: &Proving, base: &str) -> Markup {
    match &proving.asked {
        None => choose(view, proving, base),
        Some(asked) => enter(view, (proving, asked), base),
    }
}

fn choose(view: &View<'_>, proving: &Proving, base: &str) -> Markup {
    let minutes = view.browser.visit.config.codes.rules.lifetime.as_secs().div_ceil(60).to_string();
    let sends = proving.offers.iter().any(Shown::is_sent);
    let options = html! {
        fieldset {
            legend { (view.say("choose-heading")) }
            @for (number, shown) in proving.offers.iter().enumerate() {
                div.choice {
                    input type="radio" name="method" id={ "method-" (shown.method.as_str()) }
                        value=(shown.method.as_str()) checked[number == 0];
                    label for={ "method-" (shown.method.as_str()) } { (name(view, shown)) }
                }
            }
        }
        @if sends { p.hint { (view.with("choose-intro", &[("minutes", &minutes)])) } }
        (view.button("continue-button"))
    };
    view.form(&format!("{base}/choose"), &options)
}

fn enter(view: &View<'_>, (proving, asked): (&Proving, &Asked), base: &str) -> Markup {
    let method = asked.shown.method;
    let text = view.with(
        &match method {
            Method::Sent(channel) => format!("enter-sent-{channel}"),
            Method::Factor(kind) => format!("enter-{kind}"),
        },
        &[("destination", asked.shown.to.as_deref().unwrap_or_default())],
    );
    let field = Field {
        name: "passcode",
        label: view.say("passcode"),
        autocomplete: "one-time-code",
        inputmode: if is_digits(method) { "numeric" } else { "text" },
        focus: true,
        ..Field::default()
    };
    html! {
        h2 { (view.say("enter-heading")) }
        p role="status" { (text) @if asked.resent { " " (view.say("resent")) } }
        @if let Some(until) = asked.until { p.hint { (view.with("enter-until", &[("time", &moment(until))])) } }
        (view.form(&format!("{base}/passcode"), &html! { (field.show(view)) (view.button("verify-button")) }))
        div.others {
            @if asked.shown.is_sent() {
                (view.form(&format!("{base}/choose"), &html! {
                    input type="hidden" name="method" value=(method.as_str());
                    button.link type="submit" name="again" value="1" { (view.say("resend-button")) }
                }))
            }
            @if proving.offers.len() > 1 {
                (view.form(&format!("{base}/other"), &html! {
                    button.link type="submit" { (view.say("other-method")) }
                }))
            }
        }
    }
}

/// Whether a telephone should show digits only.
fn is_digits(method: Method) -> bool {
    use crate::domain::factor::FactorKind::{Hotp, Temporary, Totp};
    matches!(method, Method::Sent(_) | Method::Factor(Totp | Hotp | Temporary))
}

/// What is said after a choice, if there is something.
pub(super) fn chosen(chosen: Chosen) -> Option<Told> {
    match chosen {
        Chosen::Asked => None,
        Chosen::NotOffered => Some(Told::problem("step-done-already")),
        Chosen::Limited => Some(Told::problem("send-limited")),
    }
}

/// What is said after a passcode that was not right.
pub(super) fn answered(answer: &Answer) -> Option<Told> {
    match answer {
        Answer::Right(_) => None,
        Answer::Wrong => Some(Told::problem("wrong-passcode")),
        Answer::Limited => Some(Told::problem("wrong-passcode-limited")),
        Answer::Renewed => Some(Told::problem("wrong-passcode-renewed")),
        Answer::Throttled => Some(Told::problem("throttled")),
        Answer::NotAsked => Some(Told::problem("step-done-already")),
    }
}
