//! The command line.

mod admin;
mod audit;
mod backup;
mod clients;
mod commands;
mod db;
mod keys;
mod login;
mod mailbox;
mod manual;
mod outbox;
mod output;
mod passwords;
mod person;
mod progress;
mod reload;
mod status;
mod sync;
mod tokens;
mod watch;
mod wifi;

use super::client::{Client, ClientError, EX_UNAVAILABLE};
use super::{check, demo, serve};
use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

/// Authentication daemon: password and passcode for VPN, Wi-Fi and applications.
#[derive(Debug, Parser)]
#[command(name = "doorward", version, about, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Admin socket of the daemon.
    #[arg(long, global = true, env = "DOORWARD_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Configuration file.
    #[arg(
        long,
        global = true,
        env = "DOORWARD_CONFIG",
        value_name = "FILE",
        default_value = "/etc/doorward/doorward.toml"
    )]
    config: PathBuf,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Never ask; fail where an answer would be needed.
    #[arg(long, global = true)]
    no_input: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground.
    Serve,
    /// Run a demonstration with made-up people.
    Demo(DemoArgs),
    /// Check a configuration and print every error in it.
    Check(CheckArgs),
    /// Have the running daemon take the changed configuration over, and wait; exit status 1, with what is wrong, where it does not.
    Reload,
    /// Log in over RADIUS as a NAS would, and show the answer.
    Try(TryArgs),
    /// People of the embedded directory.
    #[command(subcommand)]
    Person(person::Person),
    /// Enroll a second factor.
    #[command(subcommand)]
    Enroll(commands::Enroll),
    /// Bring tokens from a file into the inventory.
    #[command(subcommand)]
    Import(commands::Import),
    /// Write the whole inventory into a file, sealed under a passphrase, for another installation.
    Export(commands::ExportArgs),
    /// Tokens of the inventory.
    #[command(subcommand)]
    Token(commands::Token),
    /// Second factors.
    #[command(subcommand)]
    Factor(commands::Factor),
    /// Temporary codes.
    #[command(subcommand)]
    Code(commands::Code),
    /// Directories that people come from.
    Sync(commands::Sync),
    /// Messages that carry codes.
    #[command(subcommand)]
    Outbox(commands::Outbox),
    /// Applications that ask over HTTPS, and their keys.
    #[command(subcommand)]
    Client(commands::Client),
    /// Mailboxes of alumni at the mail provider.
    #[command(subcommand)]
    Mailbox(commands::Mailbox),
    /// The master keys.
    #[command(subcommand)]
    Keys(keys::Keys),
    /// The audit trail.
    #[command(subcommand)]
    Audit(commands::Audit),
    /// Copy the file of SQLite while the daemon serves, and look through the copy.
    Backup(backup::Backup),
    /// Put a backup in the place of the file of SQLite, while the daemon does not run.
    Restore(backup::Restore),
    /// The database, without the daemon.
    #[command(subcommand)]
    Db(db::Db),
    /// Print the messages of the portal that are built in, to be changed or translated.
    Words {
        /// Language: en, es.
        #[arg(default_value = "en")]
        language: String,
    },
    /// The list of passwords that are refused, without the daemon.
    #[command(subcommand)]
    Blocklist(passwords::Blocklist),
    /// The rules for new passwords, without the daemon.
    #[command(subcommand)]
    Password(passwords::Password),
    /// Set up Wi-Fi on devices, without the daemon.
    #[command(subcommand)]
    Wifi(wifi::Wifi),
    /// How the daemon is: what is wrong, logins, queues, directories, certificates, counters.
    Status,
    /// Follow logins as they happen: a line for each.
    Watch(commands::Watch),
    /// Write the manual pages into a folder.
    Man {
        /// The folder, such as /usr/local/share/man; they go into man1 and man5 there.
        dir: PathBuf,
    },
    /// Print completions for a shell.
    Completions {
        /// Shell.
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
struct DemoArgs {
    /// Keep everything in this folder; without it, in a temporary one.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Make a crowd of so many people, all with a passcode app, listed in DIR/people.csv.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    people: Option<u32>,
    /// The people of this file as the crowd: lines of user,password[,totp_base32].
    #[arg(long, value_name = "FILE", conflicts_with = "people")]
    people_file: Option<PathBuf>,
    /// UDP port on 127.0.0.1; another one is taken if it is in use.
    #[arg(long, value_name = "PORT", default_value_t = 1812)]
    radius_port: u16,
    /// TCP port of the portal on 127.0.0.1; another one is taken if it is in use.
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    portal_port: u16,
    /// TCP port for applications on 127.0.0.1; another one is taken if it is in use.
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    api_port: u16,
    /// Log filter.
    #[arg(long, value_name = "FILTER", default_value = "info")]
    log: String,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// The file; without it, the one of --config.
    file: Option<PathBuf>,
    /// Print the reference of all keys instead.
    #[arg(long)]
    reference: bool,
}

#[derive(Debug, Args)]
struct TryArgs {
    /// Username.
    user: String,
    /// Address and port of the server.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1812")]
    server: SocketAddr,
    /// Address of this machine to send from: the server tells clients apart by it.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Shared secret.
    #[arg(long, env = "RADIUS_SECRET", value_name = "SECRET", hide_env_values = true)]
    secret: Option<String>,
    /// File with the shared secret.
    #[arg(long, value_name = "FILE", conflicts_with = "secret")]
    secret_file: Option<PathBuf>,
    /// Password (visible to others in the process list: for made-up people only); asked for without it.
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Add the present code of this key (base32), as an app would show it.
    #[arg(long, value_name = "BASE32")]
    totp: Option<String>,
    /// Send the password alone first, and the code as the answer to the challenge.
    #[arg(long)]
    challenge: bool,
}

/// Runs the command line; the exit status of the process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let json = cli.global.json;
    match run(cli) {
        Ok(status) => status,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => report(&error, json),
    }
}

