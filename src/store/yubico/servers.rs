//! Asks the servers of `[yubico]`.

use super::tally::{Outcome, Tally};
use crate::base::meter::Counter;
use crate::base::{Random, Secret};
use crate::config::Yubico;
use crate::domain::reason::Reason;
use crate::domain::yubikey::Validation;
use crate::store::breaker::Breaker;
use crate::store::{OtpValidator, ValidatorError, http};
use crate::wire::wsapi::{Answer, Question, Status, Undecided, Verdict};
use crate::wire::yubico::Otp;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use reqwest::{Client, StatusCode, Url};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A server is asked so often about one OTP, if it failed in a way that passes.
const ROUNDS: u32 = 2;
/// Before it is asked again; a server that could not be reached rests for half a second.
const PAUSE: Duration = Duration::from_millis(600);
/// Connections that are kept to each server.
const IDLE: usize = 8;
/// Most of an answer that is read, one byte more than an answer may have.
const LARGEST: usize = 4097;

/// One server.
struct Server {
    /// Which of the list.
    number: usize,
    url: Url,
    /// For log and errors.
    name: String,
    breaker: Mutex<Breaker>,
    answers: [Counter; ANSWERS.len()],
}

/// What becomes of a question, in the order of [`Server::answers`].
const ANSWERS: [&str; 3] = ["decided", "undecided", "unreached"];

