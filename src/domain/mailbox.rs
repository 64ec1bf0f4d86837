//! Which mailbox at the mail provider belongs to a person: a template over what the directory says of them, which can
//! only come to a plain address in a domain that is meant.

use super::contact::Email;
use super::person::{Person, Username};
use super::texts::placeholder;
use std::fmt;

/// A mailbox at the mail provider, and whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct MailboxAccount {
    address: Email,
    username: Username,
}

impl MailboxAccount {
    /// Its address.
    pub fn address(&self) -> &str {
        self.address.as_str()
    }

    /// Who it belongs to here.
    pub const fn username(&self) -> &Username {
        &self.username
    }
}

impl fmt::Debug for MailboxAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MailboxAccount({:?})", self.address)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Username,
    Email,
}

/// Why a template cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A placeholder that nothing is known about, with its braces.
    #[error("nothing is known as `{0}`; known: {{username}}, {{email}}")]
    Unknown(String),
    /// Everybody would have the same mailbox.
    #[error("it names the same mailbox for everybody")]
    SameForAll,
    /// Whatever is filled in, this is no address.
    #[error("it does not come to an address")]
    NoAddress,
    /// Anybody's mailbox could come of it.
    #[error("it does not say in which domain the mailboxes are")]
    NoDomain,
}

/// Why a person has no mailbox that could be named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAccount {
    /// The directory knows no e-mail address.
    #[error("the directory has no e-mail address of {0}")]
    NoEmail(String),
    /// What comes of the template is no plain address.
    #[error("what `mailbox.account` comes to for {0} is no plain e-mail address")]
    NotPlain(String),
    /// It is in a domain where mailboxes are not ours.
    #[error("what `mailbox.account` comes to for {0} is in none of the domains of [mailbox]")]
    Elsewhere(String),
}

/// How a person's mailbox is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountTemplate {
    pieces: Vec<Piece>,
    /// In lower case; the mailboxes are in one of these.
    domains: Vec<String>,
}

