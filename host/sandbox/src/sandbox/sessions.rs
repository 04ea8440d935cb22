//! The sessions of a sandbox.

use std::sync::Arc;

use super::{Sandbox, smaller};
use crate::capture::CAPTURE_LIMIT;
use crate::checks;
use crate::error::Error;
use crate::guest::{Guest, MEMORY};
use crate::run_options::{RunOptions, UNBUFFERED};
use crate::runtime;
use crate::session::{self, Session, SessionOptions};
use crate::stdio::{Destination, Input, Output};

impl Sandbox {
    /// Starts a session: [`session_with`](Self::session_with) without options.
    ///
    /// # Errors
    ///
    /// As for that function.
    pub async fn session(&self) -> Result<Session, Error> {
        self.session_with(SessionOptions::new()).await
    }

    /// Starts one interpreter that runs source texts in turns, and keeps what they define.
    ///
    /// It shares with runs of this sandbox what they share with each other: see [`start`](Self::start).
    /// The sandbox's time limit is one of each turn, its CPU and memory limits are the session's.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future starts nothing.
    pub async fn session_with(&self, options: SessionOptions) -> Result<Session, Error> {
        runtime::check_for(self.settings.capability)?;
        let options = options.run;
        options.check(&self.settings.network.vault)?;
        self.check_streams(&options)?;
        runtime::alive(self.begin_session(options)).await
    }

    async fn begin_session(&self, options: RunOptions) -> Result<Session, Error> {
        let interpreter = self.interpreter().await?;
        let gateway = self.gateway.next_run();
        let own = options.stdin.clone().map(Input::new);
        let stdin = own.as_ref().unwrap_or(&self.settings.stdin);
        let (source, stdin) = stdin.source(gateway.memory())?;
        let (origin, settings) = self.origin_of_session(options)?;
        Session::begin(session::Begin {
            guest: Guest {
                engine: self.engine.clone(),
                interpreter,
                args: origin.args.clone(),
                env: origin.env.clone(),
                stdin: source,
                preopens: self.preopens(None),
                gateway,
                memory: origin.memory,
                cpu: origin.cpu,
            },
            keeps: session::Keeps {
                root: Arc::clone(&self.root),
                _tracked: self.tracked(),
            },
            settings,
            origin,
            stdin,
            closing: self.closing(),
        })
        .await
    }

    /// What a session with these options begins with, and its turns.
    pub(crate) fn origin_of_session(
        &self,
        options: RunOptions,
    ) -> Result<(session::Origin, session::Settings), Error> {
        let env = self.environment_with(&options);
        let settings = &self.settings;
        let mut args = vec!["python".to_owned()];
        args.extend(settings.args.iter().chain(&options.args).cloned());
        checks::arguments(&args)?;
        checks::environment(&env)?;
        let to = |own: Option<Output>, make: fn(Output) -> Destination, other: &Destination| {
            own.map_or_else(|| other.clone(), make)
        };
        let captured = smaller(Some(settings.captured), options.captured);
        let turns = session::Settings {
            stdout: to(options.stdout, Destination::stdout, &settings.stdout),
            stderr: to(options.stderr, Destination::stderr, &settings.stderr),
            captured: captured.unwrap_or(CAPTURE_LIMIT),
            time: smaller(settings.time, options.time),
            requests: options.requests,
            deadline: settings.deadline,
        };
        let origin = session::Origin {
            settings: settings.clone(),
            gateway: self.gateway.clone(),
            is_unbuffered: env.get(UNBUFFERED).is_some_and(|value| !value.is_empty()),
            env,
            args,
            memory: smaller(Some(settings.memory), options.memory).unwrap_or(MEMORY),
            cpu: smaller(settings.cpu, options.cpu),
        };
        Ok((origin, turns))
    }
}
