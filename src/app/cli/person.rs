//! `doorward person`: people, and how their logins ended.

use super::admin::{Admin, FACTOR};
use super::progress;
use crate::app::client::Send;
use crate::base::percent_encode as segment;
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use hyper::Method;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// `doorward person …`
#[derive(Debug, Subcommand)]
pub(super) enum Person {
    /// List people.
    List {
        /// Only usernames that contain this.
        #[arg(long)]
        matching: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Show a person with factors and failures.
    Show {
        /// Username.
        user: String,
    },
    /// Show how the last logins of a person ended, and why; the newest last.
    Logins {
        /// Username.
        user: String,
        /// At most so many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=200))]
        limit: u8,
    },
    /// Add a person; the password is asked for, or read from standard input.
    Add(NewPerson),
    /// Import people from a CSV or TOML file: all of them, or none.
    Import {
        /// The file; `.toml` is TOML, anything else CSV.
        file: PathBuf,
    },
    /// Set a password; it is asked for, or read from standard input.
    Passwd {
        /// Username.
        user: String,
        /// Change it as the person: the present password is asked for first, or read as the first line of standard input.
        #[arg(long)]
        as_person: bool,
    },
    /// Lock a person out.
    Lock {
        /// Username.
        user: String,
    },
    /// Let a person in again, and clear the failure counters.
    Unlock {
        /// Username.
        user: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct NewPerson {
    /// Username.
    pub(super) user: String,
    /// Name to show.
    #[arg(long, default_value = "")]
    pub(super) name: String,
    /// Role: faculty, staff, student or alumnus; may be repeated.
    #[arg(long = "role")]
    pub(super) roles: Vec<String>,
    /// Group; may be repeated.
    #[arg(long = "group")]
    pub(super) groups: Vec<String>,
    /// E-mail address.
    #[arg(long)]
    pub(super) email: Option<String>,
    /// Telephone number.
    #[arg(long)]
    pub(super) phone: Option<String>,
    /// Do not set a password now.
    #[arg(long)]
    pub(super) no_password: bool,
}

/// Fields of a person.
const PERSON: [(&str, &str); 10] = [
    ("username", "username"),
    ("name", "name"),
    ("roles", "roles"),
    ("groups", "groups"),
    ("e-mail", "email"),
    ("phone", "phone"),
    ("status", "status"),
    ("directory", "directory"),
    ("entry", "dn"),
    ("id", "id"),
];

const LOGIN: [(&str, &str); 5] =
    [("at", "at"), ("where", "door"), ("what for", "purpose"), ("outcome", "outcome"), ("reason", "reason")];

impl Admin {
    pub(super) async fn person(&self, command: Person) -> Result<ExitCode> {
        let out = self.output;
        match command {
            Person::List { matching, limit } => self.list(matching, limit).await?,
            Person::Show { user } => {
                let answer = self.get(&format!("people/{}", segment(&user))).await?;
                out.show(&answer, |out, answer| {
                    out.fields(&answer["person"], &PERSON)?;
                    let accepted = answer.pointer("/acceptance/version").and_then(Value::as_str);
                    out.line(&format!(
                        "acceptable use: {}\n\nfactors:",
                        accepted.unwrap_or("not accepted here")
                    ))?;
                    out.rows(&answer["factors"], &FACTOR)?;
                    out.line("\nfailures in a row:")?;
                    out.rows(
                        &answer["failures"],
                        &[("of", "counter"), ("count", "count"), ("no try before", "blocked_until")],
                    )
                })?;
            }
            Person::Logins { user, limit } => {
                let mut answer = self.get(&format!("people/{}/logins?limit={limit}", segment(&user))).await?;
                if let Some(logins) = answer["logins"].as_array_mut() {
                    logins.reverse();
                }
                out.show(&answer, |out, answer| out.rows(&answer["logins"], &LOGIN))?;
            }
            Person::Add(new) => {
                let password = if new.no_password { None } else { Some(out.secret("password")?) };
                let body = json!({
                    "username": new.user, "name": new.name, "roles": new.roles, "groups": new.groups,
                    "email": new.email, "phone": new.phone, "password": password,
                });
                let answer = self.post("people", body).await?;
                out.show(&answer, |out, person| out.fields(person, &PERSON))?;
            }
            Person::Import { file } => self.import(&file).await?,
            Person::Passwd { user, as_person } => {
                let present = if as_person { Some(out.present_secret("Present password")?) } else { None };
                let body = Send::Json(json!({"present": present, "password": out.secret("password")?}));
                let path = format!("people/{}/password", segment(&user));
                let answer = self.client.call(Method::PUT, &path, body).await?;
                out.show(&answer, |out, _| out.line(&format!("The password of {user} is changed.")))?;
            }
            Person::Lock { user } => {
                let answer = self.post(&format!("people/{}/lock", segment(&user)), json!({})).await?;
                out.show(&answer, |out, _| out.line(&format!("{user} is locked.")))?;
            }
            Person::Unlock { user } => {
                let answer = self.post(&format!("people/{}/unlock", segment(&user)), json!({})).await?;
                out.show(&answer, |out, _| {
                    out.line(&format!("{user} is unlocked; the failure counters are at zero."))
                })?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Everyone, page by page.
    async fn list(&self, matching: Option<String>, limit: u32) -> Result<()> {
        let filter = matching.map(|text| format!("&matching={}", segment(&text))).unwrap_or_default();
        let (mut people, mut after) = (Vec::new(), String::new());
        let limit = usize::try_from(limit)?;
        while people.len() < limit {
            let page = (limit - people.len()).min(1000);
            let answer = self.get(&format!("people?limit={page}&after={}{filter}", segment(&after))).await?;
            let rows = answer["people"].as_array().cloned().unwrap_or_default();
            let Some(last) = rows.last() else { break };
            last["username"].as_str().unwrap_or_default().clone_into(&mut after);
            people.extend(rows);
        }
        let fields = [
            ("username", "username"),
            ("name", "name"),
            ("roles", "roles"),
            ("groups", "groups"),
            ("status", "status"),
        ];
        self.output.show(&json!({"people": people}), |out, answer| out.rows(&answer["people"], &fields))
    }

    async fn import(&self, file: &std::path::Path) -> Result<()> {
        let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
        let toml = file.extension().is_some_and(|ending| ending == "toml");
        let kind = if toml { "application/toml" } else { "text/csv" };
        let (bar, sent) = progress::upload(bytes.len())?;
        let answer = self.client.upload("people/import", (kind, bytes), sent).await;
        bar.finish_and_clear();
        let answer = answer?;
        self.output
            .show(&answer, |out, answer| out.line(&format!("{} people are imported.", answer["imported"])))
    }
}
