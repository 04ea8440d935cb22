//! Counts the resources of the host that a guest holds.

use wasmtime::component::ResourceTable;

use sandbox_net_wasi::{HostConnection, HostExchange};

/// How many of the host's resources a guest holds.
///
/// ```no_run
/// # async fn example(sandbox: sandbox_net::Sandbox) -> Result<(), sandbox_net::Error> {
/// let outcome = sandbox.run("import socket; socket.create_connection(('a.test', 80))").await?;
/// println!("{} connections were left open", outcome.handles.connections);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Handles {
    /// Connections of `sandbox:net`.
    pub connections: usize,
    /// Exchanges of `sandbox:net`: requests whose handles were not given back.
    pub exchanges: usize,
    /// Everything else: streams, pollables, files and directories.
    pub others: usize,
}

impl Handles {
    pub(crate) fn in_table(table: &mut ResourceTable) -> Self {
        let mut handles = Self::default();
        for resource in table.iter_mut() {
            let count = if resource.is::<HostConnection>() {
                &mut handles.connections
            } else if resource.is::<HostExchange>() {
                &mut handles.exchanges
            } else {
                &mut handles.others
            };
            *count += 1;
        }
        handles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_not_counted() {
        let mut table = ResourceTable::new();
        let other = table.push("a file").unwrap();
        let one = Handles {
            others: 1,
            ..Handles::default()
        };
        assert_eq!(Handles::in_table(&mut table), one);
        table.delete(other).unwrap();
        assert_eq!(Handles::in_table(&mut table), Handles::default());
    }
}
