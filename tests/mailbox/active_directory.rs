//! Active Directory: a real Samba domain controller, asked from inside its network namespace.

use super::{PASSWORD, account, set, settings, write};
use crate::support::samba::{BASE, SERVICE, Samba, dn};
use doorward::store::mailbox::{MailboxError, MailboxProvider};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::os::fd::AsFd;
use std::path::Path;

fn lines(samba: &Samba, server: &str) -> String {
    format!(
        "kind = \"active-directory\"\naccount = \"{{username}}@example.test\"\nservers = [\"{server}\"]\nca_file = \"{}\"\n\
         bind_dn = \"{}\"\nsecret_file = \"service.secret\"\nbase = \"CN=Users,{BASE}\"\ntimeout = \"40s\"\n",
        samba.ca().display(),
        SERVICE.0
    )
}

/// Runs what connects, on a thread of its own that is in the namespace.
fn inside<T: Send>(samba: &Samba, work: impl AsyncFnOnce() -> T + Send) -> T {
    let name = Path::new("/run/netns").join(samba.namespace());
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let file = std::fs::File::open(name).unwrap();
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(work())
        });
        thread.join().unwrap()
    })
}

// R-ALUM-2
#[test]
fn password_set_here_logs_in_to_the_domain_and_its_rules_hold() {
    let (samba, dir) = (Samba::start(), tempfile::tempdir().unwrap());
    samba.add_user("karim", "Lantern-Quartz-9");
    write(dir.path(), "service.secret", SERVICE.1);
    let (tls, plain) = (samba.uri(), samba.ldap_uri());
    for (number, server) in [tls, plain].iter().enumerate() {
        let settings = settings(dir.path(), &lines(&samba, server));
        let password = format!("{PASSWORD} {number}");
        inside(&samba, async || {
            let provider = MailboxProvider::new(Some(&settings)).unwrap();
            set(&provider, "karim", &password).await.unwrap();
            let found = provider.current().unwrap().find(&account(&provider, "karim")).await.unwrap();
            assert!(found.entry.eq_ignore_ascii_case(&dn("karim")), "{found:?}");
            let found = set(&provider, "karim", "short").await.unwrap_err();
            assert!(matches!(&found, MailboxError::Refused(text) if text.ends_with('.')), "{found:?}");
            let found = set(&provider, "nobody", &password).await.unwrap_err();
            assert!(matches!(found, MailboxError::NoMailbox(_)), "{found:?}");
        });
        assert!(samba.bind("karim@example.test", &password).0, "{server}");
    }
}
