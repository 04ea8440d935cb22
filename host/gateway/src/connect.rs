//! Makes connections: from the decision to the dial and TLS.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tracing::Instrument;

use crate::admission::Admission;
use crate::audit::{BudgetReason, PendingDecision, Reason, Stage, Subject, Unrecorded};
use crate::consult::Question;
use crate::gateway::{Gateway, budget_rule};
use crate::hook::Amendments;
use crate::link::{Connecting, Handshake, Link};
use crate::meter::Opened;
use crate::other_port::{NOT_ALLOWED, OtherPort};
use crate::task::Task;
use sandbox_net_egress::{Connection, EgressError, GuestTlsOptions, Limit, Pinned, Reuse};
use sandbox_net_policy::{
    Addresses, Answer, Checked, Denial, Endpoint, Origin, Policy, Scheme, TlsOverrides,
};

/// How to connect, and what the connection takes of its sandbox.
type How = (Option<Duration>, Reuse, (Admission, Opened));

/// Where to connect instead, and if that is another port, what allows it.
type Instead = (Option<Pinned>, Option<OtherPort>, Option<Checked<Endpoint>>);

impl Gateway {
    /// Decides, and begins to connect.
    ///
    /// # Errors
    ///
    /// What is refused without waiting; the task returns all other errors.
    pub fn connect(
        &self,
        endpoint: Endpoint,
        timeout: Option<Duration>,
        reuse: Reuse,
    ) -> Result<Connecting, EgressError> {
        let subject = Subject {
            stage: Stage::Connect,
            host: Some(endpoint.host.clone()),
            target: endpoint.to_string(),
            port: endpoint.port,
            method: None,
            tls: TlsOverrides::default(),
        };
        let policy = self.shared.policy();
        let answer = policy.answer_connect(endpoint.clone());
        let (answer, mut decided) = self.judged(subject, answer);
        let judged = (answer?, policy);
        self.metered(&mut decided, self.shared.meter.connect(&endpoint.host))?;
        let admission = self.metered(&mut decided, self.shared.admit_connection())?;
        let opened = self.metered(&mut decided, Opened::new(&self.shared.meter))?;
        let this = self.clone();
        let span = decided.span();
        let work = async move {
            let how = (timeout, reuse, (admission, opened));
            let work = this.connected(judged, endpoint, how, &mut decided);
            let done = this.shared.meter.within_time(work).await;
            done.unwrap_or_else(|limit| Err(EgressError::Limit(limit)))
        };
        Ok(Task::spawn(work.instrument(span)))
    }

    /// Records if a budget is used up.
    pub(super) fn metered<T>(
        &self,
        decided: &mut PendingDecision,
        counted: Result<T, Limit>,
    ) -> Result<T, EgressError> {
        counted.map_err(|limit| {
            self.limited(decided, limit);
            EgressError::Limit(limit)
        })
    }

    fn limited(&self, decided: &mut PendingDecision, limit: Limit) {
        self.shared.meter.limited(limit);
        let reason = Reason::Budget(BudgetReason::Budget);
        decided.refused(&budget_rule(limit), reason);
    }

    /// Records a decision before its effect, and waits until every sink has it. `denial` applies if a
    /// sink fails.
    pub(super) async fn recorded(
        &self,
        decided: &mut PendingDecision,
        denial: impl FnOnce() -> Denial,
    ) -> Result<(), EgressError> {
        let committed = self.shared.meter.within_time(decided.commit()).await;
        match self.metered(decided, committed)? {
            Ok(()) => Ok(()),
            Err(Unrecorded::Sink) => self.overruling(decided, Err(EgressError::Denied(denial()))),
            Err(Unrecorded::Memory) => self.metered(decided, Err(self.memory().nearest())),
        }
    }

