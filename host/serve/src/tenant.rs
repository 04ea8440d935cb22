//! A tenant while the server runs: its sandboxes, its queue and what it has used.

use std::sync::Arc;
use std::time::Instant;

use sandbox_net::policy::{Budgets, Policy};
use sandbox_net::{Engine, Error, ForkOptions, Pool, Sandbox, Snapshot};
use tokio::sync::Semaphore;

use crate::answers::Answers;
use crate::audit::Log;
use crate::body::share;
use crate::config::{Config, TenantConfig};
use crate::failure::Failure;
use crate::gate::Gate;
use crate::rate::Rate;
use crate::token::Digest;

/// Who may ask for programs, with what these may use.
pub(crate) struct Tenant {
    pub(crate) name: String,
    digests: Vec<Digest>,
    /// What its programs may do: what both the server's policy and its own allow.
    pub(crate) policy: Policy,
    pub(crate) pool: Pool,
    pub(crate) gate: Gate,
    rate: Rate,
    /// Its share of what the bodies of all requests may hold.
    pub(crate) bodies: Arc<Semaphore>,
    /// The room of the lines that its clients have not taken.
    pub(crate) answers: Answers,
    pub(crate) sessions: Arc<Semaphore>,
    pub(crate) most_sessions: usize,
    pub(crate) disk: u64,
    pub(crate) output: u64,
}

/// What all tenants' sandboxes have in common.
pub(crate) struct Common<'a> {
    pub(crate) config: &'a Config,
    pub(crate) engine: &'a Engine,
    pub(crate) snapshot: Option<&'a Snapshot>,
    pub(crate) certificates: &'a [Vec<u8>],
    pub(crate) logs: &'a [Log],
}

/// A sandbox that was taken from the pool, for one program or one session.
pub(crate) struct Lent {
    pub(crate) sandbox: Sandbox,
    /// What it was copied from, which counts for the pool.
    _original: Option<Sandbox>,
}

impl Tenant {
    pub(crate) async fn start(own: &TenantConfig, common: &Common<'_>) -> Result<Self, Error> {
        let file = &own.file;
        let programs = &common.config.file.programs;
        let most_sessions = file.sessions(&common.config.file.sessions);
        let (running, waiting) = (file.running(programs), file.waiting(programs));
        let template = template(own, common).await?;
        let policy = template.policy();
        let pool = Pool::builder(template)
            .ready(programs.ready)
            .max_in_use(running.saturating_add(most_sessions))
            // The gate is before it.
            .max_waiting(
                running
                    .saturating_add(waiting)
                    .saturating_add(most_sessions),
            )
            .build()
            .await?;
        let bodies = share(&common.config.file.server, common.config.tenants.len());
        Ok(Self {
            name: file.name.clone(),
            digests: own.digests.clone(),
            policy,
            pool,
            gate: Gate::new(running, waiting),
            rate: Rate::new(file.runs_per_minute),
            answers: Answers::new(&bodies),
            bodies,
            sessions: Arc::new(Semaphore::new(most_sessions)),
            most_sessions,
            disk: file.disk(programs),
            output: file.output(programs),
        })
    }

    /// Whether this is one of its tokens. All are compared, however many are.
    pub(crate) fn knows(&self, token: &Digest) -> bool {
        let equal = self.digests.iter().map(|own| own.is(token));
        equal.fold(false, |any, is| any | is)
    }

    /// Counts the start of a program.
    pub(crate) fn counted(&self) -> Result<(), Failure> {
        self.rate.start(Instant::now()).map_err(|after| {
            let why = format!(
                "tenant '{}' has started as many programs in this minute as may: try again in \
                 {after} seconds",
                self.name
            );
            Failure::busy("rate", why, after)
        })
    }

    /// A sandbox under its policy, or under a narrower one.
    pub(crate) async fn sandbox(&self, narrower: Option<Policy>) -> Result<Lent, Failure> {
        let sandbox = self.pool.get().await?;
        Ok(match narrower {
            None => Lent {
                sandbox,
                _original: None,
            },
            Some(policy) => Lent {
                sandbox: sandbox.fork_with(ForkOptions::new().policy(policy)).await?,
                _original: Some(sandbox),
            },
        })
    }
}

/// The sandbox that all of a tenant's are copies of.
async fn template(own: &TenantConfig, common: &Common<'_>) -> Result<Sandbox, Error> {
    let (file, config) = (&own.file, common.config);
    let programs = &config.file.programs;
    let budgets = Budgets {
        requests: file.requests,
        bytes_up: file.bytes_up,
        bytes_down: file.bytes_down,
        ..Budgets::default()
    };
    let part = file.part(programs, config.tenants.len());
    let part = common.engine.part(part)?;
    let mut sandbox = Sandbox::builder()
        .engine(part)
        .name(&file.name)
        // The secrets of the tenant's policy count, those of the server's would not.
        .policy(own.document.clone())
        .intersect(
            config
                .policy
                .clone()
                .with_budgets(budgets.tightest(*config.policy.budgets())),
        )
        .time_limit(file.time(programs))
        .memory_limit(usize::try_from(file.memory(programs)).unwrap_or(usize::MAX))
        .disk_limit(file.disk(programs));
    if let Some(limit) = file.cpu(programs) {
        sandbox = sandbox.cpu_limit(limit);
    }
    for package in &programs.packages {
        sandbox = sandbox.with_package(package);
    }
    for (name, value) in &programs.environment {
        sandbox = sandbox.env(name, value);
    }
    for pem in common.certificates {
        sandbox = sandbox.trust_ca_pem(pem.clone());
    }
    if let Some(snapshot) = common.snapshot {
        sandbox = sandbox.snapshot(snapshot.clone());
    }
    for log in common.logs {
        sandbox = sandbox.audit_sink(log.clone());
    }
    if config.file.audit.queries {
        sandbox = sandbox.audit_queries();
    }
    sandbox.build().await
}
