//! What a login needs of an X.509 certificate (RFC 5280 §4.1): whom it names. Whether it is to be believed is decided elsewhere.

use crate::base::Timestamp;

/// SEQUENCE
const SEQUENCE: u8 = 0x30;
/// SET
const SET: u8 = 0x31;
/// The extensions, `[3]` of the certificate.
const EXTENSIONS: u8 = 0xa3;
/// OBJECT IDENTIFIER
const OID: u8 = 0x06;
/// BOOLEAN
const BOOLEAN: u8 = 0x01;
/// OCTET STRING
const OCTETS: u8 = 0x04;
/// UTF8String, PrintableString, IA5String
const UTF8: u8 = 0x0c;
const PRINTABLE: u8 = 0x13;
const IA5: u8 = 0x16;

/// id-at-commonName, id-ce-subjectAltName, id-ce-extKeyUsage with two usages, and Microsoft's user principal name.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
const UPN: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03];

/// Whom a certificate names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// User principal names, as Active Directory's authority writes them.
    pub upn: Vec<String>,
    /// Mail addresses.
    pub email: Vec<String>,
    /// Host names.
    pub dns: Vec<String>,
    /// Common names of the subject, the most specific first.
    pub common: Vec<String>,
}

/// What else is worth knowing of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Who issued it, as it is written.
    pub issuer: Vec<u8>,
    /// Whose it is, as it is written.
    pub subject: Vec<u8>,
    /// When it begins; `None` if that cannot be read.
    pub not_before: Option<Timestamp>,
    /// When it ends; the same.
    pub not_after: Option<Timestamp>,
    /// Whether servers may use it; `None`: it says nothing of its use.
    pub server: Option<bool>,
}

impl Facts {
    /// Of a certificate in DER; `None` if it cannot be read.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let body = body(certificate)?;
        let mut parts = elements(body).filter(|(tag, _)| *tag == SEQUENCE).skip(1);
        let (issuer, validity, subject) = (parts.next()?.1, parts.next()?.1, parts.next()?.1);
        let mut times = elements(validity).map(|(tag, value)| time(tag, value));
        let (not_before, not_after) = (times.next().flatten(), times.next().flatten());
        let usages = extension(body, EXTENDED_KEY_USAGE).and_then(element);
        let server = usages
            .map(|(_, list, _)| elements(list).any(|(_, usage)| usage == SERVER_AUTH || usage == ANY_USAGE));
        Some(Self { issuer: issuer.to_vec(), subject: subject.to_vec(), not_before, not_after, server })
    }
}

/// When a list of revoked certificates in DER was issued, and when its successor is due (RFC 5280 §5.1.2); `None` if it does not say.
pub fn list_validity(list: &[u8]) -> Option<(Timestamp, Timestamp)> {
    let mut times = elements(body(list)?).filter_map(|(tag, value)| time(tag, value));
    Some((times.next()?, times.next()?))
}

/// UTCTime or GeneralizedTime, as RFC 5280 §4.1.2.5 restricts them.
fn time(tag: u8, value: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(value).ok().filter(|text| text.is_ascii())?;
    let (year, rest) = match tag {
        0x17 => {
            let (year, rest) = text.split_at_checked(2)?;
            let century = if year < "50" { "20" } else { "19" };
            (format!("{century}{year}"), rest)
        }
        0x18 => text.split_at_checked(4).map(|(year, rest)| (year.to_owned(), rest))?,
        _ => return None,
    };
    let digits = rest.strip_suffix('Z').filter(|digits| digits.len() == 10)?;
    let part = |at: usize| digits.get(at..at + 2).unwrap_or_default();
    Timestamp::parse(&format!("{year}-{}-{}T{}:{}:{}Z", part(0), part(2), part(4), part(6), part(8)))
}

/// What is signed.
fn body(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, body, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    Some(body)
}

/// The value of an extension.
fn extension<'b>(body: &'b [u8], wanted: &[u8]) -> Option<&'b [u8]> {
    let (_, list) = elements(body).find(|(tag, _)| *tag == EXTENSIONS)?;
    let (_, list, _) = element(list)?;
    elements(list).find_map(|(_, extension)| {
        let mut parts = elements(extension).filter(|(tag, _)| *tag != BOOLEAN);
        let fits = parts.next() == Some((OID, wanted));
        parts.next().filter(|(tag, _)| fits && *tag == OCTETS).map(|(_, value)| value)
    })
}

