//! Keys of validation servers for YubiKeys: those that are asked, and our own.

use super::{Key, key};

pub(super) const KEYS: &[Key] = &[
    key("", "yubico", None, ""),
    key("", "wsapi", None, ""),
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
    key(
        "wsapi",
        "listen",
        Some("[]"),
        "TCP addresses where `/wsapi/2.0/verify` is served; empty: nowhere. Other than on this machine it needs a certificate. New addresses take effect at a restart.",
    ),
    key(
        "wsapi",
        "certificate_file",
        Some("\"\""),
        "Certificate for TLS, and those that vouch for it, in PEM form; empty: no TLS.",
    ),
    key("wsapi", "private_key_file", None, "File with the certificate's private key, in PEM form."),
    key("wsapi", "private_key_credential", None, "Name of a systemd credential with the private key."),
    key(
        "wsapi",
        "rate",
        Some("100"),
        "Requests of one client in a second, 1 to 100000; more are answered with BACKEND_ERROR.",
    ),
    key("wsapi", "client", None, ""),
    key("wsapi.client", "id", None, "Number that the client sends."),
    key(
        "wsapi.client",
        "secret",
        None,
        "The key that it shares with us, base64 of 16 to 64 bytes, right here. Better: one of the next two. `head -c 20 /dev/urandom | base64` makes one.",
    ),
    key("wsapi.client", "secret_file", None, "File with the key."),
    key("wsapi.client", "secret_credential", None, "Name of a systemd credential with the key."),
    key(
        "wsapi.client",
        "networks",
        Some("[]"),
        "Addresses and prefixes that it asks from; empty: from anywhere.",
    ),
];
