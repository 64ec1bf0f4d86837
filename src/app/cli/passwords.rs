//! `doorward blocklist` and `doorward password`: without the daemon.

use super::output::Output;
use crate::base::Secret;
use crate::config;
use crate::domain::password::{Owner, Requirement};
use crate::domain::person::Username;
use crate::store::blocklist::{self, Built, Sources, Stage};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `doorward blocklist …`
#[derive(Debug, Subcommand)]
pub(super) enum Blocklist {
    /// Make the file for `password.blocklist` of lists: a password a line, or SHA1:COUNT as in breach corpora.
    Build(BuildArgs),
}

#[derive(Debug, Args)]
pub(super) struct BuildArgs {
    /// Where to put it; a file that is there is replaced when the new one is whole.
    #[arg(short, long, value_name = "FILE", default_value = "doorward.blocklist")]
    output: PathBuf,
    /// Leave out hashes that were seen less often than this.
    #[arg(long, value_name = "N", default_value_t = 1)]
    min_count: u64,
    /// Lists; `-` is standard input.
    #[arg(required = true, value_name = "INPUT")]
    inputs: Vec<PathBuf>,
}

/// `doorward password …`
#[derive(Debug, Subcommand)]
pub(super) enum Password {
    /// Say which rules of the configuration a password keeps to, and how strong it is. It is asked for, or read from standard input,
    /// and goes nowhere.
    Check(CheckArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Whose it would be: the username must not be in it.
    user: String,
    /// Name of the person, which makes a password that consists of it weak.
    #[arg(long, default_value = "")]
    name: String,
}

pub(super) fn build(output: Output, command: Blocklist) -> Result<ExitCode> {
    let Blocklist::Build(args) = command;
    let bar =
        if output.is_terminal() && !output.is_json() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let show = |stage: Stage| match stage {
        Stage::Reading(read, 0) => advance(&bar, "reading {spinner} {bytes}, {elapsed}", read, None),
        Stage::Reading(read, of) => {
            advance(&bar, "reading {wide_bar} {bytes}/{total_bytes}, {elapsed}", read, Some(of));
        }
        Stage::Making(done, of) => advance(&bar, "making {wide_bar} {pos}/{len}, {elapsed}", done, Some(of)),
    };
    let sources = Sources { inputs: args.inputs, least: args.min_count };
    let built = blocklist::build(&sources, &args.output, show);
    bar.finish_and_clear();
    let Built { lines, passwords, short, rare, unusable, bytes } = built?;
    let file = args.output.display().to_string();
    let answer = json!({
        "file": file, "bytes": bytes, "lines": lines, "passwords": passwords,
        "left_out": {"short": short, "rare": rare, "unusable": unusable},
    });
    output.show(&answer, |out, _| {
        out.line(&format!("{file}: {passwords} passwords of {lines} lines, {}.", HumanBytes(bytes)))?;
        for (count, why) in [
            (short, "of fewer than 8 characters, which no rules allow"),
            (rare, "seen less often than --min-count"),
            (unusable, "that are no text in UTF-8 or have characters that no password can have"),
        ] {
            if count > 0 {
                out.line(&format!("Left out: {count} {why}."))?;
            }
        }
        Ok(())
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Each stage has a bar of its own kind.
fn advance(bar: &ProgressBar, template: &str, at: u64, of: Option<u64>) {
    if bar.message() != template
        && let Ok(style) = ProgressStyle::with_template(template)
    {
        bar.set_style(style);
        bar.set_message(template.to_owned());
    }
    if let Some(of) = of {
        bar.set_length(of);
    }
    bar.set_position(at);
}

pub(super) fn check(path: &Path, output: Output, command: Password) -> Result<ExitCode> {
    let Password::Check(args) = command;
    let config = match config::load(path, crate::app::environment()) {
        Ok(config) => config,
        Err(errors) => {
            crate::app::serve::eprint_errors(&errors);
            return Ok(ExitCode::from(crate::app::serve::EX_CONFIG));
        }
    };
    let username =
        Username::parse(&args.user).with_context(|| format!("`{}` cannot be a username", args.user))?;
    let rules = crate::app::wiring::password_rules(&config).context("[password] `blocklist`")?;
    let password = Secret::new(output.present_secret("Password")?);
    let owner = Owner { username: &username, name: &args.name };
    let (review, strength) =
        (rules.review(owner, password.expose()), rules.strength(owner, password.expose()));
    let problems: Vec<String> = match rules.check(owner, password.expose()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    let item = |(requirement, met): &(Requirement, bool)| json!({"requirement": requirement, "met": met});
    let answer = json!({
        "requirements": review.iter().map(item).collect::<Vec<_>>(), "strength": strength, "problems": problems,
    });
    output.show(&answer, |out, _| {
        for (requirement, met) in &review {
            out.line(&format!("{} {requirement}", if *met { "yes" } else { "NO " }))?;
        }
        let advice = strength.advice.map_or_else(String::new, |advice| format!(": {advice}"));
        out.line(&format!("\nEstimated strength: {} of 4{advice}", strength.score))?;
        problems.iter().try_for_each(|problem| out.line(&format!("Refused: {problem}")))
    })?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
