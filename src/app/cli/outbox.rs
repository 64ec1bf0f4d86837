//! `doorward outbox`: messages on their way out.

use super::admin::Admin;
use super::commands::Outbox;
use crate::base::percent_encode as segment;
use anyhow::Result;
use serde_json::{Value, json};
use std::process::ExitCode;

const FIELDS: [(&str, &str); 9] = [
    ("created", "created"),
    ("person", "person"),
    ("over", "channel"),
    ("to", "destination"),
    ("state", "state"),
    ("attempts", "attempts"),
    ("provider", "provider"),
    ("detail", "detail"),
    ("id", "id"),
];

impl Admin {
    pub(super) async fn outbox(&self, command: Outbox) -> Result<ExitCode> {
        let Outbox::List { state, user, before, limit } = command;
        let part = |name: &str, value: Option<String>| {
            value.map(|value| format!("&{name}={}", segment(&value))).unwrap_or_default()
        };
        let rest = part("state", state) + &part("username", user) + &part("before", before);
        let answer = self.get(&format!("outbox?limit={limit}{rest}")).await?;
        self.output.show(&answer, |out, answer| {
            out.rows(&answer["messages"], &FIELDS)?;
            if out.is_terminal() {
                let counts = answer["counts"].as_object().into_iter().flatten();
                let rows: Vec<_> =
                    counts.map(|(name, count)| json!({"name": name, "count": count})).collect();
                out.rows(&Value::Array(rows), &[("all that are", "name"), ("count", "count")])?;
            }
            Ok(())
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
