//! OpenLDAP for tests: a slapd in a folder of its own, on loopback ports of its own, stopped by its pid.

use super::{PATIENCE, read};
use data_encoding::BASE64;
use nix::sys::signal::Signal;
use sha1::{Digest, Sha1};
use std::fmt::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where the tree begins.
pub(crate) const BASE: &str = "dc=example,dc=org";

/// The directory's superuser and its password: no policy and no access rule binds it.
pub(crate) const ADMIN: (&str, &str) = ("cn=admin,dc=example,dc=org", "admin-password");

/// The account that the daemon uses, and its password.
pub(crate) const SERVICE: (&str, &str) = ("cn=doorward,dc=example,dc=org", "service-password");

/// The policy that holds for everyone; a test that wants another changes it by `ldif`.
pub(crate) const POLICY: &str = "cn=default,ou=policies,dc=example,dc=org";

/// What may differ from `Slapd::start`.
pub(crate) struct Setup {
    /// Without it a client can only poll.
    pub(crate) syncprov: bool,
    /// So many people of `crowd_uid` are there from the start.
    pub(crate) crowd: usize,
    /// Lets the service account `manage` passwords, not just `write` them. slapd then takes whatever the account
    /// sets (no length, no history, no pwdSafeModify), but marks it pwdReset where the policy has pwdMustChange.
    pub(crate) password_administrator: bool,
    /// Names and addresses in the server's certificate.
    pub(crate) names: &'static [&'static str],
    /// Further lines about the database in `slapd.conf`, such as `sizelimit 100`.
    pub(crate) extra: &'static str,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            syncprov: true,
            crowd: 0,
            password_administrator: false,
            names: &["localhost", "127.0.0.1"],
            extra: "",
        }
    }
}

/// A slapd in a folder of its own.
pub(crate) struct Slapd {
    server: Server,
    /// Port of `ldap://`, port of `ldaps://`.
    ports: (u16, u16),
    certificates: Certificates,
    temporary: tempfile::TempDir,
}

/// What ldap-utils do on a server.
pub(crate) trait LdapTools {
    /// Name and password of who may do everything.
    const SUPERUSER: (&str, &str);

    /// A command of ldap-utils with a simple bind.
    fn tool(&self, program: &str, who: (&str, &str)) -> Command;

    /// Applies an LDIF as the superuser, whom no policy binds; records without `changetype` are added.
    fn ldif(&self, text: &str) {
        succeed(self.tool("ldapmodify", Self::SUPERUSER).arg("-a"), text);
    }

    /// Applies an LDIF as someone; it may be refused.
    fn ldif_as(&self, who: (&str, &str), text: &str) -> Output {
        run(self.tool("ldapmodify", who).arg("-a"), text)
    }

    /// What the superuser finds, as LDIF with unfolded lines.
    fn search(&self, base: &str, filter: &str, attributes: &[&str]) -> String {
        let mut command = self.tool("ldapsearch", Self::SUPERUSER);
        succeed(command.args(["-LLL", "-o", "ldif-wrap=no", "-b", base, filter]).args(attributes), "")
    }
}

impl LdapTools for Slapd {
    const SUPERUSER: (&str, &str) = ADMIN;

    /// A command of ldap-utils with a simple bind over `ldap://`.
    fn tool(&self, program: &str, who: (&str, &str)) -> Command {
        let mut command = Command::new(program);
        command.args(["-x", "-H", &self.uri(), "-D", who.0, "-w", who.1]).env("LDAPTLS_CACERT", self.ca());
        command
    }
}

impl Slapd {
    /// With syncprov, ppolicy and memberof, and no people yet.
    pub(crate) fn start() -> Self {
        Self::with(&Setup::default())
    }

    /// A directory that keeps no record of changes.
    pub(crate) fn without_syncprov() -> Self {
        Self::with(&Setup { syncprov: false, ..Setup::default() })
    }

    /// With so many people of `crowd_uid` from the start.
    pub(crate) fn with_crowd(people: usize) -> Self {
        Self::with(&Setup { crowd: people, ..Setup::default() })
    }

