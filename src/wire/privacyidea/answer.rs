//! The envelope that plug-ins read. A refusal is a success of the protocol: `result.status` is true and `result.value` false.

use crate::base::Timestamp;
use serde_json::{Value, json};

/// What `result.authentication` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication {
    /// Let in.
    Accept,
    /// Not.
    Reject,
    /// Something is asked for.
    Challenge,
}

impl Authentication {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Authentication::Accept => "ACCEPT",
            Authentication::Reject => "REJECT",
            Authentication::Challenge => "CHALLENGE",
        }
    }
}

/// Codes of errors that plug-ins know.
pub mod code {
    /// Whoever asks shows what does not count.
    pub const UNAUTHORIZED: i32 = 4031;
    /// Whoever asks shows nothing.
    pub const NOTHING_SHOWN: i32 = 4033;
    /// It may not do this.
    pub const FORBIDDEN: i32 = 303;
    /// The credentials of `/auth` are wrong.
    pub const WRONG_CREDENTIALS: i32 = 4031;
    /// A field is missing or cannot be read.
    pub const PARAMETER: i32 = 905;
    /// There is no such person.
    pub const NO_USER: i32 = 904;
    /// There is no such thing.
    pub const NOT_FOUND: i32 = 601;
    /// It asks too often.
    pub const TOO_OFTEN: i32 = 429;
    /// It cannot be decided at present.
    pub const UNAVAILABLE: i32 = -500;
}

/// One thing that can be answered of a challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What the person reads.
    pub message: String,
    /// Which device.
    pub serial: String,
    /// What kind of passcode, in the protocol's words.
    pub kind: &'static str,
}

/// An answer that is no error.
#[derive(Debug, Clone)]
pub struct Answer {
    /// `result.value`.
    pub value: Value,
    /// `result.authentication`.
    pub authentication: Option<Authentication>,
    /// `detail`.
    pub detail: Value,
}

impl Answer {
    /// A value with nothing about anybody's login.
    pub const fn plain(value: Value) -> Self {
        Self { value, authentication: None, detail: Value::Null }
    }

    /// The whole of it.
    pub fn render(self, now: Timestamp) -> Value {
        let mut result = json!({"status": true, "value": self.value});
        if let (Some(authentication), Some(result)) = (self.authentication, result.as_object_mut()) {
            result.insert("authentication".to_owned(), authentication.as_str().into());
        }
        let mut all = envelope(now, &result);
        if let (false, Some(all)) = (self.detail.is_null(), all.as_object_mut()) {
            all.insert("detail".to_owned(), self.detail);
        }
        all
    }
}

/// What is at the top of every answer.
fn envelope(now: Timestamp, result: &Value) -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "jsonrpc": "2.0",
        "id": 1,
        "time": seconds(now),
        "version": format!("Doorward {version}"),
        "versionnumber": version,
        "result": result,
    })
}

fn seconds(now: Timestamp) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of thousands of years fit into a double")]
    let millis = now.millis() as f64;
    millis / 1000.0
}

/// An error.
pub fn error(now: Timestamp, code: i32, message: &str) -> Value {
    let mut all = envelope(now, &json!({"status": false, "error": {"code": code, "message": message}}));
    if let Some(all) = all.as_object_mut() {
        all.insert("detail".to_owned(), Value::Null);
    }
    all
}

/// `detail` of a challenge: the same for plug-ins that know one thing to answer, and for those that know several.
pub fn challenge(message: &str, transaction: &str, items: &[Item]) -> Value {
    let one = |item: &Item| {
        json!({
            "attributes": null,
            "client_mode": "interactive",
            "image": "",
            "message": item.message,
            "serial": item.serial,
            "transaction_id": transaction,
            "type": item.kind,
        })
    };
    let first = items.first();
    json!({
        "client_mode": "interactive",
        "message": message,
        "messages": items.iter().map(|item| item.message.as_str()).collect::<Vec<_>>(),
        "multi_challenge": items.iter().map(one).collect::<Vec<_>>(),
        "preferred_client_mode": "interactive",
        "serial": first.map_or("", |item| item.serial.as_str()),
        "threadid": 0,
        "transaction_id": transaction,
        "transaction_ids": [transaction],
        "type": first.map_or("", |item| item.kind),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);

    // R-API-1
    #[test]
    fn envelope_has_what_plug_ins_look_for() {
        let answer = Answer {
            value: true.into(),
            authentication: Some(Authentication::Accept),
            detail: json!({"message": "ok"}),
        };
        let answer = answer.render(NOW);
        assert_eq!(answer["jsonrpc"], "2.0");
        assert_eq!(answer["id"], 1);
        assert_eq!(answer["time"], 1_700_000_000.5, "seconds, at the top");
        assert_eq!(answer["result"], json!({"status": true, "value": true, "authentication": "ACCEPT"}));
        assert_eq!(answer["detail"]["message"], "ok");
        assert!(answer["version"].is_string());
    }

    // R-API-1
    #[test]
    fn error_has_a_code_and_a_sentence_and_no_value() {
        let answer = error(NOW, code::PARAMETER, "user is missing");
        let wanted = json!({"status": false, "error": {"code": 905, "message": "user is missing"}});
        assert_eq!(answer["result"], wanted);
    }

    // R-API-1
    #[test]
    fn challenge_names_its_transaction_as_text_everywhere() {
        let item = Item { message: "enter it".into(), serial: "TOTP1".into(), kind: "totp" };
        let detail = challenge("enter it", "0a1b", &[item.clone(), Item { kind: "sms", ..item }]);
        assert_eq!(detail["transaction_id"], "0a1b");
        assert_eq!(detail["multi_challenge"].as_array().unwrap().len(), 2);
        assert!(
            detail["multi_challenge"].as_array().unwrap().iter().all(|one| one["transaction_id"] == "0a1b")
        );
        assert_eq!(detail["multi_challenge"][1]["type"], "sms");
    }
}
