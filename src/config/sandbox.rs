//! `[sandbox]`: what the daemon takes away from itself.

use super::files::Files;
use super::report::At;
use super::section::Section;
use std::path::PathBuf;

/// `[sandbox]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether the daemon confines what it may write, where the kernel can.
    pub landlock: bool,
    /// What programs that send messages may write as well: folders with all that is in them, and files.
    pub read_write_paths: Vec<PathBuf>,
}

pub(super) fn sandbox(section: &Section<'_>, files: &Files<'_>) -> Option<Sandbox> {
    let landlock = section.boolean("landlock");
    if landlock == Some(false) {
        let said = "`sandbox.landlock` is off: whoever takes the daemon over may write whatever its user may";
        files.warn(said.to_owned());
    }
    let path = |(text, at): (String, At)| {
        if text.is_empty() {
            section.error(at, "a path is empty", "a folder or file that programs write to");
        }
        files.base.join(text)
    };
    let read_write_paths = section.texts("read_write_paths")?.into_iter().map(path).collect();
    Some(Sandbox { landlock: landlock?, read_write_paths })
}
