//! What is asked or told outside beside directories: providers of messages, validation servers, mailboxes, Redis.

use crate::base::OsRandom;
use crate::config::Config;
use crate::store::challenges::{Challenges, MemoryChallenges, RedisChallenges};
use crate::store::delivery::Providers;
use crate::store::mailbox::MailboxProvider;
use crate::store::seal::Keyring;
use crate::store::yubico::ValidationServers;
use anyhow::{Context, Result};
use std::sync::Arc;

/// All of them.
pub(super) struct Outside {
    pub(super) providers: Arc<Providers>,
    pub(super) validators: Arc<ValidationServers>,
    pub(super) mailboxes: Arc<MailboxProvider>,
    pub(super) challenges: Arc<dyn Challenges>,
    pub(super) redis: Redis,
    /// Challenges that are kept here and not in Redis.
    pub(super) here: Option<Arc<MemoryChallenges>>,
}

impl Outside {
    pub(super) fn new(config: &Config, keyring: Keyring) -> Result<Self> {
        let validators = ValidationServers::new(config.yubico.as_ref(), Arc::new(OsRandom));
        let mailboxes = MailboxProvider::new(config.mailbox.as_ref());
        let (challenges, redis, here) = challenges(config, keyring)?;
        Ok(Self {
            providers: Arc::new(Providers::new(config)?),
            validators: Arc::new(validators.map_err(anyhow::Error::msg).context("[yubico]")?),
            mailboxes: Arc::new(mailboxes.map_err(anyhow::Error::msg).context("[mailbox]")?),
            challenges,
            redis,
            here,
        })
    }

    /// Takes a new configuration over. What cannot be stays as it was, and is returned.
    pub(super) fn reload(&self, new: &Config) -> Vec<String> {
        let mut left = Vec::new();
        if let Err(error) = self.providers.reload(new) {
            left.push(format!("the old [smtp] and [[gateway]] stay: {error}"));
        }
        if let Err(error) = self.validators.reload(new.yubico.as_ref()) {
            left.push(format!("the old [yubico] stays: {error}"));
        }
        if let Err(error) = self.mailboxes.reload(new.mailbox.as_ref()) {
            left.push(format!("the old [mailbox] stays: {error}"));
        }
        left
    }
}

/// Redis, if challenges wait there.
pub(super) type Redis = Option<Arc<RedisChallenges>>;

/// Where challenges wait for their answers, and that again by its kind.
type Places = (Arc<dyn Challenges>, Redis, Option<Arc<MemoryChallenges>>);

fn challenges(config: &Config, keyring: Keyring) -> Result<Places> {
    let Some(settings) = &config.redis else {
        let here = Arc::new(MemoryChallenges::new(config.radius.challenge_entries));
        return Ok((here.clone(), None, Some(here)));
    };
    let redis = RedisChallenges::new(settings, keyring, Arc::new(OsRandom)).context("[redis]")?;
    let redis = Arc::new(redis);
    Ok((redis.clone(), Some(redis), None))
}
