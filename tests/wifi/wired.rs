//! A switch and a computer behind it: hostapd and wpa_supplicant at both ends of a cable, each in a network namespace of its own. Needs
//! root. The daemon runs where the switch is, whose loopback addresses are its own.

use crate::support::namespace::Namespace;
use crate::support::{DOORWARD, Daemon, read};
use crate::world::{WIFI, World, certificate, credentials, wait_until};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PORT: &str = "port1";
const CARD: &str = "card1";

/// A program that is ended by its pid.
struct Running(Child);

impl Running {
    fn start(mut command: Command, log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let errors = log.try_clone().unwrap();
        Self(command.stdin(Stdio::null()).stdout(log).stderr(errors).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The cable and what is at its ends; the computer comes later. What is named first ends first.
struct Cable {
    _switch: Running,
    world: World,
    here: Namespace,
    there: Namespace,
    dir: tempfile::TempDir,
}

impl Cable {
    fn new() -> Self {
        let (here, there) = (Namespace::new(), Namespace::new());
        here.tie(PORT, &there, CARD);
        let world = World::of(Daemon::demo_by(here.command(DOORWARD), &[]));
        let dir = tempfile::tempdir().unwrap();
        let (port, secret) = (&world.env["RADIUS_PORT"], &world.env["RADIUS_SECRET"]);
        let text = format!(
            "interface={PORT}\ndriver=wired\nctrl_interface={}\nieee8021x=1\nuse_pae_group_addr=1\n\
             nas_identifier=switch\nradius_client_addr={WIFI}\nauth_server_addr=127.0.0.1\n\
             auth_server_port={port}\nauth_server_shared_secret={secret}\n",
            dir.path().join("switch").display()
        );
        let file = dir.path().join("hostapd.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = here.command("hostapd");
        command.arg("-dd").arg(&file);
        let log = dir.path().join("switch.log");
        let switch = Running::start(command, &log);
        let cable = Self { _switch: switch, world, here, there, dir };
        wait_until(|| cable.switch_log().contains("AP-ENABLED"));
        cable
    }

    fn switch_log(&self) -> String {
        read(&self.dir.path().join("switch.log"))
    }

    /// Plugs a computer in that has these lines in its network block.
    fn plug(&self, lines: &[String]) -> Computer<'_> {
        self.plug_by(&self.world.env["RADIUS_CA"], lines)
    }

    /// The same of one that trusts another authority.
    fn plug_by(&self, authority: &str, lines: &[String]) -> Computer<'_> {
        let name = &self.world.env["EAP_SERVER_NAME"];
        let control = self.dir.path().join(uuid::Uuid::now_v7().to_string());
        let text = format!(
            "ctrl_interface={}\nap_scan=0\nnetwork={{\n key_mgmt=IEEE8021X\n eapol_flags=0\n \
             ca_cert=\"{authority}\"\n domain_match=\"{name}\"\n {}\n}}\n",
            control.display(),
            lines.join("\n ")
        );
        let file = self.dir.path().join("wpa_supplicant.conf");
        std::fs::write(&file, text).unwrap();
        let mut command = self.there.command("wpa_supplicant");
        command.args(["-Dwired", "-i", CARD, "-c"]).arg(&file);
        let running = Running::start(command, &self.dir.path().join("card.log"));
        Computer { cable: self, control, _running: running }
    }

    /// What the switch thinks of whoever is plugged in.
    fn flags(&self) -> String {
        let mut command = self.here.command("hostapd_cli");
        let control = self.dir.path().join("switch");
        let said = command.arg("-p").arg(control).args(["-i", PORT, "all_sta"]).output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout).into_owned();
        text.lines().find(|line| line.starts_with("flags=")).unwrap_or_default().to_owned()
    }
}

/// What is plugged in, until it is dropped.
struct Computer<'c> {
    cable: &'c Cable,
    control: PathBuf,
    _running: Running,
}

impl Computer<'_> {
    /// What it answers to a command.
    fn ask(&self, what: &str) -> String {
        let mut command = self.cable.there.command("wpa_cli");
        let said = command.arg("-p").arg(&self.control).args(["-i", CARD, what]).output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    fn says(&self, words: &[&str]) -> bool {
        let text = self.ask("status");
        words.iter().all(|word| text.lines().any(|line| line == *word))
    }

    fn is_let_in(&self) {
        let done = ["wpa_state=COMPLETED", "suppPortStatus=Authorized", "EAP state=SUCCESS"];
        wait_until(|| self.says(&done));
        wait_until(|| self.cable.flags().contains("[AUTHORIZED]"));
    }
}

