//! Refusals that the login machine has no part in: written down like the end of a round, without one.

use super::login::{Gatekeeper, Undecided};
use super::meters::Front;
use crate::config::Config;
use crate::domain::audit::AuditEntry;
use crate::domain::person::{PersonId, Username};
use crate::domain::reason::Reason;
use crate::domain::sent::Purpose;
use crate::store::Settlement;
use uuid::Uuid;

/// Letters of a name that nobody has proven, as far as it is written down.
const CLAIM: usize = 128;

/// Who is refused, and why.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// Id of the request, for log and audit.
    pub request: Uuid,
    /// Where it came in.
    pub front: Front,
    /// Name of the client.
    pub client: &'a str,
    /// Username as it was received.
    pub username: &'a str,
    /// Whose login it was, if that was proven.
    pub person: Option<PersonId>,
    /// Why.
    pub reason: Reason,
    /// Whom something says it is for that proves nothing.
    pub claims: Option<&'a str>,
}

impl Gatekeeper {
    /// Writes a refusal into the trail.
    pub async fn refused(&self, config: &Config, refusal: Refusal<'_>) -> Result<(), Undecided> {
        let Refusal { request, front, client, username, person, reason, claims } = refusal;
        let name = Username::parse(&config.realms.canonical(username));
        let at = self.clock.now();
        let audit = AuditEntry {
            at,
            actor: format!("{}:{client}", front.door()),
            action: Purpose::Login.as_str(),
            person,
            subject: name.map_or_else(|_| "(invalid)".to_owned(), |name| name.as_str().to_owned()),
            outcome: "reject",
            detail: claims.map_or(reason.as_str().into(), |claims| detail(reason, claims).into()),
            request: request.simple().to_string(),
        };
        let _ = self.logins.settle(Box::new(Settlement::of(audit))).await?;
        Ok(())
    }
}

/// The name stands in quotation marks, escaped: it is somebody's word, and cannot look like ours.
fn detail(reason: Reason, claims: &str) -> String {
    let cut: String = claims.chars().take(CLAIM).collect();
    format!("{} claims {cut:?}", reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claim_is_cut_and_cannot_look_like_more_than_that() {
        let said = |claims: &str| detail(Reason::CertificateRefused, claims);
        assert_eq!(said("ann@example.edu"), "certificate-refused claims \"ann@example.edu\"");
        assert_eq!(said("ann\" proven \"b\n"), "certificate-refused claims \"ann\\\" proven \\\"b\\n\"");
        assert_eq!(said(&"\u{fc}".repeat(999)).chars().count(), 29 + CLAIM);
    }
}
