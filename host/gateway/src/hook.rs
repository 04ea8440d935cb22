//! The embedder's hook, which decides on every request after the policy.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::watch;

use crate::audit::Stage;
use sandbox_net_policy::{Origin, TlsOverride};

/// Why a hook has no answer. In any case the request is denied.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// Bytes of a text of the guest that the `Debug` form of a request shows, and how many fields.
const SHOWN: usize = 256;
const SHOWN_FIELDS: usize = 32;

/// An embedder's own decision on every request, after the policy's rules.
///
/// It is asked at each stage: before a name is resolved ([`Stage::Connect`], or [`Stage::Tunnel`]), before TLS begins
/// ([`Stage::Tls`]), and before a request is sent ([`Stage::Request`]). It can narrow what the rules
/// allow. It can grant only what a rule, or the policy's mode, asks about
/// ([`HookRequest::is_asked`]). If it fails, panics or exceeds its deadline, the request is denied,
/// and the record has its error's or its panic's text
/// ([`DecisionRecord::hook_error`](crate::DecisionRecord::hook_error)).
///
/// ```
/// use sandbox_net_gateway::{DecisionHook, HookAnswer, HookError, HookRequest};
///
/// struct Reading;
///
/// impl DecisionHook for Reading {
///     async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
///         Ok(match request.method.as_deref() {
///             None | Some(b"GET" | b"HEAD") => HookAnswer::allow(),
///             Some(_) => HookAnswer::deny("this agent only reads"),
///         })
///     }
/// }
/// ```
///
/// A function or a closure that takes a [`HookRequest`] is a hook too, and so is an [`Arc`] of a hook,
/// of which the embedder keeps a clone:
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// use sandbox_net_gateway::{DecisionHook, Gateway, HookAnswer, HookError, HookRequest};
///
/// let reading = |request: HookRequest| async move {
///     Ok(match request.is_asked {
///         true => HookAnswer::deny("nobody is here"),
///         false => HookAnswer::allow(),
///     })
/// };
/// let builder = Gateway::builder().hook(reading, Duration::from_secs(30));
/// # struct Counting;
/// # impl DecisionHook for Counting {
/// #     async fn decide(&self, _: &HookRequest) -> Result<HookAnswer, HookError> {
/// #         Ok(HookAnswer::allow())
/// #     }
/// # }
/// let counting = Arc::new(Counting);
/// let builder = Gateway::builder().hook(Arc::clone(&counting), Duration::from_secs(30));
/// ```
///
/// # One question for one grant
///
/// A question that a rule or the mode asks ([`HookRequest::is_asked`]) is put once. Whoever asks for
/// the same while it is open, equal in everything that the hook sees, gets the same answer. It stays
/// open when the guest gives up, until the hook's deadline; an answer that comes then is for the next
/// guest that asks for the same before that deadline. So the future of such a question is dropped at
/// its deadline, when the sandbox is, or if too many questions are open for which nobody waits. A hook
/// that would rather withdraw its question waits for [`HookRequest::abandoned`]. The future of a
/// question about what a rule allows is dropped when the guest gives up.
pub trait DecisionHook: Send + Sync {
    /// Answers one request. It may take the time to ask a person. It must not block its thread:
    /// that takes a thread from the runtime, and stops a runtime that has only one.
    ///
    /// # Errors
    ///
    /// Whatever kept it from an answer; its text is in the denial and in the record.
    fn decide(
        &self,
        request: &HookRequest,
    ) -> impl Future<Output = Result<HookAnswer, HookError>> + Send;
}

/// A function of a request is a hook.
impl<F, Answering> DecisionHook for F
where
    F: Fn(HookRequest) -> Answering + Send + Sync,
    Answering: Future<Output = Result<HookAnswer, HookError>> + Send,
{
    fn decide(
        &self,
        request: &HookRequest,
    ) -> impl Future<Output = Result<HookAnswer, HookError>> + Send {
        self(request.clone())
    }
}

/// A shared hook is a hook, so that its owner can keep it.
impl<H: DecisionHook> DecisionHook for Arc<H> {
    fn decide(
        &self,
        request: &HookRequest,
    ) -> impl Future<Output = Result<HookAnswer, HookError>> + Send {
        H::decide(self, request)
    }
}

/// What a hook is asked about.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookRequest {
    /// The name of the sandbox.
    pub sandbox: Arc<str>,
    /// The stage at which it is asked.
    pub stage: Stage,
    /// The origin. At [`Stage::Connect`] and [`Stage::Tunnel`] its scheme is the one that the port
    /// stands for, or http.
    pub origin: Origin,
    /// The method, at [`Stage::Request`].
    pub method: Option<Vec<u8>>,
    /// The path and query, at [`Stage::Request`], with placeholders for secrets.
    pub path: Option<Vec<u8>>,
    /// The fields, at [`Stage::Request`], with placeholders for secrets.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The program's own TLS settings that it requests, at [`Stage::Tls`], or that the connection
    /// has, at [`Stage::Request`]. The policy grants them; their names are those of the log.
    pub tls: Vec<TlsOverride>,
    /// The rule that allows it, or that asks.
    pub rule: String,
    /// Whether it is denied unless the hook grants it.
    pub is_asked: bool,
    /// How often the hook was asked before, in all runs of this sandbox, at this stage for this
    /// origin, method and path without its query. The last 4,096 different ones are remembered.
    pub asked_before: u64,
    pub(crate) waiting: Waiting,
}

