//! `doorward status`: what is wrong first, then how everything is.

use super::admin::Admin;
use super::output::{Output, plain};
use anyhow::Result;
use serde_json::{Value, json};
use std::process::ExitCode;

type Fields = &'static [(&'static str, &'static str)];

/// Tables, with their titles and fields.
const TABLES: [(&str, &str, Fields); 14] = [
    (
        "directories",
        "directories",
        &[
            ("directory", "directory"),
            ("answers", "up"),
            ("stage", "stage"),
            ("people", "people"),
            ("last change", "last_change"),
            ("loads", "loads"),
            ("failures", "failures"),
            ("conflicts", "conflicts"),
            ("error", "error"),
        ],
    ),
    (
        "servers of directories, and of YubiKeys",
        "servers",
        &[
            ("directory", "directory"),
            ("server", "server"),
            ("answers", "up"),
            ("error", "error"),
            ("asked", "answers"),
        ],
    ),
    (
        "logins at clients",
        "clients",
        &[
            ("client", "client"),
            ("over", "front"),
            ("accept", "accept"),
            ("challenge", "challenge"),
            ("reject", "reject"),
        ],
    ),
    (
        "logins by what and why",
        "reasons",
        &[
            ("over", "front"),
            ("method", "method"),
            ("outcome", "outcome"),
            ("reason", "reason"),
            ("count", "count"),
        ],
    ),
    (
        "flows of the portal",
        "flows",
        &[("flow", "purpose"), ("accept", "accept"), ("challenge", "challenge"), ("reject", "reject")],
    ),
    ("could not be decided", "undecided", &[("over", "name"), ("count", "count")]),
    ("OTPs validated for programs", "validations", &[("status", "name"), ("count", "count")]),
    (
        "how long it takes (bounds, ms)",
        "took",
        &[("what", "what"), ("count", "count"), ("half within", "median_ms"), ("99 % within", "p99_ms")],
    ),
    ("waiting or under way", "queues", &[("what", "name"), ("now", "value"), ("at most", "limit")]),
    ("kept in memory", "kept", &[("what", "name"), ("now", "value"), ("at most", "limit")]),
    ("certificates", "certificates", &[("section", "section"), ("ends", "ends"), ("days left", "days")]),
    (
        "lists of revoked certificates",
        "revocations",
        &[("section", "section"), ("newer one due", "due"), ("ends", "ends"), ("days left", "days")],
    ),
    ("messages", "outbox", &[("state", "name"), ("count", "count")]),
    ("attempts to send them", "sending", &[("result", "name"), ("count", "count")]),
];

impl Admin {
    pub(super) async fn status(&self) -> Result<ExitCode> {
        let answer = self.get("status").await?;
        self.output.show(&answer, text)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn text(out: Output, answer: &Value) -> Result<()> {
    let word = |name: &str| answer.pointer(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ready = if answer["ready"] == true { "logins are answered" } else { "LOGINS CANNOT BE ANSWERED" };
    out.line(&format!("Doorward {}, since {}: {ready}", word("/version"), word("/started")))?;
    for (title, name) in [("wrong", "problems"), ("warning", "warnings")] {
        for said in answer[name].as_array().into_iter().flatten() {
            out.line(&format!("  {title}: {}", plain(said.as_str().unwrap_or_default())))?;
        }
    }
    out.line("")?;
    let writable = if answer["store"]["writable"] == true { "" } else { ", cannot be written" };
    let state = json!({
        "addresses": answer["addresses"],
        "store": format!("{}{writable}", word("/store/state")),
        "redis": answer["redis"],
        "confined": answer["confined"],
        "commits": format!("{} done, {} failed", answer["store"]["commits"], answer["store"]["failed"]),
        "watchers": answer["watchers"],
    });
    let mut fields = vec![("RADIUS on", "addresses"), ("store", "store"), ("commits", "commits")];
    if !answer["redis"].is_null() {
        fields.push(("Redis", "redis"));
    }
    fields.extend([("confined", "confined"), ("watching", "watchers")]);
    out.fields(&state, &fields)?;
    for (title, name, fields) in TABLES {
        let rows = rows(&answer[name]);
        if rows.as_array().is_some_and(|rows| !rows.is_empty()) {
            out.line(&format!("\n{title}:"))?;
            out.rows(&rows, fields)?;
        }
    }
    out.line("\ncounters of RADIUS:")?;
    // Those by reason stand above.
    let counters = rows(&answer["radius"]).as_array().cloned().unwrap_or_default();
    let datagrams = |row: &Value| !row["name"].as_str().is_some_and(|name| name.starts_with("decision."));
    let counters = Value::Array(counters.into_iter().filter(datagrams).collect());
    out.rows(&counters, &[("counter", "name"), ("count", "count")])
}

/// An object of counts as rows; an array as it is.
fn rows(value: &Value) -> Value {
    match value {
        Value::Object(counts) => {
            counts.iter().map(|(name, count)| json!({"name": name, "count": count})).collect()
        }
        other => other.clone(),
    }
}
