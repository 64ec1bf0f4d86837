//! From the tree to the settings: each section in turn, all errors collected.

use super::Config;
use super::files::Files;
use super::report::{At, Errors};
use super::section::{Section, Sink};
use super::{
    api, campus, client, daemon, directory, eap, gateway, login, mailbox, message, metrics, password, portal,
    radius, redis, registration, reply, sandbox, smtp, store, wsapi, yubico,
};
use crate::base::{Clock, SystemClock};
use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

/// Reads a configuration and everything it refers to. `env` are the environment's variables. On failure every error
/// is in the result, not only the first.
pub fn load(path: &Path, env: impl Iterator<Item = (String, String)>) -> Result<Config, Errors> {
    let variables: Vec<_> = env.collect();
    let credentials =
        variables.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY").map(|(_, value)| value.clone());
    let mut errors = Errors::default();
    let Some(entries) = super::tree::read(path, variables.into_iter(), &mut errors) else {
        return Err(errors);
    };
    let base = folder(path);
    let sink: Sink = Rc::new(RefCell::new(errors));
    let files = Files { base: &base, credentials: credentials.as_deref(), warnings: RefCell::default() };
    let config = resolve(&Section::new("", &entries, At::DEFAULT, &sink), &files);
    let mut errors = std::mem::take(&mut *sink.borrow_mut());
    errors.sort();
    match config {
        Some(mut config) if errors.is_empty() => {
            config.warnings.extend(files.warnings.into_inner());
            Ok(config)
        }
        _ => Err(errors),
    }
}

/// The folder of a configuration, which relative paths in it count from.
fn folder(path: &Path) -> PathBuf {
    let folder = path.parent().unwrap_or(Path::new(""));
    if folder.is_absolute() {
        folder.to_owned()
    } else {
        std::env::current_dir().unwrap_or_default().join(folder)
    }
}

/// Where the admin socket is, also by a configuration that is wrong elsewhere: who asks the daemon what is wrong must find it. `None`:
/// the file cannot be read.
pub fn admin_socket(path: &Path, env: impl Iterator<Item = (String, String)>) -> Option<PathBuf> {
    let mut errors = Errors::default();
    let entries = super::tree::read(path, env, &mut errors)?;
    let sink: Sink = Rc::new(RefCell::new(errors));
    Section::new("", &entries, At::DEFAULT, &sink).table("admin").path("socket", &folder(path))
}

fn resolve(root: &Section<'_>, files: &Files<'_>) -> Option<Config> {
    // Every part is read before any is missed, so that all errors are told.
    let store = store::store(&root.table("store"), files);
    let keys = daemon::keys(&root.table("keys"), files);
    let radius = radius::radius(&root.table("radius"));
    let redis = redis::redis(&root.table("redis"), files);
    let dictionary = reply::dictionary(root);
    let (clients, names) = client::clients(root, files);
    let replies = reply::replies(root, &dictionary, &names);
    let eap = eap::eap(&root.table("eap"), files);
    if let (Some(clients), Some(eap)) = (&clients, &eap) {
        eap::warn_of_clients(clients, eap.as_ref(), files);
    }
    let texts = login::texts(&root.table("login"));
    let throttle = login::throttle(&root.table("throttle"));
    let (password, new_passwords) = password::password(&root.table("password"), files);
    let factors = login::factors(root);
    if let (Some(clients), Some(factors)) = (&clients, &factors)
        && let Some((_, client)) = clients.iter().find(|(_, client)| client.eap.device_passwords)
        && factors.devices_per_person == 0
    {
        files.warn(format!(
            "client `{}` takes passwords of devices, and no new ones are made: set `per_person` in [device_passwords], such as to 8",
            client.name
        ));
    }
    let deadline = radius.as_ref().map(|radius| radius.request_deadline);
    let yubico = yubico::yubico(&root.table("yubico"), files, deadline);
    let wsapi = wsapi::wsapi(&root.table("wsapi"), files);
    let codes = message::codes(&root.table("codes"));
    let catalogue = message::texts(root);
    let smtp = smtp::smtp(&root.table("smtp"), files);
    let gateways = gateway::gateways(root, files);
    if let (Some(codes), Some(gateways)) = (&codes, &gateways)
        && codes.limits.daily_cost.is_none()
        && gateways.iter().any(|gateway| gateway.cost > 0)
    {
        files.warn("gateways cost money, and codes.daily_cost sets no cap to it".to_owned());
    }
    let mailbox = mailbox::mailbox(&root.table("mailbox"), files);
    let directories = directory::directories(root, files);
    let portal = portal::portal(&root.table("portal"), files);
    let api = api::api(root, files, &names);
    let words = portal.as_ref().map(|portal| &*portal.words);
    let registration = registration::registration(&root.table("registration"), words);
    let activation = registration::activation(&root.table("activation"));
    let retention = daemon::retention(&root.table("retention"));
    let metrics = metrics::metrics(&root.table("metrics"), files);
    let admin = daemon::admin(&root.table("admin"), files);
    let log = daemon::log(&root.table("log"));
    let sandbox = sandbox::sandbox(&root.table("sandbox"), files);
    let (directories, realms) = directories?;
    let config = Config {
        store: store?,
        keys: keys?,
        radius: radius?,
        redis: redis?,
        clients: clients?,
        replies: replies?,
        dictionary: dictionary.into(),
        eap: eap?,
        texts: texts?,
        throttle: throttle?,
        password: password?,
        new_passwords: new_passwords?,
        factors: factors?,
        yubico: yubico?,
        wsapi: wsapi?,
        codes: codes?,
        catalogue: Arc::new(catalogue?),
        smtp: smtp?,
        gateways: gateways?,
        mailbox: mailbox?,
        directories: directories.into_iter().map(Arc::new).collect(),
        realms,
        portal: portal?,
        api: api?,
        registration: registration?,
        activation: activation?,
        retention: retention?,
        metrics: metrics?,
        admin: admin?,
        log: log?,
        sandbox: sandbox?,
        campuses: Arc::default(),
        campus: None,
        branches: Vec::new(),
        warnings: Vec::new(),
    };
    // Of [eap] it has been said already.
    let ending = config.certificate_warnings(SystemClock.now());
    ending.into_iter().filter(|said| !said.starts_with("[eap]")).for_each(|said| files.warn(said));
    campus::campuses(root, files, config)
}
