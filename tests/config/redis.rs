//! `[redis]`: what is understood, and what is refused in which words.

use super::*;
use doorward::config::{Endpoint, RedisMode};

fn redis(text: &str) -> doorward::config::Redis {
    good(&format!("{KEYS}[redis]\n{text}\n")).redis.unwrap()
}

fn refused(text: &str) -> String {
    report(&format!("{KEYS}[redis]\n{text}\n"))
}

#[test]
fn without_urls_redis_is_not_used() {
    assert_eq!(good(KEYS).redis, None);
    assert_eq!(good(&format!("{KEYS}[redis]\nmode = \"sentinel\"\n")).redis, None);
}

#[test]
fn every_arrangement_is_understood() {
    let one =
        redis("urls = \"rediss://redis.example.org\"\nuser = \"doorward\"\nsecret_file = \"redis.secret\"");
    assert_eq!(one.servers[0].endpoint, Endpoint::Tcp("redis.example.org".into(), 6379));
    assert!(one.servers[0].tls && one.mode == RedisMode::Standalone);
    assert_eq!(
        (one.user.as_str(), one.secret.as_ref().unwrap().expose().as_str()),
        ("doorward", "a-third-secret")
    );
    assert_eq!((one.timeout.as_millis(), one.prefix.as_str()), (500, "doorward"));
    assert!(!format!("{one:?}").contains("a-third-secret"));
    let many = redis(
        "mode = \"sentinel\"\nmaster = \"campus\"\nurls = [\"rediss://a:26379\", \"rediss://[2001:db8::1]:26380/\"]",
    );
    assert_eq!(many.mode, RedisMode::Sentinel("campus".into()));
    assert_eq!(many.servers[1].endpoint, Endpoint::Tcp("2001:db8::1".into(), 26380));
    assert_eq!(redis("mode = \"cluster\"\nurls = [\"rediss://a\"]").mode, RedisMode::Cluster);
    for local in [
        "redis://127.0.0.1",
        "redis://[::1]:6380",
        "redis://localhost",
        "unix:/run/redis.sock",
        "unix:///run/redis.sock",
    ] {
        assert!(!redis(&format!("urls = [\"{local}\"]")).servers[0].tls, "{local}");
    }
}

#[test]
fn what_cannot_work_is_told() {
    for (text, message) in [
        ("urls = [\"redis://redis.example.org\"]", "unprotected"),
        ("urls = [\"redis://10.0.0.1\"]", "use rediss:// (TLS)"),
        ("urls = [\"redis.example.org\"]", "is no address of a Redis server"),
        ("urls = [\"rediss://\"]", "is no address of a Redis server"),
        ("urls = [\"rediss://a:x\"]", "is no address of a Redis server"),
        ("urls = [\"rediss://a/0\"]", "is no address of a Redis server"),
        ("urls = [\"unix:run\"]", "is no address of a Redis server"),
        ("urls = [\"rediss://a\", \"rediss://b\"]", "there is one server"),
        ("urls = [\"rediss://a\", \"redis://[::1]\"]\nmode = \"cluster\"", "some are not"),
        ("urls = [\"unix:/run/redis.sock\"]\nmode = \"cluster\"", "a Unix socket leads to one server"),
        ("urls = [\"rediss://a\"]\nmode = \"sentinel\"", "`master` is missing"),
        ("urls = [\"rediss://a\"]\nmode = \"ring\"", "one of: standalone, sentinel, cluster"),
        ("urls = [\"rediss://a\"]\nuser = \"doorward\"", "the password of the user `doorward` is missing"),
        ("urls = [\"rediss://a\"]\nsecret = \"\"", "the password for Redis is empty"),
        ("urls = [\"rediss://a\"]\nsecret = \"x\"\nsecret_file = \"redis.secret\"", "exactly one of"),
        ("urls = [\"rediss://a\"]\nca_file = \"none.pem\"", "cannot be read"),
        ("urls = [\"rediss://a\"]\ntimeout = \"1ms\"", "from 50ms to 10s"),
        ("prefix = \"{x}\"", "cannot begin a key"),
        ("prefix = \"\"", "cannot begin a key"),
    ] {
        let shown = refused(text);
        assert!(shown.contains(message) && shown.contains("\n1 error"), "{text}\n{shown}");
    }
}

#[test]
fn password_in_a_url_is_refused_and_not_shown() {
    for url in ["rediss://doorward:hunter2@a", "rediss://:hunter2@a:6379", "redis://hunter2@127.0.0.1"] {
        let shown = refused(&format!("urls = [\"rediss://b\", \"{url}\"]\nmode = \"cluster\""));
        assert!(shown.contains("takes no user and no password") && shown.contains("secret_file"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
