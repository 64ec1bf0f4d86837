//! A browser for tests of the portal: cookies, redirects and forms, over plain HTTP on this machine, without JavaScript.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// A page that came of a request and the redirects after it.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) status: u16,
    /// Where it is, without a query.
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Page {
    /// What a person reads: the body without its tags, entities decoded, in single spaces.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for part in self.body.split('<') {
            text.push_str(part.split_once('>').map_or(part, |(_, rest)| rest));
            text.push(' ');
        }
        decoded(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// Fails with the whole page if these words are not on it.
    #[track_caller]
    pub(crate) fn must_say(&self, words: &str) {
        assert!(self.says(words), "`{words}` is not on {} ({}): {}", self.path, self.status, self.text());
    }

    /// The value of the first hidden field of this name.
    pub(crate) fn hidden(&self, name: &str) -> Option<String> {
        let start = self.body.find(&format!("name=\"{name}\" value=\""))?;
        self.body[start..].split('"').nth(3).map(decoded)
    }

    /// Everything between these two marks, wherever they are.
    pub(crate) fn between(&self, start: &str, end: &str) -> Vec<String> {
        self.body.split(start).skip(1).filter_map(|rest| Some(decoded(rest.split_once(end)?.0))).collect()
    }
}

fn decoded(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// The first five security questions of a form, with answers.
pub(crate) fn answered(page: &Page) -> Vec<(String, String)> {
    let answers = ["a blue house", "Mrs Moon", "Old Harbour", "seven geese", "plum dumplings"];
    let mut questions = page.between("<option value=\"", "\"");
    questions.retain(|question| !question.is_empty());
    questions.dedup();
    assert!(questions.len() >= 5, "{}", page.body);
    let both = |(at, (question, answer)): (usize, (String, &str))| {
        [(format!("question-{}", at + 1), question), (format!("answer-{}", at + 1), answer.to_owned())]
    };
    questions.into_iter().zip(answers).enumerate().flat_map(both).collect()
}

/// The same with more fields.
pub(crate) fn with<'a>(
    fields: &'a [(String, String)],
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).chain(more.iter().copied()).collect()
}

/// A browser. A clone of it is another tab: the same cookies as they are then.
#[derive(Debug, Clone)]
pub(crate) struct Browser {
    address: SocketAddr,
    host: String,
    cookies: BTreeMap<String, String>,
    token: String,
    /// What a proxy says about where it is.
    from: String,
}

impl Browser {
    /// Of `http://HOST:PORT`.
    pub(crate) fn new(url: &str) -> Self {
        let address: SocketAddr = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self {
            address,
            host: address.to_string(),
            cookies: BTreeMap::new(),
            token: String::new(),
            from: String::new(),
        }
    }

    /// The same, by the name of a host.
    pub(crate) fn at(url: &str, host: &str) -> Self {
        Self { host: host.to_owned(), ..Self::new(url) }
    }

    /// One that comes through a proxy, from there.
    pub(crate) fn from(url: &str, from: &str) -> Self {
        Self { from: format!("X-Forwarded-For: {from}\r\n"), ..Self::new(url) }
    }

    /// The same browser, whose requests come to another node from now on.
    pub(crate) fn moved(self, url: &str) -> Self {
        let Self { address, host, .. } = Self::new(url);
        Self { address, host, ..self }
    }

    /// One request, without following where it leads.
    pub(crate) fn ask(&mut self, method: &str, path: &str, body: &str) -> Page {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let Self { host, from, .. } = &*self;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{from}Connection: close\r\nCookie: {}\r\nOrigin: http://{host}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            cookies.join("; "),
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let answer = String::from_utf8(bytes).unwrap();
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap();
        for line in headers.lines() {
            let Some((name, value)) = line.split_once(": ") else { continue };
            if name.eq_ignore_ascii_case("set-cookie") {
                let (name, value) = value.split(';').next().unwrap().split_once('=').unwrap();
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        let path = path.split('?').next().unwrap().to_owned();
        Page { status, path, headers: headers.to_owned(), body: body.to_owned() }
    }

    fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..8 {
            if page.status != 303 {
                if let Some(token) = page.hidden("form") {
                    self.token = token;
                }
                return page;
            }
            let to =
                page.headers.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned();
            page = self.ask("GET", &to, "");
        }
        panic!("no end of redirects at {}", page.path)
    }

    /// Opens a page.
    pub(crate) fn get(&mut self, path: &str) -> Page {
        let page = self.ask("GET", path, "");
        self.follow(page)
    }

    /// Sends a form with the token of the page that was seen last.
    pub(crate) fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let token = self.token.clone();
        let pairs = fields.iter().copied().chain([("form", token.as_str())]);
        let pairs: Vec<_> =
            pairs.map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        let page = self.ask("POST", path, &pairs.join("&"));
        self.follow(page)
    }

    /// Goes to a page that asks for a password first.
    pub(crate) fn sign_in(&mut self, user: &str, password: &str, next: &str) -> Page {
        self.get(next).must_say("Username");
        self.post("/sign-in", &[("username", user), ("password", password), ("next", next)])
    }
}
