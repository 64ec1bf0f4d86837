//! Fields of a request. Some plug-ins encode values twice, so that a second decoding is needed; which, their User-Agent tells.

use super::multipart;
use crate::base::{Secret, percent_decode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::BTreeMap;

/// Most fields in a request.
const MOST: usize = 64;

/// Plug-ins that encode values twice, by the beginning of their User-Agent in lower case: those that use the library in Java,
/// whose inner encoding is that of forms, and the one for FreeRADIUS, whose inner one leaves plus signs alone.
const JAVA: [&str; 5] = [
    "privacyidea-keycloak",
    "privacyidea-shibboleth",
    "privacyidea-java",
    "entraid-via-keycloak",
    "privacyidea-gluu",
];
const FREERADIUS: &str = "freeradius";

/// How often values are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoding {
    /// As the User-Agent needs it.
    Auto,
    /// Once, as HTML says.
    Once,
    /// Once more.
    Twice,
}

/// A second decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// A plus sign is a space.
    OfForms,
    /// A plus sign is one.
    OfAddresses,
}

impl Decoding {
    /// The second decoding that is needed, if one is.
    pub fn second(self, user_agent: &str) -> Option<Second> {
        let agent = user_agent.trim_start().to_ascii_lowercase();
        let (freeradius, java) =
            (agent.starts_with(FREERADIUS), JAVA.iter().any(|known| agent.starts_with(known)));
        match self {
            Decoding::Once => None,
            Decoding::Auto | Decoding::Twice if freeradius => Some(Second::OfAddresses),
            Decoding::Auto => java.then_some(Second::OfForms),
            Decoding::Twice => Some(Second::OfForms),
        }
    }
}

/// Why there are no fields in what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadParameters {
    /// A percent sign without its digits, or no UTF-8.
    #[error("a field is not encoded as HTML says: %, two hexadecimal digits, UTF-8")]
    Encoding,
    /// Which of the two would count?
    #[error("a field stands there twice; send it once")]
    Twice,
    /// It is none.
    #[error("the body is no JSON object of texts, numbers and true or false")]
    Json,
    /// It is none, or has more in it than one.
    #[error("the form in parts (multipart/form-data) has no boundary, or something other than fields in it")]
    Parts,
    /// More than any request has.
    #[error("there are too many fields; a request has a dozen")]
    Many,
}

/// Fields of a request, any of which may be a password.
#[derive(Debug, Default)]
pub struct Parameters(BTreeMap<String, Secret<String>>);

