//! The package, on a Debian machine with a systemd of its own: installed, configured, started, reloaded, started anew, upgraded and
//! purged, while somebody logs in.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "support/kernel.rs"]
mod kernel;
#[path = "packaged/machine.rs"]
mod machine;
mod support;

use machine::Machine;
use nix::sched::{CloneFlags, setns};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use support::slapd::{succeed, until};
use support::{DOORWARD, PATIENCE, code};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const PASSWORD: &str = "left-luggage-counter";

/// Who asks, and people without a second factor for whoever asks often.
const CLIENTS: &str = r#"
[[client]]
name = "local"
networks = ["127.0.0.1"]
secret_credential = "local-secret"
second_factor = "if-enrolled"
[portal]
listen = ["127.0.0.1:8080"]
"#;

/// Beside those of RADIUS.
const SOCKETS: &str = "[Socket]
ListenStream=127.0.0.1:8080
ListenStream=/run/doorward/admin.sock
SocketUser=doorward
SocketGroup=doorward
SocketMode=0660
";

/// Packs the program under test.
fn package(kind: &str, into: &Path) {
    let tools = Path::new(ROOT).join("target/tools/bin");
    let packed = Command::new(Path::new(ROOT).join("systemd/package"))
        .arg(kind)
        .arg(into)
        .env("DOORWARD", DOORWARD)
        .env("PATH", format!("{}:{}", tools.display(), std::env::var("PATH").unwrap()))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&packed.stderr);
    assert!(packed.status.success() && !said.contains("warning"), "{said}");
}

/// The same as a later version.
fn later(file: &Path, version: &str, into: &Path) {
    let files = tempfile::tempdir().unwrap();
    succeed(Command::new("dpkg-deb").arg("-R").arg(file).arg(files.path()), "");
    let control = files.path().join("DEBIAN/control");
    let text = support::read(&control);
    let old = text.lines().find(|line| line.starts_with("Version: ")).unwrap();
    std::fs::write(&control, text.replace(old, &format!("Version: {version}"))).unwrap();
    succeed(Command::new("dpkg-deb").args(["-Znone", "-b"]).arg(files.path()).arg(into), "");
}

