//! What connections share for as long as the policy stays the same.

use std::sync::Arc;

use rustls::ClientConfig;

use crate::egress::EgressConfig;
use crate::egress::answers::Answers;
use crate::egress::pool::Pool;

/// The pool, the TLS sessions and the answers of lookups of one sandbox under one version of its
/// policy: they are found by nobody who comes from another sandbox, or was checked by another
/// version.
#[derive(Debug)]
pub(crate) struct Era {
    pool: Arc<Pool>,
    tls: Arc<ClientConfig>,
    answers: Answers,
}

impl Era {
    pub(crate) fn new(config: &EgressConfig) -> Arc<Self> {
        let pool = Pool::new(config.idle_timeout, config.max_idle_per_endpoint);
        Arc::new(Self {
            pool: Arc::new(pool),
            // Each has a session store of its own.
            tls: config.tls.client_config(),
            answers: Answers::default(),
        })
    }

    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    pub(crate) fn answers(&self) -> &Answers {
        &self.answers
    }

    pub(crate) fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }
}
