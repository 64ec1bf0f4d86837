//! Gives up what the daemon need not write, by Landlock (landlock(7)): nothing is made, changed, moved or removed but where the store,
//! the admin socket and programs that send messages write; no TCP port is opened but those of the configuration; no process outside
//! gets a signal. Whoever takes the daemon over gets no more, and neither do the programs that it starts.
//!
//! What is read is not confined, because a reload may name files anywhere, nor where connections go. It is done as far as the kernel can. What it
//! cannot is left to the service manager's sandbox and to file permissions. `docs/decisions/0023-landlock.md` says why.

use crate::config::{Config, GatewayKind};
use crate::engine::health::Confined;
use crate::serve::admin;
use crate::store::records::Records;
use anyhow::Result;
use landlock::{
    ABI, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What is asked for is in Linux 6.12; older ones have less of it.
const LEVEL: ABI = ABI::V6;

/// Devices that programs write to whatever they do.
const DEVICES: [&str; 3] = ["/dev/null", "/dev/zero", "/dev/full"];

/// Where programs put temporary files, beside `TMPDIR`.
const TEMPORARY: [&str; 2] = ["/tmp", "/var/tmp"];

type Rights = BitFlags<AccessFs>;

/// What may be done, and where.
#[derive(Debug, Default)]
struct Places {
    /// A folder with all that is in it, or a file.
    paths: Vec<(PathBuf, Rights)>,
    /// TCP ports that may be opened; 0: one that the kernel chooses.
    ports: Vec<u16>,
}

/// Everything but to make devices.
fn everything() -> Rights {
    AccessFs::from_write(LEVEL) & !(AccessFs::MakeChar | AccessFs::MakeBlock)
}

/// Whether messages are sent by programs.
pub(in crate::app) fn sends_by_program(config: &Config) -> bool {
    config.gateways.iter().any(|gateway| matches!(gateway.kind, GatewayKind::Exec(_)))
}

impl Places {
    /// What this configuration needs. Makes the folders that it names and that are missing.
    fn of(config: &Config) -> Result<Self> {
        let mut places = Self::default();
        let database = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::MakeReg | AccessFs::RemoveFile;
        places.allow(Records::folders(&config.store)?, database);
        let socket = admin::folder(&config.admin.socket)?.map(Path::to_owned);
        places.allow(socket, AccessFs::MakeSock | AccessFs::RemoveFile);
        places.allow(DEVICES.map(PathBuf::from), everything());
        places.allow(config.sandbox.read_write_paths.iter().cloned(), everything());
        if sends_by_program(config) {
            let temporary = TEMPORARY.map(PathBuf::from).into_iter().chain([std::env::temp_dir()]);
            places.allow(temporary, everything());
        }
        let listen =
            [&config.portal.listen, &config.api.listen, &config.wsapi.listen, &config.metrics.listen];
        places.ports = listen.into_iter().flatten().map(SocketAddr::port).collect();
        Ok(places)
    }

    /// Of a file, what can be done with files.
    fn allow(&mut self, paths: impl IntoIterator<Item = PathBuf>, rights: Rights) {
        let of_files = rights & AccessFs::from_file(LEVEL);
        let entry = |path: PathBuf| if path.is_dir() { (path, rights) } else { (path, of_files) };
        self.paths.extend(paths.into_iter().map(entry));
    }

    /// Confines this thread, and those that it starts from now on. Nothing undoes that.
    fn confine(&self) -> Result<RestrictionStatus, RulesetError> {
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_write(LEVEL))?
            .handle_access(AccessNet::BindTcp)?
            .scope(Scope::Signal)?
            .create()?;
        for (path, rights) in &self.paths {
            match PathFd::new(path) {
                Ok(place) => rules = rules.add_rule(PathBeneath::new(place, *rights))?,
                Err(error) => tracing::debug!("{} will not be written: {error}", path.display()),
            }
        }
        for port in &self.ports {
            rules = rules.add_rule(NetPort::new(*port, AccessNet::BindTcp))?;
        }
        rules.restrict_self()
    }
}

/// Confines the process, which must have no other thread yet.
///
/// # Errors
/// A folder of the configuration is missing and cannot be made. That the kernel cannot confine is none: it is told.
pub fn confine(config: &Config) -> Result<Confined> {
    let places = Places::of(config)?;
    if !config.sandbox.landlock {
        return Ok(Confined::No);
    }
    for path in config.sandbox.read_write_paths.iter().filter(|path| !path.exists()) {
        tracing::warn!(
            "`sandbox.read_write_paths`: {} is not there; no program can write there until it is and Doorward was started anew",
            path.display()
        );
    }
    let confined = match places.confine() {
        Ok(status) => match status.ruleset {
            RulesetStatus::FullyEnforced => Confined::Full,
            RulesetStatus::PartiallyEnforced => Confined::Partial,
            RulesetStatus::NotEnforced => Confined::No,
        },
        Err(error) => {
            tracing::warn!("what the daemon may write cannot be confined: {error}");
            return Ok(Confined::No);
        }
    };
    match confined {
        Confined::Full => tracing::info!("what the daemon may write is confined by Landlock"),
        Confined::Partial => tracing::info!(
            "what the daemon may write is confined by Landlock in part: this kernel does not know all of it, which Linux 6.12 does"
        ),
        Confined::No => tracing::info!(
            "what the daemon may write is not confined: this kernel has no Landlock, or it is switched off (`lsm=` at the start of the kernel)"
        ),
    }
    Ok(confined)
}
