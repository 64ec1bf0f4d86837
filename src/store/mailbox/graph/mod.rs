//! Microsoft Graph: an app's token by OAuth 2.0 client credentials (RFC 6749 §4.4), and `PATCH /users/{id}` with it.
//!
//! ```text
//!   token ──▶ request ──2xx──▶ done
//!     ▲          ├──401, once──▶ a new token ─┐
//!     └──────────┼──429, 503───▶ wait as told, if the deadline allows
//!                ├──broke off, 5xx──▶ once more: the same password again does no harm
//!                └──everything else──▶ the error
//! ```

mod answers;

use super::{FoundMailbox, MailboxError, Mailboxes, Pause, given, logged};
use crate::base::{Clock, Secret, Timestamp, percent_encode};
use crate::config::{GraphSettings, MailboxSettings};
use crate::domain::mailbox::{AccountTemplate, MailboxAccount};
use crate::domain::person::Person;
use crate::store::breaker::Breaker;
use crate::store::http;
use answers::{Answer, Verdict};
use async_trait::async_trait;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// Most of an answer that is read; tokens have some kilobytes.
const LARGEST: usize = 64 * 1024;
/// Connections that are kept.
const IDLE: usize = 4;
/// So long before its end a token is renewed.
const MARGIN: Duration = Duration::from_secs(60);
/// First wait where nothing is said; the next is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Waits in one change of a password.
const WAITS: u32 = 5;

/// A token as it is kept.
struct Token {
    text: Secret<String>,
    until: Timestamp,
}

/// What one request came to as far as the network goes.
enum Exchange {
    Answer(Answer),
    /// It did not leave.
    Unreached(String),
    /// It left, and no whole answer came.
    Lost(String),
}

/// See the module.
pub(super) struct Graph {
    settings: GraphSettings,
    account: AccountTemplate,
    timeout: Duration,
    client: Client,
    breaker: Mutex<Breaker>,
    /// Held while a token is fetched, so that one is fetched for all.
    token: tokio::sync::Mutex<Option<Token>>,
    clock: Arc<dyn Clock>,
    pause: Arc<dyn Pause>,
}

/// The time that one change of a password has.
struct Budget<'g> {
    graph: &'g Graph,
    deadline: Timestamp,
    waits: u32,
}

impl Budget<'_> {
    fn left(&self) -> Duration {
        self.deadline.since(self.graph.clock.now())
    }

    /// Waits as long as wanted; `false` if there is not the time.
    async fn wait(&mut self, wanted: Option<Duration>) -> bool {
        let time = wanted.unwrap_or(FIRST_WAIT * 2_u32.saturating_pow(self.waits));
        if self.waits >= WAITS || time >= self.left() {
            return false;
        }
        self.waits += 1;
        self.graph.pause.pause(time).await;
        true
    }
}

impl Graph {
    pub(super) fn new(
        settings: &MailboxSettings,
        graph: &GraphSettings,
        (clock, pause): (Arc<dyn Clock>, Arc<dyn Pause>),
    ) -> Result<Self, String> {
        // The deadline is ours to keep; a host that cannot be connected to shall be known as such before it.
        let limits = (settings.timeout / 2, settings.timeout * 2);
        Ok(Self {
            settings: graph.clone(),
            account: settings.account.clone(),
            timeout: settings.timeout,
            client: http::client(&settings.authorities, limits, IDLE)?,
            breaker: Mutex::default(),
            token: tokio::sync::Mutex::default(),
            clock,
            pause,
        })
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A budget, unless the provider rests after failures.
    fn begin(&self) -> Result<Budget<'_>, MailboxError> {
        if !self.breaker().admits(Instant::now(), self.timeout) {
            let why = "it could not be asked a moment ago, and rests for some seconds".to_owned();
            return Err(MailboxError::Unreachable(why));
        }
        Ok(Budget { graph: self, deadline: self.clock.now() + self.timeout, waits: 0 })
    }

    fn user(&self, account: &MailboxAccount) -> String {
        format!("{}v1.0/users/{}", self.settings.graph, percent_encode(account.address()))
    }

