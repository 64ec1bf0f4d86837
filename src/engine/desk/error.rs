//! Why something was not done at the desk: each reason a sentence for the one who asked.

use crate::domain::password::pin::PinProblem;
use crate::domain::person::UsernameError;
use crate::store::StoreError;
use crate::store::directory::import::ImportError;
use crate::store::directory::{ChangeError, DirectoryError, PoolError};

/// Why it was not done. Each is a sentence for the one who asked.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// No such person.
    #[error("There is no person called `{0}`. `doorward person list` shows who there is.")]
    NoPerson(String),
    /// No such factor.
    #[error("There is no factor `{0}`. `doorward factor list USERNAME` shows which there are.")]
    NoFactor(String),
    /// Not a username.
    #[error("`{0}` cannot be a username: {1}.")]
    Username(String, UsernameError),
    /// The name is taken.
    #[error("{0}.")]
    Conflict(String),
    /// A password against the rules.
    #[error("{0}")]
    Password(String),
    /// The present password, given to show that it is the person, is wrong.
    #[error(
        "The present password is wrong. Type it again, or leave it out to set the password as administrator."
    )]
    WrongOld,
    /// Unlocked here, but perhaps not in the directory.
    #[error("{0} is unlocked in Doorward, but a lock of the directory itself may still be on: {1}")]
    HalfUnlocked(String, String),
    /// A PIN against the rules.
    #[error("{}", sentences(.0))]
    Pin(Vec<PinProblem>),
    /// The key cannot be used.
    #[error("The key must be base32 of 16 to 128 bytes.")]
    Seed,
    /// The first counter is one that no token reaches.
    #[error(
        "The first counter is at most {}. The maker's file, or the token's own menu, shows it.",
        crate::engine::enroll::MOST_COUNTED
    )]
    Counter,
    /// The first code does not fit.
    #[error("This code does not belong to the key. Is the clock of the device right? Try the next one.")]
    WrongCode,
    /// It is active already, or the code has been used.
    #[error("This factor does not wait for a first code.")]
    NotPending,
    /// Resync of something that has neither counter nor clock.
    #[error("Only tokens and apps that show codes (hotp, totp) are resynchronised.")]
    NoCodes,
    /// Two codes in a row were not found.
    #[error(
        "These are not two consecutive, unused codes of this token. Type two that it shows one after the other, in order."
    )]
    NoResync,
    /// A name that is none.
    #[error("The name must have 1 to 64 characters that can be printed.")]
    Label,
    /// The person has as many device passwords as they may.
    #[error(
        "There are {0} device passwords already, and no more are allowed (`per_person` of [device_passwords]). Revoke one that is not used any more with `doorward factor revoke ID`."
    )]
    ManyDevices(u8),
    /// Another device has this name.
    #[error("There is a device called `{0}` already. Choose another name, or revoke that one first.")]
    DeviceNamed(String),
    /// Nobody has device passwords here.
    #[error(
        "Device passwords are switched off. Set `per_person` of [device_passwords] in the configuration, and reload."
    )]
    DevicesOff,
    /// The passphrase of an export is too short.
    #[error(
        "The passphrase must have at least {0} characters: whoever guesses it has every token of the file."
    )]
    Passphrase(usize),
    /// A lifetime out of range.
    #[error("A code can live from 1 minute to {0} hours here.")]
    Lifetime(u64),
    /// No such token.
    #[error("There is no token `{0}`. `doorward token list` shows which there are.")]
    NoToken(String),
    /// Several tokens have this serial number.
    #[error(
        "Several tokens are called `{0}`. Name one by its id, which `doorward token list --matching {0}` shows."
    )]
    ManyTokens(String),
    /// What was typed is no password of a YubiKey.
    #[error("{0}")]
    Otp(String),
    /// The key that was touched cannot be bound.
    #[error("{0}")]
    Touch(TouchProblem),
    /// Errors in a file.
    #[error("The file has errors; nothing was imported.")]
    Import(Vec<ImportError>),
    /// Try again later.
    #[error("{0}")]
    Unavailable(String),
}

/// Why a key that was touched cannot be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TouchProblem {
    /// Nobody could tell whose it is.
    #[error("This key types no public id, so nobody could tell whose it is. Program it with one.")]
    NoPublicId,
    /// It was imported with another AES key.
    #[error(
        "This is no password of the key that was imported: its AES key is another. If the key was programmed anew, give it a new public id, and import that."
    )]
    Checksum,
    /// It was imported with another private id.
    #[error(
        "This is no password of the key that was imported: its private id is another. Program the key with a new public id, and import that."
    )]
    PrivateId,
    /// Its counter is at its end.
    #[error(
        "The counter of this key has come to its end, or has begun anew. Program the key anew, with a new public id, and import that, or take another."
    )]
    Worn,
    /// It typed this before.
    #[error("This password of the key was used before. Touch the key once more.")]
    Replayed,
    /// It is not in the inventory, and there is no validation server.
    #[error(
        "Nobody here knows this key. Import it first (`doorward import yubikey FILE`), or configure a validation server."
    )]
    NoServer,
    /// The validation server says no.
    #[error("The validation server does not accept this password of the key. Touch the key once more.")]
    Refused,
    /// It is not the one that was named.
    #[error("This is a password of another key.")]
    Another,
}

/// Reasons as sentences.
fn sentences<T: ToString>(problems: &[T]) -> String {
    let sentence = |problem: &T| {
        let text = problem.to_string();
        let mut letters = text.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_uppercase().chain(letters).chain(['.']).collect())
    };
    problems.iter().map(sentence).collect::<Vec<String>>().join(" ")
}

impl From<StoreError> for DeskError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(what) => Self::Conflict(what),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<PoolError> for DeskError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::TooLong => Self::Password(format!("{error}.")),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<ChangeError> for DeskError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::Refused(problems) => Self::Password(sentences(&problems)),
            ChangeError::Policy(sentence) => Self::Password(sentences(&[sentence])),
            ChangeError::WrongOld => Self::WrongOld,
            ChangeError::Undecided(DirectoryError::Pool(pool)) => pool.into(),
            ChangeError::Undecided(DirectoryError::Store(store)) => store.into(),
            ChangeError::Undecided(other) => {
                Self::Unavailable(format!("The directory could not do it: {other}."))
            }
        }
    }
}
