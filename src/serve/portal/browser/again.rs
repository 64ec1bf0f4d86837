//! The second press of a button: the same form, sent again, is done once and ends where the first one led to, also where that has
//! given the session a new name and the browser has not waited for it. Who only knows the old name gets nothing by it
//! (`docs/decisions/0017-double-submit.md`).

use super::{Browser, answered, key, new_name, redirect, set_cookie};
use crate::domain::digest::CodeDigester;
use crate::domain::factor::CodeDigest;
use crate::domain::flow::{Done, Session};
use crate::engine::portal::PortalError;
use crate::serve::portal::cookie;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use std::time::Duration;
use tokio::time::Instant;

/// A form that is sent again within this time is the second press of a button.
const AGAIN: Duration = Duration::from_secs(60);

/// What a session is called after a form has given whoever has it more rights. It follows from the form, which holds what no other
/// form does and nobody can guess: so the same form, sent twice, leads to the same session, on any node, and nothing else does.
pub(super) fn name_after(digester: &CodeDigester, posted: &CodeDigest) -> String {
    BASE64URL_NOPAD.encode(&digester.digest_renewal(posted))
}

impl Browser {
    /// Takes a form with this body, after those that came before; or says where it has led to, or shows what it was answered with, if it
    /// is one of them once more.
    pub(in super::super) async fn take(&mut self, body: &str) -> Result<(), Response> {
        let digester = &self.state.portal.gatekeeper.digester;
        let posted = digester.digest_post(&self.cookie, &self.path, body);
        self.turn = Some(self.state.turns.take(key(&self.cookie)).await);
        if let Some(answer) = self.state.answers.of(&posted, Instant::now()) {
            return Err(answered(&answer));
        }
        self.posted = Some(posted);
        self.look().await?;
        match self.repeated().await {
            Ok(None) => Ok(()),
            Ok(Some(response)) => Err(response),
            Err(error) => Err(self.unavailable(&error)),
        }
    }

    async fn repeated(&mut self) -> Result<Option<Response>, PortalError> {
        let Some(posted) = self.posted else { return Ok(None) };
        let since = self.state.portal.clock.now() - AGAIN;
        let led = |session: &Session| session.done.clone().filter(|done| done.is_of(&posted, since));
        if self.kept.is_some() {
            let Some(done) = led(&self.session) else { return Ok(None) };
            return self.tell_again(done).await.map(Some);
        }
        let name = name_after(&self.state.portal.gatekeeper.digester, &posted);
        let Some((session, kept)) = self.find(&name).await? else { return Ok(None) };
        let Some(done) = led(&session) else { return Ok(None) };
        (self.session, self.before, self.kept, self.renewed) = (session.clone(), session, Some(kept), None);
        self.cookie = name;
        let mut response = self.tell_again(done).await?;
        set_cookie(response.headers_mut(), &cookie::session(self.secure, &self.cookie));
        Ok(Some(response))
    }

    /// Leads where the first press has led, and has it told there once more: the page that told it was dropped.
    async fn tell_again(&mut self, done: Done) -> Result<Response, PortalError> {
        self.session.told = done.told;
        // Another tab was quicker: then that one is shown it, or something later.
        self.save().await?;
        Ok(redirect(&done.to))
    }

    /// Writes the session on the way to a page; or says where to go where that was done elsewhere.
    pub(super) async fn keep(&mut self, to: &str) -> Result<Option<Response>, PortalError> {
        if self.save().await? {
            return Ok(None);
        }
        if self.renewed.is_none() {
            // Another tab was quicker; the page shows where things stand.
            return Ok(Some(redirect(to)));
        }
        self.kept = None;
        // Another node has taken the same form.
        if let Some(response) = self.repeated().await? {
            return Ok(Some(response));
        }
        // In a session that was changed or ended meanwhile: it begins anew, in a new one; unless it is the account that was changed.
        if self.save().await? {
            return Ok(None);
        }
        self.cookie = new_name(&self.state);
        Ok((!self.save().await?).then(|| redirect(to)))
    }
}
