//! What results mean: the codes of RFC 4511 §4.1.9, the errors of password policies, and the sub-codes that Active
//! Directory puts into its diagnostic messages (`data 52e`).

use super::control::{PolicyError, password_policy};

/// A result as it came.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The result code.
    pub code: u32,
    /// The server's own words.
    pub diagnostic: &'a str,
    /// The value of the password policy control.
    pub policy: Option<&'a [u8]>,
}

/// What a simple bind says of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindResult {
    /// It is right.
    Right,
    /// It is right but has expired.
    Expired,
    /// It is right but must be changed before it counts.
    MustChange,
    /// It is wrong, or there is no such entry.
    Wrong,
    /// The directory has locked the account after failures.
    Locked,
    /// The directory has switched the account off, or it has ended.
    Disabled,
    /// Nothing was said about the password: the code and the server's words.
    Undecided(String),
}

impl Answer<'_> {
    fn policy_error(&self) -> Option<PolicyError> {
        // A control that cannot be read says nothing; the code does.
        password_policy(self.policy?).ok().flatten()
    }

    /// The sub-code of Active Directory, such as 0x52e.
    fn sub_code(&self) -> Option<u32> {
        let (_, after) = self.diagnostic.split_once("data ")?;
        let digits: String = after.chars().take_while(char::is_ascii_hexdigit).collect();
        u32::from_str_radix(&digits, 16).ok()
    }

    /// The Windows error at the start of a diagnostic message, such as 0x52d in `0000052D: …`.
    fn windows_error(&self) -> Option<u32> {
        let digits = self.diagnostic.split_once(':')?.0;
        u32::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 8)
    }

    fn says(&self, words: &str) -> bool {
        self.diagnostic.to_ascii_lowercase().contains(words)
    }

    fn words(&self) -> String {
        let words = self.diagnostic.trim_end_matches('\0').trim();
        let cut = words.get(..words.floor_char_boundary(200)).unwrap_or_default();
        let name = name_of(self.code);
        if cut.is_empty() {
            format!("{name} ({})", self.code)
        } else {
            format!("{name} ({}): {cut}", self.code)
        }
    }
}

/// What the result of a simple bind says of the password.
pub fn bind_result(answer: Answer<'_>) -> BindResult {
    match (answer.code, answer.policy_error()) {
        // 389-ds, whose control says "locked" as well: "Account inactivated. Contact system administrator."
        (53, _) if answer.says("inactivated") => BindResult::Disabled,
        (0, Some(PolicyError::ChangeAfterReset)) => BindResult::MustChange,
        (0, _) => BindResult::Right,
        (49 | 19 | 53, Some(PolicyError::PasswordExpired)) => BindResult::Expired,
        (49 | 19 | 53, Some(PolicyError::AccountLocked)) => BindResult::Locked,
        (49 | 19 | 53, Some(PolicyError::ChangeAfterReset)) => BindResult::MustChange,
        (49, _) => match answer.sub_code() {
            Some(0x532) => BindResult::Expired,
            Some(0x773) => BindResult::MustChange,
            Some(0x775) => BindResult::Locked,
            // Not at this hour, not from here, switched off, ended.
            Some(0x530 | 0x531 | 0x533 | 0x701) => BindResult::Disabled,
            _ => BindResult::Wrong,
        },
        // 389-ds: "Exceed password retry limit. Please try later."
        (19, _) => BindResult::Locked,
        // No such entry, or one without a password.
        (32 | 48, _) => BindResult::Wrong,
        _ => BindResult::Undecided(answer.words()),
    }
}

/// Why a directory did not change a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A rule of its own: a sentence that tells the person what to do.
    Policy(String),
    /// The old password is wrong.
    WrongOld,
    /// The service account may not do it.
    Access(String),
    /// There is no such entry any more.
    Gone,
    /// It could not be decided: the code and the server's words.
    Undecided(String),
}

