//! Gateways that are a program.

use super::super::files::Files;
use super::super::section::Section;
use std::path::PathBuf;

/// What the program reads on standard input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecInput {
    /// One JSON object.
    Json,
    /// The number, an empty line, the text.
    Lines,
}

/// A program, run without a shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// What it reads.
    pub input: ExecInput,
}

pub(super) fn program(section: &Section<'_>, files: &Files<'_>) -> Option<Program> {
    let args = section.texts("args");
    let input = section.choice("input", &[("json", ExecInput::Json), ("lines", ExecInput::Lines)]);
    let path = section.path("program", files.base)?;
    if !std::fs::metadata(&path).is_ok_and(|file| file.is_file()) {
        let message = format!("there is no program {}", path.display());
        section.error(section.place("program"), message, "the path of a program or script that may be run");
    }
    let args = args?.into_iter().map(|(text, _)| text).collect();
    Some(Program { path, args, input: input? })
}
