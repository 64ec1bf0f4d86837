//! What is shipped names only what is there.

use super::support::read;
use doorward::serve::metrics::{FAMILIES, Kind};
use std::collections::BTreeSet;
use std::path::Path;

fn docs(name: &str) -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name))
}

/// Names in a text that begin like metrics of ours.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter: char| !is_part(letter));
    words.filter(|word| word.starts_with("doorward_")).map(str::to_owned).collect()
}

/// Names that samples have.
fn exported() -> BTreeSet<String> {
    let names = FAMILIES.iter().flat_map(|family| match family.kind {
        Kind::Histogram => ["_bucket", "_sum", "_count"].map(|end| format!("{}{end}", family.name)).to_vec(),
        _ => vec![family.name.to_owned()],
    });
    names.collect()
}

#[test]
fn dashboard_and_alerts_name_only_what_is_exported() {
    let exported = exported();
    for file in ["grafana.json", "alerts.yml"] {
        let named = named(&docs(file));
        assert!(named.len() > 10, "{file}: {named:?}");
        let unknown: Vec<_> = named.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file} names what is not exported: {unknown:?}");
    }
    let dashboard: serde_json::Value = serde_json::from_str(&docs("grafana.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() > 10);
}

#[test]
fn labels_in_dashboard_and_alerts_are_labels_of_their_metric() {
    for file in ["grafana.json", "alerts.yml"] {
        let text = docs(file).replace("\\\"", "\"");
        for (at, _) in text.match_indices("doorward_") {
            let rest = &text[at..];
            let name: String = rest.chars().take_while(|l| l.is_ascii_alphanumeric() || *l == '_').collect();
            let Some(inner) = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next())
            else {
                continue;
            };
            let family = FAMILIES.iter().find(|family| name.starts_with(family.name)).unwrap();
            let written = inner.split("\",").filter_map(|pair| pair.split(['=', '!']).next());
            for label in written.filter(|label| *label != "instance") {
                assert!(family.labels.contains(&label.trim()), "{file}: {name} has no label `{label}`");
            }
        }
    }
}

#[test]
fn table_of_metrics_is_the_one_that_is_exported() {
    let mut table = String::from("| metric | kind | labels | what it says |\n|---|---|---|---|\n");
    for family in FAMILIES {
        let labels = family.labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(" ");
        let (name, kind, help) = (family.name, family.kind.as_str(), family.help);
        table += &format!("| `{name}` | {kind} | {labels} | {help} |\n");
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/monitoring.md");
    let text = read(&path);
    let (before, rest) = text.split_once("<!-- metrics -->\n").unwrap();
    let (written, after) = rest.split_once("<!-- /metrics -->").unwrap();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}<!-- metrics -->\n{table}<!-- /metrics -->{after}")).unwrap();
    } else {
        assert_eq!(written, table, "UPDATE=1 cargo test --test monitoring writes it");
    }
}

#[test]
fn no_label_can_hold_a_person() {
    // What a label's values come from is a closed list or the configuration; a new one must be thought about.
    let known = [
        "version",
        "front",
        "method",
        "outcome",
        "reason",
        "client",
        "purpose",
        "stage",
        "queue",
        "what",
        "section",
        "directory",
        "server",
        "state",
        "result",
        "status",
        "answer",
    ];
    for family in FAMILIES {
        assert!(family.labels.iter().all(|label| known.contains(label)), "{family:?}");
    }
}
