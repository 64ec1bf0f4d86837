//! A campus with a help desk, and browsers that keep a cookie, follow no redirect and know the forms of the last page.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail by panicking")]

use crate::support::smtp::{Certificates, MailServer, Received};
use crate::support::{Daemon, PATIENCE, code};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

/// Every page of the help desk and of administrators.
pub(crate) const ROUTES: [(&str, &str); 14] = [
    ("GET", "/desk"),
    ("GET", "/desk/person/{username}"),
    ("POST", "/desk/person/{username}/question"),
    ("POST", "/desk/person/{username}/verified"),
    ("POST", "/desk/person/{username}/lock"),
    ("POST", "/desk/person/{username}/unlock"),
    ("POST", "/desk/person/{username}/revoke"),
    ("POST", "/desk/person/{username}/code"),
    ("POST", "/desk/person/{username}/reset"),
    ("GET", "/administration"),
    ("GET", "/administration/messages"),
    ("GET", "/administration/clients"),
    ("GET", "/administration/audit"),
    ("POST", "/administration/audit/export"),
];

const PASSWORD: &str = "correct horse battery staple";

/// (username, e-mail of the directory, role, group, has an app)
const PEOPLE: [(&str, &str, &str, &str, bool); 6] = [
    ("alice", "alice@example.edu", "student", "", false),
    ("student", "student@example.edu", "student", "", true),
    ("dead", "data-554@example.edu", "alumnus", "", false),
    ("clerk", "", "staff", "desk", true),
    ("bare", "", "staff", "desk", false),
    ("root", "", "staff", "admins", true),
];

/// The daemon, its people and its mails.
pub(crate) struct Campus {
    pub(crate) daemon: Daemon,
    pub(crate) base: String,
    mails: MailServer,
    _dir: tempfile::TempDir,
}

