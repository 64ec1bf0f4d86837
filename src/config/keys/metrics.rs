//! Keys of what a monitoring system asks.

use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key("", "metrics", None, ""),
    key(
        "metrics",
        "listen",
        Some("[]"),
        "TCP addresses where `/metrics`, `/health` and `/ready` are served, such as `127.0.0.1:9812`; empty: nowhere. Other than on this machine it needs `networks`. New addresses take effect at a restart.",
    ),
    key(
        "metrics",
        "networks",
        Some("[]"),
        "Addresses and prefixes beyond this machine that may ask: those of the monitoring system and of load balancers.",
    ),
    key(
        "metrics",
        "certificate_file",
        Some("\"\""),
        "Certificate for TLS, and those that vouch for it, in PEM form; empty: no TLS.",
    ),
    key("metrics", "private_key_file", None, "File with the certificate's private key, in PEM form."),
    key("metrics", "private_key_credential", None, "Name of a systemd credential with the private key."),
];
