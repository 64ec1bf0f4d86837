//! The backend for several nodes: challenges and codes in Redis.
//!
//! All of one person lies in one hash, `PREFIX:p:HANDLE`, and each call is one script on it: one round trip, in a
//! Cluster at one node. The scripts are beside this file.
//!
//! # Who owns Redis
//!
//! Redis keeps what is outstanding; it does not decide who is let in. What somebody gets who can read and write
//! everything in it:
//!
//! - *Reading*: keyed handles instead of people, digests instead of States, ids of codes, sizes and times. No name, no
//!   address, no code: digests of codes are keyed, and sealed on top.
//! - *Making up a login* ("the password was right"): it does not open, so there is none. A sealed login opens only
//!   under its own State, a sealed code only at its own person and purpose: moving them gets nothing.
//! - *Extending an end*: the ends in clear only clean up; those under the seal decide.
//! - *Raising the tries*: more guesses at one code, until the person's counter in the records store stops them;
//!   every guess is charged there too, before it is compared.
//! - *Putting back* what was taken or voided (or a snapshot of Redis): a State and a code that were accepted are used up
//!   in the records store, in the transaction that accepted them; what was not accepted can be tried until its sealed
//!   end, by whoever has both State and code.
//! - *Letting one challenge refer to another code of the person*: the digest is bound to id, person, purpose and
//!   transaction, so the code fits only where it was sent for.
//! - *Deleting*: people must begin their login anew.

mod dial;
mod link;
mod sealed;

pub use link::RedisState;

use super::{Challenges, NewChallenge, Opened, PER_PERSON, Result, State, Taken, handle};
use crate::base::{Random, Timestamp};
use crate::config;
use crate::domain::sent::CodeId;
use crate::store::StoreError;
use crate::store::seal::Keyring;
use ::redis::FromRedisValue;
use async_trait::async_trait;
use data_encoding::HEXLOWER;
use link::{Link, Script};
use sealed::Seals;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;

/// Outstanding challenges and codes in Redis.
pub struct RedisChallenges {
    link: Link,
    seals: Seals,
    prefix: String,
    open: Script,
    take: Script,
    void: Script,
}

/// Keys open doors: only where Redis is is shown.
impl fmt::Debug for RedisChallenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisChallenges").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}

macro_rules! script {
    ($name:literal) => {
        Script::new(concat!(include_str!("common.lua"), include_str!($name)))
    };
}

impl RedisChallenges {
    /// Connects in the background, from now on and whenever the connection is lost; needs a tokio runtime.
    /// It fails only where the settings can never work.
    pub fn new(settings: &config::Redis, keyring: Keyring, random: Arc<dyn Random>) -> Result<Self> {
        Ok(Self {
            link: Link::start(settings)?,
            seals: Seals::new(keyring, random),
            prefix: settings.prefix.clone(),
            open: script!("open.lua"),
            take: script!("take.lua"),
            void: script!("void.lua"),
        })
    }

    /// Whether Redis can be reached, as far as known without asking: it is asked every second.
    pub fn state(&self) -> RedisState {
        self.link.state()
    }

    /// Where everything of the person is whom a State names.
    fn key(&self, state: &State) -> String {
        format!("{}:p:{}", self.prefix, HEXLOWER.encode(&handle(state)))
    }

    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        state: &State,
        arguments: &[String],
    ) -> Result<T> {
        let value = self.link.run(script, &self.key(state), arguments).await?;
        T::from_redis_value(value).map_err(|error| {
            let what = format!("Redis gave an answer that no script of Doorward gives: {error}");
            StoreError::Unavailable(what)
        })
    }
}

/// What a State is kept under: who reads Redis cannot answer a challenge in somebody's place.
fn field(state: &State) -> String {
    let digest = Sha256::digest(state);
    HEXLOWER.encode(digest.get(..16).unwrap_or_default())
}

fn millis(time: Timestamp) -> String {
    time.millis().to_string()
}

#[async_trait]
impl Challenges for RedisChallenges {
    async fn open(&self, challenge: NewChallenge, now: Timestamp) -> Result<Opened> {
        let NewChallenge { state, pending, code } = challenge;
        let sealed = self.seals.seal_pending(&state, &pending)?;
        let mut arguments =
            vec![millis(now), field(&state), millis(pending.expires), sealed, PER_PERSON.to_string()];
        if let Some(new) = &code {
            arguments.extend([
                new.purpose.to_string(),
                new.code.id.to_string(),
                millis(new.code.expires),
                new.tries.to_string(),
                new.resend_after.as_millis().to_string(),
                sealed::binding(new.code.channel, &new.transaction),
                self.seals.seal_code(handle(&state), new.purpose, &new.code)?,
            ]);
        }
        let joined: String = self.run(&self.open, &state, &arguments).await?;
        if joined.is_empty() {
            return Ok(Opened::Kept);
        }
        let code =
            joined.parse().map_err(|_| StoreError::Unavailable("Redis holds a code without an id".into()))?;
        Ok(Opened::Joined(code))
    }

    async fn take(&self, state: &State, attempt: bool, now: Timestamp) -> Result<Option<Taken>> {
        let attempt = if attempt { "1" } else { "0" };
        let arguments = [millis(now), field(state), attempt.to_owned()];
        let sealed: Option<Vec<String>> = self.run(&self.take, state, &arguments).await?;
        // Only under the purpose that it was sent for does a code open, and to that its digest is bound.
        let (pending, code) = match sealed.as_deref() {
            Some([pending, code, purpose]) => (pending, self.seals.code(state, purpose, code, now)),
            Some([pending, ..]) => (pending, None),
            _ => return Ok(None),
        };
        Ok(self.seals.pending(state, pending, now).map(|pending| Taken { pending, code }))
    }

    async fn void(&self, state: &State, code: CodeId) -> Result<()> {
        self.run(&self.void, state, &["0".to_owned(), field(state), code.to_string()]).await
    }
}
