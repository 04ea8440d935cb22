//! Makes tunnels: from the decision to the dial.

use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument;

use crate::audit::{CONNECT, PendingDecision, PendingRequest, Stage, Subject};
use crate::completion::Completion;
use crate::connect::likely_origin;
use crate::consult::Question;
use crate::gateway::Gateway;
use crate::judgement::{JudgedTunnel, Judgement};
use crate::meter::Opened;
use crate::spans;
use crate::task::Task;
use crate::tunnel::{Tunnel, Tunnelling};
use sandbox_net_egress::{EgressError, RawStream};
use sandbox_net_policy::{Answer, Checked, Endpoint, Policy, TlsOverrides, TunnelEndpoint};

/// What a tunnel was judged by.
type Judged = (Answer<TunnelEndpoint>, Arc<Policy>);

/// A tunnel's progress, and its record.
type Tracked<'a> = (&'a Arc<Completion>, &'a Arc<PendingRequest>);

impl Gateway {
    /// Decides whether bytes may go to this endpoint without anybody reading them, and begins to
    /// connect. Only the policy's `tunnel` list grants that; the order is that of
    /// [`connect`](Self::connect), and the same budgets count.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use sandbox_net_egress::{EgressConfig, Roots, TlsConfig};
    /// use sandbox_net_gateway::{AuditLog, Gateway};
    /// use sandbox_net_policy::{Document, Endpoint};
    /// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    /// use tokio::net::TcpListener;
    ///
    /// let server = TcpListener::bind("127.0.0.1:0").await?;
    /// let port = server.local_addr()?.port();
    /// tokio::spawn(async move {
    ///     let (mut stream, _) = server.accept().await.unwrap();
    ///     let (mut read, mut write) = stream.split();
    ///     tokio::io::copy(&mut read, &mut write).await.unwrap();
    /// });
    ///
    /// let document = Document {
    ///     tunnel: vec![format!("localhost:{port}").parse()?],
    ///     ..Document::default()
    /// };
    /// let config = EgressConfig::new(TlsConfig::new(Roots::Bundled, [])?);
    /// let gateway = Gateway::new(document.into(), config, AuditLog::new());
    /// let mut tunnel = gateway.tunnel(Endpoint::new("localhost", port)?, None)?.await?;
    /// tunnel.write_all(b"not HTTP").await?;
    /// tunnel.shutdown().await?;
    /// let mut echo = Vec::new();
    /// tunnel.read_to_end(&mut echo).await?;
    /// assert_eq!(echo, b"not HTTP");
    ///
    /// assert!(gateway.tunnel(Endpoint::new("localhost", 1)?, None).is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// What is refused without waiting; the task returns all other errors.
    pub fn tunnel(
        &self,
        endpoint: Endpoint,
        timeout: Option<Duration>,
    ) -> Result<Tunnelling, EgressError> {
        let subject = Subject {
            stage: Stage::Tunnel,
            host: Some(endpoint.host.clone()),
            target: endpoint.to_string(),
            port: endpoint.port,
            method: None,
            tls: TlsOverrides::default(),
        };
        let policy = self.shared.policy();
        let answer = policy.answer_tunnel(endpoint.clone());
        let (answer, mut decided) = self.judged(subject.clone(), answer);
        let judged = (answer?, policy);
        self.metered(&mut decided, self.shared.meter.connect(&endpoint.host))?;
        let admission = self.metered(&mut decided, self.shared.admit_connection())?;
        let opened = self.metered(&mut decided, Opened::new(&self.shared.meter))?;
        let completion = Completion::new();
        completion.admit(admission);
        let (this, span) = (self.clone(), decided.span());
        let work = async move {
            let how = (timeout, opened, completion);
            let work = this.tunnelled(judged, (endpoint, subject), how, &mut decided);
            let done = this.shared.meter.within_time(work).await;
            done.unwrap_or_else(|limit| Err(EgressError::Limit(limit)))
        };
        Ok(Task::spawn(work.instrument(span)))
    }

