//! Secrets at rest: XChaCha20-Poly1305 under a named master key, bound to the place where the value is kept.
//!
//! Text form `v1:KEY-ID:NONCE:CIPHERTEXT` (base64). The additional data names table, row, person and kind, so
//! a sealed seed that is copied to another person's row does not open there. The master key itself is never
//! used: HKDF-SHA-256 derives one key per purpose, and answers that the help desk may see have one of their own.
//!
//! All clones of a keyring are one: which key seals changes while the daemon serves ([`super::records`] decides it), and so do the
//! keys that there are.

use super::StoreError;
use crate::base::{Random, Secret};
use arc_swap::ArcSwap;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::{BASE64URL_NOPAD as BASE64, HEXLOWER};
use hkdf::Hkdf;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// Letters of the id of a master key at most.
const LONGEST_ID: usize = 64;

/// Master keys: one seals, all open.
#[derive(Clone)]
pub struct Keyring {
    keys: Arc<ArcSwap<Keys>>,
    /// Whether it is the one for what the help desk may see.
    helpdesk: bool,
}

/// In the order of the configuration; never empty.
#[derive(Clone)]
struct Keys {
    all: Vec<Key>,
    /// The place of the one that seals.
    sealing: usize,
}

impl Keys {
    fn sealing(&self) -> Option<&Key> {
        self.all.get(self.sealing)
    }
}

/// What is derived of a master key.
#[derive(Clone)]
struct Key {
    id: String,
    /// Says whether two keys are the same, and nothing else about them.
    fingerprint: String,
    rest: XChaCha20Poly1305,
    helpdesk: XChaCha20Poly1305,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// Where a value is kept.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Table.
    pub table: &'a str,
    /// Primary key of the row.
    pub row: &'a str,
    /// Whose it is; empty for the daemon's own.
    pub person: &'a str,
    /// What it is.
    pub kind: &'a str,
}

impl Place<'_> {
    fn bytes(&self, key_id: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in [key_id, self.table, self.row, self.person, self.kind] {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part.as_bytes());
        }
        bytes
    }
}

impl Keyring {
    /// From (key id, 32 bytes), at least one; the first seals. Ids differ and consist of letters, digits, `-` and `_`, because
    /// they stand between colons in every sealed value.
    pub fn new(master: &[(String, Secret<Vec<u8>>)]) -> Result<Self, StoreError> {
        let mut all: Vec<Key> = Vec::with_capacity(master.len());
        for (id, key) in master {
            if !is_id(id) || all.iter().any(|known| known.id == *id) {
                return Err(StoreError::Sealed(format!(
                    "`{id}` cannot be the id of a master key, or is there twice"
                )));
            }
            let short = || StoreError::Sealed(format!("master key `{id}` must have 32 bytes"));
            if key.expose().len() != 32 {
                return Err(short());
            }
            let master = Hkdf::<Sha256>::new(None, key.expose());
            let derive = |purpose: &[u8]| {
                let mut sealing = Zeroizing::new([0; 32]);
                master.expand(purpose, sealing.as_mut_slice()).map_err(|_| short())?;
                XChaCha20Poly1305::new_from_slice(sealing.as_slice()).map_err(|_| short())
            };
            let (rest, helpdesk) = (derive(b"doorward seal v1")?, derive(b"doorward help desk v1")?);
            let mut print = [0; 8];
            master.expand(b"doorward fingerprint v1", &mut print).map_err(|_| short())?;
            all.push(Key { id: id.clone(), fingerprint: HEXLOWER.encode(&print), rest, helpdesk });
        }
        if all.is_empty() {
            return Err(StoreError::Sealed("a master key of 32 bytes is needed".into()));
        }
        Ok(Self { keys: Arc::new(ArcSwap::from_pointee(Keys { all, sealing: 0 })), helpdesk: false })
    }

    /// The one for what the help desk may see: neither opens what the other has sealed.
    pub fn of_help_desk(&self) -> Self {
        Self { helpdesk: true, ..self.clone() }
    }

    /// A keyring of its own with the same keys, of which the first of the configuration seals.
    pub fn of_first(&self) -> Self {
        let keys = Keys { sealing: 0, ..(**self.keys.load()).clone() };
        Self { keys: Arc::new(ArcSwap::from_pointee(keys)), helpdesk: self.helpdesk }
    }

    /// Ids in the order of the configuration.
    pub fn ids(&self) -> Vec<String> {
        self.keys.load().all.iter().map(|key| key.id.clone()).collect()
    }

    /// The id of the one that seals.
    pub fn sealing(&self) -> String {
        self.keys.load().sealing().map(|key| key.id.clone()).unwrap_or_default()
    }

