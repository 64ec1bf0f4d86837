//! Log output: text or JSON lines on standard error. The filter can be changed by a reload; the format cannot.

use crate::config::Log;
use anyhow::{Context, Result};
use std::io::IsTerminal;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

/// Changes the filter of a running program.
#[derive(Debug, Clone)]
pub struct Filter(reload::Handle<EnvFilter, Registry>);

impl Filter {
    /// Takes a filter in tracing's syntax, such as `info,doorward=debug`.
    pub fn set(&self, filter: &str) -> Result<()> {
        self.0.reload(parse(filter)?).context("the log filter could not be changed")
    }
}

fn parse(filter: &str) -> Result<EnvFilter> {
    EnvFilter::try_new(filter)
        .with_context(|| format!("`{filter}` is no log filter; write something like `info`"))
}

/// Installs the log for the whole process; once.
pub fn install(log: &Log) -> Result<Filter> {
    let (filter, handle) = reload::Layer::new(parse(&log.filter)?);
    let stderr = std::io::stderr;
    let layer = if log.json {
        fmt::layer().json().flatten_event(true).with_writer(stderr).boxed()
    } else {
        fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_target(false).with_writer(stderr).boxed()
    };
    tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .context("the log is installed already")?;
    Ok(Filter(handle))
}
