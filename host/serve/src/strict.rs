//! A client for which a collector has taken the lines of a message only if it says so.

use std::io;
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use reqwest::blocking::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;

/// How long a collector may take for one message.
const PATIENCE: Duration = Duration::from_secs(10);

/// Follows no redirect, which would ask again without the message, and takes a partial success for a failure.
#[derive(Debug)]
pub(crate) struct Strict(Client);

/// The part of a collector's answer that counts, of
/// [OTLP](https://opentelemetry.io/docs/specs/otlp/#partial-success).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    partial_success: Option<Partial>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Partial {
    rejected_log_records: Option<serde_json::Value>,
    error_message: String,
}

impl Strict {
    /// Makes a client. It must not be made or dropped within an asynchronous task.
    pub(crate) fn new() -> io::Result<Self> {
        let client = Client::builder()
            .redirect(Policy::none())
            .timeout(PATIENCE)
            .build();
        client.map(Self).map_err(io::Error::other)
    }
}

#[async_trait]
impl HttpClient for Strict {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let response = self.0.send_bytes(request).await?;
        match refusal(&response) {
            Some(why) => Err(why.into()),
            None => Ok(response),
        }
    }
}

/// Why the message was not taken, or not all of it.
fn refusal(response: &Response<Bytes>) -> Option<String> {
    let status = response.status();
    if !status.is_success() {
        return Some(format!("it answers {status}"));
    }
    // An answer that is none has rejected nothing.
    let answer: Answer = serde_json::from_slice(response.body()).unwrap_or_default();
    let partial = answer.partial_success?;
    // The number is 64 bits wide, which JSON has as a text.
    let rejected = match partial.rejected_log_records? {
        serde_json::Value::String(text) => text.parse().unwrap_or(1),
        number => number.as_u64().unwrap_or(1),
    };
    (rejected > 0_u64).then(|| format!("it rejects {rejected} lines: {}", partial.error_message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_taken_only_by_an_answer_that_rejects_none() {
        let rows = [
            (200, "{}", true),
            (200, "", true),
            (200, r#"{"partialSuccess":{}}"#, true),
            (
                200,
                r#"{"partialSuccess":{"rejectedLogRecords":"0"}}"#,
                true,
            ),
            (
                200,
                r#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"no"}}"#,
                false,
            ),
            (200, r#"{"partialSuccess":{"rejectedLogRecords":2}}"#, false),
            (202, "{}", true),
            (301, "{}", false),
            (400, "{}", false),
            (413, "", false),
            (503, "", false),
        ];
        for (status, body, is_taken) in rows {
            let mut response = Response::new(Bytes::from_static(body.as_bytes()));
            *response.status_mut() = status.try_into().unwrap();
            assert_eq!(refusal(&response).is_none(), is_taken, "{status} {body}");
        }
    }
}
