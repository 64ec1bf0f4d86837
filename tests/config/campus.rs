//! `[[campus]]`: what a campus has of its own, what it has of all, and what is wrong with one.

use super::errors::assert_one_error;
use super::*;
use doorward::config::{Enforce, QuestionsMode};
use std::sync::Arc;

const ALL: &str = "[institution]\nname = \"All\"\nsupport_phone = \"1\"\n\
                   [portal]\naccent = \"#112233\"\nacceptable_use_url = \"https://a.example/use\"\n\
                   acceptable_use_version = \"4\"\norigin = \"https://login.example.edu\"\nwords = [\"all/en.ftl\"]\n\
                   [registration]\nslots = 3\nmin_new = 3\n";

/// A folder with files of words.
fn with_words(text: &str) -> tempfile::TempDir {
    let dir = folder(text);
    write(dir.path(), "all/en.ftl", "toolkit-title = For all\nsign-in = Come in\n");
    write(dir.path(), "north/en.ftl", "toolkit-title = For the north\n");
    dir
}

// R-TOP-5
#[test]
fn campus_has_what_it_names_and_the_rest_of_all() {
    let text = format!(
        "{KEYS}{ALL}[[campus]]\nname = \"north\"\nrealms = [\"@North.Example.edu\"]\nhosts = [\"Toolkit.north.example.edu\"]\n\
         [campus.institution]\nsupport_phone = \"2\"\n[campus.portal]\nwords = [\"north/en.ftl\"]\nacceptable_use_version = \"5\"\n\
         [campus.registration]\nenforce = \"2027-01-15\"\nmin_new = 1\n\
         [[campus]]\nname = \"south\"\nhosts = [\"south.example.edu\"]\n[campus.portal]\nacceptable_use_url = \"\"\naccent = \"#445566\"\n\
         [campus.message]\ncode_subject = \"South\"\n"
    );
    let config = Arc::new(load_with(with_words(&text).path(), &[]).unwrap());
    let (north, south) = (config.at(Some("north")), config.at(Some("south")));
    assert_eq!(config.campuses.at("toolkit.north.example.edu"), Some("north"));
    assert_eq!(config.campuses.0[0].realms, ["north.example.edu"]);

    let institution = |config: &Config| {
        (config.catalogue.institution.name.clone(), config.catalogue.institution.support_phone.clone())
    };
    assert_eq!(institution(&north), ("All".into(), "2".into()));
    assert_eq!(institution(&south), ("All".into(), "1".into()));
    assert_ne!(south.catalogue.message, config.catalogue.message);
    assert_eq!(north.catalogue.message, config.catalogue.message);

    let title = |config: &Config| config.portal.words.choose(None, "").say("toolkit-title", &[]);
    assert_eq!([title(&north), title(&south), title(&config)], ["For the north", "For all", "For all"]);
    assert_eq!(north.portal.words.choose(None, "").say("sign-in", &[]), "Come in", "its words come after");
    let policy = north.portal.acceptable_use.clone().unwrap();
    assert_eq!((policy.url.as_str(), policy.version.as_str()), ("https://a.example/use", "5"));
    assert_eq!(south.portal.acceptable_use, None);
    assert_eq!((north.portal.accent.as_str(), south.portal.accent.as_str()), ("#112233", "#445566"));
    assert_eq!((north.portal.origin.as_str(), config.portal.origin.is_empty()), ("", false));

    assert!(matches!(north.registration.enforce, Enforce::From(_)));
    assert_eq!((north.registration.slots, north.registration.min_new), (3, 1));
    assert_eq!(south.registration, config.registration);
    assert_eq!(config.registration.mode, QuestionsMode::RegisterOnly);
    // Each knows whose people are where, and none has campuses of its own.
    assert_eq!(north.campuses, config.campuses);
    assert!(north.branches.is_empty() && Arc::ptr_eq(&config.at(Some("west")), &config));
    assert!(Arc::ptr_eq(&config.at(None), &config));
}

// R-TOP-5
#[test]
fn errors_of_campuses_are_told_at_their_place() {
    let north =
        "[[campus]]\nname = \"north\"\nrealms = [\"north.example.edu\"]\nhosts = [\"n.example.edu\"]\n";
    for (more, place, marked, message) in [
        ("name = \"West Wing\"\nhosts = [\"w\"]", "8:8", "\"West Wing\"", "is no name of a campus"),
        ("name = \"north\"\nhosts = [\"w\"]", "8:8", "\"north\"", "two campuses are called `north`"),
        ("hosts = [\"w\"]", "7:1", "[[campus]]", "`name` is missing in [campus]"),
        ("name = \"west\"", "7:1", "[[campus]]", "nothing belongs to this campus"),
        (
            "name = \"west\"\nhosts = [\"w\", \"N.example.edu\"]",
            "9:15",
            "\"N.example.edu\"",
            "belongs to campus `north` already",
        ),
        (
            "name = \"west\"\nrealms = [\"north.example.edu\"]",
            "9:11",
            "\"north.example.edu\"",
            "belongs to campus `north` already",
        ),
        ("name = \"west\"\nhosts = [\"https://w\"]", "9:10", "\"https://w\"", "is no host"),
        ("name = \"west\"\nhosts = [\"w:443\"]", "9:10", "\"w:443\"", "is no host"),
        ("name = \"west\"\ndirectories = [\"ldap\"]", "9:16", "\"ldap\"", "no directory is called `ldap`"),
        (
            "name = \"west\"\nhosts = [\"w\"]\nlogo = \"w.svg\"",
            "10:1",
            "logo",
            "unknown key `logo` in [campus]",
        ),
        (
            "name = \"west\"\nhosts = [\"w\"]\n[campus.portal]\nrate = 5",
            "11:1",
            "rate",
            "unknown key `rate` in [campus.portal]",
        ),
        (
            "name = \"west\"\nhosts = [\"w\"]\n[campus.portal]\naccent = \"red\"",
            "11:10",
            "\"red\"",
            "`red` is no colour",
        ),
        (
            "name = \"west\"\nhosts = [\"w\"]\n[campus.portal]\nlogo = \"w.svg\"",
            "11:8",
            "\"w.svg\"",
            "w.svg cannot be read",
        ),
        (
            "name = \"west\"\nhosts = [\"w\"]\n[campus.registration]\nslots = 4",
            "10:1",
            "[campus.registration]",
            "more answers are needed than there are `slots`",
        ),
        (
            "name = \"west\"\nhosts = [\"w\"]\n[campus.institution]\nnmae = \"x\"",
            "11:1",
            "nmae",
            "unknown key `nmae` in [institution]",
        ),
        ("name = \"west\"\nhosts = [\"w\"]\nmessage = 3", "10:11", "3", "`message` wants a table"),
    ] {
        let text = format!("{KEYS}{north}[[campus]]\n{more}\n");
        assert_one_error(&text, &format!("doorward.toml:{place}"), marked, message);
    }
    // What is wrong for all is told once.
    let text = format!("{KEYS}[institution]\nfaq = \"x\"\n{north}");
    assert_one_error(&text, "doorward.toml:4:7", "\"x\"", "`x` is nothing for `faq`");
}
