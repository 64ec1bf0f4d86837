//! A real mail server for tests: aiosmtpd in a process of its own, on a port of its own, stopped by its pid.

use super::{PATIENCE, read};
use serde::Deserialize;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A certificate authority and a certificate for this machine, as PEM files in a folder.
pub(crate) struct Certificates {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    pub(crate) fn make(dir: &Path) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "Authority of a test");
        let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let write = |name: &str, text: String| {
            let path = dir.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        Self {
            authority: write("ca.pem", authority_pem),
            certificate: write("cert.pem", certificate.pem()),
            key: write("key.pem", key.serialize_pem()),
        }
    }
}

/// A mail as a second implementation understands it.
#[derive(Debug, Deserialize)]
pub(crate) struct Received {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) tls: bool,
    pub(crate) login: Option<String>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) kind: String,
    pub(crate) parts: Vec<(String, String)>,
    pub(crate) defects: Vec<String>,
    pub(crate) ascii: bool,
    /// Port of the client: the same for mails over one connection.
    pub(crate) peer: u16,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str())
    }
}

/// The server.
pub(crate) struct MailServer {
    child: Child,
    pub(crate) port: u16,
    folder: PathBuf,
}

impl MailServer {
    /// `mode`: `starttls`, `tls` or `none`; with an account it wants a login.
    pub(crate) fn start(dir: &Path, mode: &str, certificates: &Certificates, account: (&str, &str)) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = dir.join(format!("mail-{mode}"));
        std::fs::create_dir_all(&folder).unwrap();
        let mut child = Command::new(root.join("target/venv/bin/python"))
            .arg(root.join("tests/support/smtpd.py"))
            .args([&folder, Path::new(mode), &certificates.certificate, &certificates.key])
            .args([account.0, account.1])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("tests/run makes target/venv with aiosmtpd");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().parse().expect("the mail server starts");
        Self { child, port, folder }
    }

    /// Everything received so far, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        let mut files: Vec<_> =
            std::fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
        files.sort();
        files.iter().map(|path| serde_json::from_str(&read(path)).unwrap()).collect()
    }

    /// Waits until so many have come.
    pub(crate) fn wait(&self, count: usize) -> Vec<Received> {
        let begun = Instant::now();
        loop {
            let received = self.received();
            if received.len() >= count {
                return received;
            }
            assert!(begun.elapsed() < PATIENCE, "only {} mails came", received.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
