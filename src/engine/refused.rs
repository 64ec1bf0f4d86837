//! Refusals before there was anything to decide: written down like the end of a round.

use super::closing::Closing;
use super::login::{Gatekeeper, Round, Undecided, Verdict};
use crate::config::Config;
use crate::domain::login::{Decision, Ending};
use crate::domain::person::Username;
use crate::domain::reason::Reason;

impl Gatekeeper {
    /// Refuses a round for a reason that the login machine has no part in.
    pub async fn refuse(
        &self,
        config: &Config,
        round: Round<'_>,
        reason: Reason,
    ) -> Result<Verdict, Undecided> {
        let message = config.texts.failed.clone();
        let ending = Ending {
            decision: Decision::Reject { reason, message },
            person: None,
            accept: None,
            code: None,
            otp: None,
            send: None,
            device: None,
            clear: Vec::new(),
            refund: Vec::new(),
        };
        let name = Username::parse(&config.realms.canonical(round.username));
        let subject = name.map_or_else(|_| "(invalid)".to_owned(), |name| name.as_str().to_owned());
        let at = self.clock.now();
        Closing { gatekeeper: self, config, round: &round, subject, ending: Box::new(ending), at }.run().await
    }
}
