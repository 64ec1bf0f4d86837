//! `[[reply]]` and `[[attribute]]`: attributes that an Access-Accept carries, and those that the dictionary does not know.

use super::mask;
use super::report::At;
use super::section::Section;
use super::tree::{Entry, Value};
use crate::wire::radius::{DataType, Dictionary, EncodedAttribute, ValueError};

/// `[[reply]]`: attributes that an Access-Accept carries.
#[derive(Debug, Clone)]
pub struct ReplyRule {
    /// Only for members of one of these; empty: for everyone.
    pub groups: Vec<String>,
    /// Only at these clients (by name); empty: at all.
    pub clients: Vec<String>,
    /// Ready to send.
    pub attributes: Vec<EncodedAttribute>,
}

/// The standard dictionary with the `[[attribute]]` tables.
pub(super) fn dictionary(root: &Section<'_>) -> Dictionary {
    let mut dictionary = Dictionary::standard();
    for (entries, at) in root.tables("attribute") {
        let section = Section::new("attribute", entries, at, &root.sink);
        let name = section.text("name");
        let vendor = section.number::<u32>("vendor", 0..=0x00ff_ffff);
        let number = section.number::<u8>("number", 1..=255);
        let types = [
            ("string", DataType::String),
            ("octets", DataType::Octets),
            ("integer", DataType::Integer),
            ("ipaddr", DataType::Ipv4Address),
            ("ipv6addr", DataType::Ipv6Address),
            ("ipv6prefix", DataType::Ipv6Prefix),
            ("date", DataType::Date),
            ("integer64", DataType::Integer64),
        ];
        let kind = section.choice("type", &types);
        if let (Some((name, at)), Some(vendor), Some(number), Some(kind)) = (name, vendor, number, kind)
            && !dictionary.add(&name, vendor, number, kind)
        {
            section.error(at, format!("the dictionary has `{name}` already"), "choose another name");
        }
    }
    dictionary
}

/// `[[reply]]` rules with encoded attributes.
pub(super) fn replies(
    root: &Section<'_>,
    dictionary: &Dictionary,
    clients: &[String],
) -> Option<Vec<ReplyRule>> {
    let rule = |(entries, at)| {
        let section = Section::new("reply", entries, at, &root.sink);
        let groups = section.texts("groups")?.into_iter().map(|(group, _)| group).collect();
        let mut names = Vec::new();
        for (name, at) in section.texts("clients")? {
            if !clients.contains(&name) {
                section.error(
                    at,
                    format!("no client is called `{name}`"),
                    format!("there are: {}", clients.join(", ")),
                );
            }
            names.push(name);
        }
        let mut attributes = Vec::new();
        match section.written("attributes").map(|node| &node.value) {
            Some(Value::Table(entries)) => {
                for entry in entries {
                    for (text, at) in values(&section, entry) {
                        match dictionary.encode(&entry.key, &text) {
                            Ok(attribute) => attributes.push(attribute),
                            Err(error) => {
                                let place = if error.is_about_name() { entry.at } else { at };
                                section.error(place, without_secret(&entry.key, &error), "");
                            }
                        }
                    }
                }
            }
            Some(_) | None => section.error(section.at, "a [[reply]] needs a table [reply.attributes]", ""),
        }
        Some(ReplyRule { groups, clients: names, attributes })
    };
    Some(root.tables("reply").into_iter().filter_map(rule).collect())
}

/// The error in words, without the value where that is a secret.
fn without_secret(key: &str, error: &ValueError) -> String {
    match error {
        ValueError::Value { name, wanted, .. } if mask::is_secret(key) => {
            format!("`{name}` wants {wanted}, and this is something else")
        }
        other => other.to_string(),
    }
}

/// Values of one attribute as text.
fn values(section: &Section<'_>, entry: &Entry) -> Vec<(String, At)> {
    let items = match &entry.node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&entry.node),
    };
    let text = |item: &super::tree::Node| match &item.value {
        Value::Text(text) => Some((text.clone(), item.at)),
        Value::Integer(number) => Some((number.to_string(), item.at)),
        other => {
            section.error(
                item.at,
                format!("an attribute is a text or a number, and this is {}", other.kind()),
                "",
            );
            None
        }
    };
    items.iter().filter_map(text).collect()
}
