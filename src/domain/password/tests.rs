//! Claims about new passwords.

use super::*;

fn check(password: &str) -> Result<String, Vec<PasswordProblem>> {
    let rules = PasswordRules::new(8, 64, ["Northfield", "NU"]);
    rules.check(&Username::parse("jdoe").unwrap(), password).map(|secret| secret.expose().clone())
}

#[test]
fn passphrase_without_digits_or_signs_is_accepted() {
    for password in ["correct horse battery", "violet-quartz-larch", "jQ9 x,\"~vB2", "lantern umbrella"] {
        assert_eq!(check(password).as_deref(), Ok(password));
    }
}

#[test]
fn composed_and_decomposed_letters_are_the_same_password() {
    assert_eq!(check("schmetterli\u{308}nge").unwrap(), check("schmetterl\u{ef}nge").unwrap());
    assert_eq!(as_hashed("u\u{308}".as_bytes()).expose(), "\u{fc}".as_bytes());
}

#[test]
fn spaces_of_other_scripts_are_plain_spaces_and_case_is_kept() {
    assert_eq!(check("Lantern\u{3000}Umbrella").as_deref(), Ok("Lantern Umbrella"));
}

#[test]
fn bytes_that_are_no_text_are_hashed_as_they_are() {
    assert_eq!(as_hashed(&[0xff, 0, 0x80]).expose(), &[0xff, 0, 0x80]);
    assert_eq!(as_hashed(b"").expose(), b"");
    assert_eq!(as_hashed(b"nul\0inside").expose(), b"nul\0inside");
}

#[test]
fn length_counts_characters_not_bytes() {
    assert!(check("\u{1f41d}x\u{1f41f}y\u{1f41e}z\u{1f31f}w").is_ok());
    assert_eq!(check("\u{fc}\u{e4}\u{f6}\u{df}vk"), Err(vec![PasswordProblem::TooShort(8)]));
    assert_eq!(check(&"violet quartz ".repeat(5)), Err(vec![PasswordProblem::TooLong(64)]));
}

#[test]
fn empty_is_too_short_and_too_many_bytes_are_not_looked_at() {
    assert_eq!(check(""), Err(vec![PasswordProblem::TooShort(8)]));
    assert_eq!(check(&"x".repeat(MAX_BYTES + 1)), Err(vec![PasswordProblem::TooManyBytes]));
}

#[test]
fn control_characters_cannot_be_set() {
    for password in
        ["lantern\0umbrella", "lantern\numbrella", "lantern\u{7f}umbrella", "lantern\u{85}umbrella"]
    {
        assert_eq!(check(password), Err(vec![PasswordProblem::Character]), "{password:?}");
    }
}

#[test]
fn username_in_any_direction_and_case_is_refused() {
    for password in ["lanternJDoe", "xxeodjlantern"] {
        assert_eq!(check(password), Err(vec![PasswordProblem::ContainsUsername]), "{password}");
    }
    let rules = PasswordRules::new(8, 64, [""; 0]);
    let mailbox = Username::parse("jdoe@example.org").unwrap();
    assert!(rules.check(&mailbox, "lantern jdoe").is_err());
    let short = Username::parse("li").unwrap();
    assert!(rules.check(&short, "lilac umbrella").is_ok(), "two letters occur everywhere");
}

#[test]
fn words_of_the_institution_are_refused_and_named() {
    let refused = check("my northFIELD room").unwrap_err();
    assert_eq!(refused, [PasswordProblem::ContainsWord("northfield".to_owned())]);
    assert!(refused[0].to_string().contains("northfield"));
    assert!(check("nuthatch lantern").is_ok(), "short words are not looked for");
}

#[test]
fn common_passwords_are_refused_also_dressed_up() {
    for password in [
        "password",
        "P@ssw0rd123!",
        "passwordpassword",
        "!!letmein2024",
        "monkeydragonsunshine",
        "Summer2026!",
    ] {
        assert_eq!(check(password), Err(vec![PasswordProblem::Common]), "{password}");
    }
}

#[test]
fn repetitions_and_sequences_are_refused() {
    for password in ["aaaaaaaaaaaa", "abababababab", "xy7!xy7!xy7!"] {
        assert_eq!(check(password), Err(vec![PasswordProblem::Repeated]), "{password}");
    }
    for password in ["abcdefgh12345678", "qwertyuiopasdfghjkl", "9876543210", "aaaabbbbccccdddd"] {
        assert_eq!(check(password), Err(vec![PasswordProblem::Sequence]), "{password}");
    }
}

#[test]
fn every_violated_rule_is_told() {
    let rules = PasswordRules::new(20, 64, ["Northfield"]);
    let problems = rules.check(&Username::parse("jdoe").unwrap(), "jdoe@northfield").unwrap_err();
    let word = PasswordProblem::ContainsWord("northfield".to_owned());
    assert_eq!(problems, [PasswordProblem::TooShort(20), PasswordProblem::ContainsUsername, word]);
}

fn ids(review: &[(Requirement, bool)], met: bool) -> Vec<&'static str> {
    review.iter().filter(|(_, is)| *is == met).map(|(requirement, _)| requirement.id()).collect()
}

