//! The files of `shim/`, as they are in the repository.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::componentize::Capability;

macro_rules! shim {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../shim/sandbox_net/", $name)))),*]
    };
}

/// The program that compiles the packages of a sandbox, inside of one.
pub const COMPILE_PACKAGES: &str = include_str!("../shim/compile_packages.py");

/// What the interpreter runs before the snapshot.
pub(super) const BOOTSTRAP: &str = include_str!("../shim/bootstrap.py");

/// What it runs as its last turn before the snapshot.
pub(super) const SETTLE: &str = "import sandbox_net.settled as settled; settled.settle()";

/// The files of every interpreter. They ask the host for nothing before a program connects, which a
/// program without a network cannot.
const EVERYWHERE: &[(&str, &str)] = shim![
    "__init__.py",
    "after_import.py",
    "anyio_threads.py",
    "at_exit.py",
    "buffers.py",
    "certificate.py",
    "ciphers.py",
    "client_certificate.py",
    "completion.py",
    "cooperation.py",
    "der.py",
    "digests.py",
    "display.py",
    "ending.py",
    "ending_holders.py",
    "ending_leftovers.py",
    "ending_modules.py",
    "entry.py",
    "exits.py",
    "file_locks.py",
    "finder.py",
    "forked.py",
    "fresh.py",
    "import_record.py",
    "interactive.py",
    "live_locks.py",
    "main_program.py",
    "memory_bio.py",
    "memory_library.py",
    "oids.py",
    "os_functions.py",
    "pem.py",
    "pipes.py",
    "pools.py",
    "portable.py",
    "prepare.py",
    "processes.py",
    "ready_modules.py",
    "rehearsal.py",
    "resumable.py",
    "rlock.py",
    "session.py",
    "session_wire.py",
    "settled.py",
    "signals.py",
    "snapshots.py",
    "ssl_constants.py",
    "ssl_errors.py",
    "ssl_module.py",
    "streams.py",
    "thread_locals.py",
    "thread_waits.py",
    "threads.py",
    "tls_context.py",
    "tls_host_settings.py",
    "tls_request.py",
    "tls_session.py",
    "tls_settings.py",
    "trust.py",
    "turns.py",
    "uncaught.py",
    "unsupported.py",
    "users.py",
];

/// The files that install the replacements, only for interpreters with a network.
const NETWORK: &[(&str, &str)] = shim![
    "addresses.py",
    "answers.py",
    "anyio_refusals.py",
    "channel.py",
    "connecting.py",
    "connection.py",
    "constants.py",
    "control.py",
    "endpoint.py",
    "errors.py",
    "event_loop.py",
    "exchange.py",
    "http1_request.py",
    "http1_response.py",
    "inbox.py",
    "inet.py",
    "install.py",
    "lookup.py",
    "names.py",
    "own_address.py",
    "pair.py",
    "polling.py",
    "rehearsal_clients.py",
    "rehearsal_network.py",
    "sending.py",
    "severed.py",
    "shared_address.py",
    "socket_arguments.py",
    "socket_module.py",
    "sockets.py",
    "stock.py",
    "tls_bio.py",
    "tls_records.py",
    "tls_socket.py",
    "told_refusals.py",
    "waiting.py",
];

/// Writes the package into the directory `into`, with the files for this capability.
pub(super) fn write_to(into: &Path, capability: Capability) -> io::Result<()> {
    let package = into.join("sandbox_net");
    std::fs::create_dir_all(&package)?;
    for (name, text) in files(capability) {
        std::fs::write(package.join(name), text)?;
    }
    Ok(())
}

fn files(capability: Capability) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    let network = match capability {
        Capability::Network => NETWORK,
        Capability::None => &[],
    };
    EVERYWHERE.iter().chain(network)
}

/// A hash of everything from here in the snapshot, for the key of its cache entry.
pub(super) fn digest(capability: Capability) -> [u8; 32] {
    let mut hash = Sha256::new();
    for (name, text) in files(capability).chain([&("bootstrap.py", BOOTSTRAP)]) {
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_file_of_the_shim_is_embedded() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/sandbox_net");
        let there: BTreeSet<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".py"))
            .collect();
        let embedded = files(Capability::Network)
            .map(|(name, _)| (*name).to_owned())
            .collect();
        assert_eq!(there, embedded);
    }
}
