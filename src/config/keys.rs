//! Every key: the one list that the reader, its defaults, its suggestions and the reference come from.

use std::fmt::Write;

/// A key of a section.
#[derive(Debug)]
pub(super) struct Key {
    /// Section as documented; empty for the top level.
    pub(super) section: &'static str,
    pub(super) name: &'static str,
    /// As it would be written in TOML; `None`: there is none, and the reader says whether it is needed.
    pub(super) default: Option<&'static str>,
    /// What it does, in one or two sentences.
    pub(super) about: &'static str,
}

const fn key(
    section: &'static str,
    name: &'static str,
    default: Option<&'static str>,
    about: &'static str,
) -> Key {
    Key { section, name, default, about }
}

/// Sections in the order of the reference, with what they are for.
const SECTIONS: [(&str, &str); 20] = [
    ("store", "Where people, factors, failure counters and the audit trail are kept."),
    (
        "keys",
        "Master keys that seal secrets in the store. The first seals, all open: to rotate, put a new one in front.",
    ),
    ("radius", "RADIUS over UDP."),
    (
        "client",
        "`[[client]]`: a NAS, or a network of them. The longest prefix that covers the source address decides.",
    ),
    (
        "client.group",
        "`[[client.group]]`: another policy for members of a group at this client. Keys left out are as at the client; the first group that fits decides.",
    ),
    (
        "reply",
        "`[[reply]]`: attributes of an Access-Accept. All rules that fit apply, in order. `[reply.attributes]` holds `Name = value`, with a text, a number, or a list of them; `\"Name:1\"` gives a tag.",
    ),
    ("attribute", "`[[attribute]]`: an attribute that the built-in dictionary does not know."),
    ("login", "What people read on a RADIUS client."),
    ("throttle", "Failures in a row, counted apart for the password and each factor."),
    ("password", "Passwords of the embedded directory."),
    (
        "directory",
        "`[[directory]]`: an LDAP directory or Active Directory that people come from. They are synchronised into the store; passwords stay in the directory.",
    ),
    (
        "directory.role",
        "`[[directory.role]]`: a role, by an attribute of the person or by groups. All rules that fit apply.",
    ),
    ("totp", "Passcode apps (RFC 6238); what is enrolled keeps its own numbers."),
    ("hotp", "Counter-based tokens (RFC 4226)."),
    ("pin", "PINs, typed before a passcode."),
    ("recovery", "Recovery codes on paper."),
    ("temporary", "Codes from the help desk."),
    ("admin", "The admin socket, which the command line uses."),
    (
        "admin.role",
        "`[[admin.role]]`: who may do what there. The first rule that fits decides; root and the daemon's own user are administrators where none does.",
    ),
    ("log", "Log lines, on standard error."),
];

