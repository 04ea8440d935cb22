//! The command `sandbox-net demo`.

use anyhow::bail;
use sandbox_net::{Engine, Output, Sandbox, Script, Verdict};

use crate::server::{Forbidden, Server};
use crate::{Failure, console, table};

const SCRIPT: &str = include_str!("demo.py");

pub(crate) async fn execute(engine: Engine) -> Result<u8, Failure> {
    let server = Server::start().await?;
    let forbidden = Forbidden::start().await?;
    let base = format!("https://localhost:{}", server.address.port());

    console::print(&format!(
        "A real Python program runs in a WebAssembly sandbox. It may talk to {base} only.\n"
    ))?;
    let sandbox = Sandbox::builder()
        .engine(engine)
        .allow(&base)
        .trust_ca_pem(server.ca_pem.as_bytes())
        .with_package("requests")
        .arg(&base)
        .arg(format!("https://localhost:{}", forbidden.address.port()))
        .stdout(Output::Inherit)
        .stderr(Output::Inherit)
        .build()
        .await?;
    let outcome = sandbox.run(Script::code(SCRIPT)).await?;

    let decisions = table::decisions(&outcome.decisions, &outcome.exchanges);
    console::print(&format!(
        "\nWhat the host decided:\n\n{}",
        decisions.trim_fmt()
    ))?;
    console::print(&format!(
        "\n{} requests reached the server; {} connections reached the host that was not allowed.",
        server.requests(),
        forbidden.connections()
    ))?;
    let recorded = outcome.exchanges.len();
    console::print(&format!("{recorded} exchanges are in the audit log."))?;
    let denied = outcome.decisions.iter().any(|d| d.verdict == Verdict::Deny);
    let complete = recorded as u64 == server.requests();
    if outcome.exit_code() != 0 || forbidden.connections() != 0 || !denied || !complete {
        bail!("the demo failed: the numbers above are not the expected ones");
    }
    Ok(0)
}
