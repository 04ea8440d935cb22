//! A connection as the guest sees it.

mod send;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use crate::body::Source;
use crate::body_kind::BodyKind;
use crate::client::Client;
use crate::client::Transport;
use crate::dial_scope::DialScope;
use crate::error::{EgressError, Phase};
use crate::generation::Generation;
use crate::h1::{Arrived, ReturnSlot, Reuse, encode_head};
use crate::h2::{Session, StreamPlace};
use crate::received::Received;
use crate::request_body::{RequestBody, erase};
use crate::response::Response;
use crate::send_options::SendOptions;
use crate::stream::{Secured, Stream};
use crate::tls::TlsInfo;
use crate::tls_profile::TlsProfile;
use sandbox_net_policy::{Checked, Endpoint, Origin, RequestLine, Scheme};

/// How often a request is tried, if it is certain that a retry does no harm.
const MAX_ATTEMPTS: usize = 3;

/// One connection of the guest: the right to talk to one endpoint, and the transport that carries
/// its requests. Between two requests the transport may change without the guest's notice: if the
/// peer closed it, the next request dials again, and every check is repeated.
///
/// Dropping it does not affect a response that is still arriving. [`Reuse`] says what happens to
/// its transport; an HTTP/2 session stays with the client.
pub struct Connection {
    reuse: Reuse,
    egress: Client,
    generation: Arc<Generation>,
    reach: DialScope,
    /// A transport that has not carried a request of this connection yet, and whether it carried
    /// any before.
    fresh: Option<(Stream, bool)>,
    session: Option<Arc<Session>>,
    return_slot: Arc<ReturnSlot>,
    peer: Option<SocketAddr>,
    tls: Option<Arc<TlsInfo>>,
    /// The profile of every handshake for this connection, now and later.
    profile: Option<Arc<TlsProfile>>,
    /// The time that setup took, which counts for the first request.
    spent: Duration,
}

/// A request to send, without its body.
#[derive(Clone, Copy)]
struct Sending<'a> {
    request: &'a RequestLine,
    kind: BodyKind,
    options: &'a SendOptions,
    takes_unframed: bool,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection")
            .field("endpoint", self.reach.endpoint())
            .field("peer", &self.peer)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

impl Connection {
    pub(crate) fn new(egress: Client, reach: DialScope, reuse: Reuse) -> Self {
        let generation = egress.generation();
        let return_slot = ReturnSlot::new(
            Arc::clone(generation.pool()),
            reach.endpoint().clone(),
            reuse,
        );
        Self {
            reuse,
            egress,
            generation,
            reach,
            fresh: None,
            session: None,
            return_slot: Arc::new(return_slot),
            peer: None,
            tls: None,
            profile: None,
            spent: Duration::ZERO,
        }
    }

    /// Counts the time since `started` as time that the first request has used.
    pub(crate) fn count(&mut self, started: Instant) {
        self.spent += started.elapsed();
    }

    /// Whether the client has a transport that may be usable.
    pub(crate) fn has_pooled(&self) -> bool {
        let pool = self.generation.pool();
        let endpoint = self.endpoint();
        pool.has_session(endpoint) || self.takes_idle() && pool.has_idle(endpoint)
    }

    /// Whether it may use what another connection left.
    fn takes_idle(&self) -> bool {
        self.reuse == Reuse::Pool
    }

    /// Closes what was set up before the client's network was renewed.
    pub fn follow(&mut self) {
        let generation = self.egress.generation();
        if Arc::ptr_eq(&generation, &self.generation) {
            return;
        }
        let return_slot = ReturnSlot::new(
            Arc::clone(generation.pool()),
            self.endpoint().clone(),
            self.reuse,
        );
        // The old pool is closed, so what it is given is closed too.
        std::mem::replace(&mut self.return_slot, Arc::new(return_slot)).close();
        (self.fresh, self.session) = (None, None);
        // Earlier lookups are dropped, too.
        self.reach.take_found();
        self.generation = generation;
    }

    /// Connects now.
    pub(crate) async fn dial(&mut self, asked: Option<Duration>) -> Result<(), EgressError> {
        let stream = self
            .egress
            .dial(&self.reach, &self.generation, asked, &mut Phase::Resolve)
            .await?;
        self.peer = Some(stream.peer());
        self.fresh = Some((stream, false));
        Ok(())
    }

