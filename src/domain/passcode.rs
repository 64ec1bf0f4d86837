//! Recognising passcodes: where one stands in a string, and whether it matches a factor.
//!
//! A match is a [`Proof`], not a yes: only the store's atomic statement accepts it (RFC 6238 §5.2,
//! RFC 4226 §7.2).

mod clock;

pub use clock::{first_unused, totp_resync, used_up};

use super::digest::CodeDigester;
use super::factor::{Algorithm, Factor, FactorKind, Material, Proof};
use super::yubikey;
use crate::base::Timestamp;
use subtle::ConstantTimeEq;

/// How far codes may be off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// TOTP: steps before and after the present one.
    pub totp_skew: u8,
    /// HOTP: counters ahead of the expected one.
    pub hotp_look_ahead: u8,
}

impl Default for Window {
    fn default() -> Self {
        Self { totp_skew: 1, hotp_look_ahead: 10 }
    }
}

/// A way to read a string as something followed by a passcode of one factor.
#[derive(Debug, Clone, Copy)]
pub struct Split<'t> {
    /// What stands before the passcode, separator included.
    pub prefix: &'t [u8],
    /// The passcode as typed.
    pub code: &'t str,
}

/// Lengths that a temporary code can have.
const TEMPORARY_DIGITS: std::ops::RangeInclusive<usize> = 6..=10;
/// A recovery code as printed: two groups of five with a dash.
const RECOVERY_LENGTH: usize = 11;

/// Every way in which `text` ends in something shaped like a passcode of `factor`. An empty prefix means that
/// the whole text is the code.
pub fn splits<'t>(text: &'t [u8], factor: &Factor) -> Vec<Split<'t>> {
    match &factor.material {
        Material::Totp { digits, .. } | Material::Hotp { digits, .. } => {
            digits_at_end(text, usize::from(*digits)).into_iter().collect()
        }
        Material::Codes(_) if factor.kind == FactorKind::Temporary => {
            TEMPORARY_DIGITS.filter_map(|digits| digits_at_end(text, digits)).collect()
        }
        Material::Codes(_) => recovery_at_end(text).into_iter().collect(),
        Material::Yubikey { public_id, .. } => {
            let split = |at| {
                let (prefix, code) = text.split_at_checked(at)?;
                Some(Split { prefix, code: std::str::from_utf8(code).ok()? })
            };
            public_id.at_end(text).and_then(split).into_iter().collect()
        }
        Material::Pin { .. } | Material::DevicePassword { .. } => Vec::new(),
    }
}

/// The code in an answer that could be one that was sent: 6 to 10 digits and nothing else.
pub fn sent_shape(typed: &[u8]) -> Option<&str> {
    let typed = typed.trim_ascii();
    let shaped = (6..=10).contains(&typed.len()) && typed.iter().all(u8::is_ascii_digit);
    shaped.then(|| std::str::from_utf8(typed).ok()).flatten()
}

fn digits_at_end(text: &[u8], digits: usize) -> Option<Split<'_>> {
    let (prefix, code) = text.split_at_checked(text.len().checked_sub(digits)?)?;
    let code = std::str::from_utf8(code).ok()?;
    code.bytes().all(|b| b.is_ascii_digit()).then_some(Split { prefix, code })
}

fn recovery_at_end(text: &[u8]) -> Option<Split<'_>> {
    let shaped = |code: &[u8]| {
        code.iter()
            .enumerate()
            .all(|(at, byte)| if at == 5 { *byte == b'-' } else { byte.is_ascii_alphanumeric() })
    };
    let end = text.len().checked_sub(RECOVERY_LENGTH).and_then(|at| text.split_at_checked(at));
    if let Some((prefix, code)) = end
        && shaped(code)
    {
        return Some(Split { prefix, code: std::str::from_utf8(code).ok()? });
    }
    // Alone, the dash may be left out.
    let whole = std::str::from_utf8(text).ok()?;
    let bare = text.len() == RECOVERY_LENGTH - 1 && text.iter().all(u8::is_ascii_alphanumeric);
    bare.then_some(Split { prefix: &[], code: whole })
}

/// A recovery or temporary code as it is digested: lower case, without dashes and spaces, look-alikes folded
/// (Crockford's base 32: i and l are 1, o is 0).
pub fn canonical_code(code: &str) -> String {
    code.chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .map(|c| match c.to_ascii_lowercase() {
            'i' | 'l' => '1',
            'o' => '0',
            other => other,
        })
        .collect()
}

