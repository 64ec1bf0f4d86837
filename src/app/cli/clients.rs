//! `doorward client`: keys of applications.

use super::admin::Admin;
use super::commands::Client as Command;
use crate::app::client::Send;
use crate::base::percent_encode as segment;
use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

const FIELDS: [(&str, &str); 5] = [
    ("application", "client"),
    ("known by", "identify"),
    ("key", "id"),
    ("created", "created"),
    ("until", "expires"),
];

/// One row for each key, and one for each application without any.
fn rows(answer: &Value) -> Value {
    let mut rows = Vec::new();
    for client in answer["clients"].as_array().into_iter().flatten() {
        let row = |key: &Value| {
            json!({
                "client": client["name"], "identify": client["identify"],
                "id": key["id"], "created": key["created"], "expires": key["expires"],
            })
        };
        match client["keys"].as_array().map(Vec::as_slice) {
            None | Some([]) => rows.push(row(&Value::Null)),
            Some(keys) => rows.extend(keys.iter().map(row)),
        }
    }
    Value::Array(rows)
}

impl Admin {
    pub(super) async fn client(&self, command: Command) -> Result<ExitCode> {
        let out = self.output;
        match command {
            Command::List => {
                let answer = self.get("clients").await?;
                out.show(&answer, |out, answer| {
                    out.rows(&rows(answer), &FIELDS)?;
                    out.warnings(answer)
                })?;
            }
            Command::Add { name } => {
                let path = format!("clients/{}/keys", segment(&name));
                let answer = self.client.call(Method::POST, &path, Send::Json(json!({}))).await?;
                self.new_key(&answer)?;
            }
            Command::Rotate { name, grace_hours } => {
                let path = format!("clients/{}/rotate", segment(&name));
                let body = json!({"grace_seconds": grace_hours * 3600});
                let answer = self.client.call(Method::POST, &path, Send::Json(body)).await?;
                self.new_key(&answer)?;
            }
            Command::Revoke { id } => {
                let path = format!("client-keys/{}", segment(&id));
                self.client.call(Method::DELETE, &path, Send::Nothing).await?;
                out.show(&json!({"revoked": id}), |out, _| {
                    out.line("It is revoked, with every token that was signed for it.")
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn new_key(&self, answer: &Value) -> Result<()> {
        self.output.show(answer, |out, answer| {
            let text = |name: &str| answer[name].as_str().unwrap_or_default();
            out.fields(answer, &[("id", "id"), ("secret", "secret"), ("as one", "key")])?;
            if !text("older_until").is_empty() {
                out.line(&format!("\nOlder keys of this application count until {}.", text("older_until")))?;
            }
            out.line("\nIt is not shown again.")
        })
    }
}
