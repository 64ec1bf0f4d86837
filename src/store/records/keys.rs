//! The master keys ([`MasterKeys`]). Which one seals is said by the database: the one that the daemon's own keys are under. So a
//! key of the configuration takes over in one small transaction, at all nodes; what is under the one before is sealed anew
//! afterwards, in steps. A step reads and seals outside of any transaction, and writes only where a row still holds what was
//! read; so nothing is held up, nothing newer is overwritten, and a kill between any two leaves values that open.
//!
//! On PostgreSQL each node tells which keys it has, by the name of the session that writes (`pg_stat_activity`): a name ends with
//! its session, so it is never out of date. No key takes over that one of them lacks.

use super::connection::Connection;
use super::postgres::{NAME, announcement};
use super::query::Query;
use super::sealed::{OWN, SEALED, Sealed, sealing};
use super::{Records, audit};
use crate::base::OsRandom;
use crate::domain::audit::AuditEntry;
use crate::store::seal::{Keyring, id_in};
use crate::store::{KeyStatus, MasterKeys, ResealPlace, Resealed, Result, StoreError};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::time::Duration;

/// Values whose keys are not in the configuration, which are looked at to say so.
const STRANGE: usize = 1000;
/// How often it is looked again whether another node still lacks a key, and how soon.
const LOOKS: usize = 4;
const AGAIN: Duration = Duration::from_millis(250);

/// Names of other sessions of ours in this database.
const OTHERS: &str = "SELECT CAST(application_name AS TEXT), CAST(coalesce(host(client_addr), 'this machine') AS TEXT)
     FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE $1";

/// What other nodes say of themselves: fingerprints, that of the one that seals first, and where each is. `Err` where one does
/// not say it.
async fn others(connection: &mut Connection) -> Result<Vec<(Vec<String>, String)>> {
    let rows = Query::new(OTHERS).bind(format!("{NAME}%")).fetch_all(connection).await?;
    let mut nodes = Vec::new();
    for row in &rows {
        let (name, at) = (row.text(0)?, row.text(1)?.to_owned());
        match name.strip_prefix(NAME).unwrap_or_default().split_once(" keys ") {
            Some((_, keys)) => nodes.push((keys.split(',').map(str::to_owned).collect(), at)),
            None if name == NAME => {
                return Err(StoreError::Conflict(format!(
                    "a node of an older version, or another command of Doorward, works with this database (at {at}); keys are \
                     rotated when all nodes have this version and no command runs"
                )));
            }
            None => {}
        }
    }
    Ok(nodes)
}

/// Refuses where a node lacks the key.
async fn everywhere(connection: &mut Connection, keyring: &Keyring, id: &str) -> Result<()> {
    if !connection.is_postgres() {
        return Ok(());
    }
    let own = announcement(keyring);
    let wanted = own.split(',').next().unwrap_or_default();
    let lacking =
        others(connection).await?.into_iter().filter(|(keys, _)| !keys.iter().any(|key| key == wanted));
    let at: Vec<_> = lacking.map(|(_, at)| at).collect();
    if at.is_empty() {
        return Ok(());
    }
    Err(StoreError::Conflict(format!(
        "the node at {} does not have the key `{id}` yet, or another one under this name; put its file into `keys.files` of every \
         node, among the first five, reload each, and rotate again",
        at.join(", and the node at ")
    )))
}

/// Values under keys that are not in the configuration.
async fn strange(kind: &Sealed, records: &Records, ids: &[String]) -> Result<BTreeMap<String, u64>> {
    let (mut found, mut after, mut looked) = (BTreeMap::new(), String::new(), 0);
    // All rows are read, which only happens where something is wrong.
    loop {
        let page = kind.page(&records.0.readers, None, &after).await?;
        let Some(last) = page.last() else { return Ok(found) };
        last.row.clone_into(&mut after);
        for kept in &page {
            let id = id_in(&kept.sealed).unwrap_or("(damaged)");
            if !ids.iter().any(|known| known == id) {
                *found.entry(id.chars().take(16).collect()).or_default() += 1;
                looked += 1;
            }
        }
        if looked >= STRANGE {
            return Ok(found);
        }
    }
}

impl Records {
    /// How many values are under each key, by table.
    async fn counted(&self, ids: &[String]) -> Result<BTreeMap<String, BTreeMap<&'static str, u64>>> {
        let mut keys = BTreeMap::<String, BTreeMap<&'static str, u64>>::new();
        for kind in SEALED.iter().chain([&OWN]) {
            let (each, all) = kind.counts(&self.0.readers, ids).await?;
            let mut counts: BTreeMap<_, _> = ids.iter().cloned().zip(each.iter().copied()).collect();
            if each.iter().sum::<u64>() < all {
                counts.extend(strange(kind, self, ids).await?);
            }
            for (id, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
                *keys.entry(id).or_default().entry(kind.table).or_default() += count;
            }
        }
        Ok(keys)
    }

    /// The one transaction in which a key takes over.
    async fn turn(&self, next: Keyring, id: String, entry: AuditEntry) -> Result<()> {
        self.write(move |transaction| {
            Box::pin(async move {
                everywhere(&mut transaction.connection, &next, &id).await?;
                for kept in OWN.page(&mut transaction.connection, None, "").await? {
                    let opened = next.open(kept.place(), &kept.sealed)?;
                    let again = next.seal(&OsRandom, kept.place(), opened.expose())?;
                    let update = OWN.update(vec![[kept.row.clone(), kept.sealed.clone(), again]]);
                    update.execute(&mut transaction.connection).await?;
                }
                audit::append(transaction, entry).await
            })
        })
        .await
    }

    /// After it.
    async fn turned(&self, from: String, to: String) -> Result<(String, String)> {
        self.0.keyring.seal_with(&to);
        self.announce().await?;
        Ok((from, to))
    }

    /// Tells the other nodes which keys are here.
    async fn announce(&self) -> Result<()> {
        if !self.0.readers.is_postgres() {
            return Ok(());
        }
        let keyring = self.0.keyring.clone();
        self.write(move |transaction| {
            Box::pin(async move {
                if let Connection::Postgres(session) = &mut transaction.connection {
                    session.announce(&keyring).await?;
                }
                Ok(())
            })
        })
        .await
    }
}

