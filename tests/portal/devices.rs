//! Setting up a passcode app and a YubiKey, and the mailbox of an alumnus, in a real browser: every state is looked at.

use crate::looks::{look, picture};
use crate::reset::NEW;
use crate::support::browser::{Browser, key};
use crate::support::code;
use crate::support::gateway::{HttpGateway, Next};
use crate::world::Demo;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const PUBLIC_ID: &str = "vvccccbcdefg";
const AES: &str = "ecde18dbe76fbd0c33330f1c354871db";
const PRIVATE_ID: &str = "8792ebfe26cc";

/// The page asks for a passcode, which comes by mail.
fn prove(demo: &Demo, browser: &Browser) {
    assert!(browser.path().starts_with("/verify"), "{}: {}", browser.path(), browser.text());
    if browser.has_button("Continue") {
        browser.choose("Email to ");
        browser.press("Continue");
    }
    browser.fill("Passcode", &demo.sent.code());
    browser.press("Verify");
}

// R-APP-1 R-APP-2 R-APP-3 R-APP-4 R-APP-5 R-APP-6
#[test]
fn app_is_set_up_in_the_browser() {
    let demo = Demo::start("");
    let browser = Browser::start();
    demo.sign_in(&browser, "UNREGISTERED");
    browser.open(&demo.page("/app"));
    browser.follow("begin setup");
    prove(&demo, &browser);
    picture(&browser, "app-name");
    browser.fill("Name of the device", "my telephone");
    browser.press("enroll");
    picture(&browser, "app-code");
    let drawing = browser.css("main svg");
    assert_eq!(browser.attribute(&drawing, "role").as_deref(), Some("img"));
    assert_eq!(browser.name(&drawing), "QR code with the key of your account");
    // The text beside it says the same.
    let seed = browser.texts("code.key").concat().replace(' ', "");
    let link = browser.script("return document.querySelector('main a[href^=\"otpauth:\"]').href");
    assert!(link.as_str().unwrap().contains(&format!("secret={seed}")), "{link}");
    browser.fill("Type the passcode that the app shows now", "000000");
    browser.press("Confirm");
    assert!(browser.told().contains("This is not the passcode of this key."), "{}", browser.text());
    look(&browser, "app, a wrong first passcode");
    browser.fill("Type the passcode that the app shows now", &code(&seed, 0));
    browser.press("Confirm");
    assert_eq!(browser.heading(), "Choose a PIN");
    assert!(browser.told().contains("The app works."), "{}", browser.text());
    picture(&browser, "app-pin");
    let field = browser.field("PIN");
    assert_eq!(browser.attribute(&field, "inputmode").as_deref(), Some("numeric"));
    assert_eq!(browser.attribute(&field, "type").as_deref(), Some("password"));
    browser.fill("PIN", "1234");
    browser.fill("PIN once more", "1234");
    browser.press("Set the PIN");
    assert!(browser.told().contains("its digits follow each other"), "{}", browser.text());
    look(&browser, "app, a weak PIN");
    browser.fill("PIN", "8305");
    browser.fill("PIN once more", "8305");
    browser.press("Set the PIN");
    assert!(browser.text().contains("Congratulations! Your account has been created."), "{}", browser.text());
    look(&browser, "app, done");
    browser.press("Make new recovery codes");
    assert_eq!(browser.texts("code.key").len(), 10);
    picture(&browser, "recovery-codes");
    browser.open(&demo.page("/security"));
    assert!(browser.text().contains("my telephone"), "{}", browser.text());
    look(&browser, "my security, with an app");
}

/// What the key types at these counters.
fn touch(uses: u16, touches: u8) -> String {
    let counters = [format!("{uses:04x}"), format!("{touches:02x}")];
    let arguments = [AES, PRIVATE_ID, &counters[0], "c0a8", "00", &counters[1]];
    let output = Command::new("ykgenerate").args(arguments).output().expect("ykgenerate is installed");
    format!("{PUBLIC_ID}{}", String::from_utf8(output.stdout).unwrap().trim())
}

/// The key is a keyboard: it types where the focus is, and presses Enter.
fn touch_it(browser: &Browser, typed: &str) {
    browser.click(&browser.field("Click into this field and touch your key"));
    browser.keys(typed);
    browser.leaving(|| browser.keys(key::ENTER));
}

