//! The part of a page where a new password is chosen (R-RESET-4, R-RESET-5).

use super::super::view::{Field, View};
use crate::domain::password::Requirement;
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