fn write(dir: &Path, name: &str, text: &str) {
    std::fs::write(dir.join(name), text).unwrap();
    std::fs::set_permissions(dir.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Campus {
    pub(crate) fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(dir.path());
        let mails = MailServer::start(dir.path(), "none", &certificates, ("", ""));
        // Nobody else takes it in the moment between.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        write(dir.path(), "k1.key", &data_encoding::BASE64.encode(&[7; 32]));
        write(dir.path(), "radius.secret", "demo-radius-shared-secret\n");
        let text = format!(
            "[store]\npath = \"doorward.db\"\n[keys]\nfiles = [\"k1.key\"]\n[radius]\nlisten = [\"127.0.0.1:0\"]\n\
             [[client]]\nname = \"vpn\"\nnetworks = [\"192.0.2.0/24\"]\nsecret_file = \"radius.secret\"\n\
             [password]\nmemory = \"64KiB\"\npasses = 1\n[codes]\nper_person = 4\n\
             [smtp]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"it@example.edu\"\n\
             [portal]\nlisten = [\"127.0.0.1:{port}\"]\nrate = 10000\ndomains = [\"example.edu\"]\n\
             helpdesk_groups = [\"desk\"]\nadministrator_groups = [\"admins\"]\n\
             [registration]\nenforce = \"off\"\nslots = 0\nmin_new = 0\nmin_existing = 0\n\
             [institution]\nname = \"Example University\"\n\
             [admin]\nsocket = \"admin.sock\"\nmode = \"0600\"\n",
            mails.port
        );
        write(dir.path(), "doorward.toml", &text);
        let daemon = Daemon::serve_in(dir.path(), &[]);
        let campus = Self { daemon, base: format!("http://127.0.0.1:{port}"), mails, _dir: dir };
        for (username, email, role, group, app) in PEOPLE {
            campus.add(username, email, (role, group), app);
        }
        campus
    }

    fn add(&self, username: &str, email: &str, (role, group): (&str, &str), app: bool) {
        let mut arguments = vec!["person", "add", username, "--role", role];
        if !email.is_empty() {
            arguments.extend(["--email", email]);
        }
        if !group.is_empty() {
            arguments.extend(["--group", group]);
        }
        let added = self.daemon.run_with(&arguments, &format!("{PASSWORD}\n"));
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
        if app {
            let seed = self.seed(username);
            // An older code, so that the present one is left for the sign-in.
            let first = code(&seed, -1);
            self.daemon.json(&["enroll", "totp", username, "--seed", &seed, "--code", &first]);
        }
    }

    /// The key of somebody's app.
    pub(crate) fn seed(&self, username: &str) -> String {
        let digits = username.bytes().cycle().take(20).collect::<Vec<u8>>();
        data_encoding::BASE32_NOPAD.encode(&digits)
    }

    pub(crate) fn person(&self, username: &str) -> Value {
        self.daemon.json(&["person", "show", username])["person"].clone()
    }

    /// Ids of somebody's factors, but of temporary codes.
    pub(crate) fn factors(&self, username: &str) -> Vec<String> {
        let factors = self.daemon.json(&["factor", "list", username]);
        let factors = factors["factors"].as_array().unwrap().clone();
        factors.iter().map(|factor| factor["id"].as_str().unwrap().to_owned()).collect()
    }

    fn wait<T>(&self, what: &str, find: impl Fn(&[Received]) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            let received = self.mails.received();
            if let Some(found) = find(&received) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{what} did not come: {received:#?}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Waits for a mail with this beginning of a subject.
    pub(crate) fn mail(&self, to: &str, subject: &str) {
        self.wait(subject, |received| {
            let is = |mail: &&Received| {
                mail.to == [to] && mail.header("Subject").is_some_and(|text| text.starts_with(subject))
            };
            received.iter().find(is).map(|_| ())
        });
    }

    /// Waits for a code of so many digits.
    pub(crate) fn code(&self, to: &str, digits: usize) -> String {
        self.codes(to, digits, 1).pop().unwrap()
    }

    /// Waits until so many have come, and returns them in order.
    pub(crate) fn codes(&self, to: &str, digits: usize, count: usize) -> Vec<String> {
        self.wait("a code", |received| {
            let texts = received.iter().filter(|mail| mail.to == [to]).map(|mail| mail.parts[0].1.as_str());
            let run = |text: &str| {
                let mut runs = text.split(|c: char| !c.is_ascii_digit());
                runs.find(|run| run.len() == digits).map(str::to_owned)
            };
            let codes: Vec<String> = texts.filter_map(run).collect();
            (codes.len() >= count).then_some(codes)
        })
    }

    /// Waits until a message to somebody is a dead letter.
    pub(crate) fn until_dead(&self, username: &str) {
        let begun = Instant::now();
        loop {
            let listed = self.daemon.json(&["outbox", "list", "--user", username]);
            if listed["messages"].as_array().unwrap().iter().any(|message| message["state"] == "dead") {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{listed:#?}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    pub(crate) async fn try_sign_in(&self, username: &str, password: &str) -> Page {
        let mut browser = Browser::new(self);
        browser.get("/sign-in").await;
        browser.post("/sign-in", &[("username", username), ("password", password)]).await
    }

    pub(crate) async fn sign_in(&self, username: &str) -> Browser {
        let mut browser = Browser::new(self);
        browser.get("/sign-in").await;
        let page = browser.post("/sign-in", &[("username", username), ("password", PASSWORD)]).await;
        assert_eq!(page.status, 303, "{}", page.body);
        browser.get("/").await;
        browser
    }

    /// Registers an address, proven, and the help-desk question.
    pub(crate) async fn register(&self, username: &str, email: &str, answer: &str) {
        let mut browser = self.sign_in(username).await;
        let fields = [("contact-email", email), ("helpdesk", "first-pet"), ("helpdesk-answer", answer)];
        let page = browser.post("/register", &fields).await;
        assert_eq!(page.location.as_deref(), Some("/register/confirm/email"), "{}", page.body);
        // Who can be reached already shows first that it is them.
        let person = self.person(username);
        if let Some(known) = person["email"].as_str() {
            browser.get("/register/confirm/email").await;
            browser.get("/verify").await;
            browser.done("/verify/choose", &[("method", "email")]).await;
            let code = self.code(known, 6);
            browser.done("/verify/passcode", &[("passcode", &code)]).await;
        }
        browser.get("/register/confirm/email").await;
        browser.done("/register/confirm/email/choose", &[("method", "email")]).await;
        let code = self.code(email, 6);
        let page = browser.post("/register/confirm/email/passcode", &[("passcode", &code)]).await;
        // There it asks for a passcode, now that there is a way to get one.
        assert_eq!(page.location.as_deref(), Some("/register"), "{}", page.body);
    }
}

/// An answer.
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: String,
}

/// A browser.
pub(crate) struct Browser {
    client: reqwest::Client,
    base: String,
    cookie: Option<String>,
    token: String,
}

impl Browser {
    pub(crate) fn new(campus: &Campus) -> Self {
        // There may be one already, of another test.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let client = client.timeout(PATIENCE).build().unwrap();
        Self { client, base: campus.base.clone(), cookie: None, token: String::new() }
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Page {
        let request = match &self.cookie {
            Some(cookie) => request.header(COOKIE, cookie),
            None => request,
        };
        let answer = request.send().await.unwrap();
        let text = |name| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        if let Some(set) = text(SET_COOKIE) {
            self.cookie = set.split(';').next().map(str::to_owned);
        }
        let (status, location) = (answer.status().as_u16(), text(LOCATION));
        let body = answer.text().await.unwrap();
        if let Some((_, rest)) = body.split_once("name=\"form\" value=\"") {
            self.token = rest.split('"').next().unwrap().to_owned();
        }
        Page { status, location, body }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Page {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    async fn form(&mut self, path: &str, token: Option<String>, fields: &[(&str, &str)]) -> Page {
        let encode =
            |(name, value): &(&str, &str)| format!("{name}={}", doorward::base::percent_encode(value));
        let mut pairs: Vec<String> = fields.iter().map(encode).collect();
        pairs.extend(token.map(|token| format!("form={token}")));
        let request = self.client.post(format!("{}{path}", self.base)).body(pairs.join("&"));
        self.send(request.header("content-type", "application/x-www-form-urlencoded")).await
    }

    /// Sends a form of the last page that had one.
    pub(crate) async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        if self.token.is_empty() {
            self.get("/sign-in").await;
        }
        self.form(path, Some(self.token.clone()), fields).await
    }

    /// Sends a form without what shows that it is from a page of ours.
    pub(crate) async fn forge(&mut self, path: &str) -> Page {
        self.form(path, None, &[("reason", "identity card at the counter")]).await
    }

    /// Sends a form that must lead to a page, and reads that.
    pub(crate) async fn done(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        let Some(to) = answer.location else { panic!("{path}: {} {}", answer.status, answer.body) };
        self.get(&to).await.body
    }

    /// Shows a passcode of an app.
    pub(crate) async fn prove(&mut self, seed: &str) {
        self.get("/verify").await;
        let body = self.done("/verify/passcode", &[("passcode", &code(seed, 0))]).await;
        assert!(!body.contains("is not right"), "{body}");
        // The session has a new name now, so a form of an older page is none of ours.
        self.get("/verify").await;
        self.get("/").await;
    }
}
