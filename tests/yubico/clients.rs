//! Our own service over TLS, asked by the clients that people use.

use super::service::{CLIENT, OTHER};
use super::*;
use std::path::PathBuf;
use std::process::Output;
use support::slapd::run;
use support::smtp::Certificates;

const URL: &str = "https://localhost:8443/wsapi/2.0/verify";

struct Served {
    world: World,
    authority: PathBuf,
}

fn serving() -> Served {
    let certificates = tempfile::tempdir().unwrap();
    let made = Certificates::make(certificates.path());
    let settings = "[wsapi]\nlisten = [\"0.0.0.0:8443\"]\ncertificate_file = \"cert.pem\"\n\
        private_key_file = \"key.pem\"\n[[wsapi.client]]\nid = 1\nsecret_file = \"one.secret\"\n";
    let files = [
        ("one.secret", CLIENT),
        ("cert.pem", &support::read(&made.certificate)),
        ("key.pem", &support::read(&made.key)),
    ];
    let world = World::start(settings, &files);
    let authority = world.dir.path().join("ca.pem");
    std::fs::copy(made.authority, &authority).unwrap();
    world.key(&BLUE, Some("hannelore"), true);
    Served { world, authority }
}

impl Served {
    /// How the last request about the blue key was decided.
    fn verified(&self) -> String {
        let entries = self.world.entries(BLUE.public_id);
        let last = entries.iter().rfind(|entry| entry["action"] == "yubikey.verify");
        last.map_or_else(String::new, |entry| entry["detail"].as_str().unwrap().to_owned())
    }
}

/// What PyPI's yubico-client makes of an OTP.
fn python(served: &Served, key: &str, otp: &str) -> String {
    const ASK: &str = "import sys\nfrom yubico_client import Yubico\n\
        url, ca, key, otp = sys.argv[1:]\n\
        try: print(Yubico('1', key, api_urls=[url], ca_certs_bundle_path=ca).verify(otp))\n\
        except Exception as error: print(type(error).__name__, error)\n";
    let python = concat!(env!("CARGO_MANIFEST_DIR"), "/target/venv/bin/python");
    let mut command = served.world.namespace.command(python);
    let output = run(command.args(["-c", ASK, URL]).arg(&served.authority).args([key, otp]), "");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn yubico_client_for_python_is_served() {
    let mut served = serving();
    let otp = BLUE.touch(1, 1);
    let forged = python(&served, OTHER, &otp);
    assert!(forged.starts_with("SignatureVerificationError"), "{forged}");
    served.world.logs("it is not signed with its client's key");
    assert_eq!(served.verified(), "", "it used nothing up");
    assert_eq!(python(&served, CLIENT, &otp), "True");
    assert_eq!(served.verified(), "valid");
    let replay = python(&served, CLIENT, &otp);
    assert!(replay.contains("REPLAYED_OTP"), "{replay}");
    assert_eq!(served.verified(), "passcode-replayed");
    let other = YubiKey { aes: RED.aes, ..BLUE };
    // It says of every other refusal that nobody answered.
    assert!(python(&served, CLIENT, &other.touch(1, 2)).contains("NO_VALID_ANSWERS"));
    assert_eq!(served.verified(), "yubikey-checksum");
    assert_eq!(python(&served, CLIENT, &BLUE.touch(1, 2)), "True");
    assert_eq!(served.world.login(&with(&BLUE.touch(1, 2))), REJECT, "used there, used here");
}

/// What libpam-yubico makes of an OTP; `hannelore` need not have an account on this machine.
fn pam(served: &Served, key: &str, otp: &str) -> Output {
    let dir = served.world.dir.path().join("pam.d");
    std::fs::create_dir_all(&dir).unwrap();
    let mapping = served.world.dir.path().join("mapping");
    std::fs::write(&mapping, format!("hannelore:{}\n", BLUE.public_id)).unwrap();
    let text = format!(
        "auth required pam_yubico.so mode=client id=1 key={key} urllist={URL} cainfo={} authfile={} debug debug_file=stderr\n",
        served.authority.display(),
        mapping.display()
    );
    std::fs::write(dir.join("doorward-test"), text).unwrap();
    // Where PAM looks is for this process only.
    let script = "mount --bind \"$1\" /etc/pam.d && exec pamtester doorward-test hannelore authenticate";
    let mut command = served.world.namespace.command("unshare");
    run(command.args(["-m", "sh", "-c", script, "sh"]).arg(&dir), &format!("{otp}\n"))
}

#[test]
fn libpam_yubico_is_served() {
    let mut served = serving();
    let otp = BLUE.touch(1, 1);
    let said = |output: &Output| {
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    };
    let forged = pam(&served, OTHER, &otp);
    assert!(!forged.status.success(), "{}", said(&forged));
    served.world.logs("it is not signed with its client's key");
    assert_eq!(served.verified(), "", "it used nothing up");
    let good = pam(&served, CLIENT, &otp);
    assert!(good.status.success() && said(&good).contains("successfully authenticated"), "{}", said(&good));
    assert_eq!(served.verified(), "valid");
    let replay = pam(&served, CLIENT, &otp);
    assert!(!replay.status.success() && said(&replay).contains("REPLAYED_OTP"), "{}", said(&replay));
    assert_eq!(served.verified(), "passcode-replayed");
    let wrong = pam(&served, CLIENT, &YubiKey { aes: RED.aes, ..BLUE }.touch(1, 2));
    assert!(!wrong.status.success() && said(&wrong).contains("BAD_OTP"), "{}", said(&wrong));
    assert_eq!(served.verified(), "yubikey-checksum");
    let next = pam(&served, CLIENT, &BLUE.touch(1, 2));
    assert!(next.status.success(), "{}", said(&next));
}
