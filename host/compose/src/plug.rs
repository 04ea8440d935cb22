//! Plugs the middleware into a component.

use wac_graph::{CompositionGraph, EncodeOptions};

use crate::error::ComposeError;
use crate::graph::{imports, of_graph, package, unversioned};
use crate::ways::{CLIENT, CLIENT_VERSION};

/// Returns a component that is `guest`, with `middleware` for its import of `wasi:http/client`, as
/// `wac plug --plug middleware.wasm guest.wasm` makes it. Its other imports stay: see
/// [`other_ways`](crate::other_ways).
///
/// # Errors
///
/// If one of them is not a component, and if `guest` does not import exactly one
/// `wasi:http/client`, of a version that fits.
pub fn plug(middleware: &[u8], guest: &[u8]) -> Result<Vec<u8>, ComposeError> {
    require_one_client(imports(guest)?)?;
    let mut graph = CompositionGraph::new();
    let socket = package("sandbox-net:guest", guest, &mut graph)?;
    let plug = package("sandbox-net:middleware", middleware, &mut graph)?;
    let socket = graph.register_package(socket).map_err(of_graph)?;
    let plug = graph.register_package(plug).map_err(of_graph)?;
    wac_graph::plug(&mut graph, vec![plug], socket).map_err(of_graph)?;
    graph.encode(EncodeOptions::default()).map_err(of_graph)
}

/// A second version would be left to the host, past the policy.
fn require_one_client(imports: Vec<String>) -> Result<(), ComposeError> {
    let is_http = |import: &String| import.starts_with("wasi:http/");
    let is_client = |import: &&String| unversioned(import) == CLIENT;
    let mut clients = imports.iter().filter(is_client);
    match (clients.next(), clients.next()) {
        (Some(_), None) => Ok(()),
        (Some(one), Some(other)) => Err(ComposeError::TwoClients(one.clone(), other.clone())),
        (None, _) => Err(ComposeError::NoClient {
            wanted: CLIENT_VERSION,
            found: imports.into_iter().filter(is_http).collect(),
        }),
    }
}