/// What `code` proves about `factor`, if anything. Used-up codes within the window match too, so that a replay
/// is told apart from a wrong code; the store refuses them.
pub fn matching(
    factor: &Factor,
    code: &str,
    now: Timestamp,
    window: Window,
    digester: &CodeDigester,
) -> Option<Proof> {
    let proof = |position| Proof::Position { factor: factor.id, position };
    match &factor.material {
        Material::Totp { .. } => {
            clock::position(factor, code, clock::steps(factor, now, window.totp_skew)).map(proof)
        }
        Material::Hotp { .. } => {
            let first = factor.next;
            let last = first.saturating_add(u64::from(window.hotp_look_ahead));
            hotp_position(factor, code, first..=last).map(proof)
        }
        Material::Codes(codes) => {
            let digest = digester.digest(factor.id, &canonical_code(code));
            // Every digest is compared, so that the time taken does not tell which one matched.
            let live = codes.iter().filter(|one| one.expires.is_none_or(|end| end > now));
            let found = live.fold(false, |found, one| found | bool::from(one.digest.ct_eq(&digest)));
            found.then_some(Proof::Code { factor: factor.id, digest })
        }
        Material::Yubikey { key: Some(key), .. } => yubikey::judge(key, factor.next, code).ok().map(proof),
        // Only its validation server can tell.
        Material::Yubikey { key: None, .. } => None,
        Material::Pin { .. } | Material::DevicePassword { .. } => None,
    }
}

/// The counter in `range` whose code is `code`. One at or after the range's start only: an older counter
/// cannot be told from a wrong code.
fn hotp_position(factor: &Factor, code: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    let generator = totp(factor, 0)?;
    // With a step of one second and no skew, "time" is the counter.
    range.into_iter().find(|counter| generator.check(code, *counter).is_some())
}

/// The first of two consecutive counters that produce `first` and `second`, for a resync (RFC 4226 §7.4).
pub fn hotp_resync(factor: &Factor, first: &str, second: &str, window: u32) -> Option<u64> {
    let end = factor.next.saturating_add(u64::from(window));
    let generator = totp(factor, 0)?;
    (factor.next..=end).find(|counter| {
        generator.check(first, *counter).is_some()
            && generator.check(second, counter.saturating_add(1)).is_some()
    })
}

/// Present step of a TOTP factor; 0 for others.
pub fn totp_step(factor: &Factor, now: Timestamp) -> u64 {
    match &factor.material {
        Material::Totp { period, .. } if *period > 0 => now.unix_secs() / u64::from(*period),
        _ => 0,
    }
}

/// How many steps the device's clock was ahead when the factor was last used; negative when it lags.
pub fn drift(factor: &Factor) -> Option<i64> {
    let used = factor.used?;
    let step = i64::try_from(totp_step(factor, used)).ok()?;
    let accepted = i64::try_from(factor.next.checked_sub(1)?).ok()?;
    matches!(factor.material, Material::Totp { .. }).then(|| accepted.saturating_sub(step))
}

/// A generator for the factor; `None` where the numbers would make `totp-rs` panic.
fn totp(factor: &Factor, skew: u8) -> Option<totp_rs::Totp> {
    let (seed, algorithm, digits, period) = match &factor.material {
        Material::Totp { seed, algorithm, digits, period } => (seed, *algorithm, *digits, *period),
        Material::Hotp { seed, digits } => (seed, Algorithm::Sha1, *digits, 1),
        _ => return None,
    };
    if period == 0 || !(6..=8).contains(&digits) {
        return None;
    }
    let algorithm = match algorithm {
        Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
        Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
        Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
    };
    Some(
        totp_rs::Builder::new()
            .with_algorithm(algorithm)
            .with_digits(digits)
            .with_skew(u16::from(skew))
            .with_step_duration(u64::from(period))
            .with_secret(seed.expose().clone())
            .build_noncompliant(),
    )
}