/// A JSON object as it stands there: also what stands there twice, of which a map would keep the last.
struct Pairs(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

fn decode(text: &str) -> Option<Secret<String>> {
    percent_decode(&text.replace('+', " ")).map(Secret::new)
}

impl Parameters {
    /// From a query or a form.
    pub fn of_form(text: &str) -> Result<Self, BadParameters> {
        let mut fields = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or(BadParameters::Encoding)?;
            fields.add(name.expose().clone(), decode(value).ok_or(BadParameters::Encoding)?)?;
        }
        Ok(fields)
    }

    /// From a JSON object; `null` is as if it were not there.
    pub fn of_json(body: &[u8]) -> Result<Self, BadParameters> {
        use serde_json::Value;
        let mut fields = Self::default();
        let Ok(Pairs(pairs)) = serde_json::from_slice(body) else { return Err(BadParameters::Json) };
        for (name, value) in pairs {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => text,
                Value::Bool(true) => "1".to_owned(),
                Value::Bool(false) => "0".to_owned(),
                Value::Number(number) => number.to_string(),
                Value::Array(_) | Value::Object(_) => return Err(BadParameters::Json),
            };
            fields.add(name, Secret::new(text))?;
        }
        Ok(fields)
    }

    /// From a form in parts, with the boundary that its Content-Type names.
    pub fn of_parts(boundary: &str, body: &[u8]) -> Result<Self, BadParameters> {
        let mut fields = Self::default();
        for (name, value) in multipart::parts(boundary, body)? {
            fields.add(name.to_owned(), Secret::new(value.to_owned()))?;
        }
        Ok(fields)
    }

    fn add(&mut self, name: String, value: Secret<String>) -> Result<(), BadParameters> {
        if self.0.len() >= MOST {
            return Err(BadParameters::Many);
        }
        match self.0.insert(name, value) {
            None => Ok(()),
            Some(_) => Err(BadParameters::Twice),
        }
    }

    /// Both together, which must have nothing in common.
    pub fn and(mut self, other: Self) -> Result<Self, BadParameters> {
        for (name, value) in other.0 {
            self.add(name, value)?;
        }
        Ok(self)
    }

    /// Takes a second encoding off. What is no encoding stays as it is.
    pub fn decoded_again(self, second: Second) -> Self {
        let again = |value: Secret<String>| {
            let decoded = match second {
                Second::OfForms => decode(value.expose()),
                Second::OfAddresses => percent_decode(value.expose()).map(Secret::new),
            };
            decoded.unwrap_or(value)
        };
        Self(self.0.into_iter().map(|(name, value)| (name, again(value))).collect())
    }

    /// A field that is no secret, if it is there and not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|value| value.expose().as_str()).filter(|value| !value.is_empty())
    }

    /// A field that may be empty.
    pub fn secret(&self, name: &str) -> Option<&Secret<String>> {
        self.0.get(name)
    }

    /// Whether a field means yes.
    pub fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "true" | "yes" | "on"))
    }

    /// All fields in the order of their names, for signatures over them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose().as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(text: &str) -> String {
        Parameters::of_form(text).unwrap().secret("pass").unwrap().expose().clone()
    }

    // R-API-1
    #[test]
    fn plus_percent_and_unicode_survive_one_encoding() {
        assert_eq!(pass("user=a&pass=a%2Bb%25+%C3%A4%26"), "a+b% ä&");
        assert_eq!(pass("pass="), "");
        assert_eq!(Parameters::of_form("pass=%zz").unwrap_err(), BadParameters::Encoding);
        assert_eq!(Parameters::of_form("pass=%ff").unwrap_err(), BadParameters::Encoding);
    }

    // R-API-1
    #[test]
    fn two_encodings_are_taken_off_where_the_client_made_two() {
        let again = |text: &str, second| {
            let fields = Parameters::of_form(text).unwrap().decoded_again(second);
            fields.secret("pass").unwrap().expose().clone()
        };
        // "a+b% ä" as Java encodes it, and once more as a form.
        assert_eq!(again("pass=a%252Bb%2525%2B%25C3%25A4", Second::OfForms), "a+b% ä");
        // The same as the plug-in for FreeRADIUS does, which leaves the plus sign alone.
        assert_eq!(again("pass=a%2Bb%2525%2520%25C3%25A4", Second::OfAddresses), "a+b% ä");
        assert_eq!(again("pass=100%25", Second::OfForms), "100%", "it was no encoding");
    }

    // R-API-1
    #[test]
    fn plug_ins_in_java_and_for_freeradius_encode_twice_and_others_once() {
        for agent in ["privacyIDEA-Keycloak/1.5.0", "privacyIDEA-Shibboleth/2.0", "entraid-via-keycloak"] {
            assert_eq!(Decoding::Auto.second(agent), Some(Second::OfForms), "{agent}");
        }
        assert_eq!(Decoding::Auto.second("FreeRADIUS"), Some(Second::OfAddresses));
        for agent in
            ["PAM/1.1.0", "privacyIDEA-ADFS/1.3", "privacyidea-cp/3.6", "simpleSAMLphp", "curl/8", ""]
        {
            assert_eq!(Decoding::Auto.second(agent), None, "{agent}");
        }
        assert_eq!(Decoding::Twice.second("curl"), Some(Second::OfForms));
        assert_eq!(Decoding::Twice.second("FreeRADIUS"), Some(Second::OfAddresses));
        assert_eq!(Decoding::Once.second("FreeRADIUS"), None);
    }

    #[test]
    fn json_object_is_read_and_nothing_stands_there_twice() {
        let fields = Parameters::of_json(br#"{"user":"a","otponly":1,"genkey":true,"serial":null}"#).unwrap();
        assert_eq!(fields.text("user"), Some("a"));
        assert!(fields.flag("otponly") && fields.flag("genkey") && fields.text("serial").is_none());
        assert_eq!(Parameters::of_json(b"[]").unwrap_err(), BadParameters::Json);
        assert_eq!(Parameters::of_json(br#"{"a":{}}"#).unwrap_err(), BadParameters::Json);
        assert_eq!(Parameters::of_form("a=1&a=2").unwrap_err(), BadParameters::Twice);
        let twice = br#"{"user":"a","pass":"1","user":"b"}"#;
        assert_eq!(Parameters::of_json(twice).unwrap_err(), BadParameters::Twice, "which would count?");
        let (one, two) = (Parameters::of_form("a=1").unwrap(), Parameters::of_form("a=2").unwrap());
        assert_eq!(one.and(two).unwrap_err(), BadParameters::Twice, "in the query and in the body");
        let part = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n";
        let twice = format!("{part}{part}--x--\r\n");
        assert_eq!(Parameters::of_parts("x", twice.as_bytes()).unwrap_err(), BadParameters::Twice);
    }

    #[test]
    fn nothing_that_was_sent_is_in_debug() {
        assert!(!format!("{:?}", Parameters::of_form("pass=hunter2").unwrap()).contains("hunter2"));
    }
}
