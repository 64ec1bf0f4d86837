//! `doorward check`: reads a configuration and says everything that is wrong with it.

use super::serve::{EX_CONFIG, eprint_errors};
use crate::config;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Checks one file; exit status 0 or 78.
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    match config::load(path, std::env::vars()) {
        Ok(config) => {
            let mut out = std::io::stdout().lock();
            for warning in &config.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "{}: no errors", path.display())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(errors) => {
            eprint_errors(&errors);
            Ok(ExitCode::from(EX_CONFIG))
        }
    }
}

/// Prints the reference of all keys, as in `docs/configuration.md`.
pub fn reference() -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", config::reference())?;
    Ok(ExitCode::SUCCESS)
}