#[test]
fn classes_are_asked_for_only_where_the_rules_say_so() {
    let rules = PasswordRules::new(8, 26, [""; 0]).with_classes(3);
    let jdoe = Username::parse("jdoe").unwrap();
    for password in ["Lantern-umbrella", "lantern 4 umbrella", "LANTERN4umbrella"] {
        assert!(rules.check(&jdoe, password).is_ok(), "{password}");
    }
    for password in ["lantern umbrella", "LanternUmbrella", "lantern4umbrella"] {
        assert_eq!(
            rules.check(&jdoe, password).unwrap_err(),
            [PasswordProblem::TooFewClasses(3)],
            "{password}"
        );
    }
    let long = rules.check(&jdoe, "Lantern Umbrella Harbour 27").unwrap_err();
    assert_eq!(long, [PasswordProblem::TooLong(26)]);
}

#[test]
fn password_in_the_list_is_refused_with_the_reason() {
    let list = blocklist::of_lines(&["lantern umbrella"]);
    let rules = PasswordRules::new(8, 64, [""; 0]).with_blocklist(Some(Arc::new(list)));
    let refused = rules.check(&Username::parse("jdoe").unwrap(), "Lantern\u{3000}Umbrella").unwrap_err();
    assert_eq!(refused, [PasswordProblem::Blocklisted]);
    assert!(refused[0].to_string().contains("in a list of passwords that attackers try first"));
    assert!(rules.check(&Username::parse("jdoe").unwrap(), "lantern umbrellas").is_ok());
}

#[test]
fn weak_password_is_refused_where_strength_is_asked_for_and_the_name_counts() {
    let rules = PasswordRules::new(8, 64, ["Northfield"]).with_min_strength(3);
    let username = Username::parse("u4711").unwrap();
    assert_eq!(rules.check(&username, "23-05-1987").unwrap_err(), [PasswordProblem::Guessable(Advice::Date)]);
    let owner = |name| Owner { username: &username, name };
    assert!(rules.check(owner(""), "zanzoobelxiff").is_ok());
    let refused = rules.check(owner("Ann Zanzoobelxiff"), "zanzoobelxiff").unwrap_err();
    assert!(matches!(refused[..], [PasswordProblem::Guessable(_)]), "{refused:?}");
}

#[test]
fn requirements_are_listed_with_their_numbers_and_stable_ids() {
    let plain = PasswordRules::new(8, 256, [""; 0]);
    let listed: Vec<_> = plain.requirements().iter().map(Requirement::id).collect();
    assert_eq!(listed, ["min-length", "max-length", "no-username", "no-pattern", "uncommon", "characters"]);
    let all = PasswordRules::new(8, 26, ["Northfield", "Campus"]).with_classes(3).with_min_strength(2);
    for requirement in all.requirements() {
        assert_eq!(serde_json::to_value(&requirement).unwrap()["id"], requirement.id());
    }
    assert_eq!(
        serde_json::to_value(&all.requirements()[2]).unwrap(),
        serde_json::json!({"id": "classes", "least": 3})
    );
    let texts: Vec<_> = all.requirements().iter().map(ToString::to_string).collect();
    assert_eq!(texts[..2], ["at least 8 characters", "at most 26 characters"]);
    assert_eq!(texts[4], "without \"northfield\", \"campus\"");
    assert_eq!(texts.len(), 9);
}

#[test]
fn review_says_what_is_met_and_nothing_is_before_anything_is_typed() {
    let rules = PasswordRules::new(8, 26, ["Northfield"]).with_classes(3);
    let jdoe = Username::parse("jdoe").unwrap();
    assert_eq!(ids(&rules.review(&jdoe, ""), true), [""; 0]);
    assert_eq!(ids(&rules.review(&jdoe, &"x".repeat(MAX_BYTES + 1)), true), [""; 0]);
    assert_eq!(ids(&rules.review(&jdoe, "jdoe@Northfield"), false), ["no-username", "no-words"]);
    assert_eq!(ids(&rules.review(&jdoe, "aaaaaaaaaaaa"), false), ["classes", "no-pattern"]);
    assert_eq!(ids(&rules.review(&jdoe, "P@ss\nword"), false), ["characters"]);
    assert_eq!(ids(&rules.review(&jdoe, "P@ss"), false), ["min-length", "uncommon"]);
}

use proptest::strategy::Strategy as _;

proptest::proptest! {
    // A page that shows everything ticked must not be followed by a refusal, nor the other way round.
    #[test]
    fn review_and_check_agree(
        password in proptest::prop_oneof![("[a-cA-C1!]{1,4}", 1_usize..9).prop_map(|(unit, times)| unit.repeat(times)),
            "[a-cA-C1-3!. ]{0,30}", "\\PC{0,30}", "(jdoe|password|northfield|abc|[0-9]|[A-Z]){0,9}"],
        strength in 0_u8..4,
    ) {
        let list = Arc::new(blocklist::of_lines(&["aaaaaaaa", "password1"]));
        let rules = PasswordRules::new(8, 26, ["Northfield"]).with_classes(3).with_min_strength(strength);
        let rules = rules.with_blocklist(Some(list));
        let jdoe = Username::parse("jdoe").unwrap();
        let review = rules.review(&jdoe, &password);
        proptest::prop_assert_eq!(
            review.iter().map(|(requirement, _)| requirement.clone()).collect::<Vec<_>>(), rules.requirements()
        );
        match rules.check(&jdoe, &password) {
            Ok(_) => proptest::prop_assert!(review.iter().all(|(_, met)| *met)),
            Err(problems) => for problem in problems {
                let failed = |(requirement, met): &(Requirement, bool)| !met && problem.violates(requirement);
                proptest::prop_assert!(review.iter().any(failed), "{:?}", problem);
            }
        }
    }
}
