//! The door of the portal: a browser with its session.

mod again;

use super::answers::Answer;
pub(super) use super::form::{Fields, Posted};
use super::peer::origin;
use super::turns::Turn;
use super::view::{self, View};
use super::{State, cookie};
use crate::base::{Secret, Timestamp};
use crate::config::Config;
use crate::domain::factor::CodeDigest;
use crate::domain::flow::{Done, Session, Told};
use crate::domain::words::Language;
use crate::engine::portal::{PortalError, Visit};
use crate::store::{KeptSession, SessionKey};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{ACCEPT_LANGUAGE, HOST, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use maud::Markup;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq;
use tokio::time::Instant;
use zeroize::Zeroizing;

/// A session that was looked at is written again so often, so that it does not end while somebody reads.
const TOUCH: Duration = Duration::from_secs(60);

/// What is possible before security data was registered, where that is required.
const BEFORE_REGISTRATION: [&str; 6] =
    ["/register", "/verify", "/sign-", "/language/", "/practices", "/sent"];
/// What is possible before a password that has expired was changed.
const BEFORE_THE_CHANGE: [&str; 6] = ["/password", "/verify", "/sign-", "/language/", "/practices", "/sent"];

/// Bytes of what is another one in each page's forms, and of its seal.
const NONCE: usize = 16;

/// Name, version and beginning of a session that is kept.
type Kept = (SessionKey, i64, Timestamp);

/// A browser and its session.
pub(super) struct Browser {
    pub(super) state: State,
    pub(super) visit: Visit,
    /// The settings of the host that was asked for.
    pub(super) here: Arc<Config>,
    pub(super) session: Session,
    /// Path of the page.
    pub(super) path: String,
    /// The language that was chosen, and those that the browser accepts.
    languages: (Option<String>, String),
    before: Session,
    kept: Option<Kept>,
    /// What the cookie holds, or will hold.
    cookie: String,
    /// The browser does not have this cookie yet.
    pub(super) fresh: bool,
    /// The session must get a new name.
    renewed: Option<SessionKey>,
    pub(super) secure: bool,
    /// In every form of the page that is shown, and of no other.
    nonce: [u8; NONCE],
    /// The form that was sent, with the name that the session had then.
    posted: Option<CodeDigest>,
    /// While a form is taken.
    turn: Option<Turn>,
}

/// Name of a session in the store.
fn key(cookie: &str) -> SessionKey {
    SessionKey(Sha256::digest(cookie.as_bytes()).into())
}

impl FromRequestParts<State> for Browser {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let all = state.config.load_full();
        let asked = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let config = all.at(all.campuses.at(asked));
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let peer = peer.unwrap_or(IpAddr::from([0, 0, 0, 0]));
        let (address, secure) = origin(&config, peer, &parts.headers);
        if !secure && config.portal.is_proxy(peer) {
            warn_of_proxy(state, peer);
        }
        let accept =
            parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let chosen = cookie::find(&parts.headers, "doorward-language");
        let request = uuid::Uuid::now_v7().simple().to_string();
        let here = Arc::clone(&config);
        let visit = Visit {
            all,
            config,
            address: address.to_string(),
            request,
            session: None,
            language: String::new(),
        };
        let given = cookie::find(&parts.headers, cookie::name(secure)).filter(|value| is_name(value));
        let fresh = given.is_none();
        let cookie = given.map_or_else(|| new_name(state), str::to_owned);
        let path = parts.uri.path().to_owned();
        let mut nonce = [0; NONCE];
        state.portal.random.fill(&mut nonce);
        let mut browser = Self {
            state: state.clone(),
            visit,
            here,
            session: Session::default(),
            path,
            languages: (chosen.map(str::to_owned), accept.to_owned()),
            before: Session::default(),
            kept: None,
            cookie,
            fresh,
            renewed: None,
            secure,
            nonce,
            posted: None,
            turn: None,
        };
        browser.look().await?;
        Ok(browser)
    }
}

/// What only whoever runs the proxy can mend.
fn warn_of_proxy(state: &State, peer: IpAddr) {
    if let Some(left_out) = state.warnings.due("proxy", peer, tokio::time::Instant::now()) {
        tracing::warn!(
            %peer,
            left_out,
            "this proxy does not say `X-Forwarded-Proto: https`, so sessions get a cookie that is not bound to HTTPS; \
             have it set that header, or set `portal.origin` to the address with https that browsers use"
        );
    }
}

