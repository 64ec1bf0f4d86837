//! A look at a page as it stands: what axe-core finds in light and dark and on a telephone, whether it fits, what it weighs and
//! where it was loaded from; and its picture for the documents, with `UPDATE=1`.

use crate::support::browser::Browser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// Heaviest page in bytes, with style and script.
const HEAVIEST: u64 = 60 * 1024;

/// Largest picture of the documents in bytes.
const LARGEST: usize = 60_000;

/// Smallest side of what can be pressed, in CSS pixels (WCAG 2.2, 2.5.8).
const SMALLEST: u32 = 24;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// axe-core, as the package of PyPI has it.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let library = Path::new(ROOT).join("target/venv/lib");
    let pythons = std::fs::read_dir(library).unwrap().map(|entry| entry.unwrap().path());
    let script = |python: PathBuf| python.join("site-packages/axe_playwright_python/axe.min.js");
    let found = pythons.map(script).find(|path| path.exists());
    std::fs::read_to_string(found.expect("tests/run installs axe-core into target/venv")).unwrap()
});

/// Everything that is wrong with the present page, under what it is called.
pub(crate) fn look(browser: &Browser, called: &str) {
    let mut wrong = Vec::new();
    for (view, width, dark) in [("light", 1100, false), ("dark", 1100, true), ("telephone", 320, true)] {
        browser.size(width, 800);
        browser.dark(dark);
        wrong.extend(axe(browser).into_iter().map(|found| format!("{view}: {found}")));
        wrong.extend(fits(browser).into_iter().map(|found| format!("{view}: {found}")));
    }
    wrong.extend(weighs(browser));
    browser.dark(false);
    browser.size(1100, 900);
    wrong.extend(complains(browser));
    assert!(wrong.is_empty(), "{called} at {}:\n{}", browser.url(), wrong.join("\n"));
}

/// The same, and its picture goes into the documents.
pub(crate) fn picture(browser: &Browser, called: &str) {
    look(browser, called);
    save(browser, called, (760, false));
}

/// As it is on a telephone in the dark.
pub(crate) fn small_picture(browser: &Browser, called: &str) {
    save(browser, called, (375, true));
}

fn axe(browser: &Browser) -> Vec<String> {
    if browser.script("return typeof axe") != "object" {
        browser.script(&AXE);
    }
    let found = browser.slow_script(
        "const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
         axe.run(document, { runOnly: { type: 'tag', values: tags } }).then(arguments[0], (error) => arguments[0](String(error)));",
    );
    let violations = found["violations"].as_array().unwrap_or_else(|| panic!("axe: {found}"));
    assert!(!found["passes"].as_array().unwrap().is_empty(), "axe has looked at nothing");
    let tell = |one: &Value| {
        let nodes: Vec<_> = one["nodes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["failureSummary"].to_string() + &node["html"].to_string())
            .collect();
        format!("{}: {}\n  {}", one["id"], one["help"], nodes.join("\n  "))
    };
    violations.iter().map(tell).collect()
}

/// Nothing is wider than the page, and what can be pressed is large enough.
fn fits(browser: &Browser) -> Vec<String> {
    let found = browser.script(&format!(
        "const wrong = [], root = document.documentElement;
         if (root.scrollWidth > root.clientWidth) wrong.push(`it is ${{root.scrollWidth}} wide`);
         for (const one of document.querySelectorAll('main a[href], nav a[href], footer a[href], button, summary, input, select')) {{
           const {{ width, height }} = one.getBoundingClientRect();
           if (width === 0 || one.type === 'hidden') continue;
           const inline = one.matches('p a, li a, td a, dd a') && getComputedStyle(one).display === 'inline';
           const label = one.labels?.[0]?.getBoundingClientRect();
           const least = Math.max(height, label && one.matches('[type=checkbox], [type=radio]') ? label.height : 0);
           if (!inline && (least < {SMALLEST} - 0.5 || width < 20)) wrong.push(`${{one.outerHTML.slice(0, 90)}} is ${{width}} x ${{height}}`);
         }}
         return wrong;"
    ));
    found.as_array().unwrap().iter().map(ToString::to_string).collect()
}

fn weighs(browser: &Browser) -> Option<String> {
    let bytes = browser.slow_script(
        "const parts = [...document.querySelectorAll('link[rel=stylesheet], script[src]')].map((one) => one.href ?? one.src);
         const size = async (url) => (await (await fetch(url)).blob()).size;
         const page = new Blob([document.documentElement.outerHTML]).size;
         Promise.all(parts.map((url) => size(url.href ?? url))).then((sizes) => arguments[0](sizes.reduce((a, b) => a + b, page)));",
    );
    let bytes = bytes.as_u64().unwrap_or_else(|| panic!("{bytes}"));
    (bytes > HEAVIEST).then(|| format!("it weighs {bytes} bytes"))
}

/// What the browser complains of: what the Content-Security-Policy has stopped, errors of the script. And what it has asked
/// other hosts for.
fn complains(browser: &Browser) -> Vec<String> {
    // `chrome:` is the browser itself: the page that it begins with.
    let host = browser.url().splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let asked = browser
        .requests()
        .into_iter()
        .filter(|url| !url.starts_with(&host) && !url.starts_with("data:") && !url.starts_with("chrome:"));
    let asked = asked.map(|url| format!("it asked for {url}"));
    let mut log = browser.log("browser");
    // Beside warnings and errors there is advice, for forms that are none of ours.
    log.retain(|line| line["level"] == "WARNING" || line["level"] == "SEVERE");
    // A status that is no success is written there, too; tests look at those themselves.
    let status = "the server responded with a status of";
    let told = log
        .iter()
        .map(|line| line["message"].as_str().unwrap_or_default())
        .filter(|line| !line.contains(status));
    asked.chain(told.map(|line| format!("the console says {line}"))).collect()
}

/// Writes the picture into the documents; without `UPDATE=1`, that there is one and that it is small is all that is asked.
fn save(browser: &Browser, called: &str, (width, dark): (u32, bool)) {
    let path = Path::new(ROOT).join(format!("docs/images/{called}.png"));
    if std::env::var_os("UPDATE").is_some() {
        browser.size(width, 600);
        browser.dark(dark);
        // No caret that comes and goes.
        browser.script("document.activeElement?.blur(); scrollTo(0, 0);");
        let height = browser.script("return Math.min(document.documentElement.scrollHeight, 1400)");
        let clip = json!({"captureBeyondViewport": true,
            "clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}});
        let shot = browser.devtools("Page.captureScreenshot", &clip);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(
            &path,
            data_encoding::BASE64.decode(shot["data"].as_str().unwrap().as_bytes()).unwrap(),
        )
        .unwrap();
        // A page has few colours.
        let quantised = Command::new("pngquant")
            .args(["--force", "--strip", "--speed", "1", "--ext", ".png", "48"])
            .arg(&path)
            .status();
        assert!(quantised.expect("pngquant is installed").success());
        browser.dark(false);
        browser.size(1100, 900);
    }
    let size = std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; UPDATE=1 makes it", path.display()))
        .len();
    assert!(size < LARGEST, "{} has {size} bytes", path.display());
}
