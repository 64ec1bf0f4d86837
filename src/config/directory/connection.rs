//! How a directory is reached: servers, who vouches for them, as whom Doorward binds.

use super::super::files::{self, Files, LONGEST, contents};
use super::super::section::Section;
use super::{Endpoint, LdapServer, Protection, ServiceBind};
use crate::base::percent_decode;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::path::PathBuf;

pub(in crate::config) fn servers(section: &Section<'_>) -> Option<Vec<LdapServer>> {
    let start_tls = section.boolean("start_tls");
    let texts = section.texts("servers")?;
    if texts.is_empty() {
        section.error(
            section.place("servers"),
            "`servers` is empty",
            "such as [\"ldaps://ldap.example.org\"]",
        );
    }
    let mut servers = Vec::new();
    for (text, at) in texts {
        match server(&text, start_tls?) {
            Some(server) => {
                if server.protection == Protection::None && !server.endpoint.is_local() {
                    let message = format!("passwords would go to {text} unprotected");
                    section.error(at, message, "set start_tls = true, or use ldaps://");
                }
                servers.push(server);
            }
            None => {
                let hint = "ldaps://HOST[:PORT], ldap://HOST[:PORT] or ldapi://%2Fpath%2Fto%2Fsocket";
                section.error(at, format!("`{text}` is no address of an LDAP server"), hint);
            }
        }
    }
    (!servers.is_empty()).then_some(servers)
}

fn server(text: &str, start_tls: bool) -> Option<LdapServer> {
    let (scheme, rest) = text.split_once("://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let url = text.to_owned();
    if scheme == "ldapi" {
        let path = PathBuf::from(percent_decode(rest)?);
        return path.is_absolute().then_some(LdapServer {
            url,
            endpoint: Endpoint::Unix(path),
            protection: Protection::None,
        });
    }
    let usual = match scheme {
        "ldap" => 389,
        "ldaps" => 636,
        _ => return None,
    };
    let (host, port) = host_and_port(rest, usual)?;
    let name = ServerName::try_from(host.to_owned()).ok()?;
    let protection = match (scheme, start_tls) {
        ("ldaps", _) => Protection::Tls(name),
        (_, true) => Protection::StartTls(name),
        (_, false) => Protection::None,
    };
    Some(LdapServer { url, endpoint: Endpoint::Tcp(host.to_owned(), port), protection })
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]` or `[ADDRESS]:PORT`.
pub(in crate::config) fn host_and_port(text: &str, usual: u16) -> Option<(&str, u16)> {
    match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            Some((host, port.strip_prefix(':').map_or(Some(usual), |port| port.parse().ok())?))
        }
        None => match text.split_once(':') {
            Some((host, port)) => Some((host, port.parse().ok()?)),
            None => Some((text, usual)),
        },
    }
}

/// The certificates in `ca_file`; none where it is empty.
pub(in crate::config) fn authorities(
    section: &Section<'_>,
    files: &Files<'_>,
) -> Option<Vec<CertificateDer<'static>>> {
    let (name, at) = section.text("ca_file")?;
    if name.is_empty() {
        return Some(Vec::new());
    }
    let path = files.base.join(&name);
    let bytes = match contents(&path, LONGEST) {
        Ok(bytes) => bytes,
        Err(what) => {
            let message = format!("{} {what}", path.display());
            section.error(at, message, "a file with certificates in PEM form");
            return None;
        }
    };
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Some(certificates),
        _ => {
            let message = format!("{} holds no certificates in PEM form", path.display());
            section.error(at, message, "it begins with -----BEGIN CERTIFICATE-----");
            None
        }
    }
}

/// `owner` is whose account it is, for messages.
pub(in crate::config) fn service_bind(
    section: &Section<'_>,
    files: &Files<'_>,
    owner: &str,
) -> Option<ServiceBind> {
    let kinds = [("simple", false), ("external", true)];
    if section.choice("bind", &kinds)? {
        return Some(ServiceBind::External);
    }
    let (dn, at) = section.text("bind_dn")?;
    if dn.is_empty() {
        let message = "`bind_dn` is missing: Doorward never binds anonymously";
        section.error(at, message, "the service account, such as \"cn=doorward,dc=example,dc=org\"");
        return None;
    }
    let (secret, at) = files::secret(section, files, owner)?;
    if secret.expose().is_empty() {
        section.error(at, "the password of the service account is empty", "that would be an anonymous bind");
        return None;
    }
    Some(ServiceBind::Simple(dn, secret))
}
