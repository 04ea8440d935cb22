//! Sends requests: from the decision to the beginning of the answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tracing::{Instrument, Span};

use crate::audit::{METHOD, PendingDecision, PendingRequest, Stage, Subject, TARGET};
use crate::completion::Completion;
use crate::consult::Question;
use crate::gateway::{Gateway, escaped};
use crate::hook::Amendments;
use crate::link::Link;
use crate::malformed::for_guest;
use crate::outgoing::Outgoing;
use crate::request::{Body, RequestHead, Response};
use crate::response::{Tracking, tracked};
use crate::secrets::Carried;
use crate::spans;
use crate::unframed::unframed;
use sandbox_net_egress::account::{Reservation, fields};
use sandbox_net_egress::{
    BodyKind, EgressError, Layout, Limit, MAX_FIELDS, SendOptions, head_size, take_only,
};
use sandbox_net_policy::{Answer, Checked, Denial, Policy, RequestLine};

/// Bytes of a field's name that a denial quotes.
const NAME: usize = 64;

/// A judged request on its connection.
struct Judged {
    link: Link,
    answer: Answer<RequestLine>,
    policy: Arc<Policy>,
    span: Span,
    /// As it is recorded: without what the host inserts later.
    subject: Subject,
    kind: BodyKind,
    /// With whether a malformed response is accepted as it comes.
    options: (SendOptions, bool),
    completion: Arc<Completion>,
    decided: PendingDecision,
    /// The memory of its head.
    held: Reservation,
}

/// A request's span, and what is recorded of it.
type Named = (Span, Subject);

/// In how many forms a request's head is held at once: as it was decided on, as it is sent, and the
/// names in their order. A hook gets one more.
const FORMS: usize = 3;

impl Gateway {
    /// Decides on a request and sends it. What the rules refuse is refused before the first await,
    /// and so is everything else if there is no hook.
    ///
    /// # Errors
    ///
    /// The first failure of the request, as in its completion.
    pub fn send(
        &self,
        outgoing: Outgoing,
        body: Body,
    ) -> impl Future<Output = Result<Response, EgressError>> + Send + use<> {
        let Outgoing {
            link,
            mut head,
            kind,
            completion,
            takes_unframed,
            between_bytes,
        } = outgoing;
        let options = SendOptions {
            layout: Layout::take(&mut head.fields, kind),
            continued: takes_expectation(&mut head.fields, kind).then(|| completion.continuing()),
            // A head that names a coding can't be masked as it comes, so the host reads it then.
            ambiguous_as_it_comes: !self.shared.vault.is_returned_by(&link.origin),
        };
        let options = (options, takes_unframed);
        let subject = self.subject(&link, &head.method, &head.path);
        let span = spans::request(self.audit.sandbox(), &subject.shown());
        let named = (span.clone(), subject);
        let judged = span.in_scope(|| self.judge(link, &head, named, (kind, options), &completion));
        let judged = judged.map_err(|error| completion.failed(error));
        let (this, within) = (self.clone(), span.clone());
        let sent = async move {
            let sent = match judged {
                Ok(judged) => this.carry_out(judged, body, between_bytes).await,
                Err(error) => Err(error),
            };
            sent.map_err(|error| completion.failed(error))
                .inspect_err(|error| spans::failed(&span, &error.code()))
        };
        sent.instrument(within)
    }

    /// The rules' answer. From here on a change of the policy affects the request.
    fn judge(
        &self,
        link: Link,
        head: &RequestHead,
        (span, subject): Named,
        (kind, options): (BodyKind, (SendOptions, bool)),
        completion: &Arc<Completion>,
    ) -> Result<Judged, EgressError> {
        let RequestHead { method, path, .. } = head;
        if head.fields.len() > MAX_FIELDS {
            self.malformed_request(&link, method, path);
            return Err(EgressError::Limit(Limit::RequestHeadSize));
        }
        let (answer, policy) = self.shared.judge(&link.context(), head, completion);
        let (answer, mut decided) = self.judged(subject.clone(), answer);
        if let Some(address) = link.address {
            decided.dialled(address);
        }
        let answer = answer?;
        let within = self.run.as_ref().map_or(Ok(()), |run| run.request());
        self.metered(&mut decided, within)?;
        self.metered(&mut decided, self.shared.meter.request())?;
        link.opened.carries();
        let admission = self.metered(&mut decided, self.shared.admit_request())?;
        completion.admit(admission);
        let held = self.metered(&mut decided, self.memory().reserve(self.cost(head)))?;
        Ok(Judged {
            link,
            answer,
            policy,
            span,
            subject,
            kind,
            options,
            completion: Arc::clone(completion),
            decided,
            held,
        })
    }

    /// What a request's head costs in memory until it is answered.
    fn cost(&self, head: &RequestHead) -> usize {
        let forms = FORMS + usize::from(self.shared.questions.is_some());
        // Method and path are also kept to judge the request again.
        fields(&head.fields) * forms + (head.method.len() + head.path.len()) * (forms + 1)
    }

