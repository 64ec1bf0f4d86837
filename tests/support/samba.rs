//! An Active Directory for tests: a Samba domain controller in a folder and a network namespace of its own.
//!
//! Samba serves the ports 389, 636, 3268 and 3269 and no others, hence the namespace. What is to talk to it runs
//! there too, by `Samba::command`. Needs root.

use super::namespace::Namespace;
use super::read;
use super::slapd::{Certificates, LdapTools, Server, escape, line, run, succeed, until};
use nix::sys::signal::Signal;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the domain begins.
pub(crate) const BASE: &str = "DC=example,DC=test";

/// What follows `@` in a user principal name.
pub(crate) const REALM: &str = "example.test";

pub(crate) const ADMINISTRATOR: (&str, &str) =
    ("CN=Administrator,CN=Users,DC=example,DC=test", "Admin-Pass-4711");

/// The account that the daemon uses: a domain administrator, since others do not see deleted people.
pub(crate) const SERVICE: (&str, &str) = ("CN=doorward,CN=Users,DC=example,DC=test", "Service-Pass-4711");

/// To be raised with every change of `provision`.
const TEMPLATE: u32 = 1;

/// A domain controller in a folder of its own.
pub(crate) struct Samba {
    server: Server,
    /// Removed after the server's end: fields are dropped in order.
    namespace: Namespace,
    certificates: Certificates,
    temporary: tempfile::TempDir,
}

impl LdapTools for Samba {
    const SUPERUSER: (&str, &str) = ADMINISTRATOR;

    /// A command of ldap-utils in the namespace with a simple bind over `ldaps://`.
    fn tool(&self, program: &str, who: (&str, &str)) -> Command {
        let mut command = self.command(program);
        command.args(["-x", "-H", &self.uri(), "-D", who.0, "-w", who.1]);
        command
    }
}

impl Samba {
    /// A domain without people: passwords of 7 characters of 3 kinds, a history of 24, no ages, no lockout.
    pub(crate) fn start() -> Self {
        // Samba accepts the previous password for an hour; a test that wants that must say so.
        Self::with("old password allowed period = 0")
    }

    /// With other lines in `[global]` of `smb.conf`.
    pub(crate) fn with(extra: &str) -> Self {
        let template = template();
        let namespace = Namespace::new();
        let temporary = tempfile::tempdir().unwrap();
        let dir = temporary.path();
        succeed(Command::new("cp").arg("-a").arg(template.join("private")).arg(dir), "");
        let certificates = Certificates::write(dir, &["dc1.example.test", "localhost", "127.0.0.1"]);
        let tls = format!(
            "tls cafile = {}\ntls certfile = {}\ntls keyfile = {}",
            certificates.ca.display(),
            certificates.certificate.display(),
            certificates.key.display(),
        );
        prepare(dir, &format!("{tls}\n{extra}"));
        let server = launch(dir, &namespace);
        Self { server, namespace, certificates, temporary }
    }

    pub(crate) fn namespace(&self) -> &str {
        self.namespace.name()
    }

