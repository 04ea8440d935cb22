//! Makes the network of a sandbox from its settings: policy, secrets, hook, log and transport.

use std::sync::Arc;

use sandbox_net_egress::{EgressConfig, NameServers, Roots, TlsConfig, read_certificates};
use sandbox_net_gateway::audit::{AuditFile, AuditSettings};
use sandbox_net_gateway::secrets::{COMMAND_LIMIT, Vault};
use sandbox_net_process::TimeBox;

use super::{HOOK_DEADLINE, SandboxBuilder};
use crate::checks::AuditPlaces;
use crate::error::Error;
use crate::network::Network;
use crate::runtime;

impl SandboxBuilder {
    /// The network, and where its log goes.
    pub(super) async fn network(&self) -> Result<(Network, AuditPlaces), Error> {
        let policy = self.effective_policy()?;
        let secrets = policy.secrets().to_vec();
        // Reading secrets may read files and run commands.
        let each = TimeBox::new(COMMAND_LIMIT);
        // If the caller stops waiting for the sandbox, its commands end.
        let waiting = each.waiting();
        let opened = tokio::task::spawn_blocking(move || Vault::open_within(&secrets, &each));
        let vault = opened.await.map_err(|e| runtime::unfinished(&e))??;
        drop(waiting);
        let (mut sinks, mut places) = (self.audit_sinks.clone(), self.audit_places.clone());
        for path in &self.audit_files {
            let file = AuditFile::open(path).map_err(|source| Error::Audit {
                path: path.clone(),
                source,
            })?;
            places.add(&file);
            sinks.push(Arc::new(file));
        }
        self.check_audit(&places)?;
        if policy.reports_only() {
            tracing::warn!("the policy's mode is 'report': what it denies is let pass");
        }
        let deadline = self.hook_deadline.unwrap_or(HOOK_DEADLINE);
        let network = Network {
            policy,
            egress: self.egress()?,
            vault,
            hook: self.hook.clone().map(|hook| (hook, deadline)),
            audit: AuditSettings {
                sandbox: self.name.clone(),
                queries: self.audit_queries,
                sinks,
            },
        };
        Ok((network, places))
    }

    pub(crate) fn egress(&self) -> Result<EgressConfig, Error> {
        let mut authorities = Vec::new();
        for pem in &self.roots {
            authorities.extend(read_certificates(pem).map_err(Error::Certificate)?);
        }
        let tls = TlsConfig::new(Roots::Platform, authorities).map_err(Error::Certificate)?;
        let mut config = EgressConfig::new(tls);
        if let Some(servers) = &self.dns_servers {
            let servers = NameServers::new(servers.iter().copied());
            config.resolver = Arc::new(servers.map_err(Error::NameServers)?);
        }
        config.max_host_memory = self.host_memory;
        if let Some(deadline) = self.request_deadline {
            config.request_deadline = deadline;
        }
        Ok(config)
    }
}
