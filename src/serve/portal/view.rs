//! What every page has: its frame, its headers, and the parts that forms are made of.

use super::browser::Browser;
use crate::domain::desk::Area;
use crate::domain::texts::Institution;
use crate::domain::words::Language;
use crate::engine::portal::Problem;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
};
use axum::http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::response::{Html, Response};
use maud::{DOCTYPE, Markup, html};

/// Nothing but what is served here, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// How the star of a field that must be filled in begins.
const STAR: &str = "<span class=\"star\"";

/// Words and values of a page.
pub(super) struct View<'b> {
    pub(super) browser: &'b Browser,
    language: &'b Language,
    institution: &'b Institution,
}

impl<'b> View<'b> {
    pub(super) fn new(browser: &'b Browser) -> Self {
        Self {
            browser,
            language: browser.language(),
            institution: &browser.visit.config.catalogue.institution,
        }
    }

    /// A message.
    pub(super) fn say(&self, name: &str) -> String {
        self.with(name, &[])
    }

    /// A message with values.
    pub(super) fn with(&self, name: &str, values: &[(&str, &str)]) -> String {
        let Institution { name: institution, campus, support_name, support_phone, support_email, .. } =
            self.institution;
        let helper =
            if support_name.is_empty() { self.language.say("help-desk", &[]) } else { support_name.clone() };
        let mut all = vec![
            ("institution", institution.as_str()),
            ("campus", campus.as_str()),
            ("support-name", helper.as_str()),
            ("support-phone", support_phone.as_str()),
            ("support-email", support_email.as_str()),
        ];
        all.extend_from_slice(values);
        self.language.say(name, &all)
    }

    fn problem(&self, problem: &Problem) -> String {
        let values: Vec<_> = problem.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.with(&problem.message, &values)
    }

    /// A form of this page. What its stars mean is said where there are several.
    pub(super) fn form(&self, action: &str, body: &Markup) -> Markup {
        let stars = body.0.matches(STAR).count();
        html! {
            form method="post" action=(action) novalidate {
                input type="hidden" name="form" value=(self.browser.token());
                @if stars > 1 { p.note { (self.say("required-note")) } }
                (body)
            }
        }
    }

    /// A button that sends its form.
    pub(super) fn button(&self, name: &str) -> Markup {
        html! { button type="submit" { (self.say(name)) } }
    }

    /// The policies to agree to, wherever a username is entered (R-TOP-3).
    pub(super) fn acceptable_use(&self) -> Markup {
        html! {
            @if let Some(policy) = &self.browser.visit.config.portal.acceptable_use {
                p.note { (self.say("acceptable-use")) " " a href=(policy.url) { (self.say("acceptable-use-link")) } "." }
            }
        }
    }

    /// What is wrong with one field, right at it.
    pub(super) fn wrong(&self, name: &str, problems: &[Problem]) -> Markup {
        html! {
            @if problems.iter().any(|problem| problem.field == name) {
                p.wrong id={ (name) "-problem" } {
                    @for problem in problems.iter().filter(|problem| problem.field == name) { (self.problem(problem)) " " }
                }
            }
        }
    }

    /// Id of what [`Self::wrong`] shows, for the field that it is about.
    pub(super) fn wrong_id(name: &str, problems: &[Problem]) -> Option<String> {
        problems.iter().any(|problem| problem.field == name).then(|| format!("{name}-problem"))
    }

    /// Everything that is wrong with a form, at its top, each leading to its field.
    pub(super) fn problems(&self, problems: &[Problem]) -> Markup {
        html! {
            @if !problems.is_empty() {
                div.problem role="alert" tabindex="-1" id="problems" aria-labelledby="problems-heading" {
                    h2 id="problems-heading" { (self.say("error-heading")) }
                    ul { @for problem in problems { li { a href={ "#" (problem.field) } { (self.problem(problem)) } } } }
                }
            }
        }
    }
}

/// A field of a form.
#[derive(Debug, Default)]
pub(super) struct Field<'f> {
    /// Name and id.
    pub(super) name: &'f str,
    /// Text above it.
    pub(super) label: String,
    /// Type of the input: `text` if empty.
    pub(super) kind: &'f str,
    /// What is in it.
    pub(super) value: &'f str,
    /// What browsers may fill in.
    pub(super) autocomplete: &'f str,
    /// Which keys a telephone shows.
    pub(super) inputmode: &'f str,
    /// Text below it.
    pub(super) hint: String,
    /// Whether it can be left empty.
    pub(super) optional: bool,
    /// What is wrong with it.
    pub(super) problems: &'f [Problem],
    /// Whether the page begins there.
    pub(super) focus: bool,
}

