//! 389-ds for tests: an ns-slapd in a folder of its own, on loopback ports of its own, stopped by its pid.
//!
//! `dscreate` would write below `/etc/dirsrv`, so the instance is made of the package's own templates here.

use super::read;
use super::slapd::{
    ADMIN, BASE, Certificates, LdapTools, SERVICE, Server, free_port, line, person_dn, run, succeed, until,
};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

impl LdapTools for Ds389 {
    const SUPERUSER: (&str, &str) = ADMIN;

    /// A command of ldap-utils with a simple bind.
    fn tool(&self, program: &str, who: (&str, &str)) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.ldaps_uri(), "-D", who.0, "-w", who.1]);
        command.env("LDAPTLS_CACERT", self.ca());
        command
    }
}

impl Ds389 {
    /// With the policy and the plugins of a new installation (nothing is locked, nothing expires), and no people yet.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// With what makes it send changes as they happen.
    pub(crate) fn with_content_synchronization() -> Self {
        Self::with(&["Retro Changelog Plugin", "Content Synchronization"])
    }

    /// With these plugins as well.
    fn with(plugins: &[&str]) -> Self {
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
        // Rules of languages for sorting, of which none is needed.
        std::fs::write(config.join("slapd-collations.conf"), "").unwrap();
        keep(dir, &certificates);
        // Between the choice of the ports and their use another program may take them: then others are tried.
        for _ in 0..10 {
            let ports = (free_port(), free_port());
            std::fs::write(config.join("dse.ldif"), dse(dir, ports, plugins)).unwrap();
            if let Some(server) = launch(dir) {
                let started = Self { server, ports, certificates, temporary };
                started.ldif(&tree());
                return started;
            }
        }
        let said = read(&dir.join("log.txt")) + &read(&dir.join("log/errors"));
        panic!("ns-slapd does not start:\n{said}")
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

    /// Sets an attribute of an entry.
    pub(crate) fn replace(&self, dn: &str, attribute: &str, value: &str) {
        self.ldif(&format!("dn: {dn}\nchangetype: modify\nreplace: {attribute}\n{}", line(attribute, value)));
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

/// Starts ns-slapd and waits until it serves; `None` if it ends, which it does without a word if a port is taken.
fn launch(dir: &Path) -> Option<Server> {
    let socket = dir.join("ldapi");
    let log = std::fs::File::options().create(true).append(true).open(dir.join("log.txt")).unwrap();
    // With `-d` it stays in the foreground.
    let mut command = Command::new("ns-slapd");
    command.args(["-d", "0", "-D"]).arg(config(dir)).arg("-i").arg(dir.join("run/pid"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut server = Server(command.spawn().expect("389-ds is installed"));
    until("the start of ns-slapd", || {
        let ended = server.has_ended().then_some(false);
        ended.or_else(|| UnixStream::connect(&socket).is_ok().then_some(true))
    })
    .then_some(server)
}

/// `dse.ldif`: the package's template, as `dscreate` fills it in.
fn dse(dir: &Path, ports: (u16, u16), plugins: &[&str]) -> String {
    let at = |folder: &str| dir.join(folder).display().to_string();
    let config = config(dir).display().to_string();
    let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap().name;
    let values = [
        ("schema_dir", format!("{config}/schema")),
        ("cert_dir", config.clone()),
        ("config_dir", config),
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
    for plugin in plugins {
        let (before, after) = text.split_once(&format!("dn: cn={plugin},cn=plugins,cn=config\n")).unwrap();
        let after = after.replacen("nsslapd-pluginenabled: off", "nsslapd-pluginenabled: on", 1);
        text = format!("{before}dn: cn={plugin},cn=plugins,cn=config\n{after}");
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