    /// One request within the budget; the breaker learns how it went.
    async fn exchange(&self, request: RequestBuilder, budget: &Budget<'_>) -> Exchange {
        let work = async {
            match request.send().await {
                Ok(answer) => read(answer).await,
                Err(error) if error.is_connect() || error.is_builder() => {
                    Exchange::Unreached(http::causes(error))
                }
                Err(error) => Exchange::Lost(http::causes(error)),
            }
        };
        let late = || Exchange::Lost("it did not answer in time".to_owned());
        let exchange = tokio::time::timeout(budget.left(), work).await.unwrap_or_else(|_| late());
        let (hard, why) = match &exchange {
            Exchange::Unreached(why) => (true, why.clone()),
            Exchange::Lost(why) => (false, why.clone()),
            Exchange::Answer(answer) if answer.status.is_server_error() => (false, answer.status.to_string()),
            Exchange::Answer(_) => {
                self.breaker().succeeded();
                return exchange;
            }
        };
        if self.breaker().failed(Instant::now(), hard) {
            tracing::warn!("the mail provider cannot be asked at present: {why}");
        }
        exchange
    }

    /// The token, fetched if there is none that is good for a while.
    async fn token(&self, budget: &mut Budget<'_>) -> Result<Secret<String>, MailboxError> {
        let mut kept = match tokio::time::timeout(budget.left(), self.token.lock()).await {
            Ok(kept) => kept,
            Err(_) => return Err(MailboxError::Unreachable("the token did not come in time".to_owned())),
        };
        if let Some(token) = kept.as_ref().filter(|token| self.clock.now() < token.until) {
            return Ok(token.text.clone());
        }
        *kept = None;
        let (text, good) = self.fetch(budget).await?;
        let until = self.clock.now() + good.saturating_sub(MARGIN.min(good / 2));
        *kept = Some(Token { text: text.clone(), until });
        Ok(text)
    }

    /// Forgets a token that was not taken, unless there is a newer one already.
    async fn forget(&self, token: &Secret<String>) {
        let mut kept = self.token.lock().await;
        if kept.as_ref().is_some_and(|kept| kept.text.expose() == token.expose()) {
            *kept = None;
        }
    }

    async fn fetch(&self, budget: &mut Budget<'_>) -> Result<(Secret<String>, Duration), MailboxError> {
        let GraphSettings { login, graph, tenant, client, secret } = &self.settings;
        let url = format!("{login}{}/oauth2/v2.0/token", percent_encode(tenant));
        let form = Zeroizing::new(format!(
            "client_id={}&scope={}&client_secret={}&grant_type=client_credentials",
            percent_encode(client),
            percent_encode(&format!("{graph}.default")),
            percent_encode(secret.expose())
        ));
        loop {
            let request = self.client.post(&url).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            let answer = match self.exchange(request.body(form.to_string()), budget).await {
                Exchange::Answer(answer) => answer,
                // No token, no change: what is not known of this request does not matter.
                Exchange::Unreached(why) | Exchange::Lost(why) => {
                    return Err(MailboxError::Unreachable(format!("there is no token: {why}")));
                }
            };
            let Answer { status, retry_after, body } = answer;
            match status {
                StatusCode::OK => {
                    let wrong = || "the token service sent no token that can be used".to_owned();
                    return answers::token(&body).ok_or_else(|| MailboxError::Unreachable(wrong()));
                }
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    if !budget.wait(retry_after).await {
                        let why = format!("the token service says {status}");
                        return Err(MailboxError::Later { after: retry_after, why });
                    }
                }
                _ if status.is_server_error() => {
                    return Err(MailboxError::Unreachable(format!("the token service says {status}")));
                }
                _ => return Err(answers::no_token(status, &body, &[secret.expose()])),
            }
        }
    }

    /// Carries a request out, as the drawing above says.
    async fn carry(
        &self,
        request: impl Fn() -> RequestBuilder,
        hidden: &[&str],
    ) -> Result<Zeroizing<Vec<u8>>, MailboxError> {
        let mut budget = self.begin()?;
        let (mut renewed, mut doubt) = (false, None::<String>);
        loop {
            let token = match self.token(&mut budget).await {
                Ok(token) => token,
                Err(error) => return Err(doubted(doubt, error)),
            };
            let hidden = [hidden, &[token.expose(), self.settings.secret.expose()]].concat();
            let verdict = match self.exchange(request().bearer_auth(token.expose()), &budget).await {
                Exchange::Answer(answer) => answers::verdict(answer, &hidden),
                Exchange::Unreached(why) => Verdict::No(MailboxError::Unreachable(why)),
                Exchange::Lost(why) => Verdict::Doubt(why),
            };
            match verdict {
                Verdict::Done(body) => return Ok(body),
                Verdict::Expired(_) if !renewed => {
                    renewed = true;
                    self.forget(&token).await;
                }
                Verdict::Expired(why) => {
                    let why = format!(
                        "{why}. A new token is not taken either; are `tenant` and `graph_url` right?"
                    );
                    return Err(doubted(doubt, MailboxError::Misconfigured(why)));
                }
                Verdict::Busy(after, why) => {
                    if !budget.wait(after).await {
                        return Err(doubted(doubt, MailboxError::Later { after, why }));
                    }
                }
                Verdict::Doubt(why) => {
                    let again = doubt.is_none() && budget.wait(None).await;
                    doubt = Some(why.clone());
                    if !again {
                        return Err(MailboxError::Unknown(why));
                    }
                }
                Verdict::No(error) => return Err(doubted(doubt, error)),
            }
        }
    }
}

