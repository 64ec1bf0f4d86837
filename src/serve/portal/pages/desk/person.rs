//! The page of a person: what a clerk may see of them, and the forms for what may be done. What may not be done now is not
//! offered; that it is not is decided by the same table that decides when a form comes.

use super::super::super::view::{Field, View};
use super::super::{moment, staff};
use super::{address, stamp};
use crate::base::Secret;
use crate::domain::contact::ContactKind;
use crate::domain::desk::{Action, Denied, Staff, Subject, may};
use crate::domain::factor::{Factor, FactorKind, FactorState};
use crate::domain::person::{Person, Role};
use crate::domain::question::QuestionId;
use crate::engine::portal::desk::{Case, Target};
use crate::engine::portal::passcode::masked;
use crate::store::CounterState;
use maud::{Markup, html};

/// Whether the help-desk question is on the page.
pub(super) enum Question {
    /// Not asked for.
    Hidden,
    /// There is none.
    Missing,
    /// With its answer.
    Shown(QuestionId, Secret<String>),
}

/// Title and content.
pub(super) fn page(view: &View<'_>, clerk: Staff, case: &Case, question: &Question) -> (String, Markup) {
    let person = &case.person;
    let base = address(person.username.as_str());
    let offered = |action| may(clerk, action, &case.subject).is_ok();
    let title = view.with("desk-person", &[("username", person.username.as_str())]);
    let body = html! {
        h1 { (title) }
        (facts(view, case))
        h2 { (view.say("desk-verify-heading")) }
        (verification(view, case, question, &base))
        h2 { (view.say("factors-heading")) }
        (factors(view, &case.factors, offered(Action::Revoke), &base))
        h2 { (view.say("desk-code-heading")) }
        (codes(view, &case.destinations, may(clerk, Action::SendCode, &case.subject), &base))
        h2 { (view.say("desk-account-heading")) }
        (account(view, clerk, &case.subject, &base))
        p { a href="/desk" { (view.say("desk-find")) } }
    };
    (title, body)
}

fn facts(view: &View<'_>, case: &Case) -> Markup {
    let person = &case.person;
    let roles: Vec<String> = person.roles.iter().map(|role| staff::role(view, Some(*role))).collect();
    html! {
        dl.facts {
            @if !person.name.is_empty() { dt { (view.say("desk-name")) } dd { (person.name) } }
            dt { (view.say("desk-status")) }
            dd {
                (view.say(&format!("status-{}", person.status.as_str())))
                @if let Some(end) = person.valid_until { " · " (view.with("desk-valid-until", &[("time", &stamp(end))])) }
            }
            dt { (view.say("desk-roles")) }
            dd { @if roles.is_empty() { (staff::role(view, None::<Role>)) } @else { (roles.join(", ")) } }
            dt { (view.say("desk-groups")) }
            dd { @if person.groups.is_empty() { "–" } @else { (person.groups.join(", ")) } }
            dt { (view.say("desk-contacts")) }
            dd { (contacts(view, case)) }
            dt { (view.say("desk-registered")) }
            dd { @match case.profile.registered { Some(at) => (stamp(at)), None => (view.say("desk-not-registered")) } }
            dt { (view.say("desk-failures")) }
            dd { (failures(view, case)) }
        }
    }
}

/// Never whole: the end of a number, the frame of an address.
fn contacts(view: &View<'_>, case: &Case) -> Markup {
    let directory = [
        (ContactKind::Phone, case.person.phone.as_deref()),
        (ContactKind::Email, case.person.email.as_deref()),
    ];
    let from_directory: Vec<String> = directory
        .into_iter()
        .filter_map(|(kind, value)| value.map(|value| shown(view, kind, value)))
        .filter(|value| !value.is_empty())
        .collect();
    html! {
        ul.plain {
            @for contact in &case.profile.contacts {
                @if let Some(value) = &contact.proven { li { (masked(contact.kind, value)) } }
                @if let Some(value) = &contact.waiting {
                    li { (view.with("contact-waiting", &[("value", &masked(contact.kind, value))])) }
                }
            }
            @for value in &from_directory { li { (view.with("desk-of-directory", &[("value", value)])) } }
        }
    }
}

/// A directory's numbers may be written in any way.
fn shown(view: &View<'_>, kind: ContactKind, value: &str) -> String {
    let country = view.browser.visit.config.codes.country;
    match kind {
        ContactKind::Email => masked(kind, value),
        ContactKind::Mobile | ContactKind::Phone => crate::domain::contact::Phone::parse(value, country)
            .map(|phone| phone.masked())
            .unwrap_or_default(),
    }
}

fn failures(view: &View<'_>, case: &Case) -> Markup {
    let name = |state: &CounterState| {
        let known = case.factors.iter().find(|factor| factor.id.to_string() == state.counter);
        known.map_or_else(|| view.say(&format!("counter-{}", state.counter)), |factor| factor.label.clone())
    };
    let now = view.browser.state.portal.clock.now();
    html! {
        @if case.failures.is_empty() { (view.say("desk-failures-none")) }
        @else { ul.plain { @for state in &case.failures {
            li {
                (name(state)) ": " (state.failures.count)
                @if state.failures.blocked_until > now {
                    " · " (view.with("desk-blocked", &[("time", &stamp(state.failures.blocked_until))]))
                }
            }
        } } }
    }
}

