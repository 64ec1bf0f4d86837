//! What a container allows to be done with a key (RFC 6030 §5). What is not understood is not allowed.

use crate::base::Timestamp;

/// Children of `Policy` and attributes of `PINPolicy` that are understood.
const KNOWN: [&str; 5] = ["StartDate", "ExpiryDate", "PINPolicy", "KeyUsage", "NumberOfTransactions"];
const PIN: [&str; 6] =
    ["PINKeyId", "PINUsageMode", "MaxFailedAttempts", "MinLength", "MaxLength", "PINEncoding"];

/// A policy as it stands there, and the dates of the device.
#[derive(Debug, Default)]
pub(super) struct Policy {
    begins: Option<Timestamp>,
    ends: Option<Timestamp>,
    /// `KeyUsage`, each.
    usages: Vec<String>,
    problem: Option<String>,
}

/// From when on and until when a key may be used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub begins: Option<Timestamp>,
    /// Not from then on.
    pub ends: Option<Timestamp>,
}

/// An `xs:dateTime`; without a zone it is UTC (§4.3.1).
fn date(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z")))
}

impl Policy {
    /// An element begins right below `Policy`; its attributes by name.
    pub(super) fn open(&mut self, name: &str, attributes: &[(String, String)]) {
        if !KNOWN.contains(&name) {
            self.refuse(format!("its policy has `{}`, which is not understood here", printable(name)));
        }
        if name == "NumberOfTransactions" {
            self.refuse("its policy limits how often it is used, which is not counted here".to_owned());
        }
        if name != "PINPolicy" {
            return;
        }
        if let Some((name, _)) = attributes.iter().find(|(name, _)| !PIN.contains(&name.as_str())) {
            self.refuse(format!(
                "its policy has `{}` of a PIN, which is not understood here",
                printable(name)
            ));
        }
        // Whether a PIN on the device is right, the device itself sees to.
        match attributes.iter().find(|(name, _)| name == "PINUsageMode").map(|(_, mode)| mode.as_str()) {
            Some("Local") => {}
            Some("Prepend" | "Append" | "Algorithmic") => {
                self.refuse("its codes are made together with a PIN, which is not done here".to_owned());
            }
            _ => self.refuse("its policy does not say how its PIN is used".to_owned()),
        }
    }

    /// An element below `PINPolicy` or another one: an extension.
    pub(super) fn deeper(&mut self, name: &str) {
        self.refuse(format!("its policy has `{}`, which is not understood here", printable(name)));
    }

    /// Text of an element of `Policy` or `DeviceInfo`. Of several dates the narrowest counts.
    pub(super) fn close(&mut self, name: &str, text: &str) {
        match (name, date(text)) {
            ("StartDate", Some(at)) => self.begins = self.begins.max(Some(at)),
            ("ExpiryDate", Some(at)) => self.ends = Some(self.ends.map_or(at, |ends| ends.min(at))),
            ("StartDate" | "ExpiryDate", None) => {
                self.refuse(format!("its {name} is no date such as 2026-05-31T00:00:00Z"));
            }
            ("KeyUsage", _) => self.usages.push(text.to_owned()),
            _ => {}
        }
    }

    fn refuse(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }

    /// When the key may be used for one-time passwords.
    pub(super) fn judge(self) -> Result<Validity, String> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if !self.usages.is_empty() && !self.usages.iter().any(|usage| usage == "OTP") {
            return Err("its policy does not let it make one-time passwords".to_owned());
        }
        Ok(Validity { begins: self.begins, ends: self.ends })
    }
}

/// A name of the file, to be shown.
fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(40).collect()
}
