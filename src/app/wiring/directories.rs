//! Outside directories: each with its connections, and the task that follows it.

use super::Stores;
use crate::base::{Clock, OsRandom, Random, SystemClock};
use crate::config::Config;
use crate::domain::directory::Realms;
use crate::engine::sync::{Follower, Handle};
use crate::store::directory::{Directory, LiveRules, Monotonic};
use crate::store::ldap::{Ldap, Servers};
use anyhow::Result;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Outside directories, and the tasks that follow them.
pub(super) struct Followed {
    pub(super) directories: HashMap<String, Arc<dyn Directory>>,
    pub(super) handles: Vec<Handle>,
    pub(super) tasks: JoinSet<()>,
}

pub(super) fn follow(
    config: &Config,
    stores: &Stores,
    rules: &LiveRules,
    realms: &Arc<Realms>,
) -> Result<Followed> {
    let mut followed = Followed { directories: HashMap::new(), handles: Vec::new(), tasks: JoinSet::new() };
    for settings in &config.directories {
        let servers = Arc::new(Servers::new(Arc::clone(settings))?);
        let clock: Arc<dyn Clock> = Arc::new(Monotonic::start());
        let passwords = stores.records.passwords();
        let ldap = Ldap::new(Arc::clone(&servers), passwords, Arc::clone(rules), (clock, &OsRandom));
        followed.directories.insert(settings.name.clone(), Arc::new(ldap));
        let identities = stores.records.identities();
        let before = followed.handles.last();
        let now = (Arc::new(SystemClock) as Arc<dyn Clock>, Arc::new(OsRandom) as Arc<dyn Random>);
        let (follower, handle) = Follower::new(servers, Arc::clone(realms), identities, now, before);
        followed.tasks.spawn(follower.run());
        followed.handles.push(handle);
    }
    Ok(followed)
}
