//! The command `sandbox-net run`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{ArgGroup, Args};
use sandbox_net::python::progress;
use sandbox_net::{
    AuditStderr, Exit, Outcome, Output, Sandbox, SandboxBuilder, Script, Snapshot, Stdin, Verdict,
};

use crate::sandbox_options::{LimitOptions, SandboxOptions, attend};
use crate::script_wishes::{Wishes, read_once};
use crate::supervise::{Deadline, say};
use crate::values::time;
use crate::{Failure, hint, json, missing_module};

#[derive(Args)]
#[command(
    override_usage = "sandbox-net run [OPTIONS] <SCRIPT | - | -c CODE | -m MODULE> [ARGS]..."
)]
#[command(mut_arg("audit", |arg| arg.help(
    "Append the audit log to this file as JSON lines; with --json, '-' writes it to stderr"
)))]
#[command(mut_arg("prepare_timeout", |arg| arg.help(
    "Stop fetching or compiling the interpreter, or packages, after this time each; --timeout does not \
     count these steps"
)))]
#[command(group(ArgGroup::new("program").required(true).args(["script", "code", "module"])))]
pub(crate) struct Run {
    #[command(flatten)]
    sandbox: SandboxOptions,
    /// Add the packages listed in this file: one requirement per line, no options, no URLs
    #[arg(long, value_name = "FILE")]
    with_requirements: Vec<PathBuf>,
    /// Begin with this snapshot, which sandbox-net snapshot made, and with its packages
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
    /// Grant the rules that the script requests under [tool.sandbox-net] in its metadata comment
    #[arg(long)]
    allow_requested: bool,
    /// Stop the run after this time, counted from the start of the command: 30s, 500ms, 2m
    #[arg(long, value_name = "TIME", value_parser = time)]
    timeout: Option<Duration>,
    #[command(flatten)]
    limits: LimitOptions,
    /// Print one JSON object with the output, the exit code and every network decision
    #[arg(long)]
    json: bool,
    /// Run this code; everything after it is an argument of the program
    #[arg(short = 'c', value_names = ["CODE", "ARGS"], num_args = 1.., allow_hyphen_values = true)]
    code: Option<Vec<String>>,
    /// Run this module; everything after it is an argument of the program
    #[arg(
        short = 'm', value_names = ["MODULE", "ARGS"], num_args = 1.., allow_hyphen_values = true,
        conflicts_with = "code"
    )]
    module: Option<Vec<String>>,
    /// Run this file, or '-' for stdin; everything after it is an argument of the program
    #[arg(
        value_names = ["SCRIPT", "ARGS"], trailing_var_arg = true, allow_hyphen_values = true
    )]
    script: Vec<String>,
}

