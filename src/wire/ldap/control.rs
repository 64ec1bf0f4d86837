//! Controls: password policy (draft-behera-ldap-password-policy), content synchronisation (RFC 4533), and the numbers
//! of those that are only asked for.

use super::ber::{Malformed, Reader};

/// Object identifiers of controls and extended operations.
pub mod oid {
    /// Password policy, request and response.
    pub const PASSWORD_POLICY: &str = "1.3.6.1.4.1.42.2.27.8.5.1";
    /// Show deleted objects (Active Directory).
    pub const SHOW_DELETED: &str = "1.2.840.113556.1.4.417";
    /// Paged results (RFC 2696).
    pub const PAGED_RESULTS: &str = "1.2.840.113556.1.4.319";
    /// StartTLS (RFC 4511 §4.14).
    pub const START_TLS: &str = "1.3.6.1.4.1.1466.20037";
    /// Change of a password (RFC 3062).
    pub const PASSWORD_MODIFY: &str = "1.3.6.1.4.1.4203.1.11.1";
    /// Sync Info message (RFC 4533 §2.5).
    pub const SYNC_INFO: &str = "1.3.6.1.4.1.4203.1.9.1.4";
    /// Sync Request (RFC 4533 §2.2).
    pub const SYNC_REQUEST: &str = "1.3.6.1.4.1.4203.1.9.1.1";
    /// Sync State (RFC 4533 §2.3).
    pub const SYNC_STATE: &str = "1.3.6.1.4.1.4203.1.9.1.2";
    /// Sync Done (RFC 4533 §2.4).
    pub const SYNC_DONE: &str = "1.3.6.1.4.1.4203.1.9.1.3";
    /// Matching rule that follows a chain of groups (Active Directory).
    pub const IN_CHAIN: &str = "1.2.840.113556.1.4.1941";
}

/// What a password policy has against a bind or a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PolicyError {
    /// 0
    PasswordExpired,
    /// 1
    AccountLocked,
    /// 2: the bind succeeded, but only a change of password is allowed.
    ChangeAfterReset,
    /// 3
    PasswordModNotAllowed,
    /// 4
    MustSupplyOldPassword,
    /// 5
    InsufficientPasswordQuality,
    /// 6
    PasswordTooShort,
    /// 7
    PasswordTooYoung,
    /// 8
    PasswordInHistory,
    /// 9
    PasswordTooLong,
}

/// The error in a password policy response; warnings are left to the directory's own mails.
pub(super) fn password_policy(value: &[u8]) -> Result<Option<PolicyError>, Malformed> {
    let mut parts = Reader::new(value).expect(Reader::SEQUENCE, "a password policy response")?.inside();
    parts.optional(0xa0)?;
    let Some(error) = parts.optional(0x81)? else { return Ok(None) };
    Ok(Some(match error.integer()? {
        0 => PolicyError::PasswordExpired,
        1 => PolicyError::AccountLocked,
        2 => PolicyError::ChangeAfterReset,
        3 => PolicyError::PasswordModNotAllowed,
        4 => PolicyError::MustSupplyOldPassword,
        5 => PolicyError::InsufficientPasswordQuality,
        6 => PolicyError::PasswordTooShort,
        7 => PolicyError::PasswordTooYoung,
        8 => PolicyError::PasswordInHistory,
        9 => PolicyError::PasswordTooLong,
        _ => return Err(Malformed::Unexpected("a password policy error")),
    }))
}

/// Where a paged search goes on; empty: that was the last page (RFC 2696 §2).
pub fn paged_cookie(value: &[u8]) -> Result<&[u8], Malformed> {
    let mut parts = Reader::new(value).expect(Reader::SEQUENCE, "a paged results control")?.inside();
    parts.expect(Reader::INTEGER, "the size of a page")?;
    Ok(parts.expect(Reader::OCTETS, "the cookie of a page")?.content)
}

/// What a synchronised entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// Unchanged; only its name is sent.
    Present,
    /// New, or new here.
    Add,
    /// Changed.
    Modify,
    /// Gone.
    Delete,
}

/// The Sync State control of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyncState {
    /// What happened.
    pub state: EntryState,
    /// The entry's UUID, 16 octets.
    pub uuid: [u8; 16],
    /// Where the synchronisation stands with this entry.
    pub cookie: Option<Vec<u8>>,
}

impl SyncState {
    /// Reads the value of the control.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut parts = Reader::new(value).expect(Reader::SEQUENCE, "a sync state")?.inside();
        let state = match parts.expect(Reader::ENUMERATED, "the state of an entry")?.integer()? {
            0 => EntryState::Present,
            1 => EntryState::Add,
            2 => EntryState::Modify,
            3 => EntryState::Delete,
            _ => return Err(Malformed::Unexpected("the state of an entry")),
        };
        let uuid = uuid(parts.expect(Reader::OCTETS, "the UUID of an entry")?.content)?;
        let cookie = parts.optional(Reader::OCTETS)?.map(|cookie| cookie.content.to_vec());
        Ok(Self { state, uuid, cookie })
    }
}

fn uuid(octets: &[u8]) -> Result<[u8; 16], Malformed> {
    octets.try_into().map_err(|_| Malformed::Unexpected("the UUID of an entry"))
}

