//! Who follows a directory, where several nodes share the store.

use super::*;
use crate::base::{OsRandom, SystemClock};
use crate::domain::directory::Known;
use crate::store::{Applied, Result, SyncPlace};
use async_trait::async_trait;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A store that another node may be leading; it notes what it is asked.
#[derive(Default)]
struct Shared {
    ours: AtomicBool,
    calls: Mutex<Vec<&'static str>>,
}

impl Shared {
    fn note(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }
}

#[async_trait]
impl Identities for Shared {
    async fn lead(&self, directory: &str) -> Result<bool> {
        assert_eq!(directory, "campus");
        self.note("lead");
        Ok(self.ours.load(Ordering::SeqCst))
    }

    async fn known(&self, _: &str) -> Result<Vec<Known>> {
        self.note("known");
        Ok(Vec::new())
    }

    async fn place(&self, _: &str) -> Result<Option<SyncPlace>> {
        self.note("place");
        Ok(None)
    }

    async fn apply(&self, _: IdentityBatch) -> Result<Applied> {
        self.note("apply");
        Err(StoreError::Conflict("another node follows the directory".to_owned()))
    }

    async fn purge(&self, _: &str, _: Timestamp, _: AuditEntry) -> Result<u64> {
        self.note("purge");
        Ok(0)
    }
}

/// A directory where nobody answers.
fn servers() -> Arc<Servers> {
    let folder = tempfile::tempdir().unwrap();
    let key = data_encoding::BASE64.encode(&[7; 32]);
    std::fs::write(folder.path().join("k1.key"), key).unwrap();
    let file = folder.path().join("doorward.toml");
    let text = "[keys]\nfiles = [\"k1.key\"]\n[[directory]]\nname = \"campus\"\nservers = [\"ldap://127.0.0.1:1\"]\n\
                start_tls = false\nbind_dn = \"cn=x\"\nsecret = \"x\"\nbase = \"dc=x\"\n";
    std::fs::write(&file, text).unwrap();
    for file in [&file, &folder.path().join("k1.key")] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let config = crate::config::load(&file, std::iter::empty()).unwrap_or_else(|errors| panic!("{errors}"));
    Arc::new(Servers::new(Arc::clone(&config.directories[0])).unwrap())
}

fn follower(shared: &Arc<Shared>, before: Option<&Handle>) -> (Follower, Handle) {
    let now: (Arc<dyn Clock>, Arc<dyn Random>) = (Arc::new(SystemClock), Arc::new(OsRandom));
    Follower::new(servers(), Arc::default(), Arc::clone(shared) as Arc<dyn Identities>, now, before)
}

async fn until(handle: &Handle, stage: Stage) {
    handle.watch().wait_for(|progress| progress.stage == stage).await.unwrap();
}

#[tokio::test]
async fn node_that_does_not_lead_reads_and_writes_nothing_until_it_does() {
    let shared = Arc::new(Shared::default());
    let (follower, handle) = follower(&shared, None);
    let running = tokio::spawn(follower.run());
    until(&handle, Stage::Elsewhere).await;
    assert_eq!(*shared.calls.lock().unwrap(), ["lead"]);
    assert!(handle.progress().error.unwrap().contains("another node"));
    // The other one is gone.
    shared.ours.store(true, Ordering::SeqCst);
    assert!(handle.reload(false));
    until(&handle, Stage::Retrying).await;
    assert_eq!(shared.calls.lock().unwrap()[..5], ["lead", "lead", "purge", "known", "place"]);
    running.abort();
}

#[tokio::test]
async fn directory_after_one_that_is_followed_elsewhere_does_not_wait_for_it() {
    let shared = Arc::new(Shared::default());
    let (first, before) = follower(&shared, None);
    let (second, handle) = follower(&shared, Some(&before));
    let running = [tokio::spawn(second.run()), tokio::spawn(first.run())];
    until(&handle, Stage::Elsewhere).await;
    running.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn who_does_not_lead_any_more_begins_anew() {
    let shared = Arc::new(Shared::default());
    shared.ours.store(true, Ordering::SeqCst);
    let (follower, _) = follower(&shared, None);
    let ended = follower.still_leads().await;
    assert!(matches!(ended, Err(Ended::Store(StoreError::Conflict(_)))), "{ended:?}");
}
