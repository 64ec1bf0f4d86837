//! Made-up people.

use crate::base::Random;
use crate::domain::person::{Role, Username};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// A person of the demonstration, with everything that a real directory would never tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) username: String,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) password: String,
    /// Seed of the passcode app; `None`: a password only.
    pub(super) seed: Option<Vec<u8>>,
}

/// People who play a part at the portal, after everybody else: (username, name, role, has a passcode app, group).
pub(super) const STAGE: [(&str, &str, Role, bool, Option<&str>); 3] = [
    ("nadia", "Nadia Rahman", Role::Student, false, None),
    ("oskar", "Oskar Berg", Role::Staff, true, Some("help-desk")),
    ("paola", "Paola Conti", Role::Staff, true, Some("administrators")),
];

/// Who has an account that is to be activated.
pub(super) const NEW: &str = STAGE[0].0;

/// Who has registered security data: a password can be reset.
pub(super) const REGISTERED: [&str; 3] = ["julia", "lena", "karim"];

/// (username, name, role, has a passcode app)
pub(super) const DOZEN: [(&str, &str, Role, bool); 12] = [
    ("amara", "Amara Okafor", Role::Faculty, true),
    ("bjorn", "Björn Lindqvist", Role::Faculty, true),
    ("chen", "Chen Wei", Role::Faculty, false),
    ("dalia", "Dalia Haddad", Role::Staff, true),
    ("emil", "Emil Novak", Role::Staff, true),
    ("farah", "Farah Siddiqui", Role::Staff, false),
    ("goran", "Goran Petrović", Role::Student, true),
    ("hana", "Hana Kobayashi", Role::Student, true),
    ("isaac", "Isaac Mensah", Role::Student, false),
    ("julia", "Júlia Ferreira", Role::Student, false),
    ("karim", "Karim Benali", Role::Alumnus, true),
    ("lena", "Lena Schröder", Role::Alumnus, false),
];

/// Who has a telephone, and its number.
pub(super) const TEXTED: (&str, &str) = ("lena", "+1 520 878 2491");

const WORDS: [&str; 32] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "inlet", "jade", "kelp", "larch",
    "maple", "north", "ocean", "pearl", "quartz", "river", "slate", "tulip", "umbra", "violet", "willow",
    "xenon", "yarrow", "zephyr", "basalt", "copper", "dune", "flint", "garnet", "hazel",
];

/// Three words and two digits: a password that ends in digits is the awkward case, so some have them.
fn password(random: &dyn Random) -> String {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    let word = |at: usize| WORDS[usize::from(bytes[at]) % WORDS.len()]; // both indexes are in range by modulo and by use
    format!("{}-{}-{}{:02}", word(0), word(1), word(2), bytes[3] % 100)
}

fn seed(random: &dyn Random) -> Vec<u8> {
    let mut seed = vec![0; 20];
    random.fill(&mut seed);
    seed
}

/// How many are no crowd.
pub(super) const FEW: usize = DOZEN.len() + STAGE.len();

/// Groups of somebody: by their role, and for who plays a part.
pub(super) fn groups(person: &Made) -> Vec<String> {
    let part =
        STAGE.iter().find(|(username, ..)| *username == person.username).and_then(|(.., group)| *group);
    [group(person.role)].into_iter().chain(part.map(str::to_owned)).collect()
}

/// The dozen, those who play a part at the portal, and after them a crowd of `count` people who all have a passcode app.
pub(super) fn make(count: Option<usize>, random: &dyn Random) -> Vec<Made> {
    let known = |(username, name, role, app): (&str, &str, Role, bool)| Made {
        username: username.to_owned(),
        name: name.to_owned(),
        role,
        password: password(random),
        seed: app.then(|| seed(random)),
    };
    let one = |number: usize| Made {
        username: format!("user{number:07}"),
        name: format!("Person {number}"),
        role: Role::ALL[number % Role::ALL.len()], // in range by modulo
        password: password(random),
        seed: Some(seed(random)),
    };
    let stage = STAGE.map(|(username, name, role, app, _)| known((username, name, role, app)));
    DOZEN.into_iter().map(known).chain(stage).chain((1..=count.unwrap_or(0)).map(one)).collect()
}

/// The people of a file with lines of `user,password[,totp_base32]`, as [`super::files`] writes it.
pub(super) fn read(path: &Path) -> Result<Vec<Made>> {
    let file = || format!("{} cannot be read as lines of user,password[,totp_base32]", path.display());
    let mut rows =
        csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(path).with_context(file)?;
    let mut people = Vec::new();
    for row in rows.records() {
        let row = row.with_context(file)?;
        let line = row.position().map_or(0, csv::Position::line);
        people.push(one(&row).with_context(|| format!("{}, line {line}", path.display()))?);
    }
    Ok(people)
}

fn one(row: &csv::StringRecord) -> Result<Made> {
    let field = |at: usize| row.get(at).unwrap_or_default();
    ensure!((2..=3).contains(&row.len()), "it has {} fields", row.len());
    let seed = match field(2) {
        "" => None,
        base32 => {
            Some(data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).context("the key is not base32")?)
        }
    };
    let username = Username::parse(field(0))?.as_str().to_owned();
    Ok(Made { username, password: field(1).to_owned(), seed, name: String::new(), role: Role::Staff })
}

/// Group that the demonstration's policies and reply attributes refer to.
pub(super) fn group(role: Role) -> String {
    match role {
        Role::Faculty | Role::Staff => "employees".to_owned(),
        Role::Student => "students".to_owned(),
        Role::Alumnus => "alumni".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::SeededRandom;

    #[test]
    fn dozen_has_every_role_with_and_without_an_app() {
        let people = make(None, &SeededRandom::new(1));
        for role in Role::ALL {
            assert!(people.iter().any(|p| p.role == role && p.seed.is_some()), "{role:?}");
            assert!(people.iter().any(|p| p.role == role && p.seed.is_none()), "{role:?}");
        }
    }

    #[test]
    fn crowd_has_the_size_asked_for_and_distinct_names() {
        let people = make(Some(1000), &SeededRandom::new(1));
        let names: std::collections::HashSet<_> = people.iter().map(|p| &p.username).collect();
        assert_eq!(names.len(), FEW + 1000);
    }

    #[test]
    fn people_of_a_file_are_read_with_and_without_a_key() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "user1,first password,MFRGGZDF\nuser2,second\nuser3,third,\n").unwrap();
        let people = read(file.path()).unwrap();
        let seen: Vec<_> = people.iter().map(|p| (&*p.username, &*p.password, p.seed.as_deref())).collect();
        let expected: [(_, _, Option<&[u8]>); 3] = [
            ("user1", "first password", Some(b"abcde")),
            ("user2", "second", None),
            ("user3", "third", None),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn bad_line_of_a_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bad in ["user2", "user2,b,c!", "user2,b,MFRGGZDF,d", ",b"] {
            std::fs::write(file.path(), format!("user1,a\n{bad}\n")).unwrap();
            let error = format!("{:#}", read(file.path()).unwrap_err());
            assert!(error.contains("line 2: "), "{bad}: {error}");
        }
    }
}