    /// The fingerprint of a key, hex.
    pub fn fingerprint(&self, id: &str) -> Option<String> {
        self.keys.load().all.iter().find(|key| key.id == id).map(|key| key.fingerprint.clone())
    }

    /// From now on this one seals; whether it is there.
    pub fn seal_with(&self, id: &str) -> bool {
        let mut there = false;
        // A reload may replace the keys at the same moment: it is tried again then.
        self.keys.rcu(|present| {
            let sealing = present.all.iter().position(|key| key.id == id);
            there = sealing.is_some();
            Keys { sealing: sealing.unwrap_or(present.sealing), ..(**present).clone() }
        });
        there
    }

    /// Takes the keys of another in the place of its own; the one that seals stays, or else nothing is taken: whether it was.
    pub fn replace(&self, other: &Self) -> bool {
        let (new, mut there) = (other.keys.load(), false);
        self.keys.rcu(|present| {
            let seals = present.sealing().map(|key| &key.id);
            let sealing = new.all.iter().position(|key| Some(&key.id) == seals);
            there = sealing.is_some();
            sealing.map_or_else(|| (**present).clone(), |sealing| Keys { sealing, ..(**new).clone() })
        });
        there
    }

    const fn cipher<'k>(&self, key: &'k Key) -> &'k XChaCha20Poly1305 {
        if self.helpdesk { &key.helpdesk } else { &key.rest }
    }

    /// How a value starts that was sealed with the present key; others are to be sealed anew.
    pub fn prefix(&self) -> String {
        prefix_of(&self.sealing())
    }

    /// Seals a value for its place.
    pub fn seal(&self, random: &dyn Random, place: Place<'_>, value: &[u8]) -> Result<String, StoreError> {
        let failed = || StoreError::Sealed("sealing failed".into());
        let keys = self.keys.load();
        let key = keys.sealing().ok_or_else(failed)?;
        let (id, cipher) = (&key.id, self.cipher(key));
        let mut nonce = [0; 24];
        random.fill(&mut nonce);
        let payload = Payload { msg: value, aad: &place.bytes(id) };
        let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| failed())?;
        Ok(format!("v1:{id}:{}:{}", BASE64.encode(&nonce), BASE64.encode(&sealed)))
    }

    /// Opens a value from its place.
    pub fn open(&self, place: Place<'_>, text: &str) -> Result<Secret<Vec<u8>>, StoreError> {
        let bad =
            |why: &str| StoreError::Sealed(format!("{} {} {}: {why}", place.table, place.row, place.kind));
        let mut parts = text.split(':');
        let (Some("v1"), Some(id), Some(nonce), Some(sealed), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("not in the form of a sealed value"));
        };
        if !is_id(id) {
            return Err(bad("not in the form of a sealed value"));
        }
        let keys = self.keys.load();
        let key = keys
            .all
            .iter()
            .find(|known| known.id == id)
            .ok_or_else(|| bad(&format!("it was sealed with key `{id}`, which is not in [keys]")))?;
        let nonce = BASE64.decode(nonce.as_bytes()).ok().and_then(|nonce| <[u8; 24]>::try_from(nonce).ok());
        let nonce = nonce.ok_or_else(|| bad("damaged nonce"))?;
        let sealed = BASE64.decode(sealed.as_bytes()).map_err(|_| bad("damaged text"))?;
        let payload = Payload { msg: &sealed, aad: &place.bytes(id) };
        let value = self.cipher(key).decrypt(&XNonce::from(nonce), payload);
        value.map(Secret::new).map_err(|_| bad("wrong key, or the row was tampered with"))
    }
}

/// How a value starts that was sealed with this key.
pub fn prefix_of(id: &str) -> String {
    format!("v1:{id}:")
}

/// The id of the key that a value was sealed with, as far as its form says so: what is no id is not taken for one, whoever wrote it.
pub fn id_in(sealed: &str) -> Option<&str> {
    sealed.strip_prefix("v1:")?.split_once(':').map(|(id, _)| id).filter(|id| is_id(id))
}