fn is_name(value: &str) -> bool {
    BASE64URL_NOPAD.decode(value.as_bytes()).is_ok_and(|bytes| bytes.len() == cookie::LENGTH)
}

fn new_name(state: &State) -> String {
    let mut bytes = Zeroizing::new([0; cookie::LENGTH]);
    state.portal.random.fill(bytes.as_mut_slice());
    BASE64URL_NOPAD.encode(bytes.as_slice())
}

impl Browser {
    /// Reads the session, and with it language and settings; or says where its person must go first.
    async fn look(&mut self) -> Result<(), Response> {
        (self.session, self.before, self.kept) = (Session::default(), Session::default(), None);
        let loaded = if self.fresh { Ok(()) } else { self.load().await };
        self.visit.session = self.kept.map(|(key, ..)| key);
        self.visit.config = match self.session.is_known() {
            true => self.visit.all.at(self.session.home.as_deref()),
            false => Arc::clone(&self.here),
        };
        let (chosen, accept) = &self.languages;
        self.visit.language =
            self.visit.config.portal.words.choose(chosen.as_deref(), accept).tag().to_owned();
        loaded.map_err(|error| self.unavailable(&error))?;
        let (first, allowed) = match &self.session.who {
            Some(who) if who.must_change => ("/password", BEFORE_THE_CHANGE),
            Some(who)
                if who.is_led_to_register(self.visit.config.registration.enforce.since(), self.now()) =>
            {
                ("/register", BEFORE_REGISTRATION)
            }
            _ => return Ok(()),
        };
        match allowed.iter().any(|path| self.path.starts_with(path)) {
            true => Ok(()),
            false => Err(redirect(first)),
        }
    }

    fn now(&self) -> Timestamp {
        self.state.portal.clock.now()
    }

    async fn load(&mut self) -> Result<(), PortalError> {
        if let Some((session, kept)) = self.find(&self.cookie).await? {
            (self.session, self.before, self.kept) = (session.clone(), session, Some(kept));
        }
        Ok(())
    }

    /// A session of this name, if there is one.
    async fn find(&self, cookie: &str) -> Result<Option<(Session, Kept)>, PortalError> {
        let now = self.state.portal.clock.now();
        let Some(kept) = self.state.portal.sessions.load(key(cookie), now).await? else { return Ok(None) };
        // One of another version of Doorward is as good as none.
        let session = serde_json::from_slice::<Session>(kept.content.expose()).ok();
        Ok(session.map(|session| (session, (kept.key, kept.version, kept.created))))
    }

    /// What the language says.
    pub(super) fn language(&self) -> &Language {
        self.visit.config.portal.words.choose(Some(&self.visit.language), "")
    }

    /// For pages.
    pub(super) fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// Proves that a form comes from a page of ours, to this browser; in each page another one.
    pub(super) fn token(&self) -> String {
        self.sealed(&self.nonce)
    }

    fn sealed(&self, nonce: &[u8]) -> String {
        let digest = self.state.portal.gatekeeper.digester.digest_form(&self.cookie, nonce);
        BASE64URL_NOPAD.encode(&[nonce, digest.get(..NONCE).unwrap_or_default()].concat())
    }

