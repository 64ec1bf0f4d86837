//! How a person can be reached: telephone numbers (E.164) and e-mail addresses (RFC 5321) as they come from a directory,
//! checked so far that nothing but one destination can be in them, and how they are shown.

use super::method::Channel;
use super::person::Person;
use phonenumber::Metadata;
use phonenumber::metadata::{DATABASE, Descriptor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A country, which national telephone numbers are understood in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(phonenumber::country::Id);

impl FromStr for Country {
    type Err = ();

    /// Takes the two letters of ISO 3166, such as `US`.
    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().map(Self).map_err(|_| ())
    }
}

impl Country {
    /// What stands behind the prefix of a number that is written as from abroad.
    fn abroad(self, text: &str) -> Option<&str> {
        let north_america = DATABASE.by_id(self.0.as_ref()).is_some_and(|m| m.country_code() == 1);
        text.strip_prefix('+').or_else(|| text.strip_prefix(if north_america { "011" } else { "00" }))
    }
}

/// Reads the tables of numbering plans, which takes some tens of milliseconds, so that no login waits for it.
pub fn warm_up() {
    let _ = DATABASE.by_id("US");
}

/// The shortest and longest number with country code (E.164; the shortest are those of small islands).
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// A telephone number in E.164 form: a plus sign and 7 to 15 digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Phone(String);

impl Phone {
    /// Understands a number as people write it. What is no possible number, or has an extension, is none: a code sent
    /// there would reach somebody else, or nobody.
    pub fn parse(text: &str, country: Country) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("tel:").unwrap_or(text);
        let written = |c: char| c.is_ascii_digit() || " +-./()\u{a0}".contains(c);
        if text.len() > 40 || !text.chars().all(written) {
            return None;
        }
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let e164 = match country.abroad(text) {
            Some(abroad) => international(&digits(&abroad.replacen("(0)", "", 1)))?,
            None => national(&digits(text), country)?,
        };
        DIGITS.contains(&(e164.len() - 1)).then_some(Self(e164))
    }

    /// `+15551231234`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `xxx-xxx-1234`: the last four digits, and fewer of a short number, so that never more than half of it shows.
    pub fn masked(&self) -> String {
        let digits = self.0.trim_start_matches('+');
        let shown = 4.min(digits.len() / 2);
        format!("xxx-xxx-{}", digits.get(digits.len() - shown..).unwrap_or_default())
    }
}

/// Country code and number. The parser of the crate is not asked: it takes a national prefix off that is none (the 8 off
/// +7 812…, which is Saint Petersburg), and the prefix of one country off the number of another.
fn international(digits: &str) -> Option<String> {
    let (plans, number) = (1..=3).find_map(|length| {
        let (code, number) = digits.split_at_checked(length)?;
        Some((DATABASE.by_code(&code.parse().ok()?)?, number))
    })?;
    let code = digits.strip_suffix(number)?;
    let fits = |number: &str| plans.iter().any(|plan| reaches_a_person(plan, number));
    if fits(number) {
        return Some(format!("+{digits}"));
    }
    // The trunk zero is often written where it is not dialled.
    let trunk = plans.iter().find_map(|plan| plan.national_prefix())?;
    let number = number.strip_prefix(trunk).filter(|number| fits(number))?;
    Some(format!("+{code}{number}"))
}

/// A number as it is dialled at home.
fn national(digits: &str, country: Country) -> Option<String> {
    let code = DATABASE.by_id(country.0.as_ref())?.country_code().to_string();
    let parsed = phonenumber::parse(Some(country.0), digits).ok().and_then(|number| {
        // Dialled abroad by a prefix that is not usual here, or a country code without one: a guess.
        let sure = number.code().value().to_string() == code && number.extension().is_none();
        sure.then(|| international(&format!("{code}{}", number.national()))).flatten()
    });
    parsed.or_else(|| international(&format!("{code}{digits}")))
}

/// Whether a plan has such a number, and it is not one that the caller pays extra for: with those, strangers would make
/// money of codes.
fn reaches_a_person(plan: &Metadata, number: &str) -> bool {
    let kinds = plan.descriptors();
    let one = |kind: Option<&Descriptor>| kind.is_some_and(|kind| kind.is_match(number));
    kinds.general().is_match(number)
        && [kinds.mobile(), kinds.fixed_line(), kinds.voip(), kinds.personal_number(), kinds.uan()]
            .into_iter()
            .any(one)
        && !one(kinds.premium_rate())
        && !one(kinds.shared_cost())
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phone({})", self.masked())
    }
}

