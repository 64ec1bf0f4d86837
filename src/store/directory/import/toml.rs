//! TOML to raw people.

use super::{Errors, KEYS, Lines, Raw};
use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};

/// Reads every `[[person]]`; tells of whatever else there is.
pub(super) fn read(text: &str, errors: &mut Errors) -> Vec<Raw> {
    let lines = Lines::of(text);
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        // `Display` of the error would show the line, which may hold a password.
        let line = error.span().map_or(1, |span| lines.at(span.start));
        errors.add(line, format!("this is not TOML: {}", error.message()));
    }
    if !syntax.is_empty() {
        return Vec::new();
    }
    let mut raws = Vec::new();
    for (key, value) in document.get_ref() {
        let line = lines.at(key.span().start);
        let people = match (key.get_ref().as_ref(), value.get_ref()) {
            ("person", DeValue::Array(people)) => people,
            ("person", _) => {
                errors.add(line, "write [[person]] with two brackets");
                continue;
            }
            (other, _) => {
                errors.add(line, format!("there is no {other:?} here, only [[person]]"));
                continue;
            }
        };
        for person in people.iter() {
            let line = lines.at(person.span().start);
            match person.get_ref() {
                DeValue::Table(table) => raws.push(person_of(table, line, &lines, errors)),
                _ => errors.add(line, "a person is a table: [[person]]"),
            }
        }
    }
    raws
}

fn person_of(table: &DeTable<'_>, line: usize, lines: &Lines, errors: &mut Errors) -> Raw {
    let mut raw = Raw { line, ..Raw::default() };
    for (key, value) in table {
        let (name, line) = (key.get_ref().as_ref(), lines.at(key.span().start));
        if !KEYS.contains(&name) {
            errors.add(line, format!("there is no key {name:?}; the keys are {}", KEYS.join(", ")));
            continue;
        }
        match value.get_ref() {
            DeValue::String(text) => raw.set(name, text),
            DeValue::Array(names) if matches!(name, "roles" | "groups") => match texts(names.iter()) {
                Some(names) if name == "roles" => raw.roles = names,
                Some(names) => raw.groups = names,
                None => errors.add(line, format!("{name}: every element must be a text in quotes")),
            },
            _ => errors.add(line, format!("{name}: the value must be a text in quotes")),
        }
    }
    raw
}

/// The array's texts, without spaces around them and without empty ones.
fn texts<'a, 'i: 'a>(values: impl Iterator<Item = &'a Spanned<DeValue<'i>>>) -> Option<Vec<String>> {
    let text = |value: &Spanned<DeValue<'_>>| value.get_ref().as_str().map(|text| text.trim().to_owned());
    let names: Option<Vec<String>> = values.map(text).collect();
    names.map(|names| names.into_iter().filter(|name| !name.is_empty()).collect())
}
