//! Keys of the mailboxes of alumni.

use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key("", "mailbox", None, ""),
    key(
        "mailbox",
        "kind",
        Some("\"none\""),
        "Who keeps the mailboxes: `graph` (a Microsoft 365 tenant, by Microsoft Graph), `ldap` (an LDAP directory of their own; passwords are set by RFC 3062), `active-directory` (the same by `unicodePwd`), or `none`.",
    ),
    key(
        "mailbox",
        "account",
        Some("\"\""),
        "The address of a person's mailbox, such as `{username}@alumni.example.org`; `{email}` stands for the directory's e-mail address. What does not come to one plain address is nobody's mailbox. With `graph` it must be the user principal name.",
    ),
    key(
        "mailbox",
        "domains",
        Some("[]"),
        "Domains that mailboxes are in; no other mailbox is touched. Empty: the domain that `account` ends with.",
    ),
    key(
        "mailbox",
        "timeout",
        Some("\"20s\""),
        "For one change of a password, 2 s to 60 s. What the provider wants us to wait counts in; a step with a directory has a quarter of it.",
    ),
    key(
        "mailbox",
        "ca_file",
        Some("\"\""),
        "Authorities that may vouch for the provider, in PEM form; empty: those that the system trusts.",
    ),
    key("mailbox", "tenant", Some("\"\""), "`graph`: the tenant's id, or one of its domains."),
    key("mailbox", "client_id", Some("\"\""), "`graph`: the app's \"Application (client) ID\"."),
    key(
        "mailbox",
        "client_secret_file",
        None,
        "`graph`: file with the value (not the id) of the app's client secret.",
    ),
    key("mailbox", "client_secret_credential", None, "`graph`: name of a systemd credential with it."),
    key(
        "mailbox",
        "login_url",
        Some("\"https://login.microsoftonline.com\""),
        "`graph`: where tokens come from; another one in national clouds. https, except on this machine.",
    ),
    key(
        "mailbox",
        "graph_url",
        Some("\"https://graph.microsoft.com\""),
        "`graph`: where Microsoft Graph is; another one in national clouds. https, except on this machine.",
    ),
    key(
        "mailbox",
        "servers",
        Some("[]"),
        "Servers of the directory, in the order in which they are tried: `ldaps://HOST[:PORT]`, `ldap://HOST[:PORT]`, `ldapi://%2Fpath`.",
    ),
    key(
        "mailbox",
        "start_tls",
        Some("true"),
        "Whether `ldap://` becomes TLS by StartTLS. Without it only this machine may be asked.",
    ),
    key(
        "mailbox",
        "bind",
        Some("\"simple\""),
        "How Doorward binds there: `simple` with `bind_dn` and a secret, or `external` (SASL EXTERNAL, over `ldapi://`).",
    ),
    key(
        "mailbox",
        "bind_dn",
        Some("\"\""),
        "The account there that may find mailboxes and set their passwords.",
    ),
    key("mailbox", "secret", None, "Its password, right here. Better: one of the next two."),
    key("mailbox", "secret_file", None, "File with its password."),
    key("mailbox", "secret_credential", None, "Name of a systemd credential with its password."),
    key("mailbox", "base", Some("\"\""), "Where mailboxes are in the directory."),
    key(
        "mailbox",
        "filter",
        Some("\"\""),
        "What finds one mailbox there, with `{account}` for its address or `{username}` for the person's name; empty: `(mail={account})`, `(&(objectCategory=person)(userPrincipalName={account}))` with `active-directory`.",
    ),
];