/// Why a change was refused; `None` if it was made.
pub fn change_refusal(answer: Answer<'_>) -> Option<Refusal> {
    let says = |text: &str| Some(Refusal::Policy(text.to_owned()));
    if answer.code == 0 {
        return None;
    }
    match answer.policy_error() {
        // 389-ds says so where the service account lacks the right, too.
        Some(PolicyError::PasswordModNotAllowed) if answer.code == 50 && !answer.says("not allowed") => {}
        Some(PolicyError::PasswordTooShort) => {
            return says("use a longer password: the directory asks for more characters");
        }
        Some(PolicyError::PasswordTooLong) => {
            return says("use a shorter password: the directory cannot take so many characters");
        }
        Some(PolicyError::InsufficientPasswordQuality) => {
            return says(
                "choose a longer password, or one that is harder to guess: the directory finds this one too simple",
            );
        }
        Some(PolicyError::PasswordInHistory) => {
            return says("choose a password that you have not used before");
        }
        Some(PolicyError::PasswordTooYoung) => {
            return says("wait before you change the password again: the last change is too recent");
        }
        Some(PolicyError::PasswordModNotAllowed) => {
            return says("the directory does not let this password be changed; ask the help desk");
        }
        Some(PolicyError::MustSupplyOldPassword) => {
            return Some(Refusal::Access("it wants the old password".to_owned()));
        }
        _ => {}
    }
    match (answer.code, answer.windows_error()) {
        (_, Some(0x56)) => Some(Refusal::WrongOld),
        (_, Some(0x52d)) => Some(Refusal::Policy(restriction(answer.diagnostic))),
        (_, Some(0x5)) | (50 | 8, _) => Some(Refusal::Access(answer.words())),
        (49, _) => Some(Refusal::WrongOld),
        (19, _) => Some(Refusal::Policy(restriction(answer.diagnostic))),
        (32, _) => Some(Refusal::Gone),
        _ => Some(Refusal::Undecided(answer.words())),
    }
}

/// Which restriction a password violates, where the server's words tell it.
fn restriction(diagnostic: &str) -> String {
    let words = diagnostic.to_ascii_lowercase();
    let has = |any: &[&str]| any.iter().any(|text| words.contains(text));
    let text = if has(&["too short", "min_pwd_length", "at least"]) {
        "use a longer password: the directory asks for more characters"
    } else if has(&["history", "already", "reuse"]) {
        "choose a password that you have not used before"
    } else if has(&["too recent", "too young", "min_age", "minimum password age"]) {
        "wait before you change the password again: the last change is too recent"
    } else if has(&["complex", "quality", "trivial"]) {
        "choose a password that is harder to guess: the directory asks for letters, digits and other characters together"
    } else {
        "choose another password: the directory refuses this one as too short, too simple, used before or changed too recently"
    };
    text.to_owned()
}