    /// Where this connection goes.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.reach.endpoint()
    }

    /// Whether TLS was set up.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The result of the TLS handshake; `None` without one.
    #[must_use]
    pub fn tls_info(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// The same result, to be shared.
    pub fn shared_tls_info(&self) -> Option<Arc<TlsInfo>> {
        self.tls.clone()
    }

    /// The address of the last transport; `None` if there was none.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Does [`start_tls_on`](Self::start_tls_on) with the host's own profile.
    ///
    /// # Errors
    ///
    /// As that function.
    pub async fn start_tls(&mut self, origin: Checked<Origin>) -> Result<&TlsInfo, EgressError> {
        let profile = Arc::clone(self.egress.host_profile());
        self.start_tls_on(origin, profile).await
    }

    /// Sets up TLS for the origin, whose host is the name that is sent and verified. The peer is
    /// offered HTTP/2 and HTTP/1.1. The caller must have checked `profile` with the policy; it
    /// applies to every later handshake, too.
    ///
    /// # Errors
    ///
    /// `Invalid` for an origin of another endpoint or scheme, and on a connection that has TLS or has
    /// carried a request; `Tls`, `Timeout`, `Reset`, and the errors of connecting.
    pub async fn start_tls_on(
        &mut self,
        origin: Checked<Origin>,
        profile: Arc<TlsProfile>,
    ) -> Result<&TlsInfo, EgressError> {
        let started = Instant::now();
        if self.reach.origin().is_some() {
            return Err(EgressError::Invalid(
                "TLS was begun or a request was sent before".into(),
            ));
        }
        if origin.scheme != Scheme::Https || origin.endpoint != *self.reach.endpoint() {
            return Err(EgressError::Invalid(
                "TLS is not for this connection's origin".into(),
            ));
        }
        self.follow();
        self.reach.settle(Scheme::Https);
        self.reach.narrow(&origin);
        self.profile = Some(Arc::clone(&profile));
        let dialled = self.fresh().map(|(stream, _)| stream);
        let mut phase = Phase::Tls;
        let deadline = self
            .egress
            .config()
            .request_deadline
            .saturating_sub(self.spent);
        let transport = timeout(deadline, self.secure(&profile, dialled, true, &mut phase)).await;
        match transport.map_err(|_| EgressError::Timeout(phase))?? {
            Transport::H1 { stream, reused } => {
                self.note(stream.peer(), stream.secured());
                self.fresh = Some((stream, reused));
            }
            Transport::H2 { slot } => {
                let session = Arc::clone(slot.session());
                self.note(session.peer(), session.secured());
                self.session = Some(session);
            }
        }
        self.count(started);
        self.tls_info().ok_or(EgressError::Closed)
    }

    fn note(&mut self, peer: SocketAddr, secured: Option<&Secured>) {
        self.peer = Some(peer);
        self.tls = secured.map(|secured| Arc::clone(&secured.info));
    }

    /// Returns a transport with TLS: a session, an idle connection, or a new one.
    async fn secure(
        &self,
        profile: &Arc<TlsProfile>,
        dialled: Option<Stream>,
        may_be_idle: bool,
        phase: &mut Phase,
    ) -> Result<Transport, EgressError> {
        if let Some(slot) = self.slot(profile) {
            return Ok(Transport::H2 { slot });
        }
        if may_be_idle && let Some(stream) = self.idle(Some(profile)).await {
            return Ok(Transport::H1 {
                stream,
                reused: true,
            });
        }
        self.egress
            .secure((&self.reach, profile), &self.generation, dialled, phase)
            .await
    }

    /// Takes the transport of the setup, if its address is still permitted now that the scheme is
    /// known.
    fn fresh(&mut self) -> Option<(Stream, bool)> {
        let fresh = self.fresh.take();
        fresh.filter(|(stream, _)| self.reach.permits(stream.peer()))
    }

    /// Takes a place on this connection's session, or on another one of the client.
    fn slot(&self, profile: &Arc<TlsProfile>) -> Option<StreamPlace> {
        let is_permitted = |session: &&Arc<Session>| self.reach.permits(session.peer());
        let own = self.session.as_ref().filter(is_permitted);
        own.and_then(Session::place).or_else(|| {
            let pool = self.generation.pool();
            pool.slot(self.reach.endpoint(), profile, |peer| {
                self.reach.permits(peer)
            })
        })
    }

    async fn idle(&self, profile: Option<&Arc<TlsProfile>>) -> Option<Stream> {
        if !self.takes_idle() {
            return None;
        }
        let pool = self.generation.pool();
        pool.take(self.reach.endpoint(), profile, |peer| {
            self.reach.permits(peer)
        })
        .await
    }

    /// Sends a request and waits for the head of its response. The body is sent at the same time,
    /// and continues while the response's body arrives.
    ///
    /// Dropping the future, or the response, ends the request.
    ///
    /// # Errors
    ///
    /// `Invalid` for another origin, for an invalid head, and for a body that differs from its
    /// announced size; otherwise the failure of connecting, TLS or the peer.
    pub async fn send<B>(
        &mut self,
        request: Checked<RequestLine>,
        kind: BodyKind,
        body: B,
    ) -> Result<Response, EgressError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.send_with(request, kind, body, SendOptions::default())
            .await
    }

    /// Sends a request with a layout of its head, or with `Expect: 100-continue`, as given in
    /// `options`.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    pub async fn send_with<B>(
        &mut self,
        request: impl Into<Arc<Checked<RequestLine>>>,
        kind: BodyKind,
        body: B,
        options: SendOptions,
    ) -> Result<Response, EgressError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let request = request.into();
        let sent = self.answer(&request, (kind, erase(body)), &options, false);
        sent.await?.framed()
    }

    /// Sends a request. With `takes_unframed` a malformed HTTP/1 response is returned as it comes.
    pub async fn answer(
        &mut self,
        request: &Checked<RequestLine>,
        (kind, body): (BodyKind, RequestBody),
        options: &SendOptions,
        takes_unframed: bool,
    ) -> Result<Received, EgressError> {
        if self.reach.origin().is_none() {
            self.reach.settle(Scheme::Http);
        }
        if self.reach.origin() != Some(&request.origin) {
            return Err(EgressError::Invalid(
                "the request is for another origin".into(),
            ));
        }
        if request.origin.scheme == Scheme::Https && !self.is_tls() {
            return Err(EgressError::Closed);
        }
        self.follow();
        self.reach.narrow(request);
        let spent = std::mem::take(&mut self.spent);
        let left = self.egress.config().request_deadline.saturating_sub(spent);
        let mut phase = Phase::Connect;
        let sending = Sending {
            request,
            kind,
            options,
            takes_unframed,
        };
        let sent = self.send_in_time(sending, body, left, &mut phase);
        let Ok(result) = timeout(left, sent).await else {
            // Retire the session so that it is not reused.
            self.session.take().inspect(|session| session.retire());
            return Err(EgressError::Timeout(phase));
        };
        result
    }

    async fn send_in_time(
        &mut self,
        sending: Sending<'_>,
        body: RequestBody,
        left: Duration,
        phase: &mut Phase,
    ) -> Result<Received, EgressError> {
        let started = Instant::now();
        let Sending {
            request,
            kind,
            options,
            ..
        } = sending;
        let max = self.egress.config().max_request_head;
        let head = encode_head(request, kind, options, max)?;
        let mut body = Some(body);
        let mut attempt = 1;
        loop {
            let transport = self.transport(attempt == 1, phase).await?;
            let (peer, reused) = match &transport {
                Transport::H1 { stream, reused } => (stream.peer(), *reused),
                Transport::H2 { slot } => (slot.session().peer(), slot.session().count() > 0),
            };
            self.peer = Some(peer);
            let result = match transport {
                Transport::H1 { stream, .. } => {
                    let request = self.h1_request(&head, sending);
                    let arrived = request.send(stream, &mut body, phase).await;
                    arrived.map(|arrived| match arrived {
                        Arrived::Framed(head, body) => (Ok(head), Source::H1(Box::new(body))),
                        Arrived::Unframed(why, body) => (Err(why), Source::H1(Box::new(body))),
                    })
                }
                Transport::H2 { slot } => {
                    if let Some(continued) = &options.continued {
                        continued.send_replace(true);
                    }
                    let result = self.send_h2(slot, request, kind, &mut body, phase).await;
                    result.map(|(head, body)| (Ok(head), Source::H2(Box::new(body))))
                }
            };
            let failure = match result {
                Ok((head, body)) => {
                    let body = body.until(left.saturating_sub(started.elapsed()));
                    return self.answered(head, body, (peer, reused));
                }
                Err(failure) => failure,
            };
            let may_retry = reused && body.is_some() && attempt < MAX_ATTEMPTS;
            if !may_retry || !failure.delivery.allows_retry(request, kind) {
                return Err(failure.error);
            }
            attempt += 1;
        }
    }

    /// Returns the transport for the next request: that of the setup, of the last request, one of
    /// the client, or a new one.
    async fn transport(
        &mut self,
        may_be_idle: bool,
        phase: &mut Phase,
    ) -> Result<Transport, EgressError> {
        if let Some((stream, reused)) = self.fresh() {
            return Ok(Transport::H1 { stream, reused });
        }
        if may_be_idle
            && let Some(idle) = self.return_slot.take()
            && let Some(mut stream) = idle.settle().await
            && self.reach.permits(stream.peer())
            && stream.is_quiet().await
        {
            return Ok(Transport::H1 {
                stream,
                reused: true,
            });
        }
        if let Some(profile) = &self.profile {
            return self.secure(profile, None, may_be_idle, phase).await;
        }
        if may_be_idle && let Some(stream) = self.idle(None).await {
            return Ok(Transport::H1 {
                stream,
                reused: true,
            });
        }
        let stream = self
            .egress
            .dial(&self.reach, &self.generation, None, phase)
            .await?;
        Ok(Transport::H1 {
            stream,
            reused: false,
        })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.takes_idle()
            && let Some((stream, true)) = self.fresh.take()
        {
            self.generation.pool().put(self.reach.endpoint(), stream);
        }
        self.return_slot.close();
    }
}
