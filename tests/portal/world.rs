//! What the flows happen in: a demonstration, or a campus with a directory, a mail server and a gateway.

use crate::support::browser::Browser;
use crate::support::directory::follow;
use crate::support::slapd::{LdapTools, Slapd, line, person_dn, until};
use crate::support::smtp::{Certificates, MailServer, Received};
use crate::support::{Daemon, read};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The first passcode in a text.
pub(crate) fn code_in(text: &str) -> Option<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|word| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .next()
}

/// What the demonstration sends, in files whose names sort by time.
pub(crate) struct Sent {
    folder: PathBuf,
    seen: RefCell<BTreeSet<PathBuf>>,
}

/// The demonstration, where forms and codes are not limited for once. Fields are dropped in this order.
pub(crate) struct Demo {
    pub(crate) daemon: Daemon,
    pub(crate) sent: Sent,
    dir: tempfile::TempDir,
}

impl Demo {
    pub(crate) fn start(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("conf.d")).unwrap();
        let text =
            "[codes]\nper_person = 1000\nper_person_day = 1000\nper_destination = 1000\nper_origin = 1000\n";
        std::fs::write(dir.path().join("conf.d/tests.toml"), format!("{text}{more}")).unwrap();
        let daemon = Daemon::demo_in(dir.path(), &["--portal-port", "0"]);
        let sent = Sent { folder: dir.path().join("mail"), seen: RefCell::default() };
        Self { daemon, sent, dir }
    }

    pub(crate) fn page(&self, path: &str) -> String {
        page(&self.daemon, path)
    }

    /// A variable of `demo.env`.
    pub(crate) fn var(&self, name: &str) -> String {
        self.daemon.env()[name].clone()
    }

    pub(crate) fn sign_in(&self, browser: &Browser, part: &str) {
        browser.open(&self.page("/sign-in"));
        browser.fill("Username", &self.var(&format!("{part}_USER")));
        browser.fill("Password", &self.var(&format!("{part}_PASSWORD")));
        browser.press("Sign in");
    }

    /// Ends it and starts it again, at the same place.
    pub(crate) fn restart(&mut self) {
        let port = self.daemon.portal.unwrap().port().to_string();
        self.daemon.stop();
        self.daemon = Daemon::demo_in(self.dir.path(), &["--portal-port", &port]);
        assert_eq!(self.daemon.portal.unwrap().port().to_string(), port);
    }
}

impl Sent {
    fn all(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(&self.folder).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> =
            files.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
        files.sort();
        files
    }

    /// The next message, which is waited for.
    pub(crate) fn next(&self) -> String {
        let unseen = || self.all().into_iter().find(|path| !self.seen.borrow().contains(path));
        let path = until("a message", unseen);
        let text = read(&path);
        self.seen.borrow_mut().insert(path);
        text
    }

    /// The passcode of the next message that has one.
    pub(crate) fn code(&self) -> String {
        loop {
            if let Some(code) = code_in(&self.next()) {
                return code;
            }
        }
    }
}

pub(crate) fn page(daemon: &Daemon, path: &str) -> String {
    format!("http://{}{path}", daemon.portal.unwrap())
}

/// A campus with OpenLDAP, aiosmtpd, and a program that takes texts and calls. Fields are dropped in this order.
pub(crate) struct Campus {
    pub(crate) daemon: Daemon,
    pub(crate) slapd: Slapd,
    pub(crate) post: MailServer,
    seen: Cell<usize>,
    pub(crate) dir: tempfile::TempDir,
}

/// The password of everybody before it is changed.
pub(crate) const BEFORE: &str = "left-luggage-counter";

impl Campus {
    /// `people` are there from the start, as students.
    pub(crate) fn start(people: &[&str], more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let slapd = Slapd::start();
        for uid in people {
            slapd.add_person(uid, BEFORE);
            make_student(&slapd, uid);
        }
        let post = MailServer::start(dir.path(), "none", &Certificates::make(dir.path()), ("", ""));
        let daemon = follow(dir.path(), &configuration(dir.path(), &slapd, post.port, more));
        Self { daemon, slapd, post, seen: Cell::new(0), dir }
    }

