//! `doorward demo`: a whole Doorward on embedded defaults, with made-up people, ready in a second.

mod certificates;
mod files;
mod people;

use super::nas::{Nas, code_now};
use super::{confinement, lifecycle, logging, wiring};
use crate::base::affinity::anywhere;
use crate::base::{Clock, OsRandom, SystemClock};
use crate::config;
use crate::serve::handed::Handed;
use crate::wire::radius::Code;
use anyhow::{Context, Result, bail};
use files::{Addresses, Files};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use people::Made;
use std::io::{IsTerminal, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::task::JoinSet;

/// What was asked for.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder to keep everything in; none: a temporary one.
    pub dir: Option<PathBuf>,
    /// Number of people; none: the dozen.
    pub people: Option<usize>,
    /// File with people to take in place of made-up ones.
    pub people_file: Option<PathBuf>,
    /// UDP port wanted on 127.0.0.1.
    pub port: u16,
    /// TCP port of the portal wanted there.
    pub portal_port: u16,
    /// TCP port for applications wanted there.
    pub api_port: u16,
    /// Log filter.
    pub log: String,
}

/// Makes what is missing in the folder, serves until SIGTERM or Ctrl-C.
pub fn run(options: &Options) -> Result<ExitCode> {
    let temporary = match options.dir {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("doorward-demo-").tempdir()?),
    };
    let dir = match (&options.dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => bail!("no folder"),
    };
    let files = Files::in_folder(&dir)?;
    let address = free_address(options.port)?;
    let portal = free_tcp(options.portal_port)?;
    let api = free_tcp(options.api_port)?;
    let (people, fresh) = match files.people()? {
        Some(people) => (people, false),
        None => {
            let mut people = people::make(options.people, &OsRandom);
            if let Some(file) = &options.people_file {
                people.extend(people::read(file)?);
            }
            (people, true)
        }
    };
    let crowd = people.len().saturating_sub(people::FEW);
    if !fresh && (options.people_file.is_some() || options.people.is_some_and(|wanted| wanted != crowd)) {
        bail!(
            "{} already holds a crowd of {crowd}. Take another --dir, or leave --people and --people-file out to go \
             on with it.",
            dir.display()
        );
    }
    if fresh {
        files.make_keys()?;
    }
    let cast = Cast::choose(&people).context("the people of this folder are not those of a demonstration")?;
    let eapol_test = files.make_wifi(cast.plain)?;
    files.write_gateway()?;
    files.write_config(Addresses { radius: address, portal, api }, people.len(), &options.log)?;
    let config = config::load(&files.config(), std::iter::empty())
        .map_err(|errors| anyhow::anyhow!("the demonstration's own configuration has errors:\n{errors}"))?;
    let filter = logging::install(&config.log)?;
    let confined = confinement::confine(&config)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().on_thread_start(anywhere).build()?;
    runtime.block_on(async {
        let signals = lifecycle::Signals::install()?;
        let stores = wiring::Stores::open(&config).await?;
        if fresh {
            enroll(&stores, &people).await?;
            files.make_api_key(&stores, SystemClock.now()).await?;
            files.write_people(&people)?;
        }
        let how = wiring::How { confined, handed: Handed::default(), sent: Some(files.mail_dir()) };
        let running = wiring::serve(config, stores, how).await?;
        let served = served(&running)?;
        let Addresses { radius: address, portal, api } = served;
        files.write_env(served, &cast)?;
        log_in(address, cast.first).await?;
        announce_api(&files, api, &cast)?;
        announce(&files, address, options.port, people.len(), &cast)?;
        announce_wifi(address, &eapol_test)?;
        announce_portal(&files, portal, &cast)?;
        lifecycle::run(running, signals, &files.config(), &filter).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Where it is served, each at its first address.
fn served(running: &wiring::Running) -> Result<Addresses> {
    let radius = *running.radius.addresses().first().context("no RADIUS listener")?;
    let portal = *running.portal.addresses().first().context("no portal")?;
    let api = *running.api.addresses().first().context("nothing is served to applications")?;
    Ok(Addresses { radius, portal, api })
}

/// The address wanted, or any other port if it is taken.
fn free_address(port: u16) -> Result<SocketAddr> {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    if UdpSocket::bind(wanted).is_ok() {
        return Ok(wanted);
    }
    let any = UdpSocket::bind(("127.0.0.1", 0)).context("no UDP port could be opened on 127.0.0.1")?;
    Ok(any.local_addr()?)
}

/// The same for TCP.
fn free_tcp(port: u16) -> Result<SocketAddr> {
    let wanted = SocketAddr::from(([127, 0, 0, 1], port));
    if TcpListener::bind(wanted).is_ok() {
        return Ok(wanted);
    }
    let any = TcpListener::bind(("127.0.0.1", 0)).context("no TCP port could be opened on 127.0.0.1")?;
    Ok(any.local_addr()?)
}

/// People that are stored at once, and how many such parts are under way. While some are hashed others are written; fewer
/// writes than the store lets wait.
const PART: usize = 500;
const PARTS: usize = 4;

/// Writes the people and their passcode apps into the store, with a progress bar where it takes time.
async fn enroll(stores: &wiring::Stores, people: &[Made]) -> Result<()> {
    let bar = ProgressBar::new(u64::try_from(people.len())?);
    bar.set_style(ProgressStyle::with_template("making people {bar:40} {pos}/{len} {eta}")?);
    bar.set_draw_target(if std::io::stderr().is_terminal() && people.len() > 100 {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    });
    let now = SystemClock.now();
    let mut parts = people.chunks(PART);
    let mut under_way = JoinSet::new();
    loop {
        while under_way.len() < PARTS
            && let Some(part) = parts.next()
        {
            let (stores, part) = (stores.clone(), part.to_vec());
            under_way.spawn(async move {
                files::store_people(&stores, &part, now).await?;
                anyhow::Ok(part.len())
            });
        }
        let Some(done) = under_way.join_next().await else { break };
        bar.inc(u64::try_from(done??)?);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Who plays which part. A passcode works once, so each line to paste has a person of its own.
struct Cast<'p> {
    first: &'p Made,
    script: &'p Made,
    string: &'p Made,
    challenge: &'p Made,
    radclient: &'p Made,
    plain: &'p Made,
    enrolls: &'p Made,
    application: &'p Made,
    texted: Option<&'p Made>,
    portal: Option<Stage<'p>>,
}

/// Who plays which part at the portal.
struct Stage<'p> {
    student: &'p Made,
    unregistered: &'p Made,
    alumnus: &'p Made,
    clerk: &'p Made,
    administrator: &'p Made,
}

impl<'p> Stage<'p> {
    fn choose(people: &'p [Made]) -> Option<Self> {
        let named = |name: &str| people.iter().find(|person| person.username == name);
        Some(Self {
            student: named("julia")?,
            unregistered: named("isaac")?,
            alumnus: named("lena")?,
            clerk: named("oskar")?,
            administrator: named("paola")?,
        })
    }
}

impl<'p> Cast<'p> {
    fn choose(people: &'p [Made]) -> Option<Self> {
        let mut apps = people.iter().filter(|person| person.seed.is_some());
        let mut plain = people.iter().filter(|person| person.seed.is_none());
        Some(Self {
            string: apps.next()?,
            challenge: apps.next()?,
            radclient: apps.next()?,
            script: apps.next()?,
            first: apps.next()?,
            application: apps.next()?,
            enrolls: plain.next()?,
            plain: plain.next()?,
            texted: people.iter().find(|person| person.username == people::TEXTED.0),
            portal: Stage::choose(people),
        })
    }
}

/// Logs someone in over RADIUS, as proof that it works.
async fn log_in(address: SocketAddr, person: &Made) -> Result<()> {
    let (username, typed) =
        (person.username.clone(), format!("{},{}", person.password, code_now(&base32(person))?));
    let login = tokio::task::spawn_blocking(move || {
        Nas::new(address, None, files::SECRET)?.ask(&username, typed.as_bytes(), None)
    });
    let answer = tokio::time::timeout(Duration::from_secs(20), login)
        .await
        .context("the login took too long")???;
    if answer.code != Code::ACCESS_ACCEPT {
        // After a restart within the same half minute the code has been used: that is as it should be.
        tracing::warn!(code = ?answer.code, answer.message, "the demonstration's own login was refused");
    }
    writeln!(
        std::io::stdout().lock(),
        "{} logs in over RADIUS with password and passcode: {:?}",
        person.username,
        answer.code
    )?;
    Ok(())
}

/// Prints lines to paste.
fn announce(files: &Files, address: SocketAddr, wanted: u16, count: usize, cast: &Cast<'_>) -> Result<()> {
    let program = std::env::current_exe()?;
    let (program, dir, socket) = (program.display(), files.dir().display(), files.socket());
    let (socket, secret, port) = (socket.display(), files::SECRET, address.port());
    let try_it = format!("{program} try --server {address} --secret {secret}");
    let mut out = std::io::stdout().lock();
    if wanted != 0 && port != wanted {
        writeln!(out, "Port {wanted} is taken on 127.0.0.1, so RADIUS is on port {port}.")?;
    }
    writeln!(out, "Doorward serves RADIUS on {address} for {count} people. Everything is in {dir}.\n")?;
    writeln!(
        out,
        "Try it in another terminal. A passcode works once, so each line has a person of its own.\n"
    )?;
    let Made { username, password, .. } = cast.string;
    writeln!(out, "  Password and the present passcode in one string:")?;
    writeln!(out, "    {try_it} {username} --password '{password}' --totp {}\n", base32(cast.string))?;
    let Made { username, password, .. } = cast.challenge;
    writeln!(out, "  The password first; a challenge asks for the passcode, which is then sent:")?;
    writeln!(
        out,
        "    {try_it} {username} --password '{password}' --challenge --totp {}\n",
        base32(cast.challenge)
    )?;
    let Made { username, password, .. } = cast.enrolls;
    writeln!(
        out,
        "  {username} has only a password, enrolls a passcode app, and is asked for a passcode from then on:"
    )?;
    writeln!(out, "    {try_it} {username} --password '{password}'")?;
    writeln!(out, "    {program} --socket {socket} enroll totp {username}\n")?;
    if let Some(Made { username, password, .. }) = cast.texted {
        writeln!(
            out,
            "  {username} has a telephone: a client that wants a passcode of everyone sends one, which lands in\n  \
             {dir}/messages.txt in place of the telephone:"
        )?;
        writeln!(out, "    {try_it} --from 127.0.0.5 {username} --password '{password},sms'\n")?;
    }
    let Made { username, password, .. } = cast.radclient;
    writeln!(out, "  The same with other people's tools (apt-get install freeradius-utils oathtool):")?;
    writeln!(
        out,
        "    echo \"User-Name = {username}, User-Password = '{password}$(oathtool --totp -b {})', \
         Message-Authenticator = 0x00\" | radclient -x {address} auth {secret}\n",
        base32(cast.radclient)
    )?;
    writeln!(out, "  Look around:")?;
    writeln!(out, "    {program} --socket {socket} person list")?;
    writeln!(out, "    {program} --socket {socket} audit list\n")?;
    writeln!(out, "Passwords and keys: {}. Ctrl-C ends it.", files.people_csv().display())?;
    out.flush()?;
    Ok(())
}

/// Prints what an application would send.
fn announce_api(files: &Files, address: SocketAddr, cast: &Cast<'_>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let Made { username, .. } = cast.application;
    writeln!(out, "Applications ask http://{address} as they ask privacyIDEA or Duo, such as:\n")?;
    writeln!(
        out,
        "    . {}/demo.env && curl -H \"Authorization: $API_KEY\" $API_URL/validate/check -d user={username} \
         -d pass=$(oathtool --totp -b {})\n",
        files.dir().display(),
        base32(cast.application)
    )?;
    out.flush()?;
    Ok(())
}

/// Prints how to try 802.1X.
fn announce_wifi(address: SocketAddr, eapol_test: &Path) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let (ip, port) = (address.ip(), address.port());
    let (secret, file) = (files::SECRET, eapol_test.display());
    writeln!(out, "\nWi-Fi (apt-get install eapoltest), by TTLS with the password inside:")?;
    writeln!(out, "    eapol_test -a {ip} -p {port} -s {secret} -c {file}")?;
    out.flush()?;
    Ok(())
}

/// Prints whom to be at the portal.
fn announce_portal(files: &Files, address: SocketAddr, cast: &Cast<'_>) -> Result<()> {
    let Some(Stage { student, unregistered, alumnus, clerk, administrator }) = &cast.portal else {
        return Ok(());
    };
    let mut out = std::io::stdout().lock();
    let new = people::NEW;
    let who = |person: &Made| format!("{} (password {})", person.username, person.password);
    let app = |person: &Made| format!("{}, app key {}", who(person), base32(person));
    writeln!(out, "\nThe portal: http://{address}\n")?;
    writeln!(out, "  activate an account         {new}")?;
    writeln!(out, "  register security data      {}", who(unregistered))?;
    writeln!(out, "  reset a password            {}", who(student))?;
    writeln!(out, "  alumnus                     {}", who(alumnus))?;
    writeln!(out, "  help desk                   {}", app(clerk))?;
    writeln!(out, "  administrator               {}", app(administrator))?;
    writeln!(out, "\n  Mails, texts and calls: {}, and http://{address}/sent", files.mail_dir().display())?;
    out.flush()?;
    Ok(())
}

fn base32(person: &Made) -> String {
    person.seed.as_deref().map(|seed| data_encoding::BASE32_NOPAD.encode(seed)).unwrap_or_default()
}
