//! Microsoft Graph.

use super::{PASSWORD, account, set, settings, write};
use crate::support::gateway::{Asked, HttpGateway, Next};
use async_trait::async_trait;
use doorward::base::{Clock, ManualClock, Timestamp};
use doorward::config::MailboxSettings;
use doorward::store::mailbox::{MailboxError, MailboxProvider, Pause};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub(super) const SECRET: &str = "Value~of.the-client_secret";
const TENANT: &str = "72f988bf-0000-4000-8000-2d7cd011db47";
const CLIENT: &str = "00001111-aaaa-2222-bbbb-3333cccc4444";

/// Time that passes only where somebody waits.
struct Time {
    clock: ManualClock,
    waits: Mutex<Vec<u64>>,
}

impl Clock for Time {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

#[async_trait]
impl Pause for Time {
    async fn pause(&self, time: Duration) {
        self.waits.lock().unwrap().push(time.as_secs());
        self.clock.advance(time);
    }
}

pub(super) fn lines(gateway: &HttpGateway) -> String {
    let scheme = format!("http://{}", gateway.address);
    format!(
        "kind = \"graph\"\naccount = \"{{username}}@alumni.example.org\"\ntenant = \"{TENANT}\"\nclient_id = \"{CLIENT}\"\n\
         client_secret_file = \"client.secret\"\nlogin_url = \"{scheme}\"\ngraph_url = \"{scheme}\"\n"
    )
}

fn graph(dir: &Path, gateway: &HttpGateway) -> MailboxSettings {
    write(dir, "client.secret", &format!("{SECRET}\n"));
    settings(dir, &lines(gateway))
}

struct World {
    gateway: HttpGateway,
    time: Arc<Time>,
    provider: MailboxProvider,
    _dir: tempfile::TempDir,
}

impl World {
    fn start(next: impl IntoIterator<Item = Next>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gateway = HttpGateway::start(None);
        gateway.will(next);
        let settings = graph(dir.path(), &gateway);
        let clock = ManualClock::at(Timestamp::from_secs(1_000));
        let time = Arc::new(Time { clock, waits: Mutex::default() });
        let provider = MailboxProvider::with_time(Some(&settings), time.clone(), time.clone()).unwrap();
        Self { gateway, time, provider, _dir: dir }
    }

    async fn set(&self) -> Result<(), MailboxError> {
        set(&self.provider, "karim", PASSWORD).await
    }

    /// Method and last part of the path of everything that was asked.
    fn asked(&self) -> Vec<String> {
        let short = |asked: &Asked| format!("{} {}", asked.method, asked.path.rsplit('/').next().unwrap());
        self.gateway.asked().iter().map(short).collect()
    }

