//! Documents that name tests or files name ones that exist.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

fn files(under: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(under).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_test_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut functions = HashSet::new();
    for path in files(&root.join("src"), ".rs").into_iter().chain(files(&root.join("tests"), ".rs")) {
        let text = fs::read_to_string(path).unwrap();
        let names = text.split("fn ").skip(1).filter_map(|rest| rest.split('(').next());
        functions.extend(names.map(str::to_owned));
    }
    let mut missing = Vec::new();
    for name in ["threat-model.md", "past-attacks.md", "requirements.md"] {
        let text = fs::read_to_string(root.join("docs").join(name)).unwrap();
        // A test's name is the only word in backticks with four underscores or more.
        let quoted = text.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 3);
        missing
            .extend(quoted.filter(|test| !functions.contains(*test)).map(|test| format!("{name}: {test}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for path in files(&root.join("docs"), ".md").into_iter().chain([root.join("README.md")]) {
        let text = fs::read_to_string(&path).unwrap();
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !target.contains("://") && !path.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
