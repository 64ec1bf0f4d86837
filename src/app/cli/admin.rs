//! Commands that call the admin socket.

use super::commands::{Code, Enroll, Factor, KeyArgs};
use super::output::Output;
use crate::app::client::{Client, Send};
use crate::base::percent_encode as segment;
use anyhow::Result;
use hyper::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

/// Fields of a factor.
pub(super) const FACTOR: [(&str, &str); 9] = [
    ("id", "id"),
    ("kind", "kind"),
    ("label", "label"),
    ("state", "state"),
    ("created", "created"),
    ("used", "used"),
    ("drift", "drift"),
    ("codes left", "codes_left"),
    ("failures", "failures"),
];

/// Runs commands against a daemon.
#[derive(Debug)]
pub(super) struct Admin {
    pub(super) client: Client,
    pub(super) output: Output,
}

impl Admin {
    pub(super) async fn get(&self, path: &str) -> Result<Value> {
        self.client.call(Method::GET, path, Send::Nothing).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.client.call(Method::POST, path, Send::Json(body)).await
    }

    pub(super) async fn enroll(&self, command: Enroll) -> Result<ExitCode> {
        match command {
            Enroll::Totp(args) => return self.key("totp", args).await,
            Enroll::Hotp(args) => return self.key("hotp", args).await,
            Enroll::Yubikey(args) => return self.touch(args).await,
            Enroll::Recovery { user } => {
                let answer =
                    self.post(&format!("people/{}/factors/recovery", segment(&user)), json!({})).await?;
                self.output.show(&answer, |out, answer| {
                    out.line("Each of these codes works once. They are not shown again.")?;
                    for code in answer["codes"].as_array().into_iter().flatten() {
                        out.line(&format!("  {}", code.as_str().unwrap_or_default()))?;
                    }
                    Ok(())
                })?;
            }
            Enroll::Pin { user } => {
                let body = json!({"pin": self.output.secret("PIN")?});
                let answer = self.post(&format!("people/{}/factors/pin", segment(&user)), body).await?;
                self.output.show(&answer, |out, _| out.line(&format!("The PIN of {user} is set.")))?;
            }
            Enroll::DevicePassword { user, label } => {
                let path = format!("people/{}/factors/device-password", segment(&user));
                let answer = self.post(&path, json!({"label": label})).await?;
                self.output.show(&answer, |out, answer| {
                    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                    out.line(&format!(
                        "{}\n\nFor {} alone, with the username {user}. It is not shown again.",
                        text("password"),
                        text("label")
                    ))
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Shows the key, then takes the first code: from the option, from the terminal, or later.
    async fn key(&self, kind: &str, args: KeyArgs) -> Result<ExitCode> {
        let out = self.output;
        let seed = match args.seed.as_deref() {
            Some("-") => Some(std::io::read_to_string(std::io::stdin())?.trim().to_owned()),
            other => other.map(str::to_owned),
        };
        let body = json!({"label": args.label, "seed": seed, "counter": args.counter});
        let answer = self.post(&format!("people/{}/factors/{kind}", segment(&args.user)), body).await?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let (id, uri) = (text("id"), text("uri"));
        if !out.is_json() {
            out.qr_code(&uri)?;
            out.line(&format!("{uri}\n\nKey: {}\n", text("seed")))?;
        }
        let code = match args.code {
            Some(code) => Some(code),
            None if out.can_ask() && !out.is_json() => {
                write!(std::io::stdout().lock(), "First code from the device: ")?;
                std::io::stdout().lock().flush()?;
                let mut line = String::new();
                std::io::stdin().read_line(&mut line)?;
                Some(line.trim().to_owned()).filter(|line| !line.is_empty())
            }
            None => None,
        };
        let Some(code) = code else {
            out.show(&answer, |out, _| {
                out.line(&format!("It counts after its first code: doorward factor confirm {id} CODE"))
            })?;
            return Ok(ExitCode::SUCCESS);
        };
        let confirmed =
            self.post(&format!("factors/{}/confirm", segment(&id)), json!({"code": code})).await?;
        out.show(&confirmed, |out, _| out.line("It works, and counts from now on."))?;
        Ok(ExitCode::SUCCESS)
    }

    pub(super) async fn factor(&self, command: Factor) -> Result<ExitCode> {
        let out = self.output;
        match command {
            Factor::List { user } => {
                let answer = self.get(&format!("people/{}/factors", segment(&user))).await?;
                out.show(&answer, |out, answer| out.rows(&answer["factors"], &FACTOR))?;
            }
            Factor::Confirm { id, code } => {
                let answer =
                    self.post(&format!("factors/{}/confirm", segment(&id)), json!({"code": code})).await?;
                out.show(&answer, |out, _| out.line("It works, and counts from now on."))?;
            }
            Factor::Revoke { id } => {
                let path = format!("factors/{}", segment(&id));
                self.client.call(Method::DELETE, &path, Send::Nothing).await?;
                out.show(&json!({"revoked": id}), |out, _| out.line("It is revoked."))?;
            }
            Factor::Rename { id, name } => {
                let path = format!("factors/{}/label", segment(&id));
                let answer = self.client.call(Method::PUT, &path, Send::Json(json!({"label": name}))).await?;
                out.show(&answer, |out, answer| {
                    out.line(&format!("It is called {}.", answer["label"].as_str().unwrap_or_default()))
                })?;
            }
            Factor::Resync { id, first, second } => {
                let body = json!({"first": first, "second": second});
                let answer = self.post(&format!("factors/{}/resync", segment(&id)), body).await?;
                out.show(&answer, |out, _| out.line("The token is found again."))?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    pub(super) async fn code(&self, command: Code) -> Result<ExitCode> {
        let Code::Issue { user, minutes } = command;
        let body = json!({"lifetime_seconds": minutes.saturating_mul(60)});
        let answer = self.post(&format!("people/{}/codes", segment(&user)), body).await?;
        self.output.show(&answer, |out, answer| {
            let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
            out.line(&format!(
                "{}\n\nGood once, until {}. It is not shown again.",
                text("code"),
                text("expires")
            ))
        })?;
        Ok(ExitCode::SUCCESS)
    }
}
