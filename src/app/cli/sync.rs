//! `doorward sync`: directories that people come from.

use super::admin::Admin;
use super::commands::{Sync, SyncCommand};
use crate::app::client::Send;
use anyhow::Result;
use hyper::Method;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::process::ExitCode;

impl Admin {
    pub(super) async fn sync(&self, command: Sync) -> Result<ExitCode> {
        match command {
            Sync { once: true, directory, accept_removals, .. } => {
                let order = json!({ "directory": directory, "accept_removals": accept_removals });
                self.sync_once(order).await
            }
            Sync { command: None | Some(SyncCommand::Status), .. } => self.sync_status().await,
        }
    }

    async fn sync_status(&self) -> Result<ExitCode> {
        let answer = self.get("sync").await?;
        let all = answer["directories"].as_array().map(Vec::as_slice).unwrap_or_default();
        self.output.show(&answer, |out, answer| {
            let fields = [
                ("directory", "directory"),
                ("stage", "stage"),
                ("by", "mode"),
                ("people", "people"),
                ("added", "added"),
                ("changed", "changed"),
                ("removed", "removed"),
                ("last change", "last_change"),
            ];
            out.rows(&answer["directories"], &fields)?;
            for directory in all {
                let name = directory["directory"].as_str().unwrap_or_default();
                if let Some(error) = directory["error"].as_str() {
                    out.line(&format!("{name}: {error}"))?;
                }
                let conflicts = directory["conflicts"].as_array().map(Vec::as_slice).unwrap_or_default();
                for conflict in conflicts.iter().filter_map(Value::as_str) {
                    out.line(&format!(
                        "{name}: {conflict} is left out, the username belongs to somebody else"
                    ))?;
                }
                let servers = directory["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
                for server in servers {
                    let url = server["url"].as_str().unwrap_or_default();
                    match server["error"].as_str() {
                        Some(error) => out.line(&format!("{name}: {url} is down: {error}"))?,
                        None => out.line(&format!("{name}: {url} is up"))?,
                    }
                }
            }
            Ok(())
        })?;
        let well = all
            .iter()
            .all(|directory| directory["stage"] == "following" || directory["stage"] == "elsewhere");
        Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// A bar while it runs, if somebody looks; a line of counts for each directory.
    async fn sync_once(&self, order: Value) -> Result<ExitCode> {
        let out = self.output;
        let bar =
            if out.is_terminal() && !out.is_json() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos} read, {per_sec}, {elapsed}") {
            bar.set_style(style);
        }
        let mut failed = false;
        self.client
            .lines(Method::POST, "sync", Send::Json(order), |line| {
                let name = line["directory"].as_str().unwrap_or_default().to_owned();
                bar.set_message(name.clone());
                let read = line["read"].as_u64().unwrap_or(0);
                bar.set_length(line["people"].as_u64().unwrap_or(0).max(read));
                bar.set_position(read);
                if line["ended"] != true {
                    return Ok(());
                }
                bar.finish_and_clear();
                bar.reset();
                if out.is_json() {
                    return out.line(&line.to_string());
                }
                if let Some(error) = line["error"].as_str() {
                    failed = true;
                    return out.line(&format!("{name}: {error}."));
                }
                let count = |field: &str| line[field].as_u64().unwrap_or(0);
                out.line(&format!(
                    "{name}: {} people; {} read, {} added, {} changed, {} removed, {} left out.",
                    count("people"),
                    count("read"),
                    count("added"),
                    count("changed"),
                    count("removed"),
                    count("conflicts")
                ))
            })
            .await?;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