    pub(crate) fn page(&self, path: &str) -> String {
        page(&self.daemon, path)
    }

    /// The next mail, which is waited for.
    pub(crate) fn mail(&self) -> Received {
        let seen = self.seen.get();
        self.seen.set(seen + 1);
        self.post.wait(seen + 1).remove(seen)
    }

    /// The passcode of the next mail, which must be one with a passcode to this address.
    pub(crate) fn code(&self, to: &str) -> String {
        let mail = self.mail();
        assert_eq!(mail.to, [to], "{mail:?}");
        code_in(&mail.parts[0].1).unwrap_or_else(|| panic!("{mail:?}"))
    }

    /// The passcode of the next text message or call, counted from nought.
    pub(crate) fn said(&self, number: usize) -> (String, String) {
        let file = self.dir.path().join("gateway.said");
        until("a text message", || {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let line = text.lines().filter(|line| line.starts_with('{')).nth(number)?;
            let message: serde_json::Value = serde_json::from_str(line).ok()?;
            let text = message["text"].as_str().unwrap();
            Some((
                message["to"].as_str().unwrap().to_owned(),
                code_in(text).unwrap_or_else(|| panic!("{text}")),
            ))
        })
    }

    /// Whether the directory takes this password.
    pub(crate) fn opens(&self, uid: &str, password: &str) -> bool {
        self.slapd.ldapwhoami(&person_dn(uid), password)
    }
}

pub(crate) fn make_student(slapd: &Slapd, uid: &str) {
    let dn = line("dn", person_dn(uid));
    slapd.ldif(&format!("{dn}changetype: modify\nadd: employeeType\nemployeeType: student\n"));
}

fn configuration(dir: &Path, slapd: &Slapd, mail: u16, more: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let gateway = dir.join("gateway");
    std::fs::write(&gateway, "#!/bin/sh\ncat >> \"$0.said\"; printf '\\n' >> \"$0.said\"\n").unwrap();
    std::fs::set_permissions(&gateway, std::fs::Permissions::from_mode(0o755)).unwrap();
    let directory = crate::support::directory::on_slapd(slapd, "campus", &slapd.uri());
    format!(
        "{more}[portal]\nlisten = [\"127.0.0.1:0\"]\ndomains = [\"example.org\"]\nrate = 10000\n\
         acceptable_use_url = \"https://www.example.org/use\"\nacceptable_use_version = \"7\"\n\
         [institution]\nname = \"Example University\"\nsupport_name = \"IT Help Desk\"\nsupport_phone = \"+1 520 555 0100\"\n\
         support_email = \"help@example.org\"\nfaq = \"https://www.example.org/faq\"\n\
         [codes]\nper_person = 1000\nper_person_day = 1000\nper_destination = 1000\nper_origin = 1000\n\
         [smtp]\nhost = \"127.0.0.1\"\nport = {mail}\ntls = \"none\"\nfrom = \"it@example.org\"\n\
         [[gateway]]\nname = \"program\"\nkind = \"exec\"\nchannels = [\"sms\", \"voice\"]\nprogram = \"gateway\"\n\
         {directory}activation = true\n[[directory.role]]\nrole = \"student\"\nattribute = \"employeeType\"\n\
         values = [\"student\"]\n"
    )
}

/// Questions and answers that are good.
const ANSWERS: [(&str, &str); 5] = [
    ("What was the name of your first pet?", "Archimedes"),
    ("In which street did you live as a child?", "Lindenhof"),
    ("What was the name of your first school?", "Saint Wendelin"),
    ("In which town was your first job?", "Bremerhaven"),
    ("Who was the hero of your childhood?", "Pippilotta"),
];

/// Chooses and answers the five questions of the form.
pub(crate) fn answer_questions(browser: &Browser) {
    for (slot, (question, answer)) in ANSWERS.iter().enumerate() {
        let slot = slot + 1;
        browser.select(&format!("Question {slot}"), question);
        browser.type_into(&browser.css(&format!("#answer-{slot}")), answer);
    }
}
