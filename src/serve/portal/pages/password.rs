//! The part of a page where a new password is chosen (R-RESET-4, R-RESET-5).

use super::super::view::{Field, View};
use crate::engine::portal::Problem;
use maud::{Markup, html};

/// The username, the rules, and the new password twice.
pub(super) fn fields(view: &View<'_>, username: &str, problems: &[Problem]) -> Markup {
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
        div.field {
            label for="username" { (view.say("userid")) }
            input id="username" name="username" type="text" value=(username) readonly autocomplete="username";
        }
        (rules(view))
        div.new-password data-show=(view.say("show-password")) { (password.show(view)) (again.show(view)) }
    }
}

/// What a new password must be.
pub(super) fn rules(view: &View<'_>) -> Markup {
    let settings = &view.browser.visit.config.password;
    let (min, max) = (settings.min_length.to_string(), settings.max_length.to_string());
    html! {
        p id="rules-heading" { (view.say("requirements-heading")) }
        ul.rules aria-labelledby="rules-heading" data-min=(min) {
            li data-rule="length" { (view.with("requirement-length", &[("min", &min), ("max", &max)])) }
            li data-rule="username" { (view.say("requirement-username")) }
            li data-rule="words" { (view.say("requirement-words")) }
            li data-rule="common" { (view.say("requirement-common")) }
            li data-rule="pattern" { (view.say("requirement-pattern")) }
        }
    }
}
