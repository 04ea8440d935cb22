//! Makes the network of a sandbox from its settings: policy, secrets, hook, log and transport.

use std::sync::Arc;

use sandbox_net_egress::{EgressConfig, EgressConfigError};
use sandbox_net_gateway::audit::{AuditFile, AuditPlaces, AuditSettings};
use sandbox_net_gateway::secrets::{Vault, VaultError};
use sandbox_net_policy::Policy;

use super::{HOOK_DEADLINE, SandboxBuilder};
use crate::error::Error;
use crate::network::Network;
use crate::runtime;

impl SandboxBuilder {
    /// The network of this policy and transport, and where its log goes.
    pub(super) async fn network(
        &self,
        policy: Policy,
        egress: EgressConfig,
    ) -> Result<(Network, AuditPlaces), Error> {
        let opened = Vault::opened(policy.secrets().to_vec()).await;
        let vault = opened.map_err(|error| match error {
            VaultError::Unfinished(error) => runtime::unfinished(&error),
            error => error.into(),
        })?;
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
            egress,
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
        let config = EgressConfig::configured(&self.roots, self.dns_servers.as_deref());
        let mut config = config.map_err(|error| match error {
            EgressConfigError::Certificate(error) => Error::Certificate(error),
            EgressConfigError::NameServers(error) => Error::NameServers(error),
            error => Error::Internal(error.to_string()),
        })?;
        config.max_host_memory = self.host_memory;
        if let Some(deadline) = self.request_deadline {
            config.request_deadline = deadline;
        }
        Ok(config)
    }
}
