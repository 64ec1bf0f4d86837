//! From the tree to the settings: each section in turn, all errors collected.

use super::files::Files;
use super::report::{At, Errors};
use super::section::{Section, Sink};
use super::{Admin, AdminRole, AdminRule, Config, Factors, Keys, Log, Radius, Retention};
use super::{
    api, campus, client, directory, eap, gateway, mailbox, message, password, portal, redis, registration,
    smtp, store, wsapi, yubico,
};
use crate::base::Secret;
use crate::domain::factor::Algorithm;
use crate::domain::policy::LoginTexts;
use crate::domain::throttle::Throttle;
use nix::unistd::{Group, User};
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

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
    let base = path.parent().unwrap_or(Path::new(""));
    let base = if base.is_absolute() {
        base.to_owned()
    } else {
        std::env::current_dir().unwrap_or_default().join(base)
    };
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

fn resolve(root: &Section<'_>, files: &Files<'_>) -> Option<Config> {
    // Every part is read before any is missed, so that all errors are told.
    let store = store::store(&root.table("store"), files);
    let keys = keys(&root.table("keys"), files);
    let radius = radius(&root.table("radius"));
    let redis = redis::redis(&root.table("redis"), files);
    let dictionary = client::dictionary(root);
    let (clients, names) = client::clients(root, files);
    let replies = client::replies(root, &dictionary, &names);
    let eap = eap::eap(&root.table("eap"), files);
    let texts = texts(&root.table("login"));
    let throttle = throttle(&root.table("throttle"));
    let (password, new_passwords) = password::password(&root.table("password"), files);
    let factors = factors(root);
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
    let retention = retention(&root.table("retention"));
    let admin = admin(&root.table("admin"), files);
    let log = log(&root.table("log"));
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
        admin: admin?,
        log: log?,
        campuses: Arc::default(),
        campus: None,
        branches: Vec::new(),
        warnings: Vec::new(),
    };
    campus::campuses(root, files, config)
}

fn keys(section: &Section<'_>, files: &Files<'_>) -> Option<Keys> {
    let mut master = Vec::new();
    let mut add = |name: &str, at: At, bytes: Option<Secret<Vec<u8>>>| {
        let file = name.rsplit('/').next().unwrap_or(name);
        let id = file.split('.').next().unwrap_or_default();
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if id.is_empty() || id.len() > 16 || !id.bytes().all(fine) {
            section.error(
                at,
                format!("`{id}` is no key id"),
                "a file name of 1 to 16 lower-case letters, digits and dashes",
            );
        }
        if master.iter().any(|(known, _)| known == id) {
            section.error(at, format!("two keys have the id `{id}`"), "ids come from the names of the files");
        }
        let Some(bytes) = bytes else { return };
        let text = bytes.expose().trim_ascii();
        let decoded =
            data_encoding::HEXLOWER_PERMISSIVE.decode(text).or_else(|_| data_encoding::BASE64.decode(text));
        match decoded {
            Ok(key) if key.len() == 32 => master.push((id.to_owned(), Secret::new(key))),
            _ => section.error(
                at,
                format!("{name} does not hold 32 bytes as base64 or hex"),
                "head -c 32 /dev/urandom | base64",
            ),
        }
    };
    let (names, credentials) = (section.texts("files"), section.texts("credentials"));
    let names_any = names.as_ref().is_none_or(|names| !names.is_empty());
    let credentials_any = credentials.as_ref().is_none_or(|names| !names.is_empty());
    for (name, at) in names.unwrap_or_default() {
        add(&name, at, files.secret_file(section, &name, at));
    }
    for (name, at) in credentials.unwrap_or_default() {
        add(&name, at, files.credential(section, &name, at));
    }
    // Where a key was named, what is wrong with it has been said.
    if !names_any && !credentials_any {
        let message = "a master key is needed: [keys] files = [\"keys/k1.key\"], made with `head -c 32 /dev/urandom | base64`";
        section.error(section.at, message, "");
    }
    (!master.is_empty()).then_some(Keys { master })
}