    /// The hook's answer on a request, under the present policy.
    async fn granted(
        &self,
        answer: Answer<RequestLine>,
        (link, then): (&Link, &Arc<Policy>),
        decided: &mut PendingDecision,
    ) -> Result<(Checked<RequestLine>, Amendments), Denial> {
        if self.shared.questions.is_none() {
            return Ok((answer.without_asking()?, Amendments::default()));
        }
        let was_asked = matches!(answer, Answer::Ask(_));
        let RequestLine {
            origin,
            method,
            path,
            fields,
        } = answer.value().clone();
        let question = move || Question {
            stage: Stage::Request,
            origin,
            method: Some(method),
            path: Some(path),
            fields,
            tls: link.asked(),
        };
        let asked = (then, decided);
        let (line, amendments) = self.consult(answer, question, asked).await?;
        if Arc::ptr_eq(then, &self.shared.policy()) {
            return Ok((line, amendments));
        }
        let head = RequestLine::clone(&line);
        let judge = |policy: &Policy| {
            let context = link.context();
            context.answer(policy, &head.method, &head.path, &head.fields)
        };
        let line = self.present(then, was_asked, line, judge)?;
        Ok((line, amendments))
    }

    /// Carries out a judged request: hook, record, request, and the response's beginning.
    async fn carry_out(
        &self,
        judged: Judged,
        body: Body,
        between: Option<Duration>,
    ) -> Result<Response, EgressError> {
        let Judged {
            link,
            answer,
            policy,
            span,
            subject,
            kind,
            options,
            completion,
            mut decided,
            held: _held,
        } = judged;
        let deciding = decided.span();
        let approved = self.approved(answer, (&link, &policy), &mut decided);
        let (line, carried) = approved.instrument(deciding).await?;
        let head_size = head_size(&line, kind, &options.0);
        self.metered(&mut decided, self.shared.meter.has_room_up(head_size))?;
        // What is not recorded is not done.
        self.recorded(&mut decided, || line.audit_denial()).await?;
        let record = Arc::new(PendingRequest::new(&self.audit, &decided, span));
        drop(decided);
        record.with_secrets(carried.names);
        record.sent(head_size);
        completion.record_in(Arc::clone(&record));
        let tracking = Tracking {
            shared: Arc::clone(&self.shared),
            record,
            completion,
            carried: carried.values,
            between,
        };
        let line = Arc::new(line);
        let request = (kind, tracking.counted(body), options);
        let answer = self.answer(&link, &line, request, &subject, &tracking);
        let answer = answer.await?;
        self.note_own(&link, &line, answer.peer(), subject).await?;
        match answer {
            sandbox_net_egress::Received::Framed(response) => tracked(response, &line, tracking),
            sandbox_net_egress::Received::Unframed(answer) => unframed(answer, &line, tracking),
        }
    }

    /// The request to send, after the hook has answered and the secrets are inserted; and those.
    async fn approved(
        &self,
        answer: Answer<RequestLine>,
        (link, policy): (&Link, &Arc<Policy>),
        decided: &mut PendingDecision,
    ) -> Result<(Checked<RequestLine>, Carried), EgressError> {
        let granted = self.granted(answer, (link, policy), decided).await;
        let granted = self.overruling(decided, granted.map_err(EgressError::Denied));
        let (mut line, amendments) = granted?;
        let prepared = self.prepare(&mut line, amendments, link).await;
        let carried = self.overruling(decided, prepared)?;
        Ok((line, carried))
    }

    /// Sends a recorded request; returns the beginning of its response.
    async fn answer(
        &self,
        link: &Link,
        line: &Arc<Checked<RequestLine>>,
        request: (BodyKind, Body, (SendOptions, bool)),
        subject: &Subject,
        Tracking {
            record, completion, ..
        }: &Tracking,
    ) -> Result<sandbox_net_egress::Received, EgressError> {
        let sent = self.transmit(link, Arc::clone(line), request, completion);
        let sent = self.shared.meter.within_time(sent).await;
        let sent = sent.unwrap_or_else(|limit| Err(EgressError::Limit(limit)));
        sent.map_err(|error| {
            self.refused_late(subject, &error);
            for_guest(error, &line.origin, &self.shared, (record, completion))
        })
    }

    /// Records that a request went to this machine itself, if that was not known before.
    async fn note_own(
        &self,
        link: &Link,
        line: &Checked<RequestLine>,
        peer: SocketAddr,
        subject: Subject,
    ) -> Result<(), EgressError> {
        if link.address.is_some() {
            return Ok(());
        }
        let machine = self.shared.egress.machine();
        let Err(denial) = machine.check(line, peer.ip()) else {
            return Ok(());
        };
        let mut decided = self.audit.decided(subject, Err(&denial));
        decided.dialled(peer);
        decided.reported(&denial);
        self.recorded(&mut decided, || line.audit_denial()).await
    }

    /// Adds what the hook and the secrets add; returns the inserted secrets.
    async fn prepare(
        &self,
        line: &mut Checked<RequestLine>,
        amendments: Amendments,
        link: &Link,
    ) -> Result<Carried, EgressError> {
        amend(line, amendments.fields).map_err(EgressError::Denied)?;
        let is_vouched_for = link.profile.are_as_strict_as_the_hosts();
        let vault = &self.shared.vault;
        vault.fill(line, is_vouched_for, self.memory()).await
    }