    fn waits(&self) -> Vec<u64> {
        self.time.waits.lock().unwrap().clone()
    }
}

/// A token that is good for an hour.
pub(super) fn token(text: &str) -> Next {
    let body = format!(
        "{{\"token_type\":\"Bearer\",\"expires_in\":3599,\"ext_expires_in\":3599,\"access_token\":\"{text}\"}}"
    );
    Next::Answer(200, body)
}

fn done() -> Next {
    Next::Answer(204, String::new())
}

/// As Graph writes errors.
pub(super) fn error(status: u16, code: &str, message: &str) -> Next {
    Next::Answer(status, body(code, message))
}

fn body(code: &str, message: &str) -> String {
    serde_json::json!({"error": {"code": code, "message": message, "innerError": {
        "date": "2026-11-28T10:11:12", "request-id": "aa24798e-43d2-43be-894a-a6b8bdff939d",
        "client-request-id": "aa24798e-43d2-43be-894a-a6b8bdff939d"}}})
    .to_string()
}

fn expired() -> Next {
    error(401, "InvalidAuthenticationToken", "Lifetime validation failed, the token is expired.")
}

const TOKEN: &str = "POST token";
const PATCH: &str = "PATCH karim%40alumni.example.org";

// R-ALUM-2
#[tokio::test]
async fn password_is_set_with_a_token_that_is_kept() {
    let world = World::start([token("ey.one"), done(), done()]);
    world.set().await.unwrap();
    world.set().await.unwrap();
    assert_eq!(world.asked(), [TOKEN, PATCH, PATCH]);
    let asked = world.gateway.asked();
    let form = &asked[0];
    assert_eq!(form.path, format!("/{TENANT}/oauth2/v2.0/token"));
    assert_eq!(form.header("content-type"), Some("application/x-www-form-urlencoded"));
    for (name, value) in [
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("scope", &format!("http://{}/.default", world.gateway.address)),
    ] {
        assert_eq!(form.field(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(form.body.split('&').count(), 4);
    for patch in &asked[1..] {
        assert_eq!(patch.path, "/v1.0/users/karim%40alumni.example.org");
        assert_eq!(patch.header("authorization"), Some("Bearer ey.one"));
        assert_eq!(patch.header("content-type"), Some("application/json"));
        let wanted = serde_json::json!({"passwordProfile":
            {"password": PASSWORD, "forceChangePasswordNextSignIn": false}});
        assert_eq!(patch.json(), wanted);
    }
}

#[tokio::test]
async fn characters_of_an_address_stay_in_its_part_of_the_path() {
    let world = World::start([token("ey.token"), done()]);
    set(&world.provider, "o'neil/me?$x#y%41+z", PASSWORD).await.unwrap();
    let path = &world.gateway.asked()[1].path;
    assert_eq!(path, "/v1.0/users/o%27neil%2Fme%3F%24x%23y%2541%2Bz%40alumni.example.org");
}

#[tokio::test]
async fn token_is_renewed_shortly_before_its_end_and_once_after_a_401() {
    let world =
        World::start([token("one"), done(), done(), token("two"), done(), expired(), token("three"), done()]);
    world.set().await.unwrap();
    world.time.clock.advance(Duration::from_secs(3500));
    world.set().await.unwrap();
    world.time.clock.advance(Duration::from_secs(50));
    world.set().await.unwrap();
    world.set().await.unwrap();
    assert_eq!(world.asked(), [TOKEN, PATCH, PATCH, TOKEN, PATCH, PATCH, TOKEN, PATCH]);
    let asked = world.gateway.asked();
    let bearers: Vec<_> = asked.iter().filter_map(|asked| asked.header("authorization")).collect();
    assert_eq!(bearers, ["Bearer one", "Bearer one", "Bearer two", "Bearer two", "Bearer three"]);
    let world = World::start([token("one"), expired(), token("two"), expired()]);
    let found = world.set().await.unwrap_err();
    assert!(matches!(&found, MailboxError::Misconfigured(why) if why.contains("`graph_url`")), "{found:?}");
    assert_eq!(world.asked().len(), 4, "and not again");
}

#[tokio::test]
async fn parallel_changes_fetch_one_token() {
    let world = World::start([token("one"), done(), done(), done()]);
    let (a, b, c) = tokio::join!(world.set(), world.set(), world.set());
    assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
    assert_eq!(world.asked().iter().filter(|asked| *asked == TOKEN).count(), 1);
}

#[tokio::test]
async fn provider_that_is_busy_is_asked_again_when_it_wants_within_the_deadline() {
    let busy = |after| Next::Headed(429, after, body("TooManyRequests", "Please retry after."));
    let world = World::start([token("ey.token"), busy("Retry-After: 7"), busy("Retry-After: 3"), done()]);
    world.set().await.unwrap();
    assert_eq!(world.waits(), [7, 3]);
    let off = Next::Headed(503, "X: y", body("serviceNotAvailable", "The service is unavailable."));
    let world = World::start([off.clone(), token("ey.token"), off.clone(), off, done()]);
    world.set().await.unwrap();
    assert_eq!(world.waits(), [1, 2, 4], "longer each time where nothing is said");
    // Longer than the deadline: no wait, and the person is told in how long.
    let world = World::start([
        token("ey.token"),
        busy("Retry-After: 150"),
        busy("Retry-After: 12"),
        busy("Retry-After: 12"),
    ]);
    let found = world.set().await.unwrap_err();
    assert!(found.sentence().contains("Nothing was changed; try again in 3 minutes"), "{found:?}");
    assert_eq!(world.waits(), [0; 0]);
    let found = world.set().await.unwrap_err();
    assert!(
        matches!(found, MailboxError::Later { after: Some(after), .. } if after.as_secs() == 12),
        "{found:?}"
    );
    assert_eq!(world.waits(), [12], "the second wait would end too late");
}

// R-ALUM-2
#[tokio::test]
async fn each_error_of_graph_has_its_meaning_and_leaves_nothing_half_done() {
    let complex = "The specified password does not comply with password complexity requirements. Please provide a different password.";
    let missing = "Resource 'karim@alumni.example.org' does not exist or one of its queried reference-property objects are not present.";
    for (answer, wanted, said) in [
        (error(400, "Request_BadRequest", complex), "mailbox-password-refused", "three of these four"),
        (error(404, "Request_ResourceNotFound", missing), "no-mailbox", "no alumni mailbox"),
        (
            error(403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation."),
            "mailbox-misconfigured",
            "Nothing was changed; ask the help desk",
        ),
        (Next::Answer(404, "<h1>Not Found</h1>".to_owned()), "mailbox-misconfigured", "ask the help desk"),
        (Next::Redirect(302, "http://127.0.0.1:9/".to_owned()), "mailbox-misconfigured", "ask the help desk"),
    ] {
        let shown = format!("{answer:?}");
        let world = World::start([token("ey.token"), answer]);
        let found = world.set().await.unwrap_err();
        assert_eq!(found.code(), wanted, "{shown}: {found:?}");
        assert!(found.sentence().contains(said), "{shown}: {}", found.sentence());
        assert_eq!((world.asked().len(), world.waits().len()), (2, 0), "{shown}: asked once");
    }
    let world = World::start([
        token("ey.token"),
        error(403, "Authorization_RequestDenied", "Insufficient privileges."),
    ]);
    let log = world.set().await.unwrap_err().to_string();
    for part in ["Authorization_RequestDenied", "request-id aa24798e", "alumni-mailbox.md"] {
        assert!(log.contains(part), "{log}");
    }
}

#[tokio::test]
async fn request_that_broke_off_is_made_once_more_and_doubt_that_stays_is_told() {
    for first in [
        Next::Close,
        Next::Half(200),
        error(500, "InternalServerError", "x"),
        Next::Answer(502, String::new()),
    ] {
        let world = World::start([token("ey.token"), first.clone(), done()]);
        world.set().await.unwrap();
        assert_eq!(world.asked(), [TOKEN, PATCH, PATCH]);
        let asked = world.gateway.asked();
        assert_eq!(asked[1].body, asked[2].body, "the same password again");
        // What is said of the password itself ends the doubt, everything else does not.
        let missing = error(404, "Request_ResourceNotFound", "Resource does not exist");
        for (second, wanted) in [
            (Next::Close, "mailbox-outcome-unknown"),
            (error(504, "GatewayTimeout", "x"), "mailbox-outcome-unknown"),
            (error(403, "Authorization_RequestDenied", "x"), "mailbox-outcome-unknown"),
            (missing, "no-mailbox"),
        ] {
            let shown = format!("{first:?} {second:?}");
            let world = World::start([token("ey.token"), first.clone(), second]);
            let found = world.set().await.unwrap_err();
            assert_eq!(found.code(), wanted, "{shown} {found:?}");
            assert_eq!(world.asked().len(), 3, "{shown}");
        }
    }
}

#[tokio::test]
async fn provider_that_hangs_is_given_up_at_the_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    let mut settings = graph(dir.path(), &gateway);
    settings.timeout = Duration::from_millis(1500);
    let begin = Instant::now();
    let provider = MailboxProvider::new(Some(&settings)).unwrap();
    gateway.will([token("ey.token"), Next::Hang]);
    let found = set(&provider, "karim", PASSWORD).await.unwrap_err();
    assert!(matches!(&found, MailboxError::Unknown(why) if why.contains("in time")), "{found:?}");
    assert!(found.sentence().contains("Try to log in to your mailbox"), "{}", found.sentence());
    let provider = MailboxProvider::new(Some(&settings)).unwrap();
    gateway.will([Next::Hang]);
    let found = set(&provider, "karim", PASSWORD).await.unwrap_err();
    assert!(matches!(&found, MailboxError::Unreachable(_)), "without a token nothing was asked: {found:?}");
    assert!(begin.elapsed() < Duration::from_secs(30), "each was given up");
}

#[tokio::test]
async fn without_a_token_nothing_is_changed_and_the_reason_is_in_the_log_only() {
    let described = |error: &str, description: &str| {
        let trace = "\r\nTrace ID: 255d1aef\r\nTimestamp: 2026-11-28";
        serde_json::json!({"error": error, "error_description": format!("{description}{trace}"), "error_codes": [7]})
            .to_string()
    };
    let wrong = described("invalid_client", "AADSTS7000215: Invalid client secret provided.");
    let unknown = described("unauthorized_client", "AADSTS700016: Application was not found.");
    for (answer, wanted, part) in [
        (Next::Answer(401, wrong), "mailbox-misconfigured", "AADSTS7000215"),
        (Next::Answer(400, unknown), "mailbox-misconfigured", "AADSTS700016"),
        (Next::Answer(404, "<html>".into()), "mailbox-misconfigured", "`login_url`"),
        (Next::Answer(200, "<html>".into()), "mailbox-provider-unreachable", "no token that can be used"),
        (Next::Answer(500, String::new()), "mailbox-provider-unreachable", "500"),
        (Next::Close, "mailbox-provider-unreachable", "there is no token"),
        (Next::Headed(429, "Retry-After: 90", String::new()), "mailbox-provider-busy", "429"),
    ] {
        let shown = format!("{answer:?}");
        let world = World::start([answer]);
        let found = world.set().await.unwrap_err();
        assert_eq!(found.code(), wanted, "{shown}: {found:?}");
        assert!(found.to_string().contains(part) && !found.sentence().contains(part), "{shown}: {found}");
        assert!(!found.to_string().contains("Trace ID") && !found.to_string().contains(SECRET), "{found}");
        assert_eq!(world.asked(), [TOKEN], "{shown}");
    }
}

#[tokio::test]
async fn provider_that_is_not_there_rests_after_a_failure() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    let settings = graph(dir.path(), &gateway);
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = lines(&gateway).replace(&gateway.address.to_string(), &nobody.to_string());
    let closed = super::settings(dir.path(), &text);
    let provider = MailboxProvider::new(Some(&closed)).unwrap();
    let found = set(&provider, "karim", PASSWORD).await.unwrap_err();
    assert!(matches!(&found, MailboxError::Unreachable(why) if why.contains("onnect")), "{found:?}");
    let found = set(&provider, "karim", PASSWORD).await.unwrap_err();
    assert!(matches!(&found, MailboxError::Unreachable(why) if why.contains("rests")), "{found:?}");
    // Other settings begin anew.
    gateway.will([token("ey.token"), done()]);
    provider.reload(Some(&settings)).unwrap();
    set(&provider, "karim", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn reload_keeps_the_token_unless_something_changed() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = HttpGateway::start(None);
    let settings = graph(dir.path(), &gateway);
    let provider = MailboxProvider::new(Some(&settings)).unwrap();
    gateway.will([token("one"), done(), done(), token("two"), done()]);
    set(&provider, "karim", PASSWORD).await.unwrap();
    provider.reload(Some(&graph(dir.path(), &gateway))).unwrap();
    set(&provider, "karim", PASSWORD).await.unwrap();
    write(dir.path(), "client.secret", "another-secret\n");
    provider.reload(Some(&super::settings(dir.path(), &lines(&gateway)))).unwrap();
    set(&provider, "karim", PASSWORD).await.unwrap();
    let methods: Vec<_> = gateway.asked().into_iter().map(|asked| asked.method).collect();
    assert_eq!(methods, ["POST", "PATCH", "PATCH", "POST", "PATCH"]);
    provider.reload(None).unwrap();
    assert!(provider.current().is_none());
}

#[tokio::test]
async fn mailbox_is_looked_up_without_a_change() {
    let world = World::start([
        token("ey.token"),
        Next::Answer(200, "{\"@odata.context\":\"x\",\"id\":\"87d349ed\"}".into()),
    ]);
    let mailboxes = world.provider.current().unwrap();
    let karim = account(&world.provider, "karim");
    assert_eq!(mailboxes.find(&karim).await.unwrap().entry, "87d349ed");
    let asked = &world.gateway.asked()[1];
    assert_eq!(
        (asked.method.as_str(), asked.path.as_str()),
        ("GET", "/v1.0/users/karim%40alumni.example.org?$select=id")
    );
    world.gateway.will([Next::Close, Next::Close]);
    let found = mailboxes.find(&karim).await.unwrap_err();
    assert!(matches!(found, MailboxError::Unreachable(_)), "a look changes nothing: {found:?}");
}

#[tokio::test]
async fn nobody_sets_an_empty_password() {
    let world = World::start([]);
    let found = world
        .provider
        .current()
        .unwrap()
        .set_password(&account(&world.provider, "k"), String::new().into())
        .await;
    assert_eq!(found.unwrap_err().sentence(), "Choose a password that is not empty.");
    assert_eq!(world.asked(), [""; 0]);
}