/// The error in the end, if an earlier try may have done it: only what is true of the password or the mailbox itself
/// says that it did not.
fn doubted(doubt: Option<String>, error: MailboxError) -> MailboxError {
    match (doubt, error) {
        (None, error) | (_, error @ (MailboxError::Refused(_) | MailboxError::NoMailbox(_))) => error,
        (Some(before), error) => MailboxError::Unknown(format!("{before}; asked again, {error}")),
    }
}

/// The whole answer.
async fn read(mut answer: Response) -> Exchange {
    let status = answer.status();
    let seconds =
        answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let retry_after = seconds.map(Duration::from_secs);
    let mut body = Zeroizing::new(Vec::with_capacity(LARGEST));
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= LARGEST => body.extend_from_slice(&chunk),
            // Nothing that we ask for is as long.
            Ok(Some(_) | None) => return Exchange::Answer(Answer { status, retry_after, body }),
            // What was done is done, whatever was to be said of it.
            Err(_) if status == StatusCode::NO_CONTENT => {
                return Exchange::Answer(Answer { status, retry_after, body });
            }
            Err(error) => return Exchange::Lost(http::causes(error)),
        }
    }
}

/// The body of the change.
fn profile(password: &str) -> Zeroizing<Vec<u8>> {
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Profile<'a> {
        password: &'a str,
        force_change_password_next_sign_in: bool,
    }
    #[derive(serde::Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Change<'a> {
        password_profile: Profile<'a>,
    }
    let change = Change { password_profile: Profile { password, force_change_password_next_sign_in: false } };
    // Texts and a truth value always become JSON.
    Zeroizing::new(serde_json::to_vec(&change).unwrap_or_default())
}

#[async_trait]
impl Mailboxes for Graph {
    fn account(&self, person: &Person) -> Result<MailboxAccount, MailboxError> {
        Ok(self.account.account(person)?)
    }

    async fn set_password(
        &self,
        account: &MailboxAccount,
        password: Secret<String>,
    ) -> Result<(), MailboxError> {
        given(&password)?;
        let (url, body) = (self.user(account), profile(password.expose()));
        let request = || self.client.patch(&url).header(CONTENT_TYPE, "application/json").body(body.to_vec());
        logged(account, self.carry(request, &[password.expose()]).await.map(|_| ()))
    }

    async fn find(&self, account: &MailboxAccount) -> Result<FoundMailbox, MailboxError> {
        let url = format!("{}?$select=id", self.user(account));
        let found = self.carry(|| self.client.get(&url), &[]).await.map_err(|error| match error {
            MailboxError::Unknown(why) => MailboxError::Unreachable(why),
            other => other,
        })?;
        let no_id =
            || MailboxError::Misconfigured("what it shows has no id; is `graph_url` right?".to_owned());
        answers::id(&found).map(|entry| FoundMailbox { entry }).ok_or_else(no_id)
    }
}
