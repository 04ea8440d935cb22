//! Reads components, and tells what is wrong with them.

use wac_graph::CompositionGraph;
use wac_graph::types::Package;

use crate::error::ComposeError;

/// The names of all imports of a component.
pub(crate) fn imports(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut graph = CompositionGraph::new();
    let package = package("component", component, &mut graph)?;
    let imports = graph.types()[package.ty()].imports.keys();
    Ok(imports.cloned().collect())
}

/// The names of all exports of a component.
pub(crate) fn exports(component: &[u8]) -> Result<Vec<String>, ComposeError> {
    let mut graph = CompositionGraph::new();
    let package = package("component", component, &mut graph)?;
    let exports = graph.types()[package.ty()].exports.keys();
    Ok(exports.cloned().collect())
}

/// A component, for the graph that it becomes a part of.
pub(crate) fn package(
    name: &str,
    component: &[u8],
    graph: &mut CompositionGraph,
) -> Result<Package, ComposeError> {
    let package = Package::from_bytes(name, None, component.to_vec(), graph.types_mut());
    package.map_err(|error| ComposeError::NotAComponent(format!("{error:#}")))
}

/// The name of an interface without its version.
pub(crate) fn unversioned(import: &str) -> &str {
    import.split('@').next().unwrap_or(import)
}

/// An error with its causes, on one line.
pub(crate) fn of_graph(error: impl std::error::Error) -> ComposeError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    ComposeError::Graph(text.replace('\n', " "))
}