fn person(eap: &str, phase2: &str, user: &str, password: &str) -> Vec<String> {
    let mut lines = vec![format!("eap={eap}"), format!("phase2=\"{phase2}\"")];
    lines.extend(credentials(user, password));
    lines
}

#[test]
fn switch_lets_a_computer_in_with_the_vlan_of_its_person_and_no_other() {
    let cable = Cable::new();
    let employee = cable.world.employee();
    let wrong = cable.plug(&person("TTLS", "auth=PAP", &employee.user, "wrong"));
    wait_until(|| cable.switch_log().contains("code=3 (Access-Reject)"));
    wait_until(|| wrong.says(&["suppPortStatus=Unauthorized"]));
    assert!(!cable.flags().contains("[AUTHORIZED]"), "{}", cable.flags());
    assert!(!cable.switch_log().contains("MS-MPPE"), "no keys go with a refusal");
    assert!(cable.world.decided("wrong-password") >= 1);
    drop(wrong);
    cable.plug(&person("TTLS", "auth=PAP", &employee.user, &employee.password)).is_let_in();
    assert_eq!(cable.world.decided("password-only"), 1);
    let log = cable.switch_log();
    let (_, accept) = log.split_once("code=2 (Access-Accept)").unwrap();
    let (_, vlan) = accept.split_once("(Tunnel-Private-Group-Id)").unwrap();
    // 120
    assert_eq!(vlan.lines().nth(1).unwrap().trim(), "Value: 313230");
    assert!(accept.contains("MS-MPPE-Send-Key") && accept.contains("authorizing port"));
}

#[test]
fn computers_are_let_in_by_a_device_password_and_by_a_certificate() {
    let cable = Cable::new();
    let user = &cable.world.env["LOGIN_USER"];
    let made = cable.world.daemon.json(&["enroll", "device-password", user, "--label", "printer"]);
    let password = made["password"].as_str().unwrap();
    cable.plug(&person("PEAP", "auth=MSCHAPV2", user, password)).is_let_in();
    assert_eq!(cable.world.decided("device-password"), 1);
    let (pem, key) = (&cable.world.env["EAP_CLIENT_CERT"], &cable.world.env["EAP_CLIENT_KEY"]);
    cable.plug(&certificate(Path::new(pem), Path::new(key))).is_let_in();
    wait_until(|| cable.world.decided("certificate") == 1);
}

#[test]
fn computer_that_logs_in_again_resumes_its_session_and_stays_where_it_is() {
    let cable = Cable::new();
    let employee = cable.world.employee();
    let computer = cable.plug(&person("TTLS", "auth=PAP", &employee.user, &employee.password));
    computer.is_let_in();
    let vlans = || cable.switch_log().matches("(Tunnel-Private-Group-Id)").count();
    for again in 1..=2 {
        assert_eq!(computer.ask("reauthenticate"), "OK\n");
        wait_until(|| cable.world.decided("session-resumed") == again);
        computer.is_let_in();
    }
    wait_until(|| vlans() == 3);
    assert_eq!(cable.world.decided("password-only"), 1);
    assert_eq!(cable.switch_log().matches(": unauthorizing port").count(), 1, "{}", cable.switch_log());
}

#[test]
fn computer_that_trusts_another_authority_is_kept_out_where_the_port_was_open_before() {
    let cable = Cable::new();
    let (user, password) = (&cable.world.env["LOGIN_USER"], &cable.world.env["LOGIN_PASSWORD"]);
    let lines = person("TTLS", "auth=PAP", user, password);
    cable.plug(&lines).is_let_in();
    // The person's own certificate vouches for nobody.
    let other = cable.plug_by(&cable.world.env["EAP_CLIENT_CERT"], &lines);
    wait_until(|| cable.world.decided("eap-broken") >= 1);
    wait_until(|| !cable.flags().contains("[AUTHORIZED]"));
    assert!(other.says(&["suppPortStatus=Unauthorized"]));
    assert_eq!(cable.world.decided("password-only"), 1, "of the first");
}
