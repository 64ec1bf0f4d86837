//! Distinguished names (RFC 4514): taken apart, put together with every value escaped, compared without case.

use std::fmt::{self, Write};

/// A distinguished name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dn(Vec<Rdn>);

/// One or more pairs of attribute type and value.
type Rdn = Vec<(String, String)>;

/// The text is no distinguished name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a distinguished name looks like `ou=people,dc=example,dc=org`")]
pub struct DnError;

impl Dn {
    /// Reads the text form.
    pub fn parse(text: &str) -> Result<Self, DnError> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let mut rdns = Vec::new();
        let mut rdn = Rdn::new();
        let mut rest = text;
        loop {
            let (kind, after) = rest.split_once('=').ok_or(DnError)?;
            let kind = kind.trim();
            let fine = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
            if kind.is_empty() || !kind.chars().all(fine) {
                return Err(DnError);
            }
            let (value, separator, after) = value(after)?;
            rdn.push((kind.to_owned(), value));
            rest = after;
            match separator {
                Some('+') => {}
                Some(_) => rdns.push(std::mem::take(&mut rdn)),
                None => {
                    rdns.push(rdn);
                    return Ok(Self(rdns));
                }
            }
        }
    }

    /// The entry called `value` right below this one. Any value is possible: it is escaped.
    pub fn child(&self, kind: &str, value: &str) -> Self {
        let first = vec![(kind.to_owned(), value.to_owned())];
        Self(std::iter::once(first).chain(self.0.iter().cloned()).collect())
    }

    /// The first value, such as the name of a group.
    pub fn name(&self) -> Option<&str> {
        Some(self.0.first()?.first()?.1.as_str())
    }

    /// What two spellings of the same name have in common: lower case, single spaces, sorted pairs.
    pub fn normal(&self) -> String {
        let pair = |(kind, value): &(String, String)| {
            let words: Vec<_> = value.split_whitespace().collect();
            (kind.to_lowercase(), words.join(" ").to_lowercase())
        };
        let rdn = |rdn: &Rdn| {
            let mut pairs: Rdn = rdn.iter().map(pair).collect();
            pairs.sort();
            pairs
        };
        Self(self.0.iter().map(rdn).collect()).to_string()
    }

    /// The first values from itself up to `base`, without that; `None` if it does not lie there.
    pub fn below(&self, base: &Dn) -> Option<Vec<&str>> {
        let start = self.0.len().checked_sub(base.0.len())?;
        let (head, tail) = self.0.split_at_checked(start)?;
        if Self(tail.to_vec()).normal() != base.normal() {
            return None;
        }
        Some(head.iter().filter_map(|rdn| rdn.first().map(|(_, value)| value.as_str())).collect())
    }

    /// Whether it is `base` or lies below it.
    pub fn is_within(&self, base: &Dn) -> bool {
        self.below(base).is_some()
    }
}

/// A value up to an unescaped separator: the value, the separator, what follows it.
fn value(text: &str) -> Result<(String, Option<char>, &str), DnError> {
    let mut bytes: Vec<u8> = Vec::new();
    // Spaces at the end do not count unless they are escaped.
    let mut solid = 0;
    let mut letters = text.char_indices();
    let mut separator = None;
    let mut after = "";
    if text.trim_start().starts_with('#') {
        // The BER form is for values that have no text.
        return Err(DnError);
    }
    while let Some((at, letter)) = letters.next() {
        match letter {
            ',' | ';' | '+' => {
                separator = Some(letter);
                after = text.get(at + 1..).unwrap_or_default();
                break;
            }
            '\\' => {
                let (_, first) = letters.next().ok_or(DnError)?;
                match first.to_digit(16) {
                    Some(high) => {
                        let low = letters.next().and_then(|(_, c)| c.to_digit(16)).ok_or(DnError)?;
                        bytes.push(u8::try_from(high << 4 | low).map_err(|_| DnError)?);
                    }
                    None => bytes.extend(first.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                solid = bytes.len();
            }
            ' ' if bytes.is_empty() => {}
            '"' | '<' | '>' | '\0' => return Err(DnError),
            other => {
                bytes.extend(other.encode_utf8(&mut [0; 4]).as_bytes());
                if other != ' ' {
                    solid = bytes.len();
                }
            }
        }
    }
    bytes.truncate(solid);
    Ok((String::from_utf8(bytes).map_err(|_| DnError)?, separator, after))
}

impl fmt::Display for Dn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, rdn) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            for (at, (kind, value)) in rdn.iter().enumerate() {
                if at > 0 {
                    f.write_char('+')?;
                }
                write!(f, "{kind}={}", Escaped(value))?;
            }
        }
        Ok(())
    }
}

/// A value with everything escaped that means something in a name (RFC 4514 §2.4).
struct Escaped<'v>(&'v str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.0.char_indices().last().map(|(at, _)| at);
        for (at, letter) in self.0.char_indices() {
            match letter {
                '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => write!(f, "\\{letter}")?,
                '#' if at == 0 => f.write_str("\\#")?,
                ' ' if at == 0 || Some(at) == last => f.write_str("\\20")?,
                control if control.is_ascii_control() => write!(f, "\\{:02x}", u32::from(control))?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn spellings_of_one_name_are_equal() {
        let one = Dn::parse("CN=Ann  Smith, OU=People,DC=Example,DC=org").unwrap();
        let other = Dn::parse("cn=ann smith,ou=people,dc=example,dc=org").unwrap();
        assert_eq!(one.normal(), other.normal());
        assert_eq!(one.name(), Some("Ann  Smith"));
        assert_eq!(Dn::parse("a=1+b=2").unwrap().normal(), Dn::parse("B=2+A=1").unwrap().normal());
        assert_eq!(Dn::parse(r"cn=J\c3\bcrgen\2c x\ ").unwrap().name(), Some("Jürgen, x "));
    }

    #[test]
    fn below_is_by_whole_names() {
        let base = Dn::parse("ou=people,dc=example").unwrap();
        let within = |text: &str| Dn::parse(text).unwrap().is_within(&base);
        assert!(within("uid=a,OU=People,DC=example") && within("ou=people,dc=example"));
        assert!(!within("uid=a,ou=otherpeople,dc=example") && !within("dc=example"));
        assert!(!within(r"uid=a\,ou=people,dc=example"), "an escaped comma separates nothing");
    }

    #[test]
    fn texts_that_are_no_names_are_refused() {
        for text in ["people", "=x", "cn=a,", "cn=a,,dc=b", "cn=\\", "cn=\\4", "c n=a", "cn=<a>", "cn=#04"] {
            assert!(Dn::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_value_stays_one_value(value in "\\PC{1,40}|[ #,+=\"\\\\<>;a\0\n]{1,12}") {
            let base = Dn::parse("ou=people,dc=example").unwrap();
            let dn = base.child("uid", &value);
            let read = Dn::parse(&dn.to_string()).unwrap();
            prop_assert_eq!(&read, &dn);
            prop_assert!(read.is_within(&base));
        }
    }
}
