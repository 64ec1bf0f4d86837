//! The XML of a container to what it says, in one pass. Names are compared without their prefixes.

use super::Problem;
use super::crypto::{Derivation, Protection, Value};
use super::policy::Policy;
use crate::base::Secret;
use data_encoding::BASE64;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zeroize::Zeroizing;

/// Elements inside each other at most.
const DEPTH: usize = 24;

/// A key as it stands there.
#[derive(Debug, Default)]
pub(super) struct Raw {
    pub(super) line: usize,
    pub(super) serial: Option<String>,
    pub(super) id: Option<String>,
    pub(super) algorithm: String,
    pub(super) suite: Option<String>,
    pub(super) digits: Option<u8>,
    pub(super) encoding: Option<String>,
    pub(super) counter: Option<u64>,
    pub(super) period: Option<u32>,
    /// Who made the device.
    pub(super) maker: Option<String>,
    /// Steps by which its clock is said to be off.
    pub(super) drift: i64,
    pub(super) policy: Policy,
    pub(super) plain: Option<Secret<Vec<u8>>>,
    pub(super) encrypted: Option<Value>,
    /// What cannot be read in it.
    pub(super) problem: Option<String>,
}

/// A container.
#[derive(Debug, Default)]
pub(super) struct Container {
    pub(super) protection: Protection,
    pub(super) packages: Vec<Raw>,
    /// Where a signature of it begins.
    pub(super) signature: Option<usize>,
}

/// Where the reader is.
struct Place<'t> {
    text: &'t str,
    /// Names of the open elements.
    path: Vec<String>,
    /// Text of the innermost one.
    inner: Zeroizing<String>,
    container: Container,
    /// How far lines were counted, and how many there were.
    counted: (usize, usize),
}

/// Lines between two places.
fn line_ends(text: &str, from: usize, to: usize) -> usize {
    let between = text.as_bytes().get(from..to.min(text.len())).unwrap_or_default();
    between.iter().filter(|byte| **byte == b'\n').count()
}

/// The one thing that is said of a file that cannot be read: lines are counted from its beginning.
fn problem(text: &str, at: u64, what: impl Into<String>) -> Problem {
    let at = usize::try_from(at).unwrap_or(text.len());
    Problem { line: line_ends(text, 0, at) + 1, what: what.into() }
}

fn attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    let attribute = element.try_get_attribute(wanted).ok().flatten()?;
    Some(std::str::from_utf8(&attribute.value).ok()?.to_owned())
}

fn attributes(element: &BytesStart<'_>) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let own = element.attributes().filter_map(Result::ok);
    let own = own.filter(|attribute| !attribute.key.as_ref().starts_with(b"xmlns"));
    own.map(|attribute| (text(attribute.key.local_name().as_ref()), text(&attribute.value))).collect()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let letters: Zeroizing<String> =
        Zeroizing::new(text.chars().filter(|letter| !letter.is_whitespace()).collect());
    BASE64.decode(letters.as_bytes()).ok()
}

/// Reads a container.
pub(super) fn parse(text: &str) -> Result<Container, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let (path, inner, container) = (Vec::new(), Zeroizing::default(), Container::default());
    let mut place = Place { text, path, inner, container, counted: (0, 1) };
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().map_err(|error| {
            problem(text, reader.error_position(), format!("this is no XML that can be read: {error}"))
        })?;
        match event {
            Event::Start(element) => place.open(&element, at)?,
            Event::End(_) => place.close(),
            Event::Text(more) => place.add(&more.decode().unwrap_or_default()),
            Event::CData(more) => place.add(&more.decode().unwrap_or_default()),
            Event::GeneralRef(name) => match &*name {
                b"amp" => place.add("&"),
                b"lt" => place.add("<"),
                b"gt" => place.add(">"),
                b"quot" => place.add("\""),
                b"apos" => place.add("'"),
                _ => return Err(problem(text, at, "entities and character references are not read")),
            },
            Event::DocType(_) => return Err(problem(text, at, "a document type is not allowed here")),
            // Empty elements come as a start and an end.
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) | Event::Empty(_) => {}
            Event::Eof => break,
        }
    }
    if place.container.packages.is_empty() {
        return Err(problem(text, 0, "this is no PSKC file, or there is no key in it"));
    }
    Ok(place.container)
}

