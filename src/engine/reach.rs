//! Where people can be sent codes: what the directory says of them, as far as somebody delivers there.

use crate::config::Config;
use crate::domain::contact::{Destination, reachable};
use crate::domain::method::{Channel, Reach};
use crate::domain::person::Person;
use crate::store::delivery::Providers;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::Arc;

/// By the present configuration.
pub struct Reachable {
    /// Who delivers.
    pub providers: Arc<Providers>,
    /// Where telephone numbers without a country code belong.
    pub config: Arc<ArcSwap<Config>>,
}

impl fmt::Debug for Reachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reachable")
    }
}

impl Reach for Reachable {
    fn destination(&self, person: &Person, channel: Channel) -> Option<Destination> {
        let destination = reachable(person, channel, self.config.load().codes.country)?;
        self.providers.cost(channel, &destination.to).map(|_| destination)
    }

    fn cost(&self, channel: Channel, destination: &Destination) -> u32 {
        self.providers.cost(channel, &destination.to).unwrap_or_default()
    }
}