#[async_trait]
impl MasterKeys for Records {
    async fn list(&self) -> Result<Vec<KeyStatus>> {
        let keyring = &self.0.keyring;
        let ids = keyring.ids();
        let mut counted = self.counted(&ids).await?;
        let seals = keyring.sealing();
        let missing: Vec<_> = counted.keys().filter(|id| !ids.contains(id)).cloned().collect();
        let status = |id: String| KeyStatus {
            fingerprint: keyring.fingerprint(&id),
            seals: id == seals,
            values: counted.remove(&id).unwrap_or_default().into_iter().collect(),
            id,
        };
        Ok(ids.into_iter().chain(missing).map(status).collect())
    }

    async fn switch(&self, entry: AuditEntry) -> Result<Option<(String, String)>> {
        let keyring = self.0.keyring.clone();
        let next = keyring.of_first();
        let (from, to) = (keyring.sealing(), next.sealing());
        if from == to {
            return Ok(None);
        }
        // A session that has just ended is there for a moment.
        for _ in 0..LOOKS {
            match self.turn(next.clone(), to.clone(), entry.clone()).await {
                Err(StoreError::Conflict(_)) => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(error),
                Ok(()) => return self.turned(from, to).await.map(Some),
            }
        }
        self.turn(next, to.clone(), entry).await?;
        self.turned(from, to).await.map(Some)
    }

    async fn behind(&self) -> Result<u64> {
        if !self.0.readers.is_postgres() {
            return Ok(0);
        }
        let keyring = self.0.keyring.clone();
        self.write(move |transaction| {
            Box::pin(async move {
                let own = announcement(&keyring);
                let sealing = own.split(',').next();
                let nodes = others(&mut transaction.connection).await?;
                Ok(nodes.iter().filter(|(keys, _)| keys.first().map(String::as_str) != sealing).count()
                    as u64)
            })
        })
        .await
    }

    async fn reseal(&self, place: &mut ResealPlace) -> Result<Resealed> {
        let Some(kind) = SEALED.get(place.kind) else { return Ok(Resealed::default()) };
        let mut done = Resealed { table: Some(kind.table), ..Resealed::default() };
        let keyring = kind.keyring(&self.0.keyring);
        let page = kind.page(&self.0.readers, Some(&keyring.prefix()), &place.after).await?;
        let Some(last) = page.last() else {
            *place = ResealPlace { kind: place.kind + 1, after: String::new() };
            return Ok(done);
        };
        place.after.clone_from(&last.row);
        let mut rows = Vec::with_capacity(page.len());
        for kept in page {
            match keyring.open(kept.place(), &kept.sealed) {
                Ok(opened) => {
                    let again = keyring.seal(&OsRandom, kept.place(), opened.expose())?;
                    rows.push([kept.row, kept.sealed, again]);
                }
                // It stays as it is: the login that needs it says so as well.
                Err(error) => done.unreadable.push(error.to_string()),
            }
        }
        if !rows.is_empty() {
            done.sealed = self
                .write(move |transaction| {
                    Box::pin(async move {
                        let written = kind.update(rows).execute(&mut transaction.connection).await?;
                        if written > 0 {
                            transaction.wrote();
                        }
                        Ok(written)
                    })
                })
                .await?;
        }
        Ok(done)
    }

    async fn follow(&self) -> Result<bool> {
        if !self.0.readers.is_postgres() {
            return Ok(false);
        }
        let keyring = &self.0.keyring;
        let Some(id) = sealing(&self.0.readers).await?.filter(|id| *id != keyring.sealing()) else {
            return Ok(false);
        };
        if !keyring.seal_with(&id) {
            return Err(StoreError::Sealed(format!(
                "another node seals with the key `{id}` now, which is not in [keys] here; put its file into `keys.files` and reload"
            )));
        }
        self.announce().await?;
        Ok(true)
    }

    async fn replace(&self, new: Keyring) -> Result<()> {
        let keyring = &self.0.keyring;
        let (ids, seals) = (keyring.ids(), keyring.sealing());
        let counted = self.counted(&ids).await?;
        for id in ids {
            let (before, after) = (keyring.fingerprint(&id), new.fingerprint(&id));
            let values: u64 = counted.get(&id).into_iter().flat_map(BTreeMap::values).sum();
            if before == after || (values == 0 && id != seals) {
                continue;
            }
            let what = if after.is_none() { "is not there any more" } else { "is another key now" };
            return Err(StoreError::Conflict(format!(
                "the key `{id}` {what}, and {values} values are under it; put its file back, rotate, and remove it when \
                 `doorward keys list` says that nothing is under it"
            )));
        }
        if !keyring.replace(&new) {
            return Err(StoreError::Conflict(format!("the key `{seals}` seals, and is not there any more")));
        }
        self.announce().await
    }
}
