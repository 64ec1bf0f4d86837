//! `doorward serve`.

use super::{confinement, lifecycle, logging, wiring};
use crate::base::affinity::anywhere;
use crate::config;
use crate::serve::handed::Handed;
use anyhow::Context;
use std::path::Path;
use std::process::ExitCode;

/// Exit status of a configuration error (EX_CONFIG of sysexits.h).
pub const EX_CONFIG: u8 = 78;

/// Runs the daemon in the foreground until SIGTERM.
pub fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let config = match config::load(path, super::environment()) {
        Ok(config) => config,
        Err(errors) => {
            eprint_errors(&errors);
            return Ok(ExitCode::from(EX_CONFIG));
        }
    };
    let handed = Handed::from_environment().context("a socket of the service manager is of no use here")?;
    let filter = logging::install(&config.log)?;
    lifecycle::warn(&config);
    // Before there is any other thread: those of the runtime get no more than this one has.
    let confined = confinement::confine(&config)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(anywhere).build()?;
    runtime.block_on(async {
        let signals = lifecycle::Signals::install()?;
        let running = wiring::start(config, handed, confined).await?;
        lifecycle::run(running, signals, path, &filter).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Prints configuration errors the way compilers do.
pub fn eprint_errors(errors: &config::Errors) {
    use std::io::Write;
    let _ = write!(std::io::stderr().lock(), "{errors}");
}
