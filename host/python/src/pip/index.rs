//! Queries the user's indexes in one long-lived process: pip's own code, run as a module of its Python.
//!
//! Starting pip takes most of a second, and a resolution makes a hundred queries. pip promises no
//! interface for that, so a pip that answers differently, or that is not run as `PYTHON -m pip`, is
//! queried through its command line instead.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Pip, TARGET, tail};
use crate::error::Error;
use sandbox_net_process::{Running, TimeBox};

const PROGRAM: &str = include_str!("index.py");

/// How long pip's Python may take to start.
pub(super) const START: Duration = Duration::from_secs(60);
/// How often the time limit is checked.
const GLANCE: Duration = Duration::from_millis(200);

/// A process that answers queries of the user's indexes. Dropping it kills it.
pub(crate) struct Index {
    requests: ChildStdin,
    answers: Receiver<String>,
    _process: Running,
    within: TimeBox,
    errors: PathBuf,
    /// The files of pip's configuration, whether they exist or not, and the directories in which it
    /// looks.
    pub(crate) configuration: Vec<PathBuf>,
    /// Whether pip is configured to accept pre-releases.
    pub(crate) takes_pre_releases: bool,
}

/// A wheel that can be used.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Found {
    pub(crate) file: String,
    /// Identifies the wheel in a query of its metadata.
    pub(crate) url: String,
    pub(crate) yanked: bool,
}

/// What the indexes have of one project.
#[derive(Debug, Deserialize)]
pub(crate) struct Files {
    /// In order of pip's preference, the best last.
    pub(crate) files: Vec<Found>,
    /// The lines of pip's log about the files that it skips.
    pub(crate) skipped: Vec<String>,
    /// Indexes that gave no answer, in pip's words.
    pub(crate) faults: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Metadata {
    text: String,
}

#[derive(Deserialize)]
struct Ready {
    configuration: Vec<PathBuf>,
    pre: bool,
}

#[derive(Serialize)]
struct Request<'a> {
    id: usize,
    #[serde(flatten)]
    question: Question<'a>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Question<'a> {
    Project(&'a str),
    Metadata(&'a str),
}

#[derive(Deserialize)]
struct Answer<T> {
    id: usize,
    #[serde(flatten)]
    result: Outcome<T>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Outcome<T> {
    Fault { error: String },
    Result(T),
}

impl Pip {
    /// Opens the indexes for a target Python such as `3.15`; `directory` is empty and only for this
    /// process.
    ///
    /// `None` if this pip can't be used like this.
    pub(crate) fn index(&self, python: &str, directory: &Path) -> Result<Option<Index>, Error> {
        let [flags @ .., module, name] = self.arguments.as_slice() else {
            return Ok(None);
        };
        if (module.as_os_str(), name.as_os_str()) != ("-m".as_ref(), "pip".as_ref()) {
            return Ok(None);
        }
        let program = directory.join("index.py");
        fs::write(&program, PROGRAM).map_err(Error::io("write", &program))?;
        let errors = directory.join("errors");
        let stderr = File::create(&errors).map_err(Error::io("create", &errors))?;
        let python_pip = Pip {
            arguments: flags.to_vec(),
            ..self.clone()
        };
        let mut command = python_pip.start(directory);
        command.arg(&program).args(TARGET);
        command.args(["--python-version", python, "--no-input"]);
        command.arg("--disable-pip-version-check");
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr);
        command.envs(["TMPDIR", "TEMP", "TMP"].map(|name| (name, directory)));
        let failed = || Error::io("run", Path::new(&self.program));
        let mut process = self.within.spawn(&mut command).map_err(failed())?;
        let (Some(requests), Some(output)) =
            (process.child().stdin.take(), process.child().stdout.take())
        else {
            return Ok(None);
        };
        let (sender, answers) = mpsc::channel();
        // It ends with the process, which ends at the latest when it is dropped.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut index = Index {
            requests,
            answers,
            _process: process,
            within: self.within.clone(),
            errors,
            configuration: Vec::new(),
            takes_pre_releases: false,
        };
        let first = index.next(Some(self.start))?;
        let ready = first.and_then(|line| serde_json::from_str::<Ready>(&line).ok());
        Ok(ready.map(|ready| {
            index.configuration = ready.configuration;
            index.takes_pre_releases = ready.pre;
            index
        }))
    }
}

impl Index {
    /// The files of these projects in the indexes, in order; they are queried concurrently.
    pub(crate) fn files(&mut self, projects: &[&str]) -> Result<Vec<Result<Files, String>>, Error> {
        let questions: Vec<_> = projects
            .iter()
            .map(|name| Question::Project(name))
            .collect();
        self.ask(&questions)
    }

    /// The texts of the metadata of these wheels, by their URLs.
    pub(crate) fn metadata(&mut self, urls: &[&str]) -> Result<Vec<Result<String, String>>, Error> {
        let questions: Vec<_> = urls.iter().map(|url| Question::Metadata(url)).collect();
        let answers = self.ask::<Metadata>(&questions)?;
        Ok(answers
            .into_iter()
            .map(|answer| answer.map(|metadata| metadata.text))
            .collect())
    }

    fn ask<T: DeserializeOwned>(
        &mut self,
        questions: &[Question<'_>],
    ) -> Result<Vec<Result<T, String>>, Error> {
        let mut lines = String::new();
        for (id, question) in questions.iter().enumerate() {
            let question = *question;
            let request = serde_json::to_string(&Request { id, question });
            lines.push_str(&request.map_err(|error| self.failed(error.into()))?);
            lines.push('\n');
        }
        let sent = self.requests.write_all(lines.as_bytes());
        sent.and_then(|()| self.requests.flush())
            .map_err(|error| self.failed(error))?;
        let mut answers: Vec<_> = questions.iter().map(|_| None).collect();
        for _ in questions {
            let line = self.next(None)?;
            let line = line.ok_or_else(|| self.failed(io::ErrorKind::UnexpectedEof.into()))?;
            let answer: Answer<T> =
                serde_json::from_str(&line).map_err(|error| self.failed(error.into()))?;
            if let Some(place) = answers.get_mut(answer.id) {
                *place = Some(match answer.result {
                    Outcome::Result(value) => Ok(value),
                    Outcome::Fault { error } => Err(error),
                });
            }
        }
        let all: Option<Vec<_>> = answers.into_iter().collect();
        all.ok_or_else(|| self.failed(io::ErrorKind::InvalidData.into()))
    }

    /// The next line; `None` if the process has ended, or is silent for longer than `most`.
    fn next(&mut self, most: Option<Duration>) -> Result<Option<String>, Error> {
        let start = Instant::now();
        loop {
            match self.answers.recv_timeout(GLANCE) {
                Ok(line) => return Ok(Some(line)),
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.within.is_over() {
                return Err(Error::too_long("looking for packages", self.within.limit()));
            }
            if most.is_some_and(|most| start.elapsed() > most) {
                return Ok(None);
            }
        }
    }

    fn failed(&self, error: io::Error) -> Error {
        if self.within.is_over() {
            return Error::too_long("looking for packages", self.within.limit());
        }
        let output = fs::read(&self.errors).unwrap_or_default();
        let output = tail(&String::from_utf8_lossy(&output));
        let last = output.lines().last().unwrap_or_default();
        Error::Index {
            what: "packages".into(),
            detail: format!("pip's Python ended: {error} {last}").trim().into(),
        }
    }
}
