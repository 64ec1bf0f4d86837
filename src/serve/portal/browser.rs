//! The door of the portal: a browser with its session.

pub(super) use super::form::{Fields, Posted};
use super::view::{self, View};
use super::{State, cookie};
use crate::base::{Secret, Timestamp};
use crate::config::Config;
use crate::domain::flow::{Session, Told};
use crate::domain::words::Language;
use crate::engine::portal::{PortalError, Visit};
use crate::store::{KeptSession, SessionKey};
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{ACCEPT_LANGUAGE, HOST, LOCATION, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64URL_NOPAD;
use maud::Markup;
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// A session that was looked at is written again so often, so that it does not end while somebody reads.
const TOUCH: Duration = Duration::from_secs(60);

/// What is possible before security data was registered, where that is required.
const BEFORE_REGISTRATION: [&str; 6] =
    ["/register", "/verify", "/sign-", "/language/", "/practices", "/sent"];
/// What is possible before a password that has expired was changed.
const BEFORE_THE_CHANGE: [&str; 6] = ["/password", "/verify", "/sign-", "/language/", "/practices", "/sent"];

/// A browser and its session.
pub(super) struct Browser {
    pub(super) state: State,
    pub(super) visit: Visit,
    /// The settings of the host that was asked for.
    pub(super) here: Arc<Config>,
    pub(super) session: Session,
    /// Path of the page.
    pub(super) path: String,
    before: Session,
    kept: Option<(SessionKey, i64, Timestamp)>,
    /// What the cookie holds, or will hold.
    cookie: String,
    /// The browser does not have this cookie yet.
    pub(super) fresh: bool,
    /// The session must get a new name.
    renewed: Option<SessionKey>,
    pub(super) secure: bool,
}

/// Name of a session in the store.
fn key(cookie: &str) -> SessionKey {
    SessionKey(Sha256::digest(cookie.as_bytes()).into())
}

/// Where a request comes from, and whether it came over TLS. What a header says counts only if a proxy of ours has written it.
fn origin(config: &Config, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, bool) {
    let tls = config.portal.tls.is_some();
    if !config.portal.is_proxy(peer) {
        return (peer.to_canonical(), tls);
    }
    let text =
        |name: &str| headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect::<Vec<_>>();
    let hops = text("x-forwarded-for").join(",");
    // The last that is no proxy of ours: what stands before it, or before what is no address, anybody can have written.
    let hops = hops.split(',').rev().map_while(hop);
    let address = hops.into_iter().find(|hop| !config.portal.is_proxy(*hop)).unwrap_or(peer);
    let protocols = text("x-forwarded-proto").join(",");
    let last = protocols.rsplit(',').next().unwrap_or_default().trim();
    // Where the portal is known by an address with https, a proxy that does not say so must not take the cookie's protection away.
    let secure = last.eq_ignore_ascii_case("https") || config.portal.is_https();
    (address.to_canonical(), secure)
}

/// The address of a hop, as proxies write it: alone, in brackets, or with a port.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
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
        let accept =
            parts.headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let chosen = cookie::find(&parts.headers, "doorward-language");
        let language = config.portal.words.choose(chosen, accept).tag().to_owned();
        let request = uuid::Uuid::now_v7().simple().to_string();
        let here = Arc::clone(&config);
        let visit = Visit { all, config, address: address.to_string(), request, language };
        let given = cookie::find(&parts.headers, cookie::name(secure)).filter(|value| is_name(value));
        let fresh = given.is_none();
        let cookie = given.map_or_else(|| new_name(state), str::to_owned);
        let path = parts.uri.path().to_owned();
        let mut browser = Self {
            state: state.clone(),
            visit,
            here,
            session: Session::default(),
            path,
            before: Session::default(),
            kept: None,
            cookie,
            fresh,
            renewed: None,
            secure,
        };
        if !fresh && let Err(error) = browser.load().await {
            return Err(browser.unavailable(&error));
        }
        if browser.session.is_known() {
            let config = browser.visit.all.at(browser.session.home.as_deref());
            browser.visit.language = config.portal.words.choose(chosen, accept).tag().to_owned();
            browser.visit.config = config;
        }
        let (first, allowed) = match &browser.session.who {
            Some(who) if who.must_change => ("/password", BEFORE_THE_CHANGE),
            Some(who) if who.must_register => ("/register", BEFORE_REGISTRATION),
            _ => return Ok(browser),
        };
        match allowed.iter().any(|path| browser.path.starts_with(path)) {
            true => Ok(browser),
            false => Err(redirect(first)),
        }
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
    async fn load(&mut self) -> Result<(), PortalError> {
        let now = self.state.portal.clock.now();
        let kept = self.state.portal.sessions.load(key(&self.cookie), now).await?;
        let Some(kept) = kept else { return Ok(()) };
        // One of another version of Doorward is as good as none.
        if let Ok(session) = serde_json::from_slice::<Session>(kept.content.expose()) {
            self.session = session.clone();
            self.before = session;
            self.kept = Some((kept.key, kept.version, kept.created));
        }
        Ok(())
    }

    /// What the language says.
    pub(super) fn language(&self) -> &Language {
        self.visit.config.portal.words.choose(Some(&self.visit.language), "")
    }

    /// For pages.
    pub(super) fn view(&self) -> View<'_> {
        View::new(self)
    }

    /// Proves that a form comes from a page of ours, to this browser.
    pub(super) fn token(&self) -> String {
        let digest = self.state.portal.gatekeeper.digester.digest_form(&self.cookie);
        BASE64URL_NOPAD.encode(&digest)
    }

    /// Gives the session a new name, after whoever has it may do more than before.
    pub(super) fn renew(&mut self) {
        if self.renewed.is_none() {
            self.renewed = Some(key(&self.cookie));
        }
        self.cookie = new_name(&self.state);
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
        let mut response = (status, page).into_response();
        if self.fresh {
            set_cookie(response.headers_mut(), &cookie::session(self.secure, &self.cookie));
        }
        response
    }

    /// Shows a page that went well.
    pub(super) async fn page(self, title: &str, body: Markup) -> Response {
        self.show(StatusCode::OK, title, body).await
    }

    /// Leads to a page.
    pub(super) async fn go(mut self, to: &str) -> Response {
        match self.save().await {
            Ok(true) => {}
            Ok(false) if self.renewed.is_some() => {
                // Signed in, in a session that was changed or ended meanwhile: it begins anew, in a new one; unless it is the
                // account that was changed.
                self.kept = None;
                match self.save().await {
                    Ok(true) => {}
                    Ok(false) => return redirect(to),
                    Err(error) => return self.unavailable(&error),
                }
            }
            // Another tab was quicker; the page shows where things stand.
            Ok(false) => return redirect(to),
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

fn set_cookie(headers: &mut HeaderMap, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.append(SET_COOKIE, value);
    }
}

pub(super) fn redirect(to: &str) -> Response {
    let to = HeaderValue::from_str(to).unwrap_or(HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_of_a_hop_is_read_as_proxies_write_it() {
        let seen = |text: &str| hop(text).map(|address| address.to_string());
        for (text, address) in [
            (" 203.0.113.5", "203.0.113.5"),
            ("203.0.113.5:4711", "203.0.113.5"),
            ("2001:db8::5", "2001:db8::5"),
            ("[2001:db8::5]", "2001:db8::5"),
            ("\"[2001:db8::5]:4711\"", "2001:db8::5"),
        ] {
            assert_eq!(seen(text).as_deref(), Some(address), "{text}");
        }
        for text in ["", "unknown", "_hidden", "203.0.113.5:port", "9.9.9.9 203.0.113.5"] {
            assert_eq!(seen(text), None, "{text}");
        }
    }
}
