//! Manual pages and completions, read by the programs that people read them with.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DOORWARD: &str = env!("CARGO_BIN_EXE_doorward");

fn output(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| unreachable!("{command:?}: {error}"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// All pages in a folder of their own.
fn pages() -> (tempfile::TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let made = output(Command::new(DOORWARD).arg("man").arg(dir.path().join("share/man")));
    assert!(made.status.success(), "{}", text(&made.stderr));
    let section = |name: &str| std::fs::read_dir(dir.path().join("share/man").join(name)).unwrap();
    let found = section("man1").chain(section("man5")).map(|entry| entry.unwrap().path()).collect();
    (dir, found)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

#[test]
fn manual_pages_are_rendered_without_a_warning() {
    let (_dir, pages) = pages();
    for page in &pages {
        let groff = output(Command::new("groff").args(["-man", "-ww", "-z", "-Kutf8", "-Tutf8"]).arg(page));
        assert!(groff.status.success() && groff.stderr.is_empty(), "{}: {}", name(page), text(&groff.stderr));
        let lint = output(Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(page));
        // A page that is made anew with each package has no date of its own, and lists of values begin with an empty line.
        const FINE: [&str; 2] = ["missing date", "skipping paragraph macro: br"];
        let said = text(&lint.stdout) + &text(&lint.stderr);
        let warnings: Vec<_> =
            said.lines().filter(|line| !FINE.iter().any(|fine| line.contains(fine))).collect();
        assert!(warnings.is_empty(), "{warnings:#?}");
    }
}

/// Subcommands that the help of a command lists.
fn listed(command: &[&str]) -> Vec<String> {
    let help = text(&output(Command::new(DOORWARD).args(command).arg("--help")).stdout);
    let list = help.split_once("\nCommands:\n").map_or("", |(_, list)| list.split("\n\n").next().unwrap());
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn every_command_has_a_page() {
    let (_dir, pages) = pages();
    let there: Vec<String> = pages.iter().map(|page| name(page)).collect();
    assert!(there.contains(&"doorward.1".to_owned()));
    let commands = listed(&[]);
    assert!(commands.len() > 15, "{commands:?}");
    for command in &commands {
        assert!(there.contains(&format!("doorward-{command}.1")), "{command}");
        for below in listed(&[command]) {
            assert!(there.contains(&format!("doorward-{command}-{below}.1")), "{command} {below}");
        }
    }
}

#[test]
fn page_of_the_configuration_has_every_key_with_its_default_and_what_it_does() {
    let (_dir, pages) = pages();
    let page = pages.iter().find(|page| name(page) == "doorward.toml.5").unwrap();
    let shown = output(Command::new("groff").args(["-man", "-Kutf8", "-Tutf8", "-P-cbou"]).arg(page));
    // Without white space, and with the letters that terminals have their own for.
    let plain = |text: &str| {
        let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '`');
        let letter = |letter: char| match letter {
            '\u{2212}' | '\u{2010}' => '-',
            '\u{02dc}' => '~',
            '\u{02c6}' => '^',
            other => other,
        };
        letters.map(letter).collect::<String>()
    };
    let shown = plain(&text(&shown.stdout));
    let reference = text(&output(Command::new(DOORWARD).args(["check", "--reference"])).stdout);
    let mut keys = 0;
    for row in reference.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<String> = row.trim_matches('|').splitn(3, " | ").map(plain).collect();
        let (key, default, about) = (&cells[0], &cells[1], &cells[2]);
        let beside =
            if default.is_empty() { format!("{key}{about}") } else { format!("{key}={default}{about}") };
        let there = shown.contains(&beside) || shown.contains(&format!("{key}{about}{default}"));
        assert!(there, "{beside}");
        keys += 1;
    }
    assert!(keys > 300, "{keys}");
}

#[test]
fn completions_of_bash_are_loaded_and_complete() {
    let dir = tempfile::tempdir().unwrap();
    let made = output(Command::new(DOORWARD).args(["completions", "bash"]));
    let file = dir.path().join("doorward");
    std::fs::write(&file, &made.stdout).unwrap();
    assert!(output(Command::new("bash").arg("-n").arg(&file)).status.success());
    let script = "source \"$1\" && complete -p doorward && COMP_WORDS=(doorward person a) COMP_CWORD=2 && \
        _doorward doorward a person && printf '%s\\n' \"${COMPREPLY[@]}\"";
    let said = output(Command::new("bash").args(["--norc", "-c", script, "bash"]).arg(&file));
    let said = text(&said.stdout) + &text(&said.stderr);
    assert!(said.contains("_doorward") && said.lines().any(|line| line == "add"), "{said}");
}

#[test]
fn completions_of_fish_are_loaded_and_complete() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("doorward.fish");
    std::fs::write(&file, output(Command::new(DOORWARD).args(["completions", "fish"])).stdout).unwrap();
    assert!(output(Command::new("fish").args(["--no-config", "-n"]).arg(&file)).status.success());
    let script = "source $argv[1]; complete -C 'doorward person pas'";
    let mut fish = Command::new("fish");
    // Where it keeps what it makes for itself.
    fish.env("HOME", dir.path()).args(["--no-config", "-c", script]).arg(&file);
    let said = text(&output(&mut fish).stdout);
    assert!(said.starts_with("passwd\t"), "{said}");
}

#[test]
fn completions_of_zsh_are_loaded_and_complete() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("_doorward");
    std::fs::write(&file, output(Command::new(DOORWARD).args(["completions", "zsh"])).stdout).unwrap();
    assert!(output(Command::new("zsh").args(["-f", "-n"]).arg(&file)).status.success());
    // It completes only where somebody types: in a terminal of its own.
    let script = "zmodload zsh/zpty
        zpty inner zsh -f -i
        zpty -w inner \"PS1=; fpath=($1 \\$fpath); autoload -U compinit; compinit -u -D; print READ''Y\"
        zpty -r inner line '*READY*'
        zpty -w -n inner 'doorward person pas'$'\\t'
        zpty -r inner line '*passwd*' && print completed
        zpty -d inner";
    let mut zsh = Command::new("timeout");
    zsh.args(["60", "zsh", "-f", "-c", script, "zsh"]).arg(dir.path());
    let zsh = output(&mut zsh);
    assert!(text(&zsh.stdout).contains("completed"), "{zsh:?}");
}

#[test]
fn other_shells_have_completions_too() {
    let made = text(&output(Command::new(DOORWARD).args(["completions", "elvish"])).stdout);
    assert!(made.starts_with("\nuse builtin;") && made.contains("person"), "{made}");
    let unknown = output(Command::new(DOORWARD).args(["completions", "tcsh"]));
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("[possible values: bash"));
}
