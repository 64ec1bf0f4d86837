//! `[metrics]`: who may see the figures.

use super::*;

fn metrics(lines: &str) -> String {
    format!("{KEYS}[metrics]\n{lines}\n")
}

#[test]
fn figures_beyond_this_machine_need_names_of_those_who_may_ask() {
    assert!(good(KEYS).metrics.listen.is_empty(), "off by default");
    let config = good(&metrics("listen = [\"127.0.0.1:9812\", \"[::1]:9812\"]"));
    assert_eq!((config.metrics.listen.len(), config.warnings.len()), (2, 0), "{:?}", config.warnings);
    for address in ["0.0.0.0:9812", "[::]:9812", "192.0.2.1:9812", "[::ffff:192.0.2.1]:9812"] {
        let shown = report(&metrics(&format!("listen = [\"127.0.0.1:9812\", \"{address}\"]")));
        assert!(shown.contains("would see how many log in") && shown.contains("`networks`"), "{shown}");
    }
    let config = good(&metrics("listen = [\"0.0.0.0:9812\"]\nnetworks = [\"192.0.2.17\"]"));
    assert!(config.warnings.iter().any(|said| said.contains("unprotected")), "{:?}", config.warnings);
    let shown = report(&metrics("listen = 9812"));
    assert!(shown.contains("1 error"), "said once: {shown}");
}

#[test]
fn figures_are_for_this_machine_and_for_those_who_are_named() {
    let config =
        good(&metrics("listen = [\"[::]:9812\"]\nnetworks = [\"192.0.2.16/29\", \"2001:db8::/64\"]"));
    let answers = |address: &str| config.metrics.answers(address.parse().unwrap());
    for one in ["127.0.0.1", "127.9.9.9", "::1", "192.0.2.17", "::ffff:192.0.2.17", "2001:db8::5"] {
        assert!(answers(one), "{one}");
    }
    for stranger in ["192.0.2.15", "192.0.2.24", "2001:db8:1::5", "::ffff:198.51.100.1", "10.0.0.1"] {
        assert!(!answers(stranger), "{stranger}");
    }
}

#[test]
fn certificate_of_https_that_has_ended_is_a_warning_too() {
    let dir = folder(&metrics("certificate_file = \"old.pem\"\nprivate_key_file = \"old.key\""));
    eap::made(dir.path(), "old", |params| params.not_after = rcgen::date_time_ymd(2021, 1, 1));
    let config = load_with(dir.path(), &[]).unwrap();
    let said = "[metrics] the certificate has ended";
    assert!(config.warnings.iter().any(|warning| warning.contains(said)), "{:?}", config.warnings);
    assert_eq!(config.certificates().len(), 1);
}