/// The name of a result code.
pub const fn name_of(code: u32) -> &'static str {
    match code {
        0 => "success",
        1 => "operationsError",
        2 => "protocolError",
        3 => "timeLimitExceeded",
        4 => "sizeLimitExceeded",
        7 => "authMethodNotSupported",
        8 => "strongerAuthRequired",
        10 => "referral",
        11 => "adminLimitExceeded",
        12 => "unavailableCriticalExtension",
        13 => "confidentialityRequired",
        16 => "noSuchAttribute",
        17 => "undefinedAttributeType",
        19 => "constraintViolation",
        21 => "invalidAttributeSyntax",
        32 => "noSuchObject",
        34 => "invalidDNSyntax",
        48 => "inappropriateAuthentication",
        49 => "invalidCredentials",
        50 => "insufficientAccessRights",
        51 => "busy",
        52 => "unavailable",
        53 => "unwillingToPerform",
        65 => "objectClassViolation",
        68 => "entryAlreadyExists",
        80 => "other",
        4096 => "e-syncRefreshRequired",
        _ => "result",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(code: u32, diagnostic: &str, policy: Option<&[u8]>) -> BindResult {
        bind_result(Answer { code, diagnostic, policy })
    }

    fn ad(data: &str) -> BindResult {
        let text = format!(
            "80090308: LdapErr: DSID-0C090439, comment: AcceptSecurityContext error, data {data}, v4563\0"
        );
        bind(49, &text, None)
    }

    fn policy(error: u8) -> [u8; 5] {
        [0x30, 3, 0x81, 1, error]
    }

    #[test]
    fn sub_codes_of_active_directory_are_told_apart() {
        let table = [
            ("52e", BindResult::Wrong),
            ("525", BindResult::Wrong),
            ("532", BindResult::Expired),
            ("533", BindResult::Disabled),
            ("701", BindResult::Disabled),
            ("773", BindResult::MustChange),
            ("775", BindResult::Locked),
        ];
        for (data, result) in table {
            assert_eq!(ad(data), result, "{data}");
        }
    }

    #[test]
    fn password_policies_are_told_apart() {
        assert_eq!(bind(49, "", Some(&policy(0))), BindResult::Expired);
        assert_eq!(bind(49, "", Some(&policy(1))), BindResult::Locked);
        assert_eq!(bind(0, "", Some(&policy(2))), BindResult::MustChange);
        assert_eq!(bind(0, "", Some(b"\x30\x00")), BindResult::Right);
        assert_eq!(bind(49, "", Some(b"garbage")), BindResult::Wrong);
        assert_eq!(bind(19, "Exceed password retry limit. Please try later.", None), BindResult::Locked);
        let inactivated = "Account inactivated. Contact system administrator.";
        assert_eq!(bind(53, inactivated, None), BindResult::Disabled);
        // 389-ds writes lengths in four octets.
        assert_eq!(bind(53, inactivated, Some(b"\x30\x84\0\0\0\x03\x81\x01\x01")), BindResult::Disabled);
        assert_eq!(bind(19, "", None), BindResult::Locked);
        let grace = b"\x30\x84\0\0\0\x09\xa0\x84\0\0\0\x03\x81\x01\x01";
        assert_eq!(bind(0, "", Some(grace)), BindResult::Right);
    }

    #[test]
    fn trouble_of_the_server_is_no_wrong_password() {
        for code in [1, 2, 3, 7, 8, 10, 11, 13, 51, 52, 53, 80, 4711] {
            assert!(matches!(bind(code, "busy", None), BindResult::Undecided(_)), "{code}");
        }
    }

    #[test]
    fn refusals_are_sentences() {
        fn change(code: u32, diagnostic: &str, policy: Option<&[u8]>) -> Option<Refusal> {
            change_refusal(Answer { code, diagnostic, policy })
        }
        assert_eq!(change(0, "", None), None);
        let said = |refusal: Option<Refusal>| match refusal {
            Some(Refusal::Policy(text)) => text,
            other => panic!("{other:?}"),
        };
        assert!(said(change(19, "", Some(&policy(6)))).contains("longer"));
        assert!(said(change(19, "", Some(&policy(8)))).contains("not used before"));
        assert!(
            said(change(
                53,
                "0000052D: SvcErr: DSID-031A12D2, problem 5003 (WILL_NOT_PERFORM), data 0\n\0",
                None
            ))
            .contains("another")
        );
        assert!(said(change(19, "0000052D: Constraint violation - check_password_restrictions: the password is too short. It should be equal or longer than 7 characters!", None)).contains("longer"));
        assert_eq!(change(19, "00000056: AtrErr: DSID-03191083", None), Some(Refusal::WrongOld));
        assert!(matches!(change(50, "", None), Some(Refusal::Access(_))));
        // As OpenLDAP and 389-ds say that people may not, and 389-ds that the service account may not.
        assert!(
            said(change(50, "User alteration of password is not allowed", Some(&policy(3))))
                .contains("help desk")
        );
        assert!(
            said(change(53, "User is not allowed to change password\n", Some(&policy(3))))
                .contains("help desk")
        );
        let lacks = change(50, "Insufficient access rights\n", Some(&policy(3)));
        assert!(matches!(lacks, Some(Refusal::Access(_))));
        assert!(matches!(change(52, "", None), Some(Refusal::Undecided(_))));
    }
}
