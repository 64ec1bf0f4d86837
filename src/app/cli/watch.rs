//! `doorward watch`: logins as they happen.

use super::admin::Admin;
use super::commands::Watch;
use crate::app::client::{EX_UNAVAILABLE, Send};
use crate::base::percent_encode as segment;
use anyhow::Result;
use hyper::Method;
use serde_json::Value;
use std::io::Write;
use std::process::ExitCode;

impl Admin {
    pub(super) async fn watch(&self, Watch { user, client, rejected }: Watch) -> Result<ExitCode> {
        let part = |name: &str, value: Option<String>| {
            value.map(|value| format!("&{name}={}", segment(&value))).unwrap_or_default()
        };
        let path = format!("watch?rejected={rejected}{}{}", part("user", user), part("client", client));
        let out = self.output;
        let each = |line: &Value| match line["watching"] == true {
            _ if out.is_json() => out.line(&line.to_string()),
            true => {
                writeln!(std::io::stderr().lock(), "Following the logins; Ctrl-C ends it.")?;
                Ok(())
            }
            false => out.line(&text(line)),
        };
        self.client.lines(Method::GET, &path, Send::Nothing, each).await?;
        let why = "The daemon has stopped, or you may not watch any more.";
        writeln!(std::io::stderr().lock(), "doorward: {why}")?;
        Ok(ExitCode::from(EX_UNAVAILABLE))
    }
}

/// One line for a person. What comes from outside must not steer the terminal.
fn text(line: &Value) -> String {
    if let Some(lost) = line["lost"].as_u64() {
        return format!("-- {lost} logins are not shown: they came faster than they were read here");
    }
    let field = |name: &str| shown(line[name].as_str().unwrap_or_default());
    let at = line["at"].as_str().and_then(|at| at.get(..19)).unwrap_or_default();
    let station = match field("calling_station") {
        station if station == "-" => String::new(),
        station => format!("  from {station}"),
    };
    format!(
        "{at}  {:9}  {:16}  {:12}  {:12}  {}{station}",
        field("outcome"),
        field("username"),
        field("client"),
        field("method"),
        field("reason"),
    )
}

fn shown(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    let quotes = |letter: char| matches!(letter, '"' | '\'');
    let plain =
        |letter: char| if quotes(letter) { letter.to_string() } else { letter.escape_debug().to_string() };
    text.chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn name_cannot_steer_the_terminal_nor_make_a_second_line() {
        let line = json!({
            "at": "2026-11-28T22:00:00.123Z", "outcome": "reject", "reason": "unknown-person", "method": "none",
            "client": "vpn", "username": "a\n\u{1b}[2J\u{202e}'b\\", "calling_station": "",
        });
        let text = text(&line);
        assert!(!text.chars().any(|letter| letter.is_control() || letter == '\u{202e}'), "{text:?}");
        assert!(text.contains(r"a\n\u{1b}[2J\u{202e}'b\\"), "{text}");
        assert!(text.starts_with("2026-11-28T22:00:00  reject"), "{text}");
    }

    #[test]
    fn what_was_lost_is_said() {
        assert!(super::text(&json!({"lost": 7})).contains("7 logins are not shown"));
    }
}
