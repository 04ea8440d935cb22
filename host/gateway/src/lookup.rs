//! Policy checks for DNS lookups.

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt;
use tracing::Instrument;

use crate::audit::{BudgetReason, PendingLookup, Reason, Unrecorded};
use crate::gateway::{Gateway, beginning, budget_rule, malformed};
use crate::task::Task;
use sandbox_net_egress::account::{HostMemory, Reservation, block};
use sandbox_net_egress::{EgressError, Limit};
use sandbox_net_policy::{CheckedName, DEFAULT_DENY, Host, Lookup};

/// About what a lookup under way holds: its task, its socket, queries and answers.
const LOOKUP: usize = 8 << 10;

/// About what kept addresses take besides themselves: their counts.
const FOUND: usize = 96;

/// A lookup: its answer, or the task that waits for it. Dropping the task cancels the query.
#[derive(Debug)]
pub enum Looking {
    /// The answer was known without a query.
    Done(Found),
    /// A name server is being asked.
    Asking(Task<Result<Found, EgressError>>),
}

/// The addresses of a host that the program is told, and the memory that they take.
#[derive(Debug, Clone, Default)]
pub struct Found {
    addresses: Arc<[IpAddr]>,
    _held: Option<Arc<Reservation>>,
}

impl Found {
    fn new(addresses: Vec<IpAddr>, memory: &HostMemory) -> Result<Self, Limit> {
        if addresses.is_empty() {
            return Ok(Self::default());
        }
        let held = memory.reserve(FOUND + block(size_of_val(&addresses[..])))?;
        Ok(Self {
            addresses: addresses.into(),
            _held: Some(Arc::new(held)),
        })
    }

    /// The addresses, in the order of the answer.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }
}

impl Gateway {
    /// Decides, and begins to query the addresses of a host if that is useful.
    ///
    /// A hook may deny a connection, or give it an address, and no name server is asked before the
    /// hook was. So with a hook the connection sends the query, and not the lookup.
    ///
    /// # Errors
    ///
    /// What is refused without waiting; the task returns all other errors.
    pub fn lookup(&self, host: Host) -> Result<Looking, EgressError> {
        let name = host.to_string();
        let has_hook = self.shared.questions.is_some();
        if let Err(limit) = self.shared.meter.check_denials() {
            let mut record = self.audit.looked_up(name, Ok(DEFAULT_DENY));
            return Err(self.lookup_limited(&mut record, limit));
        }
        let policy = self.shared.policy();
        let answer = policy.answer_lookup(host.clone());
        let answer = answer.and_then(|answer| match answer {
            Lookup::Ask { denial, .. } if !has_hook => Err(denial),
            Lookup::Name(checked) if self.audit.is_broken() => Err(checked.audit_denial()),
            answer => Ok(answer),
        });
        let checked = match answer {
            Ok(Lookup::Name(checked)) if !has_hook => checked,
            Ok(Lookup::Local) => return self.known(policy.local_addresses(&host)),
            // The hook is asked before any name server, and may give another address.
            Ok(_) => return Ok(Looking::Done(Found::default())),
            Err(denial) => {
                self.shared.meter.denied();
                drop(self.audit.looked_up(name, Err(&denial)));
                return Err(EgressError::Denied(denial));
            }
        };
        let mut record = self.audit.looked_up(name, Ok(checked.rule()));
        if let Some(denial) = checked.reported() {
            record.reported(denial);
        }
        if let Err(limit) = self.shared.meter.lookup(&host) {
            return Err(self.lookup_limited(&mut record, limit));
        }
        let under_way = Arc::clone(&self.shared.lookups).try_acquire_owned();
        let Ok(under_way) = under_way else {
            return Err(self.lookup_limited(&mut record, Limit::LookupsAtOnce));
        };
        let held = self.memory().reserve(LOOKUP);
        let held = held.map_err(|limit| self.lookup_limited(&mut record, limit))?;
        let (this, span) = (self.clone(), record.span());
        let mut recording = Box::pin(async move {
            let recorded = this.lookup_recorded(&checked, &mut record).await;
            recorded.map(|()| (checked, record))
        });
        // If no sink has to be waited for, it is recorded, or refused, now.
        let recorded = recording.as_mut().now_or_never().transpose()?;
        let this = self.clone();
        let work = async move {
            let (checked, record) = match recorded {
                Some(recorded) => recorded,
                None => recording.await?,
            };
            let result = this.asked(&checked, record).await;
            drop((under_way, held));
            let found = Found::new(result?, this.memory());
            found.map_err(EgressError::Limit)
        };
        Ok(Looking::Asking(Task::spawn(work.instrument(span))))
    }

    /// The answer for a host that needs no query.
    fn known(&self, addresses: Vec<IpAddr>) -> Result<Looking, EgressError> {
        let found = Found::new(addresses, self.memory());
        found.map(Looking::Done).map_err(EgressError::Limit)
    }

    /// Records a query before it is sent, and waits until every sink has it: without a record no
    /// query is sent.
    async fn lookup_recorded(
        &self,
        checked: &CheckedName,
        record: &mut PendingLookup,
    ) -> Result<(), EgressError> {
        let committed = self.shared.meter.within_time(record.commit()).await;
        match committed {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Unrecorded::Sink)) => {
                self.shared.meter.denied();
                let denial = checked.audit_denial();
                record.refused(&denial.rule, denial.reason.into());
                Err(EgressError::Denied(denial))
            }
            Ok(Err(Unrecorded::Memory)) => {
                Err(self.lookup_limited(record, self.memory().nearest()))
            }
            Err(limit) => Err(self.lookup_limited(record, limit)),
        }
    }

    /// Sends the query, and records the result.
    async fn asked(
        &self,
        name: &CheckedName,
        mut record: PendingLookup,
    ) -> Result<Vec<IpAddr>, EgressError> {
        let asking = self.shared.egress.lookup(name);
        let result = self.shared.meter.within_time(asking).await;
        let result = result.unwrap_or_else(|limit| Err(EgressError::Limit(limit)));
        record.ended(match &result {
            Ok(_) => "found".to_owned(),
            Err(error) => error.code(),
        });
        result
    }

    /// Records that a budget is used up.
    fn lookup_limited(&self, record: &mut PendingLookup, limit: Limit) -> EgressError {
        self.shared.meter.limited(limit);
        record.refused(&budget_rule(limit), Reason::Budget(BudgetReason::Budget));
        EgressError::Limit(limit)
    }

    /// Records a lookup of an invalid host.
    pub fn malformed_lookup(&self, host: &str) {
        self.shared.meter.denied();
        let denial = malformed();
        let name = beginning(host).escape_default().to_string();
        drop(self.audit.looked_up(name, Err(&denial)));
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod told_tests;
