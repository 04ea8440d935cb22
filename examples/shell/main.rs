//! The command `sandbox-net run` in its smallest form: `shell SCRIPT [--allow RULE]... [--audit FILE]`.
//!
//! It uses nothing but the public interface of `sandbox-net`. The test compares it with the command line.

use std::process::ExitCode;

use sandbox_net::{Output, Sandbox, Script, Stdin};

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("shell: {error}");
            ExitCode::from(125)
        }
    }
}

async fn run() -> anyhow::Result<u8> {
    let mut args = std::env::args().skip(1);
    let Some(script) = args.next() else {
        anyhow::bail!("usage: shell SCRIPT [--allow RULE]... [--audit FILE]");
    };
    let mut sandbox = Sandbox::builder()
        .name(format!("run-{}", std::process::id()))
        .stdin(Stdin::Inherit)
        .stdout(Output::Inherit)
        .stderr(Output::Inherit);
    while let Some(option) = args.next() {
        sandbox = match (option.as_str(), args.next()) {
            ("--allow", Some(rule)) => sandbox.allow(rule),
            ("--audit", Some(file)) => sandbox.audit_file(file),
            _ => anyhow::bail!("the option {option} is unknown, or has no value"),
        };
    }
    let sandbox = sandbox.build().await?;
    let outcome = sandbox.run(Script::path(script)).await?;
    sandbox.close().await?;
    // The code in the operating system's form: its lowest eight bits.
    Ok(outcome.exit_code().to_le_bytes()[0])
}
