//! `doorward check`: reads a configuration and says everything that is wrong with it, and with the list that it names.

use super::serve::{EX_CONFIG, eprint_errors};
use crate::config;
use crate::store::blocklist::BlocklistError;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Checks one file; exit status 0 or 78.
pub fn run(path: &Path, json: bool) -> anyhow::Result<ExitCode> {
    let checked = config::load(path, super::environment());
    // Read here and not with the configuration, which every command reads.
    let list = checked.as_ref().ok().and_then(|config| super::wiring::password_rules(config).err());
    let mut out = std::io::stdout().lock();
    match (&checked, &list) {
        _ if json => writeln!(out, "{:#}", as_json(&checked, list.as_ref()))?,
        (Ok(_), Some(list)) => writeln!(std::io::stderr().lock(), "error: [password] `blocklist`: {list}")?,
        (Ok(config), None) => {
            for warning in &config.warnings {
                writeln!(out, "warning: {warning}")?;
            }
            writeln!(out, "{}: no errors", path.display())?;
        }
        (Err(errors), _) => eprint_errors(errors),
    }
    let fine = checked.is_ok() && list.is_none();
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::from(EX_CONFIG) })
}

fn as_json(
    checked: &Result<config::Config, config::Errors>,
    list: Option<&BlocklistError>,
) -> serde_json::Value {
    let (warnings, mut errors) = match checked {
        Ok(config) => (config.warnings.clone(), Vec::new()),
        Err(errors) => {
            let item = |(at, message, hint)| serde_json::json!({"at": at, "message": message, "hint": hint});
            (Vec::new(), errors.items().map(item).collect())
        }
    };
    errors.extend(list.map(
        |list| serde_json::json!({"at": "password.blocklist", "message": list.to_string(), "hint": ""}),
    ));
    serde_json::json!({"errors": errors, "warnings": warnings})
}

/// Prints the reference of all keys, as in `docs/configuration.md`.
pub fn reference() -> anyhow::Result<ExitCode> {
    write!(std::io::stdout().lock(), "{}", config::reference())?;
    Ok(ExitCode::SUCCESS)
}