/// Prints what went wrong; the exit status.
fn report(error: &anyhow::Error, json: bool) -> ExitCode {
    let mut stderr = std::io::stderr().lock();
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::Refused { body, .. }) if json => {
            let _ = writeln!(stderr, "{body:#}");
        }
        Some(ClientError::Refused { message, body, .. }) => {
            let _ = writeln!(stderr, "doorward: {message}");
            for line in body.pointer("/error/lines").and_then(|lines| lines.as_array()).into_iter().flatten()
            {
                let what = line["what"].as_str().unwrap_or_default();
                let _ = writeln!(stderr, "  line {}: {what}", line["line"]);
            }
            let problems = body.pointer("/error/problems").and_then(|problems| problems.as_array());
            for problem in problems.into_iter().flatten().filter_map(|problem| problem.as_str()) {
                let _ = writeln!(stderr, "{}", problem.trim_end());
            }
        }
        _ => {
            let _ = writeln!(stderr, "doorward: {error:#}");
        }
    }
    match error.downcast_ref::<ClientError>() {
        Some(ClientError::NotRunning { .. } | ClientError::NotAllowed { .. }) => {
            ExitCode::from(EX_UNAVAILABLE)
        }
        _ => ExitCode::FAILURE,
    }
}

/// Whoever read our output has had enough: no error.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        Command::Serve => serve::run(&global.config),
        Command::Demo(args) => demo::run(&demo::Options {
            dir: args.dir,
            people: args.people.map(usize::try_from).transpose()?,
            people_file: args.people_file,
            port: args.radius_port,
            portal_port: args.portal_port,
            api_port: args.api_port,
            log: args.log,
        }),
        Command::Check(CheckArgs { reference: true, .. }) => check::reference(),
        Command::Check(args) => check::run(&args.file.unwrap_or(global.config), global.json),
        Command::Try(args) => login::run(&global, args),
        Command::Words { language } => words(&language),
        Command::Backup(args) => backup::backup(&global, output::Output::new(&global), &args),
        Command::Restore(args) => backup::restore(&global, output::Output::new(&global), &args),
        Command::Man { dir } => manual::pages(&dir),
        Command::Completions { shell } => manual::completions(shell),
        Command::Db(command) => db::run(&global.config, output::Output::new(&global), command),
        Command::Blocklist(command) => passwords::build(output::Output::new(&global), command),
        Command::Wifi(command) => wifi::run(command),
        Command::Password(command) => passwords::check(&global.config, output::Output::new(&global), command),
        other => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let client = Client::new(&socket(&global));
            let admin = admin::Admin { client, output: output::Output::new(&global) };
            runtime.block_on(call(&admin, other))
        }
    }
}

fn words(language: &str) -> anyhow::Result<ExitCode> {
    use crate::domain::words::BUILT_IN;
    let known = || BUILT_IN.map(|(tag, _)| tag).join(", ");
    let Some((_, text)) = BUILT_IN.iter().find(|(tag, _)| *tag == language) else {
        anyhow::bail!("`{language}` is not built in; there are: {}", known());
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

async fn call(admin: &admin::Admin, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Person(command) => admin.person(command).await,
        Command::Enroll(command) => admin.enroll(command).await,
        Command::Factor(command) => admin.factor(command).await,
        Command::Import(command) => admin.import_tokens(command).await,
        Command::Export(args) => admin.export_tokens(args).await,
        Command::Token(command) => admin.token(command).await,
        Command::Code(command) => admin.code(command).await,
        Command::Outbox(command) => admin.outbox(command).await,
        Command::Client(command) => admin.client(command).await,
        Command::Mailbox(command) => admin.mailbox(command).await,
        Command::Keys(command) => admin.keys(command).await,
        Command::Audit(command) => admin.audit(command).await,
        Command::Sync(command) => admin.sync(command).await,
        Command::Watch(args) => admin.watch(args).await,
        Command::Reload => admin.reload().await,
        _ => admin.status().await,
    }
}

/// The socket named, or that of the configuration, or the usual one.
fn socket(global: &Global) -> PathBuf {
    let configured = || crate::config::admin_socket(&global.config, crate::app::environment());
    let usual = || PathBuf::from("/run/doorward/admin.sock");
    global.socket.clone().or_else(configured).unwrap_or_else(usual)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
