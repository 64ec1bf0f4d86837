//! Gateways that are a program: run without a shell for each message, with an environment of its own, the message on
//! standard input, the outcome as exit status. It leads a process group, which is ended where the program is too late.

use super::said::said;
use super::{Message, Outcome, Provider, Verdict};
use crate::config::{ExecInput, Program};
use crate::domain::texts::Rendered;
use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Not now, says the program (sysexits.h: EX_TEMPFAIL).
const TEMPORARY: i32 = 75;
/// What a shell says of a command that cannot be run, or is not there: a fault here, not of the message.
const CANNOT_RUN: [i32; 2] = [126, 127];
/// Of what it says on standard error so much is kept.
const LARGEST: usize = 4096;

/// See the module.
#[derive(Debug)]
pub(super) struct Exec {
    program: Program,
    timeout: Duration,
}

/// Ends the process group of a program that is still there; afterwards its number may belong to somebody else.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Exec {
    pub(super) fn new(program: &Program, timeout: Duration) -> Self {
        Self { program: program.clone(), timeout }
    }

    fn input(&self, message: &Message) -> Vec<u8> {
        let (subject, text) = match &message.body {
            Rendered::Text(text) => (None, text),
            Rendered::Mail { subject, text, .. } => (Some(subject.as_str()), text),
        };
        let input = match self.program.input {
            ExecInput::Json => {
                let channel = message.channel.as_str();
                let mut input =
                    json!({"id": message.id.to_string(), "channel": channel, "to": message.to, "text": text});
                if let Some(subject) = subject {
                    input["subject"] = subject.into();
                }
                input.to_string()
            }
            ExecInput::Lines => match subject {
                Some(subject) => format!("{}\n{subject}\n\n{text}", message.to),
                None => format!("{}\n\n{text}", message.to),
            },
        };
        (input + "\n").into_bytes()
    }

    fn start(&self, message: &Message) -> std::io::Result<Child> {
        Command::new(&self.program.path)
            .args(&self.program.args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("DOORWARD_TO", &message.to)
            .env("DOORWARD_ID", message.id.to_string())
            .env("DOORWARD_CHANNEL", message.channel.as_str())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
    }
}

/// Feeds the program and waits for its end; what it says is gathered on the way.
async fn follow(child: &mut Child, input: &[u8], heard: &mut Vec<u8>) -> std::io::Result<ExitStatus> {
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let feed = async move {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input has its reasons; its status decides.
            let _ = stdin.write_all(input).await;
        }
    };
    let hear = async {
        let Some(mut stderr) = stderr else { return };
        let mut part = [0; 1024];
        while let Ok(count @ 1..) = stderr.read(&mut part).await {
            if heard.len() < LARGEST {
                heard.extend_from_slice(part.get(..count).unwrap_or_default());
            }
        }
    };
    let (mut feed, mut hear) = (Box::pin(feed), Box::pin(hear));
    let (mut fed, mut silent) = (false, false);
    let status = loop {
        tokio::select! {
            status = child.wait() => break status,
            () = &mut feed, if !fed => fed = true,
            () = &mut hear, if !silent => silent = true,
        }
    };
    if !silent {
        // What it wrote last; children that it left behind may keep the pipe open.
        let _ = tokio::time::timeout(Duration::from_millis(100), &mut hear).await;
    }
    status
}

#[async_trait]
impl Provider for Exec {
    async fn send(&self, message: &Message) -> Verdict {
        self.run(message).await.into()
    }
}

impl Exec {
    async fn run(&self, message: &Message) -> Outcome {
        let mut child = match self.start(message) {
            Ok(child) => child,
            Err(error) => {
                return Outcome::NotTaken(format!("{} does not start: {error}", self.program.path.display()));
            }
        };
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let mut heard = Vec::new();
        let input = self.input(message);
        let ended = tokio::time::timeout(self.timeout, follow(&mut child, &input, &mut heard)).await;
        if ended.is_ok() {
            group.0 = None;
        }
        let heard = String::from_utf8_lossy(&heard).into_owned();
        let detail = |status: &str| said(&format!("{status} {heard}"), message);
        match ended {
            Err(_) => Outcome::Unknown(detail("it did not end in time:")),
            Ok(Err(error)) => Outcome::Unknown(said(&error.to_string(), message)),
            Ok(Ok(status)) => match status.code() {
                Some(0) => Outcome::Sent(detail("")),
                Some(TEMPORARY) => Outcome::NotTaken(detail("not now:")),
                Some(code) if CANNOT_RUN.contains(&code) => {
                    Outcome::NotTaken(detail(&format!("status {code}:")))
                }
                Some(code) => Outcome::Refused(detail(&format!("status {code}:"))),
                // A signal: who knows how far it got.
                None => Outcome::Unknown(detail(&format!("{status}:"))),
            },
        }
    }
}
