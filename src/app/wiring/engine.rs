//! The engine, joined to the stores: what the shells ask.

use super::Stores;
use super::outside::Outside;
use crate::base::{OsRandom, SystemClock};
use crate::config::Config;
use crate::domain::directory::Realms;
use crate::engine::applications::Applications;
use crate::engine::delivery::{Courier, Waker};
use crate::engine::desk::Desk;
use crate::engine::login::Gatekeeper;
use crate::engine::meters::Meters;
use crate::engine::once::OnceHere;
use crate::engine::portal::Portal;
use crate::engine::portal::administration::Recent;
use crate::engine::reach::Reachable;
use crate::engine::validation::KeyDesk;
use crate::serve::wsapi;
use crate::store::directory::{LiveRules, Routed};
use arc_swap::ArcSwap;
use std::sync::Arc;

/// Its parts.
pub(super) struct Engine {
    pub(super) gatekeeper: Arc<Gatekeeper>,
    pub(super) desk: Arc<Desk>,
    pub(super) portal: Arc<Portal>,
    pub(super) applications: Arc<Applications>,
    pub(super) courier: Courier,
}

/// What it is joined to.
pub(super) struct Ground<'a> {
    pub(super) stores: &'a Stores,
    pub(super) meters: &'a Arc<Meters>,
    pub(super) outside: &'a Outside,
    pub(super) directory: Arc<Routed>,
    pub(super) realms: Arc<Realms>,
    pub(super) rules: &'a LiveRules,
    pub(super) config: &'a Arc<ArcSwap<Config>>,
}

impl Engine {
    pub(super) fn new(ground: &Ground<'_>) -> Self {
        let waker = Waker::default();
        let gatekeeper = Arc::new(gatekeeper(ground, waker.clone()));
        let desk = Arc::new(desk(ground));
        let portal = Arc::new(portal(ground, &gatekeeper, &desk));
        let keys = ground.stores.records.client_keys();
        let applications = Arc::new(Applications::new(Arc::clone(&gatekeeper), Arc::clone(&desk), keys));
        let courier = Courier {
            outbox: ground.stores.records.outbox(),
            providers: Arc::clone(&ground.outside.providers),
            config: Arc::clone(ground.config),
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            waker,
            meters: Arc::clone(ground.meters),
        };
        Self { gatekeeper, desk, portal, applications, courier }
    }
}

fn gatekeeper(
    Ground { stores, meters, outside, directory, config, .. }: &Ground<'_>,
    courier: Waker,
) -> Gatekeeper {
    let Stores { records, hashes } = stores;
    let providers = Arc::clone(&outside.providers);
    Gatekeeper {
        people: records.people(),
        attempts: records.attempts(),
        logins: records.logins(),
        challenges: Arc::clone(&outside.challenges),
        directory: directory.clone(),
        tokens: records.tokens(),
        validator: Some(outside.validators.clone()),
        reach: Arc::new(Reachable { providers, config: Arc::clone(config) }),
        courier,
        hashes: Arc::clone(hashes),
        digester: records.digester(),
        meters: Arc::clone(meters),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    }
}

fn desk(Ground { stores, outside, directory, realms, rules, .. }: &Ground<'_>) -> Desk {
    let Stores { records, hashes } = stores;
    let enrolling = OnceHere {
        servers: outside.validators.clone(),
        logins: records.logins(),
        digester: records.digester(),
        clock: Arc::new(SystemClock),
    };
    Desk {
        people: records.people(),
        factors: records.factors(),
        tokens: records.tokens(),
        stock: records.stock(),
        validator: Some(Arc::new(enrolling)),
        attempts: records.attempts(),
        audit: records.audit(),
        acceptances: records.acceptances(),
        security: records.security(),
        directory: directory.clone(),
        hashes: Arc::clone(hashes),
        digester: records.digester(),
        realms: Arc::clone(realms),
        rules: Arc::clone(rules),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    }
}

fn portal(ground: &Ground<'_>, gatekeeper: &Arc<Gatekeeper>, desk: &Arc<Desk>) -> Portal {
    let records = &ground.stores.records;
    Portal {
        gatekeeper: Arc::clone(gatekeeper),
        desk: Arc::clone(desk),
        security: records.security(),
        sessions: records.sessions(),
        outbox: records.outbox(),
        recent: Recent::default(),
        mailboxes: Arc::clone(&ground.outside.mailboxes),
        clock: Arc::new(SystemClock),
        random: Arc::new(OsRandom),
    }
}

/// What our validation service works with.
pub(super) fn wsapi_state(
    stores: &Stores,
    config: &Arc<ArcSwap<Config>>,
    meters: &Arc<Meters>,
) -> wsapi::State {
    let clock = Arc::new(SystemClock);
    let desk = KeyDesk {
        tokens: stores.records.tokens(),
        logins: stores.records.logins(),
        audit: stores.records.audit(),
        digester: stores.records.digester(),
        clock: clock.clone(),
    };
    wsapi::State::new(Arc::new(desk), Arc::clone(config), Arc::clone(meters), clock)
}
