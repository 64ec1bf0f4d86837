//! `doorward audit`: the audit trail.

use super::admin::Admin;
use super::commands::Audit;
use crate::app::client::Send;
use crate::base::percent_encode as segment;
use anyhow::Result;
use hyper::Method;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;

const FIELDS: [(&str, &str); 7] = [
    ("number", "seq"),
    ("at", "at"),
    ("actor", "actor"),
    ("action", "action"),
    ("about", "subject"),
    ("outcome", "outcome"),
    ("detail", "detail"),
];

impl Admin {
    pub(super) async fn audit(&self, command: Audit) -> Result<ExitCode> {
        match command {
            Audit::List { subject, limit } => {
                let subject =
                    subject.map(|subject| format!("&subject={}", segment(&subject))).unwrap_or_default();
                let mut answer = self.get(&format!("audit?newest=true&limit={limit}{subject}")).await?;
                if let Some(entries) = answer["entries"].as_array_mut() {
                    entries.reverse();
                }
                self.output.show(&answer, |out, answer| out.rows(&answer["entries"], &FIELDS))?;
            }
            Audit::Verify => return self.verify().await,
            Audit::Export { format, from, to } => {
                let bound = |name, time: Option<String>| {
                    time.map(|time| format!("&{name}={}", segment(&time))).unwrap_or_default()
                };
                let path = format!("audit/export?format={format}{}{}", bound("from", from), bound("to", to));
                let mut out = std::io::stdout().lock();
                let each = |piece: &[u8]| Ok(out.write_all(piece)?);
                self.client.pieces(Method::GET, &path, Send::Nothing, each).await?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn verify(&self) -> Result<ExitCode> {
        let answer = self.get("audit/verify").await?;
        self.output.show(&answer, |out, answer| {
            if answer["broken"].is_null() {
                return out.line(&format!(
                    "The audit trail is whole: {} entries, last link {}.",
                    answer["entries"],
                    answer["head"].as_str().unwrap_or_default()
                ));
            }
            let findings = answer["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
            for (number, finding) in findings.iter().enumerate() {
                let (seq, what) = (&finding["seq"], finding["what"].as_str().unwrap_or_default());
                let at = finding["at"].as_str().map(|at| format!(" ({at})")).unwrap_or_default();
                out.line(&match number {
                    0 => format!(
                        "The audit trail is BROKEN at entry {seq}{at}: {what}. Everything before it is whole."
                    ),
                    _ => format!("Entry {seq}{at}: {what}."),
                })?;
            }
            Ok(())
        })?;
        Ok(if answer["broken"] == Value::Null { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