    /// Sends the request, unless it is ended from elsewhere: by the guest, or by a change of the
    /// policy.
    async fn transmit(
        &self,
        link: &Link,
        line: Arc<Checked<RequestLine>>,
        (kind, body, (options, takes_unframed)): (BodyKind, Body, (SendOptions, bool)),
        completion: &Completion,
    ) -> Result<sandbox_net_egress::Received, EgressError> {
        let sending = async {
            let mut connection = link.connection.lock().await;
            let body = (kind, sandbox_net_egress::erase(body));
            let sent = connection.answer(&line, body, &options, takes_unframed);
            sent.await
        };
        tokio::select! {
            biased;
            () = completion.ended() => Err(completion.failure().unwrap_or(EgressError::Closed)),
            sent = sending => sent,
        }
    }

    /// Records that the address filter refused a request after it was recorded as allowed: a pooled
    /// connection had to be dialled again. That is a decision of its own.
    fn refused_late(&self, subject: &Subject, error: &EgressError) {
        if let EgressError::Denied(denial) = error {
            self.shared.meter.denied();
            drop(self.audit.decided(subject.clone(), Err(denial)));
        }
    }

    /// Records a request that failed before the decision because there was no memory for it.
    ///
    /// # Errors
    ///
    /// The result's own.
    pub fn request_within_memory<T>(
        &self,
        result: Result<T, EgressError>,
        (link, head): (&Link, &RequestHead),
    ) -> Result<T, EgressError> {
        self.within_memory(result, || self.subject(link, &head.method, &head.path))
    }

    /// What is recorded of a request.
    pub(crate) fn subject(&self, link: &Link, method: &[u8], path: &[u8]) -> Subject {
        let end = match self.audit.has_queries() {
            true => path.len(),
            false => path.iter().position(|b| *b == b'?').unwrap_or(path.len()),
        };
        Subject {
            stage: Stage::Request,
            host: Some(link.origin.endpoint.host.clone()),
            target: format!("{}{}", link.origin, escaped(&path[..end], TARGET)),
            port: link.origin.endpoint.port,
            method: Some(escaped(method, METHOD)),
            tls: link.asked(),
        }
    }
}

/// Inserts the hook's fields. A bad one is the hook's fault, not the guest's.
fn amend(line: &mut Checked<RequestLine>, with: sandbox_net_egress::Fields) -> Result<(), Denial> {
    if with.is_empty() {
        return Ok(());
    }
    let Err(denial) = line.amend(|_, fields| replace(fields, with.clone())) else {
        return Ok(());
    };
    let mut alone = line.clone();
    let is_bad = |field: &&(Vec<u8>, Vec<u8>)| {
        let field = vec![(*field).clone()];
        alone.amend(|_, fields| replace(fields, field)).is_err()
    };
    let bad = with.iter().find(is_bad);
    let name = bad.map_or(String::new(), |(name, _)| {
        let name = &name[..name.len().min(NAME)];
        format!(" '{}'", name.escape_ascii())
    });
    let why = format!(
        "it gave a field{name} that can't be sent (reason {})",
        denial.reason
    );
    Err(line.hook_denial(&why))
}

/// Replaces fields by others of the same names.
fn replace(fields: &mut sandbox_net_egress::Fields, with: sandbox_net_egress::Fields) {
    let is_new = |name: &[u8]| with.iter().any(|(new, _)| new.eq_ignore_ascii_case(name));
    fields.retain(|(name, _)| !is_new(name));
    fields.extend(with);
}

/// Takes the field `Expect: 100-continue` of a request with a body: it concerns only the host and
/// the peer. Any other one stays, and is refused.
fn takes_expectation(fields: &mut sandbox_net_egress::Fields, kind: BodyKind) -> bool {
    let is_known = |value: &[u8]| !kind.is_empty() && value.eq_ignore_ascii_case(b"100-continue");
    take_only(fields, "expect", is_known).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_known_expectation_of_a_request_with_a_body_is_the_hosts_to_send() {
        let sized = BodyKind::Sized(4);
        for (values, kind, takes) in [
            (&["100-continue"][..], sized, true),
            (&["100-Continue"], BodyKind::Chunked, true),
            (&[], sized, false),
            (&["100-continue"], BodyKind::None, false),
            (&["100-continue"], BodyKind::Sized(0), false),
            (&["100-continue", "100-continue"], sized, false),
            (&["100-continue, x"], sized, false),
            (&[""], sized, false),
            (&["x"], sized, false),
        ] {
            let field = |value: &&str| (b"eXpect".to_vec(), value.as_bytes().to_vec());
            let mut fields: sandbox_net_egress::Fields = values.iter().map(field).collect();
            fields.push((b"Other".to_vec(), b"100-continue".to_vec()));
            assert_eq!(takes_expectation(&mut fields, kind), takes, "{values:?}");
            let left = if takes { 0 } else { values.len() };
            assert_eq!(fields.len(), left + 1, "{values:?}");
        }
    }
}
