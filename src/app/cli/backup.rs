//! `doorward backup`, `doorward restore`, `doorward db restored`. These work on the files themselves: a backup while the daemon
//! serves, which is only told of it for the trail; a restore while it does not.

use super::output::{Output, plain};
use super::{Global, socket};
use crate::app::client::{Client, ClientError, Send};
use crate::base::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::store::records::{Contents, Records, Replaced, Restored, Wanted};
use crate::store::seal::Keyring;
use anyhow::{Context as _, Result, bail};
use clap::Args;
use hyper::Method;
use nix::unistd::{Gid, Uid, setgid, setgroups, setuid};
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `doorward backup`
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to make; only its owner can read it. The master keys are not in it.
    file: PathBuf,
    /// Replace a file of this name, in one step.
    #[arg(long)]
    force: bool,
}

/// `doorward restore`
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// The backup.
    file: PathBuf,
    /// Also if its audit trail is broken, or values in it do not open.
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    codes: Codes,
}

/// What of it stays good.
#[derive(Debug, Args)]
pub(super) struct Codes {
    /// Leave recovery codes good where nobody knows which were used since the backup was made.
    #[arg(long)]
    keep_recovery_codes: bool,
}

fn load(global: &Global) -> Result<Config, ExitCode> {
    config::load(&global.config, crate::app::environment()).map_err(|errors| {
        crate::app::serve::eprint_errors(&errors);
        ExitCode::from(crate::app::serve::EX_CONFIG)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn wanted(config: &Config, codes: &Codes, detail: &str) -> Wanted {
    let user = nix::unistd::Uid::effective();
    let name = nix::unistd::User::from_uid(user).ok().flatten().map(|user| format!("({})", user.name));
    Wanted {
        now: SystemClock.now(),
        skew: config.factors.totp_skew,
        keep_recovery: codes.keep_recovery_codes,
        actor: format!("uid:{user}{}", name.unwrap_or_default()),
        detail: detail.to_owned(),
        known: false,
        gone: 0,
    }
}

/// As JSON, and as people read it.
fn told(contents: &Contents) -> Value {
    json!({
        "made": contents.made.map(|made| made.to_string()), "schema": contents.schema, "bytes": contents.bytes,
        "people": contents.people, "factors": contents.factors, "entries": contents.entries,
        "last_entry": contents.last_entry.map(|at| at.to_string()), "keys": contents.keys,
        "unreadable": contents.unreadable, "broken": contents.broken, "elsewhere": contents.elsewhere,
    })
}

fn contents(out: Output, answer: &Value) -> Result<()> {
    let text = |name: &str| answer[name].as_str().unwrap_or("unknown").to_owned();
    let keys: Vec<_> = answer["keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    out.line(&format!(
        "Made {}: {} people, {} factors, {} entries of the audit trail (the last of {}), schema {}, {} bytes. Keys that it needs, \
         which are not in it: {}.",
        text("made"),
        answer["people"],
        answer["factors"],
        answer["entries"],
        text("last_entry"),
        answer["schema"],
        answer["bytes"],
        plain(&keys.join(", "))
    ))?;
    if let Some(broken) = answer["broken"].as_str() {
        out.line(&format!("Its audit trail is BROKEN: {}.", plain(broken)))?;
    }
    let unreadable = answer["unreadable"].as_array().into_iter().flatten().filter_map(Value::as_str);
    unreadable
        .map(|value| format!("Does NOT open: {}.", plain(value)))
        .try_for_each(|line| out.line(&line))?;
    answer["elsewhere"].as_str().map_or(Ok(()), |file| {
        out.line(&format!(
            "It has NOT replaced the backup that is there, which may be sound: it is kept as {file}."
        ))
    })
}

/// Has it written into the trail; a daemon that does not run cannot.
async fn note(global: &Global, file: &Path) -> Result<()> {
    let body = json!({ "file": file });
    match Client::new(&socket(global)).call(Method::POST, "backups", Send::Json(body)).await {
        Ok(_) => Ok(()),
        Err(error) => match error.downcast_ref::<ClientError>() {
            Some(ClientError::NotRunning { .. }) => Ok(()),
            // Such as a disk that is full: then of all times a copy elsewhere is wanted.
            Some(ClientError::Refused { code, message, .. }) if code == "unavailable" => {
                eprintln!("{message} So this backup is not in the audit trail.");
                Ok(())
            }
            _ => Err(error),
        },
    }
}

pub(super) fn backup(global: &Global, output: Output, args: &Backup) -> Result<ExitCode> {
    let config = match load(global) {
        Ok(config) => config,
        Err(status) => return Ok(status),
    };
    let keyring = Keyring::new(&config.keys.master)?;
    let made = runtime()?.block_on(async {
        if config.store.postgres.is_none() {
            note(global, &args.file).await?;
        }
        let to = (args.file.as_path(), args.force);
        anyhow::Ok(Records::backup(&config.store, &keyring, to, SystemClock.now()).await?)
    })?;
    output.show(&told(&made), contents)?;
    Ok(if made.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Root becomes whom the database's folder belongs to: what that user may put there, such as links that lead elsewhere, then leads
/// nowhere where the user may not go. What needs root, the backup and the keys, is open or read by now.
fn as_owner(database: &Path) -> Result<()> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(folder) = std::fs::metadata(folder) else { return Ok(()) };
    if !Uid::effective().is_root() || folder.uid() == 0 {
        return Ok(());
    }
    if let Ok(file) = database.symlink_metadata()
        && file.uid() != folder.uid()
    {
        let (path, file, folder) = (database.display(), file.uid(), folder.uid());
        bail!(
            "{path} belongs to the user {file} and its folder to the user {folder}: give both to the user that Doorward runs as (`chown`)"
        );
    }
    setgroups(&[])?;
    setgid(Gid::from_raw(folder.gid()))?;
    setuid(Uid::from_raw(folder.uid()))?;
    Ok(())
}

pub(super) fn restore(global: &Global, output: Output, args: &Restore) -> Result<ExitCode> {
    let config = match load(global) {
        Ok(config) => config,
        Err(status) => return Ok(status),
    };
    if config.store.postgres.is_none() && UnixStream::connect(socket(global)).is_ok() {
        bail!(
            "Doorward runs; stop it first (`systemctl stop doorward.socket doorward.service`), so that nobody is let in meanwhile"
        );
    }
    let keyring = Keyring::new(&config.keys.master)?;
    let wanted = wanted(&config, &args.codes, "");
    let file = File::open(&args.file).with_context(|| args.file.display().to_string())?;
    if config.store.postgres.is_none() {
        as_owner(&config.store.path)?;
    }
    let from = (args.file.as_path(), file, args.force);
    let done = runtime()?.block_on(Records::restore(&config.store, &keyring, from, &wanted))?;
    let Replaced { contents: found, restored, kept, silent, undone } = done;
    let undone: Vec<_> =
        undone.iter().map(|(action, count)| json!({"action": action, "count": count})).collect();
    let answer = json!({
        "backup": told(&found), "kept": kept, "unknown": silent, "undone": undone, "restored": steps(restored),
    });
    output.show(&answer, |out, answer| {
        contents(out, &answer["backup"])?;
        out.line(&format!("It is in place at {}.", config.store.path.display()))?;
        if let Some(kept) = answer["kept"].as_str() {
            out.line(&format!(
                "What was there is kept as {kept}; remove it when you do not need it any more."
            ))?;
        }
        if let Some(why) = answer["unknown"].as_str() {
            let why = plain(why);
            out.line(&format!("It could not be asked what was used since the backup was made: {why}."))?;
        }
        safe(out, &answer["restored"])?;
        let undone = answer["undone"].as_array().into_iter().flatten();
        let undone: Vec<_> =
            undone.map(|one| format!("{} {}", one["count"], plain(text(&one["action"])))).collect();
        if config.redis.is_some() {
            out.line("Redis remembers more than the database now: empty it as well (`doorward:*`), before Doorward is started.")?;
        }
        if undone.is_empty() {
            return out.line("Locks, passwords and revocations are as they were when the backup was made.");
        }
        out.line(&format!("Undone is what was done since, look at it again: {}.", undone.join(", ")))
    })?;
    Ok(ExitCode::SUCCESS)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn steps(restored: Restored) -> Value {
    let Restored { totp, counters, recovery, temporary, messages, sessions } = restored;
    json!({
        "totp": totp, "counters": counters, "recovery": recovery, "temporary": temporary, "messages": messages,
        "sessions": sessions,
    })
}

fn safe(out: Output, restored: &Value) -> Result<()> {
    let count = |name: &str| restored[name].as_u64().unwrap_or_default();
    out.line(&format!(
        "Made safe: codes of {} passcode apps and tokens up to now count as used (wait for the next but one), {} temporary and {} recovery codes \
         are void, {} messages are not sent, {} sessions are over.",
        count("totp"),
        count("temporary"),
        count("recovery"),
        count("messages"),
        count("sessions")
    ))?;
    if count("counters") > 0 {
        out.line(&format!(
            "NOT known: what {} HOTP tokens and YubiKeys were used for since. Who has recorded one of their passcodes may use it once \
             more until the owner has logged in again.",
            count("counters")
        ))?;
    }
    Ok(())
}

/// `doorward db restored`
pub(super) async fn restored(config: &Config, output: Output, codes: &Codes) -> Result<ExitCode> {
    let keyring = Keyring::new(&config.keys.master)?;
    let wanted = wanted(config, codes, "by other means: ");
    let done = Records::restored(&config.store, &keyring, &wanted).await?;
    output.show(&steps(done), safe)?;
    Ok(ExitCode::SUCCESS)
}