impl Field<'_> {
    pub(super) fn show(&self, view: &View<'_>) -> Markup {
        let Field { name, label, kind, value, hint, .. } = self;
        let kind = if kind.is_empty() { "text" } else { kind };
        let (hint_id, wrong_id) = (format!("{name}-hint"), View::wrong_id(name, self.problems));
        let wrong = wrong_id.is_some();
        // What was told about the step before is about the one field that the page begins with.
        let told = view.browser.session.told.as_ref().filter(|told| told.problem && self.focus);
        let parts =
            [told.map(|_| "told"), wrong_id.as_deref(), (!hint.is_empty()).then_some(hint_id.as_str())];
        let about = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
        html! {
            div.field {
                label for=(name) { (label) @if !self.optional { span.star aria-hidden="true" { " *" } } }
                (view.wrong(name, self.problems))
                input id=(name) name=(name) type=(kind) value=[(!value.is_empty()).then_some(value)]
                    autocomplete=[(!self.autocomplete.is_empty()).then_some(self.autocomplete)]
                    inputmode=[(!self.inputmode.is_empty()).then_some(self.inputmode)]
                    aria-describedby=[(!about.is_empty()).then_some(about)] aria-invalid=[wrong.then_some("true")]
                    required[!self.optional] autofocus[self.focus]
                    autocapitalize="none" spellcheck="false";
                @if !hint.is_empty() { p.hint id=(hint_id) { (hint) } }
            }
        }
    }
}

/// A whole page.
pub(super) fn page(view: &View<'_>, title: &str, body: &Markup) -> Html<String> {
    let Browser { session, visit, path, .. } = view.browser;
    let Institution { name, campus, support_name, support_phone, support_email, faq, .. } = view.institution;
    let told = session.told.as_ref();
    let version = super::assets::version(&visit.config);
    let markup = html! {
        (DOCTYPE)
        html lang=(visit.language) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – " (name) }
                link rel="stylesheet" href={ "/assets/style.css" (version) };
                script src={ "/assets/portal.js" (version) } defer {}
            }
            body {
                a.skip href="#content" { (view.say("skip-to-content")) }
                header {
                    a.brand href="/" {
                        @if visit.config.portal.logo.is_some() { img src=(super::assets::logo_path(&visit.config)) alt=(name) height="40"; }
                        @else { span { (name) } }
                        @if !campus.is_empty() { span.campus { (campus) } }
                    }
                    nav aria-label=(view.say("toolkit-title")) {
                        a href="/" { (view.say("home")) }
                        @if let Some(who) = &session.who {
                            a href="/security" { (view.say("my-security")) }
                            @if let Some(staff) = who.staff {
                                a href="/desk" { (view.say("help-desk")) }
                                @if staff.may_enter(Area::Administration) {
                                    a href="/administration" { (view.say("administration")) }
                                }
                            }
                            span.who { (view.with("signed-in-as", &[("username", &who.username)])) }
                            (view.form("/sign-out", &html! { button.link type="submit" { (view.say("sign-out")) } }))
                        } @else {
                            a href="/sign-in" { (view.say("sign-in")) }
                        }
                    }
                }
                main id="content" tabindex="-1" {
                    @if let Some(told) = told {
                        @let values: Vec<_> = told.values.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                        div id="told" class=(if told.problem { "told problem" } else { "told good" })
                            role=(if told.problem { "alert" } else { "status" }) { p { (view.with(&told.name, &values)) } }
                    }
                    (body)
                }
                @if session.who.is_some() || session.reset.is_some() || session.activation.is_some() {
                    p.note.expiry role="status" data-idle=(visit.config.portal.idle.as_secs())
                        data-warning=(view.say("session-warning")) data-over=(view.say("session-over"))
                        data-stay=(view.say("session-stay")) {
                        (view.with("session-ends", &[("minutes", &(visit.config.portal.idle.as_secs() / 60).to_string())]))
                    }
                }
                footer {
                    section aria-labelledby="support" {
                        h2 id="support" { (view.say("support-heading")) }
                        ul {
                            @if !faq.is_empty() { li { a href=(faq) { (view.say("support-faq")) } } }
                            @if !support_name.is_empty() { li { (support_name) } }
                            @if !support_phone.is_empty() { li { a href={ "tel:" (digits(support_phone)) } { (support_phone) } } }
                            @if !support_email.is_empty() { li { a href={ "mailto:" (support_email) } { (support_email) } } }
                        }
                    }
                    @if view.browser.state.sent.is_some() { p { a href="/sent" { (view.say("demo-sent")) } } }
                    nav aria-label=(view.say("language")) {
                        @for language in visit.config.portal.words.languages() {
                            a href={ "/language/" (language.tag()) "?next=" (path) } lang=(language.tag()) hreflang=(language.tag())
                                aria-current=[(language.tag() == visit.language).then_some("true")] {
                                (language.say("language-name", &[]))
                            }
                        }
                    }
                }
            }
        }
    };
    Html(markup.into_string())
}

fn digits(phone: &str) -> String {
    phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
}

/// Headers of every answer.
pub(super) async fn headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = HeaderValue::from_static;
    headers.insert(CONTENT_SECURITY_POLICY, fixed(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(X_FRAME_OPTIONS, fixed("DENY"));
    headers.insert(REFERRER_POLICY, fixed("same-origin"));
    headers.insert(STRICT_TRANSPORT_SECURITY, fixed("max-age=31536000"));
    headers.insert("cross-origin-opener-policy", fixed("same-origin"));
    headers.insert("permissions-policy", fixed("camera=(), geolocation=(), microphone=()"));
    headers.entry(CACHE_CONTROL).or_insert(fixed("no-store"));
    response
}
