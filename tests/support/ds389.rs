//! 389-ds for tests: an ns-slapd in a folder of its own, on loopback ports of its own, stopped by its pid.
//!
//! `dscreate` would write below `/etc/dirsrv`, so the instance is made of the package's own templates here.

use super::slapd::{ADMIN, BASE, Certificates, SERVICE, Server, line, person_dn, run, succeed, until};
use super::read;
use nix::sys::signal::Signal;
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the package keeps its templates.
const TEMPLATES: &str = "/usr/share/dirsrv/data";

/// Name of the database.
const DATABASE: &str = "people";

/// An ns-slapd in a folder of its own.
pub(crate) struct Ds389 {
    server: Server,
    /// Port of `ldap://`, port of `ldaps://`.
    ports: (u16, u16),
    certificates: Certificates,
    temporary: tempfile::TempDir,
}

impl Ds389 {
    /// With the policy of a new installation (nothing is locked, nothing expires), and no people yet.
    pub(crate) fn start() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path();
        let certificates = Certificates::write(dir, &["localhost", "127.0.0.1"]);
        for folder in ["run", "lock", "tmp", "ldif", "bak", "log", "db", "instance"] {
            std::fs::create_dir(dir.join(folder)).unwrap();
        }
        let config = config(dir);
        std::fs::create_dir(&config).unwrap();
        // What the schema of the package lacks is written here; it must be there.
        std::fs::create_dir(config.join("schema")).unwrap();
        std::fs::write(config.join("schema/99user.ldif"), "dn: cn=schema\nobjectClass: top\ncn: schema\n")
            .unwrap();
        keep(dir, &certificates);
        // Between the choice of the ports and their use another program may take them: then others are tried.
        for _ in 0..10 {
            let ports = (free_port(), free_port());
            std::fs::write(config.join("dse.ldif"), dse(dir, ports)).unwrap();
            if let Some(server) = launch(dir) {
                let started = Self { server, ports, certificates, temporary };
                started.ldif(&tree());
                return started;
            }
        }
        panic!("no free ports for ns-slapd:\n{}", read(&dir.join("log.txt")))
    }

    /// `ldap://`, which also speaks StartTLS.
    pub(crate) fn uri(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ports.0)
    }

    pub(crate) fn ldaps_uri(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.ports.1)
    }

    /// The authority that issued the server's certificate.
    pub(crate) fn ca(&self) -> &Path {
        &self.certificates.ca
    }

    pub(crate) fn dir(&self) -> &Path {
        self.temporary.path()
    }

    /// A command of ldap-utils with a simple bind.
    pub(crate) fn tool(&self, program: &str, who: (&str, &str)) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.ldaps_uri(), "-D", who.0, "-w", who.1]);
        command.env("LDAPTLS_CACERT", self.ca());
        command
    }

    /// Applies an LDIF as the superuser, whom no policy binds; records without `changetype` are added.
    pub(crate) fn ldif(&self, text: &str) {
        succeed(self.tool("ldapmodify", ADMIN).arg("-a"), text);
    }

    /// Applies an LDIF as someone; it may be refused.
    pub(crate) fn ldif_as(&self, who: (&str, &str), text: &str) -> Output {
        run(self.tool("ldapmodify", who).arg("-a"), text)
    }

    /// What the superuser finds, as LDIF with unfolded lines.
    pub(crate) fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> String {
        let mut command = self.tool("ldapsearch", ADMIN);
        succeed(command.args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]).args(attributes), "")
    }

    /// Sets an attribute of an entry.
    pub(crate) fn replace(&self, dn: &str, attribute: &str, value: &str) {
        self.ldif(&format!(
            "dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{}",
            line(attribute, value)
        ));
    }

    /// Sets an attribute of the policy that holds for everyone, such as `passwordLockout`.
    pub(crate) fn policy(&self, attribute: &str, value: &str) {
        self.replace("cn=config", attribute, value);
    }

    /// Adds a person with a mail address and a mobile number.
    pub(crate) fn add_person(&self, uid: &str, password: &str) {
        self.ldif(
            &(line("dn", person_dn(uid))
                + "objectClass: inetOrgPerson\n"
                + &line("uid", uid)
                + &line("cn", format!("{uid} Example"))
                + "sn: Example\nmobile: +41 79 000 00 00\n"
                + &line("mail", format!("{uid}@example.org"))
                + &line("userPassword", password)),
        );
    }

    /// Whether this password is right for this DN.
    pub(crate) fn ldapwhoami(&self, dn: &str, password: &str) -> bool {
        let output = run(&mut self.tool("ldapwhoami", (dn, password)), "");
        match output.status.code() {
            Some(0) => true,
            Some(49) => false,
            _ => panic!("ldapwhoami: {output:?}"),
        }
    }

    /// The log of all operations, also those that the methods here make.
    pub(crate) fn log(&self) -> String {
        read(&self.dir().join("log/access"))
    }

    /// SIGTERM, and waits.
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// On the same ports with the same data, after `stop` or `kill`.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.has_ended(), "ns-slapd still runs");
        self.server = until("the ports of ns-slapd", || launch(self.temporary.path()));
    }

    /// Accepts connections from now on, but answers nothing.
    pub(crate) fn pause(&self) {
        self.server.signal(Signal::SIGSTOP);
    }

    pub(crate) fn resume(&self) {
        self.server.signal(Signal::SIGCONT);
    }
}

impl Drop for Ds389 {
    fn drop(&mut self) {
        // At once: a stop in order takes longer than the data is worth. What it would have removed goes here.
        let _ = self.server.0.kill();
        let _ = self.server.0.wait();
        let _ = std::fs::remove_file(semaphore(self.dir()));
    }
}

