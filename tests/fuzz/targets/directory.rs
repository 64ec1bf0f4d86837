//! What servers of LDAP answer, and names, filters and values (`wire::ldap`).

use super::{Reader, words as words_of};
use doorward::wire::ldap::{
    Answer, Attribute, Dn, Filter, Message, Response, Scope, Search, SyncDone, SyncState, bind_result,
    change_refusal, escape_filter, filetime, generalized, generalized_time, guid, hex_id, length, name_of,
    oid, paged_cookie, search, sync_info, unicode_password,
};

/// The first octet says what is tried with the others.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader(bytes);
    match reader.octet() % 6 {
        0 => message(reader.0),
        1 => wrapped(&mut reader),
        2 => controls(reader.0),
        3 => results(&mut reader),
        4 => names(reader.0),
        _ => values(reader.0),
    }
}

fn message(bytes: &[u8]) {
    if let Ok(Some(whole)) = length(bytes) {
        assert!(whole >= 2);
    }
    let Ok(message) = Message::parse(bytes) else { return };
    // What is read as a message is as long as its head says.
    assert_eq!(length(bytes), Ok(Some(bytes.len())));
    assert!(message.id >= 0);
    for kind in [oid::PASSWORD_POLICY, oid::SYNC_DONE, oid::SYNC_STATE, oid::PAGED_RESULTS] {
        if let Some(value) = message.control(kind) {
            controls(value);
        }
    }
    match &message.response {
        Response::Entry(entry) => {
            let _ = Dn::parse(&entry.dn);
            for (name, kept) in &entry.attributes {
                assert!(
                    !entry.values(name).is_empty()
                        || entry.attributes.iter().any(|(_, values)| values.is_empty())
                );
                let _ = entry.text(name);
                kept.iter().for_each(|value| values(value));
            }
        }
        Response::Intermediate(_, value) => drop(sync_info(value)),
        Response::Bind(outcome)
        | Response::SearchDone(outcome)
        | Response::Modify(outcome)
        | Response::Extended(outcome) => {
            let policy = message.control(oid::PASSWORD_POLICY);
            judged(Answer { code: outcome.code, diagnostic: outcome.diagnostic, policy });
        }
        Response::Reference => {}
    }
}

/// The same within a message whose head is right.
fn wrapped(reader: &mut Reader<'_>) {
    let tag = [0x61, 0x64, 0x65, 0x67, 0x73, 0x78, 0x79][reader.below(7)];
    let element = |tag: u8, content: &[u8]| {
        let size = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x84], &size[..], content].concat()
    };
    let inside = [&[2, 1, 7], element(tag, reader.0).as_slice()].concat();
    message(&element(0x30, &inside));
}

fn controls(value: &[u8]) {
    let _ = (paged_cookie(value), SyncState::parse(value), SyncDone::parse(value), sync_info(value));
}

fn results(reader: &mut Reader<'_>) {
    let code = [0, 19, 32, 48, 49, 50, 53, reader.number() as u32][reader.below(8)];
    let policy = reader.octets();
    let diagnostic = String::from_utf8_lossy(reader.0);
    judged(Answer {
        code,
        diagnostic: &diagnostic,
        policy: Some(policy).filter(|policy| !policy.is_empty()),
    });
}

fn judged(answer: Answer<'_>) {
    use doorward::wire::ldap::BindResult;
    let result = bind_result(answer);
    // A password is right only where the server says success.
    assert!(result != BindResult::Right || answer.code == 0);
    let refusal = change_refusal(answer);
    assert!(refusal.is_some() || answer.code == 0);
    let _ = name_of(answer.code);
}

