//! Everything that moving to another system needs: factors and tokens with their secrets, one JSON object a line.
//!
//! Not among them: passwords, and recovery and temporary codes, which are kept as digests under a key of this store and
//! would fit nothing elsewhere.

use super::desk::{Desk, Result};
use crate::domain::factor::{Factor, Material};
use crate::domain::person::Person;
use crate::domain::token::{Token, TokenState};
use crate::store::{Page, TokenQuery};
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::Sender;

/// People or tokens in a page.
const PAGE: u32 = 500;

/// What was told.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    factors: u64,
    tokens: u64,
}

/// The fields of secret material, with where it stands.
fn material(material: &Material, next: u64) -> Map<String, Value> {
    let fields = match material {
        Material::Totp { seed, algorithm, digits, period } => json!({
            "seed_base32": BASE32_NOPAD.encode(seed.expose()),
            "algorithm": algorithm.as_str(), "digits": digits, "period": period,
        }),
        Material::Hotp { seed, digits } => json!({
            "seed_base32": BASE32_NOPAD.encode(seed.expose()), "digits": digits, "counter": next,
        }),
        // The first counters that would be accepted.
        Material::Yubikey { public_id, key } => json!({
            "public_id": public_id.to_string(),
            "private_id": key.as_ref().map(|key| HEXLOWER.encode(key.private_id.expose())),
            "aes_key": key.as_ref().map(|key| HEXLOWER.encode(key.aes.expose())),
            "use_counter": next / 256, "session_counter": next % 256,
        }),
        Material::Pin { hash } => json!({"hash": hash.expose()}),
        Material::Codes(codes) => json!({"codes_left": codes.len()}),
    };
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

fn factor(person: &Person, factor: &Factor) -> Value {
    let mut fields = material(&factor.material, factor.next);
    fields.insert("user".to_owned(), person.username.as_str().into());
    fields.insert("kind".to_owned(), factor.kind.as_str().into());
    fields.insert("label".to_owned(), factor.label.as_str().into());
    fields.insert("state".to_owned(), factor.state.as_str().into());
    fields.insert("created".to_owned(), factor.created.to_string().into());
    json!({"factor": fields})
}

fn token(token: &Token) -> Value {
    let mut fields = material(&token.material, token.next);
    fields.insert("kind".to_owned(), token.kind.as_str().into());
    fields.insert("name".to_owned(), token.name.as_str().into());
    fields.insert("serial".to_owned(), token.serial.as_str().into());
    fields.insert("state".to_owned(), token.state.as_str().into());
    json!({"token": fields})
}

impl Desk {
    /// Tells all factors, then the tokens that are nobody's, then how many there were: without that last line something is
    /// missing. Ends early if nobody listens any more.
    pub async fn export(&self, lines: &Sender<Value>) -> Result<()> {
        let mut counts = Counts::default();
        let mut page = Page { limit: PAGE, ..Page::default() };
        loop {
            let people = self.people.list(&page).await?;
            let Some(last) = people.last() else { break };
            page.after = Some(last.username.to_string());
            for person in &people {
                for one in self.factors.of(person.id).await? {
                    counts.factors += 1;
                    if lines.send(factor(person, &one)).await.is_err() {
                        return Ok(());
                    }
                }
            }
        }
        for state in [TokenState::Stock, TokenState::Revoked] {
            let mut query = TokenQuery { state: Some(state), limit: PAGE, ..TokenQuery::default() };
            loop {
                let tokens = self.tokens.list(&query).await?;
                let Some(last) = tokens.last() else { break };
                query.after = Some(last.id.clone());
                for status in &tokens {
                    // Somebody's by now: it was among the factors, or is new.
                    let found = self.tokens.find(&status.id).await?;
                    for one in found.iter().filter(|one| one.factor.is_none()) {
                        counts.tokens += 1;
                        if lines.send(token(one)).await.is_err() {
                            return Ok(());
                        }
                    }
                }
            }
        }
        let end = json!({"end": {"factors": counts.factors, "tokens": counts.tokens, "at": self.clock.now().to_string()}});
        let _ = lines.send(end).await;
        Ok(())
    }
}
