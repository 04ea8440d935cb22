//! Runs a command confined, without a broker: `confined [--read PATH]… [--write PATH]… -- COMMAND ARGS…`.
//!
//! What the program sends to the broker's port is answered with one line by a stand-in.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    sandbox_net_native::confine::helper::run_if_asked();
    match linux::run() {
        Ok(code) => std::process::ExitCode::from(code),
        Err((code, error)) => {
            eprintln!("confined: {error}");
            std::process::ExitCode::from(code)
        }
    }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("confined: only Linux confines programs this way");
}

#[cfg(target_os = "linux")]
mod linux {
    use std::ffi::OsString;
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    use sandbox_net_native::confine::{Confinement, Limits, SpawnError};

    type Failure = (u8, String);

    pub(super) fn run() -> Result<u8, Failure> {
        let (confinement, command) = arguments()?;
        let mut prepared = confinement.prepare().map_err(failed)?;
        for listener in prepared.take_listeners() {
            thread::spawn(move || answer(&listener));
        }
        if prepared.is_weaker() {
            let listener =
                TcpListener::bind("127.0.0.1:0").map_err(|error| (125, error.to_string()))?;
            let address = listener
                .local_addr()
                .map_err(|error| (125, error.to_string()))?;
            thread::spawn(move || answer(&listener));
            let port = address.port().to_string();
            prepared = prepared
                .with(|confinement| confinement.broker(address).environment([("BROKER", port)]));
        }
        let mut program = prepared.spawn(command).map_err(failed)?;
        // Whoever reads the program's output waits for its end, not for this process's.
        let nothing = std::fs::File::options().write(true).open("/dev/null");
        if let Ok(nothing) = nothing {
            let _ = rustix::stdio::dup2_stdout(nothing);
        }
        let exit = program.wait().map_err(|error| (125, error.to_string()))?;
        Ok(exit.code().to_le_bytes()[0])
    }

    fn failed(error: SpawnError) -> Failure {
        let code = match error {
            SpawnError::NotFound(_) => 127,
            SpawnError::NotExecutable { .. } => 126,
            _ => 125,
        };
        (code, error.to_string())
    }

    /// A broker that says only that it is there.
    fn answer(listener: &TcpListener) {
        for connection in listener.incoming() {
            let Ok(mut connection) = connection else {
                return;
            };
            let _ = connection.write_all(b"the broker\n");
        }
    }

    fn arguments() -> Result<(Confinement, Vec<OsString>), Failure> {
        let wrong = |what: String| (125, what);
        let variables = std::env::vars_os().filter(|(name, _)| {
            ["PATH", "HOME", "LANG", "TERM", "TZ"]
                .iter()
                .any(|one| name == one)
        });
        let mut confinement = Confinement::new().environment(variables);
        let mut limits = Limits::default();
        let mut arguments = std::env::args_os().skip(1);
        while let Some(option) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(wrong("a value is missing".to_owned()))
            };
            let number = |value: OsString| {
                let text = value.to_string_lossy().into_owned();
                text.parse::<u64>()
                    .map_err(|error| wrong(format!("{text}: {error}")))
            };
            match option.to_str() {
                Some("--") => break,
                Some("--read") => confinement = confinement.read(value()?),
                Some("--write") => confinement = confinement.write(value()?),
                Some("--env") => {
                    let text = value()?.to_string_lossy().into_owned();
                    let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                    confinement = confinement.environment([(name, value)]);
                }
                Some("--memory") => limits.memory = Some(number(value()?)?),
                Some("--processes") => limits.processes = Some(number(value()?)?),
                Some("--port") => {
                    let port = number(value()?)?
                        .try_into()
                        .map_err(|_| wrong("no port".to_owned()))?;
                    confinement = confinement.port(port);
                }
                Some("--weaker") => {
                    confinement = confinement
                        .weaker()
                        .map_err(|error| wrong(error.to_string()))?;
                }
                Some("--size") => confinement = confinement.temporary_size(number(value()?)?),
                Some("--timeout-ms") => {
                    let time = std::time::Duration::from_millis(number(value()?)?);
                    confinement = confinement.timeout(time);
                }
                _ => return Err(wrong(format!("{}: unknown", option.to_string_lossy()))),
            }
        }
        Ok((confinement.limits(limits), arguments.collect()))
    }
}
