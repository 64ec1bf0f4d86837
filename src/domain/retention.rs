//! How long what is over is kept.

use std::time::Duration;

/// How long things are kept that are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Audit entries; none: for ever.
    pub audit: Option<Duration>,
    /// Messages that were sent or are dead.
    pub messages: Duration,
    /// Factors that nobody confirmed.
    pub pending: Duration,
}
