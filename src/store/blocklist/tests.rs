//! Claims about the file, and about making it.

use super::*;
use crate::domain::password::{PasswordProblem, PasswordRules};
use crate::domain::person::Username;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

fn sources(inputs: &[&Path]) -> Sources {
    Sources { inputs: inputs.iter().map(|path| (*path).to_owned()).collect(), least: 1 }
}

fn made(text: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf, Result<Built, BuildError>) {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("words"), dir.path().join("list"));
    fs::write(&input, text).unwrap();
    let built = build(&sources(&[&input]), &output, |_| {});
    (dir, output, built)
}

fn refused(list: Blocklist, password: &str) -> bool {
    let rules = PasswordRules::new(8, 64, [""; 0]).with_blocklist(Some(Arc::new(list)));
    let checked = rules.check(&Username::parse("jdoe").unwrap(), password);
    checked.is_err_and(|problems| problems == [PasswordProblem::Blocklisted])
}

#[test]
fn list_that_was_made_is_read_and_refuses_what_is_in_it() {
    let text =
        b"lantern umbrella\r\nLANTERN UMBRELLA\nshort\n\ncaf\xe9 umbrella\nviolet-quartz-larch".to_vec();
    let long = [text, b"\n".to_vec(), vec![b'x'; 500_000], b"\nharbour nightingale\n".to_vec()].concat();
    let (_dir, path, built) = made(long);
    let bytes = fs::metadata(&path).unwrap().len();
    assert_eq!(built.unwrap(), Built { lines: 8, passwords: 3, short: 1, rare: 0, unusable: 2, bytes });
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    assert_eq!(load(&path).unwrap().keys(), 3);
    for listed in ["Lantern Umbrella", "violet-quartz-larch", "Harbour Nightingale"] {
        assert!(refused(load(&path).unwrap(), listed), "{listed}");
    }
    assert!(!refused(load(&path).unwrap(), "lantern umbrellas"));
}

#[test]
fn rare_hashes_are_left_out_where_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("corpus"), dir.path().join("list"));
    let line = |last: char, count: u32| {
        format!(
            "{}{last}:{count}\n",
            "5baa61e4c9b93f3f0682250b6cf8331b7ee68fd".replace('5', &last.to_string())
        )
    };
    fs::write(&input, format!("{}{}{}", line('1', 9), line('2', 10), line('3', 11))).unwrap();
    let built = build(&Sources { least: 10, ..sources(&[&input]) }, &output, |_| {}).unwrap();
    assert_eq!((built.lines, built.passwords, built.rare), (3, 2, 1));
}

#[test]
fn many_passwords_from_several_files_are_spread_over_shards() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second, output) = (dir.path().join("1"), dir.path().join("2"), dir.path().join("list"));
    let half =
        |range: std::ops::Range<u32>| range.map(|n| format!("lantern umbrella {n}\n")).collect::<String>();
    fs::write(&first, half(0..14_000)).unwrap();
    fs::write(&second, half(12_000..24_000)).unwrap();
    let mut stages = Vec::new();
    let built = build(&sources(&[&first, &second]), &output, |stage| stages.push(stage)).unwrap();
    assert_eq!((built.lines, built.passwords), (26_000, 24_000));
    assert_eq!(stages.last(), Some(&Stage::Making(8, 8)));
    let total = fs::metadata(&first).unwrap().len() + fs::metadata(&second).unwrap().len();
    assert!(matches!(stages[0], Stage::Reading(at, of) if of == total && (total / 2..total).contains(&at)));
    let rules = PasswordRules::new(8, 64, [""; 0]).with_blocklist(Some(Arc::new(load(&output).unwrap())));
    let jdoe = Username::parse("jdoe").unwrap();
    let refused = |n: u32| rules.check(&jdoe, &format!("Lantern Umbrella {n}")).is_err();
    assert!((0..24_000).step_by(7).all(refused));
    let wrongly = (24_000..34_000).filter(|n| refused(*n)).count();
    assert!(wrongly < 6, "one of 32,768 is expected: {wrongly} of 10,000");
}

#[test]
fn whatever_is_changed_or_cut_off_is_told() {
    let (_dir, path, built) = made("lantern umbrella\nviolet-quartz-larch\n");
    built.unwrap();
    let right = fs::read(&path).unwrap();
    let told = |octets: &[u8]| {
        fs::write(&path, octets).unwrap();
        load(&path).unwrap_err()
    };
    for at in 0..right.len() {
        let mut wrong = right.clone();
        wrong[at] ^= 1;
        let error = told(&wrong);
        let fits = match at {
            0..8 => matches!(error, BlocklistError::Foreign(_)),
            8..12 => matches!(error, BlocklistError::Version(..)),
            _ => matches!(error, BlocklistError::Damaged(_)),
        };
        assert!(fits, "{at}: {error}");
    }
    for length in 8..right.len() {
        assert!(matches!(told(&right[..length]), BlocklistError::Damaged(_)), "{length}");
    }
    assert!(matches!(told(&[&right[..], b"x"].concat()), BlocklistError::Damaged(_)));
    assert!(matches!(told(b""), BlocklistError::Foreign(_)));
    assert!(matches!(told(b"a list of words\nthat was not built\n"), BlocklistError::Foreign(_)));
    // What the head promises is not allocated.
    let mut wide = right.clone();
    wide[72..76].copy_from_slice(&[0xff; 4]);
    assert!(matches!(told(&wide), BlocklistError::Damaged(_)));
}

#[test]
fn errors_say_what_to_do() {
    let (dir, path, built) = made("lantern umbrella\n");
    built.unwrap();
    let mut newer = fs::read(&path).unwrap();
    newer[8] = 2;
    fs::write(&path, newer).unwrap();
    let told = load(&path).unwrap_err().to_string();
    assert!(told.contains("version 2") && told.contains("reads version 1. Make it anew"), "{told}");
    let told = load(&dir.path().join("none")).unwrap_err().to_string();
    assert!(told.contains("cannot be read") && told.contains("may the daemon's user read it?"), "{told}");
    assert!(load(dir.path()).unwrap_err().to_string().contains("it is not a file"));
}

#[test]
fn list_that_cannot_be_made_leaves_the_old_one() {
    let (dir, path, built) = made("lantern umbrella\n");
    built.unwrap();
    let old = fs::read(&path).unwrap();
    let input = dir.path().join("words");
    for (text, part) in
        [(&b"short\n\n"[..], "no password of at least 8"), (b"\x1f\x8b\x08packed", "is compressed. Unpack")]
    {
        fs::write(&input, text).unwrap();
        let told = build(&sources(&[&input]), &path, |_| {}).unwrap_err().to_string();
        assert!(told.contains(part), "{told}");
    }
    let nowhere = dir.path().join("none/list");
    fs::write(&input, "lantern umbrella\n").unwrap();
    let told = build(&sources(&[&input]), &nowhere, |_| {}).unwrap_err();
    assert!(matches!(told, BuildError::Write(..)), "{told}");
    let told = build(&sources(&[&nowhere]), &path, |_| {}).unwrap_err();
    assert!(matches!(told, BuildError::Read(..)), "{told}");
    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "no temporary file is left");
}
