//! YubiKeys at a login: whether what was typed is of a key, and if not, what is wrong with it.
//!
//! What is wrong is for the log and the audit trail only: it never decides anything, and the person does not read it.

use super::person::PersonId;
use super::reason::Reason;
use crate::wire::yubico::{
    Key, LAST_USE, Layout, Otp, PublicId, TYPED, TYPED_CIPHER, Token, TokenError, ends_with_modhex, is_modhex,
};

/// Characters that a key types as it is sold.
const USUAL: usize = 44;
/// Fewer characters than this are no password of a key that came through in part.
const SHORTEST: usize = 24;
/// So many characters of [`USUAL`] may be strange in what is still taken for a damaged password.
const STRANGE: usize = 4;

/// What a validation server says of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// It is good, and was not used there before; with its position, if the server told it.
    Good(Option<u64>),
    /// It is not, for a reason of the YubiKey kind, or [`Reason::PasscodeReplayed`].
    Bad(Reason),
}

/// Whose a key is, as far as is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyOwner {
    /// Nobody knows it.
    Unknown,
    /// It is in the inventory and was never given to anyone, or was given back.
    Nobody,
    /// It was revoked.
    Revoked,
    /// Someone's.
    Person(PersonId),
}

/// The position of what a key typed, if it did.
///
/// # Errors
/// What is wrong with it.
pub fn judge(key: &Key, next: u64, typed: &str) -> Result<u64, Reason> {
    let otp = Otp::parse(typed).map_err(|_| Reason::YubikeyCharacters)?;
    open(key, next, &otp).map(|token| token.position())
}

/// What a password says that is one of the key's; whether it was used before is for the store to decide.
///
/// # Errors
/// What is wrong with it.
pub fn open(key: &Key, next: u64, otp: &Otp) -> Result<Token, Reason> {
    let token = key.open(otp).map_err(|error| match error {
        TokenError::Crc => Reason::YubikeyChecksum,
        TokenError::PrivateId => Reason::YubikeyPrivateId,
    })?;
    if is_worn(&token, next) { Err(Reason::YubikeyWorn) } else { Ok(token) }
}

/// Whether the key has come to the end of its counter, or has begun it anew: a use counter that is behind the last one by more
/// than half of the way is no old password that somebody kept. It would be refused as a replay as well.
fn is_worn(token: &Token, next: u64) -> bool {
    let Some(last) = next.checked_sub(1) else { return false };
    let end = u64::from(LAST_USE) * 256 + 255;
    last >= end || (last / 256).saturating_sub(u64::from(token.use_ctr)) > u64::from(LAST_USE) / 2
}

/// What a string ends in that none of the person's keys typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A whole password of the key of this id.
    Whole(PublicId),
    /// Something that looks like one and is damaged.
    Damaged(Reason),
}

/// Looks at the end of a string; `alone`: nothing stands before a password. Without the key, nobody can tell for certain where
/// its password begins: it is taken to be as long as usual.
pub fn at_end(text: &[u8], alone: bool) -> Option<End> {
    let whole = |at: usize| {
        let otp = Otp::parse(std::str::from_utf8(text.get(at..)?).ok()?).ok()?;
        (!otp.public_id.is_empty()).then_some(End::Whole(otp.public_id))
    };
    let modhex = ends_with_modhex(text);
    if alone && modhex == text.len() && TYPED.contains(&modhex) && modhex.is_multiple_of(2) {
        return whole(0);
    }
    if !alone && modhex >= USUAL {
        return whole(text.len() - USUAL);
    }
    damage(std::str::from_utf8(text).ok()?, modhex, alone).map(End::Damaged)
}