    async fn connected(
        &self,
        (answer, policy): (Answer<Endpoint>, Arc<Policy>),
        endpoint: Endpoint,
        (timeout, reuse, (admission, opened)): How,
        decided: &mut PendingDecision,
    ) -> Result<Link, EgressError> {
        let (tls, was_asked) = (TlsOverrides::default(), matches!(answer, Answer::Ask(_)));
        let question = || Question::new(Stage::Connect, likely_origin(&endpoint), tls);
        let consulted = self.consult(answer, question, (&policy, decided)).await;
        let consulted = consulted.and_then(|(route, amendments)| {
            let judge = |policy: &Policy| policy.answer_connect(endpoint.clone());
            let route = self.present(&policy, was_asked, route, judge)?;
            let to = self.dialled_instead(&route, &amendments)?;
            Ok((route, to))
        });
        let (route, (pinned, other_port, other)) =
            self.overruling(decided, consulted.map_err(EgressError::Denied))?;
        if let Some(denial) = other.as_ref().and_then(Checked::reported) {
            decided.reported(denial);
        }
        self.recorded(decided, || route.audit_denial()).await?;
        let addresses = route.addresses();
        let checks = [Some(route.clone()), other];
        let connecting = self.shared.egress.connect(route, timeout, pinned, reuse);
        let connection = self.overruling(decided, connecting.await)?;
        let address = connection.peer();
        if let Some(address) = address {
            decided.dialled(address);
            let machine = self.shared.egress.machine();
            for check in checks.iter().flatten() {
                if let Err(denial) = machine.check(check, address.ip()) {
                    decided.reported(&denial);
                }
            }
        }
        let connection = Arc::new(Mutex::new(connection));
        // The policy may have been replaced by now.
        let policy = self.shared.holds(&connection);
        let still = policy.answer_connect(endpoint.clone());
        let still = still.and_then(|now| {
            let now = OtherPort::check(other_port.as_ref(), &policy, &endpoint, now)?;
            self.still_permitted(&now, &addresses, address)
        });
        self.overruling(decided, still.map_err(EgressError::Denied))?;
        Ok(Link {
            connection,
            origin: Origin {
                scheme: Scheme::Http,
                endpoint,
            },
            address,
            other_port,
            tls: Arc::default(),
            profile: Arc::clone(self.shared.egress.host_profile()),
            admission: Some(Arc::new(admission)),
            opened: Arc::new(opened),
        })
    }

    /// Decides, and begins the handshake; returns the link to use from now on, and the handshake's
    /// end.
    ///
    /// # Errors
    ///
    /// What is refused without waiting; the handshake returns all other errors.
    pub fn start_tls(
        &self,
        link: &Link,
        server_name: Option<&str>,
        options: &GuestTlsOptions,
    ) -> Result<(Link, Handshake), EgressError> {
        let endpoint = &link.origin.endpoint;
        let profile = self.shared.egress.profile(options);
        let profile = self.within_memory(profile, || Subject {
            stage: Stage::Tls,
            host: Some(endpoint.host.clone()),
            target: format!("https://{endpoint}"),
            port: endpoint.port,
            method: None,
            tls: TlsOverrides::default(),
        })?;
        let secured = Link {
            origin: Origin {
                scheme: Scheme::Https,
                endpoint: endpoint.clone(),
            },
            tls: Arc::default(),
            profile,
            ..link.clone()
        };
        let subject = Subject {
            stage: Stage::Tls,
            host: Some(endpoint.host.clone()),
            target: secured.origin.to_string(),
            port: endpoint.port,
            method: None,
            tls: secured.asked(),
        };
        let policy = self.shared.policy();
        let answer = policy.answer_tls(endpoint, server_name, secured.asked());
        // The existing connection may be to an address that is open for plain HTTP only.
        let answer = answer.and_then(|answer| match link.address {
            Some(address) if !self.permits(&answer.addresses(), address) => {
                Err(answer.addresses().denial(Some(address.ip())))
            }
            _ => Ok(answer),
        });
        let other_port = link.other_port.as_ref();
        let answer =
            answer.and_then(|answer| OtherPort::check(other_port, &policy, endpoint, answer));
        let (answer, mut decided) = self.judged(subject, answer);
        let judged = (answer?, policy);
        if let Some(address) = link.address {
            decided.dialled(address);
        }
        let (this, settled) = (self.clone(), secured.for_request());
        let span = decided.span();
        let handshake = async move {
            let work = this.secured(judged, &settled, &mut decided);
            let done = this.shared.meter.within_time(work).await;
            done.unwrap_or_else(|limit| Err(EgressError::Limit(limit)))
        };
        Ok((secured, Task::spawn(handshake.instrument(span))))
    }

