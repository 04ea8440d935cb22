//! Plugs middlewares into a component.

use wac_graph::types::are_semver_compatible;
use wac_graph::{CompositionGraph, EncodeOptions};

use crate::error::ComposeError;
use crate::graph::{exports, imports, of_graph, package, unversioned};
use crate::middleware::Wasi;

/// Returns a component that is `guest`, with a middleware for each of its imports that send requests, as
/// `wac plug --plug middleware.wasm guest.wasm` makes it. Its other imports stay: see
/// [`other_ways`](crate::other_ways).
///
/// # Errors
///
/// If one of them is not a component, and if `guest` sends requests by an interface that none of the middlewares
/// exports in a version that fits, by two versions of one, or by none.
pub fn plug(middlewares: &[&[u8]], guest: &[u8]) -> Result<Vec<u8>, ComposeError> {
    let mut exported = Vec::new();
    for middleware in middlewares {
        exported.extend(exports(middleware)?);
    }
    require_middlewares(&exported, imports(guest)?)?;
    let mut graph = CompositionGraph::new();
    let socket = package("sandbox-net:guest", guest, &mut graph)?;
    let socket = graph.register_package(socket).map_err(of_graph)?;
    let mut plugs = Vec::new();
    for (number, middleware) in middlewares.iter().enumerate() {
        let name = format!("sandbox-net:middleware{number}");
        let plug = package(&name, middleware, &mut graph)?;
        plugs.push(graph.register_package(plug).map_err(of_graph)?);
    }
    wac_graph::plug(&mut graph, plugs, socket).map_err(of_graph)?;
    graph.encode(EncodeOptions::default()).map_err(of_graph)
}

/// What no middleware decides about would be left to the host, past the policy.
fn require_middlewares(exported: &[String], imports: Vec<String>) -> Result<(), ComposeError> {
    let is_sender = |import: &&String| {
        let mut senders = Wasi::ALL.iter().map(|wasi| wasi.interface());
        senders.any(|sender| unversioned(sender) == unversioned(import))
    };
    let is_decided = |import: &&String| {
        let mut exported = exported.iter();
        exported.any(|export| export == *import || are_semver_compatible(export, import))
    };
    let (decided, others): (Vec<&String>, Vec<_>) =
        imports.iter().filter(is_sender).partition(is_decided);
    for (number, one) in decided.iter().enumerate() {
        let is_other = |other: &&&String| unversioned(other) == unversioned(one);
        if let Some(other) = decided[..number].iter().find(is_other) {
            return Err(ComposeError::TwoClients((*other).clone(), (*one).clone()));
        }
    }
    match (decided.is_empty(), others.first()) {
        (false, None) => Ok(()),
        (false, Some(other)) => Err(ComposeError::Undecided((*other).clone())),
        (true, _) => {
            let is_http = |import: &String| import.starts_with("wasi:http/");
            Err(ComposeError::NoClient {
                found: imports.into_iter().filter(is_http).collect(),
            })
        }
    }
}
