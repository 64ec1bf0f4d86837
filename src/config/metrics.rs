//! `[metrics]`: figures for a monitoring system, and whether the daemon is well; and when certificates end.

use super::files::Files;
use super::section::Section;
use super::wsapi::{self, ServerTls, networks, tls};
use super::{Config, Revocations};
use crate::base::Timestamp;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// `[metrics]`
#[derive(Debug, Clone)]
pub struct Metrics {
    /// TCP addresses; none: they are not served.
    pub listen: Vec<SocketAddr>,
    /// Who may ask beyond this machine.
    pub networks: Vec<IpNet>,
    /// With it, TLS.
    pub tls: Option<ServerTls>,
}

impl Metrics {
    /// Whether somebody there may ask. Where nobody is named, this machine may.
    pub fn answers(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_loopback() || self.networks.iter().any(|network| network.contains(&address))
    }
}

pub(super) fn metrics(section: &Section<'_>, files: &Files<'_>) -> Option<Metrics> {
    let tls = tls(section, files);
    let networks = networks(section, "networks");
    let listen = wsapi::listen(section, true, "figures");
    // What is wrong with the list itself has been said by now.
    let beyond = listen.as_ref().and_then(|_| section.texts("listen")).unwrap_or_default();
    let beyond = beyond.into_iter().filter(|(text, _)| {
        text.parse::<SocketAddr>().is_ok_and(|address| !address.ip().to_canonical().is_loopback())
    });
    for (text, at) in beyond {
        if networks.as_ref().is_some_and(Vec::is_empty) {
            let message = format!("whoever reaches {text} would see how many log in, and how");
            section.error(
                at,
                message,
                "add `networks` with the addresses of the monitoring system, or use 127.0.0.1",
            );
        } else if matches!(tls, Some(None)) {
            files.warn(format!(
                "[metrics] the figures at {text} travel unprotected; add `certificate_file`, or use a network of your own"
            ));
        }
    }
    Some(Metrics { listen: listen?, networks: networks?, tls: tls? })
}

/// A certificate that ends within that time is spoken of.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

impl Config {
    /// Certificates that are served, by the section that names them, and when they end.
    pub fn certificates(&self) -> Vec<(&'static str, Timestamp)> {
        let eap = self.eap.as_ref().and_then(|eap| eap.ends);
        let of = |tls: &Option<ServerTls>| tls.as_ref().and_then(|tls| tls.1);
        let all = [
            ("eap", eap),
            ("portal", of(&self.portal.tls)),
            ("api", of(&self.api.tls)),
            ("wsapi", of(&self.wsapi.tls)),
            ("metrics", of(&self.metrics.tls)),
        ];
        all.into_iter().filter_map(|(section, ends)| Some((section, ends?))).collect()
    }

    /// Lists of revoked certificates, by the section that names them.
    pub fn revocations(&self) -> Vec<(&'static str, Revocations)> {
        let eap = self.eap.as_ref().and_then(|eap| eap.revocations);
        eap.map(|lists| ("eap", lists)).into_iter().collect()
    }

    /// What is to be said of them, and of the lists of revoked ones.
    pub fn certificate_warnings(&self, now: Timestamp) -> Vec<String> {
        let said = |(section, end): (&str, Timestamp)| match end {
            // That has words of its own.
            _ if section == "eap" => None,
            end if end <= now => {
                Some(format!("[{section}] the certificate has ended ({end}); nobody accepts it any more"))
            }
            end if end <= now + SOON => {
                Some(format!("[{section}] the certificate ends soon ({end}); get a new one"))
            }
            _ => None,
        };
        let eap = self.eap.iter().flat_map(|eap| eap.warnings(now));
        eap.chain(self.certificates().into_iter().filter_map(said)).collect()
    }
}
