//! `doorward keys`: the master keys.

use super::admin::Admin;
use super::output::Output;
use super::progress;
use crate::app::client::Send;
use crate::base::{OsRandom, Random, Secret};
use crate::store::seal::Keyring;
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use data_encoding::BASE64;
use hyper::Method;
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// `doorward keys …`
#[derive(Debug, Subcommand)]
pub(super) enum Keys {
    /// Show every key, what is under it, and whether its file may be removed.
    List,
    /// Write a new key into a file that only its owner can read; without the daemon.
    New {
        /// The file, such as /etc/doorward/keys/k2.key; its name without its ending is the key's id.
        file: PathBuf,
    },
    /// Make the first key of the configuration the one that seals, and seal everything anew while the daemon serves.
    Rotate,
}

const FIELDS: [(&str, &str); 7] = [
    ("key", "id"),
    ("fingerprint", "fingerprint"),
    ("state", "state"),
    ("values", "total"),
    ("of which", "tables"),
    ("since", "since"),
    ("until", "until"),
];

/// One row a key.
fn rows(answer: &Value) -> Value {
    let row = |key: &Value| {
        let values: Vec<_> = key["values"].as_object().into_iter().flatten().collect();
        let total: u64 = values.iter().filter_map(|(_, count)| count.as_u64()).sum();
        let tables: Vec<_> = values.iter().map(|(table, count)| format!("{table} {count}")).collect();
        let mut row = key.clone();
        row["total"] = total.into();
        row["tables"] = tables.into();
        row
    };
    Value::Array(answer["keys"].as_array().into_iter().flatten().map(row).collect())
}

/// What to do about a key.
fn advice(key: &Value) -> Option<String> {
    let id = key["id"].as_str().unwrap_or_default();
    Some(match key["state"].as_str()? {
        "next" => format!("`doorward keys rotate` makes `{id}` the key that seals."),
        "old" => format!("Values are under `{id}` still: `doorward keys rotate` seals them anew."),
        "free" => format!(
            "Nothing is under `{id}`: take its file out of [keys], at every node, and reload. Keep it with the backups that were \
             made while it was in use."
        ),
        "missing" => format!(
            "Values are under `{id}`, which is not in [keys]: put its file back. Until then they cannot be read."
        ),
        _ => return None,
    })
}

impl Admin {
    pub(super) async fn keys(&self, command: Keys) -> Result<ExitCode> {
        match command {
            Keys::List => {
                let answer = self.get("keys").await?;
                self.output.show(&answer, |out, answer| {
                    out.rows(&rows(answer), &FIELDS)?;
                    if answer["rotating"] == true {
                        return out.line("A rotation is under way.");
                    }
                    let keys = answer["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
                    keys.iter().filter_map(advice).try_for_each(|advice| out.line(&advice))
                })?;
                Ok(ExitCode::SUCCESS)
            }
            Keys::New { file } => new(self.output, &file),
            Keys::Rotate => self.rotate().await,
        }
    }

    async fn rotate(&self) -> Result<ExitCode> {
        let out = self.output;
        let bar = progress::values(out.is_terminal() && !out.is_json());
        let (mut ended, mut failed) = (false, false);
        self.client
            .lines(Method::POST, "keys/rotate", Send::Nothing, |line| {
                if out.is_json() {
                    (ended, failed) = (line["stage"] == "done", line["stage"] == "failed");
                    return out.line(&line.to_string());
                }
                let text = |name: &str| line[name].as_str().unwrap_or_default();
                let count = |name: &str| line[name].as_u64().unwrap_or_default();
                match text("stage") {
                    "switched" => out.line(&format!("`{}` seals from now on.", text("to")))?,
                    "waiting" => bar.set_message(format!("waiting for {} other nodes", count("nodes"))),
                    "sealing" => {
                        bar.set_message(text("table").to_owned());
                        bar.set_length(count("total"));
                        bar.set_position(count("done"));
                    }
                    "failed" => {
                        bar.finish_and_clear();
                        failed = true;
                        out.line(&format!("It stopped: {}. Run it again.", text("error")))?;
                    }
                    _ => {
                        bar.finish_and_clear();
                        ended = true;
                        done(out, line)?;
                    }
                }
                Ok(())
            })
            .await?;
        if !ended && !failed {
            bail!("the daemon ended in the middle; it goes on when it is started again");
        }
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn done(out: Output, line: &Value) -> Result<()> {
    let seals = line["seals"].as_str().unwrap_or_default();
    out.line(&match line["done"].as_u64().unwrap_or_default() {
        0 => format!("Everything is under `{seals}` already."),
        count => format!("Everything is under `{seals}`: {count} values were sealed anew."),
    })?;
    for value in line["unreadable"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        out.line(&format!("It stays as it is: {value}."))?;
    }
    let free = line["free"].as_array().into_iter().flatten();
    for id in free {
        let advice = advice(&json!({"id": id, "state": "free"}));
        advice.iter().try_for_each(|advice| out.line(advice))?;
    }
    Ok(())
}

/// Makes a key; nothing that is there is touched.
fn new(out: Output, file: &Path) -> Result<ExitCode> {
    let named = || format!("{} was not made", file.display());
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let id = name.split('.').next().unwrap_or_default();
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if id.is_empty() || id.len() > 16 || !id.bytes().all(plain) {
        bail!(
            "{}: its name must be 1 to 16 lower-case letters, digits and dashes, then perhaps an ending",
            named()
        );
    }
    let key = Zeroizing::new(OsRandom.array::<32>());
    let text = Zeroizing::new(BASE64.encode(key.as_slice()) + "\n");
    let mut options = std::fs::File::options();
    let made = options.write(true).create_new(true).mode(0o600).open(file).with_context(named)?;
    if let Err(error) = write(made, file, text.as_bytes()) {
        // Half a key would be in the way of a whole one.
        let _ = std::fs::remove_file(file);
        return Err(error).with_context(named);
    }
    let keyring = Keyring::new(&[(id.to_owned(), Secret::new(key.to_vec()))])?;
    let made = json!({"id": id, "file": file, "fingerprint": keyring.fingerprint(id)});
    out.show(&made, |out, made| {
        out.fields(made, &[("key", "id"), ("file", "file"), ("fingerprint", "fingerprint")])?;
        out.line(
            "\nBack it up apart from the database. Where a database is sealed with another key already, put this one first in [keys] files, at \
             every node, reload, and run `doorward keys rotate`.",
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Writes a key so that it is there for good: what will be sealed with it is lost without it.
fn write(mut made: std::fs::File, file: &Path, text: &[u8]) -> std::io::Result<()> {
    // Made by root in the folder of the daemon's user, it is that user's, who must be able to read it.
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let owner = std::fs::metadata(folder)?;
    if nix::unistd::Uid::effective().is_root() {
        std::os::unix::fs::fchown(&made, Some(owner.uid()), Some(owner.gid()))?;
    }
    made.write_all(text)?;
    made.sync_all()?;
    // Its name as well.
    std::fs::File::open(folder)?.sync_all()
}