impl HookRequest {
    /// Waits until no program waits for the answer any more, because all that asked have given up. The
    /// answer may still serve the next one, so a hook has to stop only if it wants to withdraw its
    /// question.
    ///
    /// ```
    /// # async fn ask_a_person(_: &HookRequest) -> HookAnswer { HookAnswer::allow() }
    /// use sandbox_net_gateway::{HookAnswer, HookError, HookRequest};
    ///
    /// async fn decide(request: HookRequest) -> Result<HookAnswer, HookError> {
    ///     tokio::select! {
    ///         answer = ask_a_person(&request) => Ok(answer),
    ///         () = request.abandoned() => Ok(HookAnswer::deny("the question was withdrawn")),
    ///     }
    /// }
    /// ```
    pub async fn abandoned(&self) {
        self.waiting.nobody().await;
    }

    /// Whether the hook sees no difference between two requests, except how often it was asked.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        // All of them, so that a new field is not forgotten.
        let Self {
            sandbox,
            stage,
            origin,
            method,
            path,
            fields,
            tls,
            rule,
            is_asked,
            asked_before: _,
            waiting: _,
        } = self;
        *stage == other.stage
            && *origin == other.origin
            && *method == other.method
            && *path == other.path
            && *fields == other.fields
            && *tls == other.tls
            && *rule == other.rule
            && *is_asked == other.is_asked
            && *sandbox == other.sandbox
    }
}

/// Bounds what the guest wrote, because the guest chooses its length. Secrets are placeholders.
impl fmt::Debug for HookRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sandbox,
            stage,
            origin,
            method,
            path,
            fields,
            tls,
            rule,
            is_asked,
            asked_before,
            waiting: _,
        } = self;
        let shown: Vec<_> = fields.iter().take(SHOWN_FIELDS).collect();
        let shown: Vec<_> = shown
            .iter()
            .map(|(name, value)| format!("{}: {}", Shown(name), Shown(value)))
            .collect();
        f.debug_struct("HookRequest")
            .field("sandbox", sandbox)
            .field("stage", stage)
            .field("origin", &format_args!("{origin}"))
            .field("method", &method.as_deref().map(Shown))
            .field("path", &path.as_deref().map(Shown))
            .field("fields", &shown)
            .field("more_fields", &(fields.len() - shown.len()))
            .field("tls", tls)
            .field("rule", rule)
            .field("is_asked", is_asked)
            .field("asked_before", asked_before)
            .finish()
    }
}

/// The beginning of a text of the guest, escaped.
struct Shown<'a>(&'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        let beginning = &bytes[..bytes.len().min(SHOWN)];
        beginning.escape_ascii().fmt(f)?;
        match bytes.len() > SHOWN {
            true => f.write_str("…"),
            false => Ok(()),
        }
    }
}

impl fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How many programs wait for the answer. It is no part of what is asked.
#[derive(Clone, Default)]
pub(crate) struct Waiting(Option<watch::Receiver<usize>>);

impl Waiting {
    pub(crate) fn new(count: watch::Receiver<usize>) -> Self {
        Self(Some(count))
    }

    async fn nobody(&self) {
        match self.0.clone() {
            // Without a sender the question is over.
            Some(mut count) => drop(count.wait_for(|count| *count == 0).await),
            None => std::future::pending().await,
        }
    }
}

impl PartialEq for Waiting {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Waiting {}

/// The answer of a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HookAnswer {
    /// Allows it, with these changes.
    Allow(Amendments),
    /// Denies it, for this reason, which the guest is told.
    Deny(String),
}

impl HookAnswer {
    /// Allows it unchanged.
    #[must_use]
    pub fn allow() -> Self {
        Self::Allow(Amendments::default())
    }

    /// Denies it, for this reason, which the guest is told.
    pub fn deny(why: impl Into<String>) -> Self {
        Self::Deny(why.into())
    }
}

/// What a hook changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Amendments {
    /// At [`Stage::Connect`]: the address to dial instead of resolving the name. The policy has to
    /// permit it. At another stage it is an error, and the request is denied.
    pub address: Option<IpAddr>,
    /// The port to dial at that address; `None` for the one that the guest asked for. The policy has
    /// to allow the host at this port too, and to permit the address there.
    pub port: Option<u16>,
    /// At [`Stage::Request`]: fields to send, replacing the guest's of the same names. At another
    /// stage they are an error, and the request is denied.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Amendments {
    /// Dials this address, at the port that the guest asked for.
    #[must_use]
    pub fn dial(mut self, address: IpAddr) -> Self {
        (self.address, self.port) = (Some(address), None);
        self
    }

    /// Dials this address and port.
    ///
    /// ```
    /// # use sandbox_net_gateway::{Amendments, HookAnswer};
    /// let answer = HookAnswer::Allow(Amendments::default().dial_socket(([127, 0, 0, 1], 8443).into()));
    /// ```
    #[must_use]
    pub fn dial_socket(mut self, address: SocketAddr) -> Self {
        (self.address, self.port) = (Some(address.ip()), Some(address.port()));
        self
    }

    /// Sends this field.
    #[must_use]
    pub fn field(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}

#[cfg(test)]
mod tests;
