//! Passwords of mailboxes at a mail provider: a double of Microsoft Graph that checks what it receives, a real slapd, and
//! the command that looks a mailbox up.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

mod support;

#[path = "mailbox/active_directory.rs"]
mod active_directory;
#[path = "mailbox/admin.rs"]
mod admin;
#[path = "mailbox/graph.rs"]
mod graph;
#[path = "mailbox/ldap.rs"]
mod ldap;
#[path = "mailbox/logs.rs"]
mod logs;

use doorward::base::Secret;
use doorward::config::{self, MailboxSettings};
use doorward::domain::mailbox::MailboxAccount;
use doorward::domain::person::{Person, PersonId, Username};
use doorward::store::mailbox::{MailboxError, MailboxProvider};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What everybody sets.
const PASSWORD: &str = "Quiet \"meadow\" \\ stöne 7";

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// `[mailbox]` with these lines.
fn settings(dir: &Path, lines: &str) -> MailboxSettings {
    write(dir, "k1.key", &data_encoding::BASE64.encode(&[7; 32]));
    write(dir, "doorward.toml", &format!("[keys]\nfiles = [\"k1.key\"]\n[mailbox]\n{lines}"));
    let config = config::load(&dir.join("doorward.toml"), std::iter::empty());
    config.unwrap_or_else(|errors| panic!("{errors}")).mailbox.unwrap()
}

fn person(username: &str, email: &str) -> Person {
    Person {
        email: Some(email.to_owned()),
        ..Person::named(PersonId::from_uuid(uuid::Uuid::now_v7()), Username::parse(username).unwrap())
    }
}

fn account(provider: &MailboxProvider, username: &str) -> MailboxAccount {
    let email = format!("{username}@example.org");
    provider.current().unwrap().account(&person(username, &email)).unwrap()
}

/// Sets the password of a person's mailbox.
async fn set(provider: &MailboxProvider, username: &str, password: &str) -> Result<(), MailboxError> {
    let account = account(provider, username);
    let done = provider.current().unwrap().set_password(&account, Secret::new(password.to_owned())).await;
    if let Err(error) = &done {
        let shown = format!("{error} {error:?} {}", error.sentence());
        assert!(!shown.contains(password), "{shown}");
        assert!(error.sentence().ends_with('.'), "{shown}");
    }
    done
}
