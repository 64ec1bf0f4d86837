//! Templates, their lines, their escapes, and whose words they are.

use super::*;
use crate::domain::words::Words;

/// All templates: what the tests have written counts.
const WRITTEN: [&str; 6] = ["code_subject", "code_text", "code_html", "support_text", "support_html", "sms"];

fn words() -> Words {
    Words::new("en", &[]).unwrap()
}

fn say(texts: &Texts, language: &str, channel: Channel, content: &Content) -> Rendered {
    texts.code(words().find(language).unwrap(), channel, content)
}

fn template(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn texts(origin: &str) -> Texts {
    Texts {
        institution: Institution {
            name: "Ex & Co".to_owned(),
            support_email: "help@example.org".to_owned(),
            origin: origin.to_owned(),
            ..Institution::default()
        },
        message: MessageTexts {
            code_subject: template("{institution}: passcode"),
            code_text: template("Hello {name},\n\n{code} for {minutes} minutes"),
            code_html: template(
                "<p style=\"{ color: red }\">Hello {name}</p>\n<b title=\"{name}\">{code}</b>",
            ),
            support_text: template("Tel {support_phone}\nMail {support_email}\nAnswers: {faq}"),
            support_html: template("<a href=\"mailto:{support_email}\">{support_email}</a>"),
            sms: template("{code} from {institution}"),
            voice: template("It is {code}. Again: {code}."),
            written: WRITTEN.to_vec(),
        },
    }
}

fn content(name: &str) -> Content {
    Content {
        to: "+1".to_owned(),
        code: "123456".to_owned(),
        name: name.to_owned(),
        minutes: 5,
        username: String::new(),
        notice: None,
        language: None,
        campus: None,
    }
}

#[test]
fn mail_ends_with_support_and_leaves_out_lines_without_a_value() {
    let Rendered::Mail { subject, text, html } = say(&texts(""), "en", Channel::Email, &content("")) else {
        panic!("no mail")
    };
    assert_eq!(subject, "Ex & Co: passcode");
    assert_eq!(text, "\n123456 for 5 minutes\n\n-- \nMail help@example.org\n");
    assert!(html.contains("<b title=\"\">123456</b>") && !html.contains("Hello"), "{html}");
}

#[test]
fn html_is_escaped_wherever_a_value_stands() {
    let evil = "<img src=x onerror='y'> & \"z\"\r\nSubject: a";
    let Rendered::Mail { text, html, .. } = say(&texts(""), "en", Channel::Email, &content(evil)) else {
        panic!("no mail")
    };
    let safe = "&lt;img src=x onerror=&#39;y&#39;&gt; &amp; &quot;z&quot;  Subject: a";
    assert_eq!(html.matches(safe).count(), 2, "{html}");
    assert!(!html.contains("<img") && !text.contains("\nSubject"), "{text}");
}

#[test]
fn text_message_ends_with_the_line_that_binds_the_code_to_the_host() {
    let Rendered::Text(text) = say(&texts("sign.example.org"), "en", Channel::Sms, &content("A\n@evil #1"))
    else {
        panic!("no text")
    };
    assert_eq!(text, "123456 from Ex & Co\n@sign.example.org #123456");
    assert_eq!(
        say(&texts(""), "en", Channel::Sms, &content("")),
        Rendered::Text("123456 from Ex & Co".to_owned())
    );
}

#[test]
fn call_spells_the_digits() {
    let wanted = "It is 1, 2, 3, 4, 5, 6. Again: 1, 2, 3, 4, 5, 6.";
    assert_eq!(say(&texts(""), "en", Channel::Voice, &content("")), Rendered::Text(wanted.to_owned()));
}

#[test]
fn unknown_placeholder_is_named_and_other_braces_are_text() {
    assert_eq!(Template::parse("a {coed} b").unwrap_err().0, "{coed}");
    assert_eq!(Template::parse("a\n{Code}").unwrap_err().0, "{Code}");
    let same = template("{ color: red } {} { {name");
    assert_eq!(same.render(&|_| panic!("no field")), "{ color: red } {} { {name");
}

#[test]
fn nothing_prints_the_code() {
    for channel in Channel::ALL {
        assert!(!format!("{:?}", say(&texts(""), "en", channel, &content("x"))).contains("123456"));
    }
}

#[test]
fn what_nobody_has_written_is_said_in_the_persons_language() {
    let usual = Texts { message: MessageTexts { written: Vec::new(), ..texts("").message }, ..texts("") };
    let mail = |texts: &Texts, language| match say(texts, language, Channel::Email, &content("Ana <b>")) {
        Rendered::Mail { subject, text, html } => (subject, text, html),
        Rendered::Text(text) => panic!("{text}"),
    };
    let (subject, text, html) = mail(&usual, "es");
    assert_eq!(subject, "Ex & Co: su código de acceso");
    assert!(text.starts_with("Hola, Ana <b>:\n\n") && text.contains("123456"), "{text}");
    assert!(text.ends_with("-- \nEx & Co\nCorreo: help@example.org\n"), "no line without a value: {text}");
    assert!(html.contains("<html lang=\"es\">") && html.contains("Ana &lt;b&gt;"), "{html}");
    assert!(mail(&usual, "en").1.starts_with("Hello Ana <b>,"));
    // Whatever the language, what somebody has written comes first.
    assert_eq!(mail(&texts(""), "es").0, "Ex & Co: passcode");
    // A voice speaks one language.
    assert_eq!(
        say(&usual, "es", Channel::Voice, &content("")),
        say(&usual, "en", Channel::Voice, &content(""))
    );
    let Rendered::Text(sms) = say(&usual, "es", Channel::Sms, &content("")) else { panic!("no text") };
    assert!(
        sms.starts_with("123456: ") && sms.is_ascii(),
        "one letter with an accent makes two messages: {sms}"
    );
}

#[test]
fn words_that_lose_the_code_or_tell_it_in_the_subject_are_not_used() {
    let own = "message-code-text = No code.\nmessage-code-subject = { $code }\nmessage-sms = Oops\n";
    let words = Words::new("en", &[("en".to_owned(), own.to_owned())]).unwrap();
    let usual = Texts { message: MessageTexts { written: Vec::new(), ..texts("").message }, ..texts("") };
    let language = words.find("en").unwrap();
    let Rendered::Mail { subject, text, .. } = usual.code(language, Channel::Email, &content("")) else {
        panic!("no mail")
    };
    assert!(!subject.contains("123456") && text.contains("123456"), "{subject} {text}");
    let Rendered::Text(sms) = usual.code(language, Channel::Sms, &content("")) else { panic!("no text") };
    assert!(sms.contains("123456"), "{sms}");
}