impl Run {
    /// The time limit counts from `start`, except while the interpreter and packages are prepared.
    pub(crate) async fn execute(
        mut self,
        cache_dir: Option<PathBuf>,
        mut start: Instant,
        deadline: Deadline,
    ) -> Result<u8, Failure> {
        let ends = |start: Instant| self.timeout.and_then(|limit| start.checked_add(limit));
        deadline.set(ends(start));
        let module = self.module.iter().flatten().next();
        if module.is_some_and(|name| name == "pip" || name.starts_with("pip.")) {
            bail!(missing_module::NO_PIP);
        }
        let (script, args) = self.program()?;
        let mut sandbox = self.directories(Sandbox::builder());
        // Check first: nothing must be read from where an earlier run could have written.
        sandbox.check()?;
        let name = self.script.first().cloned();
        let source = match name.clone() {
            Some(name) => read_once(name).await?,
            None => None,
        };
        let (asking, requirements) = (name.as_deref(), &self.with_requirements);
        let wishes = Wishes::read(asking, source.as_deref(), requirements)?;
        if wishes.asks_for_rules() {
            // The time that the person takes is not the program's.
            let asked = Instant::now();
            deadline.set(None);
            let granted = wishes.granted(self.allow_requested).await;
            self.sandbox.policy.allow.extend(granted);
            start += asked.elapsed();
            deadline.set(ends(start));
        }
        self.sandbox.packages.extend(wishes.packages);
        sandbox = self.limits.apply(sandbox)?.stdin(Stdin::Inherit);
        let script = match (source, name.as_deref()) {
            // With `-` the program's stdin is its source.
            (Some(source), Some("-")) => {
                sandbox = sandbox.stdin(Stdin::Bytes(source));
                script
            }
            (Some(source), Some(name)) => Script::named(name, source),
            _ => script,
        };
        let log = &mut self.sandbox.audit;
        let logs_to_stderr = log.take_if(|path| path.as_os_str() == "-").is_some();
        sandbox = self.sandbox.apply(sandbox, "run")?;
        if logs_to_stderr {
            sandbox = sandbox.audit_sink(AuditStderr);
        }
        for arg in args {
            sandbox = sandbox.arg(arg);
        }
        // The deadline below is earlier; an invalid limit is reported here.
        if let Some(limit) = self.timeout {
            sandbox = sandbox.time_limit(limit);
        }
        if !self.json {
            sandbox = sandbox.stdout(Output::Inherit).stderr(Output::Inherit);
        }
        // Report mistakes in the arguments before fetching a distribution.
        sandbox.check()?;
        let policy = sandbox.effective_policy()?;
        sandbox = attend(sandbox, &policy);
        if let Some(grant) = policy.tunnel_grants().next() {
            say(&format!(
                "'{grant}' of 'tunnel' has no effect here: tunnels serve native programs \
                 (sandbox-net native run)"
            ));
        }
        let spent = start.elapsed();
        deadline.set(None);
        let limit = Some(self.limits.prepare_timeout);
        // A log must not contain lines of another kind.
        let engine = match logs_to_stderr {
            true => crate::engine(cache_dir, None, limit, progress::Silent).await?,
            false => crate::engine(cache_dir, None, limit, progress::Terminal).await?,
        };
        if let Some(path) = &self.snapshot {
            sandbox = sandbox.snapshot(Snapshot::open(&engine, path).await?);
        }
        sandbox = sandbox.engine(engine).prepare().await?;
        // As if the preparation had taken no time.
        let end = self.timeout.map(|limit| limit.saturating_sub(spent));
        let end = end.and_then(|left| Instant::now().checked_add(left));
        if let Some(end) = end {
            deadline.set(Some(end));
            sandbox = sandbox.deadline(end);
        }
        let sandbox = sandbox.build().await?;
        let outcome = sandbox.run(script).await?;
        // What the program left on the disk is bounded, and removing it is not the program's time:
        // the result must not be lost for it.
        deadline.set(None);
        let closed = sandbox.close().await;
        deadline.set(end.map(|end| end.max(Instant::now())));
        if self.json {
            json::print(&outcome, hint::hint(&outcome, policy.denies_everything()))?;
        } else {
            explain(&outcome, policy.denies_everything());
            for reached in outcome.budgets_reached() {
                say(&reached.message);
            }
            let reported = outcome
                .decisions
                .iter()
                .filter(|it| it.verdict == Verdict::Report);
            if let count @ 1.. = reported.count() {
                say(&format!(
                    "mode 'report': {count} decisions would have been denials"
                ));
            }
        }
        if let Err(error) = closed {
            say(&error.to_string());
        }
        Ok(exit_code(&outcome))
    }

    /// Mounts the directories, and protects the files that the program must not be able to replace, by
    /// the names of their options.
    fn directories(&self, sandbox: SandboxBuilder) -> SandboxBuilder {
        let more = [
            (self.snapshot.as_slice(), "--snapshot"),
            (self.with_requirements.as_slice(), "--with-requirements"),
        ];
        let sandbox = self.sandbox.mount(sandbox, more);
        match self.script_file() {
            Some(script) => sandbox.protect(script, "the script"),
            None => sandbox,
        }
    }

    /// The script, if it is a file.
    fn script_file(&self) -> Option<&Path> {
        let script = self.script.first().filter(|script| *script != "-");
        script.map(Path::new)
    }

    fn program(&self) -> Result<(Script, Vec<String>), Failure> {
        let words = self.code.as_ref().or(self.module.as_ref());
        let words = words.unwrap_or(&self.script);
        let (first, args) = words.split_first().expect("clap requires one word");
        let script = match first.as_str() {
            code if self.code.is_some() => Script::code(code),
            name if self.module.is_some() => Script::module(name),
            "-" => Script::stdin(),
            path => {
                // Do not open it: a named pipe can be opened only once, by its reader.
                let found = std::fs::metadata(path);
                if found.is_err() && path.starts_with("--") {
                    bail!(
                        "{path} is no option of 'run', and there is no script of that name: see 'sandbox-net run --help'"
                    );
                }
                found.with_context(|| format!("the script {path}"))?;
                Script::path(path)
            }
        };
        Ok((script, args.to_vec()))
    }
}

/// Reports on stderr what the program itself could not.
fn explain(outcome: &Outcome, had_no_network: bool) {
    match &outcome.exit {
        Exit::Code(_) => {
            if let Some(hint) = hint::hint(outcome, had_no_network) {
                say(&hint);
            }
        }
        Exit::TimeLimit => say("the time limit ended the program"),
        Exit::CpuLimit => say("the CPU limit ended the program"),
        Exit::Trap(why) => say(&format!("the interpreter could not go on: {why}")),
        other => say(&format!("the program ended: {other:?}")),
    }
}

/// The code in the operating system's form: its lowest eight bits.
fn exit_code(outcome: &Outcome) -> u8 {
    outcome.exit_code().to_le_bytes()[0]
}
