//! Statements about many rows at once. Texts are few, so that prepared ones are found again: the number of rows is one
//! of a few sizes.

use std::fmt::Write;

/// Rows in one statement at most; ten values each stay far below what databases allow.
const MOST: usize = 64;

/// How many rows the next statement should insert, of so many that are left: 64, a multiple of 8, or the rest.
pub(super) const fn portion(left: usize) -> usize {
    match left {
        ..8 => left,
        8..MOST => left / 8 * 8,
        MOST.. => MOST,
    }
}

/// How many places a list gets that names so many values, at most [`MOST`]; the places left over are filled with
/// something that is nowhere.
pub(super) const fn places(wanted: usize) -> usize {
    match wanted {
        ..=1 => 1,
        2..=4 => 4,
        5..=16 => 16,
        17.. => MOST,
    }
}

/// Parts of a list, each for one statement.
pub(super) fn parts<T>(list: &[T]) -> impl Iterator<Item = &[T]> {
    list.chunks(MOST)
}

/// `($1, $2), ($3, $4)`: so many rows of so many values.
pub(super) fn rows(rows: usize, columns: usize) -> String {
    let mut text = String::with_capacity(rows * (columns * 6 + 4));
    for row in 0..rows {
        text.push_str(if row == 0 { "(" } else { ", (" });
        text.push_str(&list(row * columns + 1, columns));
        text.push(')');
    }
    text
}

/// `$3, $4, $5`: so many values from a number on.
pub(super) fn list(from: usize, count: usize) -> String {
    let mut text = String::with_capacity(count * 6);
    for number in from..from + count {
        let comma = if number == from { "" } else { ", " };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}${number}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_numbered_through() {
        assert_eq!(rows(2, 3), "($1, $2, $3), ($4, $5, $6)");
        assert_eq!(list(1, 2), "$1, $2");
    }

    #[test]
    fn portions_add_up_and_are_of_few_sizes() {
        let mut sizes = std::collections::BTreeSet::new();
        for count in 0..=600 {
            let mut left = count;
            while left > 0 {
                let portion = portion(left);
                assert!((1..=MOST).contains(&portion) && portion <= left);
                sizes.insert(portion);
                left -= portion;
            }
        }
        assert!(sizes.len() <= 15, "{sizes:?}");
    }
}
