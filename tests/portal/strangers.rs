//! What strangers can learn: nothing about who has an account.

use crate::registration::register;
use crate::support::browser::Browser;
use crate::support::http::client;
use crate::support::slapd::{LdapTools, line, person_dn, until};
use crate::world::Campus;
use reqwest::blocking::{Client, Response};
use std::time::{Duration, Instant};

/// A visitor with a cookie.
struct Visitor<'c> {
    client: &'c Client,
    campus: &'c Campus,
    cookie: String,
    token: String,
}

/// The value of the hidden field.
pub(crate) fn token(body: &str) -> String {
    let (_, rest) = body.split_once("name=\"form\" value=\"").unwrap_or_else(|| panic!("no form: {body}"));
    rest.split('"').next().unwrap().to_owned()
}

/// What a browser sends back of a cookie.
pub(crate) fn cookie(answer: &Response) -> Option<String> {
    let set = answer.headers().get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
    set.filter(|set| !set.starts_with("doorward-language"))
        .map(|set| set.split(';').next().unwrap().to_owned())
        .next()
}

impl<'c> Visitor<'c> {
    fn new(client: &'c Client, campus: &'c Campus, path: &str) -> Self {
        let answer = client.get(campus.page(path)).send().unwrap();
        let cookie = cookie(&answer).expect("a cookie");
        let token = token(&answer.text().unwrap());
        Self { client, campus, cookie, token }
    }

    fn get(&self, path: &str) -> Response {
        self.client.get(self.campus.page(path)).header("cookie", &self.cookie).send().unwrap()
    }

    fn post(&self, path: &str, fields: &[(&str, &str)]) -> Response {
        let mut body = format!("form={}", self.token);
        for (name, value) in fields {
            body += &format!("&{name}={value}");
        }
        let request = self.client.post(self.campus.page(path)).header("cookie", &self.cookie);
        request.header("content-type", "application/x-www-form-urlencoded").body(body).send().unwrap()
    }

    /// Everything that can be seen of an answer, without what is another one each time.
    fn seen(answer: Response) -> String {
        let status = answer.status();
        let mut headers: Vec<_> = answer
            .headers()
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| {
                let value = value.to_str().unwrap();
                let value = if name == "set-cookie" {
                    value.split_once('=').unwrap().1.split_once(';').unwrap().1
                } else {
                    value
                };
                format!("{name}: {value}")
            })
            .collect();
        headers.sort();
        let mut body = answer.text().unwrap();
        if body.contains("name=\"form\"") {
            body = body.replace(&token(&body), "TOKEN");
        }
        format!("{status}\n{}\n\n{body}", headers.join("\n"))
    }
}

const NAMES: [&str; 5] = ["active", "off", "nobody", "%20", "no%C3%B6dy%00"];

fn campus() -> Campus {
    let campus = Campus::start(&["active", "off"], "");
    let dn = line("dn", person_dn("off"));
    campus.slapd.ldif(&format!(
        "{dn}changetype: modify\nadd: pwdAccountLockedTime\npwdAccountLockedTime: 000001010000Z\n"
    ));
    until("the switched-off account", || {
        (campus.daemon.json(&["person", "show", "off"])["person"]["status"] == "disabled").then_some(())
    });
    campus
}

// R-ACT-8 R-RESET-10
#[test]
fn unknown_disabled_and_other_usernames_look_the_same() {
    let campus = campus();
    let client = client(None);
    for path in ["/activate", "/reset"] {
        let seen: Vec<_> = NAMES
            .map(|name| {
                let visitor = Visitor::new(&client, &campus, path);
                let post = Visitor::seen(visitor.post(path, &[("username", name)]));
                let page = Visitor::seen(visitor.get(path));
                let choose = Visitor::seen(visitor.post(&format!("{path}/choose"), &[("method", "email")]));
                let passcode =
                    Visitor::seen(visitor.post(&format!("{path}/passcode"), &[("passcode", "123456")]));
                format!("{post}\n{page}\n{choose}\n{passcode}")
            })
            .into();
        assert!(seen[0].starts_with("303 ") && seen[0].contains("IT Help Desk can help you"), "{}", seen[0]);
        for (name, other) in NAMES.iter().zip(&seen) {
            assert_eq!(*other, seen[0], "{path} tells {name} from {}", NAMES[0]);
        }
    }
    assert!(campus.post.received().is_empty(), "nothing was sent to anybody");
}

// R-RAD-1 R-RESET-9: a wrong password, too, looks the same whoever it is for.
#[test]
fn wrong_password_looks_the_same_for_everybody() {
    let campus = campus();
    let client = client(None);
    let seen: Vec<_> = ["active", "off", "nobody"]
        .map(|name| {
            let visitor = Visitor::new(&client, &campus, "/sign-in");
            let answer = visitor.post("/sign-in", &[("username", name), ("password", "wrong")]);
            assert_eq!(answer.status(), 422);
            Visitor::seen(answer).replace(name, "NAME")
        })
        .into();
    assert!(seen[0].contains("The username or the password is not right"), "{}", seen[0]);
    // Lengths of names are in the length of the page.
    let plain = |text: &str| {
        text.lines().filter(|line| !line.starts_with("content-length")).collect::<Vec<_>>().join("\n")
    };
    assert!(seen.iter().all(|other| plain(other) == plain(&seen[0])), "{seen:?}");
}

/// Medians of many requests, taken in turns so that what else the machine does falls on all of them.
// R-ACT-8 R-RESET-10
#[test]
fn answers_take_the_same_time_for_everybody() {
    let campus = campus();
    let browser = Browser::start();
    register(&campus, &browser, "active");
    drop(browser);
    let client = client(None);
    let names = ["active", "off", "nobody"];
    for path in ["/activate", "/reset"] {
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..60 {
            for (name, times) in names.iter().zip(&mut times) {
                let visitor = Visitor::new(&client, &campus, path);
                let begun = Instant::now();
                assert_eq!(visitor.post(path, &[("username", name)]).status(), 303);
                times.push(begun.elapsed());
            }
        }
        let medians = times.map(|mut times| {
            times.sort();
            times[times.len() / 2]
        });
        eprintln!("{path}: {names:?} took {medians:?}");
        let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
        // A hash more, or a question to the directory more, would be several milliseconds.
        assert!(*most < *least * 2 + Duration::from_millis(3), "{path}: {medians:?}");
    }
}
