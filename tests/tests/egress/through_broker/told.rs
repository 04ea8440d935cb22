//! What a client was told, or the program inside.

use serde_json::Value;

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A server's response.
    Response(u16),
    /// A denial.
    Denied { reason: String, rule: String },
    /// Anything else that is refused.
    Refused,
    /// The connection ended.
    Cut,
}

impl Told {
    /// The error of a broker.
    pub fn error(status: u16, body: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |key: &str| value["error"][key].as_str().unwrap_or_default().to_owned();
        match (status, text("code").as_str()) {
            (403, "denied") => Self::Denied {
                reason: text("reason"),
                rule: text("rule"),
            },
            _ => Self::Refused,
        }
    }

    /// What the program printed.
    pub fn of_line(line: &Value) -> Self {
        if let Some(status) = line["result"].as_u64() {
            return Self::Response(u16::try_from(status).unwrap_or(0));
        }
        let text = line["errors"][0]["text"].as_str().unwrap_or_default();
        let part = |after: &str, before: &str| {
            let (_, rest) = text.split_once(after)?;
            rest.split_once(before).map(|(part, _)| part.to_owned())
        };
        match (part("(reason ", ", rule "), part(", rule ", "); ")) {
            (Some(reason), Some(rule)) => Self::Denied { reason, rule },
            _ => Self::Refused,
        }
    }

    pub fn is_response(&self) -> bool {
        matches!(self, Self::Response(_))
    }
}
