//! CSV to raw people.

use super::{Errors, KEYS, Lines, Raw};

/// Reads every record that has the header's number of fields; tells of the others.
pub(super) fn read(text: &str, errors: &mut Errors) -> Vec<Raw> {
    let mut reader =
        ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut records = reader.records();
    let Some(Ok(header)) = records.next() else {
        errors.add(1, "the file is empty; the first line names the columns");
        return Vec::new();
    };
    let columns: Vec<String> = header.iter().map(|name| name.trim().to_lowercase()).collect();
    if !check_header(&columns, errors) {
        return Vec::new();
    }
    let lines = Lines::of(text);
    let mut raws = Vec::new();
    for record in records {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                errors.add(line_of(text, &lines, error.position()), "this line cannot be read as CSV");
                continue;
            }
        };
        let line = line_of(text, &lines, record.position());
        if record.iter().all(|field| field.trim().is_empty()) {
            continue;
        }
        if record.len() != columns.len() {
            let (found, wanted) = (record.len(), columns.len());
            errors.add(
                line,
                format!("{found} fields where the header has {wanted}; put quotes around a field with a comma in it"),
            );
            continue;
        }
        let mut raw = Raw { line, ..Raw::default() };
        columns.iter().zip(record.iter()).for_each(|(column, field)| raw.set(column, field));
        raws.push(raw);
    }
    raws
}

fn check_header(columns: &[String], errors: &mut Errors) -> bool {
    let before = errors.0.len();
    if !columns.iter().any(|column| column == "username") {
        // The line may be a person without header, so it is not repeated here.
        errors
            .add(1, format!("the first line must name the columns, username among them: {}", KEYS.join(",")));
        return false;
    }
    for (at, column) in columns.iter().enumerate() {
        if !KEYS.contains(&column.as_str()) {
            errors.add(1, format!("there is no column {column:?}; the columns are {}", KEYS.join(", ")));
        } else if columns.iter().take(at).any(|earlier| earlier == column) {
            errors.add(1, format!("the column {column:?} is there twice"));
        }
    }
    errors.0.len() == before
}

/// The line where a record begins. The reader's own count takes the rest of CRLF and empty lines in front for
/// part of the record.
fn line_of(text: &str, lines: &Lines, position: Option<&::csv::Position>) -> usize {
    let start = position.and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(0);
    let ends = text.bytes().skip(start).take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    lines.at(start + ends)
}
