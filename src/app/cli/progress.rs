//! Bars for what takes a while; they hide themselves where there is no terminal.

use anyhow::Result;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// So many bytes on their way to the daemon, which then takes all of them in or nothing: of that there is no half.
pub(super) fn upload(bytes: usize) -> Result<(ProgressBar, impl Fn(u64) + Send + Sync + 'static)> {
    let bar = ProgressBar::new(bytes as u64).with_message("reading");
    let style = "{spinner} {msg} {wide_bar} {bytes} of {total_bytes} {elapsed}";
    bar.set_style(ProgressStyle::with_template(style)?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let (shown, waiting) = (bar.clone(), ProgressStyle::with_template("{spinner} {msg} {elapsed}")?);
    let sent = move |more| {
        shown.inc(more);
        if shown.length().is_some_and(|length| shown.position() >= length) {
            shown.set_style(waiting.clone());
            shown.set_message("all is sent; the daemon takes it in");
        }
    };
    Ok((bar, sent))
}

/// So many values of so many; nothing where nobody looks.
pub(super) fn values(seen: bool) -> ProgressBar {
    let bar = if seen { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}, {elapsed}") {
        bar.set_style(style);
    }
    bar
}
