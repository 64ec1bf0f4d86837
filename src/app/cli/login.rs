//! `doorward try`.

use super::{Global, TryArgs};
use crate::app::nas::{Answer, Nas, code_now};
use crate::wire::radius::Code;
use anyhow::{Context, Result, bail};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Logs in and prints each step; exit status 0 for Access-Accept, 1 otherwise.
pub(super) fn run(global: &Global, args: TryArgs) -> Result<ExitCode> {
    let secret = match (&args.secret, &args.secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .with_context(|| format!("{} cannot be read", file.display()))?
            .trim_end_matches(['\r', '\n'])
            .to_owned(),
        (None, None) => {
            bail!("the shared secret is needed: --secret-file FILE, --secret SECRET or RADIUS_SECRET")
        }
    };
    let password = match args.password {
        Some(password) => password,
        None => ask(global, "Password (and passcode): ")?,
    };
    let code = args.totp.as_deref().map(code_now).transpose()?;
    let nas = Nas::new(args.server, args.from, &secret)?;
    let typed = match &code {
        Some(code) if !args.challenge => format!("{password}{code}"),
        _ => password,
    };
    let mut answer = nas.ask(&args.user, typed.as_bytes(), None)?;
    show(global, &answer)?;
    let mut code = code.filter(|_| args.challenge);
    while answer.code == Code::ACCESS_CHALLENGE {
        let Some(state) = answer.state.clone() else { bail!("the challenge carries no State") };
        let typed = match code.take() {
            Some(code) => code,
            None => ask(global, "Answer: ")?,
        };
        answer = nas.ask(&args.user, typed.as_bytes(), Some(&state))?;
        show(global, &answer)?;
    }
    Ok(if answer.code == Code::ACCESS_ACCEPT { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn ask(global: &Global, prompt: &str) -> Result<String> {
    if global.no_input || !std::io::stdin().is_terminal() {
        bail!("an answer is needed, and there is no terminal to ask on");
    }
    Ok(rpassword::prompt_password(prompt)?)
}

fn show(global: &Global, answer: &Answer) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if global.json {
        let attributes: Vec<_> = answer
            .attributes
            .iter()
            .map(|(kind, value)| serde_json::json!({"type": kind, "value": data_encoding::HEXLOWER.encode(value)}))
            .collect();
        let code = format!("{:?}", answer.code);
        let line = serde_json::json!({"code": code, "message": answer.message, "attributes": attributes});
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{:?} {}", answer.code, answer.message)?;
    }
    Ok(())
}
