//! What a client (NAS) asks of a person: resolved from configuration, refined by group.

use super::factor::FactorKind;
use super::method::{Channel, Method};
use super::person::Person;
use std::time::Duration;

/// What the User-Password of a first request holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginKind {
    /// `password`: the password, nothing else.
    Password,
    /// `password+passcode`: both in one string, or the password and a challenge for the passcode.
    PasswordAndPasscode,
    /// `passcode`: the client has checked the password already.
    Passcode,
    /// `pin+passcode`: both in one string, or the PIN and a challenge for the passcode.
    PinAndPasscode,
}

/// Of whom a passcode is asked where [`LoginKind::PasswordAndPasscode`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactor {
    /// `required`: of everyone; who has enrolled nothing cannot log in.
    Required,
    /// `if-enrolled`: of whoever has enrolled one.
    IfEnrolled,
}

/// The login policy of a client, or of a group at a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginPolicy {
    /// What the first string holds.
    pub kind: LoginKind,
    /// Of whom a passcode is asked.
    pub second_factor: SecondFactor,
    /// Whether the client can show an Access-Challenge.
    pub challenge: bool,
    /// The client can do only one challenge: its answer must complete the login.
    pub one_round: bool,
    /// Challenges in one login at most.
    pub max_rounds: u8,
    /// How long a challenge may be answered.
    pub challenge_lifetime: Duration,
    /// Passcodes accepted here, in the order in which they are offered.
    pub methods: Vec<Method>,
    /// Characters that may stand between password and passcode; one of them is dropped.
    pub separators: Vec<char>,
}

impl Default for LoginPolicy {
    fn default() -> Self {
        Self {
            kind: LoginKind::PasswordAndPasscode,
            second_factor: SecondFactor::Required,
            challenge: true,
            one_round: false,
            max_rounds: 3,
            challenge_lifetime: Duration::from_secs(120),
            methods: vec![
                Method::Factor(FactorKind::Totp),
                Method::Factor(FactorKind::Hotp),
                Method::Factor(FactorKind::Yubikey),
                Method::Sent(Channel::Sms),
                Method::Sent(Channel::Voice),
                Method::Factor(FactorKind::Recovery),
                Method::Factor(FactorKind::Temporary),
            ],
            separators: vec![','],
        }
    }
}

/// The policy of a client with its exceptions by group; the first group in the list that the person is a
/// member of decides.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientPolicy {
    /// For everyone else.
    pub default: LoginPolicy,
    /// (group name, policy), in order.
    pub groups: Vec<(String, LoginPolicy)>,
}

impl ClientPolicy {
    /// The policy that holds for `person`; the default for an unknown one.
    pub fn of(&self, person: Option<&Person>) -> &LoginPolicy {
        let member = |group: &String| person.is_some_and(|p| p.groups.contains(group));
        self.groups.iter().find(|(group, _)| member(group)).map_or(&self.default, |(_, policy)| policy)
    }
}

/// Texts that a person reads on a RADIUS client. One line each; `{methods}` is replaced in `prompt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginTexts {
    /// Challenge where several methods are possible; `{methods}` becomes the numbered list.
    pub prompt: String,
    /// Challenge once the method is clear; `{method}` becomes its name.
    pub prompt_one: String,
    /// Challenge where a YubiKey is meant; `{method}` becomes its name.
    pub prompt_yubikey: String,
    /// Challenge after a code was sent; `{destination}` becomes where to, masked.
    pub prompt_sent: String,
    /// Before the prompt, when the method asked for is not available.
    pub method_unavailable: String,
    /// Password right, but no more codes may be sent for now.
    pub send_limited: String,
    /// Any refusal that must not say why.
    pub failed: String,
    /// Password right, nothing enrolled.
    pub not_enrolled: String,
    /// Password right but expired.
    pub password_expired: String,
    /// Password right but to be changed before it counts.
    pub password_must_change: String,
    /// Name of codes from an app.
    pub method_totp: String,
    /// Name of codes from a hardware token.
    pub method_hotp: String,
    /// Name of YubiKeys.
    pub method_yubikey: String,
    /// Name of codes on paper.
    pub method_recovery: String,
    /// Name of codes from the help desk.
    pub method_temporary: String,
    /// Name of codes by text message.
    pub method_sms: String,
    /// Name of codes by call.
    pub method_voice: String,
    /// Name of codes by e-mail.
    pub method_email: String,
}

impl LoginTexts {
    /// What a person calls this kind of passcode.
    pub fn method(&self, kind: FactorKind) -> &str {
        match kind {
            FactorKind::Totp => &self.method_totp,
            FactorKind::Hotp => &self.method_hotp,
            FactorKind::Yubikey => &self.method_yubikey,
            FactorKind::Recovery => &self.method_recovery,
            FactorKind::Temporary => &self.method_temporary,
            FactorKind::Pin => "PIN",
            // Never offered: the methods that a policy can name do not have it.
            FactorKind::DevicePassword => "device password",
        }
    }

    /// What a person calls this channel.
    pub fn channel(&self, channel: Channel) -> &str {
        match channel {
            Channel::Sms => &self.method_sms,
            Channel::Voice => &self.method_voice,
            Channel::Email => &self.method_email,
        }
    }
}

impl Default for LoginTexts {
    fn default() -> Self {
        Self {
            prompt: "Enter a passcode, or choose a method: {methods}".into(),
            prompt_one: "Enter the passcode from your {method}:".into(),
            prompt_yubikey: "Touch your {method}:".into(),
            prompt_sent: "A passcode is on its way to {destination}. Enter it:".into(),
            method_unavailable: "That method is not available here.".into(),
            send_limited: "No more passcodes can be sent for now. Use another method, or try again later."
                .into(),
            failed: "Login failed.".into(),
            not_enrolled: "This service needs a passcode. Register a passcode method first.".into(),
            password_expired: "Your password has expired. Change it, then log in again.".into(),
            password_must_change: "You must change your password first. Change it, then log in again.".into(),
            method_totp: "One-Time-Passcode App".into(),
            method_hotp: "passcode token".into(),
            method_yubikey: "Yubikey Device".into(),
            method_recovery: "recovery code".into(),
            method_temporary: "help-desk code".into(),
            method_sms: "SMS/Text".into(),
            method_voice: "Voice".into(),
            method_email: "Email".into(),
        }
    }
}