fn radius(section: &Section<'_>) -> Option<Radius> {
    let listen = section.texts("listen").map(|texts| {
        let wanted = "an address with a port, such as \"0.0.0.0:1812\" or \"[::]:1812\"";
        if texts.is_empty() {
            section.error(section.place("listen"), "`listen` is empty: nobody could log in", wanted);
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for (text, at) in &texts {
            let Some(address) = section.understand::<SocketAddr>(text, *at, "listen", wanted) else {
                continue;
            };
            if address.port() != 0 && addresses.contains(&address) {
                section.error(*at, format!("`{text}` stands here twice"), "take one of them out");
            }
            addresses.push(address);
        }
        addresses
    });
    let sockets = section.number("sockets", 0..=64);
    let max_in_flight = section.number("max_in_flight", 1..=1_000_000);
    let request_deadline = section.duration("request_deadline", Duration::from_millis(100)..=60 * SECOND);
    let reject_delay = section.duration("reject_delay", Duration::ZERO..=10 * SECOND);
    let duplicate_window = section.duration("duplicate_window", SECOND..=300 * SECOND);
    let duplicate_entries = section.number("duplicate_entries", 256..=16_777_216);
    let challenge_entries = section.number("challenge_entries", 1..=16_777_216);
    let drain_timeout = section.duration("drain_timeout", Duration::ZERO..=300 * SECOND);
    Some(Radius {
        listen: listen?,
        sockets: sockets?,
        max_in_flight: max_in_flight?,
        request_deadline: request_deadline?,
        reject_delay: reject_delay?,
        duplicate_window: duplicate_window?,
        duplicate_entries: duplicate_entries?,
        challenge_entries: challenge_entries?,
        drain_timeout: drain_timeout?,
    })
}

fn texts(section: &Section<'_>) -> Option<LoginTexts> {
    let text = |key: &str| {
        let (text, at) = section.text(key)?;
        if text.len() > 1000 || text.contains('\n') {
            section.error(at, format!("`{key}` must be one line of at most 1000 bytes"), "shorten it");
            return None;
        }
        Some(text)
    };
    let texts = [
        "prompt",
        "prompt_one",
        "prompt_yubikey",
        "prompt_sent",
        "method_unavailable",
        "send_limited",
        "failed",
        "not_enrolled",
        "password_expired",
        "password_must_change",
        "method_totp",
        "method_hotp",
        "method_yubikey",
        "method_recovery",
        "method_temporary",
        "method_sms",
        "method_voice",
        "method_email",
    ]
    .map(text);
    let [
        prompt,
        prompt_one,
        prompt_yubikey,
        prompt_sent,
        unavailable,
        send_limited,
        failed,
        not_enrolled,
        expired,
        must_change,
        totp,
        hotp,
        yubikey,
        recovery,
        temporary,
        sms,
        voice,
        email,
    ] = texts;
    Some(LoginTexts {
        prompt: prompt?,
        prompt_one: prompt_one?,
        prompt_yubikey: prompt_yubikey?,
        prompt_sent: prompt_sent?,
        method_unavailable: unavailable?,
        send_limited: send_limited?,
        failed: failed?,
        not_enrolled: not_enrolled?,
        password_expired: expired?,
        password_must_change: must_change?,
        method_totp: totp?,
        method_hotp: hotp?,
        method_yubikey: yubikey?,
        method_recovery: recovery?,
        method_temporary: temporary?,
        method_sms: sms?,
        method_voice: voice?,
        method_email: email?,
    })
}

fn throttle(section: &Section<'_>) -> Option<Throttle> {
    let free = section.number("free", 1..=100);
    let base = section.duration("base", Duration::from_millis(1)..=HOUR);
    let max = section.duration("max", Duration::from_millis(1)..=24 * HOUR);
    let hard_stop = section.number("hard_stop", 2..=100);
    let throttle = Throttle { free: free?, base: base?, max: max?, hard_stop: hard_stop? };
    if throttle.free >= throttle.hard_stop {
        section.error(section.place("free"), "[throttle] `free` must be below `hard_stop`", "lower it");
    }
    if throttle.base > throttle.max {
        section.error(section.place("base"), "[throttle] `base` must not exceed `max`", "lower it");
    }
    Some(throttle)
}

fn factors(root: &Section<'_>) -> Option<Factors> {
    let (totp, hotp, pin) = (root.table("totp"), root.table("hotp"), root.table("pin"));
    let (recovery, temporary) = (root.table("recovery"), root.table("temporary"));
    let digits = |section: &Section<'_>| {
        let digits: u8 = section.number("digits", 6..=8)?;
        if digits == 7 {
            section.error(
                section.place("digits"),
                "`digits` is 6 or 8; few apps and tokens show 7",
                "6 or 8",
            );
        }
        Some(digits)
    };
    let issuer = totp.text("issuer").and_then(|(issuer, at)| {
        if issuer.is_empty() || issuer.contains(':') {
            totp.error(at, "`issuer` must be a name without a colon", "apps show it before the account");
            return None;
        }
        Some(issuer)
    });
    let algorithms =
        [("sha1", Algorithm::Sha1), ("sha256", Algorithm::Sha256), ("sha512", Algorithm::Sha512)];
    let algorithm = totp.choice("algorithm", &algorithms);
    let (totp_digits, hotp_digits) = (digits(&totp), digits(&hotp));
    let period = totp.duration("period", 15 * SECOND..=120 * SECOND);
    if period.is_some_and(|period| period.subsec_millis() != 0) {
        totp.error(totp.place("period"), "`period` must be whole seconds", "such as \"30s\"");
    }
    let skew = totp.number("skew", 0..=2);
    let totp_resync = totp.duration("resync_window", 60 * SECOND..=7 * 24 * HOUR);
    let look_ahead = hotp.number("look_ahead", 0..=10);
    let resync_window = hotp.number("resync_window", 10..=10_000);
    let (pin_min, pin_max) = (pin.number::<u8>("min", 4..=10), pin.number::<u8>("max", 4..=10));
    if let (Some(least), Some(most)) = (pin_min, pin_max)
        && least > most
    {
        pin.error(pin.place("min"), "[pin] `min` must not exceed `max`", "lower it, or raise `max`");
    }
    let codes = recovery.number("codes", 1..=20);
    let devices = root.table("device_passwords").number("per_person", 0..=16);
    let temporary_digits = temporary.number("digits", 6..=10);
    let max_lifetime = temporary.duration("max_lifetime", 60 * SECOND..=168 * HOUR);
    Some(Factors {
        issuer: issuer?,
        totp_algorithm: algorithm?,
        totp_digits: totp_digits?,
        totp_period: u32::try_from(period?.as_secs()).ok()?,
        totp_skew: skew?,
        totp_resync_window: totp_resync?,
        hotp_digits: hotp_digits?,
        hotp_look_ahead: look_ahead?,
        hotp_resync_window: resync_window?,
        pin_min: pin_min?,
        pin_max: pin_max?,
        recovery_codes: codes?,
        temporary_digits: temporary_digits?,
        temporary_max_lifetime: max_lifetime?,
        devices_per_person: devices?,
    })
}

