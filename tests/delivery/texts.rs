//! The message catalogue as configured: every text with sample data, and errors with their place.

use super::{CODE, good, load, message};
use doorward::domain::method::Channel;
use doorward::domain::texts::Rendered;

const INSTITUTION: &str = "[institution]\nname = \"Example & Sons University\"\ncampus = \"Main <Campus>\"\n\
    support_name = \"IT Support\"\nsupport_phone = \"+1 520 555 0100\"\nsupport_email = \"help@example.org\"\n\
    faq = \"https://example.org/faq?a=1&b=2\"\norigin = \"sign.example.org\"\n";

fn texts(text: &str, channel: Channel) -> Rendered {
    let dir = tempfile::tempdir().unwrap();
    message(&good(dir.path(), text), channel, "x").body.clone()
}

// R-TOP-2
#[test]
fn every_default_text_is_whole_with_sample_data() {
    let Rendered::Mail { subject, text, html } = texts(INSTITUTION, Channel::Email) else {
        panic!("no mail")
    };
    assert_eq!(subject, "Example & Sons University: your passcode");
    assert!(text.starts_with("Hello Ann \"O\" <Müller> & Co,\n"), "{text}");
    for wanted in [CODE, "5 minutes", "IT Support", "+1 520 555 0100", "help@example.org"] {
        assert!(text.contains(wanted) && html.contains(wanted), "{wanted}: {text}{html}");
    }
    assert!(text.trim_end().ends_with("Frequent questions: https://example.org/faq?a=1&b=2"), "{text}");
    assert!(html.contains("<a href='https://example.org/faq?a=1&amp;b=2'>Frequent questions</a>"), "{html}");
    assert!(
        html.contains("Ann &quot;O&quot; &lt;Müller&gt; &amp; Co") && html.contains("Main &lt;Campus&gt;")
    );
    let Rendered::Text(sms) = texts(INSTITUTION, Channel::Sms) else { panic!("no text") };
    assert!(sms.starts_with(CODE) && sms.ends_with("\n@sign.example.org #739184"), "{sms}");
    assert!(sms.len() <= 160 && sms.is_ascii(), "one message: {} {sms}", sms.len());
    let Rendered::Text(call) = texts(INSTITUTION, Channel::Voice) else { panic!("no call") };
    assert_eq!(call.matches("7, 3, 9, 1, 8, 4").count(), 2, "{call}");
    for whole in [&text, &html, &sms, &call] {
        assert!(!whole.contains('{') && !whole.contains('}'), "{whole}");
    }
}

#[test]
fn without_an_institution_there_are_no_empty_lines_about_it() {
    let Rendered::Mail { text, html, .. } = texts("", Channel::Email) else { panic!("no mail") };
    assert!(text.ends_with("\n-- \nDoorward\nHelp desk\n"), "{text}");
    assert!(!text.contains("Telephone") && !html.contains("mailto") && !html.contains("href"), "{html}");
    let Rendered::Text(sms) = texts("", Channel::Sms) else { panic!("no text") };
    assert!(!sms.contains('\n') && !sms.contains('@'), "{sms}");
}

#[test]
fn texts_can_be_replaced_and_keep_the_support_block() {
    let text =
        format!("{INSTITUTION}[message]\ncode_text = \"{{code}}!\"\nsms = \"{{name}}: {{code}} #1\"\n");
    let Rendered::Mail { text: mail, .. } = texts(&text, Channel::Email) else { panic!("no mail") };
    assert!(mail.starts_with("739184!\n\n-- \nExample & Sons"), "{mail}");
    let Rendered::Text(sms) = texts(&text, Channel::Sms) else { panic!("no text") };
    assert_eq!(sms, "Ann \"O\" <Müller> & Co: 739184 #1\n@sign.example.org #739184");
}

/// (what stands there, what the error says, what the caret marks)
fn wrong(text: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    match load(dir.path(), text) {
        Ok(_) => panic!("no error in:\n{text}"),
        Err(errors) => errors,
    }
}

