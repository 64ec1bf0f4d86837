//! A request's turn with a conversation: what its response leads to, up to what is answered.

use super::Reply;
use super::decision::{Ground, failed, is_noted};
use super::lasting::Lasting;
use crate::domain::login::How;
use crate::domain::reason::Reason;
use crate::eap::Step;
use crate::engine::login::Undecided;
use crate::engine::meters::Outcome;
use crate::serve::radius::conversations::{Decided, Held};
use crate::serve::radius::counters::Event;
use crate::serve::radius::workers::{self, Workers};
use crate::wire::eap::{Code, Packet, failure};
use std::sync::Arc;
use std::time::Duration;

/// The turn.
pub(super) struct Turn<'a> {
    pub(super) ground: Arc<Ground>,
    pub(super) workers: &'a Workers,
    /// How long a conversation may take.
    pub(super) life: Duration,
}

impl Turn<'_> {
    pub(super) fn fresh(&self) -> [u8; 16] {
        let mut fresh = [0; 16];
        self.ground.gatekeeper.random.fill(&mut fresh);
        fresh
    }

    /// Goes on with a response; `undecided`: it was taken before, and nobody was told what came of it.
    pub(super) async fn go_on(
        &self,
        mut held: Held,
        message: &[u8],
        undecided: bool,
    ) -> Result<Reply, Undecided> {
        let Some(open) = held.open() else { return Ok(Reply::Silence(Event::Faulty)) };
        if open.came.is_some() {
            return self.step(held).await;
        }
        if undecided && open.conversation.question().is_some() {
            open.came = Some(Step::Ask);
        } else if !workers::may_do(open.conversation.cost(message)) {
            let message = message.to_vec();
            let work = move || {
                held.receive(&message);
                held
            };
            match self.workers.run(work).await {
                Some(back) => held = back,
                None => return Ok(Reply::Silence(Event::Faulty)),
            }
        } else {
            held.receive(message);
        }
        self.step(held).await
    }

    /// Does what comes next, until there is something to answer.
    pub(super) async fn step(&self, mut held: Held) -> Result<Reply, Undecided> {
        loop {
            let Some(open) = held.open() else { return Ok(Reply::Silence(Event::Faulty)) };
            match open.came.take() {
                None | Some(Step::Ignore) => return Ok(Reply::Silence(Event::EapMalformed)),
                Some(Step::Request(request)) => {
                    let state = held.wait(&request, self.fresh());
                    return Ok(Reply::Request(request, Some(state)));
                }
                Some(Step::Ask) => {
                    let ground = Arc::clone(&self.ground);
                    let settling =
                        Lasting::new(self.life, async move { (ground.settle(&mut held).await, held) });
                    let (settled, back) = settling.await;
                    settled?;
                    held = back;
                }
                Some(Step::Success { eap, key }) => {
                    let Some(Decided::Accepted { person, reason, .. }) = open.decided.take() else {
                        held.end();
                        return Ok(Reply::Silence(Event::Faulty));
                    };
                    self.ground.report(open, (Outcome::Accept, reason), "");
                    held.end();
                    return Ok(Reply::Success { eap, key, person });
                }
                Some(Step::Failure { eap, why }) => {
                    let reason = failed(open, &why);
                    if is_noted(reason) && !open.noted {
                        let ground = Arc::clone(&self.ground);
                        open.came = Some(Step::Failure { eap, why });
                        let noting =
                            Lasting::new(self.life, async move { (ground.note(&mut held).await, held) });
                        let (noted, back) = noting.await;
                        noted?;
                        held = back;
                        continue;
                    }
                    self.ground.report_failure(open, reason, &why);
                    held.end();
                    return Ok(Reply::Failure { eap });
                }
            }
        }
    }
}

impl Ground {
    /// Nobody waits for this.
    pub(super) fn unknown(&self, message: &[u8]) -> Reply {
        match Packet::decode(message) {
            Ok(Packet { code: Code::Response, identifier, .. }) => {
                self.report_nobody((Outcome::Reject, Reason::EapBroken, How::Nothing));
                Reply::Failure { eap: failure(identifier) }
            }
            _ => Reply::Silence(Event::EapMalformed),
        }
    }
}
