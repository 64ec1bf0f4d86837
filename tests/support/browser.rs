//! A browser as a person uses it: Debian's Chromium without a window, driven over WebDriver (W3C) by chromedriver on a port of its own,
//! with a profile of its own; both are stopped by their pid.
//!
//! Things are found as people find them: a field by its label, a button by what stands on it. Nothing here needs scripts in
//! the page, so that the same steps can be made with them switched off.

use super::PATIENCE;
use super::http::client;
use reqwest::Method;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The name of an element's id in the protocol.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys without a character (WebDriver §17.4.2).
pub(crate) mod key {
    pub(crate) const TAB: &str = "\u{E004}";
    pub(crate) const ENTER: &str = "\u{E007}";
    pub(crate) const SPACE: &str = " ";
}

/// A browser with one window.
pub(crate) struct Browser {
    driver: Child,
    http: Client,
    /// Address of the session.
    session: String,
    _profile: tempfile::TempDir,
}

/// Something on the present page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element(String);

fn driver() -> (Child, u16) {
    let mut driver = Command::new("chromedriver")
        .args(["--port=0", "--log-level=SEVERE"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is installed");
    let lines = BufReader::new(driver.stdout.take().unwrap()).lines().map_while(Result::ok);
    for line in lines {
        if let Some((_, port)) = line.split_once("started successfully on port ") {
            return (driver, port.trim_end_matches('.').parse().unwrap());
        }
    }
    let _ = driver.kill();
    panic!("chromedriver does not start: {:?}", driver.wait())
}

impl Browser {
    /// A window of a desk, in English, light.
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (driver, port) = driver();
        let mut browser = Self { driver, http: client(None), session: String::new(), _profile: profile };
        let data = format!("--user-data-dir={}", browser._profile.path().display());
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1100,900",
            "--lang=en",
            "--accept-lang=en",
            data.as_str(),
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"binary": "/usr/bin/chromium", "args": arguments},
            "goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"},
            "acceptInsecureCerts": true,
        }}});
        browser.session = format!("http://127.0.0.1:{port}/session");
        let opened = browser.ask(Method::POST, "", &wanted).unwrap_or_else(|error| panic!("{error}"));
        browser.session = format!("{}/{}", browser.session, opened["sessionId"].as_str().unwrap());
        browser
    }

    /// A command; what it answers, or its error.
    fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value, String> {
        let posts = method == Method::POST;
        let mut request = self.http.request(method, format!("{}{path}", self.session));
        if posts {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().map_err(|error| error.to_string())?;
        let ok = answer.status().is_success();
        let answer: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
        let value = &answer["value"];
        if ok { Ok(value.clone()) } else { Err(format!("{}: {}", value["error"], value["message"])) }
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        self.ask(Method::POST, path, body)
            .unwrap_or_else(|error| panic!("{path} {body}: {error}\n{}", self.all()))
    }

    fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, &Value::Null).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Everything that can be read, for messages of tests that fail.
    fn all(&self) -> String {
        let url = self.ask(Method::GET, "/url", &Value::Null).unwrap_or_default();
        format!("at {url}:\n{}", self.texts("body").join("\n"))
    }

    // -- reading ---------------------------------------------------------------------------------------

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    pub(crate) fn url(&self) -> String {
        self.get("/url").as_str().unwrap().to_owned()
    }

    /// The present path.
    pub(crate) fn path(&self) -> String {
        let url = self.url();
        url.splitn(4, '/').nth(3).map_or_else(String::new, |path| format!("/{path}"))
    }

    /// What is in the main part of the page.
    pub(crate) fn text(&self) -> String {
        self.texts("main").join("\n")
    }

    pub(crate) fn heading(&self) -> String {
        self.texts("h1").join("\n")
    }

    /// What the page tells after a step, and all problems of a form.
    pub(crate) fn told(&self) -> String {
        self.texts(".told, #problems").join("\n")
    }

    /// Texts of all elements.
    pub(crate) fn texts(&self, css: &str) -> Vec<String> {
        let text =
            |element: &Element| self.ask(Method::GET, &format!("/element/{}/text", element.0), &Value::Null);
        let found = self.all_by("css selector", css);
        found
            .iter()
            .filter_map(|element| text(element).ok())
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    }

    fn all_by(&self, using: &str, value: &str) -> Vec<Element> {
        let found = self.ask(Method::POST, "/elements", &json!({"using": using, "value": value}));
        let found = found.unwrap_or(Value::Array(Vec::new()));
        found
            .as_array()
            .unwrap()
            .iter()
            .map(|one| Element(one[ELEMENT].as_str().unwrap().to_owned()))
            .collect()
    }

    fn one(&self, what: &str, using: &str, value: &str) -> Element {
        let found = self.all_by(using, value);
        found.into_iter().next().unwrap_or_else(|| panic!("there is no {what}\n{}", self.all()))
    }

    pub(crate) fn css(&self, css: &str) -> Element {
        self.one(css, "css selector", css)
    }

    pub(crate) fn attribute(&self, element: &Element, name: &str) -> Option<String> {
        self.get(&format!("/element/{}/attribute/{name}", element.0)).as_str().map(str::to_owned)
    }

    pub(crate) fn property(&self, element: &Element, name: &str) -> Value {
        self.get(&format!("/element/{}/property/{name}", element.0))
    }

    /// What has the focus.
    pub(crate) fn focused(&self) -> Element {
        Element(self.get("/element/active")[ELEMENT].as_str().unwrap().to_owned())
    }

    /// The name by which assistive technology knows it.
    pub(crate) fn name(&self, element: &Element) -> String {
        self.get(&format!("/element/{}/computedlabel", element.0)).as_str().unwrap_or_default().to_owned()
    }

    // -- acting ----------------------------------------------------------------------------------------

    /// The field with this label.
    pub(crate) fn field(&self, label: &str) -> Element {
        let path =
            format!("//*[@id = //label[starts-with(normalize-space(text()), {})]/@for]", quoted(label));
        self.one(&format!("field \"{label}\""), "xpath", &path)
    }

    /// Types into a field, in place of what is there.
    pub(crate) fn fill(&self, label: &str, text: &str) {
        let field = self.field(label);
        self.post(&format!("/element/{}/clear", field.0), &json!({}));
        self.type_into(&field, text);
    }

    pub(crate) fn type_into(&self, element: &Element, text: &str) {
        self.post(&format!("/element/{}/value", element.0), &json!({ "text": text }));
    }

    /// Clicks on a box or a round button by its label.
    pub(crate) fn choose(&self, label: &str) {
        self.click(&self.field(label));
    }

    /// Chooses from a list.
    pub(crate) fn select(&self, label: &str, option: &str) {
        let path = format!(
            "//select[@id = //label[normalize-space(text()) = {}]/@for]/option[normalize-space() = {}]",
            quoted(label),
            quoted(option)
        );
        self.click(&self.one(&format!("\"{option}\" in \"{label}\""), "xpath", &path));
    }

    pub(crate) fn click(&self, element: &Element) {
        self.post(&format!("/element/{}/click", element.0), &json!({}));
    }

    pub(crate) fn button(&self, text: &str) -> Element {
        let path = format!("//button[normalize-space() = {}]", quoted(text));
        self.one(&format!("button \"{text}\""), "xpath", &path)
    }

    /// Whether there is such a button.
    pub(crate) fn has_button(&self, text: &str) -> bool {
        !self.all_by("xpath", &format!("//button[normalize-space() = {}]", quoted(text))).is_empty()
    }

    /// Presses a button and waits for the page that follows.
    pub(crate) fn press(&self, text: &str) {
        let button = self.button(text);
        self.leaving(|| self.click(&button));
    }

    /// Follows a link and waits for the page.
    pub(crate) fn follow(&self, text: &str) {
        let link = self.one(
            &format!("link \"{text}\""),
            "xpath",
            &format!("//a[normalize-space() = {}]", quoted(text)),
        );
        self.leaving(|| self.click(&link));
    }

    /// Does something that leads to another page, and waits for it.
    pub(crate) fn leaving(&self, act: impl FnOnce()) {
        let before = self.css("html");
        act();
        // Of a page that was left nothing can be asked any more. Any other error says nothing of where we are.
        let gone = |element: &Element| {
            self.ask(Method::GET, &format!("/element/{}/name", element.0), &Value::Null).is_err_and(|error| {
                error.contains("stale element reference") || error.contains("no such element")
            })
        };
        self.until("another page", || gone(&before) && !self.all_by("css selector", "main, pre").is_empty());
    }

    /// Asks again and again until it is so.
    pub(crate) fn until(&self, what: &str, holds: impl Fn() -> bool) {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < PATIENCE, "waited too long for {what}\n{}", self.all());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn back(&self) {
        self.post("/back", &json!({}));
    }

    pub(crate) fn reload(&self) {
        self.post("/refresh", &json!({}));
    }

    /// Presses keys one after the other, on whatever has the focus.
    pub(crate) fn keys(&self, keys: &str) {
        let strokes: Vec<_> = keys
            .chars()
            .flat_map(|key| {
                [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
            })
            .collect();
        self.post("/actions", &json!({"actions": [{"type": "key", "id": "keys", "actions": strokes}]}));
    }

    // -- the window ------------------------------------------------------------------------------------

    /// Runs a script in the page.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The same for one that calls `arguments[0]` when it is done.
    pub(crate) fn slow_script(&self, script: &str) -> Value {
        self.post("/execute/async", &json!({"script": script, "args": []}))
    }

    /// A command of the Chrome DevTools Protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Lets pages run scripts, or not.
    pub(crate) fn scripts(&self, allowed: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", &json!({"value": !allowed}));
    }

    /// Width in CSS pixels, as on a telephone of this size.
    pub(crate) fn size(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// What the system prefers.
    pub(crate) fn dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": value}]});
        self.devtools("Emulation.setEmulatedMedia", &features);
    }

    /// Opens another tab and goes there. The tab before it, and this one.
    pub(crate) fn new_tab(&self) -> (String, String) {
        let before = self.get("/window").as_str().unwrap().to_owned();
        let new = self.post("/window/new", &json!({"type": "tab"}));
        let new = new["handle"].as_str().unwrap().to_owned();
        self.tab(&new);
        (before, new)
    }

    pub(crate) fn tab(&self, handle: &str) {
        self.post("/window", &json!({ "handle": handle }));
    }

    /// Forgets all cookies of the present page's host.
    pub(crate) fn forget(&self) {
        let _ = self.ask(Method::DELETE, "/cookie", &Value::Null);
    }

    /// What was logged since this was asked last: `browser` (the console), `performance` (events of the network).
    pub(crate) fn log(&self, kind: &str) -> Vec<Value> {
        self.post("/se/log", &json!({ "type": kind })).as_array().unwrap().clone()
    }

    /// Addresses that were asked for since this was asked last.
    pub(crate) fn requests(&self) -> Vec<String> {
        let events = self.log("performance");
        let message =
            |event: &Value| serde_json::from_str::<Value>(event["message"].as_str().unwrap()).unwrap();
        let sent = events
            .iter()
            .map(message)
            .filter(|event| event["message"]["method"] == "Network.requestWillBeSent");
        sent.map(|event| event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned()).collect()
    }
}

/// A string of XPath 1.0, which knows no escapes.
fn quoted(text: &str) -> String {
    let parts: Vec<_> = text.split('"').map(|part| format!("\"{part}\"")).collect();
    match parts.as_slice() {
        [one] => one.clone(),
        parts => format!("concat({})", parts.join(", '\"', ")),
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session.
        let _ = self.ask(Method::DELETE, "", &Value::Null);
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}