/// One element and what is behind it.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The elements in `bytes`, as far as they can be read.
fn elements(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, content, rest) = element(bytes)?;
        bytes = rest;
        Some((tag, content))
    })
}

/// A name in a subject, which says in which letters it is written. Those of more than one octet, and Teletex's, would read as
/// somebody else's in UTF-8.
fn directory_string((tag, value): (u8, &[u8])) -> Option<String> {
    matches!(tag, UTF8 | PRINTABLE | IA5).then(|| text(value)).flatten()
}

fn text(bytes: &[u8]) -> Option<String> {
    // A NUL in a name has fooled others before (CVE-2009-2408).
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
    Some(text.to_owned())
}

impl Names {
    /// Of a certificate in DER; `None` if it cannot be read.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let body = body(certificate)?;
        // Issuer, validity, subject and key are sequences, after the algorithm.
        let subject = elements(body).filter(|(tag, _)| *tag == SEQUENCE).nth(3)?.1;
        let (mut names, mut common) = (Self::default(), Vec::new());
        for (_, set) in elements(subject).filter(|(tag, _)| *tag == SET) {
            for (_, pair) in elements(set) {
                let mut pair = elements(pair);
                if pair.next() == Some((OID, COMMON_NAME)) {
                    common.push(pair.next().and_then(directory_string));
                }
            }
        }
        // A subject goes from the root of its tree to the leaf. If that cannot be read, nothing above it says whose it is.
        names.common = common.into_iter().rev().map_while(|name| name).collect();
        if let Some(value) = extension(body, SUBJECT_ALT_NAME) {
            names.alternatives(element(value)?.1);
        }
        Some(names)
    }

    fn alternatives(&mut self, list: &[u8]) {
        for (tag, value) in elements(list) {
            match tag {
                // otherName, rfc822Name, dNSName
                0xa0 => {
                    let mut parts = elements(value);
                    if parts.next() == Some((OID, UPN)) {
                        let inner = parts.next().and_then(|(_, value)| elements(value).next());
                        self.upn.extend(inner.and_then(directory_string));
                    }
                }
                0x81 => self.email.extend(text(value)),
                0x82 => self.dns.extend(text(value)),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, CustomExtension, DnType, KeyPair, SanType};

    fn certificate(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        change(&mut params);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn names_of_every_kind_are_found() {
        let der = certificate(|params| {
            params.distinguished_name.push(DnType::OrganizationName, "Example");
            params.distinguished_name.push(DnType::CommonName, "Ann Example");
            params.subject_alt_names = vec![
                SanType::Rfc822Name("ann@example.edu".try_into().unwrap()),
                SanType::DnsName("laptop.example.edu".try_into().unwrap()),
                SanType::OtherName((
                    vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
                    rcgen::OtherNameValue::Utf8String("ann@ad.example.edu".to_owned()),
                )),
            ];
        });
        let names = Names::of(&der).unwrap();
        assert_eq!(names.common, ["Ann Example"]);
        assert_eq!(names.email, ["ann@example.edu"]);
        assert_eq!(names.dns, ["laptop.example.edu"]);
        assert_eq!(names.upn, ["ann@ad.example.edu"]);
    }

    // As authorities of Active Directory name people by their place: CN=Users, CN=Ann Example.
    #[test]
    fn most_specific_common_name_comes_first() {
        let common = |names: &[(u8, &str)]| {
            let set = |(letters, name): &(u8, &str)| {
                let value = short(*letters, name.as_bytes());
                short(SET, &short(SEQUENCE, &[short(OID, COMMON_NAME), value].concat()))
            };
            let subject = short(SEQUENCE, &names.iter().flat_map(set).collect::<Vec<_>>());
            let sequence = short(SEQUENCE, &[]);
            // Serial number, algorithm, issuer, validity, subject, key.
            let body = [short(2, &[1]), [&*sequence; 3].concat(), subject, sequence.clone()].concat();
            Names::of(&short(SEQUENCE, &short(SEQUENCE, &body))).unwrap().common
        };
        assert_eq!(common(&[(UTF8, "Users"), (UTF8, "Ann Example")]), ["Ann Example", "Users"]);
        const TELETEX: u8 = 0x14;
        assert_eq!(common(&[(UTF8, "Users"), (TELETEX, "Ann Example")]), <[&str; 0]>::default());
        assert_eq!(common(&[(TELETEX, "Users"), (UTF8, "Ann Example")]), ["Ann Example"]);
    }

    /// A short element.
    fn short(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    #[test]
    fn life_use_and_issuer_are_found() {
        let der = certificate(|params| {
            params.not_before = rcgen::date_time_ymd(2021, 5, 7);
            params.not_after = rcgen::date_time_ymd(2031, 5, 7);
            params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        });
        let facts = Facts::of(&der).unwrap();
        assert_eq!(facts.not_before, Timestamp::parse("2021-05-07T00:00:00Z"));
        assert_eq!(facts.not_after, Timestamp::parse("2031-05-07T00:00:00Z"));
        assert_eq!(facts.server, Some(false));
        assert_eq!(facts.issuer, facts.subject);
        let facts = Facts::of(&certificate(|params| params.not_after = rcgen::date_time_ymd(2051, 1, 1)));
        assert_eq!(facts.unwrap().not_after, Timestamp::parse("2051-01-01T00:00:00Z"));
    }

    #[test]
    fn list_says_when_it_was_issued_and_when_the_next_is_due() {
        let key = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(CertificateParams::new(Vec::new()).unwrap(), key);
        let list = rcgen::CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(2030, 1, 1),
            next_update: rcgen::date_time_ymd(2050, 1, 8),
            crl_number: rcgen::SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![rcgen::RevokedCertParams {
                serial_number: rcgen::SerialNumber::from(7),
                revocation_time: rcgen::date_time_ymd(2029, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let der = list.signed_by(&issuer).unwrap().der().to_vec();
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let expected = Some((at("2030-01-01T00:00:00Z"), at("2050-01-08T00:00:00Z")));
        assert_eq!(list_validity(&der), expected);
        assert!((0..der.len()).all(|length| list_validity(&der[..length]).is_none()));
        assert_eq!(list_validity(&certificate(|_| {})), None);
    }

    #[test]
    fn name_with_a_nul_is_no_name() {
        let mut san = vec![0x30, 9, 0x81, 7];
        san.extend(b"ann\0bob");
        let der = certificate(|params| {
            let extension = CustomExtension::from_oid_content(&[2, 5, 29, 17], san);
            params.custom_extensions.push(extension);
        });
        assert_eq!(Names::of(&der).unwrap().email, [""; 0]);
    }

    #[test]
    fn name_in_letters_of_two_octets_is_not_read_as_another() {
        use rcgen::string::{BmpString, TeletexString};
        // 慬楣 are the octets of `alic`.
        let der = certificate(|params| {
            let name = BmpString::try_from("慬楣").unwrap();
            params.distinguished_name.push(DnType::CommonName, rcgen::DnValue::BmpString(name));
        });
        assert_eq!(Names::of(&der).unwrap().common, [""; 0]);
        let der = certificate(|params| {
            let name = TeletexString::try_from("ann").unwrap();
            params.distinguished_name.push(DnType::CommonName, rcgen::DnValue::TeletexString(name));
        });
        assert_eq!(Names::of(&der).unwrap().common, [""; 0]);
        let mut san = vec![0x30, 24, 0xa0, 22, 0x06, 10];
        san.extend(UPN);
        san.extend([0xa0, 8, 0x1e, 6]);
        san.extend("慬楣攠".encode_utf16().flat_map(u16::to_be_bytes));
        let der = certificate(|params| {
            params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 17], san));
        });
        assert_eq!(Names::of(&der).unwrap().upn, [""; 0]);
    }

    #[test]
    fn damaged_certificate_is_read_without_a_panic() {
        let der = certificate(|params| params.distinguished_name.push(DnType::CommonName, "ann"));
        for length in 0..der.len() {
            assert!(Names::of(&der[..length]).is_none());
        }
        for at in 0..der.len() {
            for octet in [0, 1, 0x7f, 0x80, 0x84, 0xff] {
                let mut changed = der.clone();
                changed[at] = octet;
                let _ = Names::of(&changed);
            }
        }
    }
}
