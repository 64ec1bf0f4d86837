//! What applications, validation servers, keys and certificates say: `wire::{privacyidea, duo, wsapi, yubico, x509}`; and lines
//! for others that are made of what strangers have typed (`wire::{syslog, cef}`).

use super::{Reader, words as words_of};
use doorward::base::{Secret, SeededRandom, Timestamp, percent_decode, percent_encode, qr};
use doorward::wire::cef;
use doorward::wire::duo::{Authorization, Outcome, Results, Signed, is_timely};
use doorward::wire::privacyidea::token::Signer;
use doorward::wire::privacyidea::{BadParameters, Check, Decoding, Parameters, Transaction, boundary};
use doorward::wire::syslog::{Message, Severity};
use doorward::wire::wsapi::{Answer, ApiKey, Question, Request, Verdict};
use doorward::wire::x509::{Facts, Names};
use doorward::wire::yubico::{Key, Layout, Otp, PublicId, ends_with_modhex};

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// The first octet says what is tried with the others.
pub fn run(bytes: &[u8]) {
    let mut reader = Reader(bytes);
    match reader.octet() % 7 {
        0 => parameters(reader.0),
        1 => tokens(reader.0),
        2 => duo(&mut reader),
        3 => validation(reader.0),
        4 => typed(reader.0),
        5 => certificate(reader.0),
        _ => lines(&mut reader),
    }
}

fn parameters(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let form = Parameters::of_form(&text);
    let json = Parameters::of_json(bytes);
    // The first line says the boundary, as a Content-Type does.
    let (kind, body) = text.split_once('\n').unwrap_or((&text, ""));
    let parts = boundary(kind).flatten().ok_or(BadParameters::Parts);
    let parts = parts.and_then(|boundary| Parameters::of_parts(boundary, body.as_bytes()));
    for fields in [&form, &json, &parts].into_iter().flatten() {
        let check = Check::of(fields);
        let _ =
            (check.user, check.pass.expose().len(), check.client, check.transaction.map(Transaction::parse));
        // One without content counts as none.
        assert!(fields.iter().all(|(name, value)| fields.text(name).unwrap_or_default() == value));
    }
    for agent in ["", "privacyIDEA-Keycloak/1.0", "FreeRADIUS", &text] {
        for how in [Decoding::Auto, Decoding::Once, Decoding::Twice] {
            if let (Some(second), Ok(fields)) = (how.second(agent), Parameters::of_form(&text)) {
                let before = fields.iter().count();
                assert_eq!(fields.decoded_again(second).iter().count(), before, "no field is lost");
            }
        }
    }
    if let (Ok(one), Ok(other)) = (form, json) {
        let _ = one.and(other);
    }
    if let Some(plain) = percent_decode(&text) {
        assert_eq!(percent_decode(&percent_encode(&plain)), Some(plain));
    }
    assert_eq!(percent_decode(&percent_encode(&text)).as_deref(), Some(text.as_ref()));
}

/// Nobody makes a token of ours who has not got the key.
fn tokens(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let signer = Signer::new(Secret::new(vec![7; 32]));
    assert_eq!(signer.open(&text, NOW), None);
    let lifetime = std::time::Duration::from_secs(60);
    if let Some((token, claims)) = signer.sign(&text, "kid", lifetime, NOW) {
        if token.expose().len() <= 2048 {
            assert_eq!(signer.open(token.expose(), NOW), Some(claims));
        }
        assert_eq!(signer.open(token.expose(), NOW + lifetime + lifetime), None);
    }
    let results = Results::new(Secret::new(vec![8; 32]));
    assert_eq!(results.find("sign-on", &text, NOW), None);
    let _ = Transaction::parse(&text);
}

/// Nobody signs a request who has not got the key.
fn duo(reader: &mut Reader<'_>) {
    let (method, host, path) = (reader.octets(), reader.octets(), reader.octets());
    let [method, host, path] = [method, host, path].map(String::from_utf8_lossy);
    let header = String::from_utf8_lossy(reader.octets());
    let date = String::from_utf8_lossy(reader.octets());
    let text = String::from_utf8_lossy(reader.0);
    let _ = is_timely(&date, NOW);
    let (Some(authorization), Ok(fields)) = (Authorization::parse(&header), Parameters::of_form(&text))
    else {
        return;
    };
    let headers = [("x-duo-date".to_owned(), date.to_string())];
    let signed = Signed {
        method: &method,
        host: &host,
        path: &path,
        fields: &fields,
        json: b"",
        date: &date,
        headers: &headers,
    };
    assert!(!signed.is_signed(&Secret::new("a-key-that-nobody-knows".to_owned()), &authorization));
}