/// How a server is.
#[derive(Debug, Clone)]
pub struct ServerState {
    /// Its host, and its port where it is not the usual one.
    pub server: String,
    /// Whether it is asked; one that failed rests for a while.
    pub up: bool,
    /// Questions so far, by what became of them.
    pub answers: [(&'static str, u64); ANSWERS.len()],
}

impl Server {
    fn count(&self, outcome: &Outcome) {
        let at = match outcome {
            Outcome::Decided(_) => 0,
            Outcome::Undecided(_) => 1,
            Outcome::Unreached(_) | Outcome::Lost(_) => 2,
        };
        if let Some(counter) = self.answers.get(at) {
            counter.count();
        }
    }

    fn state(&self) -> ServerState {
        let [decided, undecided, unreached] = self.answers.each_ref().map(Counter::get);
        let [first, second, third] = ANSWERS;
        ServerState {
            server: self.name.clone(),
            up: !self.breaker().is_open(),
            answers: [(first, decided), (second, undecided), (third, unreached)],
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The servers of one configuration.
struct Servers {
    settings: Yubico,
    list: Vec<Arc<Server>>,
    client: Client,
}

impl Servers {
    fn new(settings: &Yubico) -> Result<Self, String> {
        // The deadline of the question is ours to keep; one that cannot be connected to shall be known as such before it.
        let limits = (settings.timeout / 2, settings.timeout * 2);
        let client = http::client(&settings.authorities, limits, IDLE)?;
        let server = |(number, url): (usize, &Url)| {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            let name = format!("{}{port}", url.host_str().unwrap_or_default());
            Arc::new(Server {
                number,
                url: url.clone(),
                name,
                breaker: Mutex::default(),
                answers: Default::default(),
            })
        };
        let list = settings.urls.iter().enumerate().map(server).collect();
        Ok(Self { settings: settings.clone(), list, client })
    }

    /// Asks in parallel; the first yes wins, and the other questions are dropped.
    async fn verify(self: &Arc<Self>, question: Arc<Question>) -> Result<Verdict, ValidatorError> {
        let deadline = Instant::now() + self.settings.timeout;
        let mut tally = Tally::default();
        let mut servers = self.list.clone();
        for round in 0..ROUNDS {
            if round > 0 {
                if Instant::now() + PAUSE * 2 >= deadline {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            let mut asked = JoinSet::new();
            for server in servers.drain(..) {
                if server.breaker().admits(Instant::now(), self.settings.timeout) {
                    let (servers, question) = (Arc::clone(self), Arc::clone(&question));
                    asked.spawn(async move {
                        let outcome = servers.ask(&server, &question, deadline).await;
                        (server, outcome)
                    });
                }
            }
            while let Some(answer) = asked.join_next().await {
                // A task of ours does not panic and is not aborted before it is dropped.
                let Ok((server, outcome)) = answer else { continue };
                if outcome == Outcome::Decided(Verdict::Valid) {
                    return Ok(Verdict::Valid);
                }
                if tally.add((server.number, &server.name), outcome) {
                    servers.push(server);
                }
            }
            if let Some(verdict) = tally.verdict() {
                return Ok(verdict);
            }
            if servers.is_empty() {
                break;
            }
        }
        Err(ValidatorError(tally.reasons()))
    }

    async fn ask(&self, server: &Server, question: &Question, deadline: Instant) -> Outcome {
        let late = || Outcome::Lost("it did not answer in time".to_owned());
        let asking = tokio::time::timeout_at(deadline, self.exchange(server, question));
        let outcome = asking.await.unwrap_or_else(|_| late());
        server.count(&outcome);
        let rests = match &outcome {
            Outcome::Decided(_) | Outcome::Undecided(Undecided::Said(_)) => {
                server.breaker().succeeded();
                None
            }
            Outcome::Unreached(why) => Some((true, why.clone())),
            Outcome::Lost(why) => Some((false, why.clone())),
            Outcome::Undecided(undecided) => Some((false, undecided.to_string())),
        };
        if let Outcome::Undecided(undecided) = &outcome {
            complain(&server.name, undecided);
        }
        if let Some((hard, why)) = rests
            && server.breaker().failed(Instant::now(), hard)
        {
            tracing::warn!(server = %server.name, "the validation server cannot be used at present: {why}");
        }
        outcome
    }

    async fn exchange(&self, server: &Server, question: &Question) -> Outcome {
        let key = &self.settings.key;
        let mut url = server.url.clone();
        url.set_query(Some(question.query(key).expose()));
        let mut answer = match self.client.get(url).send().await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() || error.is_builder() => {
                return Outcome::Unreached(http::causes(error));
            }
            Err(error) => return Outcome::Lost(http::causes(error)),
        };
        if answer.status() != StatusCode::OK {
            return Outcome::Lost(format!("it answers {}", answer.status()));
        }
        let mut body = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return Outcome::Lost(http::causes(error)),
            }
            if body.len() >= LARGEST {
                break;
            }
        }
        match Answer::parse(&body) {
            Ok(answer) => match question.judge(&answer, key) {
                Ok(verdict) => Outcome::Decided(verdict),
                Err(undecided) => Outcome::Undecided(undecided),
            },
            Err(malformed) => Outcome::Lost(malformed.to_string()),
        }
    }
}

/// Says what only an administrator can mend.
fn complain(server: &str, undecided: &Undecided) {
    let what = match undecided {
        Undecided::Said(Status::NoSuchClient) => "it knows no such `client_id` as in [yubico]",
        Undecided::Said(Status::BadSignature) => "the key in [yubico] is not the one that it has for us",
        Undecided::Said(Status::OperationNotAllowed) => "our `client_id` may not ask there",
        Undecided::Said(Status::MissingParameter) => {
            "our question does not suit it; is the address in [yubico] one of protocol 2.0?"
        }
        Undecided::Said(_) => return,
        Undecided::Unsigned(_) | Undecided::Elsewhere { .. } => {
            tracing::warn!(%server, "an answer of the validation server is not believed: {undecided}");
            return;
        }
    };
    tracing::error!(%server, "the validation server does not serve us: {what}");
}

/// The servers of `[yubico]`; replaced whole by a reload.
pub struct ValidationServers {
    servers: ArcSwapOption<Servers>,
    random: Arc<dyn Random>,
}

impl fmt::Debug for ValidationServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers.load();
        f.debug_list()
            .entries(servers.iter().flat_map(|servers| &servers.list).map(|server| &server.name))
            .finish()
    }
}

impl ValidationServers {
    /// Those of a configuration, if there are any. `random` makes nonces. The error is what is wrong.
    pub fn new(settings: Option<&Yubico>, random: Arc<dyn Random>) -> Result<Self, String> {
        let servers = Self { servers: ArcSwapOption::empty(), random };
        servers.reload(settings)?;
        Ok(servers)
    }

    /// How each is.
    pub fn state(&self) -> Vec<ServerState> {
        let servers = self.servers.load();
        servers.iter().flat_map(|servers| &servers.list).map(|server| server.state()).collect()
    }

    /// Takes those of another configuration over; those that stay as they are keep what is known of them. On failure
    /// everything stays.
    pub fn reload(&self, settings: Option<&Yubico>) -> Result<(), String> {
        if self.servers.load().as_ref().map(|servers| &servers.settings) != settings {
            self.servers.store(settings.map(Servers::new).transpose()?.map(Arc::new));
        }
        Ok(())
    }
}

#[async_trait]
impl OtpValidator for ValidationServers {
    /// The servers' counters are not asked for: some send them without signing them.
    async fn validate(&self, otp: &Otp) -> Result<Validation, ValidatorError> {
        let Some(servers) = self.servers.load_full() else {
            return Ok(Validation::Bad(Reason::YubikeyNoServer));
        };
        let Yubico { client, sync, timeout, .. } = &servers.settings;
        // The server's own talks must leave time for its answer.
        let patience = timeout.as_secs().saturating_sub(1);
        let otp = Secret::new(otp.to_string());
        let question = Question::new(*client, otp, (*sync, patience), &*self.random);
        Ok(match servers.verify(Arc::new(question)).await? {
            Verdict::Valid => Validation::Good(None),
            Verdict::Replayed => Validation::Bad(Reason::PasscodeReplayed),
            Verdict::Wrong => Validation::Bad(Reason::YubikeyRefused),
        })
    }
}
