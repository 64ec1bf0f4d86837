//! Holds the ranks of the tree: a module imports only ranks above its own, siblings inside `serve` never
//! import each other (only what they share, `http` and `handed`), and the pure ranks know no sockets, clocks or global randomness.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

/// From the top; each may import those before it. Ranks in one group may not import each other.
const RANKS: [&str; 9] = ["base", "wire", "domain", "eap", "config", "store", "engine", "serve", "app"];

/// In these ranks a decision is a function of its arguments.
const PURE: [&str; 3] = ["wire", "domain", "eap"];

/// The modules in `serve` that its siblings may import; they import none of them.
const SHARED: [&str; 2] = ["handed", "http"];

const FORBIDDEN: [&str; 11] = [
    "tokio::",
    "std::net::UdpSocket",
    "std::net::Tcp",
    "std::os::unix::net",
    "Instant::now",
    "SystemTime",
    "SystemClock",
    "OsRandom",
    "rand::",
    "tracing::",
    "std::fs",
];

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Lines of code with their numbers: without comments, and without inline test modules, which may use anything.
fn code(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let (mut after_cfg_test, mut in_tests) = (false, false);
    for (number, line) in text.lines().enumerate() {
        let opens = line.ends_with('{') && (line.starts_with("mod ") || line.starts_with("pub(crate) mod "));
        let opens = opens || line.starts_with("pub(super) mod ") && line.ends_with('{');
        in_tests |= after_cfg_test && opens;
        if !in_tests && !line.trim_start().starts_with("//") {
            lines.push((number + 1, line));
        }
        if line == "}" {
            in_tests = false;
        }
        after_cfg_test = line.starts_with("#[cfg(test)]");
    }
    lines
}

/// First path segments after a prefix in a line, also from a group `use crate::{a, b::c}`.
fn segments(line: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let rest = &line[at + prefix.len()..];
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group.split([',', '}']).collect(),
            None => vec![rest],
        };
        for name in names {
            let segment: String =
                name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !segment.is_empty() {
                found.push(segment);
            }
        }
    }
    found
}

/// Those imported from the crate.
fn imports(line: &str) -> Vec<String> {
    segments(line, "crate::")
}

fn is_test_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs")
        || path.components().any(|c| c.as_os_str() == "tests")
}

fn violations() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for path in sources(&root) {
        let relative = path.strip_prefix(&root).unwrap().to_owned();
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy().replace(".rs", "")).collect();
        let Some(rank) = RANKS.iter().position(|name| *name == parts[0]) else {
            if !["lib", "main"].contains(&parts[0].as_str()) {
                wrong.push(format!("{}: `{}` is no rank", relative.display(), parts[0]));
            }
            continue;
        };
        let text = fs::read_to_string(&path).unwrap();
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not open with `//!`", relative.display()));
        }
        if is_test_file(&relative) {
            continue;
        }
        for (number, line) in code(&text) {
            let mut say = |what: String| wrong.push(format!("{}:{number}: {what}", relative.display()));
            for import in imports(line) {
                if RANKS.iter().position(|name| *name == import).is_some_and(|other| other > rank) {
                    say(format!("`{}` imports `{import}`, which is below it", parts[0]));
                }
            }
            if parts[0] == "serve" && parts.len() > 1 {
                let nested = parts.len() == 3;
                let others = segments(line, "crate::serve::").into_iter();
                let others = others.chain(segments(line, "super::super::").into_iter().filter(|_| nested));
                for other in others {
                    if other != parts[1] && (!SHARED.contains(&other.as_str()) || parts.len() == 2) {
                        say(format!("`serve::{}` imports a sibling", parts[1]));
                    }
                }
            }
            if PURE.contains(&parts[0].as_str()) {
                for forbidden in FORBIDDEN.iter().filter(|forbidden| line.contains(**forbidden)) {
                    say(format!("`{forbidden}` in a rank that only decides"));
                }
            }
        }
    }
    wrong
}

#[test]
fn each_rank_imports_only_ranks_above_it() {
    let wrong = violations();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn imports_are_found_in_every_form() {
    assert_eq!(imports("use crate::serve::radius;"), ["serve"]);
    assert_eq!(imports("use crate::{base, store::People};"), ["base", "store"]);
    assert_eq!(imports("let x: crate::app::X = crate::domain::Y;"), ["app", "domain"]);
    assert_eq!(segments("use crate::serve::{http, wsapi::State};", "crate::serve::"), ["http", "wsapi"]);
}

#[test]
fn code_after_a_test_module_counts() {
    let text = "use a;\n#[cfg(test)]\nmod tests {\n    use b;\n}\nuse c;\n// use d;\n";
    let kept: Vec<_> = code(text).into_iter().map(|(_, line)| line).collect();
    assert_eq!(kept, ["use a;", "#[cfg(test)]", "use c;"]);
}

#[test]
fn main_is_short() {
    let main = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/main.rs");
    assert!(fs::read_to_string(main).unwrap().lines().count() <= 40);
}