/// One e-mail address: a local part of plain characters, one @, a domain name.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Takes an address that cannot be anything else: no quoted local parts, no lists, no names beside it, no
    /// characters that mean something to SMTP or in a header. Domains of other scripts count in their ASCII form only.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (local, domain) = text.split_once('@')?;
        let atext = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte);
        let dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
        if text.len() > 254 || local.is_empty() || local.len() > 64 || dots || !local.bytes().all(atext) {
            return None;
        }
        let label = |label: &str| {
            let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (1..=63).contains(&label.len())
                && label.bytes().all(fine)
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let numeric = domain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        (domain.split('.').all(label) && !numeric).then(|| Self(text.to_owned()))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands behind the @.
    pub fn domain(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, domain)| domain)
    }

    /// `j•••@g•••.com`.
    pub fn masked(&self) -> String {
        let first = |text: &str| text.chars().next().map(String::from).unwrap_or_default();
        let (local, domain) = self.0.split_once('@').unwrap_or_default();
        let last = domain.rfind('.').and_then(|dot| domain.get(dot..)).unwrap_or_default();
        format!("{}•••@{}•••{last}", first(local), first(domain))
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Email({})", self.masked())
    }
}

/// Where a code may be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// E.164 number or e-mail address.
    pub to: String,
    /// As it may be shown.
    pub masked: String,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Destination({})", self.masked)
    }
}

/// The kinds of contact that people enter themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContactKind {
    /// A telephone that takes text messages.
    Mobile,
    /// Another telephone, at work or home: for calls.
    Phone,
    /// An e-mail address outside the institution.
    Email,
}

impl ContactKind {
    /// All kinds.
    pub const ALL: [ContactKind; 3] = [ContactKind::Mobile, ContactKind::Phone, ContactKind::Email];

    /// The lower-case name, as in database and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            ContactKind::Mobile => "mobile",
            ContactKind::Phone => "phone",
            ContactKind::Email => "email",
        }
    }

    /// A value of this kind as it may be shown.
    pub fn masked(self, value: &str) -> String {
        match self {
            ContactKind::Mobile | ContactKind::Phone => Phone(value.to_owned()).masked(),
            ContactKind::Email => Email::parse(value).map(|email| email.masked()).unwrap_or_default(),
        }
    }
}

impl FromStr for ContactKind {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        ContactKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(())
    }
}

/// A contact that a person has entered: a value that is proven and in use, one that waits for its proof, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnContact {
    /// What it is.
    pub kind: ContactKind,
    /// In use: E.164 number or e-mail address.
    pub proven: Option<String>,
    /// Entered, and never used before it is proven (R-REG-6).
    pub waiting: Option<String>,
}

/// Proven contacts of a person, which come before those of the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Proven {
    /// A telephone that takes text messages (E.164).
    pub mobile: Option<String>,
    /// Another telephone (E.164).
    pub phone: Option<String>,
    /// An e-mail address outside the institution.
    pub email: Option<String>,
}

