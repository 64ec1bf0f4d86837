//! Commands about the inventory of tokens.

use super::admin::Admin;
use super::commands::{ExportArgs, Import, ImportArgs, Token, TouchArgs};
use super::output::Output;
use super::progress;
use crate::app::client::Send;
use crate::base::percent_encode as segment;
use anyhow::{Context, Result, bail};
use hyper::Method;
use serde_json::{Value, json};
use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::ExitCode;

const TOKEN: [(&str, &str); 8] = [
    ("kind", "kind"),
    ("name", "name"),
    ("serial", "serial"),
    ("state", "state"),
    ("user", "user"),
    ("factor", "factor"),
    ("imported", "created"),
    ("id", "id"),
];

/// What came of an import, line by line.
fn imported(out: Output, answer: &Value, dry_run: bool) -> Result<()> {
    let each = |name: &str| answer[name].as_array().into_iter().flatten();
    for bad in each("left_out") {
        let what = bad["what"].as_str().unwrap_or_default();
        out.line(&format!("line {} is left out: {what}", bad["line"]))?;
    }
    for note in each("notes") {
        out.line(&format!("line {}: {}", note["line"], note["what"].as_str().unwrap_or_default()))?;
    }
    for name in each("replaced").filter_map(Value::as_str) {
        out.line(&match dry_run {
            true => format!("{name} would be replaced"),
            false => format!("{name} is replaced"),
        })?;
    }
    for name in each("late_keys").filter_map(Value::as_str) {
        out.line(&format!(
            "{name} was judged by a validation server; from the next touch on that it accepts, it {} judged here",
            if dry_run { "would be" } else { "is" }
        ))?;
    }
    let count = &answer["imported"];
    out.line(&match dry_run {
        true => format!("{count} tokens would be imported; nothing was changed."),
        false => format!("{count} tokens are imported."),
    })
}