fn verification(view: &View<'_>, case: &Case, question: &Question, base: &str) -> Markup {
    let reason = Field {
        name: "reason",
        label: view.say("desk-reason"),
        autocomplete: "off",
        hint: view.say("desk-reason-hint"),
        optional: true,
        ..Field::default()
    };
    html! {
        p role="status" {
            @match case.verified {
                Some(until) => (view.with("desk-verified", &[("time", &moment(until))])),
                None => (view.say("desk-not-verified")),
            }
        }
        @match question {
            Question::Hidden => {
                p.hint { (view.say("desk-question-hint")) }
                (view.form(&format!("{base}/question"), &view.button("desk-question-button")))
            }
            Question::Missing => p role="status" { (view.say("desk-question-none")) },
            Question::Shown(question, answer) => dl.facts role="status" {
                dt { (asked(view, &case.person, question)) }
                dd { (answer.expose()) }
            },
        }
        (view.form(&format!("{base}/verified"), &html! { (reason.show(view)) (view.button("desk-verified-button")) }))
    }
}

/// The question as its person has read it: other campuses may have other ones than the clerk's.
fn asked(view: &View<'_>, person: &Person, question: &QuestionId) -> String {
    let visit = &view.browser.visit;
    let home = visit.of(person).config;
    let name = format!("question-{question}");
    let all = [&home, &visit.config, &visit.all].into_iter().chain(&visit.all.branches);
    let mut said = all.map(|config| config.portal.words.choose(Some(&visit.language), "").say(&name, &[]));
    // What a catalogue does not have it says by its name.
    said.find(|said| *said != name)
        .unwrap_or_else(|| view.with("desk-question-unknown", &[("name", question.as_str())]))
}

fn kind(view: &View<'_>, kind: FactorKind) -> String {
    match kind {
        FactorKind::Pin => view.say("app-pin"),
        other => view.say(&format!("method-{other}")),
    }
}

fn factors(view: &View<'_>, factors: &[Factor], revocable: bool, base: &str) -> Markup {
    html! {
        @if factors.is_empty() { p { (view.say("desk-factors-none")) } }
        @else { div.wide tabindex="0" role="region" aria-label=(view.say("factors-heading")) { table {
            thead { tr {
                th scope="col" { (view.say("factor-kind")) }
                th scope="col" { (view.say("factor-name")) }
                th scope="col" { (view.say("factor-since")) }
                @if revocable { td {} }
            } }
            tbody { @for factor in factors { tr {
                td { (kind(view, factor.kind)) @if factor.state == FactorState::Pending { " · " (view.say("desk-pending")) } }
                td { (factor.label) }
                td { (stamp(factor.created)) }
                @if revocable { td { details {
                    summary { (view.say("desk-revoke-button")) span.unseen { " " (factor.label) } }
                    p { (view.with("factor-revoke-heading", &[("name", &factor.label)])) }
                    (view.form(&format!("{base}/revoke"), &html! {
                        input type="hidden" name="factor" value=(factor.id);
                        (view.button("desk-revoke-button"))
                    }))
                } } }
            } } }
        } } }
    }
}

fn codes(view: &View<'_>, targets: &[Target], offered: Result<(), Denied>, base: &str) -> Markup {
    html! {
        p.hint { (view.say("desk-code-hint")) }
        @if targets.is_empty() { p { (view.say("desk-nowhere")) } }
        @else if let Err(denied) = offered {
            p { (view.say(if denied == Denied::NotVerified { "desk-not-verified" } else { "desk-not-now" })) }
        }
        @else { @for target in targets {
            @let method = view.say(&format!("method-{}", target.channel));
            @let to = view.with("method-to", &[("method", &method), ("destination", &target.destination.masked)]);
            fieldset {
                legend { (to) }
                div.others {
                    (target_form(view, target, &format!("{base}/code"), &view.with("desk-code-button", &[("destination", &target.destination.masked)])))
                    (target_form(view, target, &format!("{base}/reset"), &view.with("desk-reset-to", &[("destination", &target.destination.masked)])))
                }
            }
        } }
    }
}

fn target_form(view: &View<'_>, target: &Target, action: &str, text: &str) -> Markup {
    view.form(
        action,
        &html! {
            input type="hidden" name="destination" value=(target.name);
            button.second type="submit" { (text) }
        },
    )
}

fn account(view: &View<'_>, clerk: Staff, subject: &Subject, base: &str) -> Markup {
    let offered = |action| may(clerk, action, subject).is_ok();
    html! {
        @if offered(Action::Unlock) {
            p.hint { (view.say("desk-unlock-hint")) }
            (view.form(&format!("{base}/unlock"), &view.button("desk-unlock-button")))
        }
        @if offered(Action::Lock) {
            p.hint { (view.say("desk-lock-hint")) }
            (view.form(&format!("{base}/lock"), &view.button("desk-lock-button")))
        }
        @if !offered(Action::Unlock) && !offered(Action::Lock) { p { (view.say("desk-not-now")) } }
    }
}