/// What people type, in names and filters.
fn names(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(dn) = Dn::parse(&text) {
        let normal = dn.normal();
        let again = Dn::parse(&normal).unwrap_or_else(|_| panic!("{normal:?} is a name"));
        assert_eq!(again.normal(), normal);
        assert!(again.is_within(&dn) && dn.below(&dn).is_some_and(|below| below.is_empty()));
    }
    // Whatever is put under a name stays one part of it.
    let base = Dn::parse("ou=people,dc=example,dc=edu").unwrap();
    let child = base.child("cn", &text);
    assert_eq!(child.name(), Some(text.as_ref()));
    assert!(child.is_within(&base));
    let again = Dn::parse(&child.normal()).unwrap_or_else(|_| panic!("{:?} is a name", child.normal()));
    assert!(again.is_within(&base) && again.below(&base).is_some_and(|below| below.len() == 1));
    // Whatever is put into a filter stays one value of it.
    let escaped = escape_filter(&text);
    assert!(!escaped.contains(['(', ')', '*', '\0']));
    let filter = Filter::parse(&format!("(&(objectClass=person)(uid={escaped}))"));
    assert!(filter.is_some(), "{escaped:?}");
    let plain = Filter::parse(&text);
    let attributes: Vec<_> = Attribute::parse(&text).into_iter().collect();
    for filter in filter.iter().chain(&plain) {
        let asked = Search { base: &text, scope: Scope::Subtree, filter, attributes: &attributes };
        let request = search(1, asked, &[]);
        assert_eq!(length(&request), Ok(Some(request.len())));
    }
}

fn values(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(at) = generalized_time(&text) {
        assert!(generalized_time(&generalized(at)).is_some());
    }
    let _ = (filetime(&text), guid(bytes), hex_id(bytes), unicode_password(&text));
}

/// Messages of servers by their octets.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = [
        // Success of a bind; a refusal with the words of Active Directory; with a password policy.
        &b"\x00\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00"[..],
        b"\x00\x30\x14\x02\x01\x01\x61\x0f\x0a\x01\x31\x04\x00\x04\x08data 52e",
        b"\x00\x30\x33\x02\x01\x01\x61\x07\x0a\x01\x31\x04\x00\x04\x00\xa0\x25\x30\x23\x04\x191.3.6.1.4.1.42.2.27.8.5.1\x01\x01\x00\x04\x03\x30\x01\x81",
        // An entry.
        b"\x00\x30\x1e\x02\x01\x02\x64\x19\x04\x04cn=a\x30\x11\x30\x0f\x04\x03uid\x31\x08\x04\x06alice1",
        b"\x01\x01\x04\x04cn=a\x30\x11\x30\x0f\x04\x03uid\x31\x08\x04\x06alice1",
        b"\x01\x06\x80\x181.3.6.1.4.1.4203.1.9.1.4\x81\x05\xa1\x03\x04\x01a",
        // Cookie of a page, state of an entry, end of a refresh.
        b"\x02\x30\x07\x02\x01\x64\x04\x02ab",
        b"\x02\x30\x18\x0a\x01\x01\x04\x10abcdefghijklmnop\x04\x01c",
        b"\x02\x30\x06\x04\x01a\x01\x01\xff",
        b"\x02\xa3\x1a\x04\x01c\x01\x01\x00\x31\x12\x04\x10abcdefghijklmnop",
        b"\x03\x00\x31\x04\x030\x01\x8180090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data 775, v1db1",
        b"\x03\x00\x00\x06\x000000052D: Constraint violation",
        b"\x04uid=alice,ou=people,dc=example,dc=edu",
        b"\x04cn=Smith\\, John+mail=a@b\\20c,o=\\c3\\a9cole",
        b"\x04(&(|(uid=a*b)(cn:dn:2.5.13.2:=x))(!(mail>=q))(sn~=z))",
        b"\x0520261128101112.5Z",
        b"\x0520261128101112+0130",
        b"\x05133774848000000000",
        b"\x05abcdefghijklmnop",
    ]
    .into_iter()
    .map(<[u8]>::to_vec)
    .collect();
    seeds.push(b"\x04alice*)(uid=*))(|(uid=*".to_vec());
    seeds
}

/// Words of its grammar.
pub fn words() -> Vec<String> {
    words_of(
        "uid cn mail objectClass person data 52e 530 531 532 533 701 773 775 dc example edu ou people Exceed password retry limit inactivated",
    )
}
