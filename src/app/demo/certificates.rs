//! Certificates of a demonstration: an authority, the server's, and two of a person, one of which is revoked.

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};

/// The name in the server's certificate, which devices check.
pub(super) const SERVER_NAME: &str = "radius.example.edu";

/// The serial number of what is revoked.
const REVOKED: u64 = 2;

/// Everything in PEM form; certificates with their keys.
pub(super) struct Made {
    pub(super) authority: String,
    pub(super) revocations: String,
    pub(super) server: (String, String),
    pub(super) client: (String, String),
    pub(super) revoked: (String, String),
}

/// Makes all of them, good for longer than any demonstration.
pub(super) fn make(person: &str) -> Result<Made> {
    let key = KeyPair::generate()?;
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "Doorward demonstration CA");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = authority.self_signed(&key)?.pem();
    let issuer = Issuer::new(authority, key);
    let revocations = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(2050, 1, 1),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: vec![RevokedCertParams {
            serial_number: SerialNumber::from(REVOKED),
            revocation_time: date_time_ymd(2020, 1, 2),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        }],
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(Made {
        authority: certificate,
        revocations: revocations.signed_by(&issuer)?.pem()?,
        server: server(&issuer)?,
        client: client(&issuer, person, 1)?,
        revoked: client(&issuer, person, REVOKED)?,
    })
}

fn server(issuer: &Issuer<'_, KeyPair>) -> Result<(String, String)> {
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), SERVER_NAME.to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, SERVER_NAME);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    sign(params, issuer)
}

fn client(issuer: &Issuer<'_, KeyPair>, person: &str, serial: u64) -> Result<(String, String)> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, person);
    params.subject_alt_names = vec![SanType::Rfc822Name(format!("{person}@example.edu").try_into()?)];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.serial_number = Some(SerialNumber::from(serial));
    sign(params, issuer)
}

fn sign(mut params: CertificateParams, issuer: &Issuer<'_, KeyPair>) -> Result<(String, String)> {
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    Ok((params.signed_by(&key, issuer)?.pem(), key.serialize_pem()))
}
