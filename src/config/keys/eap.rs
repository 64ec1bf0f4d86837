//! Keys of 802.1X.

use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key("", "eap", None, ""),
    key(
        "eap",
        "certificate_file",
        Some("\"\""),
        "The server's certificate and its chain, in PEM form. Devices check its name and its authority. Empty: no EAP.",
    ),
    key("eap", "private_key_file", None, "File with its private key, in PEM form."),
    key("eap", "private_key_credential", None, "Name of a systemd credential with it."),
    key(
        "eap",
        "client_ca_file",
        Some("\"\""),
        "Authorities that vouch for certificates of people, in PEM form; empty: no EAP-TLS.",
    ),
    key(
        "eap",
        "crl_file",
        Some("\"\""),
        "Lists of certificates that these authorities have revoked, in PEM form, read again by a reload. With one, a certificate whose authority has no list, or an old one, is refused.",
    ),
    key(
        "eap",
        "methods",
        Some("[\"ttls\", \"peap\", \"tls\"]"),
        "Methods, in the order in which they are offered; a device may choose another one of them.",
    ),
    key(
        "eap",
        "inner",
        Some("[\"mschapv2\", \"gtc\", \"pap\"]"),
        "What may stand in a tunnel, in the order in which it is offered. `gtc` and, in TTLS, `pap` bring the password to the login as it was typed. `mschapv2` knows passwords of devices alone, and is there where a client takes those.",
    ),
    key("eap", "tls_min", Some("\"1.2\""), "Lowest version of TLS."),
    key("eap", "tls_max", Some("\"1.3\""), "Highest version of TLS."),
    key(
        "eap",
        "peap_tls_max",
        Some("\"1.2\""),
        "Highest version with PEAP; many devices do not get along with 1.3 there.",
    ),
    key(
        "eap",
        "certificate_names",
        Some("[\"upn\", \"email\", \"common\"]"),
        "Names of a client certificate that say whose it is; the first kind that it has counts: `upn`, `email`, `dns`, `common` (of several, the most specific one).",
    ),
    key(
        "eap",
        "realms",
        Some("[]"),
        "What may stand behind the `@` of a username in a tunnel or certificate, or before its `\\`, such as `[\"example.edu\", \"EXAMPLE\"]`; it is taken off. Realms of `[[directory]]` are known anyway, and what those say of them holds.",
    ),
    key(
        "eap",
        "fragment_size",
        Some("1200"),
        "Longest EAP packet that is sent, 100 to 3500 bytes; where Framed-MTU of the client leaves less room, they are shorter.",
    ),
    key(
        "eap",
        "max_conversations",
        Some("20000"),
        "Conversations under way at most; one more ends that which was silent longest, of the client that has the most.",
    ),
    key("eap", "conversation_lifetime", Some("\"60s\""), "How long one may take, up to 10 minutes."),
    key("eap", "max_rounds", Some("64"), "Requests in one at most."),
    key("eap", "max_size", Some("\"64KiB\""), "What a device may send in one at most."),
    key(
        "eap",
        "session_lifetime",
        Some("\"8h\""),
        "How long after a login a device comes back without it, while account, password and policy stay the same; at most 7 days. 0s: never.",
    ),
    key(
        "eap",
        "max_sessions",
        Some("65536"),
        "Sessions kept for that at most, in memory; the oldest goes first.",
    ),
];
