//! What logins say, how failures are throttled, and what passcodes are like: `[login]`, `[throttle]`, and the tables of each kind of
//! factor.

use super::section::Section;
use crate::domain::factor::Algorithm;
use crate::domain::policy::LoginTexts;
use crate::domain::throttle::Throttle;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

/// Factor settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factors {
    /// Name of the institution in apps.
    pub issuer: String,
    /// TOTP: hash function of new seeds.
    pub totp_algorithm: Algorithm,
    /// TOTP: digits of new seeds, 6 or 8.
    pub totp_digits: u8,
    /// TOTP: seconds per step of new seeds.
    pub totp_period: u32,
    /// TOTP: steps before and after the present one that are accepted, 0 to 2.
    pub totp_skew: u8,
    /// TOTP: how far a clock may be off that is found again at a resync.
    pub totp_resync_window: Duration,
    /// HOTP: digits of new seeds, 6 or 8.
    pub hotp_digits: u8,
    /// HOTP: counters ahead that are tried at a login, at most 10.
    pub hotp_look_ahead: u8,
    /// HOTP: counters ahead that are searched at a resync.
    pub hotp_resync_window: u32,
    /// PIN: shortest, 4 to 10.
    pub pin_min: u8,
    /// PIN: longest, 4 to 10.
    pub pin_max: u8,
    /// Recovery codes in a set.
    pub recovery_codes: u8,
    /// Digits of a temporary code, 6 to 10.
    pub temporary_digits: u8,
    /// Longest life of a temporary code.
    pub temporary_max_lifetime: Duration,
    /// Passwords of devices that one person may have; 0: nobody has any.
    pub devices_per_person: u8,
}

pub(super) fn texts(section: &Section<'_>) -> Option<LoginTexts> {
    let text = |key: &str| {
        let (text, at) = section.text(key)?;
        if text.len() > 1000 || text.contains('\n') {
            section.error(at, format!("`{key}` must be one line of at most 1000 bytes"), "shorten it");
            return None;
        }
        Some(text)
    };
    let texts = [
        "prompt",
        "prompt_one",
        "prompt_yubikey",
        "prompt_sent",
        "method_unavailable",
        "send_limited",
        "failed",
        "not_enrolled",
        "password_expired",
        "password_must_change",
        "method_totp",
        "method_hotp",
        "method_yubikey",
        "method_recovery",
        "method_temporary",
        "method_sms",
        "method_voice",
        "method_email",
    ]
    .map(text);
    let [
        prompt,
        prompt_one,
        prompt_yubikey,
        prompt_sent,
        unavailable,
        send_limited,
        failed,
        not_enrolled,
        expired,
        must_change,
        totp,
        hotp,
        yubikey,
        recovery,
        temporary,
        sms,
        voice,
        email,
    ] = texts;
    Some(LoginTexts {
        prompt: prompt?,
        prompt_one: prompt_one?,
        prompt_yubikey: prompt_yubikey?,
        prompt_sent: prompt_sent?,
        method_unavailable: unavailable?,
        send_limited: send_limited?,
        failed: failed?,
        not_enrolled: not_enrolled?,
        password_expired: expired?,
        password_must_change: must_change?,
        method_totp: totp?,
        method_hotp: hotp?,
        method_yubikey: yubikey?,
        method_recovery: recovery?,
        method_temporary: temporary?,
        method_sms: sms?,
        method_voice: voice?,
        method_email: email?,
    })
}

pub(super) fn throttle(section: &Section<'_>) -> Option<Throttle> {
    let free = section.number("free", 1..=100);
    let base = section.duration("base", Duration::from_millis(1)..=HOUR);
    let max = section.duration("max", Duration::from_millis(1)..=24 * HOUR);
    let hard_stop = section.number("hard_stop", 2..=100);
    let throttle = Throttle { free: free?, base: base?, max: max?, hard_stop: hard_stop? };
    if throttle.free >= throttle.hard_stop {
        section.error(section.place("free"), "[throttle] `free` must be below `hard_stop`", "lower it");
    }
    if throttle.base > throttle.max {
        section.error(section.place("base"), "[throttle] `base` must not exceed `max`", "lower it");
    }
    Some(throttle)
}

pub(super) fn factors(root: &Section<'_>) -> Option<Factors> {
    let (totp, hotp, pin) = (root.table("totp"), root.table("hotp"), root.table("pin"));
    let (recovery, temporary) = (root.table("recovery"), root.table("temporary"));
    let digits = |section: &Section<'_>| {
        let digits: u8 = section.number("digits", 6..=8)?;
        if digits == 7 {
            section.error(
                section.place("digits"),
                "`digits` is 6 or 8; few apps and tokens show 7",
                "6 or 8",
            );
        }
        Some(digits)
    };
    let issuer = totp.text("issuer").and_then(|(issuer, at)| {
        if issuer.is_empty() || issuer.contains(':') {
            totp.error(at, "`issuer` must be a name without a colon", "apps show it before the account");
            return None;
        }
        Some(issuer)
    });
    let algorithms =
        [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
    let algorithm = totp.choice("algorithm", &algorithms);
    let (totp_digits, hotp_digits) = (digits(&totp), digits(&hotp));
    let period = totp.duration("period", 15 * SECOND..=120 * SECOND);
    if period.is_some_and(|period| period.subsec_millis() != 0) {
        totp.error(totp.place("period"), "`period` must be whole seconds", "such as \"30s\"");
    }
    let skew = totp.number("skew", 0..=2);
    let totp_resync = totp.duration("resync_window", 60 * SECOND..=7 * 24 * HOUR);
    let look_ahead = hotp.number("look_ahead", 0..=10);
    let resync_window = hotp.number("resync_window", 10..=10_000);
    let (pin_min, pin_max) = (pin.number::<u8>("min", 4..=10), pin.number::<u8>("max", 4..=10));
    if let (Some(least), Some(most)) = (pin_min, pin_max)
        && least > most
    {
        pin.error(pin.place("min"), "[pin] `min` must not exceed `max`", "lower it, or raise `max`");
    }
    let codes = recovery.number("codes", 1..=20);
    let devices = root.table("device_passwords").number("per_person", 0..=16);
    let temporary_digits = temporary.number("digits", 6..=10);
    let max_lifetime = temporary.duration("max_lifetime", 60 * SECOND..=168 * HOUR);
    Some(Factors {
        issuer: issuer?,
        totp_algorithm: algorithm?,
        totp_digits: totp_digits?,
        totp_period: u32::try_from(period?.as_secs()).ok()?,
        totp_skew: skew?,
        totp_resync_window: totp_resync?,
        hotp_digits: hotp_digits?,
        hotp_look_ahead: look_ahead?,
        hotp_resync_window: resync_window?,
        pin_min: pin_min?,
        pin_max: pin_max?,
        recovery_codes: codes?,
        temporary_digits: temporary_digits?,
        temporary_max_lifetime: max_lifetime?,
        devices_per_person: devices?,
    })
}