    /// Whether this is what [`Self::token`] has said in a page to this browser.
    pub(super) fn knows(&self, token: &str) -> bool {
        let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).unwrap_or_default();
        let nonce = bytes.get(..NONCE).unwrap_or_default();
        self.sealed(nonce).as_bytes().ct_eq(token.as_bytes()).into()
    }

    /// Gives the session a new name, after whoever has it may do more than before.
    pub(super) fn renew(&mut self) {
        if self.renewed.is_none() {
            self.renewed = Some(key(&self.cookie));
        }
        self.cookie = match &self.posted {
            Some(posted) => again::name_after(&self.state.portal.gatekeeper.digester, posted),
            None => new_name(&self.state),
        };
        self.fresh = true;
    }

    /// Ends the session.
    pub(super) async fn end(mut self, to: &str) -> Response {
        if let Err(error) = self.state.portal.sessions.end(key(&self.cookie)).await {
            return self.unavailable(&error.into());
        }
        self.kept = None;
        let mut response = redirect(to);
        set_cookie(response.headers_mut(), &cookie::ended(self.secure));
        response
    }

    /// Writes the session, if there is anything to write. `false`: it was changed elsewhere meanwhile, by another tab.
    async fn save(&mut self) -> Result<bool, PortalError> {
        let now = self.state.portal.clock.now();
        let touched = self.kept.is_some() && self.session.seen + TOUCH < now;
        if self.session == self.before && self.renewed.is_none() && !touched {
            return Ok(true);
        }
        self.session.seen = now;
        let content =
            serde_json::to_vec(&self.session).map_err(|error| PortalError::Unavailable(error.to_string()))?;
        let portal = &self.visit.config.portal;
        let (version, created) = self.kept.map_or((0, now), |(_, version, created)| (version, created));
        let owner = self.session.owner();
        let kept = KeptSession {
            key: key(&self.cookie),
            person: owner.map(|(person, _)| person),
            as_of: owner.map(|(_, since)| since),
            version,
            content: Secret::new(content),
            created,
            expires: (now + portal.idle).min(created + portal.lifetime),
        };
        let sessions = &self.state.portal.sessions;
        let saved = match self.renewed.filter(|_| self.kept.is_some()) {
            Some(old) => sessions.rename(old, kept).await?,
            None => sessions.save(kept).await?,
        };
        Ok(saved.is_some())
    }

    /// Shows a page.
    pub(super) async fn show(mut self, status: StatusCode, title: &str, body: Markup) -> Response {
        let view = self.view();
        // What is wrong is said first where pages are listed and read out.
        let wrong = status == StatusCode::UNPROCESSABLE_ENTITY
            || self.session.told.as_ref().is_some_and(|told| told.problem);
        let page = if wrong {
            view::page(&view, &format!("{}: {title}", view.say("error-heading")), &body)
        } else {
            view::page(&view, title, &body)
        };
        // Told now, so not again.
        self.session.told = None;
        if let Err(error) = self.save().await {
            return self.unavailable(&error);
        }
        let cookie = self.fresh.then(|| cookie::session(self.secure, &self.cookie));
        let answer = Answer { status, page: Arc::new(Zeroizing::new(page.0)), cookie };
        if let Some(posted) = self.posted {
            self.state.answers.keep(posted, answer.clone(), Instant::now());
        }
        answered(&answer)
    }

    /// Shows a page that went well.
    pub(super) async fn page(self, title: &str, body: Markup) -> Response {
        self.show(StatusCode::OK, title, body).await
    }

    /// Leads to a page.
    pub(super) async fn go(mut self, to: &str) -> Response {
        if let Some(posted) = &self.posted
            && (self.session != self.before || self.renewed.is_some())
        {
            self.session.done =
                Some(Done::new(posted, to, self.session.told.clone(), self.state.portal.clock.now()));
        }
        match self.keep(to).await {
            Ok(Some(response)) => return response,
            Ok(None) => {}
            Err(error) => return self.unavailable(&error),
        }
        let mut response = redirect(to);
        if self.fresh {
            set_cookie(response.headers_mut(), &cookie::session(self.secure, &self.cookie));
        }
        response
    }

    /// Leads to a page and says something there.
    pub(super) async fn tell(mut self, to: &str, told: Told) -> Response {
        self.session.told = Some(told);
        self.go(to).await
    }

    /// Chooses a language.
    pub(super) fn speak(&self, tag: &str, to: &str) -> Response {
        let mut response = redirect(to);
        if let Some(language) = self.visit.config.portal.words.find(tag) {
            set_cookie(response.headers_mut(), &cookie::language(self.secure, language.tag()));
        }
        response
    }

    /// What cannot be decided or written now.
    pub(super) fn unavailable(&self, error: &PortalError) -> Response {
        tracing::error!(
            request = self.visit.request,
            path = self.path,
            "a page could not be served: {error}"
        );
        let view = self.view();
        let text = view.say("not-available");
        let page = view::page(&view, &text, &maud::html! { h1 { (text) } });
        (StatusCode::SERVICE_UNAVAILABLE, page).into_response()
    }

    /// How a step of a flow ended that could not be done: the flow begins anew where it was not the present step.
    pub(super) async fn failed(self, error: PortalError, begin: &str) -> Response {
        match error {
            PortalError::Stale => self.tell(begin, Told::problem("session-over")).await,
            PortalError::Unavailable(_) => self.unavailable(&error),
        }
    }
}

/// An answer as it goes to the browser.
fn answered(answer: &Answer) -> Response {
    let mut response = (answer.status, Html(answer.page.as_str().to_owned())).into_response();
    if let Some(cookie) = &answer.cookie {
        set_cookie(response.headers_mut(), cookie);
    }
    response
}

fn set_cookie(headers: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.append(SET_COOKIE, value);
    }
}

pub(super) fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}
