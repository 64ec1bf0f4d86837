//! Configuration profiles of Apple's systems (`.mobileconfig`): a property list in XML that sets up Wi-Fi with the authority and the
//! names that the server must have, so that nobody has to decide whether a certificate is right.
//!
//! Keys are those of Apple's "Device Management: WiFi, EAPClientConfiguration, CertificateRoot, CertificatePKCS12". The same
//! arguments give the same profile, with the same ids, so that a newer one takes the place of the older.

use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// How devices log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// EAP-TTLS with PAP inside: username and password.
    Ttls,
    /// PEAP with MSCHAPv2 inside: username and the password of the device.
    Peap,
    /// EAP-TLS: a certificate of the person or device.
    Tls,
}

impl Method {
    /// The number of the EAP type.
    const fn number(self) -> u8 {
        match self {
            Method::Tls => 13,
            Method::Ttls => 21,
            Method::Peap => 25,
        }
    }
}

/// What a profile sets up.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Name that is shown on the device.
    pub name: String,
    /// Who it is from; may be empty.
    pub organization: String,
    /// Reversed domain name; a profile takes the place of an older one with the same.
    pub identifier: String,
    /// Names of the networks.
    pub ssids: Vec<String>,
    /// How devices log in.
    pub method: Method,
    /// Authorities that vouch for the server, in DER form.
    pub authorities: Vec<Vec<u8>>,
    /// Names that the server's certificate must have one of.
    pub server_names: Vec<String>,
    /// What is said outside of the tunnel; empty: the username.
    pub outer_identity: String,
    /// The username; empty: the device asks for it.
    pub username: String,
    /// A certificate with its key, as PKCS #12.
    pub identity: Option<Vec<u8>>,
}

/// Part of a property list.
enum Plist {
    Text(String),
    Number(u8),
    Yes(bool),
    Data(Vec<u8>),
    List(Vec<Plist>),
    Dict(Vec<(&'static str, Plist)>),
}

fn text(value: &str) -> Plist {
    Plist::Text(value.to_owned())
}

impl Plist {
    fn write(&self, out: &mut String, depth: usize) {
        let indent = "\t".repeat(depth);
        // Writing into a `String` cannot fail.
        let _ = match self {
            Plist::Text(text) => writeln!(out, "{indent}<string>{}</string>", escaped(text)),
            Plist::Number(number) => writeln!(out, "{indent}<integer>{number}</integer>"),
            Plist::Yes(yes) => writeln!(out, "{indent}<{yes}/>"),
            Plist::Data(bytes) => writeln!(out, "{indent}<data>{}</data>", BASE64.encode(bytes)),
            Plist::List(items) => {
                let _ = writeln!(out, "{indent}<array>");
                items.iter().for_each(|item| item.write(out, depth + 1));
                writeln!(out, "{indent}</array>")
            }
            Plist::Dict(entries) => {
                let _ = writeln!(out, "{indent}<dict>");
                for (key, value) in entries {
                    let _ = writeln!(out, "{indent}\t<key>{}</key>", escaped(key));
                    value.write(out, depth + 1);
                }
                writeln!(out, "{indent}</dict>")
            }
        };
    }
}

/// As it may stand between tags. What XML 1.0 has no form for becomes the replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(letter),
            '\r' => out.push_str("&#13;"),
            '\0'..' ' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(letter),
        }
    }
    out
}

impl Profile {
    /// The id of a part: always the same for the same profile.
    fn uuid(&self, part: &str) -> String {
        let digest = Sha256::new()
            .chain_update(self.identifier.as_bytes())
            .chain_update([0])
            .chain_update(part.as_bytes())
            .finalize();
        let mut bytes = [0; 16];
        bytes.iter_mut().zip(digest).for_each(|(into, byte)| *into = byte);
        uuid::Builder::from_custom_bytes(bytes).into_uuid().to_string().to_uppercase()
    }

    /// What every payload has.
    fn payload(&self, kind: &str, part: &str, name: &str) -> Vec<(&'static str, Plist)> {
        let identifier =
            if part.is_empty() { self.identifier.clone() } else { format!("{}.{part}", self.identifier) };
        vec![
            ("PayloadType", text(kind)),
            ("PayloadVersion", Plist::Number(1)),
            ("PayloadIdentifier", Plist::Text(identifier)),
            ("PayloadUUID", Plist::Text(self.uuid(part))),
            ("PayloadDisplayName", text(name)),
        ]
    }

    fn certificates(&self) -> impl Iterator<Item = Plist> {
        self.authorities.iter().enumerate().map(|(at, certificate)| {
            let part = format!("ca{}", at + 1);
            let mut payload = self.payload("com.apple.security.root", &part, &self.name);
            payload.push(("PayloadContent", Plist::Data(certificate.clone())));
            Plist::Dict(payload)
        })
    }

    fn identity(&self) -> Option<Plist> {
        let mut payload = self.payload("com.apple.security.pkcs12", "identity", &self.name);
        payload.push(("PayloadContent", Plist::Data(self.identity.clone()?)));
        Some(Plist::Dict(payload))
    }

