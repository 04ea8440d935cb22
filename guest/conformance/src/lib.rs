//! Checks how a host implements `sandbox:net`: runs a list of behaviours against the servers of
//! `server.py`, and prints a line for each.
//!
//! The arguments are the lines that `server.py` prints. README.md says what the lines mean.
#![allow(missing_docs, reason = "a program")]

mod behaviours;
mod drive;
mod servers;

use behaviours::{Behaviour, GROUPS};
use command::wasi::cli::{environment, stdout};
use servers::Servers;

mod command {
    #![allow(
        clippy::undocumented_unsafe_blocks,
        unsafe_op_in_unsafe_fn,
        reason = "generated"
    )]
    wit_bindgen::generate!({
        path: ["../rust/wit", "wit"],
        world: "sandbox-net:command/command",
        with: {
            "wasi:io/error@0.2.12": sandbox_net_guest::bindings::wasi::io::error,
            "wasi:io/poll@0.2.12": sandbox_net_guest::bindings::wasi::io::poll,
            "wasi:io/streams@0.2.12": sandbox_net_guest::bindings::wasi::io::streams,
        },
        generate_all,
    });
}

struct Conformance;
command::export!(Conformance with_types_in command);

/// How one behaviour came out.
enum Outcome {
    Ok,
    Failed(String),
    Skipped(String),
}

impl command::exports::wasi::cli::run::Guest for Conformance {
    fn run() -> Result<(), ()> {
        let arguments: Vec<String> = environment::get_arguments().into_iter().skip(1).collect();
        let servers = match Servers::read(&arguments) {
            Ok(servers) => servers,
            Err(why) => {
                say(&format!("the arguments are wrong: {why}"));
                return Err(());
            }
        };
        let (mut ok, mut failed, mut skipped) = (0, 0, 0);
        for (group, table) in GROUPS {
            for behaviour in *table {
                let name = format!("{group}: {}", behaviour.name);
                if !servers.runs(&name) {
                    continue;
                }
                match outcome(behaviour, &servers) {
                    Outcome::Ok => {
                        ok += 1;
                        say(&format!("ok {name}"));
                    }
                    Outcome::Failed(why) => {
                        failed += 1;
                        say(&format!("failed {name}: {why}"));
                    }
                    Outcome::Skipped(why) => {
                        skipped += 1;
                        say(&format!("skipped {name}: {why}"));
                    }
                }
            }
        }
        say(&format!("{ok} ok, {failed} failed, {skipped} skipped"));
        if failed == 0 { Ok(()) } else { Err(()) }
    }
}

fn outcome(behaviour: &Behaviour, servers: &Servers) -> Outcome {
    for need in behaviour.needs {
        if !servers.has(need) {
            return Outcome::Skipped(format!("there is no argument '{need}'"));
        }
    }
    match (behaviour.check)(servers) {
        Ok(()) => Outcome::Ok,
        Err(why) => Outcome::Failed(why.to_string()),
    }
}

fn say(line: &str) {
    let out = stdout::get_stdout();
    // What a host tells is a line, whatever it says.
    let line = line.replace(['\n', '\r'], " ") + "\n";
    for part in line.as_bytes().chunks(4096) {
        // Nobody reads any more.
        let _ = out.blocking_write_and_flush(part);
    }
}