#[test]
fn what_is_wrong_with_a_text_is_told_at_its_place() {
    let shown = wrong("[message]\nsms = \"Your {coed} and {code}\"\n");
    assert!(
        shown.contains("nothing is known about: {coed}") && shown.contains("known: {code} {minutes}"),
        "{shown}"
    );
    assert!(shown.contains("doorward.toml:4:13") && shown.contains("|             ^^^^^^ known"), "{shown}");
    for (text, wanted) in [
        ("[message]\nvoice = \"Hello\"\n", "`voice` has no `{code}`"),
        ("[message]\ncode_subject = \"Code {code}\"\n", "must not have the code"),
        ("[message]\nsupport_text = \"{code}\"\n", "must not have the code"),
        ("[institution]\norigin = \"https://a.org/\"\n", "is nothing for `origin`"),
        ("[institution]\nsupport_email = \"a b\"\n", "is nothing for `support_email`"),
        ("[institution]\nfaq = \"javascript:x\"\n", "is nothing for `faq`"),
        ("[institution]\nfaq = \"http://example.org/\"\n", "wanted: an address that begins with https://"),
        ("[institution]\nname = \"a\\nb\"\n", "must be one line"),
        ("[codes]\ncountry = \"XX\"\n", "is nothing for `country`"),
        ("[codes]\nlifetime = \"11m\"\n", "`lifetime` is out of range"),
        ("[codes]\ndigits = 5\n", "from 6 to 10"),
        ("[codes]\nlifetime = \"1m\"\nresend_after = \"2m\"\n", "must not exceed `lifetime`"),
    ] {
        let shown = wrong(text);
        assert!(shown.contains(wanted), "{text}\n{shown}");
    }
}

#[test]
fn what_is_wrong_with_a_provider_is_told() {
    let smtp = "[smtp]\nhost = \"mail.example.org\"\nfrom = \"a@example.org\"\n";
    let gateway =
        "[[gateway]]\nname = \"g\"\nkind = \"http\"\nurl = \"https://g.example/\"\nbody = \"{text}\"\n";
    for (text, wanted) in [
        (smtp.replace("from = \"a@example.org\"", ""), "needs a `from`"),
        (smtp.replace("a@", "a@b@"), "is no sender"),
        (format!("{smtp}tls = \"none\"\n"), "codes would go to mail.example.org unprotected"),
        (format!("{smtp}user = \"u\"\n"), "exactly one of `secret`"),
        (format!("{smtp}secret_file = \"gateway.secret\"\n"), "no `user`"),
        (smtp.replace("mail.example.org", "mail:25"), "is no name of a server"),
        (gateway.replace("https://g.example/", "http://g.example/"), "unprotected"),
        (gateway.replace("https://g.example/", "https://{to}.example/"), "is no address of a gateway"),
        (gateway.replace("https://g.example/", "https://g.example/?k={secret}"), "must not have the secret"),
        (gateway.replace("{text}", "{txt}"), "nothing is known about: {txt}"),
        (gateway.replace("{text}", "x"), "neither `url` nor `body`"),
        (gateway.replace("{text}", "{text} {secret}"), "there is no secret"),
        (format!("{gateway}content_type = \"image/png\"\n"), "how values are written"),
        (format!("{gateway}success = [\"20x\"]\n"), "is no status"),
        (format!("{gateway}headers = [\"a b: c\"]\n"), "this is no header"),
        (format!("{gateway}prefixes = [\"0049\"]\n"), "is no beginning of a number"),
        (format!("{gateway}channels = [\"email\"]\n"), "is nothing for `channels`"),
        (format!("{gateway}{gateway}"), "is called `g` already"),
        (gateway.replace("\"g\"", "\"smtp\""), "names are unique"),
        (
            "[[gateway]]\nname = \"g\"\nkind = \"exec\"\nprogram = \"nowhere\"\n".to_owned(),
            "there is no program",
        ),
        (
            "[[gateway]]\nname = \"g\"\nkind = \"twilio\"\nsecret_file = \"gateway.secret\"\n".to_owned(),
            "is no account",
        ),
    ] {
        let shown = wrong(&text);
        assert!(shown.contains(wanted), "{text}\n{shown}");
    }
}

#[test]
fn every_example_in_the_manual_is_right() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/messages.md")).unwrap();
    let examples: Vec<_> =
        manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let dir = tempfile::tempdir().unwrap();
    super::write(dir.path(), "send-sms", "#!/bin/sh\n", 0o700);
    for name in ["smtp", "twilio", "sms", "classic"] {
        super::write(dir.path(), &format!("{name}.secret"), "a-secret\n", 0o600);
    }
    let text = examples.join("\n").replace("/usr/local/lib/doorward/send-sms", "send-sms");
    let config = good(dir.path(), &text);
    assert_eq!((config.gateways.len(), config.smtp.is_some()), (4, true));
    doorward::store::delivery::Providers::new(&config).unwrap();
}
