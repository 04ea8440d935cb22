//! Puts a program that imports `sandbox:net/client` onto hosts that have `wasi:http` alone.

use std::borrow::Cow;

use sandbox_net_policy::baked;

use crate::connect::{Parts, connect};
use crate::error::ComposeError;
use crate::{commands, component};

/// The built provider (`guest/provider`).
const PROVIDER: &[u8] = include_bytes!("../sandbox_net_provider.wasm");
/// The built decider (`guest/decider`), with a place for a policy.
const DECIDER: &[u8] = include_bytes!("../sandbox_net_decider.wasm");

/// Who decides about requests.
#[derive(Clone, Copy, Debug)]
pub enum Decider<'a> {
    /// These policy files, which become part of the component. Each of them has to let a request pass.
    Policies(&'a [&'a str]),
    /// The host that runs the component: it imports `sandbox:net/policy`.
    Host,
}

/// How a program's exit code is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ExitCode {
    /// As it is, by `wasi:cli/exit.exit-with-code`, which the host has to have.
    Kept,
    /// As 0 or 1: every host can be told this much.
    OneBit,
}

/// Returns the component `program` with its network on `wasi:http`. It exports `wasi:cli/run`, as a command of WASI
/// does itself; of CPython it exports `run` as well.
///
/// Three more components are within it. The *provider* gives the program its network by way of
/// `wasi:http/outgoing-handler`. The *decider* has the policy, and is asked by the provider before anything
/// is done. The *launcher* exports `wasi:cli/run`, where the program does not. Nothing else of it reaches `wasi:http`.
///
/// ```no_run
/// use sandbox_net_compose::{Decider, ExitCode, on_wasi_http};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let python = std::fs::read("python.component.wasm")?;
/// let policy = std::fs::read_to_string("policy.toml")?;
/// let app = on_wasi_http(&python, Decider::Policies(&[&policy]), ExitCode::Kept)?;
/// std::fs::write("app.wasm", app)?; // wasmtime run -W exceptions -S http,cli-exit-with-code app.wasm
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// A [`ComposeError`] if the component does not import `sandbox:net/client` as this version of sandbox-net has
/// it, or exports neither `run` nor `wasi:cli/run`, if it imports other ways that may lead to a network, such as
/// `wasi:sockets`, or if a policy can't become part of a component.
pub fn on_wasi_http(
    program: &[u8],
    decider: Decider<'_>,
    exit_code: ExitCode,
) -> Result<Vec<u8>, ComposeError> {
    let decider = match decider {
        Decider::Host => None,
        Decider::Policies(files) => {
            let mut module = Cow::Borrowed(DECIDER);
            baked::bake(module.to_mut(), files)?;
            Some(component(&module)?)
        }
    };
    connect(&Parts {
        program,
        provider: component(PROVIDER)?,
        decider,
        launcher: commands::launcher(exit_code)?,
        exit: match exit_code {
            ExitCode::Kept => None,
            ExitCode::OneBit => Some(commands::one_bit()?),
        },
    })
}