/// The Sync Done control at the end of a refresh.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncDone {
    /// Where the synchronisation stands.
    pub cookie: Option<Vec<u8>>,
    /// Whether deleted entries were named; else what was not named is gone.
    pub refresh_deletes: bool,
}

impl SyncDone {
    /// Reads the value of the control.
    pub fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut parts = Reader::new(value).expect(Reader::SEQUENCE, "a sync done control")?.inside();
        let cookie = parts.optional(Reader::OCTETS)?.map(|cookie| cookie.content.to_vec());
        Ok(Self { cookie, refresh_deletes: flag(&mut parts, false)? })
    }
}

fn flag(parts: &mut Reader<'_>, default: bool) -> Result<bool, Malformed> {
    let flag = parts.optional(Reader::BOOLEAN)?;
    Ok(flag.map_or(default, |flag| flag.content.iter().any(|octet| *octet != 0)))
}

/// A Sync Info message between entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncInfo {
    /// Only where the synchronisation stands.
    NewCookie(Vec<u8>),
    /// The end of a phase in which deleted entries were named.
    RefreshDelete {
        /// Where it stands.
        cookie: Option<Vec<u8>>,
        /// Whether the refresh is over and changes follow as they happen.
        done: bool,
    },
    /// The end of a phase in which entries that are still there were named.
    RefreshPresent {
        /// Where it stands.
        cookie: Option<Vec<u8>>,
        /// Whether the refresh is over and changes follow as they happen.
        done: bool,
    },
    /// Many UUIDs at once.
    IdSet {
        /// Where it stands.
        cookie: Option<Vec<u8>>,
        /// They are gone; else they are still there.
        deleted: bool,
        /// The entries.
        uuids: Vec<[u8; 16]>,
    },
}

/// Reads the value of a Sync Info message.
pub fn sync_info(value: &[u8]) -> Result<SyncInfo, Malformed> {
    let choice = Reader::new(value).next()?.ok_or(Malformed::Unexpected("a sync info message"))?;
    let mut parts = choice.inside();
    if choice.tag == 0x80 {
        return Ok(SyncInfo::NewCookie(choice.content.to_vec()));
    }
    let cookie = parts.optional(Reader::OCTETS)?.map(|cookie| cookie.content.to_vec());
    match choice.tag {
        0xa1 => Ok(SyncInfo::RefreshDelete { cookie, done: flag(&mut parts, true)? }),
        0xa2 => Ok(SyncInfo::RefreshPresent { cookie, done: flag(&mut parts, true)? }),
        0xa3 => {
            let deleted = flag(&mut parts, false)?;
            let mut set = parts.expect(Reader::SET, "a set of UUIDs")?.inside();
            let mut uuids = Vec::new();
            while let Some(element) = set.next()? {
                uuids.push(uuid(element.content)?);
            }
            Ok(SyncInfo::IdSet { cookie, deleted, uuids })
        }
        _ => Err(Malformed::Unexpected("a sync info message")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ber::Writer;
    use super::*;
    use proptest::prelude::*;

    fn sequence(inside: Writer) -> Vec<u8> {
        Writer::default().element(Reader::SEQUENCE, &inside.finish()).finish().to_vec()
    }

    #[test]
    fn policy_errors_are_found_beside_warnings() {
        let warning = Writer::default().element(0x80, &[5]).finish();
        let both = sequence(Writer::default().element(0xa0, &warning).element(0x81, &[1]));
        assert_eq!(password_policy(&both), Ok(Some(PolicyError::AccountLocked)));
        assert_eq!(password_policy(&sequence(Writer::default())), Ok(None));
        assert!(password_policy(&sequence(Writer::default().element(0x81, &[77]))).is_err());
    }

    #[test]
    fn sync_messages_are_read() {
        let uuid = [7; 16];
        let state = sequence(
            Writer::default()
                .element(Reader::ENUMERATED, &[2])
                .element(Reader::OCTETS, &uuid)
                .element(Reader::OCTETS, b"rid=000,csn=x"),
        );
        let state = SyncState::parse(&state).unwrap();
        assert_eq!((state.state, state.uuid), (EntryState::Modify, uuid));
        assert_eq!(state.cookie.as_deref(), Some(b"rid=000,csn=x".as_slice()));
        let set = Writer::default().element(Reader::OCTETS, &uuid).finish();
        let parts = Writer::default().element(Reader::BOOLEAN, &[0xff]).element(Reader::SET, &set).finish();
        let info = Writer::default().element(0xa3, &parts).finish();
        assert_eq!(sync_info(&info), Ok(SyncInfo::IdSet { cookie: None, deleted: true, uuids: vec![uuid] }));
        let present = Writer::default().element(0xa2, b"").finish();
        assert_eq!(sync_info(&present), Ok(SyncInfo::RefreshPresent { cookie: None, done: true }));
        let done = sequence(Writer::default().element(Reader::BOOLEAN, &[0xff]));
        assert_eq!(SyncDone::parse(&done), Ok(SyncDone { cookie: None, refresh_deletes: true }));
    }

    #[test]
    fn uuid_of_another_length_is_refused() {
        let state =
            sequence(Writer::default().element(Reader::ENUMERATED, &[1]).element(Reader::OCTETS, b"short"));
        assert!(SyncState::parse(&state).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_decided_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = (password_policy(&bytes), SyncState::parse(&bytes), SyncDone::parse(&bytes), sync_info(&bytes));
        }
    }
}