/// Answers of validation servers, and questions to ours.
fn validation(bytes: &[u8]) {
    let key = ApiKey::parse(b"bm90LXNlY3JldC1ub3Qtc2VjcmU=").unwrap();
    let random = SeededRandom::new(7);
    let question = Question::new(
        1,
        Secret::new("vvincredibletrefilteijgvhdvbkrbhuijklerbe".to_owned()),
        (None, 0),
        &random,
    );
    if let Ok(answer) = Answer::parse(bytes) {
        assert!(!matches!(question.judge(&answer, &key), Ok(Verdict::Valid)), "nobody has signed it");
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some(request) = Request::parse(&text) {
        assert!(!request.is_signed(&key));
        let _ = request.missing();
        assert!(
            request.otp.as_deref().is_none_or(|otp| otp.bytes().all(|letter| letter.is_ascii_alphanumeric()))
        );
    }
    let _ = ApiKey::parse(bytes);
}

fn typed(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(otp) = Otp::parse(&text) {
        let again = otp.to_string();
        assert_eq!(Otp::parse(&again).unwrap(), otp);
        assert_eq!(otp.public_id.at_end(again.as_bytes()), Some(0));
        let key = Key { aes: Secret::new([3; 16]), private_id: Secret::new([4; 6]) };
        let _ = key.open(&otp).map(|token| token.position());
    }
    if let Ok(id) = PublicId::parse(&text) {
        assert_eq!(PublicId::new(id.as_bytes()), Some(id));
        if let Some(at) = id.at_end(bytes) {
            assert_eq!(bytes.len() - at, id.typed());
        }
    }
    assert!(ends_with_modhex(bytes) <= bytes.len());
    if let Some(layout) = Layout::of(&text) {
        let _ = layout.undo(&text);
    }
    let _ = (Timestamp::parse(&text), qr::path(&text));
    doorward::domain::passcode::canonical_code(&text);
    let _ = doorward::domain::person::Username::parse(&text).map(|name| {
        // A name is the same when it is read again.
        assert_eq!(doorward::domain::person::Username::parse(name.as_str()).ok().as_ref(), Some(&name));
    });
}

fn certificate(bytes: &[u8]) {
    let (facts, names) = (Facts::of(bytes), Names::of(bytes));
    if let Some(facts) = facts {
        assert!(facts.issuer.len() <= bytes.len() && facts.subject.len() <= bytes.len());
    }
    if let Some(names) = names {
        let all = [names.upn, names.email, names.dns, names.common].concat();
        assert!(all.iter().all(|name| name.len() <= 2 * bytes.len()));
    }
}

/// What strangers type stays in its line and in its place.
fn lines(reader: &mut Reader<'_>) {
    let (subject, id) = (reader.octets(), reader.octets());
    let [subject, id, more] = [subject, id, reader.0].map(String::from_utf8_lossy);
    let parameters = [("subject", subject.as_ref()), ("detail", more.as_ref())];
    let message = Message {
        severity: Severity::Notice,
        timestamp: "2026-11-28T10:00:00.123Z",
        host: &id,
        app: "doorward",
        id: &id,
        element: "doorward@32473",
        parameters: &parameters,
        text: "login reject",
    };
    let line = message.line();
    assert!(!line.chars().any(char::is_control), "{line:?}");
    assert!(line.ends_with("] login reject"));
    // Outside of values, quotes come in pairs and brackets close once.
    let (mut inside, mut escaped, mut quotes) = (false, false, 0);
    // No field of the header has a space in it.
    let element = line.splitn(7, ' ').nth(6).unwrap().strip_prefix("[doorward@32473").unwrap();
    let end = element.char_indices().find(|(_, letter)| {
        match letter {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => {
                inside = !inside;
                quotes += 1;
            }
            ']' if !inside => return true,
            _ => {}
        }
        false
    });
    assert_eq!((quotes, end.map(|(at, _)| &element[at..])), (4, Some("] login reject")), "{line:?}");
    let event = cef::Event { version: "1", class: &id, name: &subject, severity: 5, extension: &parameters };
    let line = event.line();
    assert!(!line.chars().any(char::is_control), "{line:?}");
    // Seven bars that count, as the format has it.
    let mut bars = 0;
    let mut before = ' ';
    for letter in line.chars() {
        if letter == '|' && before != '\\' && bars < 7 {
            bars += 1;
        }
        before = if before == '\\' && letter == '\\' { ' ' } else { letter };
    }
    assert_eq!(bars, 7, "{line:?}");
}

/// One of each.
pub fn seeds() -> Vec<Vec<u8>> {
    let key = rcgen::KeyPair::generate().unwrap();
    let params =
        rcgen::CertificateParams::new(vec!["radius.example.edu".to_owned(), "ann@example.edu".to_owned()])
            .unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let results = Results::new(Secret::new(vec![9; 32]));
    let [result, status, status_msg] = ["allow", "allow", "Welcome."].map(str::to_owned);
    let result = results.keep("sign-on", Outcome { result, status, status_msg }, NOW);
    let token =
        Signer::new(Secret::new(vec![9; 32])).sign("sign-on", "kid", std::time::Duration::from_secs(9), NOW);
    let mut seeds: Vec<Vec<u8>> = vec![
        b"\x00user=ann&pass=hunter2%31123456&transaction_id=a7a7&client=192.0.2.1&type=totp&otponly=1".to_vec(),
        br#"{"user": "ann", "pass": "hunter2", "otponly": true, "serial": null, "realm": "example.edu", "n": 3}"#.to_vec(),
        b"\x00multipart/form-data; boundary=x\n--x\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nann\r\n--x\r\nContent-Disposition: form-data; name=\"pass\"\r\n\r\nhunter2%31\r\n--x--\r\n".to_vec(),
        b"\x03h=aGFzaA==\r\nt=2026-11-28T10:00:00Z0123\r\notp=vvincredibletrefilteijgvhdvbkrbhuijklerbe\r\nnonce=07070707070707070707070707070707\r\nsl=25\r\nstatus=OK\r\n".to_vec(),
        b"\x03id=1&otp=vvincredibletrefilteijgvhdvbkrbhuijklerbe&nonce=0123456789abcdef&timestamp=1&sl=secure&h=AAAA".to_vec(),
        b"\x04dteffujehknhfjbrjnlnldnhcujvddbikngjrtgh".to_vec(),
        "\u{4}ann@EXAMPLE.edu\u{e9}".as_bytes().to_vec(),
        b"\x042026-11-28T10:00:00.123Z".to_vec(),
        b"\x06\x08x\" a=\"]\n\x05login\xe2\x80\xae|=\\|".to_vec(),
        [&[5], certificate.der().as_ref()].concat(),
        [&[1], result.as_bytes()].concat(),
    ];
    seeds[1].insert(0, 0);
    seeds.extend(token.map(|(token, _)| [&[1], token.expose().as_bytes()].concat()));
    let basic =
        data_encoding::BASE64.encode(b"DIXXXXXXXXXXXXXXXXXX:0123456789abcdef0123456789abcdef01234567");
    let header = format!("Basic {basic}");
    let mut request = vec![2, 4];
    request.extend(b"POST");
    for part in ["api.example.edu:443", "/auth/v2/auth", &header, "Sat, 28 Nov 2026 10:00:00 -0000"] {
        request.push(u8::try_from(part.len()).unwrap());
        request.extend(part.bytes());
    }
    request.extend(b"username=ann&factor=passcode&passcode=123456");
    seeds.push(request);
    seeds
}

/// Names of fields.
pub fn words() -> Vec<String> {
    words_of(
        "user pass transaction_id client type totp hotp otponly serial realm state username id otp nonce timestamp sl secure fast timeout status \
         OK BAD_OTP REPLAYED_OTP REPLAYED_REQUEST BACKEND_ERROR Basic factor passcode device auto async x-duo-date vvccccbcdefg cccc",
    )
}