/// The folder of the configuration, which has a name of its own because the server calls its semaphore after it.
fn config(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap().to_str().unwrap();
    dir.join(format!("slapd-doorward{name}"))
}

/// The semaphore that ns-slapd shares its statistics by.
fn semaphore(dir: &Path) -> PathBuf {
    let config = config(dir);
    let name = config.file_name().unwrap().to_str().unwrap();
    Path::new("/dev/shm").join(format!("sem.{name}.stats"))
}

/// Puts certificate and key where the server looks for them: a database of NSS, without a password.
fn keep(dir: &Path, certificates: &Certificates) {
    let (database, bundle) = (config(dir), dir.join("server.p12"));
    let mut make = Command::new("certutil");
    succeed(make.args(["-N", "--empty-password", "-d"]).arg(&database), "");
    let mut trust = Command::new("certutil");
    trust.args(["-A", "-n", "Authority", "-t", "CT,,", "-d"]).arg(&database);
    succeed(trust.arg("-i").arg(&certificates.ca), "");
    let mut bind = Command::new("openssl");
    bind.args(["pkcs12", "-export", "-name", "Server-Cert", "-passout", "pass:", "-in"]);
    bind.arg(&certificates.certificate).arg("-inkey").arg(&certificates.key).arg("-out").arg(&bundle);
    succeed(&mut bind, "");
    let mut import = Command::new("pk12util");
    import.args(["-W", "", "-K", "", "-d"]).arg(&database).arg("-i").arg(&bundle);
    succeed(&mut import, "");
}

/// A port below those that the system gives to clients, so that none of them has it while the server is down.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Other tests run at the same time, in this process and in others.
        let step = std::process::id().wrapping_mul(41).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(12_000 + step % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts ns-slapd and waits until it serves; `None` if one of the ports is taken.
fn launch(dir: &Path) -> Option<Server> {
    let socket = dir.join("ldapi");
    let log_file = dir.join("log.txt");
    let log = std::fs::File::options().create(true).append(true).open(&log_file).unwrap();
    let seen = usize::try_from(log.metadata().unwrap().len()).unwrap();
    // With `-d` it stays in the foreground.
    let mut command = Command::new("ns-slapd");
    command.args(["-d", "0", "-D"]).arg(config(dir)).arg("-i").arg(dir.join("run/pid"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut server = Server(command.spawn().expect("389-ds is installed"));
    until("the start of ns-slapd", || {
        if server.has_ended() {
            let log = read(&log_file);
            assert!(log[seen..].contains("address is in use"), "ns-slapd did not start:\n{log}");
            return Some(false);
        }
        UnixStream::connect(&socket).is_ok().then_some(true)
    })
    .then_some(server)
}

/// `dse.ldif`: the package's template, as `dscreate` fills it in.
fn dse(dir: &Path, ports: (u16, u16)) -> String {
    let at = |folder: &str| dir.join(folder).display().to_string();
    let config = config(dir).display().to_string();
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let values = [
        ("schema_dir", format!("{config}/schema")),
        ("cert_dir", config),
        ("config_dir", "/etc/dirsrv/config".to_owned()),
        ("lock_dir", at("lock")),
        ("tmp_dir", at("tmp")),
        ("ldif_dir", at("ldif")),
        ("bak_dir", at("bak")),
        ("run_dir", at("run")),
        ("inst_dir", at("instance")),
        ("log_dir", at("log")),
        ("db_dir", at("db")),
        ("db_home_dir", at("db")),
        ("db_lib", "bdb".to_owned()),
        ("fqdn", "localhost".to_owned()),
        ("ds_port", ports.0.to_string()),
        ("ds_user", user),
        ("ds_suffix", BASE.to_owned()),
        ("ds_bename", DATABASE.to_owned()),
        ("rootdn", ADMIN.0.to_owned()),
        ("ds_passwd", format!("{{CLEAR}}{}", ADMIN.1)),
        ("ldapi_enabled", "on".to_owned()),
        ("ldapi_autobind", "off".to_owned()),
        ("ldapi", at("ldapi")),
    ];
    let template = |name: &str| read(&Path::new(TEMPLATES).join(name));
    let mut text = template("template-dse.ldif");
    let database = template("template-suffix-db.ldif");
    // Exactly one empty line between records: it ends without a word at two. The other template begins with remarks.
    text.truncate(text.trim_end().len());
    text.extend(["\n\n", &database[database.find("dn: ").unwrap()..]]);
    for (name, value) in &values {
        text = text.replace(&format!("%{name}%"), value);
    }
    let more = format!(
        "nsslapd-listenhost: 127.0.0.1\nnsslapd-securelistenhost: 127.0.0.1\nnsslapd-security: on\n\
         nsslapd-secureport: {}\nnsslapd-accesslog-logbuffering: off\n",
        ports.1
    );
    text.replacen("nsslapd-rootdn:", &(more + "nsslapd-rootdn:"), 1)
}

/// Everything that is there before the first person.
fn tree() -> String {
    let (service, password) = SERVICE;
    format!(
        "dn: {BASE}\nobjectClass: domain\ndc: example\n\
         aci: (targetattr=\"*\")(version 3.0; acl \"the service reads\"; allow (read, search, compare)\n\
         \x20 userdn=\"ldap:///{service}\";)\n\
         aci: (targetattr=\"userPassword || accountUnlockTime || passwordRetryCount || nsAccountLock\")\n\
         \x20(version 3.0; acl \"the service writes\"; allow (write) userdn=\"ldap:///{service}\";)\n\
         aci: (targetattr=\"userPassword\")(version 3.0; acl \"own password\"; allow (write)\n\
         \x20 userdn=\"ldap:///self\";)\n\n\
         dn: {service}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: doorward\n\
         userPassword: {password}\n\n\
         dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n\n\
         dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n"
    )
}