impl AccountTemplate {
    /// Reads a template such as `{username}@alumni.example.org`. Without `domains` the domain must stand in it.
    pub fn parse(text: &str, domains: &[String]) -> Result<Self, TemplateError> {
        let (mut pieces, mut rest) = (Vec::new(), text.trim());
        while let Some(next) = rest.chars().next() {
            let (piece, length) = match placeholder(rest) {
                Some(word @ "username") => (Piece::Username, word.len() + 2),
                Some(word @ "email") => (Piece::Email, word.len() + 2),
                Some(word) => return Err(TemplateError::Unknown(format!("{{{word}}}"))),
                None => (Piece::Plain(next.to_string()), next.len_utf8()),
            };
            match (pieces.last_mut(), piece) {
                (Some(Piece::Plain(before)), Piece::Plain(more)) => before.push_str(&more),
                (_, piece) => pieces.push(piece),
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        let written = match pieces.last() {
            Some(Piece::Plain(end)) => end.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()),
            _ => None,
        };
        if !pieces.iter().any(|piece| matches!(piece, Piece::Username | Piece::Email)) {
            return Err(TemplateError::SameForAll);
        }
        let mut domains: Vec<String> = domains.iter().map(|domain| domain.to_lowercase()).collect();
        match written {
            Some(domain) if domains.is_empty() => domains.push(domain),
            None if domains.is_empty() => return Err(TemplateError::NoDomain),
            _ => {}
        }
        let template = Self { pieces, domains };
        // Usernames may be names alone, or be qualified by a realm.
        let possible = ["a", "a@example.org"].map(|username| template.fill(username, "a@example.org"));
        match possible.iter().any(|filled| Email::parse(filled).is_some()) {
            true => Ok(template),
            false => Err(TemplateError::NoAddress),
        }
    }

    fn fill(&self, username: &str, email: &str) -> String {
        let value = |piece: &Piece| match piece {
            Piece::Plain(text) => text.clone(),
            Piece::Username => username.to_owned(),
            Piece::Email => email.to_owned(),
        };
        self.pieces.iter().map(value).collect()
    }

    /// The mailbox of a person.
    pub fn account(&self, person: &Person) -> Result<MailboxAccount, NoAccount> {
        let username = person.username.as_str();
        let email = person.email.as_deref().unwrap_or_default().trim();
        if email.is_empty() && self.pieces.contains(&Piece::Email) {
            return Err(NoAccount::NoEmail(username.to_owned()));
        }
        let address = Email::parse(&self.fill(username, email));
        let address = address.ok_or_else(|| NoAccount::NotPlain(username.to_owned()))?;
        if !self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(address.domain())) {
            return Err(NoAccount::Elsewhere(username.to_owned()));
        }
        Ok(MailboxAccount { address, username: person.username.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::person::PersonId;

    fn person(username: &str, email: Option<&str>) -> Person {
        Person {
            email: email.map(str::to_owned),
            ..Person::named(PersonId::from_uuid(uuid::Uuid::nil()), Username::parse(username).unwrap())
        }
    }

    fn template(text: &str, domains: &[&str]) -> Result<AccountTemplate, TemplateError> {
        let domains: Vec<_> = domains.iter().map(|domain| (*domain).to_owned()).collect();
        AccountTemplate::parse(text, &domains)
    }

    fn address(template: &AccountTemplate, person: &Person) -> Result<String, NoAccount> {
        template.account(person).map(|account| account.address().to_owned())
    }

    #[test]
    fn mailbox_is_named_by_username_or_email() {
        let by_name = template("{username}@alumni.example.org", &[]).unwrap();
        assert_eq!(address(&by_name, &person("Karim", None)).unwrap(), "karim@alumni.example.org");
        let by_email = template("{email}", &["Example.org", "b.example"]).unwrap();
        assert_eq!(address(&by_email, &person("k", Some(" k.b@EXAMPLE.org "))).unwrap(), "k.b@EXAMPLE.org");
        let qualified = template("{username}", &["example.org"]).unwrap();
        assert_eq!(address(&qualified, &person("k@example.org", None)).unwrap(), "k@example.org");
        let shown = format!("{:?}", by_name.account(&person("karim", None)));
        assert!(!shown.contains("karim") && shown.contains("k•••@a•••.org"), "{shown}");
    }

    #[test]
    fn what_is_no_plain_address_or_elsewhere_is_nobodys_mailbox() {
        let by_name = template("{username}@alumni.example.org", &[]).unwrap();
        for username in ["k@evil.example", "jürgen", "k\"x", "a,b", ".k", "k..b", "a<b>", "a:b", "k(x)"] {
            let found = by_name.account(&person(username, None));
            assert_eq!(found, Err(NoAccount::NotPlain(person(username, None).username.to_string())));
        }
        let by_email = template("{email}", &["alumni.example.org"]).unwrap();
        let of = |email| by_email.account(&person("k", email)).unwrap_err();
        assert_eq!(
            (of(None), of(Some(" "))),
            (NoAccount::NoEmail("k".into()), NoAccount::NoEmail("k".into()))
        );
        assert_eq!(of(Some("root@tenant.example")), NoAccount::Elsewhere("k".into()));
        assert_eq!(of(Some("root@x.alumni.example.org")), NoAccount::Elsewhere("k".into()));
        assert_eq!(of(Some("a@b.example, k@alumni.example.org")), NoAccount::NotPlain("k".into()));
    }

    #[test]
    fn template_that_cannot_work_is_told() {
        assert_eq!(template("{user}@a.example", &[]), Err(TemplateError::Unknown("{user}".into())));
        assert_eq!(template("all@a.example", &[]), Err(TemplateError::SameForAll));
        assert_eq!(template("", &[]), Err(TemplateError::SameForAll));
        assert_eq!(template("{email}", &[]), Err(TemplateError::NoDomain));
        assert_eq!(template("{username}", &[]), Err(TemplateError::NoDomain));
        assert_eq!(template("{username}@{email}", &["a.example"]), Err(TemplateError::NoAddress));
        assert_eq!(template("{username} @a.example", &[]), Err(TemplateError::NoAddress));
        assert_eq!(template("{username}@", &[]), Err(TemplateError::NoAddress));
    }
}
