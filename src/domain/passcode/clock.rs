//! Clocks of devices that show TOTP codes: where their codes are expected, and how one that is off is found again.

use super::{drift, totp, totp_step};
use crate::base::Timestamp;
use crate::domain::factor::{Factor, Material};
use std::ops::RangeInclusive;
use std::time::Duration;

/// The steps whose codes a TOTP factor may show now.
///
/// A device whose clock is off by more than the window, as a resync has found out, is expected where its last code was. A person who types
/// late makes a clock look slower than it is, so one that was just ahead may be one step more ahead; one whose clock is right never
/// moves the window.
pub(super) fn steps(factor: &Factor, now: Timestamp, skew: u8) -> RangeInclusive<u64> {
    let (skew, off) = (i64::from(skew), drift(factor).unwrap_or(0));
    let (first, last) = match off {
        _ if off < -skew || off > skew => (off.saturating_sub(skew), off.saturating_add(skew)),
        _ if off > 0 && off == skew => (-skew, off + 1),
        _ => (-skew, skew),
    };
    let step = totp_step(factor, now);
    step.saturating_add_signed(first)..=step.saturating_add_signed(last)
}

/// Where a TOTP factor goes on if every code that could have been accepted by now counts as used: its next step, and when it was
/// used last, which is made up so that it still says how far the device's clock is off. None for other kinds.
pub fn used_up(factor: &Factor, now: Timestamp, skew: u8) -> Option<(u64, Option<Timestamp>)> {
    let Material::Totp { period, .. } = &factor.material else { return None };
    let next = steps(factor, now, skew).end().saturating_add(1);
    if factor.next >= next {
        return Some((factor.next, factor.used));
    }
    let off = drift(factor).filter(|off| *off != 0);
    let used = off.and_then(|off| {
        let step = next.saturating_sub(1).saturating_add_signed(off.checked_neg()?);
        Some(Timestamp::from_secs(i64::try_from(step).ok()?.checked_mul((*period).into())?))
    });
    Some((next, used))
}

/// The first step of a TOTP token that nobody's clock is known of, if every code that could have been accepted by now counts as used.
pub fn first_unused(material: &Material, now: Timestamp, skew: u8) -> Option<u64> {
    let Material::Totp { period: period @ 1.., .. } = material else { return None };
    Some((now.unix_secs() / u64::from(*period)).saturating_add(u64::from(skew)).saturating_add(1))
}

/// The step in `range` whose code is `code`; a used one only if no other has it. Once in a million, two steps that follow each other have
/// the same code, and who has used the first must not be refused the second.
pub(super) fn position(factor: &Factor, code: &str, mut range: RangeInclusive<u64>) -> Option<u64> {
    let generator = totp(factor, 0)?;
    let is = |step: &u64| generator.check(code, step.saturating_mul(generator.step())).is_some();
    let unused = range.clone().filter(|step| *step >= factor.next).find(is);
    unused.or_else(|| range.find(|step| *step < factor.next && is(step)))
}

