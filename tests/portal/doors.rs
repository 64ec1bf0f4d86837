//! What the portal lets in: cookies, forms of our own pages, sizes and rates; over plain HTTP and TLS, without a browser.

use crate::strangers::{cookie, token};
use crate::support::Daemon;
use crate::support::http::client;
use crate::support::smtp::Certificates;
use reqwest::blocking::{Client, RequestBuilder, Response};
use std::os::unix::fs::PermissionsExt;

const PASSWORD: &str = "left-luggage-counter";

/// A portal with one person, anna.
pub(crate) struct House {
    pub(crate) daemon: Daemon,
    client: Client,
    base: String,
    _dir: tempfile::TempDir,
}

/// A browser that is signed in, or not.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) cookie: String,
    pub(crate) token: String,
}

pub(crate) fn house(tls: bool, more: &str) -> House {
    house_with(tls, "memory = \"64KiB\"\npasses = 1\n", more)
}

fn house_with(tls: bool, password: &str, more: &str) -> House {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        std::fs::set_permissions(dir.path().join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    };
    let certificates = Certificates::make(dir.path());
    std::fs::set_permissions(&certificates.key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let protection =
        if tls { "certificate_file = \"cert.pem\"\nprivate_key_file = \"key.pem\"\n" } else { "" };
    write("k1.key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    write(
        "doorward.toml",
        &format!(
            "[store]\npath = \"doorward.db\"\n[keys]\nfiles = [\"k1.key\"]\n[radius]\nlisten = [\"127.0.0.1:0\"]\n\
             [password]\n{password}[admin]\nsocket = \"admin.sock\"\n\
             [[client]]\nname = \"nas\"\nnetworks = [\"127.0.0.1\"]\nsecret = \"demo-radius-shared-secret\"\n\
             [portal]\nlisten = [\"127.0.0.1:0\"]\n{protection}{more}"
        ),
    );
    let daemon = Daemon::serve_in(dir.path(), &[]);
    let added = daemon.run_with(&["person", "add", "anna"], &format!("{PASSWORD}\n"));
    assert!(added.status.success(), "{added:?}");
    let port = daemon.portal.unwrap().port();
    let base = if tls { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
    House { daemon, client: client(tls.then_some(certificates.authority.as_path())), base, _dir: dir }
}

fn header<'a>(answer: &'a Response, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

impl House {
    pub(crate) fn guest(&self) -> Guest {
        let answer = self.client.get(format!("{}/sign-in", self.base)).send().unwrap();
        let cookie = cookie(&answer).expect("a cookie");
        Guest { cookie, token: token(&answer.text().unwrap()) }
    }

    pub(crate) fn get(&self, path: &str, guest: &Guest) -> Response {
        self.client.get(format!("{}{path}", self.base)).header("cookie", &guest.cookie).send().unwrap()
    }

    /// A form without anything that proves where it comes from.
    pub(crate) fn form(&self, path: &str, fields: &str) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.base));
        request.header("content-type", "application/x-www-form-urlencoded").body(fields.to_owned())
    }

    pub(crate) fn post(&self, path: &str, guest: &Guest, fields: &str) -> Response {
        let fields = format!("form={}&{fields}", guest.token);
        self.form(path, &fields).header("cookie", &guest.cookie).send().unwrap()
    }

    /// Signed in as anna, with the new cookie.
    fn anna(&self, next: &str) -> (Guest, Response) {
        let guest = self.guest();
        let answer = self.post("/sign-in", &guest, &format!("username=anna&password={PASSWORD}&next={next}"));
        assert_eq!(answer.status(), 303);
        let cookie = cookie(&answer).expect("the session gets a new name");
        assert_ne!(cookie, guest.cookie);
        assert!(
            !header(&self.get("/register", &guest), "location").is_empty(),
            "the name before is worth nothing"
        );
        let guest = Guest { cookie, token: String::new() };
        let token = token(&self.get("/", &guest).text().unwrap());
        (Guest { token, ..guest }, answer)
    }

    pub(crate) fn is_signed_in(&self, guest: &Guest) -> bool {
        self.get("/", guest).text().unwrap().contains("Signed in as anna")
    }
}