/// Where a person is reached over a channel, if at all; `country` is where national numbers belong.
pub fn reachable(person: &Person, channel: Channel, country: Country) -> Option<Destination> {
    let own = person.own.as_deref();
    let of = |pick: fn(&Proven) -> &Option<String>| own.and_then(|own| pick(own).as_deref());
    match channel {
        Channel::Sms | Channel::Voice => {
            let (mobile, other) = (of(|own| &own.mobile), of(|own| &own.phone));
            let own = if channel == Channel::Sms { mobile } else { other.or(mobile) };
            let phone = Phone::parse(own.or(person.phone.as_deref())?, country)?;
            Some(Destination { masked: phone.masked(), to: phone.0 })
        }
        Channel::Email => {
            let email = Email::parse(of(|own| &own.email).or(person.email.as_deref())?)?;
            Some(Destination { masked: email.masked(), to: email.0 })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn phone(text: &str, country: &str) -> Option<String> {
        Phone::parse(text, country.parse().unwrap()).map(|phone| phone.0)
    }

    #[test]
    fn numbers_as_people_write_them_become_e164() {
        for (text, country, wanted) in [
            ("(520) 878-2491", "US", "+15208782491"),
            ("1-520-878-2491", "US", "+15208782491"),
            ("520.878.2491", "US", "+15208782491"),
            ("+1 520 878 2491", "DE", "+15208782491"),
            ("0171 2345678", "DE", "+491712345678"),
            ("0171/2345678", "DE", "+491712345678"),
            ("+49 (0) 171 2345678", "US", "+491712345678"),
            ("+49(0)171-2345678", "DE", "+491712345678"),
            ("0049 171 2345678", "DE", "+491712345678"),
            ("011 49 171 2345678", "US", "+491712345678"),
            ("tel:+49-171-2345678", "US", "+491712345678"),
            ("07400 123456", "GB", "+447400123456"),
            ("06 12 34 56 78", "FR", "+33612345678"),
            ("+49 0171 2345678", "US", "+491712345678"),
            ("1 242 365 1234", "US", "+12423651234"),
            ("+7 812 345 67 89", "US", "+78123456789"),
            ("8 (812) 345-67-89", "RU", "+78123456789"),
            ("+39 06 698 12345", "US", "+390669812345"),
            ("320 123 4567", "CO", "+573201234567"),
            ("+33\u{a0}6\u{a0}12\u{a0}34\u{a0}56\u{a0}78", "US", "+33612345678"),
        ] {
            assert_eq!(phone(text, country).as_deref(), Some(wanted), "{text} in {country}");
        }
    }

    #[test]
    fn examples_of_numbering_plans_are_understood_as_from_abroad_and_as_at_home() {
        let mut tried = 0;
        for plan in DATABASE.iter() {
            let Ok(country) = plan.id().parse::<Country>() else { continue };
            for example in
                [plan.descriptors().mobile(), plan.descriptors().fixed_line()].into_iter().flatten()
            {
                let Some(number) = example.example() else { continue };
                let e164 = format!("+{}{number}", plan.country_code());
                assert_eq!(phone(&e164, "US"), Some(e164.clone()), "{}", plan.id());
                // At home a guess may fail, but never reach another.
                let home =
                    Phone::parse(&format!("{}{number}", plan.national_prefix().unwrap_or_default()), country);
                assert!(home.is_none_or(|home| home.0 == e164), "{} {number}", plan.id());
                tried += 1;
            }
        }
        assert!(tried > 400, "{tried}");
    }

    #[test]
    fn what_is_no_number_of_one_telephone_is_refused() {
        for text in [
            "",
            "+",
            "123",
            "911",
            "+1 900 555 0199",
            "900 555 0199",
            "555-1234",
            "+1 520 878 2491 ext. 5",
            "+1 520 878 2491 x5",
            "+1 520 878 2491, +1 520 878 2492",
            "+15208782491\r\n+15208782492",
            "1-800-FLOWERS",
            "+999 12345678",
            "+1 520 878 2491 520",
            "++15208782491;",
            "tel:878-2491;phone-context=+1",
            "+152087824919999999999",
        ] {
            assert_eq!(phone(text, "US"), None, "{text:?}");
        }
    }

    // R-TOP-6
    #[test]
    fn masks_show_the_end_of_a_number_and_the_frame_of_an_address() {
        assert_eq!(Phone("+15551231234".to_owned()).masked(), "xxx-xxx-1234");
        assert_eq!(Phone("+2901234".to_owned()).masked(), "xxx-xxx-234");
        assert_eq!(Email::parse("john@gmail.com").unwrap().masked(), "j•••@g•••.com");
        assert_eq!(Email::parse("a@b.example.co.uk").unwrap().masked(), "a•••@b•••.uk");
        assert_eq!(Email::parse("root@localhost").unwrap().masked(), "r•••@l•••");
        assert_eq!(format!("{:?}", Email::parse("john@gmail.com")), "Some(Email(j•••@g•••.com))");
        assert_eq!(ContactKind::Phone.masked("+15551231234"), "xxx-xxx-1234");
        assert_eq!(ContactKind::Email.masked("john@gmail.com"), "j•••@g•••.com");
        assert_eq!(ContactKind::Email.masked("nothing of the kind"), "");
    }

    #[test]
    fn address_that_could_be_more_than_one_address_is_refused() {
        let refused = "|@|a@|@b|a@b@c|a b@c.org|a@b c.org|a@c.org\r\nRCPT TO:<x@y>|a,b@c.org|a@c.org,d@e.org|\
            <a@c.org>|A <a@c.org>|\"a b\"@c.org|a@[127.0.0.1]|a@127.0.0.1|.a@c.org|a.@c.org|a..b@c.org|a@-c.org|\
            a@c..org|a@c.org.|ä@c.org|a@ä.org|a\0@c.org";
        for text in refused.split('|') {
            assert_eq!(Email::parse(text), None, "{text:?}");
        }
        assert_eq!(Email::parse(&format!("{}@example.org", "a".repeat(65))), None);
        assert_eq!(Email::parse(&format!("a@{}org", "abcdefgh.".repeat(28))), None, "longer than 254");
        for text in ["a@b.org", "o'brien+x@mail.example.org", "first.last@xn--bcher-kva.example", " a@b.org "]
        {
            assert_eq!(Email::parse(text).map(|email| email.0).as_deref(), Some(text.trim()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_one_plain_line(text in "\\PC{0,60}|[a-z@. <>\\r\\n,;:]{0,40}|[0-9+() .-]{0,30}") {
            if let Some(email) = Email::parse(&text) {
                prop_assert!(email.0.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(email.0.matches('@').count(), 1);
                prop_assert!(!email.0.contains(['<', '>', ',', ';', ':', '"', '(', ')']));
            }
            if let Some(phone) = Phone::parse(&text, "US".parse().unwrap()) {
                let digits = phone.0.strip_prefix('+').unwrap();
                prop_assert!(DIGITS.contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()));
                prop_assert_eq!(Phone::parse(&phone.0, "DE".parse().unwrap()), Some(phone));
            }
        }
    }
}
