//! `[[campus]]`: what is different at one of several campuses (R-TOP-5). A campus has whole settings of its own, those of all with its
//! tables laid over them, so that whoever has them need not know that there are others.

use super::directory::Directory;
use super::files::Files;
use super::report::At;
use super::section::Section;
use super::tree::{self, Entry, Value};
use super::{Config, message, portal, registration};
use crate::domain::campus::{Campus, Campuses, bare};
use std::sync::Arc;

/// Adds the campuses to the settings of all.
pub(super) fn campuses(root: &Section<'_>, files: &Files<'_>, mut config: Config) -> Option<Config> {
    let mut found = Vec::new();
    let mut branches = Vec::new();
    let mut complete = true;
    for (entries, at) in root.tables("campus") {
        let section = Section::new("campus", entries, at, &root.sink);
        let campus = campus(&section, &config.directories, &found);
        let branch = branch(root, &section, files, &config);
        match campus.zip(branch) {
            Some((campus, branch)) => {
                let name = Some(campus.name.clone());
                branches.push(Config { campus: name, ..branch });
                found.push(campus);
            }
            None => complete = false,
        }
    }
    let all = Arc::new(Campuses(found));
    config.campuses = Arc::clone(&all);
    let with_all = |branch| Arc::new(Config { campuses: Arc::clone(&all), ..branch });
    config.branches = branches.into_iter().map(with_all).collect();
    complete.then_some(config)
}

/// Whose people and which hosts: each belongs to one campus.
fn campus(section: &Section<'_>, directories: &[Arc<Directory>], others: &[Campus]) -> Option<Campus> {
    let name = name(section, others);
    let realms = list(section, "realms", |text, at| {
        let text = text.trim_start_matches('@').to_lowercase();
        let other = others.iter().find(|other| other.realms.contains(&text));
        taken(section, (&text, at), other)?;
        host(section, "realm", "such as \"north.example.edu\"", (text, at))
    });
    let from = list(section, "directories", |text, at| {
        if directories.iter().all(|known| known.name != text) {
            let known: Vec<_> = directories.iter().map(|directory| directory.name.as_str()).collect();
            let hint = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
            section.error(at, format!("no directory is called `{text}`"), hint);
            return None;
        }
        taken(section, (&text, at), others.iter().find(|other| other.directories.contains(&text)))?;
        Some(text)
    });
    let hosts = list(section, "hosts", |text, at| {
        let other = others.iter().find(|other| other.hosts.contains(&text.to_lowercase()));
        taken(section, (&text, at), other)?;
        host(section, "host", "the host alone, such as \"toolkit.north.example.edu\"", (text, at))
    });
    let (realms, from, hosts) = (realms?, from?, hosts?);
    if realms.is_empty() && from.is_empty() && hosts.is_empty() {
        let hint = "name `realms` or `directories` of its people, or `hosts` of its pages";
        section.error(section.at, "nothing belongs to this campus", hint);
        return None;
    }
    Some(Campus { name: name?, realms, directories: from, hosts })
}

fn name(section: &Section<'_>, others: &[Campus]) -> Option<String> {
    let (name, at) = section.text("name")?;
    let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.is_empty() || name.len() > 32 || !name.bytes().all(fine) {
        let hint = "lower-case letters, digits and dashes, at most 32";
        section.error(at, format!("`{name}` is no name of a campus"), hint);
        return None;
    }
    if others.iter().any(|other| other.name == name) {
        section.error(at, format!("two campuses are called `{name}`"), "names are unique");
        return None;
    }
    Some(name)
}

/// Every text that `fits`; `None` if one does not. All of them are looked at.
fn list(
    section: &Section<'_>,
    key: &str,
    fits: impl Fn(String, At) -> Option<String>,
) -> Option<Vec<String>> {
    let texts = section.texts(key)?;
    let good: Vec<_> = texts.into_iter().map(|(text, at)| fits(text, at)).collect();
    good.into_iter().collect()
}

fn taken(section: &Section<'_>, (text, at): (&str, At), other: Option<&Campus>) -> Option<()> {
    let Some(other) = other else { return Some(()) };
    let message = format!("`{text}` belongs to campus `{}` already", other.name);
    section.error(at, message, "each belongs to one campus");
    None
}

fn host(section: &Section<'_>, what: &str, wanted: &str, (text, at): (String, At)) -> Option<String> {
    let fine = |c: char| c.is_alphanumeric() || ".-".contains(c);
    if text.is_empty() || bare(&text) != text.to_lowercase() || !text.chars().all(fine) {
        section.error(at, format!("`{text}` is no {what}"), wanted);
        return None;
    }
    Some(text.to_lowercase())
}

/// The entries of a table of this name here.
fn entries<'t>(section: &Section<'t>, key: &str) -> &'t [Entry] {
    match section.written(key).map(|node| &node.value) {
        Some(Value::Table(entries)) => entries,
        _ => &[],
    }
}

/// Settings of all, with what this campus has different.
fn branch(root: &Section<'_>, section: &Section<'_>, files: &Files<'_>, all: &Config) -> Option<Config> {
    for key in ["institution", "message", "portal", "registration", "activation"] {
        if let Some(node) = section.written(key).filter(|node| !matches!(node.value, Value::Table(_))) {
            let hint = format!("as in [campus.{key}]");
            section.error(node.at, format!("`{key}` wants a table"), hint);
            return None;
        }
    }
    let laid = |key: &'static str| tree::over(entries(root, key), entries(section, key));
    let (institution, message) = (laid("institution"), laid("message"));
    let (registration, activation) = (laid("registration"), laid("activation"));
    let read = |name: &'static str, entries| Section::new(name, entries, section.place(name), &root.sink);
    let catalogue = message::both(&read("institution", &institution), &read("message", &message));
    let own = Section::new("campus.portal", entries(section, "portal"), section.at, &root.sink).inheriting();
    let portal = portal::at_campus(&own, &root.table("portal"), files, &all.portal);
    let words = portal.as_ref().map(|portal| &*portal.words);
    let registration = registration::registration(&read("registration", &registration), words);
    let activation = registration::activation(&read("activation", &activation));
    Some(Config {
        catalogue: Arc::new(catalogue?),
        portal: portal?,
        registration: registration?,
        activation: activation?,
        ..all.clone()
    })
}