/// All keys.
pub(super) const KEYS: &[Key] = &[
    key("", "store", None, ""),
    key("", "keys", None, ""),
    key("", "radius", None, ""),
    key("", "client", None, ""),
    key("", "reply", None, ""),
    key("", "attribute", None, ""),
    key("", "login", None, ""),
    key("", "throttle", None, ""),
    key("", "password", None, ""),
    key("", "directory", None, ""),
    key("", "totp", None, ""),
    key("", "hotp", None, ""),
    key("", "pin", None, ""),
    key("", "recovery", None, ""),
    key("", "temporary", None, ""),
    key("", "admin", None, ""),
    key("", "log", None, ""),
    key(
        "store",
        "path",
        Some("\"/var/lib/doorward/doorward.db\""),
        "SQLite file. It and its folder are made if missing, for the daemon's user only.",
    ),
    key(
        "store",
        "url",
        Some("\"\""),
        "PostgreSQL in place of the file, for several nodes: `postgres://USER@HOST[:PORT]/DATABASE`, without a password. Another machine is reached with TLS and its certificate checked; on this one, or by a socket (`postgres://USER@%2Frun%2Fpostgresql/DATABASE`), `?sslmode=` decides.",
    ),
    key(
        "store",
        "secret",
        None,
        "Password of the database's user, right here. Better: one of the next two. None where the server needs none.",
    ),
    key("store", "secret_file", None, "File with the password; a line end after it is ignored."),
    key("store", "secret_credential", None, "Name of a systemd credential with the password."),
    key(
        "store",
        "ca_file",
        Some("\"\""),
        "Authorities that may vouch for PostgreSQL, in PEM form, beside those that browsers trust; empty: also those that the system trusts.",
    ),
    key(
        "store",
        "timeout",
        Some("\"2s\""),
        "How long PostgreSQL may take to connect or to answer. Then nothing is decided, and RADIUS does not answer.",
    ),
    key(
        "store",
        "busy_timeout",
        Some("\"2s\""),
        "How long a call waits for a lock that another program holds on the file.",
    ),
    key("store", "readers", Some("4"), "Connections that read at the same time, 1 to 64."),
    key(
        "keys",
        "files",
        Some("[]"),
        "Files with 32 bytes each, as base64 or hex. A key's id is the file's name without its ending. `head -c 32 /dev/urandom | base64` makes one.",
    ),
    key(
        "keys",
        "credentials",
        Some("[]"),
        "Names of systemd credentials with the same content, used after `files`.",
    ),
    key(
        "radius",
        "listen",
        Some("[\"[::]:1812\"]"),
        "UDP addresses. `[::]` takes IPv4 too where the system does not forbid it.",
    ),
    key(
        "radius",
        "max_in_flight",
        Some("1024"),
        "Requests being decided at the same time; more are dropped, and the client tries again or elsewhere.",
    ),
    key("radius", "request_deadline", Some("\"10s\""), "A request not decided by then gets no answer."),
    key(
        "radius",
        "reject_delay",
        Some("\"1s\""),
        "An Access-Reject leaves so long after its request arrived, which slows guessing and hides how long the check took.",
    ),
    key(
        "radius",
        "duplicate_window",
        Some("\"30s\""),
        "How long an answer is kept to be sent again to a client that did not hear it (RFC 5080).",
    ),
    key("radius", "duplicate_entries", Some("65536"), "Answers kept at most."),
    key(
        "radius",
        "challenge_entries",
        Some("65536"),
        "Challenges that wait for an answer at most; 8 of them for one person.",
    ),
    key("radius", "drain_timeout", Some("\"10s\""), "How long a stop waits for requests under way."),
    key("client", "name", None, "Short name for log and audit; unique."),
    key(
        "client",
        "networks",
        None,
        "Addresses and prefixes that it sends from, such as `[\"192.0.2.7\", \"2001:db8::/48\"]`.",
    ),
    key("client", "secret", None, "Shared secret, right here. Better: one of the next two."),
    key("client", "secret_file", None, "File with the shared secret; a line end after it is ignored."),
    key("client", "secret_credential", None, "Name of a systemd credential with the shared secret."),
    key(
        "client",
        "require_message_authenticator",
        Some("true"),
        "Drop Access-Requests without Message-Authenticator. Without it anyone on the path can forge answers (CVE-2024-3596).",
    ),
    key(
        "client",
        "limit_proxy_state",
        Some("true"),
        "Drop Access-Requests with Proxy-State but without Message-Authenticator (CVE-2024-3596).",
    ),
    key(
        "client",
        "login",
        Some("\"password+passcode\""),
        "What is typed first: `password`, `passcode` (the client has checked the password), `password+passcode` or `pin+passcode`.",
    ),
    key(
        "client",
        "second_factor",
        Some("\"required\""),
        "Of whom a passcode is asked with `password+passcode`: `required` of everyone, `if-enrolled` of whoever has enrolled one.",
    ),
    key(
        "client",
        "challenge",
        Some("true"),
        "Whether the client can ask back (Access-Challenge). If not, password and passcode must come in one string.",
    ),
    key(
        "client",
        "one_round",
        Some("false"),
        "The client can ask back only once: the answer must be the passcode, not a choice of method.",
    ),
    key("client", "max_rounds", Some("3"), "Challenges in one login, 1 to 10."),
    key(
        "client",
        "challenge_lifetime",
        Some("\"2m\""),
        "How long a challenge may be answered, up to 10 minutes.",
    ),
    key(
        "client",
        "methods",
        Some("[\"totp\", \"hotp\", \"recovery\", \"temporary\"]"),
        "Kinds of passcode accepted here, in the order of the list that people see.",
    ),
    key(
        "client",
        "separators",
        Some("\",\""),
        "Characters of which one may stand between password and passcode.",
    ),
    key("client", "group", None, ""),
    key("client.group", "name", None, "The group."),
    key("client.group", "login", None, "As at the client."),
    key("client.group", "second_factor", None, "As at the client."),
    key("client.group", "challenge", None, "As at the client."),
    key("client.group", "one_round", None, "As at the client."),
    key("client.group", "max_rounds", None, "As at the client."),
    key("client.group", "challenge_lifetime", None, "As at the client."),
    key("client.group", "methods", None, "As at the client."),
    key("client.group", "separators", None, "As at the client."),
    key("reply", "groups", Some("[]"), "Only for members of one of these groups; empty: for everyone."),
    key("reply", "clients", Some("[]"), "Only at these clients, by name; empty: at all."),
    key("reply", "attributes", None, "The attributes."),
    key("attribute", "name", None, "Its name, as in `[reply.attributes]`."),
    key(
        "attribute",
        "vendor",
        Some("0"),
        "Vendor number (SMI Private Enterprise Code); 0 for a standard attribute.",
    ),
    key("attribute", "number", None, "Its number, 1 to 255."),
    key(
        "attribute",
        "type",
        None,
        "`string`, `octets`, `integer`, `ipaddr`, `ipv6addr`, `ipv6prefix`, `date` or `integer64`.",
    ),
    key(
        "login",
        "prompt",
        Some("\"Enter a passcode, or choose a method: {methods}\""),
        "Challenge where several methods are possible; `{methods}` becomes the numbered list.",
    ),
    key(
        "login",
        "prompt_one",
        Some("\"Enter the passcode from your {method}:\""),
        "Challenge once the method is clear; `{method}` becomes its name.",
    ),
    key(
        "login",
        "method_unavailable",
        Some("\"That method is not available here.\""),
        "When a method was asked for that the person does not have or the client does not allow.",
    ),
    key("login", "failed", Some("\"Login failed.\""), "Every refusal that must not say why."),
    key(
        "login",
        "not_enrolled",
        Some("\"This service needs a passcode. Register a passcode method first.\""),
        "Password right, but nothing is enrolled.",
    ),
    key(
        "login",
        "password_expired",
        Some("\"Your password has expired. Change it, then log in again.\""),
        "Password right but expired.",
    ),
    key(
        "login",
        "password_must_change",
        Some("\"You must change your password first. Change it, then log in again.\""),
        "Password right but to be changed before it counts.",
    ),
    key("login", "method_totp", Some("\"passcode app\""), "Name of codes from an app."),
    key("login", "method_hotp", Some("\"passcode token\""), "Name of codes from a hardware token."),
    key("login", "method_recovery", Some("\"recovery code\""), "Name of codes on paper."),
    key("login", "method_temporary", Some("\"help-desk code\""), "Name of codes from the help desk."),
    key("throttle", "free", Some("10"), "Failures without a delay, 1 to 100."),
    key(
        "throttle",
        "base",
        Some("\"5s\""),
        "Delay after the first failure beyond the free ones; it doubles with each further one.",
    ),
    key("throttle", "max", Some("\"15m\""), "Longest delay."),
    key("throttle", "hard_stop", Some("50"), "Failures after which only an unlock helps, 2 to 100."),
    key("password", "memory", Some("\"19MiB\""), "Argon2id: memory of one check."),
    key("password", "passes", Some("2"), "Argon2id: passes over it, 1 to 10."),
    key("password", "lanes", Some("1"), "Argon2id: lanes, 1 to 8."),
    key("password", "workers", Some("0"), "Threads that hash; 0: one per core."),
    key("password", "queue", Some("256"), "Checks that may wait; more get no answer."),
    key("password", "deadline", Some("\"5s\""), "A check not begun by then gets no answer."),
    key(
        "password",
        "cache",
        Some("\"0s\""),
        "How long a right password is remembered in memory (as a keyed digest) so that reconnects cost no Argon2; 0s: never. A change of password, status or lock ends it at once.",
    ),
    key("password", "cache_entries", Some("10000"), "Passwords remembered at most."),
    key(
        "password",
        "min_length",
        Some("8"),
        "Fewest characters of a new password, 8 to 64. Take 15 where a password is enough alone (NIST SP 800-63B-4).",
    ),
    key("password", "max_length", Some("256"), "Most characters of a new password, 64 to 1024."),
    key(
        "directory",
        "name",
        None,
        "Short name for log, status and audit: lower-case letters, digits, dashes.",
    ),
    key(
        "directory",
        "kind",
        Some("\"ldap\""),
        "`ldap` for OpenLDAP, 389-ds and other LDAPv3 servers, `active-directory` also for Samba.",
    ),
    key(
        "directory",
        "servers",
        None,
        "In the order in which they are tried: `ldaps://HOST[:PORT]`, `ldap://HOST[:PORT]`, `ldapi://%2Fpath`.",
    ),
    key(
        "directory",
        "start_tls",
        Some("true"),
        "Whether `ldap://` becomes TLS by StartTLS. Without it only this machine may be asked.",
    ),
    key(
        "directory",
        "ca_file",
        Some("\"\""),
        "Authorities that may vouch for the servers, in PEM form; empty: those that the system trusts. The name in the address must be in the certificate.",
    ),
    key(
        "directory",
        "bind",
        Some("\"simple\""),
        "How Doorward binds: `simple` with `bind_dn` and a secret, or `external` (SASL EXTERNAL, over `ldapi://`).",
    ),
    key(
        "directory",
        "bind_dn",
        Some("\"\""),
        "The service account. Active Directory also takes `name@domain`.",
    ),
    key(
        "directory",
        "secret",
        None,
        "Password of the service account, right here. Better: one of the next two.",
    ),
    key("directory", "secret_file", None, "File with the password of the service account."),
    key(
        "directory",
        "secret_credential",
        None,
        "Name of a systemd credential with the password of the service account.",
    ),
    key("directory", "base", None, "Where people are. With Active Directory: below the domain's own entry."),
    key(
        "directory",
        "filter",
        Some("\"\""),
        "Who is a person; empty: `(objectClass=inetOrgPerson)`, or people of class `user` with Active Directory.",
    ),
    key(
        "directory",
        "id_attribute",
        Some("\"\""),
        "Stable id; empty: `entryUUID`, `objectGUID` with Active Directory. 389-ds: `nsUniqueId`.",
    ),
    key(
        "directory",
        "username_attribute",
        Some("\"\""),
        "Name to log in with; empty: `uid`, `sAMAccountName` with Active Directory.",
    ),
    key(
        "directory",
        "name_attribute",
        Some("\"\""),
        "Name to show; empty: `cn`, `displayName` with Active Directory.",
    ),
    key("directory", "mail_attribute", Some("\"mail\""), "E-mail address."),
    key("directory", "phone_attribute", Some("\"mobile\""), "Telephone number."),
    key(
        "directory",
        "changed_attribute",
        Some("\"\""),
        "Changes with the password, so that a remembered one ends; empty: `pwdChangedTime`, `pwdLastSet` with Active Directory. Where an entry lacks it, `entryCSN` or `modifyTimestamp` takes its place.",
    ),
    key(
        "directory",
        "disabled",
        Some("[\"pwdAccountLockedTime=000001010000Z\", \"nsAccountLock=TRUE\"]"),
        "Each of these means that the account is switched off. Active Directory's own switch (`userAccountControl`) and end (`accountExpires`) count as well.",
    ),
    key(
        "directory",
        "realms",
        Some("[]"),
        "Realms of this directory: `example.org` for `ann@example.org`, `EXAMPLE` for `EXAMPLE\\ann`. They are taken off before the name is looked for.",
    ),
    key(
        "directory",
        "names",
        Some("\"plain\""),
        "What people are called here: `plain` as in the directory, or `qualified` with the first realm behind it, so that two directories may have the same name.",
    ),
    key(
        "directory",
        "group_members",
        Some("\"auto\""),
        "How the people in a group are found: `member` (groups name them, groups in groups count), `member-of` (people name their groups; seen when the person's entry changes), `in-chain` (Active Directory, which follows groups in groups itself), `none`. `auto`: `in-chain` with Active Directory, else `member` if there is a `group_base`.",
    ),
    key(
        "directory",
        "group_base",
        Some("\"\""),
        "Where groups are. Those right below it are called by their own name, deeper ones by the way to them: `clubs/chess`. Empty: as `base`.",
    ),
    key(
        "directory",
        "group_filter",
        Some("\"\""),
        "What a group is; empty: `(objectClass=groupOfNames)`, `(objectClass=group)` with Active Directory.",
    ),
    key(
        "directory",
        "member_attribute",
        Some("\"member\""),
        "Names a member in a group: `member` or `uniqueMember`.",
    ),
    key("directory", "member_of_attribute", Some("\"memberOf\""), "Names a group in a person."),
    key("directory", "role", None, ""),
    key(
        "directory",
        "sync",
        Some("\"auto\""),
        "How changes are noticed: `persist` (RFC 4533, at once), `refresh` (RFC 4533, at intervals), `poll` (`modifyTimestamp`, at intervals), or `auto` by what the server can do. Active Directory is always asked by `uSNChanged`.",
    ),
    key(
        "directory",
        "poll_interval",
        Some("\"1s\""),
        "Between two looks for changes, where the server does not send them.",
    ),
    key(
        "directory",
        "sweep_interval",
        Some("\"5m\""),
        "Between two times that everything is read again, where the server does not tell what is gone.",
    ),
    key("directory", "page_size", Some("500"), "Entries in one page of a search, 10 to 10000."),
    key(
        "directory",
        "max_removals",
        Some("20"),
        "A sync that would remove more than so many percent of the people (and more than 3) within an hour stops removing and waits for `doorward sync --once --accept-removals`; so does one that would take groups from so many. Everything else goes on.",
    ),
    key(
        "directory",
        "keep_departed",
        Some("\"30d\""),
        "How long someone who left the directory is kept, with factors, in case the entry comes back.",
    ),
    key("directory", "connections", Some("8"), "Connections that check passwords, to each server."),
    key(
        "directory",
        "timeout",
        Some("\"3s\""),
        "Deadline of one operation; a connection that misses it is closed.",
    ),
    key(
        "directory",
        "cache",
        Some("\"0s\""),
        "How long a right password is remembered in memory (as a keyed digest) so that reconnects need no bind; 0s: never. A change that the sync sees ends it at once.",
    ),
    key(
        "directory",
        "outage_cache",
        Some("\"0s\""),
        "How long after a check a remembered password still counts while no server of the directory answers; 0s: then there is no answer, and the client tries its next server.",
    ),
    key("directory.role", "role", None, "`faculty`, `staff`, `student` or `alumnus`."),
    key("directory.role", "attribute", Some("\"\""), "An attribute of the person."),
    key("directory.role", "values", Some("[]"), "Values of it that give the role, compared without case."),
    key("directory.role", "groups", Some("[]"), "Groups that give the role."),
    key("totp", "issuer", Some("\"Doorward\""), "Name of the institution in apps; without a colon."),
    key(
        "totp",
        "algorithm",
        Some("\"sha1\""),
        "`sha1`, `sha256` or `sha512`; not every app knows more than `sha1`.",
    ),
    key("totp", "digits", Some("6"), "6 or 8."),
    key("totp", "period", Some("\"30s\""), "How long a code is shown, 15 s to 2 minutes."),
    key("totp", "skew", Some("1"), "Codes before and after the present one that are accepted, 0 to 2."),
    key("hotp", "digits", Some("6"), "6 or 8."),
    key("hotp", "look_ahead", Some("10"), "Codes ahead that are tried at a login, 0 to 10."),
    key("hotp", "resync_window", Some("1000"), "Codes ahead that are searched at a resync, 10 to 10000."),
    key("pin", "min", Some("4"), "Fewest digits, 4 to 10."),
    key("pin", "max", Some("10"), "Most digits, 4 to 10."),
    key("recovery", "codes", Some("10"), "Codes in a set, 1 to 20."),
    key("temporary", "digits", Some("8"), "Digits, 6 to 10."),
    key("temporary", "max_lifetime", Some("\"24h\""), "Longest life of a code, up to 7 days."),
    key("admin", "socket", Some("\"/run/doorward/admin.sock\""), "The Unix socket."),
    key("admin", "mode", Some("\"0660\""), "Its file mode, octal."),
    key("admin", "role", None, ""),
    key("admin.role", "role", None, "`administrator`, `helpdesk` or `auditor`."),
    key("admin.role", "users", Some("[]"), "Users by name or number."),
    key("admin.role", "groups", Some("[]"), "Groups by name or number."),
    key("log", "format", Some("\"text\""), "`text` or `json`. Takes effect at a restart."),
    key(
        "log",
        "filter",
        Some("\"info\""),
        "What is logged: `error`, `warn`, `info`, `debug`, `trace`, or tracing's syntax such as `info,doorward=debug`.",
    ),
];

/// Keys of a section.
pub(super) fn of(section: &'static str) -> impl Iterator<Item = &'static Key> {
    KEYS.iter().filter(move |key| key.section == section)
}

/// The reference of all keys in Markdown, for `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = String::new();
    for (section, about) in SECTIONS {
        let _ =
            write!(out, "### `{section}`\n\n{about}\n\n| key | default | what it does |\n|---|---|---|\n");
        for Key { name, default, about, .. } in of(section).filter(|key| !key.about.is_empty()) {
            let default = default.map_or_else(String::new, |default| format!("`{default}`"));
            let _ = writeln!(out, "| `{name}` | {default} | {about} |");
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_section_and_no_section_has_a_key_twice() {
        let mut seen = std::collections::HashSet::new();
        for key in KEYS {
            assert!(seen.insert((key.section, key.name)), "{}.{}", key.section, key.name);
            assert!(key.section.is_empty() || SECTIONS.iter().any(|(name, _)| *name == key.section));
        }
        assert!(SECTIONS.iter().all(|(name, _)| of(name).next().is_some()));
    }
}
