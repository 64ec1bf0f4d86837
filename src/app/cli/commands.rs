//! Arguments of the commands that call the admin socket.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `doorward enroll …`
#[derive(Debug, Subcommand)]
pub(super) enum Enroll {
    /// A passcode app: shows the key, and counts after a first code.
    Totp(KeyArgs),
    /// A counter-based token; counts after a first code.
    Hotp(KeyArgs),
    /// A YubiKey, by a touch: what it types is asked for without showing it, or read from standard input.
    Yubikey(TouchArgs),
    /// A set of recovery codes, in place of the old one.
    Recovery {
        /// Username.
        user: String,
    },
    /// A PIN; it is asked for, or read from standard input.
    Pin {
        /// Username.
        user: String,
    },
    /// A password for one device, for Wi-Fi; no second factor. It is shown once; `factor list` and `factor revoke` know it.
    DevicePassword {
        /// Username.
        user: String,
        /// Name that the person knows the device by.
        #[arg(long)]
        label: String,
    },
}

#[derive(Debug, Args)]
pub(super) struct KeyArgs {
    /// Username.
    pub(super) user: String,
    /// Name that the person knows the device by.
    #[arg(long)]
    pub(super) label: Option<String>,
    /// The device's key in base32 (visible to others in the process list; better: `-` reads it from standard input).
    #[arg(long, value_name = "BASE32")]
    pub(super) seed: Option<String>,
    /// HOTP: the first counter.
    #[arg(long)]
    pub(super) counter: Option<u64>,
    /// The first code, to confirm at once.
    #[arg(long)]
    pub(super) code: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct TouchArgs {
    /// Username.
    pub(super) user: String,
    /// Name that the person knows the key by.
    #[arg(long)]
    pub(super) label: Option<String>,
    /// Also if the key was revoked: it is there again.
    #[arg(long)]
    pub(super) revoked: bool,
}

/// `doorward import …`
#[derive(Debug, Subcommand)]
pub(super) enum Import {
    /// YubiKeys, from a file that Yubico's programs wrote; also keys with OATH-HOTP.
    Yubikey(ImportArgs),
    /// OATH tokens, from a table: serial,type,seed[,digits,counter,period,algorithm].
    Csv(ImportArgs),
    /// OATH tokens, from a container of the maker (PSKC, RFC 6030).
    Pskc {
        #[command(flatten)]
        args: ImportArgs,
        /// File with the key agreed on with the maker, in hex.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// The file is encrypted under a passphrase; it is asked for, or read from standard input.
        #[arg(long, conflicts_with = "key_file")]
        passphrase: bool,
    },
    /// What `doorward export` wrote elsewhere; its passphrase is asked for, or read from standard input.
    Sealed(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// The file, which must not exist yet; `-` is standard output.
    pub(super) file: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The file.
    pub(super) file: PathBuf,
    /// Only look what would come of it.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Leave bad lines out; without it, one bad line refuses the file.
    #[arg(long)]
    pub(super) skip_bad: bool,
    /// Overwrite tokens that nobody has; somebody's are refused.
    #[arg(long)]
    pub(super) replace: bool,
    /// Put this before the names of OATH tokens, where another maker has the same serial numbers.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) prefix: String,
}

/// `doorward token …`
#[derive(Debug, Subcommand)]
pub(super) enum Token {
    /// List tokens.
    List {
        /// Only of this kind.
        #[arg(long, value_parser = ["yubikey", "hotp", "totp"])]
        kind: Option<String>,
        /// Only in this state.
        #[arg(long, value_parser = ["stock", "assigned", "revoked"])]
        state: Option<String>,
        /// Only of this person.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// Only those whose name or serial number contains this.
        #[arg(long, value_name = "TEXT")]
        matching: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Give a token to a person; it counts at once.
    Assign {
        /// Public id, serial number or id of the token.
        token: String,
        /// Username.
        user: String,
        /// Name that the person knows it by.
        #[arg(long)]
        label: Option<String>,
        /// Something that the token has just shown, to be sure that it is this one.
        #[arg(long)]
        code: Option<String>,
        /// Also if it was revoked: it is there again.
        #[arg(long)]
        revoked: bool,
    },
    /// Take a token back, lost or not: nobody logs in with it any more.
    Revoke {
        /// Public id, serial number or id of the token.
        token: String,
    },
    /// Remove tokens that nobody has for good, with their counters: all of them, or none.
    Remove {
        /// Public ids, serial numbers or ids of the tokens.
        #[arg(required = true)]
        tokens: Vec<String>,
    },
}

/// `doorward factor …`
#[derive(Debug, Subcommand)]
pub(super) enum Factor {
    /// List a person's factors.
    List {
        /// Username.
        user: String,
    },
    /// Confirm a pending factor by its first code.
    Confirm {
        /// Id of the factor.
        id: String,
        /// The code.
        code: String,
    },
    /// End a factor for good.
    Revoke {
        /// Id of the factor.
        id: String,
    },
    /// Give a factor another name.
    Rename {
        /// Id of the factor.
        id: String,
        /// The name, such as "blue key".
        name: String,
    },
    /// Find a token again by two codes in a row: its counter has run ahead, or its clock is off.
    Resync {
        /// Id of the factor.
        id: String,
        /// First code.
        first: String,
        /// The code after it.
        second: String,
    },
}

/// `doorward code …`
#[derive(Debug, Subcommand)]
pub(super) enum Code {
    /// Hand out a temporary code, good once.
    Issue {
        /// Username.
        user: String,
        /// How many minutes it lives.
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
}

/// `doorward sync …`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Sync {
    /// Read everything anew now, show how it goes, and end.
    #[arg(long)]
    pub(super) once: bool,
    /// Only this directory.
    #[arg(long, value_name = "NAME", requires = "once")]
    pub(super) directory: Option<String>,
    /// Go on even if more people would be removed than `max_removals` allows.
    #[arg(long, requires = "once")]
    pub(super) accept_removals: bool,
    #[command(subcommand)]
    pub(super) command: Option<SyncCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum SyncCommand {
    /// Show how each directory and its servers are.
    Status,
}

/// `doorward watch …`
#[derive(Debug, Args)]
pub(super) struct Watch {
    /// Only logins with this username.
    #[arg(long, value_name = "USER")]
    pub(super) user: Option<String>,
    /// Only at this client.
    #[arg(long, value_name = "NAME")]
    pub(super) client: Option<String>,
    /// Only refusals.
    #[arg(long)]
    pub(super) rejected: bool,
}

/// `doorward outbox …`
#[derive(Debug, Subcommand)]
pub(super) enum Outbox {
    /// Show messages, the newest first. Codes are not shown, destinations in part.
    List {
        /// Only in this state.
        #[arg(long, value_parser = ["waiting", "sending", "sent", "dead"])]
        state: Option<String>,
        /// Only of this person.
        #[arg(long, value_name = "USER")]
        user: Option<String>,
        /// Only older ones than the one with this id.
        #[arg(long, value_name = "ID")]
        before: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

/// `doorward client …`
#[derive(Debug, Subcommand)]
pub(super) enum Client {
    /// Show applications and their keys, without the secrets.
    List,
    /// Make one more key for an application, which must be an [[api_client]] of the configuration.
    Add {
        /// Name of the application.
        name: String,
    },
    /// Make a key that takes the place of all others of an application.
    Rotate {
        /// Name of the application.
        name: String,
        /// So many hours older keys count still.
        #[arg(long, value_name = "HOURS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=720))]
        grace_hours: u32,
    },
    /// End a key, and every token that was signed for it.
    Revoke {
        /// Id of the key.
        id: String,
    },
}

/// `doorward mailbox …`
#[derive(Debug, Subcommand)]
pub(super) enum Mailbox {
    /// Ask the mail provider for a person's mailbox, with the credentials that set passwords; nothing is changed.
    Test {
        /// Username.
        user: String,
    },
}

/// `doorward audit …`
#[derive(Debug, Subcommand)]
pub(super) enum Audit {
    /// Show entries, the newest last.
    List {
        /// Only about this username or id.
        #[arg(long)]
        subject: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Check every link of the chain; exit status 1 if it is broken.
    Verify,
    /// Print the trail, oldest first, one entry a line.
    Export {
        /// JSON objects, CEF, or syslog (RFC 5424).
        #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = ["json", "cef", "syslog"])]
        format: String,
        /// Not before this: a day (from midnight UTC on), or a moment such as 2026-11-01T12:00:00Z.
        #[arg(long, value_name = "TIME")]
        from: Option<String>,
        /// Before this.
        #[arg(long, value_name = "TIME")]
        to: Option<String>,
    },
}
