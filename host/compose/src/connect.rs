//! Connects what the components of a program on `wasi:http` import and export.

use wac_graph::{CompositionGraph, EncodeOptions, NodeId, PackageId};

use crate::error::ComposeError;
use crate::graph::{of_graph, package, unversioned};
use crate::ways::past_provider;

const CLIENT: &str = "sandbox:net/client@0.1.0";
const POLICY: &str = "sandbox:net/policy@0.1.0";
const TYPES: &str = "sandbox:net/types@0.1.0";
const EXIT: &str = "wasi:cli/exit@0.2.12";
const CLI_RUN: &str = "wasi:cli/run@0.2.12";
const RUN: &str = "run";
/// What a command exports itself.
const COMMAND: &str = "wasi:cli/run@0.2";

/// What becomes one component.
pub(crate) struct Parts<'a> {
    pub(crate) program: &'a [u8],
    pub(crate) provider: Vec<u8>,
    /// Without one the policy is the host's.
    pub(crate) decider: Option<Vec<u8>>,
    pub(crate) launcher: Vec<u8>,
    /// What stands in for the host's `wasi:cli/exit`.
    pub(crate) exit: Option<Vec<u8>>,
}

/// Connects them.
pub(crate) fn connect(parts: &Parts<'_>) -> Result<Vec<u8>, ComposeError> {
    let mut graph = Graph(CompositionGraph::new());
    let program = graph.add("program", parts.program)?;
    let command = graph.check(program)?;
    let provider = graph.add("provider", &parts.provider)?;

    let program = graph.0.instantiate(program);
    let provider = graph.0.instantiate(provider);
    if let Some(decider) = &parts.decider {
        let decider = graph.add("decider", decider)?;
        let decider = graph.0.instantiate(decider);
        graph.connect(decider, provider, &[POLICY, TYPES])?;
    }
    graph.connect(provider, program, &[CLIENT, TYPES])?;
    if let Some(exit) = &parts.exit
        && graph.imports(program, EXIT)
    {
        let exit = graph.add("exit", exit)?;
        let exit = graph.0.instantiate(exit);
        graph.connect(exit, program, &[EXIT])?;
    }
    match command {
        Some(run) => graph.export(program, &run)?,
        None => {
            let launcher = graph.add("launcher", &parts.launcher)?;
            let launcher = graph.0.instantiate(launcher);
            graph.connect(program, launcher, &[RUN])?;
            graph.export(program, RUN)?;
            graph.export(launcher, CLI_RUN)?;
        }
    }
    let encoded = graph.0.encode(EncodeOptions::default());
    encoded.map_err(of_graph)
}

struct Graph(CompositionGraph);

impl Graph {
    fn add(&mut self, name: &str, component: &[u8]) -> Result<PackageId, ComposeError> {
        let name = format!("sandbox-net:{name}");
        let package = package(&name, component, &mut self.0)?;
        self.0.register_package(package).map_err(of_graph)
    }

    /// Whether the component is one that a provider serves, and that runs; the name of its `wasi:cli/run` if it
    /// has that itself.
    fn check(&self, program: PackageId) -> Result<Option<String>, ComposeError> {
        let world = &self.0.types()[self.0[program].ty()];
        let command = world.exports.keys();
        let command = command
            .filter(|name| name.starts_with(COMMAND))
            .max()
            .cloned();
        for (does, what, items, has) in [
            ("import", CLIENT, &world.imports, false),
            ("export", RUN, &world.exports, command.is_some()),
        ] {
            if has || items.contains_key(what) {
                continue;
            }
            let is_other = |name: &&String| unversioned(name) == unversioned(what);
            let found = items.keys().find(is_other).cloned();
            return Err(ComposeError::Lacks { does, what, found });
        }
        let ways = past_provider(world.imports.keys().map(String::as_str));
        match ways.is_empty() {
            true => Ok(command),
            false => Err(ComposeError::OtherWays(ways)),
        }
    }

    /// Gives an instance those of another one's exports that it imports; the first one it has to import.
    fn connect(&mut self, from: NodeId, to: NodeId, names: &[&str]) -> Result<(), ComposeError> {
        for (index, name) in names.iter().enumerate() {
            if index > 0 && !self.imports(to, name) {
                continue;
            }
            let export = self.0.alias_instance_export(from, name).map_err(of_graph)?;
            let set = self.0.set_instantiation_argument(to, name, export);
            set.map_err(of_graph)?;
        }
        Ok(())
    }

    fn imports(&self, instance: NodeId, name: &str) -> bool {
        let package = self.0[instance].package();
        package.is_some_and(|id| self.0.types()[self.0[id].ty()].imports.contains_key(name))
    }

    fn export(&mut self, from: NodeId, name: &str) -> Result<(), ComposeError> {
        let export = self.0.alias_instance_export(from, name).map_err(of_graph)?;
        self.0.export(export, name).map_err(of_graph)
    }
}
