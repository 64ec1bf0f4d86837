//! Keys of validation servers for YubiKeys: those that are asked.

use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key("", "yubico", None, ""),
    key(
        "yubico",
        "urls",
        Some("[]"),
        "Servers that speak Yubico's validation protocol 2.0, such as `https://api.yubico.com/wsapi/2.0/verify`, all asked at the same time; they must know the same keys. https, except on this machine. Empty: nobody is asked, and only OTPs of keys that were imported are good.",
    ),
    key("yubico", "client_id", Some("0"), "Number under which the servers know this Doorward."),
    key(
        "yubico",
        "secret",
        None,
        "The key that came with the number, base64, right here. Better: one of the next two. It signs questions and answers.",
    ),
    key("yubico", "secret_file", None, "File with the key."),
    key("yubico", "secret_credential", None, "Name of a systemd credential with the key."),
    key(
        "yubico",
        "sl",
        Some("\"\""),
        "How many of the servers that the asked one synchronises with must know an OTP before it is good: `0` to `100` percent, `fast` or `secure`. Empty: the server decides.",
    ),
    key(
        "yubico",
        "timeout",
        Some("\"3s\""),
        "For one OTP, however many servers are asked, 200 ms to 30 s. Then nothing is decided, and RADIUS does not answer.",
    ),
    key(
        "yubico",
        "ca_file",
        Some("\"\""),
        "Authorities that may vouch for the servers, in PEM form; empty: those that the system trusts.",
    ),
];