fn damage(text: &str, modhex: usize, alone: bool) -> Option<Reason> {
    let letters = text.chars().count();
    let end: String = text.chars().skip(letters.saturating_sub(USUAL)).collect();
    let layout = if alone && letters >= SHORTEST { text } else { &end };
    if layout.chars().count() >= SHORTEST.max(if alone { 0 } else { USUAL }) && Layout::of(layout).is_some() {
        return Some(Reason::YubikeyLayout);
    }
    if modhex >= SHORTEST && (!alone || modhex == text.len()) {
        return Some(Reason::YubikeyLength);
    }
    let strange = end.bytes().filter(|byte| !is_modhex(&[*byte])).count();
    let like = letters >= USUAL - STRANGE && (!alone || letters <= *TYPED.end());
    (like && end.len() >= TYPED_CIPHER && strange <= STRANGE).then_some(Reason::YubikeyCharacters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::yubico::tests::{key, touch};

    const ID: &str = "vvcccccbcdef";

    fn ours() -> (Key, PublicId) {
        let key = key("000102030405060708090a0b0c0d0e0f", "010203040506");
        let public_id = PublicId::parse(ID).unwrap();
        (key, public_id)
    }

    #[test]
    fn position_is_told_and_each_flaw_has_its_reason() {
        let (ours, id) = ours();
        assert_eq!(judge(&ours, 0, &touch(&ours, id, 3, 4)), Ok(3 * 256 + 4));
        let other = key("f00102030405060708090a0b0c0d0e0f", "010203040506");
        assert_eq!(judge(&ours, 0, &touch(&other, id, 3, 4)), Err(Reason::YubikeyChecksum));
        let other = key("000102030405060708090a0b0c0d0e0f", "010203040507");
        assert_eq!(judge(&ours, 0, &touch(&other, id, 3, 4)), Err(Reason::YubikeyPrivateId));
        assert_eq!(judge(&ours, 0, "cccc"), Err(Reason::YubikeyCharacters));
    }

    #[test]
    fn worn_key_is_told_apart_from_a_replay() {
        let (ours, id) = ours();
        let judge = |next: u64, uses: u16, touches: u8| judge(&ours, next, &touch(&ours, id, uses, touches));
        assert_eq!(judge(0x7f_ffff, LAST_USE, 255), Ok(0x7f_ffff), "the last one is good");
        assert_eq!(judge(0x80_0000, LAST_USE, 255), Err(Reason::YubikeyWorn));
        assert_eq!(judge(0x7f_0000, 1, 0), Err(Reason::YubikeyWorn), "it began anew");
        assert_eq!(judge(0x7f_0000, 0x7e00, 0), Ok(0x7e_0000), "a replay, for the store to refuse");
        assert_eq!(judge(0, 0, 0), Ok(0));
    }

    fn alone(text: &str) -> Option<End> {
        at_end(text.as_bytes(), true)
    }

    fn behind(text: &str) -> Option<End> {
        at_end(format!("correct horse {text}").as_bytes(), false)
    }

    #[test]
    fn whole_password_of_an_unknown_key_names_it() {
        let (key, id) = ours();
        let otp = touch(&key, id, 1, 1);
        for text in [otp.clone(), otp.to_uppercase()] {
            assert_eq!((alone(&text), behind(&text)), (Some(End::Whole(id)), Some(End::Whole(id))));
        }
        let short = touch(&key, PublicId::parse("vvcc").unwrap(), 1, 1);
        assert_eq!(alone(&short), Some(End::Whole(PublicId::parse("vvcc").unwrap())));
        assert_eq!(alone(&touch(&key, PublicId::parse("").unwrap(), 1, 1)), None, "it names no key");
    }

    #[test]
    fn damage_is_named_whether_alone_or_behind_a_password() {
        let (key, id) = ours();
        let otp = touch(&key, id, 1, 1);
        for text in [&otp[1..], &otp[..43], &otp[..30], &format!("c{otp}")] {
            assert_eq!(alone(text), Some(End::Damaged(Reason::YubikeyLength)), "{text}");
        }
        assert_eq!(behind(&otp[1..]), Some(End::Damaged(Reason::YubikeyLength)));
        let strange = format!("{}ax{}", &otp[..30], &otp[32..]);
        assert_eq!(alone(&strange), Some(End::Damaged(Reason::YubikeyCharacters)));
        assert_eq!(behind(&strange), Some(End::Damaged(Reason::YubikeyCharacters)));
        let russian: String = otp
            .chars()
            .map(|letter| {
                let at = "cbdefghijklnrtuv".find(letter).unwrap();
                "сивуапршолдткегм".chars().nth(at).unwrap()
            })
            .collect();
        assert_eq!(alone(&russian), Some(End::Damaged(Reason::YubikeyLayout)));
        assert_eq!(behind(&russian), Some(End::Damaged(Reason::YubikeyLayout)));
    }

    #[test]
    fn what_people_type_otherwise_is_no_damaged_key() {
        for text in [
            "",
            "123456",
            "correct horse battery staple, and a good deal more of it",
            "пароль",
            "sms",
            "bluebird",
            "0abcd-1efgh",
            "Tr0ub4dor&3Tr0ub4dor&3Tr0ub4dor&3Tr0ub4dor&3",
        ] {
            assert_eq!((alone(text), behind(text)), (None, None), "{text}");
        }
    }
}