/// The code of a TOTP or HOTP factor at a position (step or counter), for enrollment and demonstrations.
pub fn code_at(factor: &Factor, position: u64) -> Option<String> {
    let generator = totp(factor, 0)?;
    Some(generator.generate(position.saturating_mul(generator.step())).to_string())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::Secret;
    use crate::domain::factor::{FactorId, FactorState, OneTimeCode};
    use crate::domain::person::PersonId;

    pub(crate) fn factor(kind: FactorKind, material: Material) -> Factor {
        Factor {
            id: FactorId::from_uuid(uuid::Uuid::from_u128(kind as u128 + 1)),
            person: PersonId::from_uuid(uuid::Uuid::from_u128(99)),
            kind,
            label: kind.to_string(),
            state: FactorState::Active,
            created: Timestamp::default(),
            used: None,
            next: 0,
            material,
        }
    }

    pub(crate) fn totp_factor(algorithm: Algorithm, digits: u8, seed: &str) -> Factor {
        let seed = Secret::from(seed);
        factor(FactorKind::Totp, Material::Totp { seed, algorithm, digits, period: 30 })
    }

    pub(crate) fn hotp_factor() -> Factor {
        factor(FactorKind::Hotp, Material::Hotp { seed: Secret::from("12345678901234567890"), digits: 6 })
    }

    pub(super) fn digester() -> CodeDigester {
        CodeDigester::new(Secret::new(vec![7; 32]))
    }

    // RFC 6238 appendix B.
    #[test]
    fn totp_codes_of_rfc_6238_match() {
        let (s20, s32, s64) = (
            "12345678901234567890",
            "12345678901234567890123456789012",
            "1234567890123456789012345678901234567890123456789012345678901234",
        );
        for (time, algorithm, seed, code) in [
            (59, Algorithm::Sha1, s20, "94287082"),
            (59, Algorithm::Sha256, s32, "46119246"),
            (59, Algorithm::Sha512, s64, "90693936"),
            (1_111_111_109, Algorithm::Sha1, s20, "07081804"),
            (20_000_000_000, Algorithm::Sha512, s64, "47863826"),
        ] {
            let factor = totp_factor(algorithm, 8, seed);
            let now = Timestamp::from_secs(time);
            let proof = matching(&factor, code, now, Window::default(), &digester());
            let position = u64::try_from(time).unwrap() / 30;
            assert_eq!(proof, Some(Proof::Position { factor: factor.id, position }), "{code}");
        }
    }

    #[test]
    fn totp_takes_one_step_either_side_and_not_two() {
        let factor = totp_factor(Algorithm::Sha1, 6, "12345678901234567890");
        let code = code_at(&factor, 100).unwrap();
        let hit = |step: i64| {
            matching(&factor, &code, Timestamp::from_secs(step * 30), Window::default(), &digester())
                .is_some()
        };
        assert_eq!([98, 99, 100, 101, 102].map(hit), [false, true, true, true, false]);
    }

    // RFC 4226 appendix D.
    #[test]
    fn hotp_codes_of_rfc_4226_match_within_the_look_ahead() {
        let factor = hotp_factor();
        for (counter, code) in ["755224", "287082", "359152", "969429", "338314"].iter().enumerate() {
            let proof = matching(&factor, code, Timestamp::default(), Window::default(), &digester());
            let position = counter as u64;
            assert_eq!(proof, Some(Proof::Position { factor: factor.id, position }));
        }
        let far = code_at(&factor, 11).unwrap();
        assert_eq!(matching(&factor, &far, Timestamp::default(), Window::default(), &digester()), None);
    }

    #[test]
    fn resync_wants_two_codes_in_a_row() {
        let factor = hotp_factor();
        let code = |counter| code_at(&factor, counter).unwrap();
        assert_eq!(hotp_resync(&factor, &code(500), &code(501), 1000), Some(500));
        assert_eq!(hotp_resync(&factor, &code(500), &code(502), 1000), None);
        assert_eq!(hotp_resync(&factor, &code(2000), &code(2001), 1000), None);
    }

    #[test]
    fn codes_on_paper_match_however_they_are_typed_until_they_expire() {
        let mut factor = factor(FactorKind::Recovery, Material::Codes(Vec::new()));
        let digest = digester().digest(factor.id, &canonical_code("0abcd-1efgh"));
        let expires = Some(Timestamp::from_secs(100));
        factor.material = Material::Codes(vec![OneTimeCode { digest, expires }]);
        let hit = |code: &str, at| {
            matching(&factor, code, Timestamp::from_secs(at), Window::default(), &digester()).is_some()
        };
        assert!(hit("OABCD-IEFGH", 99));
        assert!(hit("0abcd1efgh", 99));
        assert!(!hit("0abcd-1efgh", 100));
        assert!(!hit("0abcd-2efgh", 99));
    }

    #[test]
    fn splits_find_the_code_at_the_end_and_leave_the_rest_alone() {
        let factor = totp_factor(Algorithm::Sha1, 6, "12345678901234567890");
        let prefix = |text: &str| splits(text.as_bytes(), &factor).first().map(|s| s.prefix.to_vec());
        assert_eq!(prefix("pass123456"), Some(b"pass".to_vec()));
        assert_eq!(prefix("pass,99123456"), Some(b"pass,99".to_vec()));
        assert_eq!(prefix("123456"), Some(Vec::new()));
        assert_eq!(prefix("pass12345"), None);
        assert_eq!(prefix("pass12345é"), None);
        assert_eq!(splits("pass١٢٣٤٥٦".as_bytes(), &factor).len(), 0);
        let paper = self::factor(FactorKind::Recovery, Material::Codes(Vec::new()));
        assert_eq!(splits(b"pass0abcd-1efgh", &paper).first().map(|s| s.prefix), Some(&b"pass"[..]));
        assert_eq!(splits(b"0abcd1efgh", &paper).first().map(|s| s.code), Some("0abcd1efgh"));
    }
}