#[test]
fn cookie_is_bound_to_the_host_and_to_https_and_gets_a_new_name() {
    let house = house(true, "");
    let answer = house.client.get(format!("{}/sign-in", house.base)).send().unwrap();
    let set = header(&answer, "set-cookie");
    assert!(set.starts_with("__Host-doorward=") && set.contains("; Secure"), "{set}");
    assert!(
        set.contains("; Path=/;") && set.contains("; HttpOnly") && set.contains("; SameSite=Lax"),
        "{set}"
    );
    assert!(!set.to_lowercase().contains("domain"), "{set}");
    let (anna, _) = house.anna("/");
    assert!(house.is_signed_in(&anna));
    let ended = house.post("/sign-out", &anna, "");
    assert!(header(&ended, "set-cookie").contains("Max-Age=0"), "{ended:?}");
    assert!(!house.is_signed_in(&anna));
}

#[test]
fn every_answer_has_its_headers() {
    let house = house(true, "");
    let guest = house.guest();
    let (style, script) = {
        let page = house.get("/", &guest).text().unwrap();
        let find = |after: &str| page.split_once(after).unwrap().1.split('"').next().unwrap().to_owned();
        (find("rel=\"stylesheet\" href=\""), find("<script src=\""))
    };
    for path in ["/", "/sign-in", "/register", "/nothing-here", "/assets/nothing", &style, &script] {
        let answer = house.get(path, &guest);
        let policy = header(&answer, "content-security-policy");
        assert!(
            policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
        assert!(header(&answer, "strict-transport-security").starts_with("max-age="), "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header(&answer, "x-frame-options"), "DENY", "{path}");
        assert_eq!(header(&answer, "referrer-policy"), "same-origin", "{path}");
        let kept = header(&answer, "cache-control");
        let asset = path.contains("?v=");
        assert_eq!(kept, if asset { "public, max-age=31536000, immutable" } else { "no-store" }, "{path}");
    }
}

#[test]
fn forms_are_taken_from_pages_of_ours_only() {
    let house = house(false, "");
    let guest = house.guest();
    let fields = format!("username=anna&password={PASSWORD}");
    let good = format!("form={}&{fields}", guest.token);
    let other = house.guest();
    let cookie = |request: RequestBuilder| request.header("cookie", &guest.cookie);
    let forged = [
        ("no token", cookie(house.form("/sign-in", &fields))),
        ("a wrong token", cookie(house.form("/sign-in", &format!("form=AAAA&{fields}")))),
        ("the token of another", cookie(house.form("/sign-in", &format!("form={}&{fields}", other.token)))),
        ("no cookie", house.form("/sign-in", &good)),
        ("another origin", cookie(house.form("/sign-in", &good)).header("origin", "https://evil.example")),
        ("an origin that is none", cookie(house.form("/sign-in", &good)).header("origin", "null")),
        ("another site", cookie(house.form("/sign-in", &good)).header("sec-fetch-site", "cross-site")),
        (
            "a neighbour of the site",
            cookie(house.form("/sign-in", &good)).header("sec-fetch-site", "same-site"),
        ),
        ("bytes that are no text", cookie(house.form("/sign-in", &format!("{good}&x=%ff")))),
    ];
    for (what, request) in forged {
        let answer = request.send().unwrap();
        assert_eq!(answer.status(), 403, "{what}");
        assert!(answer.text().unwrap().contains("Secure Authentication Toolkit"), "{what}");
    }
    assert!(!house.is_signed_in(&guest));
    let ours = cookie(house.form("/sign-in", &good))
        .header("origin", &house.base)
        .header("sec-fetch-site", "same-origin");
    assert_eq!(ours.send().unwrap().status(), 303);
}

#[test]
fn large_forms_are_refused() {
    let house = house(false, "");
    let guest = house.guest();
    let answer = house.post("/sign-in", &guest, &format!("username={}", "x".repeat(64 * 1024)));
    assert_eq!(answer.status(), 413);
    assert_eq!(house.post("/sign-in", &guest, &format!("username={}", "x".repeat(60 * 1024))).status(), 422);
}

#[test]
fn address_has_its_share_of_forms_and_cannot_say_that_it_is_another() {
    let house = house(false, "rate = 5\n");
    let guest = house.guest();
    let send = |number: usize| {
        let fields = format!("form={}&username=anna&password=x", guest.token);
        let request = house.form("/sign-in", &fields).header("cookie", &guest.cookie);
        request.header("x-forwarded-for", format!("192.0.2.{number}")).send().unwrap()
    };
    for number in 0..5 {
        assert_eq!(send(number).status(), 422);
    }
    let answer = send(9);
    assert_eq!(answer.status(), 429);
    let wait: u64 = header(&answer, "retry-after").parse().unwrap();
    assert!((1..=12).contains(&wait), "{wait}");
    // What is asked while a password is typed has a share of its own.
    assert_eq!(house.post("/password/strength", &guest, "password=x").status(), 403);
    assert_eq!(house.get("/", &guest).status(), 200, "pages are shown all the same");
}

#[test]
fn proxy_of_ours_says_who_asks_and_over_what() {
    let house = house(false, "rate = 5\nproxies = [\"127.0.0.1\"]\n");
    let page = house
        .client
        .get(format!("{}/sign-in", house.base))
        .header("x-forwarded-proto", "https")
        .send()
        .unwrap();
    let cookie = cookie(&page).unwrap();
    assert!(cookie.starts_with("__Host-doorward="), "{cookie}");
    let token = token(&page.text().unwrap());
    let send = |from: &str| {
        let request = house
            .form("/sign-in", &format!("form={token}&username=anna&password=x"))
            .header("cookie", &cookie);
        request
            .header("x-forwarded-proto", "https")
            .header("x-forwarded-for", from)
            .send()
            .unwrap()
            .status()
            .as_u16()
    };
    for number in 0..5 {
        assert_eq!(
            send(&format!("203.0.113.{number}, 192.0.2.1")),
            422,
            "what stands before it anybody can write"
        );
    }
    assert_eq!(send("203.0.113.9, 192.0.2.1"), 429);
    assert_eq!(send("192.0.2.2"), 422);
}

#[test]
fn log_tells_of_a_proxy_that_takes_the_protection_of_cookies_away() {
    const WARNING: &str = "does not say `X-Forwarded-Proto: https`";
    let house = house(false, "proxies = [\"127.0.0.1\"]\n");
    let get = |proto: &str| {
        let request = house.client.get(format!("{}/sign-in", house.base)).header("x-forwarded-proto", proto);
        cookie(&request.send().unwrap()).unwrap()
    };
    assert!(get("https").starts_with("__Host-doorward="));
    for _ in 0..3 {
        assert!(get("http").starts_with("doorward="));
    }
    // What stands after it, so that there is an end to wait for.
    house.daemon.signal(nix::sys::signal::Signal::SIGHUP);
    let lines = house.daemon.lines.as_ref().unwrap();
    let mut warned = 0;
    loop {
        let line = lines.recv_timeout(crate::support::PATIENCE).unwrap();
        warned += usize::from(line.contains(WARNING));
        if line.contains("reloaded") {
            break;
        }
    }
    assert_eq!(warned, 1, "once for many requests");
}

#[test]
fn nobody_is_led_to_another_host() {
    let house = house(false, "");
    for next in
        ["https://evil.example/", "//evil.example", "/%5Cevil.example", "%2F%2Fevil.example", "javascript:1"]
    {
        let (_, answer) = house.anna(next);
        assert_eq!(header(&answer, "location"), "/", "{next}");
        let spoken = house.get(&format!("/language/es?next={next}"), &house.guest());
        assert_eq!((spoken.status().as_u16(), header(&spoken, "location")), (303, "/"), "{next}");
    }
    assert_eq!(header(&house.anna("/register").1, "location"), "/register");
}

// R-RESET-9
#[test]
fn sessions_end_when_the_password_is_changed_or_the_account_locked() {
    let house = house(false, "");
    let ((first, _), (second, _)) = (house.anna("/"), house.anna("/"));
    assert!(house.is_signed_in(&first) && house.is_signed_in(&second));
    let changed = house.daemon.run_with(&["person", "passwd", "anna"], &format!("{PASSWORD}\n"));
    assert!(changed.status.success(), "{changed:?}");
    assert!(!house.is_signed_in(&first) && !house.is_signed_in(&second));
    let (third, _) = house.anna("/");
    assert!(house.daemon.run(&["person", "lock", "anna"]).status.success());
    assert!(!house.is_signed_in(&third));
}

/// Sessions of people who have signed in.
fn sessions(house: &House) -> String {
    let mut sqlite = std::process::Command::new("sqlite3");
    sqlite.args(["-cmd", ".timeout 20000"]).arg(house.daemon.dir.join("doorward.db"));
    let counted = sqlite.arg("SELECT count(*) FROM sessions WHERE person IS NOT NULL").output().unwrap();
    assert!(counted.status.success(), "{counted:?}");
    String::from_utf8(counted.stdout).unwrap().trim().to_owned()
}

/// Else whoever closes the connection at the right moment changes a password without a mail that tells of it.
// R-RESET-6
#[test]
fn form_is_done_to_its_end_although_the_browser_has_gone() {
    use std::io::{Read, Write};
    // The password is being looked at when the browser goes.
    let house = house_with(false, "memory = \"256MiB\"\npasses = 4\ndeadline = \"60s\"\n", "");
    let guest = house.guest();
    assert_eq!(sessions(&house), "0");
    let fields = format!("form={}&username=anna&password={PASSWORD}", guest.token);
    let mut stream = std::net::TcpStream::connect(house.daemon.portal.unwrap()).unwrap();
    let head = format!(
        "POST /sign-in HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        house.daemon.portal.unwrap(),
        guest.cookie,
        fields.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Whoever asks for the form has begun (RFC 9110, 10.1.1): of a request that comes together with the end of its connection
    // nothing may be done.
    let mut begun = [0; 25];
    stream.read_exact(&mut begun).unwrap();
    assert_eq!(&begun, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(fields.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    // The daemon has noticed, and goes on.
    assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0);
    crate::support::slapd::until("the end of what was begun", || (sessions(&house) == "1").then_some(()));
}

#[test]
fn strength_is_told_to_who_chooses_a_password_only() {
    let house = house(false, "");
    let guest = house.guest();
    assert_eq!(house.post("/password/strength", &guest, "password=x").status(), 403);
    let (anna, _) = house.anna("/");
    assert_eq!(
        house
            .form("/password/strength", "password=x")
            .header("cookie", &anna.cookie)
            .send()
            .unwrap()
            .status(),
        403
    );
    let told = |password: &str| -> serde_json::Value {
        let answer = house.post("/password/strength", &anna, &format!("password={password}"));
        assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, "application/json"));
        serde_json::from_str(&answer.text().unwrap()).unwrap()
    };
    let weak = told("password");
    assert_eq!((&weak["score"], &weak["strength"]), (&0.into(), &"Strength: very weak".into()));
    assert!(weak["advice"].as_str().unwrap().starts_with("Many people use this password"), "{weak}");
    assert!(
        !weak["met"].to_string().contains("uncommon") && weak["met"].to_string().contains("min-length"),
        "{weak}"
    );
    let strong = told("copper+lantern+meadow");
    assert_eq!((&strong["score"], &strong["advice"]), (&4.into(), &serde_json::Value::Null));
    assert!(told("anna-anna-anna-pelican")["met"].to_string().find("no-username").is_none());
    // What is made to take long does not.
    let begun = std::time::Instant::now();
    told(&"4@8({[%3C3691!|70$5%2B%252".repeat(40));
    assert!(begun.elapsed() < std::time::Duration::from_secs(5), "{:?}", begun.elapsed());
}