fn is_id(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRandom;

    const PLACE: Place<'_> = Place { table: "factors", row: "1", person: "alice", kind: "totp" };

    fn ring(ids: &[(&str, u8)]) -> Keyring {
        let keys: Vec<_> =
            ids.iter().map(|(id, byte)| ((*id).to_owned(), Secret::new(vec![*byte; 32]))).collect();
        Keyring::new(&keys).unwrap()
    }

    #[test]
    fn sealed_value_opens_only_in_its_place() {
        let ring = ring(&[("k1", 1)]);
        let text = ring.seal(&SeededRandom::new(1), PLACE, b"seed").unwrap();
        assert_eq!(ring.open(PLACE, &text).unwrap().expose(), b"seed");
        for other in [
            Place { table: "other", ..PLACE },
            Place { row: "2", ..PLACE },
            Place { person: "bob", ..PLACE },
            Place { kind: "hotp", ..PLACE },
            Place { row: "1alice", person: "", ..PLACE },
        ] {
            assert!(matches!(ring.open(other, &text), Err(StoreError::Sealed(_))), "{other:?}");
        }
    }

    #[test]
    fn help_desks_key_opens_nothing_else_and_nothing_else_opens_its_values() {
        let ring = ring(&[("k1", 1)]);
        let helpdesk = ring.of_help_desk();
        let text = helpdesk.seal(&SeededRandom::new(1), PLACE, b"rex").unwrap();
        assert_eq!(helpdesk.open(PLACE, &text).unwrap().expose(), b"rex");
        assert!(matches!(ring.open(PLACE, &text), Err(StoreError::Sealed(_))));
        let other = ring.seal(&SeededRandom::new(1), PLACE, b"seed").unwrap();
        assert!(matches!(helpdesk.open(PLACE, &other), Err(StoreError::Sealed(_))));
        assert_eq!(helpdesk.prefix(), ring.prefix());
    }

    #[test]
    fn new_key_seals_and_the_old_one_still_opens() {
        let old = ring(&[("k1", 1)]).seal(&SeededRandom::new(1), PLACE, b"seed").unwrap();
        let both = ring(&[("k2", 2), ("k1", 1)]);
        assert_eq!(both.open(PLACE, &old).unwrap().expose(), b"seed");
        assert!(both.seal(&SeededRandom::new(1), PLACE, b"seed").unwrap().starts_with("v1:k2:"));
        let error = ring(&[("k2", 2)]).open(PLACE, &old).unwrap_err();
        assert!(error.to_string().contains("key `k1`"), "{error}");
        assert!(ring(&[("k1", 9)]).open(PLACE, &old).is_err());
    }

    #[test]
    fn key_that_seals_is_the_same_for_all_clones_and_stays_when_keys_are_replaced() {
        let ring = ring(&[("k1", 1)]);
        let helpdesk = ring.of_help_desk();
        assert!(!ring.replace(&self::ring(&[("k2", 2)])), "what seals must not go");
        assert!(ring.replace(&self::ring(&[("k2", 2), ("k1", 1)])));
        assert_eq!((ring.ids(), ring.sealing()), (vec!["k2".to_owned(), "k1".to_owned()], "k1".to_owned()));
        assert_eq!(ring.of_first().sealing(), "k2");
        assert_eq!(helpdesk.sealing(), "k1", "the one of its own leaves the others as they are");
        assert!(ring.seal_with("k2") && !ring.seal_with("k3"));
        assert!(helpdesk.seal(&SeededRandom::new(1), PLACE, b"x").unwrap().starts_with("v1:k2:"));
        let print = ring.fingerprint("k2").unwrap();
        assert_eq!(print.len(), 16);
        assert_eq!(self::ring(&[("other", 2)]).fingerprint("other"), Some(print.clone()));
        assert_ne!(ring.fingerprint("k1"), Some(print));
        assert_eq!(id_in("v1:k2:n:c"), Some("k2"));
        assert_eq!((id_in("v2:k2:n:c"), id_in("v1:k2")), (None, None));
        assert_eq!((id_in("v1:\x1b[2J:n:c"), id_in("v1::n:c")), (None, None), "it is printed");
        let forged = ring.open(PLACE, "v1:\x1b[2J:n:c").unwrap_err().to_string();
        assert!(!forged.contains('\x1b'), "{forged}");
    }

    #[test]
    fn impossible_keys_are_refused_and_debug_shows_ids_only() {
        let key = |id: &str, length| (id.to_owned(), Secret::new(vec![7; length]));
        assert!(Keyring::new(&[]).is_err());
        assert!(Keyring::new(&[key("k1", 31)]).is_err());
        assert!(Keyring::new(&[key("k:1", 32)]).is_err());
        assert!(Keyring::new(&[key("k1", 32), key("k1", 32)]).is_err());
        assert_eq!(format!("{:?}", ring(&[("k2", 2), ("k1", 1)])), r#"["k2", "k1"]"#);
    }

    #[test]
    fn changed_bit_does_not_open() {
        let ring = ring(&[("k1", 1)]);
        let text = ring.seal(&SeededRandom::new(1), PLACE, b"seed").unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert!(ring.open(PLACE, &changed).is_err(), "{at}");
            }
        }
    }
}
