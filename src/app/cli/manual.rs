//! `doorward man` and `doorward completions`: manual pages and completions for shells, made from the definition of the command line and from
//! the list of keys, when a package is made; so there is nothing that could be out of date.

use super::Cli;
use crate::config;
use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Defaults of so many bytes stand beside the key.
const SHORT: usize = 60;

/// Where the configuration is, in section 5 of the manual.
const CONFIGURATION: &str = "doorward.toml";

/// Writes all pages into `man1` and `man5` of a folder, which are made if they are missing.
pub(super) fn pages(dir: &Path) -> Result<ExitCode> {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    page(command, dir)?;
    let file = format!("{CONFIGURATION}.5");
    write(&dir.join("man5"), &file, &titled(&configuration().render(), &file))?;
    Ok(ExitCode::SUCCESS)
}

/// The page of a command, and those of its subcommands.
fn page(command: clap::Command, dir: &Path) -> Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        page(below.clone(), dir)?;
    }
    let page = Man::new(command);
    let name = page.get_filename();
    let mut text = Vec::new();
    page.render(&mut text)?;
    let mut roff = Roff::new();
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("doorward"), roman("(1), "), bold(CONFIGURATION), roman("(5)")]);
    write(&dir.join("man1"), &name, &(titled(&String::from_utf8(text)?, &name) + &roff.to_roff()))
}

/// A page with its own title: what the crates write leaves an empty date out, so that the version takes its place.
fn titled(page: &str, file: &str) -> String {
    let (name, section) = file.rsplit_once('.').unwrap_or((file, ""));
    let title =
        format!(".TH \"{name}\" \"{section}\" \"\" \"doorward {}\" \"Doorward\"", env!("CARGO_PKG_VERSION"));
    let line = |line: &str| if line.starts_with(".TH ") { title.clone() + "\n" } else { format!("{line}\n") };
    page.lines().map(line).collect()
}

fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("the folder {} cannot be made", dir.display()))?;
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
}

/// `doorward.toml(5)`.
fn configuration() -> Roff {
    let mut roff = Roff::new();
    roff.control("TH", [CONFIGURATION]).control("ad", ["l"]).control("nh", []);
    roff.control("SH", ["NAME"]).text([roman(format!("{CONFIGURATION} - configuration of doorward"))]);
    roff.control("SH", ["SYNOPSIS"]).text([roman("/etc/doorward/doorward.toml")]);
    roff.control("br", []).text([roman("/etc/doorward/conf.d/*.toml")]);
    roff.control("SH", ["DESCRIPTION"]).text(inlines(
        "Files are read in order of name, `doorward.toml` first. Tables are merged key by key, a later file over an earlier; \
         tables in double brackets, such as `[[client]]`, are appended. Variables of the environment named \
         `DOORWARD__SECTION__KEY` come last. Paths are relative to the folder of `doorward.toml`. Durations are a number and \
         `ms`, `s`, `m`, `h` or `d`.",
    ));
    roff.control("PP", []).text(inlines(
        "`doorward check` prints every error with its place, and `doorward reload` has the running daemon take them over.",
    ));
    for config::Documented { section, about, keys } in config::documented() {
        roff.control("SH", [section]).text(inlines(about));
        for (name, default, about) in keys {
            let (short, long) = match default {
                Some(default) if default.len() <= SHORT => (format!(" = {default}"), ""),
                default => (String::new(), default.unwrap_or_default()),
            };
            roff.control("TP", []).text([bold(name), roman(short)]).text(inlines(about));
            // A text of several lines, which nothing else could break.
            for line in long.split_inclusive("\\n") {
                roff.control("br", []).text([roman(line)]);
            }
        }
    }
    roff.control("SH", ["SEE ALSO"]).text([bold("doorward"), roman("(1)")]);
    roff
}

/// A line of Markdown: what is between backticks is bold.
fn inlines(markdown: &str) -> Vec<Inline> {
    let parts = markdown.split('`').enumerate();
    parts.map(|(at, text)| if at % 2 == 1 { bold(text) } else { roman(text) }).collect()
}

/// Prints completions.
pub(super) fn completions(shell: Shell) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "doorward", &mut text);
    std::io::stdout().lock().write_all(&text)?;
    Ok(ExitCode::SUCCESS)
}