    pub(crate) fn with(setup: &Setup) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path();
        let certificates = Certificates::write(dir, setup.names);
        std::fs::create_dir(dir.join("data")).unwrap();
        std::fs::write(dir.join("slapd.conf"), configuration(dir, setup)).unwrap();
        std::fs::write(dir.join("start.ldif"), start_ldif(setup.crowd)).unwrap();
        let mut load = Command::new("slapadd");
        load.arg("-q").arg("-f").arg(dir.join("slapd.conf")).arg("-l").arg(dir.join("start.ldif"));
        succeed(&mut load, "");
        // Between the choice of the ports and their use another program may take them: then others are tried.
        for _ in 0..10 {
            let ports = (free_port(), free_port());
            if let Some(server) = launch(dir, ports) {
                return Self { server, ports, certificates, temporary };
            }
        }
        panic!("no free ports for slapd:\n{}", read(&dir.join("log.txt")))
    }

    /// `ldap://`, which also speaks StartTLS.
    pub(crate) fn uri(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.ports.0)
    }

    pub(crate) fn ldaps_uri(&self) -> String {
        format!("ldaps://127.0.0.1:{}", self.ports.1)
    }

    /// `ldapi://`; SASL EXTERNAL makes the user who runs the test the service account.
    pub(crate) fn ldapi_uri(&self) -> String {
        ldapi_uri(&self.dir().join("ldapi"))
    }

    /// The authority that issued the server's certificate.
    pub(crate) fn ca(&self) -> &Path {
        &self.certificates.ca
    }

    /// An authority that did not.
    pub(crate) fn wrong_ca(&self) -> &Path {
        &self.certificates.wrong_ca
    }

    pub(crate) fn dir(&self) -> &Path {
        self.temporary.path()
    }

    /// Adds a person with a mail address and a mobile number; any text will do as name and password.
    pub(crate) fn add_person(&self, uid: &str, password: &str) {
        self.ldif(&person(uid, password));
    }

    /// Whether this DN may log in with this password. (Who must change the password may.)
    pub(crate) fn ldapwhoami(&self, dn: &str, password: &str) -> bool {
        let output = run(&mut self.tool("ldapwhoami", (dn, password)), "");
        match output.status.code() {
            Some(0) => true,
            // Invalid credentials; a DN without a password.
            Some(49 | 53) => false,
            _ => panic!("ldapwhoami: {output:?}"),
        }
    }

    /// The log of all operations, also those that the methods here make.
    ///
    /// A request is in it before its result is sent, the line of its result comes later: count requests.
    pub(crate) fn log(&self) -> String {
        read(&self.dir().join("log.txt"))
    }

    /// Lines of the log with this text: `" SRCH base="`, `" MOD dn="`, `" PASSMOD "`, `" ACCEPT "`, `" STARTTLS"`.
    pub(crate) fn count(&self, text: &str) -> usize {
        self.log().lines().filter(|line| line.contains(text)).count()
    }

    /// Attempts to log in as this DN. (`count("BIND ")` would count the successful ones twice.)
    pub(crate) fn binds(&self, dn: &str) -> usize {
        self.count(&format!(" BIND dn=\"{dn}\" method="))
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
        assert!(self.server.has_ended(), "slapd still runs");
        // What another program holds for a moment is waited for.
        self.server = until("the ports of slapd", || launch(self.temporary.path(), self.ports));
    }

    /// Accepts connections from now on, but answers nothing.
    pub(crate) fn pause(&self) {
        self.server.signal(Signal::SIGSTOP);
    }

    pub(crate) fn resume(&self) {
        self.server.signal(Signal::SIGCONT);
    }
}

/// A process that ends at the latest when this is dropped, also half-way through a start that fails.
pub(crate) struct Server(pub(crate) Child);

