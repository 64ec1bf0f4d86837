//! `doorward db`: the tables in PostgreSQL, and the way there from a file of SQLite. These talk to the databases themselves;
//! the daemon need not run, and where a file is copied it must not.

use super::output::Output;
use crate::config::{self, Config};
use crate::store::records::{CopyProgress, Records};
use crate::store::seal::Keyring;
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `doorward db …`
#[derive(Debug, Subcommand)]
pub(super) enum Db {
    /// Bring the tables in PostgreSQL to the schema of this version.
    Migrate,
    /// Copy everything from a file of SQLite into the empty PostgreSQL of the configuration, and compare every row.
    Copy {
        /// The file; nobody may have it open.
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
    },
    /// Make a database safe that was brought back by other means (pg_restore, point-in-time recovery): what may have been used
    /// since is used or void. No node may run.
    Restored(super::backup::Codes),
}

pub(super) fn run(path: &Path, output: Output, command: Db) -> Result<ExitCode> {
    let config = match config::load(path, crate::app::environment()) {
        Ok(config) => config,
        Err(errors) => {
            crate::app::serve::eprint_errors(&errors);
            return Ok(ExitCode::from(crate::app::serve::EX_CONFIG));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Db::Migrate => runtime.block_on(migrate(&config, output)),
        Db::Restored(codes) => runtime.block_on(super::backup::restored(&config, output, &codes)),
        Db::Copy { from } => runtime.block_on(copy(&config, output, &from)),
    }
}

async fn migrate(config: &Config, output: Output) -> Result<ExitCode> {
    let Some(settings) = &config.store.postgres else {
        bail!(
            "`store.url` is empty: the file of SQLite is brought to the present schema whenever the daemon starts"
        );
    };
    let (before, after) = Records::migrate(settings, &config.store).await?;
    output.show(&json!({ "from": before, "to": after }), |out, _| {
        out.line(&match before {
            _ if before == after => format!("{}: the schema is {after} already.", settings.url),
            0 => format!("{}: the tables were made, schema {after}.", settings.url),
            _ => format!("{}: from schema {before} to {after}.", settings.url),
        })
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn copy(config: &Config, output: Output, from: &Path) -> Result<ExitCode> {
    let keyring = Keyring::new(&config.keys.master)?;
    let bar = super::progress::values(output.is_terminal() && !output.is_json());
    let show = |progress: CopyProgress| {
        let what = if progress.comparing { "comparing" } else { "copying" };
        bar.set_message(format!("{what} {}", progress.table));
        bar.set_length(progress.total);
        bar.set_position(progress.rows);
    };
    let copied = Records::copy(from, &config.store, &keyring, show).await;
    bar.finish_and_clear();
    let counts = copied?;
    let rows: Vec<_> = counts.iter().map(|(table, rows)| json!({ "table": table, "rows": rows })).collect();
    output.show(&json!({ "tables": rows }), |out, answer| {
        out.rows(&answer["tables"], &[("table", "table"), ("rows", "rows")])?;
        out.line("Every row is the same on both sides, and the audit trail verifies.")
    })?;
    Ok(ExitCode::SUCCESS)
}
