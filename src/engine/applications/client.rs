//! Which application asks: keys, and tokens that are signed for one. Both end with the key.

use super::Applications;
use crate::base::{Random, Secret, Timestamp};
use crate::config::{Api, ApiClient};
use crate::domain::audit::AuditEntry;
use crate::engine::desk::Actor;
use crate::store::{ClientKey, ClientKeyStatus, Result};
use crate::wire::privacyidea::token::Claims;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// How ids of keys begin; Duo's are of the same length.
pub const KEY_PREFIX: &str = "DW";
/// Letters and digits of an id behind that, and of a secret, 5 bits each.
const ID: usize = 18;
const SECRET: usize = 40;
/// Without those that are taken for each other.
const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A key that was made, to be shown once.
#[derive(Debug)]
pub struct ShownKey {
    /// Its public part.
    pub id: String,
    /// Its secret part.
    pub secret: Secret<String>,
    /// When older ones of the application end, if they do.
    pub older_until: Option<Timestamp>,
}

fn same(given: &str, kept: &Secret<String>) -> bool {
    bool::from(given.as_bytes().ct_eq(kept.expose().as_bytes()))
}

fn letters(random: &dyn Random, count: usize) -> String {
    let mut bytes = vec![0; count];
    random.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect() // in range by modulo
}

/// A fresh key for an application.
pub fn new_key(client: &str, random: &dyn Random, now: Timestamp) -> ClientKey {
    let id = format!("{KEY_PREFIX}{}", letters(random, ID));
    let secret = Secret::new(letters(random, SECRET));
    let status = ClientKeyStatus { id, client: client.to_owned(), created: now, expires: None };
    ClientKey { status, secret }
}

/// What to do about keys of applications that the configuration does not name, a sentence each. They do not count, and would again: a name
/// that was given up may be given to another.
pub fn left_over(api: &Api, keys: &[ClientKeyStatus], now: Timestamp) -> Vec<String> {
    let mut left: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let counts = |key: &&ClientKeyStatus| key.expires.is_none_or(|end| end > now);
    for key in keys.iter().filter(counts).filter(|key| api.client(&key.client).is_none()) {
        left.entry(&key.client).or_default().push(&key.id);
    }
    let said = |(client, ids): (&str, Vec<&str>)| {
        let ids = ids.join(", ");
        format!(
            "no [[api_client]] is called `{client}`, and it has keys ({ids}), which do not count, but would again under that name: \
             end each with `doorward client revoke ID`, or name the application in the configuration"
        )
    };
    left.into_iter().map(said).collect()
}

impl Applications {
    fn counts(&self, key: &ClientKeyStatus) -> bool {
        key.expires.is_none_or(|end| end > self.clock.now())
    }

    /// The application of a key `ID.SECRET`, with the key's id.
    pub async fn by_key(&self, api: &Api, text: &str) -> Result<Option<(Arc<ApiClient>, String)>> {
        let Some((id, secret)) = text.split_once('.') else { return Ok(None) };
        let Some(key) = self.keys.find(id).await? else { return Ok(None) };
        let right = same(secret, &key.secret) && self.counts(&key.status);
        Ok(self.of(api, &key.status).filter(|_| right))
    }

    /// The application of a token.
    pub async fn by_token(&self, api: &Api, token: &str) -> Result<Option<(Arc<ApiClient>, String)>> {
        let Some(claims) = self.signer.open(token, self.clock.now()) else { return Ok(None) };
        let Some(key) = self.keys.find(&claims.kid).await? else { return Ok(None) };
        let right = self.counts(&key.status) && key.status.client == claims.username;
        Ok(self.of(api, &key.status).filter(|_| right))
    }

    /// The name of the application that a token was signed for, if the token is over.
    pub fn of_old_token(&self, token: &str) -> Option<String> {
        self.signer.open_over(token, self.clock.now()).map(|claims| claims.username)
    }

    fn of(&self, api: &Api, key: &ClientKeyStatus) -> Option<(Arc<ApiClient>, String)> {
        api.client(&key.client).map(|client| (Arc::clone(client), key.id.clone()))
    }

    /// The secret of a key that counts, with its application: what is signed with it is checked by the caller.
    pub async fn secret(&self, api: &Api, id: &str) -> Result<Option<(Arc<ApiClient>, Secret<String>)>> {
        let Some(key) = self.keys.find(id).await? else { return Ok(None) };
        let client = self.of(api, &key.status).filter(|_| self.counts(&key.status));
        Ok(client.map(|(client, _)| (client, key.secret)))
    }

    /// A token for who names an application, or one of its keys, and shows the key's secret; if the application may ask, as
    /// `admitted` says. The trail has it, and of wrong secrets of applications that there are what `noted` says, if it says something.
    pub async fn sign_in(
        &self,
        api: &Api,
        (name, secret): (&str, &Secret<String>),
        (admitted, noted): (impl Fn(&ApiClient) -> bool + Send, impl FnOnce() -> Option<String> + Send),
        request: &str,
    ) -> Result<Option<(Arc<ApiClient>, Secret<String>, Claims)>> {
        let mut keys = self.keys.of(name).await?;
        keys.extend(self.keys.find(name).await?);
        // All are compared, whichever fits.
        let fits = |key: &ClientKey| same(secret.expose(), &key.secret) & self.counts(&key.status);
        let fitting = keys.iter().fold(None, |found, key| fits(key).then_some(key).or(found));
        let client = keys.first().and_then(|key| api.client(&key.status.client));
        let Some(client) = client.filter(|client| admitted(client)) else { return Ok(None) };
        let actor = Actor { name: format!("api:{}", client.name), request: request.to_owned() };
        let entry = self.desk.entry(&actor, "client.sign-in", &client.name, None);
        let Some(key) = fitting else {
            let Some(detail) = noted() else { return Ok(None) };
            self.desk.audit.append(AuditEntry { outcome: "refused", detail: detail.into(), ..entry }).await?;
            return Ok(None);
        };
        self.desk.audit.append(AuditEntry { detail: key.status.id.clone().into(), ..entry }).await?;
        let signed = self.signer.sign(&client.name, &key.status.id, api.token_lifetime, self.clock.now());
        Ok(signed.map(|(token, claims)| (Arc::clone(client), token, claims)))
    }

    /// Makes a key. `grace`: older ones of the application count so long still; none: they stay.
    pub async fn make_key(&self, actor: &Actor, client: &str, grace: Option<Duration>) -> Result<ShownKey> {
        let now = self.clock.now();
        let key = new_key(client, &*self.random, now);
        let (id, secret) = (key.status.id.clone(), key.secret.clone());
        let older_until = grace.map(|grace| now + grace);
        let action = if grace.is_some() { "client.rotate" } else { "client.add" };
        let audit = AuditEntry { detail: id.clone().into(), ..self.desk.entry(actor, action, client, None) };
        self.keys.add(key, older_until, audit).await?;
        Ok(ShownKey { id, secret, older_until })
    }

    /// Ends a key, and the tokens that were signed for it.
    pub async fn revoke_key(&self, actor: &Actor, id: &str) -> Result<()> {
        self.keys.revoke(id, self.desk.entry(actor, "client.revoke", id, None)).await
    }
}