    async fn tunnelled(
        &self,
        judged: Judged,
        (endpoint, subject): (Endpoint, Subject),
        (timeout, opened, completion): (Option<Duration>, Opened, Arc<Completion>),
        decided: &mut PendingDecision,
    ) -> Result<Tunnel, EgressError> {
        let route = self.tunnel_granted(judged, &endpoint, decided).await;
        let route = self.overruling(decided, route)?;
        self.recorded(decided, || route.audit_denial()).await?;
        let shown = spans::Target {
            method: Some(CONNECT),
            ..subject.shown()
        };
        let span = spans::request(self.audit.sandbox(), &shown);
        let record = Arc::new(PendingRequest::new(&self.audit, decided, span));
        completion.record_in(Arc::clone(&record));
        let socket = self.dialled_for((&endpoint, route, timeout), (&completion, &record), decided);
        let socket = socket.await.map_err(|error| completion.failed(error))?;
        let meter = (&self.shared.meter, opened);
        Ok(Tunnel::new(endpoint, socket, (completion, record), meter))
    }

    /// Connects. From here on a change of the policy affects the tunnel.
    async fn dialled_for(
        &self,
        (endpoint, route, timeout): (&Endpoint, Checked<TunnelEndpoint>, Option<Duration>),
        tracked: Tracked<'_>,
        decided: &mut PendingDecision,
    ) -> Result<RawStream, EgressError> {
        let given_up = GivenUp(Some(tracked.0));
        let dialling = self.shared.egress.tunnel(route.clone(), timeout);
        let dialled = self.shared.meter.within_time(dialling).await;
        let dialled = dialled.unwrap_or_else(|limit| Err(EgressError::Limit(limit)));
        let checked = dialled.and_then(|socket| {
            self.still_tunnels(endpoint, &route, (&socket, tracked), decided)?;
            Ok(socket)
        });
        given_up.not();
        self.overruling(decided, checked)
    }

    /// The hook's answer on a tunnel, under the present policy.
    async fn tunnel_granted(
        &self,
        (answer, policy): Judged,
        endpoint: &Endpoint,
        decided: &mut PendingDecision,
    ) -> Result<Checked<TunnelEndpoint>, EgressError> {
        let (tls, was_asked) = (TlsOverrides::default(), matches!(answer, Answer::Ask(_)));
        let question = || Question::new(Stage::Tunnel, likely_origin(endpoint), tls);
        let consulted = self.consult(answer, question, (&policy, decided)).await;
        let granted = consulted.and_then(|(route, _)| {
            let judge = |policy: &Policy| policy.answer_tunnel(endpoint.clone());
            self.present(&policy, was_asked, route, judge)
        });
        granted.map_err(EgressError::Denied)
    }

    /// Notes the address that was dialled, and judges again: the policy may have been replaced by now.
    fn still_tunnels(
        &self,
        endpoint: &Endpoint,
        route: &Checked<TunnelEndpoint>,
        (socket, (completion, record)): (&RawStream, Tracked<'_>),
        decided: &mut PendingDecision,
    ) -> Result<(), EgressError> {
        let machine = self.shared.egress.machine();
        let peer = socket.peer();
        decided.dialled(peer);
        record.connected(peer);
        if let Err(denial) = machine.check(route, peer.ip()) {
            decided.reported(&denial);
        }
        let judgement = Judgement::Tunnel(JudgedTunnel {
            endpoint: endpoint.clone(),
            address: peer.ip(),
            machine: machine.clone(),
        });
        let policy = self.shared.runs_from_now(completion, judgement);
        match completion.is_permitted(&policy) {
            true => Ok(()),
            false => Err(completion.failure().unwrap_or(EgressError::Closed)),
        }
    }
}

/// Ends the record of a tunnel that was given up before it was made.
struct GivenUp<'a>(Option<&'a Completion>);

impl GivenUp<'_> {
    fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(completion) = self.0 {
            completion.cancel();
        }
    }
}
