//! Every key: the one list that the reader, its defaults, its suggestions and the reference come from.

mod api;
mod eap;
mod mailbox;
mod messages;
mod metrics;
mod people;
mod portal;
mod serving;
mod yubico;

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
const SECTIONS: [(&str, &str); 43] = [
    ("store", "Where people, factors, failure counters and the audit trail are kept."),
    (
        "keys",
        "Master keys that seal secrets in the store. All open; the first takes over by `doorward keys rotate`. `keeping.md` explains it.",
    ),
    ("radius", "RADIUS over UDP."),
    (
        "redis",
        "Redis, where several nodes share the challenges that wait for an answer and the codes that were sent. `redis.md` says how to set it up.",
    ),
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
    (
        "eap",
        "Wi-Fi and wired networks by 802.1X. Without a certificate there is no EAP. `wifi.md` says how to set it up.",
    ),
    ("login", "What people read on a RADIUS client."),
    ("throttle", "Failures in a row, counted apart for the password and each factor."),
    (
        "password",
        "Passwords: hashes of the embedded directory, and what new passwords must keep to wherever they are kept.",
    ),
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
    (
        "yubico",
        "Servers that validate OTPs of YubiKeys whose keys were not imported. `yubico.md` explains it.",
    ),
    (
        "wsapi",
        "Being a validation server for YubiKeys whose keys were imported, for programs that speak Yubico's validation protocol 2.0. `yubico.md` explains it.",
    ),
    ("wsapi.client", "`[[wsapi.client]]`: a program that may ask. Its requests must be signed with its key."),
    ("pin", "PINs, typed before a passcode."),
    ("recovery", "Recovery codes on paper."),
    ("temporary", "Codes from the help desk."),
    (
        "device_passwords",
        "Passwords that people make for single devices, for Wi-Fi with MSCHAPv2. `wifi.md` explains it.",
    ),
    ("retention", "How long things are kept that are over."),
    ("codes", "Codes that are sent, by text message, call or e-mail, and how many may be asked for."),
    ("institution", "Who sends, and who helps: values of the placeholders in `[message]`."),
    (
        "message",
        "What people read and hear. Placeholders: `{code} {minutes} {name} {institution} {campus} {support_name} {support_phone} {support_email} {faq} {origin}`; a line whose placeholders are all empty is left out. A key that is not written is said in the person's language, as `message-…` in `portal.words`; calls are always as `voice` says.",
    ),
    ("smtp", "The server that takes mail."),
    (
        "gateway",
        "`[[gateway]]`: who takes text messages and calls. They are tried in order. `docs/messages.md` explains it, with examples.",
    ),
    (
        "portal",
        "The self-service pages: activation, registration, password reset, passcode apps and keys. `portal.md` explains them.",
    ),
    (
        "api",
        "What applications ask for people over HTTPS: endpoints compatible with privacyIDEA, and Duo's Auth API v2. `applications.md` explains it.",
    ),
    (
        "api_client",
        "`[[api_client]]`: an application that may ask. `doorward client add NAME` makes a key for it.",
    ),
    (
        "api_client.group",
        "`[[api_client.group]]`: another policy for members of a group at this application. Keys left out are as at the application; the first group that fits decides.",
    ),
    ("registration", "Security data that people register in the portal."),
    ("activation", "Accounts that their owners must activate first."),
    (
        "campus",
        "`[[campus]]`: one of several campuses. `[campus.institution]`, `[campus.message]`, `[campus.registration]` and `[campus.activation]` hold those keys of `[institution]`, `[message]`, `[registration]` and `[activation]` that are different there. `portal.md` explains it.",
    ),
    (
        "campus.portal",
        "`[campus.portal]`: what is different there of `[portal]`. The other keys of `[portal]` are the same for all.",
    ),
    (
        "mailbox",
        "Mailboxes of alumni at a mail provider, whose passwords they set here. `alumni-mailbox.md` says how to set it up.",
    ),
    ("metrics", "Figures for Prometheus, and checks for load balancers. `monitoring.md` explains it."),
    ("admin", "The admin socket, which the command line uses."),
    (
        "admin.role",
        "`[[admin.role]]`: who may do what there. The first rule that fits decides; root and the daemon's own user are administrators where none does.",
    ),
    ("log", "Log lines, on standard error."),
    ("sandbox", "What the daemon takes away from itself when it starts. `install.md` explains it."),
];

/// All keys.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    [
        serving::KEYS,
        eap::KEYS,
        people::KEYS,
        messages::KEYS,
        portal::KEYS,
        api::KEYS,
        yubico::KEYS,
        mailbox::KEYS,
        metrics::KEYS,
    ]
    .into_iter()
    .flatten()
}

/// Keys of a section.
pub(super) fn of(section: &'static str) -> impl Iterator<Item = &'static Key> {
    all().filter(move |key| key.section == section)
}

/// A section as it is documented; texts are Markdown.
#[derive(Debug)]
pub struct Documented {
    /// Its name.
    pub section: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// Name, default as it would be written in TOML, and what it does, of each of its keys.
    pub keys: Vec<(&'static str, Option<&'static str>, &'static str)>,
}

/// All sections in the order of the reference.
pub fn documented() -> impl Iterator<Item = Documented> {
    SECTIONS.into_iter().map(|(section, about)| {
        let keys = of(section).filter(|key| !key.about.is_empty());
        Documented { section, about, keys: keys.map(|key| (key.name, key.default, key.about)).collect() }
    })
}

/// The reference of all keys in Markdown, for `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = String::new();
    for Documented { section, about, keys } in documented() {
        let _ =
            write!(out, "### `{section}`\n\n{about}\n\n| key | default | what it does |\n|---|---|---|\n");
        for (name, default, about) in keys {
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
        for key in all() {
            assert!(seen.insert((key.section, key.name)), "{}.{}", key.section, key.name);
            assert!(key.section.is_empty() || SECTIONS.iter().any(|(name, _)| *name == key.section));
        }
        assert!(SECTIONS.iter().all(|(name, _)| of(name).next().is_some()));
    }
}
