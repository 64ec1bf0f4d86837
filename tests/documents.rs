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

/// What the sections of a page are called in links.
fn sections(path: &Path) -> HashSet<String> {
    let text = fs::read_to_string(path).unwrap();
    let headings =
        text.lines().filter_map(|line| Some(line.strip_prefix('#')?.trim_start_matches('#').trim()));
    let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
    headings
        .map(|heading| heading.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-"))
        .collect()
}

#[test]
fn every_link_in_the_documents_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut broken = Vec::new();
    for path in files(&root.join("docs"), ".md").into_iter().chain([root.join("README.md")]) {
        let text = fs::read_to_string(&path).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, section) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let there = file.exists() && (section.is_empty() || sections(&file).contains(section));
            if !there {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The modules right in a folder.
fn modules(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let modules =
        entries.filter(|path| path.extension().is_some_and(|it| it == "rs") || path.join("mod.rs").exists());
    let names = modules.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
    names.filter(|name| name != "mod").collect()
}

#[test]
fn architecture_names_every_module_and_every_file_of_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let section = |title: &str| {
        let rest = text.split_once(&format!("\n## {title}\n")).unwrap().1;
        rest.split("\n## ").next().unwrap()
    };
    // In the ranks that are left out, files are named after what they are about.
    let ranks = ["src/base", "src/wire", "src/domain", "src/engine", "src/serve"];
    let folders = ranks.map(|rank| (rank, "Where to find what")).into_iter().chain([("tests", "Tests")]);
    let mut missing = Vec::new();
    for (folder, title) in folders {
        let named: HashSet<_> = section(title).split('`').skip(1).step_by(2).collect();
        let modules = modules(&root.join(folder)).into_iter();
        missing.extend(
            modules.filter(|name| !named.contains(name.as_str())).map(|name| format!("{folder}/{name}")),
        );
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn troubleshooting_has_a_section_for_each_reason_and_each_drop_and_no_other() {
    use doorward::domain::reason::Reason;
    use doorward::serve::radius::Counters;
    // What is counted and is no trouble.
    const FINE: [&str; 4] = ["received", "answered", "duplicate-answered", "status-server"];
    let drops = Counters::default().snapshot().into_iter().map(|(name, _)| name.to_owned());
    let drops = drops.filter(|name| !FINE.contains(&name.as_str()));
    let reasons = Reason::ALL.iter().map(|reason| reason.as_str().to_owned());
    let mut wanted: Vec<String> = drops.chain(reasons).collect();
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md")).unwrap();
    let sections = text.split("\n### `").skip(1).map(|section| section.split_once("`\n\n").unwrap());
    let (mut named, bodies): (Vec<String>, Vec<&str>) =
        sections.map(|(name, body)| (name.to_owned(), body)).unzip();
    wanted.sort();
    named.sort();
    assert_eq!(named, wanted);
    assert!(bodies.iter().all(|body| body.trim().len() > 15), "a section says something");
}