    /// A program in the namespace; it becomes the child itself, so that signals to the child reach it.
    ///
    /// It shares all files with the test, its loopback addresses are the namespace's.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = self.namespace.command(program);
        command.env("LDAPTLS_CACERT", self.ca());
        command
    }

    /// `ldaps://`, inside the namespace; `localhost` is in the certificate too.
    pub(crate) fn uri(&self) -> String {
        "ldaps://127.0.0.1:636".into()
    }

    /// `ldap://`, which also speaks StartTLS and refuses passwords without it.
    pub(crate) fn ldap_uri(&self) -> String {
        "ldap://127.0.0.1:389".into()
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

    /// What Samba wrote about itself.
    pub(crate) fn log(&self) -> String {
        read(&self.dir().join("log.txt"))
    }

    /// `samba-tool` on the domain's files.
    pub(crate) fn samba_tool(&self, arguments: &[&str]) -> String {
        samba_tool(&self.namespace, self.dir(), arguments)
    }

    /// Whether a DN, `name@example.test` or `EXAMPLE\name` may log in with this password, and what is said to it.
    ///
    /// The text of a refusal has the sub-code: "data 52e" for a wrong password, 532 for one that is too old, 533
    /// disabled, 701 expired account, 773 must change, 775 locked. (Samba has no whoami.)
    pub(crate) fn bind(&self, who: &str, password: &str) -> (bool, String) {
        let mut command = self.tool("ldapsearch", (who, password));
        let output = run(command.args(["-LLL", "-s", "base", "-b", "", "1.1"]), "");
        assert!(matches!(output.status.code(), Some(0 | 49)), "ldapsearch: {output:?}");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Adds a person with a mail address and a mobile number; the policy holds for the password.
    pub(crate) fn add_user(&self, name: &str, password: &str) {
        self.ldif(
            &(line("dn", dn(name))
                + "objectClass: user\nuserAccountControl: 512\nmobile: +41 79 000 00 00\n"
                + &line("sAMAccountName", name)
                + &line("userPrincipalName", format!("{name}@{REALM}"))
                + &line("mail", format!("{name}@example.org"))
                + &line("unicodePwd", unicode_pwd(password))),
        );
    }

    /// Sets a password as an administrator does: length and kinds of characters count, the history does not.
    pub(crate) fn set_password(&self, name: &str, password: &str) {
        self.modify(
            &dn(name),
            &("replace: unicodePwd\n".to_owned() + &line("unicodePwd", unicode_pwd(password))),
        );
    }

    /// 533.
    pub(crate) fn disable(&self, name: &str) {
        self.replace(&dn(name), "userAccountControl", "514");
    }

    pub(crate) fn enable(&self, name: &str) {
        self.replace(&dn(name), "userAccountControl", "512");
    }

    /// 773: must change the password.
    pub(crate) fn must_change(&self, name: &str) {
        self.replace(&dn(name), "pwdLastSet", "0");
    }

    /// 532: the password is older than the domain allows from now on (42 days).
    ///
    /// Only the database itself can be told that a password is old; that takes a moment.
    pub(crate) fn age_password(&self, name: &str) {
        self.domain("maxPwdAge", "-36288000000000");
        let script = r"
import ldb, sys
from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB
lp = LoadParm()
lp.load(sys.argv[1] + '/smb.conf')
db = SamDB(url=sys.argv[1] + '/private/sam.ldb', session_info=system_session(), lp=lp)
change = ldb.Message(ldb.Dn(db, sys.argv[2]))
change['pwdLastSet'] = ldb.MessageElement('132000000000000000', ldb.FLAG_MOD_REPLACE, 'pwdLastSet')
# Without this control only 0 and -1 are taken.
db.modify(change, ['local_oid:1.3.6.1.4.1.7165.4.3.20:0'])
";
        // Debian's python3-samba belongs to Debian's Python.
        let mut python = self.command("/usr/bin/python3");
        succeed(python.args(["-c", script]).arg(self.dir()).arg(dn(name)), "");
    }

    /// 701: the account has expired.
    pub(crate) fn expire(&self, name: &str) {
        self.replace(&dn(name), "accountExpires", "116444736000000000");
    }

    pub(crate) fn unexpire(&self, name: &str) {
        self.replace(&dn(name), "accountExpires", "0");
    }

    /// So many wrong passwords within half an hour lock a person for half an hour; 0 for never.
    pub(crate) fn lockout_threshold(&self, tries: u32) {
        self.domain("lockoutThreshold", &tries.to_string());
    }

    /// 775: types wrong passwords until the domain locks the person; needs a threshold.
    pub(crate) fn lock(&self, name: &str) {
        let locked = |_| self.bind(&dn(name), "a wrong password").1.contains("data 775");
        assert!((0..20).any(locked), "{name} is not locked after 20 wrong passwords");
    }

    pub(crate) fn unlock(&self, name: &str) {
        self.replace(&dn(name), "lockoutTime", "0");
    }

    /// Adds a group of people or groups.
    pub(crate) fn add_group(&self, name: &str, members: &[&str]) {
        let members: String = members.iter().map(|member| line("member", dn(member))).collect();
        self.ldif(
            &(line("dn", dn(name)) + "objectClass: group\n" + &line("sAMAccountName", name) + &members),
        );
    }

    pub(crate) fn add_member(&self, group: &str, member: &str) {
        self.modify(&dn(group), &("add: member\n".to_owned() + &line("member", dn(member))));
    }

    pub(crate) fn remove_member(&self, group: &str, member: &str) {
        self.modify(&dn(group), &("delete: member\n".to_owned() + &line("member", dn(member))));
    }

    /// Deletes a person or a group.
    pub(crate) fn delete(&self, name: &str) {
        self.ldif(&(line("dn", dn(name)) + "changetype: delete\n"));
    }

    /// Sets an attribute of the domain: `minPwdLength`, `pwdProperties` (1: kinds of characters count),
    /// `pwdHistoryLength`, `minPwdAge` and `maxPwdAge` (in -100 ns; a `maxPwdAge` up to a day means never).
    pub(crate) fn domain(&self, attribute: &str, value: &str) {
        self.replace(BASE, attribute, value);
    }

    /// Replaces an attribute of an entry.
    pub(crate) fn replace(&self, dn: &str, attribute: &str, value: &str) {
        self.modify(dn, &(format!("replace: {attribute}\n") + &line(attribute, value)));
    }

    fn modify(&self, dn: &str, change: &str) {
        self.ldif(&(line("dn", dn) + "changetype: modify\n" + change));
    }

    /// SIGTERM, and waits.
    pub(crate) fn stop(&mut self) {
        self.server.stop();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.server.kill();
    }

    /// With the same data, after `stop` or `kill`.
    pub(crate) fn start_again(&mut self) {
        assert!(self.server.has_ended(), "Samba still runs");
        self.server = launch(self.temporary.path(), &self.namespace);
    }

    /// Accepts connections from now on, but answers nothing.
    pub(crate) fn pause(&self) {
        self.server.signal(Signal::SIGSTOP);
    }

    pub(crate) fn resume(&self) {
        self.server.signal(Signal::SIGCONT);
    }
}

/// The DN of someone whom `add_user` made, or of a group.
pub(crate) fn dn(name: &str) -> String {
    format!("CN={},CN=Users,{BASE}", escape(name))
}

/// A password as Active Directory wants it: in quotation marks, as UTF-16.
pub(crate) fn unicode_pwd(password: &str) -> Vec<u8> {
    format!("\"{password}\"").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// The change of the own password from one to another, as LDIF.
pub(crate) fn own_change(name: &str, from: &str, to: &str) -> String {
    line("dn", dn(name))
        + "changetype: modify\ndelete: unicodePwd\n"
        + &line("unicodePwd", unicode_pwd(from))
        + "-\nadd: unicodePwd\n"
        + &line("unicodePwd", unicode_pwd(to))
}

/// A provisioned domain to copy, made once per version of Samba: that takes seconds.
fn template() -> PathBuf {
    let version = succeed(Command::new("samba").arg("--version"), "");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(place).unwrap();
    let template = place.join(format!("samba-{TEMPLATE}-{}", version.trim().replace([' ', '/'], "-")));
    // Tests are processes of their own: one makes it, the others wait.
    let lock = File::create(place.join("samba.lock")).unwrap();
    lock.lock().unwrap();
    if !template.exists() {
        let unfinished = tempfile::tempdir_in(place).unwrap();
        provision(unfinished.path());
        std::fs::rename(unfinished.keep(), &template).unwrap();
    }
    template
}

fn provision(dir: &Path) {
    prepare(dir, "");
    let namespace = Namespace::new();
    let tool = |arguments: &[&str]| samba_tool(&namespace, dir, arguments);
    let password = format!("--adminpass={}", ADMINISTRATOR.1);
    tool(&[
        "domain",
        "provision",
        "--realm=EXAMPLE.TEST",
        "--domain=EXAMPLE",
        "--server-role=dc",
        "--dns-backend=NONE",
        "--host-name=dc1",
        "--host-ip=127.0.0.1",
        &password,
    ]);
    // Or the template's own passwords would be too old after six weeks.
    tool(&["domain", "passwordsettings", "set", "--max-pwd-age=0", "--min-pwd-age=0"]);
    tool(&["user", "create", "doorward", SERVICE.1]);
    tool(&["group", "addmembers", "Domain Admins", "doorward"]);
    for account in ["Administrator", "doorward"] {
        tool(&["user", "setexpiry", account, "--noexpiry"]);
    }
}

fn samba_tool(namespace: &Namespace, dir: &Path, arguments: &[&str]) -> String {
    succeed(namespace.command("samba-tool").args(arguments).arg("-s").arg(dir.join("smb.conf")), "")
}

/// Writes `smb.conf` and makes the folders that it names.
fn prepare(dir: &Path, extra: &str) {
    let mut text = "[global]\n\
        netbios name = DC1\n\
        realm = EXAMPLE.TEST\n\
        workgroup = EXAMPLE\n\
        server role = active directory domain controller\n\
        server services = ldap\n\
        interfaces = lo\n\
        bind interfaces only = yes\n\
        logging = file\n\
        ldb:nosync = true\n"
        .to_owned();
    let folders = [
        ("private dir", "private"),
        ("state directory", "state"),
        ("lock directory", "lock"),
        ("cache directory", "cache"),
        ("pid directory", "pid"),
        ("ncalrpc dir", "ncalrpc"),
        ("binddns dir", "binddns"),
        ("winbindd socket directory", "winbindd"),
        ("ntp signd socket directory", "ntp"),
    ];
    for (name, folder) in folders {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
        text += &format!("{name} = {}\n", dir.join(folder).display());
    }
    let files = dir.join("files").display().to_string();
    std::fs::create_dir_all(dir.join("files/example.test/scripts")).unwrap();
    text += &format!("log file = {}\n{extra}\n", dir.join("log.samba").display());
    text += &format!("[sysvol]\npath = {files}\n[netlogon]\npath = {files}/example.test/scripts\n");
    std::fs::write(dir.join("smb.conf"), text).unwrap();
}

/// Starts Samba as a single process and waits until it serves.
fn launch(dir: &Path, namespace: &Namespace) -> Server {
    let log_file = dir.join("log.txt");
    let log = File::options().create(true).append(true).open(&log_file).unwrap();
    let mut command = namespace.command("samba");
    command.args(["-i", "-M", "single", "-d", "1", "-s"]).arg(dir.join("smb.conf"));
    // It ends when this pipe does, so also when the test is killed.
    command.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
    let mut server = Server(command.spawn().expect("iproute2 is installed"));
    // It begins with the TCP ports and ends with this socket.
    let socket = dir.join("private/ldap_priv/ldapi");
    until("the start of Samba", || {
        assert!(!server.has_ended(), "Samba did not start:\n{}", read(&log_file));
        UnixStream::connect(&socket).ok()
    });
    server
}
