//! Outcomes as JSON: what `sandbox-net run --json` prints, without hints for a person.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sandbox_net_gateway::audit::{DecisionRecord, Dropped, ExchangeRecord, LookupRecord};
use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::reached::Reached;
use crate::script::{Exit, Outcome};

/// An object: `exit_code`, `ended` as [`Exit::as_str`], and `trap` if there was one.
impl Serialize for Exit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let trap = match self {
            Self::Trap(why) => Some(why),
            _ => None,
        };
        let fields = 2 + usize::from(trap.is_some());
        let mut object = serializer.serialize_struct("Exit", fields)?;
        object.serialize_field("exit_code", &self.code())?;
        object.serialize_field("ended", self.as_str())?;
        if let Some(why) = trap {
            object.serialize_field("trap", why)?;
        }
        object.end()
    }
}

#[derive(Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    exit: &'a Exit,
    duration_seconds: f64,
    cpu_seconds: f64,
    memory_bytes: usize,
    #[serde(flatten)]
    stdout: Stdout<'a>,
    #[serde(flatten)]
    stderr: Stderr<'a>,
    truncated: bool,
    decisions: &'a [DecisionRecord],
    exchanges: &'a [ExchangeRecord],
    lookups: &'a [LookupRecord],
    budgets_reached: Vec<Reached<'a>>,
    dropped: Dropped,
}

/// Text if it is text, and base64 otherwise, so that no byte is lost.
#[derive(Serialize)]
enum Stdout<'a> {
    #[serde(rename = "stdout")]
    Text(&'a str),
    #[serde(rename = "stdout_base64")]
    Bytes(String),
}

#[derive(Serialize)]
enum Stderr<'a> {
    #[serde(rename = "stderr")]
    Text(&'a str),
    #[serde(rename = "stderr_base64")]
    Bytes(String),
}

/// The object that `sandbox-net run --json` prints; `docs/command-line.md` names its keys. Output that
/// is not UTF-8 comes as `stdout_base64` and `stderr_base64`.
impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = Report {
            exit: &self.exit,
            duration_seconds: self.duration.as_secs_f64(),
            cpu_seconds: self.cpu.as_secs_f64(),
            memory_bytes: self.memory,
            stdout: match std::str::from_utf8(&self.stdout) {
                Ok(text) => Stdout::Text(text),
                Err(_) => Stdout::Bytes(STANDARD.encode(&self.stdout)),
            },
            stderr: match std::str::from_utf8(&self.stderr) {
                Ok(text) => Stderr::Text(text),
                Err(_) => Stderr::Bytes(STANDARD.encode(&self.stderr)),
            },
            truncated: self.truncated,
            decisions: &self.decisions,
            exchanges: &self.exchanges,
            lookups: &self.lookups,
            budgets_reached: self.budgets_reached(),
            dropped: self.dropped,
        };
        report.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn an_exit_says_its_code_and_what_ended_the_run() {
        let trap = "wasm trap: call stack exhausted";
        for (exit, expected) in [
            (Exit::Code(3), json!({"exit_code": 3, "ended": "exit"})),
            (
                Exit::TimeLimit,
                json!({"exit_code": 124, "ended": "time-limit"}),
            ),
            (
                Exit::CpuLimit,
                json!({"exit_code": 137, "ended": "cpu-limit"}),
            ),
            (Exit::Killed, json!({"exit_code": 137, "ended": "killed"})),
            (
                Exit::Trap(trap.to_owned()),
                json!({"exit_code": 134, "ended": "trap", "trap": trap}),
            ),
        ] {
            assert_eq!(to_value(&exit).unwrap(), expected);
        }
    }
}