impl Admin {
    pub(super) async fn import_tokens(&self, command: Import) -> Result<ExitCode> {
        let (mut key, mut passphrase) = (None, None);
        let (format, args) = match command {
            Import::Yubikey(args) => ("yubikey", args),
            Import::Csv(args) => ("csv", args),
            Import::Sealed(args) => {
                passphrase = Some(self.output.present_secret("Passphrase of the file")?);
                ("sealed", args)
            }
            Import::Pskc { args, key_file, passphrase: asks } => {
                if let Some(file) = key_file {
                    let text = std::fs::read_to_string(&file);
                    key = Some(text.with_context(|| format!("{} cannot be read", file.display()))?);
                }
                if asks {
                    passphrase = Some(self.output.present_secret("Passphrase of the file")?);
                }
                ("pskc", args)
            }
        };
        let ImportArgs { file, dry_run, skip_bad, replace, prefix } = args;
        let shown = file.display();
        let content = std::fs::read(&file).with_context(|| format!("{shown} cannot be read"))?;
        let Ok(content) = String::from_utf8(content) else {
            bail!("{shown} is not UTF-8 text; save it as that")
        };
        let body = json!({
            "format": format, "content": content, "key": key, "passphrase": passphrase,
            "dry_run": dry_run, "skip_bad": skip_bad, "replace": replace, "prefix": prefix,
        });
        let body = serde_json::to_vec(&body)?;
        let (bar, sent) = progress::upload(body.len())?;
        let answer = self.client.upload("tokens/import", ("application/json", body), sent).await;
        bar.finish_and_clear();
        self.output.show(&answer?, |out, answer| imported(out, answer, dry_run))?;
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the file as it comes. What broke off is no file: it is removed.
    pub(super) async fn export_tokens(&self, ExportArgs { file }: ExportArgs) -> Result<ExitCode> {
        let body = json!({"passphrase": self.output.secret("passphrase of the file")?});
        if file.as_os_str() == "-" {
            let mut out = BufWriter::new(std::io::stdout().lock());
            self.export_to(body, &mut out).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let shown = file.display();
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file);
        let mut out = BufWriter::new(made.with_context(|| format!("{shown} cannot be made"))?);
        let written = self.export_to(body, &mut out).await;
        let whole = written.and_then(|count| Ok((count, out.get_ref().sync_all()?)));
        let Ok((count, ())) = whole else {
            let _ = std::fs::remove_file(&file);
            return Err(whole.err().unwrap_or_else(|| anyhow::anyhow!("{shown} was not written")));
        };
        self.output.show(&json!({"exported": count}), |out, _| {
            out.line(&format!(
                "{count} tokens are in {shown}. Whoever has its passphrase has them all; what they show here from now on is not \
                 known there."
            ))
        })?;
        Ok(ExitCode::SUCCESS)
    }

    /// How many tokens were written: lines without the first and the last.
    async fn export_to(&self, body: Value, out: &mut impl Write) -> Result<usize> {
        let mut lines = 0;
        let write = |piece: &[u8]| {
            lines += piece.iter().filter(|byte| **byte == b'\n').count();
            Ok(out.write_all(piece)?)
        };
        self.client.pieces(Method::POST, "tokens/export", Send::Json(body), write).await?;
        out.flush()?;
        Ok(lines.saturating_sub(2))
    }

    pub(super) async fn token(&self, command: Token) -> Result<ExitCode> {
        let out = self.output;
        match command {
            Token::List { kind, state, user, matching, limit } => {
                let filters = [("kind", kind), ("state", state), ("user", user), ("matching", matching)];
                let filters = filters.into_iter().filter_map(|(name, value)| Some((name, value?)));
                let filters: String =
                    filters.map(|(name, value)| format!("&{name}={}", segment(&value))).collect();
                let tokens = self.tokens(&filters, usize::try_from(limit)?).await?;
                out.show(&json!({"tokens": tokens}), |out, answer| out.rows(&answer["tokens"], &TOKEN))?;
            }
            Token::Assign { token, user, label, code, revoked } => {
                let body = json!({"username": user, "label": label, "code": code, "revoked": revoked});
                let path = format!("tokens/{}/assign", segment(&token));
                let answer = self.client.call(Method::POST, &path, Send::Json(body)).await?;
                out.show(&answer, |out, _| {
                    out.line(&format!("{token} belongs to {user}, and counts from now on."))
                })?;
            }
            Token::Remove { tokens } => {
                let body = json!({"tokens": tokens});
                let answer = self.client.call(Method::POST, "tokens/remove", Send::Json(body)).await?;
                out.show(&answer, |out, answer| {
                    out.line(&format!("{} tokens are removed for good.", answer["removed"]))
                })?;
            }
            Token::Revoke { token } => {
                self.client
                    .call(Method::DELETE, &format!("tokens/{}", segment(&token)), Send::Nothing)
                    .await?;
                out.show(&json!({"revoked": token}), |out, _| {
                    out.line(&format!("{token} is revoked; nobody logs in with it any more."))
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Page by page.
    async fn tokens(&self, filters: &str, limit: usize) -> Result<Vec<Value>> {
        let (mut tokens, mut after) = (Vec::new(), String::new());
        while tokens.len() < limit {
            let page = (limit - tokens.len()).min(1000);
            let answer = self.get(&format!("tokens?limit={page}&after={after}{filters}")).await?;
            let rows = answer["tokens"].as_array().cloned().unwrap_or_default();
            let Some(last) = rows.last() else { break };
            last["id"].as_str().unwrap_or_default().clone_into(&mut after);
            tokens.extend(rows);
        }
        Ok(tokens)
    }

    /// Binds a key by what it types: from the terminal without showing it, or the first line of standard input.
    pub(super) async fn touch(&self, TouchArgs { user, label, revoked }: TouchArgs) -> Result<ExitCode> {
        let otp = self.output.present_secret("Touch the YubiKey")?;
        let body = json!({"otp": otp.trim(), "label": label, "revoked": revoked});
        let path = format!("people/{}/factors/yubikey", segment(&user));
        let answer = self.client.call(Method::POST, &path, Send::Json(body)).await?;
        self.output.show(&answer, |out, _| {
            out.line(&format!("The key belongs to {user}, and counts from now on."))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