fn retention(section: &Section<'_>) -> Option<Retention> {
    let year = 8784 * HOUR;
    let audit = section.duration("audit", Duration::ZERO..=100 * year);
    let messages = section.duration("messages", SECOND..=year);
    let pending = section.duration("pending", 60 * SECOND..=year);
    let interval = section.duration("interval", SECOND..=24 * HOUR);
    let keep = crate::domain::retention::Retention {
        audit: audit.map(|audit| (!audit.is_zero()).then_some(audit))?,
        messages: messages?,
        pending: pending?,
    };
    Some(Retention { keep, interval: interval? })
}

fn admin(section: &Section<'_>, files: &Files<'_>) -> Option<Admin> {
    let socket = section.path("socket", files.base);
    let mode = section.text("mode").and_then(|(text, at)| {
        let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777);
        if mode.is_none() {
            section.error(at, format!("`{text}` is no file mode"), "octal, such as \"0660\"");
        }
        mode
    });
    let roles = section.tables("role").into_iter().filter_map(|(entries, at)| {
        let rule = Section::new("admin.role", entries, at, &section.sink);
        let roles = [
            ("administrator", AdminRole::Administrator),
            ("helpdesk", AdminRole::Helpdesk),
            ("auditor", AdminRole::Auditor),
        ];
        let role = rule.choice("role", &roles);
        let find = |key: &str, lookup: fn(&str) -> Option<u32>| {
            let id = |(name, at): &(String, At)| {
                let id = name.parse().ok().or_else(|| lookup(name));
                if id.is_none() {
                    rule.error(*at, format!("this machine knows no `{name}`"), "a name or a number");
                }
                id
            };
            rule.texts(key).map(|names| names.iter().filter_map(id).collect::<Vec<u32>>())
        };
        let uids = find("users", |name| User::from_name(name).ok().flatten().map(|user| user.uid.as_raw()));
        let gids =
            find("groups", |name| Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw()));
        Some(AdminRule { role: role?, uids: uids?, gids: gids? })
    });
    let roles = roles.collect();
    Some(Admin { socket: socket?, mode: mode?, roles })
}

fn log(section: &Section<'_>) -> Option<Log> {
    let json = section.choice("format", &[("text", false), ("json", true)]);
    let (filter, at) = section.text("filter")?;
    if let Err(error) = filter.parse::<tracing_subscriber::filter::Targets>() {
        // EnvFilter knows more than Targets; only what neither understands is wrong.
        if tracing_subscriber::EnvFilter::try_new(&filter).is_err() {
            section.error(
                at,
                format!("`{filter}` is no log filter: {error}"),
                "such as \"info\" or \"doorward=debug\"",
            );
        }
    }
    Some(Log { json: json?, filter })
}