/// The first of two consecutive steps, not used before, whose codes these are, where a clock may be off so far (RFC 6238 §6).
pub fn totp_resync(
    factor: &Factor,
    (first, second): (&str, &str),
    now: Timestamp,
    window: Duration,
) -> Option<u64> {
    let generator = totp(factor, 0)?;
    let (step, wide) = (totp_step(factor, now), window.as_secs() / generator.step().max(1));
    let is = |code: &str, step: u64| generator.check(code, step.saturating_mul(generator.step())).is_some();
    let begin = step.saturating_sub(wide).max(factor.next);
    (begin..=step.saturating_add(wide)).find(|step| is(first, *step) && is(second, step.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{digester, totp_factor};
    use super::super::{Window, code_at, matching};
    use super::*;
    use crate::domain::factor::Algorithm;

    /// As it is after a code of `step` was taken at `at`.
    fn seen(step: u64, at: u64) -> Factor {
        let mut factor = totp_factor(Algorithm::Sha1, 6, "12345678901234567890");
        (factor.next, factor.used) = (step + 1, Some(Timestamp::from_secs(i64::try_from(at * 30).unwrap())));
        factor
    }

    fn accepted(factor: &Factor, now: u64, steps: std::ops::RangeInclusive<u64>) -> Vec<u64> {
        let at = Timestamp::from_secs(i64::try_from(now * 30).unwrap());
        let takes = |step: &u64| {
            let code = code_at(factor, *step).unwrap();
            matching(factor, &code, at, Window::default(), &digester()).is_some()
        };
        steps.filter(takes).collect()
    }

    #[test]
    fn clock_that_a_resync_found_is_followed_and_a_right_one_never_moves_the_window() {
        assert_eq!(accepted(&seen(40, 100), 200, 130..=210), [139, 140, 141], "an hour behind");
        assert_eq!(accepted(&seen(160, 100), 200, 190..=270), [259, 260, 261]);
        // Typed late again and again, the codes of a clock that is right stay good.
        assert_eq!(accepted(&seen(99, 100), 200, 190..=210), [199, 200, 201]);
        assert_eq!(accepted(&seen(100, 100), 200, 190..=210), [199, 200, 201]);
        assert_eq!(
            accepted(&seen(101, 100), 200, 190..=210),
            [199, 200, 201, 202],
            "perhaps two ahead, typed late"
        );
    }

    #[test]
    fn what_could_have_been_accepted_is_used_up_and_a_clock_that_is_off_stays_known() {
        for (factor, good) in [
            (seen(99, 100), 202..=204),
            (seen(40, 100), 142..=144),
            (seen(160, 100), 262..=264),
            (Factor { used: None, next: 0, ..seen(1, 100) }, 202..=204),
        ] {
            let at = |step: u64| Timestamp::from_secs(i64::try_from(step * 30).unwrap());
            let (next, used) = used_up(&factor, at(200), 1).unwrap();
            let factor = Factor { next, used, ..factor };
            let taken = accepted(&factor, 200, 1..=400);
            assert!(taken.iter().all(|step| *step < next), "{taken:?} are used");
            // Three steps later the window has moved on, by the same clock.
            assert_eq!(accepted(&factor, 203, 1..=400), good.collect::<Vec<_>>());
            assert!(good_of(&factor, 203).iter().all(|step| *step >= next));
        }
    }

    /// Those that are accepted and not used.
    fn good_of(factor: &Factor, now: u64) -> Vec<u64> {
        accepted(factor, now, 1..=400).into_iter().filter(|step| *step >= factor.next).collect()
    }

    // R-RAD-2
    #[test]
    fn code_that_two_steps_share_is_good_once_for_each_of_them() {
        let (mut factor, first) = (totp_factor(Algorithm::Sha1, 6, "12345678901234567890"), 910_737);
        let code = code_at(&factor, first).unwrap();
        assert_eq!(code_at(&factor, first + 1).unwrap(), code);
        for (next, step) in [(0, first), (first, first), (first + 1, first + 1), (first + 2, first)] {
            factor.next = next;
            assert_eq!(position(&factor, &code, first..=first + 2), Some(step), "the next unused is {next}");
        }
    }

    #[test]
    fn token_whose_clock_is_off_is_found_by_two_unused_codes_in_a_row() {
        let (day, now) = (Duration::from_secs(86_400), Timestamp::from_secs(10_000 * 30));
        let factor = totp_factor(Algorithm::Sha1, 6, "12345678901234567890");
        let code = |step| code_at(&factor, step).unwrap();
        let found = |first, second| totp_resync(&factor, (&code(first), &code(second)), now, day);
        assert_eq!((found(7_500, 7_501), found(12_500, 12_501)), (Some(7_500), Some(12_500)));
        assert_eq!((found(7_500, 7_502), found(7_501, 7_500), found(12_900, 12_901)), (None, None, None));
        let used = Factor { next: 7_501, ..factor.clone() };
        assert_eq!(
            totp_resync(&used, (&code(7_500), &code(7_501)), now, day),
            None,
            "a used code proves nothing"
        );
        assert_eq!(totp_resync(&used, (&code(7_501), &code(7_502)), now, day), Some(7_501));
    }
}
