//! Rules for new passwords: what a preset means, and what stands over it.

use super::{CLIENT, KEYS, good, report};
use doorward::config::NewPasswords;

fn rules(text: &str) -> NewPasswords {
    good(&format!("{KEYS}{CLIENT}[password]\n{text}\n")).new_passwords
}

#[test]
fn preset_gives_what_is_not_written() {
    let numbers = |text: &str| {
        let rules = rules(text);
        (rules.min_length, rules.max_length, rules.classes, rules.min_strength)
    };
    assert_eq!(numbers(""), (8, 256, 0, 0));
    assert_eq!(numbers("rules = \"conformant\"\nmin_length = 15"), (15, 256, 0, 0));
    assert_eq!(numbers("rules = \"legacy\""), (8, 26, 3, 0));
    assert_eq!(
        numbers("rules = \"legacy\"\nmin_length = 10\nmax_length = 20\nmin_strength = 2"),
        (10, 20, 3, 2)
    );
    assert_eq!(numbers("rules = \"legacy\"\nmax_length = 256"), (8, 256, 3, 0));
}

#[test]
fn what_the_standard_does_not_want_needs_the_other_preset() {
    for (text, part) in [
        ("max_length = 26", "from 64 to 1024, not 26"),
        ("rules = \"legacy\"\nmin_length = 30", "[password] `min_length` must not exceed `max_length`"),
        ("rules = \"strict\"", "`strict` is nothing for `rules`"),
        ("min_strength = 5", "from 0 to 4, not 5"),
        ("min_length = 7", "from 8 to 64, not 7"),
    ] {
        let told = report(&format!("{KEYS}{CLIENT}[password]\n{text}\n"));
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn list_is_looked_for_beside_the_configuration() {
    assert_eq!(rules("").blocklist, None);
    let list = rules("blocklist = \"leaked.list\"").blocklist.unwrap();
    assert!(list.is_absolute() && list.ends_with("leaked.list"), "{list:?}");
    assert_eq!(rules("blocklist = \"/srv/list\"").blocklist.unwrap().to_str(), Some("/srv/list"));
}
