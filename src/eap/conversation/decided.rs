//! From the answer to the end: the peer is told, in TLS or in the tunnel, before it is let in.

use super::{Conversation, Inside, State};
use crate::domain::login::Shown;
use crate::domain::person::Person;
use crate::domain::reason::Reason;
use crate::eap::inner::Inner;
use crate::eap::peap::Peap;
use crate::eap::question::{Answer, Ended, Question, Step};
use crate::eap::sessions::Claim;
use crate::wire::eap::{Method, success};

impl Conversation {
    /// Takes the answer to the question.
    pub fn decided(&mut self, answer: Answer) -> Step {
        let State::AwaitDecision(question) = std::mem::replace(&mut self.state, State::Over) else {
            return Step::Ignore;
        };
        let step = match answer {
            Answer::Accepted { person, reason, factors, proof } => {
                let claim = self.claim(question, &person, (reason, factors));
                self.decided_well(claim, proof.as_deref())
            }
            Answer::Ask(prompt) => self.prompt(&prompt),
            Answer::Refused => match self.tell(None) {
                Some(told) => {
                    self.state = State::AwaitAgreement(None);
                    self.through_tunnel(&told)
                }
                None => self.refused(),
            },
        };
        step.unwrap_or_else(|ended| self.broken(ended))
    }

    fn prompt(&mut self, prompt: &str) -> Result<Step, Ended> {
        let request = match &mut self.inside {
            Inside::Ttls(ttls) => ttls.prompt(prompt),
            Inside::Peap(peap) => peap.prompt(prompt),
            Inside::Nothing => return Err(Ended::Refused),
        };
        self.state = State::AwaitInner;
        self.through_tunnel(&request)
    }

    fn refused(&mut self) -> Result<Step, Ended> {
        self.void();
        let Inside::Peap(inside) = &mut self.inside else { return Err(Ended::Refused) };
        let result = inside.result(false);
        self.state = State::Closing(None);
        self.through_tunnel(&result)
    }

    /// Tells a peer of MSCHAPv2 how it went; `None` if it speaks another method, or is told by the end alone.
    fn tell(&mut self, proof: Option<&str>) -> Option<Vec<u8>> {
        match &mut self.inside {
            Inside::Ttls(ttls) => ttls.tell(proof),
            Inside::Peap(peap) => peap.tell(proof),
            Inside::Nothing => None,
        }
    }

    /// What a session is worth that begins with this answer.
    fn claim(&self, question: Question, person: &Person, (reason, factors): (Reason, Shown)) -> Claim {
        // One that was resumed stays what it was: its life counts from the login.
        if let Question::Session(claim) = question {
            return claim;
        }
        let (person, version, username) = (person.id, person.version, person.username.as_str().to_owned());
        let end = self.place.now + self.settings.session_lifetime;
        let until = match &question {
            // Nothing is resumed that the certificate would not open any more.
            Question::Certificate(_) => {
                let lists = self.settings.lists_end.unwrap_or(end);
                self.certificate_end().unwrap_or(self.place.now).min(lists).min(end)
            }
            _ => end,
        };
        Claim { person, version, reason, factors, username, until }
    }

    fn decided_well(&mut self, claim: Claim, proof: Option<&str>) -> Result<Step, Ended> {
        match proof.and_then(|proof| self.tell(Some(proof))) {
            Some(told) => {
                self.state = State::AwaitAgreement(Some(claim));
                self.through_tunnel(&told)
            }
            None => self.accepted(claim),
        }
    }

    /// The peer of MSCHAPv2 has seen how it went.
    pub(super) fn agreed(&mut self, claim: Option<Claim>, message: bool) -> Result<Step, Ended> {
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        let plain = tunnel.read();
        let agreed = match &mut self.inside {
            Inside::Ttls(ttls) if ttls.is_by_attributes() => !message || plain.expose().is_empty(),
            Inside::Ttls(ttls) => {
                matches!(ttls.receive(plain.expose(), &tunnel.challenge()?)?, Inner::Agreed(true))
            }
            Inside::Peap(peap) => {
                matches!(peap.receive(plain.expose())?, Peap::Inner(Inner::Agreed(true)))
            }
            Inside::Nothing => false,
        };
        match claim {
            Some(claim) if agreed => self.accepted(claim),
            Some(_) => Err(Ended::Unexpected("the peer does not believe that the server knows the password")),
            None => self.refused(),
        }
    }

    fn accepted(&mut self, claim: Claim) -> Result<Step, Ended> {
        let resumed = self.is_resumed();
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        if let Inside::Peap(inside) = &mut self.inside {
            let result = inside.result(true);
            self.state = State::Closing(Some(claim));
            return self.through_tunnel(&result);
        }
        // That nothing more follows (RFC 9190 §2.5, RFC 9427 §2.3).
        if tunnel.is_tls13() && (resumed || tunnel.method == Method::TLS) {
            tunnel.write(&[0])?;
        }
        if tunnel.flush() {
            self.state = State::Closing(Some(claim));
            return Ok(self.part());
        }
        self.succeed(&claim)
    }

    /// The peer has the last of ours.
    pub(super) fn close(&mut self, claim: Option<Claim>, message: bool) -> Result<Step, Ended> {
        let Some(claim) = claim else { return Err(Ended::Refused) };
        let Inside::Peap(inside) = &mut self.inside else { return self.succeed(&claim) };
        let Some(tunnel) = &mut self.tunnel else { return Err(Ended::NoMethod) };
        let plain = tunnel.read();
        let agreed = matches!(inside.receive(plain.expose())?, Peap::Result(true));
        if message && agreed {
            return self.succeed(&claim);
        }
        Err(Ended::Unexpected("the peer does not agree that it went well"))
    }

    fn succeed(&mut self, claim: &Claim) -> Result<Step, Ended> {
        let Some(tunnel) = &self.tunnel else { return Err(Ended::NoMethod) };
        let key = tunnel.key()?;
        if tunnel.is_tls13() {
            // The ticket is used up, and another one has come with this login.
            self.void();
        }
        self.state = State::Over;
        // A peer that went away before, or did not agree, resumes nothing.
        if let Some(ledger) = &self.ledger {
            ledger.commit(claim);
        }
        Ok(Step::Success { eap: success(self.identifier), key })
    }
}
