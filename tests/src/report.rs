//! Reads what a program of `programs/` printed.

use serde_json::{Value, json};

/// The outcome in a line of a report, to compare with that of the same program on the other side:
/// the result, or these `parts` of the exception that the program saw, such as its `type`.
pub fn outcome(line: &Value, parts: &[&str]) -> Value {
    match line.get("result") {
        Some(result) => json!({ "result": result }),
        None => {
            let error = &line["errors"][0];
            let told: Vec<_> = parts.iter().map(|part| &error[part]).collect();
            json!({ "raises": told })
        }
    }
}

/// The output of one run of a program: JSON objects, one a line, each with its `case`.
#[derive(Clone, Debug)]
pub struct Report {
    /// The runner of the program, for messages.
    runner: &'static str,
    /// The lines in order.
    pub lines: Vec<Value>,
}

impl Report {
    /// Reads the output of a run that must have succeeded.
    ///
    /// # Panics
    ///
    /// When the exit code is not 0 or a line is not JSON; the message shows stdout and stderr.
    pub fn of_success(runner: &'static str, code: i32, stdout: &[u8], stderr: &[u8]) -> Self {
        let stdout = String::from_utf8_lossy(stdout);
        let stderr = String::from_utf8_lossy(stderr);
        assert_eq!(code, 0, "exit code of the {runner} run\n{stdout}\n{stderr}");
        let line = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|_| {
                panic!("the {runner} run printed a line that is no JSON: {line}\n{stderr}")
            })
        };
        Self {
            runner,
            lines: stdout.lines().map(line).collect(),
        }
    }

    /// The line of `case`.
    ///
    /// # Panics
    ///
    /// When there is none; the message shows all lines.
    #[track_caller]
    pub fn case(&self, case: &str) -> &Value {
        let found = self.lines.iter().find(|line| line["case"] == case);
        found.unwrap_or_else(|| panic!("no case {case} in the {} run: {self}", self.runner))
    }

    /// The result of `case`.
    ///
    /// # Panics
    ///
    /// When there is no such case or it raised an exception.
    #[track_caller]
    pub fn result(&self, case: &str) -> &Value {
        let line = self.case(case);
        line.get("result")
            .unwrap_or_else(|| panic!("{case} failed: {line}"))
    }

    /// The exceptions that `case` raised: the one that the program saw, then those inside it.
    ///
    /// # Panics
    ///
    /// When there is no such case or it raised none.
    #[track_caller]
    pub fn errors(&self, case: &str) -> &[Value] {
        let line = self.case(case);
        let errors = line.get("errors").and_then(Value::as_array);
        errors.unwrap_or_else(|| panic!("{case} raised nothing: {line}"))
    }

    /// The exception of `case`, or one inside it, whose type is `name`, such as `PermissionError`
    /// or `requests.exceptions.ConnectionError`.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn error(&self, case: &str, name: &str) -> &Value {
        let errors = self.errors(case);
        let found = errors.iter().find(|error| error["type"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {case}: {errors:#?}"))
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.lines {
            writeln!(formatter, "{line}")?;
        }
        Ok(())
    }
}
