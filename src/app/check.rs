//! `doorward check`: reads a configuration and says everything that is wrong with it.

use super::serve::{EX_CONFIG, eprint_errors};
use crate::config;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Checks one file; exit status 0 or 78.
pub fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let checked = config::load(path, super::environment());
    let mut out = std::io::stdout().lock();
    match &checked {
        _ if json => writeln!(out, "{:#}", as_json(&checked))?,
        Ok(config) => {
            for warning in &config.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "{}: no errors", path.display())?;
        }
        Err(errors) => eprint_errors(errors),
    }
    Ok(if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) })
}

fn as_json(checked: &Result<config::Config, config::Errors>) -> serde_json::Value {
    let (warnings, errors) = match checked {
        Ok(config) => (config.warnings.clone(), Vec::new()),
        Err(errors) => {
            let item = |(at, message, hint)| serde_json::json!({"at": at, "message": message, "hint": hint});
            (Vec::new(), errors.items().map(item).collect())
        }
    };
    serde_json::json!({"errors": errors, "warnings": warnings})
}

/// Prints the reference of all keys, as in `docs/configuration.md`.
pub fn reference() -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", config::reference())?;
    Ok(ExitCode::SUCCESS)
}