impl Server {
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }

    /// SIGTERM, and waits; also when it is paused.
    pub(crate) fn stop(&mut self) {
        if !self.has_ended() {
            self.signal(Signal::SIGTERM);
            self.signal(Signal::SIGCONT);
            until("the end of the server", || self.has_ended().then_some(()));
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The DN of someone whom `add_person` made.
pub(crate) fn person_dn(uid: &str) -> String {
    format!("uid={},ou=people,{BASE}", escape(uid))
}

/// Person `n` of a crowd, counted from 1.
pub(crate) fn crowd_uid(n: usize) -> String {
    format!("user{n:06}")
}

pub(crate) fn crowd_password(n: usize) -> String {
    format!("password-{n:06}")
}

/// A value as it stands in a DN.
pub(crate) fn escape(value: &str) -> String {
    let mut escaped = String::new();
    for (at, character) in value.char_indices() {
        let outermost = at == 0 || at + character.len_utf8() == value.len();
        match character {
            '\0' => escaped.push_str("\\00"),
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' | '#' => escaped.extend(['\\', character]),
            ' ' if outermost => escaped.push_str("\\ "),
            _ => escaped.push(character),
        }
    }
    escaped
}

/// A line of LDIF that survives whatever is in the value.
pub(crate) fn line(attribute: &str, value: impl AsRef<[u8]>) -> String {
    format!("{attribute}:: {}\n", BASE64.encode(value.as_ref()))
}

/// An address for a Unix socket.
pub(crate) fn ldapi_uri(socket: &Path) -> String {
    let escaped: String = socket
        .to_str()
        .unwrap()
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    format!("ldapi://{escaped}")
}

/// Files of a server's certificate.
pub(crate) struct Certificates {
    pub(crate) ca: PathBuf,
    /// Has the same name as `ca`, and another key.
    pub(crate) wrong_ca: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificates {
    /// Makes them all; `names` are what a client may call the server.
    pub(crate) fn write(dir: &Path, names: &[&str]) -> Self {
        use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
        let files = Self {
            ca: dir.join("ca.pem"),
            wrong_ca: dir.join("wrong-ca.pem"),
            certificate: dir.join("server.pem"),
            key: dir.join("server.key"),
        };
        let (ca, issuer) = authority();
        std::fs::write(&files.ca, ca).unwrap();
        std::fs::write(&files.wrong_ca, authority().0).unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.into()).collect();
        let mut server = CertificateParams::new(names).unwrap();
        server.distinguished_name.push(DnType::CommonName, "Test directory");
        // The nodes of a Redis Cluster are clients of each other.
        server.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        std::fs::write(&files.certificate, server.signed_by(&key, &issuer).unwrap().pem()).unwrap();
        // Samba refuses a key that others may read.
        let mut private = std::fs::OpenOptions::new();
        let file = private.write(true).create_new(true).mode(0o600).open(&files.key).unwrap();
        std::io::Write::write_all(&mut &file, key.serialize_pem().as_bytes()).unwrap();
        files
    }
}

/// A new certificate authority, its certificate as PEM.
fn authority() -> (String, rcgen::Issuer<'static, rcgen::KeyPair>) {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

/// Runs a command to its end.
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    use std::io::Write;
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut pipe = child.stdin.take().unwrap();
    let input = input.to_owned();
    // On a thread, so that a command that writes before it has read all does not wait for us.
    let feeder = std::thread::spawn(move || {
        // A command that reads nothing may have ended already.
        let _ = pipe.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    output
}

/// Runs a command that must succeed; its standard output.
pub(crate) fn succeed(command: &mut Command, input: &str) -> String {
    let output = run(command, input);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Asks again and again until there is an answer.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A port below those that the system gives to clients, so that none of them has it while slapd is down.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        // Other tests run at the same time, in this process and in others.
        let step = std::process::id().wrapping_mul(37).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(12_000 + step % 20_000).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Starts slapd and waits until it serves; `None` if one of the ports is taken.
fn launch(dir: &Path, ports: (u16, u16)) -> Option<Server> {
    let socket = dir.join("ldapi");
    // In this order: who can connect to the socket can connect to all.
    let urls = format!("ldap://127.0.0.1:{}/ ldaps://127.0.0.1:{}/ {}", ports.0, ports.1, ldapi_uri(&socket));
    let log_file = dir.join("log.txt");
    let log = std::fs::File::options().create(true).append(true).open(&log_file).unwrap();
    let seen = usize::try_from(log.metadata().unwrap().len()).unwrap();
    // With `-d` it stays in the foreground.
    let mut command = Command::new("slapd");
    command.args(["-d", "stats", "-h", &urls, "-f"]).arg(dir.join("slapd.conf"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut server = Server(command.spawn().expect("slapd is installed"));
    until("the start of slapd", || {
        if server.has_ended() {
            let log = read(&log_file);
            assert!(log[seen..].contains("Address already in use"), "slapd did not start:\n{log}");
            return Some(false);
        }
        UnixStream::connect(&socket).is_ok().then_some(true)
    })
    .then_some(server)
}

/// `slapd.conf`.
fn configuration(dir: &Path, setup: &Setup) -> String {
    let dir = dir.display();
    let uid = nix::unistd::getuid();
    let service = SERVICE.0;
    let rights = if setup.password_administrator { "manage" } else { "write" };
    // The module alone would announce the control.
    let (module, syncprov) = match setup.syncprov {
        true => {
            ("moduleload syncprov", "overlay syncprov\nsyncprov-checkpoint 100 10\nsyncprov-sessionlog 1000")
        }
        false => ("", ""),
    };
    let (admin, password) = ADMIN;
    let extra = setup.extra;
    format!(
        r#"include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
{module}
moduleload ppolicy
moduleload memberof
# What goes to standard error is set by -d; nothing goes to the system's log.
loglevel none
sizelimit unlimited
TLSCertificateFile {dir}/server.pem
TLSCertificateKeyFile {dir}/server.key
authz-regexp "^gidNumber=[0-9]+.uidNumber={uid},cn=peercred,cn=external,cn=auth$" "{service}"

database mdb
suffix "{BASE}"
rootdn "{admin}"
rootpw "{password}"
directory {dir}/data
maxsize 1073741824
dbnosync
index objectClass,entryUUID,entryCSN,uid,member eq
access to attrs=userPassword by dn.exact="{service}" {rights} by self =xw by anonymous auth by * none
access to attrs=pwdReset,pwdAccountLockedTime by dn.exact="{service}" {rights} by * none
access to * by dn.exact="{service}" read by users read by anonymous auth by * none
{extra}
{syncprov}
overlay ppolicy
ppolicy_default "{POLICY}"
ppolicy_use_lockout
overlay memberof
"#
    )
}

/// Everything that is there before the start.
fn start_ldif(crowd: usize) -> String {
    let mut text = format!(
        "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n\n\
         dn: {service}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: doorward\n\
         userPassword: {password}\n\n",
        service = SERVICE.0,
        password = SERVICE.1,
    );
    for unit in ["people", "groups", "policies"] {
        write!(text, "dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n\n").unwrap();
    }
    write!(
        text,
        "dn: {POLICY}\nobjectClass: device\nobjectClass: pwdPolicy\ncn: default\npwdAttribute: userPassword\n\
         pwdCheckQuality: 2\npwdMinLength: 8\npwdInHistory: 3\npwdLockout: TRUE\npwdMaxFailure: 100\n\
         pwdAllowUserChange: TRUE\npwdSafeModify: FALSE\n\n"
    )
    .unwrap();
    for n in 1..=crowd {
        text.push_str(&person(&crowd_uid(n), &salted(n, &crowd_password(n))));
        text.push('\n');
    }
    text
}

fn person(uid: &str, password: &str) -> String {
    line("dn", person_dn(uid))
        + "objectClass: inetOrgPerson\n"
        + &line("uid", uid)
        + &line("cn", format!("{uid} Example"))
        + "sn: Example\nmobile: +41 79 000 00 00\n"
        // An address may hold ASCII only.
        + &line("mail", format!("{}@example.org", uid.replace(|c: char| !c.is_ascii_alphanumeric(), "_")))
        + &line("userPassword", password)
}

/// `{SSHA}`, as slapd itself would store it.
fn salted(n: usize, password: &str) -> String {
    let salt = n.to_be_bytes();
    let digest = Sha1::new().chain_update(password).chain_update(salt).finalize();
    format!("{{SSHA}}{}", BASE64.encode(&[&digest[..], &salt].concat()))
}