/// Asks on and on, each question once, while `work` is done; how many questions and how many answers there were.
fn asked_while(machine: &Machine, work: impl FnOnce(&dyn Fn())) -> (usize, usize) {
    let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let network = std::fs::File::open(Path::new("/run/netns").join(machine.network.name())).unwrap();
    let ask = |number: u8| {
        // This thread alone moves there.
        setns(&network, CloneFlags::CLONE_NEWNET).unwrap();
        let client = support::udp("127.0.0.1", PATIENCE);
        let mut answered = 0_usize;
        while !over.load(Ordering::Relaxed) {
            let identifier = u8::try_from(answered % 256).unwrap();
            let authenticator = [number ^ identifier; 16];
            let request = support::access_request(identifier, authenticator, "bert", PASSWORD);
            client.send_to(&request, "127.0.0.1:1812").unwrap();
            sent.fetch_add(1, Ordering::Relaxed);
            let mut answer = [0; 4096];
            if client.recv(&mut answer).is_ok() {
                assert_eq!((answer[0], answer[1]), (2, identifier), "an Access-Accept");
                answered += 1;
            }
        }
        answered
    };
    let ask = &ask;
    let answered = std::thread::scope(|scope| {
        let asking: Vec<_> = [0x10, 0x20].map(|number| scope.spawn(move || ask(number))).into();
        let more = || {
            let before = sent.load(Ordering::Relaxed);
            until("requests are under way", || (sent.load(Ordering::Relaxed) > before + 50).then_some(()));
        };
        let ends = support::Over(&over);
        more();
        work(&more);
        more();
        drop(ends);
        asking.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    (sent.load(Ordering::Relaxed), answered)
}

fn status(machine: &Machine) -> serde_json::Value {
    let output = machine.run(&["doorward", "--json", "status"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &machine.journal();
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Under the unit the daemon confines itself; where the kernel refuses to, it says so and serves.
fn daemon_confines_itself_and_serves_where_it_cannot(machine: &Machine) {
    assert_eq!(status(machine)["confined"], kernel::confined());
    let folder = "/etc/systemd/system/doorward.service.d";
    machine.shell(&format!(
        "printf '[Service]\\nSystemCallFilter=~landlock_create_ruleset\\n' > {folder}/old-kernel.conf
         systemctl daemon-reload
         systemctl restart doorward.service"
    ));
    let status = status(machine);
    assert_eq!((&status["confined"], &status["ready"]), (&"no".into(), &true.into()), "{status}");
    assert!(machine.journal().contains("what the daemon may write is not confined"));
    machine.shell(&format!(
        "rm {folder}/old-kernel.conf
         systemctl daemon-reload
         systemctl restart doorward.service"
    ));
}

/// All that the documents name and tell people to copy, and the pictures in them.
fn has_every_document(machine: &Machine) {
    let listed = Command::new("find").args(["docs", "-type", "f"]).current_dir(ROOT).output().unwrap();
    let sorted = |text: &str| {
        let mut files: Vec<_> = text.lines().map(str::to_owned).collect();
        files.sort();
        files
    };
    let there = machine.shell("cd /usr/share/doc/doorward && test -s README.md && find docs -type f");
    assert_eq!(sorted(&there), sorted(&String::from_utf8(listed.stdout).unwrap()));
}

/// `systemctl reload` fails, in the words of `doorward check`, and the service goes on as it was.
fn configuration_that_is_wrong_is_told_by_systemctl_and_not_taken_over(machine: &Machine) {
    machine.shell(
        "printf '[codes]\\nper_persn = 3\\n' > /etc/doorward/conf.d/wrong.toml
         chgrp doorward /etc/doorward/conf.d/wrong.toml && chmod 0640 /etc/doorward/conf.d/wrong.toml",
    );
    let reload = || machine.run(&["systemctl", "reload", "doorward.service"]);
    let refused = reload();
    assert!(!refused.status.success(), "{refused:?}");
    let said = machine.journal();
    assert!(said.contains("the old one stays") && said.contains("did you mean `per_person`?"), "{said}");
    let state = machine
        .shell("systemctl is-active doorward.service; systemctl show --value -p StatusText doorward.service");
    assert!(state.starts_with("active\n") && state.contains("the last reload was refused"), "{state}");
    machine.shell("rm /etc/doorward/conf.d/wrong.toml");
    assert!(reload().status.success(), "{}", machine.journal());
}

/// They are handed over as those of RADIUS are, also where the service was stopped, and where the machine was booted anew.
fn sockets_of_portal_and_administration_stay_open(machine: &Machine) {
    let portal = || {
        let mut curl = machine.network.command("curl");
        succeed(curl.args(["-fsS", "-o", "/dev/null", "--max-time", "60", "http://127.0.0.1:8080/"]), "")
    };
    std::fs::write(machine.given.join("sockets.conf"), SOCKETS).unwrap();
    machine.shell(
        "systemctl stop doorward.service doorward.socket
         rm -rf /run/doorward
         mkdir /etc/systemd/system/doorward.socket.d
         cp /mnt/sockets.conf /etc/systemd/system/doorward.socket.d/
         systemctl daemon-reload
         systemctl start doorward.socket",
    );
    // Who asks starts it.
    assert_eq!(status(machine)["ready"], true);
    portal();
    for how in ["restart doorward.service", "stop doorward.service"] {
        machine.shell(&format!("systemctl {how}; test -S /run/doorward/admin.sock"));
        portal();
        assert_eq!(status(machine)["ready"], true, "after {how}");
    }
    let owner = machine.shell("stat -c '%U %a' /run/doorward /run/doorward/admin.sock");
    assert_eq!(owner, "doorward 755\ndoorward 660\n");
    let said = machine.journal();
    assert!(!said.contains("nothing in the configuration serves"), "{said}");
}

// R-SYS-1
#[test]
fn package_is_installed_serves_is_upgraded_and_purged() {
    let machine = Machine::boot();
    let (first, second) = (machine.given.join("doorward.deb"), machine.given.join("later.deb"));
    package("deb", &first);
    later(&first, "9.0-1", &second);
    machine.succeed(&["dpkg", "-i", "/mnt/doorward.deb"]);
    assert_eq!(
        machine.shell("stat -c '%U %a' /etc/doorward/keys/k1.key /etc/doorward/vpn.secret"),
        "doorward 600\ndoorward 600\n"
    );
    // The configuration that is shipped is in order, and nothing runs before somebody says so.
    let checked = machine.succeed(&["runuser", "-u", "doorward", "--", "doorward", "check"]);
    assert!(checked.contains("/etc/doorward/doorward.toml"), "{checked}");
    assert_eq!(
        machine.run(&["systemctl", "is-active", "doorward.service", "doorward.socket"]).status.code(),
        Some(3)
    );

    std::fs::write(machine.given.join("clients.toml"), CLIENTS).unwrap();
    machine.shell(
        "install -g doorward -m 0640 /mnt/clients.toml /etc/doorward/conf.d/
         echo demo-radius-shared-secret > /etc/doorward/local.secret && chmod 600 /etc/doorward/local.secret
         mkdir /etc/systemd/system/doorward.service.d
         printf '[Service]\\nLoadCredential=local-secret:/etc/doorward/local.secret\\n' > /etc/systemd/system/doorward.service.d/secrets.conf
         systemctl daemon-reload
         systemctl enable --now doorward.socket doorward.service",
    );
    let added = format!(
        "for name in anna bert; do echo {PASSWORD} | doorward person add $name --role staff; done
         doorward enroll totp anna --seed {SEED} --code {}",
        code(SEED, -1)
    );
    machine.shell(&added);
    let login =
        ["doorward", "try", "anna", "--secret-file", "/etc/doorward/local.secret", "--password", PASSWORD];
    let said = machine.succeed(&[&login[..], &["--totp", SEED]].concat());
    assert!(said.contains("Access-Accept"), "{said}");

    let main = || machine.succeed(&["systemctl", "show", "--value", "-p", "MainPID", "doorward.service"]);
    // A clerk of the help desk has that role by the kernel's word, also in the sandbox of the unit.
    machine.shell(
        "useradd --groups doorward clerk
         printf '[[admin.role]]\\nrole = \"helpdesk\"\\nusers = [\"clerk\"]\\n' > /etc/doorward/conf.d/roles.toml
         chgrp doorward /etc/doorward/conf.d/roles.toml && chmod 0640 /etc/doorward/conf.d/roles.toml
         systemctl reload doorward.service",
    );
    let as_clerk =
        |words: &[&str]| machine.run(&[&["runuser", "-u", "clerk", "--", "doorward"], words].concat());
    assert!(as_clerk(&["status"]).status.success(), "a reload is waited for");
    for words in [&["audit", "list"][..], &["reload"]] {
        let refused = as_clerk(words);
        assert!(String::from_utf8_lossy(&refused.stderr).contains("(clerk)"), "{refused:?}");
    }
    has_every_document(&machine);
    configuration_that_is_wrong_is_told_by_systemctl_and_not_taken_over(&machine);

    let first = main();
    machine.succeed(&["systemctl", "reload", "doorward.service"]);
    assert_eq!(main(), first, "a reload is no new start");
    let (sent, answered) = asked_while(&machine, |more| {
        for _ in 0..2 {
            machine.succeed(&["systemctl", "restart", "doorward.service"]);
            more();
        }
    });
    assert_ne!(main(), first);
    assert_eq!(answered, sent, "{}", machine.journal());

    daemon_confines_itself_and_serves_where_it_cannot(&machine);
    sockets_of_portal_and_administration_stay_open(&machine);

    // What was changed by hand stays, and so do keys.
    let kept = "cat /etc/doorward/doorward.toml /etc/doorward/keys/* /etc/doorward/vpn.secret | sha256sum";
    machine.shell("echo '# changed by hand' >> /etc/doorward/doorward.toml");
    let (before, second) = (machine.shell(kept), main());
    let (sent, answered) =
        asked_while(&machine, |_| drop(machine.succeed(&["dpkg", "-i", "/mnt/later.deb"])));
    assert_eq!(answered, sent, "{}", machine.journal());
    assert_eq!(machine.shell(kept), before);
    assert_ne!(main(), second, "what runs is the new version");
    eprintln!("{sent} requests during an upgrade, all answered");

    let said = machine.succeed(&["dpkg", "--purge", "doorward"]);
    assert!(said.contains("/var/lib/doorward"), "{said}");
    machine.shell("test -s /var/lib/doorward/doorward.db && test -s /etc/doorward/keys/k1.key");
    machine.shell("test ! -e /usr/bin/doorward && test ! -e /etc/doorward/doorward.toml");
    assert_eq!(
        machine.run(&["systemctl", "is-active", "doorward.service", "doorward.socket"]).status.code(),
        Some(3)
    );
}

/// Copies rpm, what it is linked with and its settings.
fn lend_rpm(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let linked = succeed(Command::new("ldd").arg("/usr/bin/rpm"), "");
    let libraries = linked.lines().filter_map(|line| line.split_once(" => ")?.1.split(' ').next());
    // The C library comes with the loader, which is the machine's.
    let libraries = libraries.filter(|file| !file.ends_with("/libc.so.6") && !file.ends_with("/libm.so.6"));
    for file in libraries.chain(["/usr/bin/rpm"]) {
        std::fs::copy(file, folder.join(Path::new(file).file_name().unwrap())).unwrap();
    }
    succeed(Command::new("cp").args(["-rL", "/usr/lib/rpm"]).arg(folder.join("rpm.d")), "");
}

// R-SYS-1
#[test]
fn package_of_the_other_kind_is_installed_serves_and_is_removed() {
    let into = tempfile::tempdir().unwrap();
    package("rpm", into.path());
    let made =
        std::fs::read_dir(into.path().join(std::env::consts::ARCH)).unwrap().next().unwrap().unwrap().path();
    let kept = succeed(Command::new("rpm").args(["-q", "-p", "--configfiles"]).arg(&made), "");
    assert_eq!(kept.trim(), "/etc/doorward/doorward.toml");

    // The machine is a Debian one and has no rpm: its host lends it one, which cannot look up what is required of a distribution's packages.
    let machine = Machine::boot();
    std::fs::copy(&made, machine.given.join("doorward.rpm")).unwrap();
    lend_rpm(&machine.given.join("lent"));
    let rpm = |words: &[&str]| {
        let lent = ["env", "LD_LIBRARY_PATH=/mnt/lent", "RPM_CONFIGDIR=/mnt/lent/rpm.d", "HOME=/root"];
        machine.succeed(&[&lent[..], &["/mnt/lent/rpm", "--nodeps", "--noplugins"], words].concat())
    };
    rpm(&["-i", "/mnt/doorward.rpm"]);
    machine.shell("test -s /usr/share/man/man5/doorward.toml.5*");
    has_every_document(&machine);
    assert_eq!(machine.shell("stat -c '%U:%G %a' /etc/doorward/doorward.toml"), "root:doorward 640\n");
    // By hand here, as docs/install.md says.
    std::fs::write(machine.given.join("clients.toml"), CLIENTS).unwrap();
    machine.shell(
        "doorward keys new /etc/doorward/keys/k1.key
         (umask 027; head -c 24 /dev/urandom | base64 > /etc/doorward/vpn.secret)
         chown doorward:doorward /etc/doorward/keys/k1.key /etc/doorward/vpn.secret
         runuser -u doorward -- doorward check
         install -g doorward -m 0640 /mnt/clients.toml /etc/doorward/conf.d/
         (umask 077; echo demo-radius-shared-secret > /etc/doorward/local.secret)
         mkdir /etc/systemd/system/doorward.service.d
         printf '[Service]\\nLoadCredential=local-secret:/etc/doorward/local.secret\\n' > /etc/systemd/system/doorward.service.d/secrets.conf
         systemctl daemon-reload
         systemctl enable --now doorward.socket doorward.service",
    );
    machine.shell(&format!("echo {PASSWORD} | doorward person add bert --role staff"));
    let login = || {
        let words = [
            "doorward",
            "try",
            "bert",
            "--secret-file",
            "/etc/doorward/local.secret",
            "--password",
            PASSWORD,
        ];
        let said = machine.succeed(&words);
        assert!(said.contains("Access-Accept"), "{said}");
    };
    login();

    // What was changed by hand stays, in an upgrade and afterwards.
    machine.shell("echo '# changed by hand' >> /etc/doorward/doorward.toml");
    let kept = "cat /etc/doorward/doorward.toml /etc/doorward/keys/* /etc/doorward/vpn.secret | sha256sum";
    let before = machine.shell(kept);
    rpm(&["-U", "--replacepkgs", "/mnt/doorward.rpm"]);
    assert_eq!(machine.shell(kept), before);
    machine.shell("systemctl daemon-reload && systemctl restart doorward.service");
    login();

    rpm(&["-e", "doorward"]);
    machine.shell(
        "test ! -e /usr/bin/doorward
         grep -q 'changed by hand' /etc/doorward/doorward.toml.rpmsave
         test -s /var/lib/doorward/doorward.db && test -s /etc/doorward/keys/k1.key",
    );
}
