//! JSON about applications and their keys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Applications of the configuration, and keys that there are.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Applications {
    pub(in crate::serve::admin) clients: Vec<Application>,
    /// What to do about keys that do not count, as sentences.
    pub(in crate::serve::admin) warnings: Vec<String>,
}

/// An application.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct Application {
    pub(in crate::serve::admin) name: String,
    /// How it shows which one it is: `network`, `key`, `certificate`; none: it is not in the configuration.
    pub(in crate::serve::admin) identify: Option<&'static str>,
    pub(in crate::serve::admin) keys: Vec<ApplicationKey>,
}

/// A key without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::serve::admin) struct ApplicationKey {
    pub(in crate::serve::admin) id: String,
    pub(in crate::serve::admin) created: String,
    /// A newer one takes its place then.
    pub(in crate::serve::admin) expires: Option<String>,
}

/// A new key, shown this one time.
#[derive(Serialize, ToSchema)]
pub(in crate::serve::admin) struct ApplicationSecret {
    /// The public part; Duo's clients call it the integration key.
    pub(in crate::serve::admin) id: String,
    /// The secret part.
    pub(in crate::serve::admin) secret: String,
    /// Both, as they stand in a header.
    pub(in crate::serve::admin) key: String,
    /// When older keys end.
    pub(in crate::serve::admin) older_until: Option<String>,
}

/// How a key takes the place of others.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::serve::admin) struct Rotation {
    /// So long older ones count still, at most 30 days.
    pub(in crate::serve::admin) grace_seconds: u32,
}