    async fn secured(
        &self,
        (answer, policy): (Answer<Origin>, Arc<Policy>),
        link: &Link,
        decided: &mut PendingDecision,
    ) -> Result<(), EgressError> {
        let question = || Question::new(Stage::Tls, link.origin.clone(), link.asked());
        let was_asked = matches!(answer, Answer::Ask(_));
        let consulted = self.consult(answer, question, (&policy, decided)).await;
        let consulted = consulted.and_then(|(origin, _)| {
            let endpoint = &link.origin.endpoint;
            let judge = |policy: &Policy| {
                let answer = policy.answer_tls(endpoint, None, link.asked())?;
                OtherPort::check(link.other_port.as_ref(), policy, endpoint, answer)
            };
            self.present(&policy, was_asked, origin, judge)
        });
        let origin = self.overruling(decided, consulted.map_err(EgressError::Denied))?;
        self.recorded(decided, || origin.audit_denial()).await?;
        let mut connection = link.connection.lock().await;
        let settled = connection
            .start_tls_on(origin, Arc::clone(&link.profile))
            .await;
        self.overruling(decided, settled.map(drop))?;
        note_address(decided, &connection);
        if let Some(info) = connection.shared_tls_info() {
            // Only this handshake writes the cell.
            let _ = link.tls.set(info);
        }
        Ok(())
    }

    /// Where the hook has the connection made, if it says so.
    fn dialled_instead(
        &self,
        route: &Checked<Endpoint>,
        amendments: &Amendments,
    ) -> Result<Instead, Denial> {
        let Some(address) = amendments.address else {
            return Ok((None, None, None));
        };
        let machine = self.shared.egress.machine();
        let Some(other) = OtherPort::of(route, (address, amendments.port), machine) else {
            return Ok((Some(Pinned::from(address)), None, None));
        };
        let checked = other.route(&self.shared.policy(), route);
        let checked = checked.ok_or_else(|| route.hook_denial(NOT_ALLOWED))?;
        let pinned = Pinned::through(address, &checked);
        Ok((Some(pinned), Some(other), Some(checked)))
    }

    /// Whether a connection made under one policy is permitted by the present one.
    fn still_permitted(
        &self,
        now: &Answer<Endpoint>,
        then: &Addresses,
        address: Option<SocketAddr>,
    ) -> Result<(), Denial> {
        let addresses = now.addresses();
        match address {
            Some(address) if addresses != *then && !self.permits(&addresses, address) => {
                Err(addresses.denial(Some(address.ip())))
            }
            _ => Ok(()),
        }
    }

    fn permits(&self, addresses: &Addresses, address: SocketAddr) -> bool {
        let machine = self.shared.egress.machine();
        machine.permits(addresses, address.ip())
    }

    /// Records an attempt that had no memory, before it was decided on.
    pub(crate) fn within_memory<T>(
        &self,
        result: Result<T, EgressError>,
        subject: impl FnOnce() -> Subject,
    ) -> Result<T, EgressError> {
        if let Err(EgressError::Limit(limit @ (Limit::HostMemory | Limit::TotalHostMemory))) =
            &result
        {
            let rule = budget_rule(*limit);
            self.limited(&mut self.audit.decided(subject(), Ok(&rule)), *limit);
        }
        result
    }

    /// Corrects the record if something else refused what the rules had allowed: the hook, a budget,
    /// or the address filter, at any stage, because a pooled connection may have to be dialled
    /// again.
    pub(super) fn overruling<T>(
        &self,
        decided: &mut PendingDecision,
        result: Result<T, EgressError>,
    ) -> Result<T, EgressError> {
        match &result {
            Err(EgressError::Denied(denial)) => {
                self.shared.meter.denied();
                decided.overruled(denial);
            }
            Err(EgressError::Limit(limit)) => self.limited(decided, *limit),
            _ => {}
        }
        result
    }
}

fn note_address(decided: &mut PendingDecision, connection: &Connection) {
    if let Some(address) = connection.peer() {
        decided.dialled(address);
    }
}

/// The likely origin: before TLS it is unknown what a connection will carry.
pub(crate) fn likely_origin(endpoint: &Endpoint) -> Origin {
    let by_port = Scheme::ALL
        .into_iter()
        .find(|scheme| scheme.default_port() == endpoint.port);
    Origin {
        scheme: by_port.unwrap_or(Scheme::Http),
        endpoint: endpoint.clone(),
    }
}
