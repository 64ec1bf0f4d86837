//! Answers: `stat`, and either a response or a code with a sentence.

use serde_json::{Value, json};

/// An error: the first three digits of its code are the HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// `Authorization` is missing or none.
    Authorization,
    /// No such key.
    Key,
    /// It is not signed with the key.
    Signature,
    /// The date is missing or too far off.
    Date,
    /// A field is missing or cannot be read.
    Parameters,
    /// It may not do this.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It asks too often, or too much is asked.
    TooOften,
    /// It cannot be decided at present.
    Unavailable,
}

impl Problem {
    /// HTTP status, code and sentence.
    pub const fn parts(self) -> (u16, u32, &'static str) {
        match self {
            Problem::Authorization => (401, 40101, "Missing request credentials"),
            Problem::Key => (401, 40102, "Invalid integration key in request credentials"),
            Problem::Signature => (401, 40103, "Invalid signature in request credentials"),
            Problem::Date => (401, 40105, "Bad request timestamp"),
            Problem::Parameters => (400, 40002, "Invalid request parameters"),
            Problem::Forbidden => (403, 40301, "Access forbidden"),
            Problem::NotFound => (404, 40401, "Resource not found"),
            Problem::TooOften => (429, 42901, "Too Many Requests"),
            Problem::Unavailable => (503, 50301, "Service unavailable"),
        }
    }

    /// The body; `detail` says what to do.
    pub fn render(self, detail: &str) -> Value {
        let (_, code, message) = self.parts();
        json!({"stat": "FAIL", "code": code, "message": message, "message_detail": detail})
    }
}

/// A success.
pub fn ok(response: &Value) -> Value {
    json!({"stat": "OK", "response": response})
}

#[cfg(test)]
mod tests {
    use super::*;

    // R-API-1
    #[test]
    fn code_begins_with_the_status() {
        for problem in [Problem::Authorization, Problem::Parameters, Problem::TooOften, Problem::Unavailable]
        {
            let (status, code, _) = problem.parts();
            assert_eq!(code / 100, u32::from(status));
            assert_eq!(problem.render("why")["stat"], "FAIL");
        }
        assert_eq!(ok(&json!({"time": 1})), json!({"stat": "OK", "response": {"time": 1}}));
    }
}
