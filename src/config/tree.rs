//! The files as one tree in which every value knows where it was written.
//!
//! Layers, later over earlier: the main file, `conf.d/*.toml` beside it in order of name, and environment variables
//! `DOORWARD__SECTION__KEY`. Tables are merged key by key; arrays of tables (`[[client]]`) are appended.

use super::mask;
use super::report::{At, Errors, Source};
use std::path::Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and where it was written. Like [`Value`] and [`Entry`] it is not `Debug`: it may hold a secret.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: At,
}

/// A TOML value.
#[derive(Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Vec<Entry>),
    /// A float or date: no key wants one.
    Other(&'static str),
}

/// A key of a table.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: At,
    pub(super) node: Node,
}

impl Value {
    /// What a person calls it.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Value::Text(_) => "text",
            Value::Integer(_) => "a number",
            Value::Boolean(_) => "true or false",
            Value::List(_) => "a list",
            Value::Table(_) => "a table",
            Value::Other(kind) => kind,
        }
    }
}

/// Reads every layer. What cannot be read or parsed is reported; the rest is there. `None` if the main file cannot be
/// read: whatever else could be said would be about something else.
pub(super) fn read(
    path: &Path,
    env: impl Iterator<Item = (String, String)>,
    errors: &mut Errors,
) -> Option<Vec<Entry>> {
    let mut root = Vec::new();
    let mut files = vec![path.to_owned()];
    let folder = path.parent().unwrap_or(Path::new("")).join("conf.d");
    match std::fs::read_dir(&folder).and_then(Iterator::collect::<std::io::Result<Vec<_>>>) {
        Ok(found) => {
            let toml = |path: &std::path::PathBuf| path.extension().is_some_and(|ending| ending == "toml");
            let mut more: Vec<_> = found.into_iter().map(|entry| entry.path()).filter(toml).collect();
            more.sort();
            files.extend(more);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => errors.plain(format!("{} cannot be read: {error}", folder.display())),
    }
    for file in files {
        match std::fs::read_to_string(&file) {
            Ok(text) => {
                let source = errors.add_source(Source::file(&file, text.clone()));
                merge(&mut root, parse(source, &text, errors));
            }
            Err(error) => {
                errors.plain(format!("{} cannot be read: {error}", file.display()));
                if file == path {
                    return None;
                }
            }
        }
    }
    let mut variables: Vec<_> = env.filter(|(name, _)| name.starts_with("DOORWARD__")).collect();
    variables.sort();
    for (name, value) in variables {
        let text = format!("{name}={value}");
        let start = name.len() + 1;
        let source = errors.add_source(Source::environment(&name, text.clone()));
        let at = At { source, start, end: text.len() };
        let node = literal(&value, at);
        let path: Vec<_> = name.split("__").skip(1).map(str::to_lowercase).collect();
        let layer = nest(&path, At { source, start: 0, end: name.len() }, node);
        mask::lines(source, &text, start, errors);
        mask::tree(&layer, errors);
        merge(&mut root, layer);
    }
    Some(root)
}

fn parse(source: usize, text: &str, errors: &mut Errors) -> Vec<Entry> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    for error in syntax {
        let span = error.span().unwrap_or(0..0);
        let at = At { source, start: span.start, end: span.end };
        errors.at(at, format!("this is not TOML: {}", error.message().trim_end_matches('.')), "");
    }
    let layer = entries(source, table.into_inner());
    mask::lines(source, text, 0, errors);
    mask::tree(&layer, errors);
    layer
}

fn entries(source: usize, table: DeTable<'_>) -> Vec<Entry> {
    let at = |span: std::ops::Range<usize>| At { source, start: span.start, end: span.end };
    let mut entries: Vec<_> = table
        .into_iter()
        .map(|(key, value)| Entry {
            at: at(key.span()),
            key: key.into_inner().into_owned(),
            node: node(source, value),
        })
        .collect();
    entries.sort_by_key(|entry| entry.at.start);
    entries
}

fn node(source: usize, value: Spanned<DeValue<'_>>) -> Node {
    let span = value.span();
    let at = At { source, start: span.start, end: span.end };
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("a number that is too large"), Value::Integer),
        DeValue::Boolean(value) => Value::Boolean(value),
        DeValue::Array(list) => Value::List(list.into_iter().map(|item| node(source, item)).collect()),
        DeValue::Table(table) => Value::Table(entries(source, table)),
        DeValue::Float(_) => Value::Other("a fraction"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Node { value, at }
}

/// A value as written in TOML; anything else is text. For the environment and for defaults.
pub(super) fn literal(text: &str, at: At) -> Node {
    fn place(node: &mut Node, at: At) {
        node.at = at;
        match &mut node.value {
            Value::List(list) => list.iter_mut().for_each(|item| place(item, at)),
            Value::Table(table) => table.iter_mut().for_each(|entry| place(&mut entry.node, at)),
            _ => {}
        }
    }
    let mut node = match DeValue::parse(text) {
        Ok(value) => node(at.source, value),
        Err(_) => Node { value: Value::Text(text.to_owned()), at },
    };
    place(&mut node, at);
    node
}

fn nest(path: &[String], at: At, node: Node) -> Vec<Entry> {
    match path {
        [] => Vec::new(),
        [key] => vec![Entry { key: key.clone(), at, node }],
        [key, rest @ ..] => {
            let table = Node { value: Value::Table(nest(rest, at, node)), at };
            vec![Entry { key: key.clone(), at, node: table }]
        }
    }
}

fn merge(into: &mut Vec<Entry>, layer: Vec<Entry>) {
    for entry in layer {
        match into.iter_mut().find(|known| known.key == entry.key) {
            None => into.push(entry),
            Some(known) => match (&mut known.node.value, entry.node.value) {
                (Value::Table(known), Value::Table(new)) => merge(known, new),
                (Value::List(known), Value::List(new)) if is_tables(known) && is_tables(&new) => {
                    known.extend(new)
                }
                (_, value) => {
                    known.at = entry.at;
                    known.node = Node { value, at: entry.node.at };
                }
            },
        }
    }
}

/// The entries of a table with those of another in place of them.
pub(super) fn over(below: &[Entry], above: &[Entry]) -> Vec<Entry> {
    let mut entries = below.to_vec();
    merge(&mut entries, above.to_vec());
    entries
}

fn is_tables(list: &[Node]) -> bool {
    !list.is_empty() && list.iter().all(|node| matches!(node.value, Value::Table(_)))
}
