//! Printing: JSON, or tables on a terminal and tab-separated lines elsewhere.

use super::Global;
use crate::wire::syslog::visible;
use anyhow::{Context as _, Result, bail};
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;
use std::io::{BufRead, IsTerminal, Write};

/// How this run prints and asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
    terminal: bool,
    asks: bool,
}

impl Output {
    pub(super) fn new(global: &Global) -> Self {
        let terminal = std::io::stdout().is_terminal();
        Self { json: global.json, terminal, asks: !global.no_input && std::io::stdin().is_terminal() }
    }

    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether somebody looks at the output.
    pub(super) const fn is_terminal(self) -> bool {
        self.terminal
    }

    /// Whether a person is there to answer.
    pub(super) const fn can_ask(self) -> bool {
        self.asks
    }

    /// The answer as JSON, or what `text` makes of it.
    pub(super) fn show(self, value: &Value, text: impl FnOnce(Self, &Value) -> Result<()>) -> Result<()> {
        if self.json {
            return self.line(&serde_json::to_string_pretty(value)?);
        }
        text(self, value)
    }

    pub(super) fn line(self, text: &str) -> Result<()> {
        writeln!(std::io::stdout().lock(), "{text}")?;
        Ok(())
    }

    /// A QR code; on a terminal black on white whatever its colours are, or a camera may not read it.
    pub(super) fn qr_code(self, text: &str) -> Result<()> {
        let Ok(code) = qrcode::QrCode::new(text.as_bytes()) else { return Ok(()) };
        let picture = code.render::<qrcode::render::unicode::Dense1x2>().quiet_zone(true).build();
        let (on, off) = if self.terminal { ("\x1b[30;107m", "\x1b[0m") } else { ("", "") };
        for line in picture.lines() {
            self.line(&format!("{on}{line}{off}"))?;
        }
        Ok(())
    }

    /// Rows of an array under these fields; a table on a terminal, else one line a row with tabs and no header.
    pub(super) fn rows(self, rows: &Value, fields: &[(&str, &str)]) -> Result<()> {
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let cells = |row: &Value| fields.iter().map(|(_, field)| cell(row.get(*field))).collect::<Vec<_>>();
        let mut out = std::io::stdout().lock();
        if self.terminal {
            if rows.is_empty() {
                writeln!(out, "(none)")?;
                return Ok(());
            }
            let mut table = Table::new();
            table.load_style(UTF8_BORDERS_ONLY).set_content_arrangement(ContentArrangement::Dynamic);
            if let Ok(size) = rustix::termios::tcgetwinsize(std::io::stdout())
                && size.ws_col > 0
            {
                table.set_width(size.ws_col);
            }
            table.set_header(fields.iter().map(|(title, _)| *title));
            for row in rows {
                table.add_row(cells(row));
            }
            writeln!(out, "{table}")?;
        } else {
            for row in rows {
                writeln!(out, "{}", cells(row).join("\t"))?;
            }
        }
        Ok(())
    }

    /// Names and values below each other.
    pub(super) fn fields(self, value: &Value, fields: &[(&str, &str)]) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let width = fields.iter().map(|(title, _)| title.chars().count()).max().unwrap_or(0);
        for (title, field) in fields {
            writeln!(out, "{title:width$}  {}", cell(value.get(*field)))?;
        }
        Ok(())
    }

    /// What an answer warns of, a line each.
    pub(super) fn warnings(self, answer: &Value) -> Result<()> {
        let mut said = answer["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
        said.try_for_each(|said| self.line(&format!("warning: {}", plain(said))))
    }

    /// Something that exists already: typed once, or one line of standard input.
    pub(super) fn present_secret(self, what: &str) -> Result<String> {
        if self.asks {
            return Ok(rpassword::prompt_password(format!("{what}: "))?);
        }
        self.secret(what)
    }

    /// Something typed twice without showing, or one line of standard input where there is no terminal.
    pub(super) fn secret(self, what: &str) -> Result<String> {
        if !self.asks {
            let mut line = String::new();
            std::io::stdin().lock().read_line(&mut line).context("standard input cannot be read")?;
            let line = line.trim_end_matches(['\r', '\n']).to_owned();
            if line.is_empty() {
                bail!("give the {what} as one line on standard input");
            }
            return Ok(line);
        }
        let first = rpassword::prompt_password(format!("New {what}: "))?;
        let second = rpassword::prompt_password(format!("The same {what} again: "))?;
        if first != second {
            bail!("the two were not the same; nothing was changed");
        }
        Ok(first)
    }
}

/// Text that others have chosen, on one line of its cell: nothing in it steers the terminal of whoever looks.
pub(super) fn plain(text: &str) -> String {
    visible(&text.replace(['\t', '\n', '\r'], " ")).collect()
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        // Usernames are what strangers type: nothing of them moves the cursor or the direction of the text.
        Some(Value::String(text)) => plain(text),
        Some(Value::Object(fields)) => {
            let field = |(name, value): (&String, &Value)| format!("{name} {}", cell(Some(value)));
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        Some(Value::Array(items)) => items.iter().map(|item| cell(Some(item))).collect::<Vec<_>>().join(", "),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn name_in_a_table_cannot_steer_the_terminal() {
        let name = json!("a\x1b[2J\u{9b}31m\u{202e}\nb");
        assert_eq!(cell(Some(&name)), "a\u{241b}[2J\u{fffd}31m\u{fffd} b");
        assert_eq!(cell(Some(&json!([name]))), "a\u{241b}[2J\u{fffd}31m\u{fffd} b");
        assert_eq!(cell(Some(&json!({"decided": 3, "undecided": 0}))), "decided 3, undecided 0");
    }
}
