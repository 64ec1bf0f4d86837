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