    fn eap(&self) -> Plist {
        let anchors = (1..=self.authorities.len()).map(|at| Plist::Text(self.uuid(&format!("ca{at}"))));
        let names = self.server_names.iter().map(|name| text(name));
        let mut eap = vec![
            ("AcceptEAPTypes", Plist::List(vec![Plist::Number(self.method.number())])),
            ("PayloadCertificateAnchorUUID", Plist::List(anchors.collect())),
            ("TLSTrustedServerNames", Plist::List(names.collect())),
            ("TLSMinimumVersion", text("1.2")),
            ("TLSMaximumVersion", text(if self.method == Method::Peap { "1.2" } else { "1.3" })),
        ];
        if self.method == Method::Ttls {
            eap.push(("TTLSInnerAuthentication", text("PAP")));
        }
        if self.method != Method::Tls && !self.outer_identity.is_empty() {
            eap.push(("OuterIdentity", text(&self.outer_identity)));
        }
        if !self.username.is_empty() {
            eap.push(("UserName", text(&self.username)));
        }
        Plist::Dict(eap)
    }

    fn network(&self, at: usize, name: &str) -> Plist {
        let mut payload = self.payload("com.apple.wifi.managed", &format!("wifi{}", at + 1), name);
        payload.extend([
            ("SSID_STR", text(name)),
            ("HIDDEN_NETWORK", Plist::Yes(false)),
            ("AutoJoin", Plist::Yes(true)),
            ("EncryptionType", text("WPA2")),
            ("ProxyType", text("None")),
            ("EAPClientConfiguration", self.eap()),
        ]);
        if self.identity.is_some() {
            payload.push(("PayloadCertificateUUID", Plist::Text(self.uuid("identity"))));
        }
        Plist::Dict(payload)
    }

    /// The whole file.
    pub fn to_xml(&self) -> String {
        let networks = self.ssids.iter().enumerate().map(|(at, name)| self.network(at, name));
        let content = networks.chain(self.certificates()).chain(self.identity()).collect();
        let mut payload = self.payload("Configuration", "", &self.name);
        if !self.organization.is_empty() {
            payload.push(("PayloadOrganization", text(&self.organization)));
        }
        payload.push(("PayloadContent", Plist::List(content)));
        let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">\n"
            .to_owned();
        Plist::Dict(payload).write(&mut out, 0);
        out.push_str("</plist>\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quick_xml::events::Event;

    fn profile(method: Method) -> Profile {
        Profile {
            name: "Campus <Wi-Fi> & more".into(),
            organization: "Example \"University\"".into(),
            identifier: "edu.example.radius.wifi".into(),
            ssids: vec!["eduroam".into(), "a&b</string>".into()],
            method,
            authorities: vec![vec![0x30, 1], vec![0x30, 2]],
            server_names: vec!["radius.example.edu".into()],
            outer_identity: "anonymous@example.edu".into(),
            username: String::new(),
            identity: None,
        }
    }

    /// What a reader of XML makes of it: the texts behind each key.
    fn values(xml: &str, wanted: &str) -> Vec<String> {
        let mut reader = quick_xml::Reader::from_str(xml);
        let (mut found, mut text, mut armed) = (Vec::new(), String::new(), false);
        loop {
            match reader.read_event().unwrap() {
                Event::Start(_) => text.clear(),
                Event::Text(part) => text.push_str(&part.xml10_content().unwrap()),
                Event::GeneralRef(name) => text.push(match &name[..] {
                    b"amp" => '&',
                    b"lt" => '<',
                    b"gt" => '>',
                    other => panic!("{other:?}"),
                }),
                Event::End(end) if end.name().as_ref() == b"key" => armed = text == wanted,
                Event::End(_) if armed => {
                    found.push(text.clone());
                    armed = false;
                }
                Event::Eof => return found,
                _ => {}
            }
        }
    }

    #[test]
    fn whatever_is_in_a_name_stays_a_text() {
        let xml = profile(Method::Ttls).to_xml();
        assert_eq!(values(&xml, "SSID_STR"), ["eduroam", "a&b</string>"]);
        assert_eq!(values(&xml, "PayloadOrganization"), ["Example \"University\""]);
        assert_eq!(escaped("a\u{1}b\u{ffff}"), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn server_is_pinned_by_authority_and_name_whatever_the_method() {
        for (method, number) in [(Method::Ttls, "21"), (Method::Peap, "25"), (Method::Tls, "13")] {
            let profile = profile(method);
            let xml = profile.to_xml();
            assert!(xml.contains(&format!("<integer>{number}</integer>")));
            assert_eq!(xml.matches("<string>radius.example.edu</string>").count(), 2, "at each network");
            for part in ["ca1", "ca2"] {
                assert_eq!(xml.matches(&profile.uuid(part)).count(), 3, "the anchor of two networks");
            }
            assert_eq!(xml.contains("OuterIdentity"), method != Method::Tls);
            assert_eq!(xml.contains("TTLSInnerAuthentication"), method == Method::Ttls);
            assert!(!xml.contains("UserPassword"), "nobody's password is in it");
        }
    }

    #[test]
    fn same_arguments_give_the_same_profile_and_ids_differ() {
        let mut with = profile(Method::Tls);
        with.identity = Some(vec![1, 2, 3]);
        let xml = with.to_xml();
        assert_eq!(xml, with.to_xml());
        let ids = values(&xml, "PayloadUUID");
        let distinct: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!((ids.len(), distinct.len()), (6, 6));
        assert_eq!(values(&xml, "PayloadCertificateUUID"), [with.uuid("identity"), with.uuid("identity")]);
    }
}