impl Place<'_> {
    fn add(&mut self, more: &str) {
        self.inner.push_str(more);
    }

    fn is(&self, end: &[&str]) -> bool {
        self.path.iter().rev().zip(end.iter().rev()).all(|(name, wanted)| name == wanted)
            && self.path.len() >= end.len()
    }

    /// How deep below an element of this name.
    fn is_below(&self, name: &str) -> Option<usize> {
        self.path.iter().rev().position(|open| open == name)
    }

    fn within(&self, name: &str) -> bool {
        self.path.iter().any(|open| open == name)
    }

    fn open(&mut self, element: &BytesStart<'_>, at: u64) -> Result<(), Problem> {
        let name = String::from_utf8_lossy(element.local_name().as_ref()).into_owned();
        if self.path.is_empty() && name != "KeyContainer" {
            return Err(problem(self.text, at, "this is no PSKC file: its outermost element is another"));
        }
        if self.path.len() >= DEPTH {
            return Err(problem(self.text, at, "elements are too deep inside each other"));
        }
        self.path.push(name);
        self.inner = Zeroizing::default();
        if self.within("Signature") {
            if self.is(&["KeyContainer", "Signature"]) {
                self.container.signature = Some(self.line(at));
            }
            return Ok(());
        }
        if self.is(&["KeyContainer", "KeyPackage"]) {
            let line = self.line(at);
            self.container.packages.push(Raw { line, ..Raw::default() });
        }
        if self.within("KeyPackage") {
            self.open_in_package(element)
        } else {
            self.open_in_head(element)
        }
        Ok(())
    }

    /// The line of a place that is not before the last one asked for.
    fn line(&mut self, at: u64) -> usize {
        let (from, lines) = self.counted;
        let at = usize::try_from(at).unwrap_or(self.text.len());
        self.counted = (at.max(from), lines + line_ends(self.text, from, at));
        self.counted.1
    }

    fn open_in_head(&mut self, element: &BytesStart<'_>) {
        let named = |name| attribute(element, name);
        let in_mac = self.within("MACKey");
        let Container { protection, .. } = &mut self.container;
        match self.path.last().map(String::as_str).unwrap_or_default() {
            "EncryptionKey" => protection.encrypted = true,
            "DerivedKey" => protection.derivation = Some(Derivation::default()),
            "KeyDerivationMethod" => {
                protection.derivation.get_or_insert_default().method = named("Algorithm").unwrap_or_default();
            }
            "PRF" => protection.derivation.get_or_insert_default().prf = named("Algorithm"),
            "MACMethod" => protection.mac = named("Algorithm"),
            "EncryptionMethod" if in_mac => {
                protection.mac_key.get_or_insert_default().cipher = named("Algorithm").unwrap_or_default();
            }
            _ => {}
        }
    }

    fn open_in_package(&mut self, element: &BytesStart<'_>) {
        let named = |name| attribute(element, name);
        let (in_secret, below) = (self.within("Secret"), self.is_below("Policy"));
        let name = self.path.last().cloned().unwrap_or_default();
        let Some(raw) = self.container.packages.last_mut() else { return };
        match below {
            Some(1) => raw.policy.open(&name, &attributes(element)),
            Some(2..) => raw.policy.deeper(&name),
            _ => {}
        }
        match name.as_str() {
            "EncryptionMethod" if in_secret => {
                raw.encrypted.get_or_insert_default().cipher = named("Algorithm").unwrap_or_default();
            }
            "Key" => {
                raw.id = named("Id");
                raw.algorithm = named("Algorithm").unwrap_or_default();
            }
            "ResponseFormat" => {
                raw.encoding = named("Encoding");
                raw.digits = named("Length").and_then(|digits| digits.parse().ok());
                if named("Length").is_some() && raw.digits.is_none() {
                    raw.problem = Some("the length of its codes is no number of digits".to_owned());
                }
                if named("CheckDigits").is_some_and(|check| check.trim() == "true" || check.trim() == "1") {
                    raw.problem =
                        Some("its codes end in a check digit (Luhn), which is not read here".to_owned());
                }
            }
            _ => {}
        }
    }

    /// An element with text ends.
    fn close(&mut self) {
        let text = std::mem::take(&mut self.inner);
        let text = text.trim();
        if self.within("Signature") {
            // Not ours.
        } else if self.within("KeyPackage") {
            self.close_in_package(text);
        } else {
            self.close_in_head(text);
        }
        self.path.pop();
    }

    fn close_in_head(&mut self, text: &str) {
        let (in_mac, is_value) = (self.within("MACKey"), self.is(&["CipherData", "CipherValue"]));
        let (is_salt, name) =
            (self.is(&["Salt", "Specified"]), self.path.last().cloned().unwrap_or_default());
        let Protection { derivation, mac_key, .. } = &mut self.container.protection;
        match name.as_str() {
            _ if in_mac && is_value => {
                mac_key.get_or_insert_default().bytes = base64(text).unwrap_or_default();
            }
            _ if is_salt => derivation.get_or_insert_default().salt = base64(text).unwrap_or_default(),
            // One that is no number is too many.
            "IterationCount" => {
                derivation.get_or_insert_default().rounds = Some(text.parse().unwrap_or(u32::MAX));
            }
            "KeyLength" => derivation.get_or_insert_default().length = Some(text.parse().unwrap_or(0)),
            _ => {}
        }
    }

    fn close_in_package(&mut self, text: &str) {
        let is = |end: &[&str]| self.is(end);
        let plain = is(&["Secret", "PlainValue"]);
        let cipher = is(&["CipherData", "CipherValue"]) && self.within("Secret");
        let (mac, serial) = (is(&["Secret", "ValueMAC"]), is(&["DeviceInfo", "SerialNo"]));
        let (counter, period) = (is(&["Counter", "PlainValue"]), is(&["TimeInterval", "PlainValue"]));
        let (time, drift) = (is(&["Time", "PlainValue"]), is(&["TimeDrift", "PlainValue"]));
        let hidden =
            ["Counter", "TimeInterval", "Time", "TimeDrift"].iter().any(|name| is(&[name, "EncryptedValue"]));
        let (maker, dated) = (is(&["DeviceInfo", "Manufacturer"]), ["Policy", "DeviceInfo"]);
        let name = self.path.last().cloned().unwrap_or_default();
        let dated = dated.iter().any(|parent| is(&[parent, &name]));
        let suite = is(&["AlgorithmParameters", "Suite"]);
        let Some(raw) = self.container.packages.last_mut() else { return };
        if dated {
            raw.policy.close(&name, text);
        }
        let mut bytes = |what: &str| {
            let bytes = base64(text);
            if bytes.is_none() {
                raw.problem = Some(format!("its {what} is not base64"));
            }
            bytes.unwrap_or_default()
        };
        match () {
            () if plain => raw.plain = Some(Secret::new(bytes("secret"))),
            () if cipher => raw.encrypted.get_or_insert_default().bytes = bytes("encrypted secret"),
            () if mac => raw.encrypted.get_or_insert_default().mac = Some(bytes("MAC")),
            () if serial => raw.serial = Some(text.to_owned()).filter(|text| !text.is_empty()),
            () if suite => raw.suite = Some(text.to_owned()).filter(|text| !text.is_empty()),
            () if maker => raw.maker = Some(text.to_owned()).filter(|text| !text.is_empty()),
            () if hidden => raw.problem = Some("its counter or time is encrypted".to_owned()),
            () if time && text.trim_start_matches('0').is_empty() => {}
            () if time => raw.problem = Some("its steps are counted from another time than 1970".to_owned()),
            () if drift => match text.parse() {
                Ok(drift) => raw.drift = drift,
                Err(_) => raw.problem = Some("its time drift is no number".to_owned()),
            },
            () if counter => match text.parse() {
                Ok(counter) => raw.counter = Some(counter),
                Err(_) => raw.problem = Some("its counter is no number".to_owned()),
            },
            () if period => match text.parse() {
                Ok(period) => raw.period = Some(period),
                Err(_) => raw.problem = Some("its interval is no number".to_owned()),
            },
            () => {}
        }
    }
}
