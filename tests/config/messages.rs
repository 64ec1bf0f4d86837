//! What messages say where the configuration does not.

use super::*;

#[test]
fn defaults_of_messages_are_what_the_english_words_say() {
    let config = good(KEYS);
    let mut content = doorward::domain::message::Content::default();
    (content.code, content.name, content.minutes) = ("123456".into(), "Ann".into(), 5);
    let mut institution = config.catalogue.institution.clone();
    (institution.campus, institution.support_phone) = ("North".into(), "+1 520 555 0100".into());
    (institution.support_email, institution.faq) =
        ("help@example.org".into(), "https://example.org/faq".into());
    let said = doorward::domain::texts::Texts { institution, message: config.catalogue.message.clone() };
    let mut written = said.clone();
    written.message.written =
        vec!["code_subject", "code_text", "code_html", "support_text", "support_html", "sms", "voice"];
    assert!(said.message.written.is_empty());
    let english = config.portal.words.find("en").unwrap();
    for channel in doorward::domain::method::Channel::ALL {
        // The message itself is never shown.
        assert!(
            said.code(english, channel, &content) == written.code(english, channel, &content),
            "{channel}"
        );
    }
}
