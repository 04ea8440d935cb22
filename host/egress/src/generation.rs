//! What connections share until the policy changes.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rustls::ClientConfig;

use crate::account::HostMemory;
use crate::answers::Answers;
use crate::config::EgressConfig;
use crate::pool::Pool;
use crate::tls::TlsConfig;
use crate::tls_profile::TlsProfile;

/// The most session caches that are kept for TLS profiles of programs.
const MOST_CONFIGS: usize = 16;

/// The pool, the TLS sessions and the answers of lookups of one sandbox under one version of its
/// policy. No other sandbox uses them, and no request that was checked by another version.
#[derive(Debug)]
pub(crate) struct Generation {
    pool: Arc<Pool>,
    settings: TlsConfig,
    /// For the host's own profile, and for the one with strict checks. Each configuration has a session cache
    /// of its own, so that no session is resumed with another profile than it was verified by. They are made
    /// when a handshake needs them.
    hosts: [OnceLock<Arc<ClientConfig>>; 2],
    /// For other profiles, the last used at the end.
    others: Mutex<Vec<(Arc<TlsProfile>, Arc<ClientConfig>)>>,
    answers: Answers,
    memory: HostMemory,
}

impl Generation {
    pub(crate) fn new(config: &EgressConfig, memory: &HostMemory) -> Arc<Self> {
        let pool = Pool::new(config.idle_timeout, config.max_idle_per_endpoint);
        Arc::new(Self {
            pool: Arc::new(pool),
            settings: config.tls.clone(),
            hosts: Default::default(),
            others: Mutex::default(),
            answers: Answers::default(),
            memory: memory.clone(),
        })
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    /// The configuration for handshakes with this profile.
    pub(crate) fn config(&self, profile: &Arc<TlsProfile>) -> Arc<ClientConfig> {
        if profile.are_the_hosts() {
            let made = &self.hosts[usize::from(profile.are_strict())];
            let make = || profile.client_config(&self.settings, &self.memory);
            return Arc::clone(made.get_or_init(make));
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let at = others.iter().position(|(own, _)| Arc::ptr_eq(own, profile));
        let entry = match at {
            Some(at) => others.remove(at),
            None => (
                Arc::clone(profile),
                profile.client_config(&self.settings, &self.memory),
            ),
        };
        if others.len() >= MOST_CONFIGS {
            others.remove(0);
        }
        let config = Arc::clone(&entry.1);
        others.push(entry);
        config
    }

    /// Forgets what is kept for unused TLS profiles of programs.
    pub(crate) fn forget_programs_own(&self) {
        self.pool.close_programs_own();
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.clear();
    }
}
