//! `doorward wifi`: without the daemon.

use crate::wire::cms::{Scheme, Unsigned};
use crate::wire::mobileconfig::{Method, Profile};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use rustls::SignatureScheme;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// `doorward wifi …`
#[derive(Debug, Subcommand)]
pub(super) enum Wifi {
    /// Write a profile that sets up Wi-Fi on iPhones, iPads and Macs (.mobileconfig).
    Profile(ProfileArgs),
}

/// How devices log in.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Eap {
    /// EAP-TTLS with PAP: username and password.
    Ttls,
    /// PEAP with MSCHAPv2: username and a device password.
    Peap,
    /// EAP-TLS: a certificate, given with --identity.
    Tls,
}

#[derive(Debug, Args)]
pub(super) struct ProfileArgs {
    /// Name of the network; may be repeated.
    #[arg(long = "ssid", required = true, value_name = "NAME")]
    ssids: Vec<String>,
    /// Authorities that vouch for the RADIUS server's certificate, in PEM form.
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Name in the RADIUS server's certificate; may be repeated.
    #[arg(long = "server-name", required = true, value_name = "NAME")]
    server_names: Vec<String>,
    /// How devices log in.
    #[arg(long, value_enum, default_value = "ttls")]
    eap: Eap,
    /// What is said outside of the tunnel, such as anonymous@example.edu; empty: the username, which everyone near can read.
    #[arg(long, value_name = "IDENTITY", default_value = "anonymous")]
    outer_identity: String,
    /// The username; without it the device asks for it.
    #[arg(long, value_name = "USERNAME", default_value = "")]
    user: String,
    /// With --eap tls: certificate and key as PKCS #12; the device asks for its passphrase.
    #[arg(long, value_name = "FILE")]
    identity: Option<PathBuf>,
    /// Name of the profile on the device; without it, that of the first network.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Who the profile is from.
    #[arg(long, value_name = "NAME", default_value = "")]
    organization: String,
    /// Reversed domain name; a newer profile with the same takes the older one's place. Without it, made of the first server name.
    #[arg(long, value_name = "NAME")]
    identifier: Option<String>,
    /// Certificate to sign it with and its chain, in PEM form; the key is RSA, or ECDSA on P-256.
    #[arg(long, value_name = "FILE", requires = "sign_key")]
    sign_certificate: Option<PathBuf>,
    /// The signing certificate's private key, in PEM form.
    #[arg(long, value_name = "FILE", requires = "sign_certificate")]
    sign_key: Option<PathBuf>,
    /// Where to put it; without it, standard output.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(command: Wifi) -> Result<ExitCode> {
    let Wifi::Profile(args) = command;
    let xml = profile(&args)?.to_xml();
    let bytes = match (&args.sign_certificate, &args.sign_key) {
        (Some(certificate), Some(key)) => signed(xml.as_bytes(), certificate, key)?,
        _ => xml.into_bytes(),
    };
    match &args.output {
        Some(file) => {
            std::fs::write(file, bytes).with_context(|| format!("{} cannot be written", file.display()))?;
        }
        None => std::io::stdout().lock().write_all(&bytes)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn profile(args: &ProfileArgs) -> Result<Profile> {
    for ssid in &args.ssids {
        ensure!(
            (1..=32).contains(&ssid.len()) && !ssid.chars().any(char::is_control),
            "the name of a network has 1 to 32 bytes and no control characters; `--ssid` is {ssid:?}"
        );
    }
    for name in &args.server_names {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._*".contains(c);
        ensure!(
            !name.is_empty() && name.chars().all(plain),
            "`--server-name` must be a name as it stands in the certificate, such as radius.example.edu, not {name:?}"
        );
    }
    let method = match args.eap {
        Eap::Ttls => Method::Ttls,
        Eap::Peap => Method::Peap,
        Eap::Tls => Method::Tls,
    };
    let identity = match (&args.identity, method) {
        (Some(file), Method::Tls) => Some(read(file)?),
        (Some(_), _) => bail!("`--identity` is for `--eap tls`; the other methods ask for a password"),
        (None, Method::Tls) => {
            bail!("`--eap tls` needs the device's certificate: give it with `--identity FILE.p12`")
        }
        (None, _) => None,
    };
    let first = args.server_names.first().map(String::as_str).unwrap_or_default();
    let reversed = || first.rsplit('.').filter(|label| *label != "*").collect::<Vec<_>>().join(".");
    Ok(Profile {
        name: args.name.clone().or_else(|| args.ssids.first().cloned()).unwrap_or_default(),
        organization: args.organization.clone(),
        identifier: args.identifier.clone().unwrap_or_else(|| format!("{}.wifi", reversed())),
        ssids: args.ssids.clone(),
        method,
        authorities: certificates(&args.ca)?.iter().map(|one| one.to_vec()).collect(),
        server_names: args.server_names.clone(),
        outer_identity: args.outer_identity.clone(),
        username: args.user.clone(),
        identity,
    })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let found = CertificateDer::pem_slice_iter(&read(file)?).collect::<Result<Vec<_>, _>>();
    let found =
        found.with_context(|| format!("{} is no file of certificates in PEM form", file.display()))?;
    ensure!(!found.is_empty(), "{} holds no certificate in PEM form", file.display());
    Ok(found)
}

/// The profile with a signature around it, so that devices show who it is from.
fn signed(content: &[u8], certificate: &Path, key: &Path) -> Result<Vec<u8>> {
    let chain = certificates(certificate)?;
    let pem = zeroize::Zeroizing::new(read(key)?);
    let private = PrivateKeyDer::from_pem_slice(&pem).with_context(|| {
        format!("{} holds no private key in PEM form without a passphrase", key.display())
    })?;
    let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private)
        .with_context(|| format!("the key in {} cannot be used", key.display()))?;
    let together = rustls::sign::CertifiedKey::new(chain.clone(), signing);
    together.keys_match().with_context(|| {
        format!(
            "the key in {} is not that of the first certificate in {}",
            key.display(),
            certificate.display()
        )
    })?;
    let schemes = [SignatureScheme::RSA_PKCS1_SHA256, SignatureScheme::ECDSA_NISTP256_SHA256];
    let signer = together.key.choose_scheme(&schemes).context(
        "the signing key must be RSA, or ECDSA on the curve P-256; profiles can also be signed elsewhere",
    )?;
    let scheme = match signer.scheme() {
        SignatureScheme::RSA_PKCS1_SHA256 => Scheme::Rsa,
        _ => Scheme::Ecdsa,
    };
    let unsigned = Unsigned::new(content);
    let signature = signer.sign(&unsigned.to_be_signed()).context("the signature could not be made")?;
    let chain: Vec<&[u8]> = chain.iter().map(|one| one.as_ref()).collect();
    unsigned
        .signed(&chain, scheme, &signature)
        .with_context(|| format!("{} does not begin with a certificate", certificate.display()))
}