// R-YUBI-1 R-YUBI-2 R-YUBI-3 R-YUBI-4
#[test]
fn key_is_registered_by_a_touch_in_the_browser() {
    let demo = Demo::start("");
    let file = demo.daemon.dir.join("keys.csv");
    let line = format!("5012345,{PUBLIC_ID},{PRIVATE_ID},{AES},,2026-05-01T10:00:00,\n");
    std::fs::write(&file, line).unwrap();
    let imported = demo.daemon.run(&["import", "yubikey", &file.display().to_string()]);
    assert!(imported.status.success(), "{imported:?}");
    let browser = Browser::start();
    demo.sign_in(&browser, "UNREGISTERED");
    browser.open(&demo.page("/key"));
    browser.follow("Register a key");
    prove(&demo, &browser);
    picture(&browser, "key-register");
    touch_it(&browser, "cccccc");
    assert!(browser.told().contains("This is not what a YubiKey types."), "{}", browser.text());
    assert_eq!(browser.attribute(&browser.focused(), "id").as_deref(), Some("problems"));
    look(&browser, "key, not a key");
    browser.fill("Name of the key", "blue key ring");
    touch_it(&browser, &touch(1, 0));
    assert!(browser.told().contains("Your key blue key ring is registered."), "{}", browser.text());
    look(&browser, "key, registered");

    browser.open(&demo.page("/key/verify"));
    picture(&browser, "key-verify");
    touch_it(&browser, &touch(1, 1));
    assert!(browser.told().contains("Your key blue key ring works."), "{}", browser.text());
    look(&browser, "key, verified");
    touch_it(&browser, &touch(1, 1));
    assert!(browser.told().contains("it was typed before"), "{}", browser.text());
    look(&browser, "key, typed before");

    // From now on it is asked for; a touch alone sends the form.
    browser.press("Sign out");
    demo.sign_in(&browser, "UNREGISTERED");
    browser.open(&demo.page("/security"));
    assert!(browser.path().starts_with("/verify"), "{}", browser.path());
    if browser.has_button("Continue") {
        browser.choose("Yubikey Device");
        browser.press("Continue");
    }
    look(&browser, "key, asked for at a sign-in");
    assert_eq!(browser.name(&browser.focused()), "Passcode");
    browser.keys(&touch(1, 2));
    browser.leaving(|| browser.keys(key::ENTER));
    assert_eq!(browser.path(), "/security");
    assert!(browser.text().contains("blue key ring"), "{}", browser.text());
}

// R-ALUM-1 R-ALUM-2
#[test]
fn alumnus_sets_the_password_of_the_mailbox_in_the_browser() {
    let (dir, provider) = (tempfile::tempdir().unwrap(), HttpGateway::start(None));
    let secret = dir.path().join("client.secret");
    std::fs::write(&secret, "Value~of.the-client_secret\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let at = format!("http://{}", provider.address);
    let demo = Demo::start(&format!(
        "[mailbox]\nkind = \"graph\"\naccount = \"{{username}}@alumni.example.org\"\n\
         tenant = \"72f988bf-0000-4000-8000-2d7cd011db47\"\nclient_id = \"00001111-aaaa-2222-bbbb-3333cccc4444\"\n\
         client_secret_file = \"{}\"\nlogin_url = \"{at}\"\ngraph_url = \"{at}\"\n",
        secret.display()
    ));
    let alumnus = demo.var("ALUMNUS_USER");
    let browser = Browser::start();
    browser.open(&demo.page("/mailbox"));
    assert_eq!(browser.heading(), "Sign in");
    browser.fill("Username", &alumnus);
    browser.fill("Password", &demo.var("ALUMNUS_PASSWORD"));
    browser.press("Sign in");
    prove(&demo, &browser);
    let mailbox = format!("{alumnus}@alumni.example.org");
    assert!(browser.text().contains(&mailbox), "{}", browser.text());
    picture(&browser, "mailbox");
    browser.fill("New password", NEW);
    browser.fill("New password once more", "another");
    browser.press("Set the password");
    assert!(browser.told().contains("The two passwords are not the same."), "{}", browser.text());
    look(&browser, "mailbox, what is wrong");
    assert!(provider.asked().is_empty(), "nothing goes out that cannot be right");

    let token = "{\"token_type\":\"Bearer\",\"expires_in\":3599,\"access_token\":\"ey.token\"}";
    provider.will([Next::Answer(200, token.into()), Next::Answer(204, String::new())]);
    browser.fill("New password", NEW);
    browser.fill("New password once more", NEW);
    browser.press("Set the password");
    assert!(browser.told().contains("The password of your mailbox has been changed."), "{}", browser.text());
    look(&browser, "mailbox, changed");
    let asked = provider.asked();
    let last = asked.last().unwrap();
    assert!(last.method == "PATCH" && last.body.contains(NEW), "{} {}", last.method, last.path);
    let mail = demo.sent.next();
    assert!(mail.contains("the password of the mailbox") && !mail.contains(NEW), "{mail}");
}
