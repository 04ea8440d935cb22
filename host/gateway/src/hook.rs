//! The embedder's hook, which decides on every request after the policy.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use crate::audit::Stage;
use sandbox_net_policy::Origin;

/// Why a hook has no answer. In any case the request is denied.
pub type HookError = Box<dyn std::error::Error + Send + Sync>;

/// What [`DecisionHook::decide`] returns.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<HookAnswer, HookError>> + Send + 'a>>;

/// An embedder's own decision on every request, after the policy's rules.
///
/// It is asked at each stage: before a name is resolved ([`Stage::Connect`]), before TLS begins
/// ([`Stage::Tls`]), and before a request is sent ([`Stage::Request`]). It can narrow what the rules
/// allow. It can grant only what a rule, or the policy's mode, asks about
/// ([`HookRequest::is_asked`]). If it fails, panics or exceeds its deadline, the request is denied.
///
/// ```
/// use sandbox_net_gateway::{DecisionHook, HookAnswer, HookFuture, HookRequest};
///
/// struct Reading;
///
/// impl DecisionHook for Reading {
///     fn decide<'a>(&'a self, request: &'a HookRequest) -> HookFuture<'a> {
///         Box::pin(async move {
///             Ok(match request.method.as_deref() {
///                 None | Some(b"GET" | b"HEAD") => HookAnswer::allow(),
///                 Some(_) => HookAnswer::deny("this agent only reads"),
///             })
///         })
///     }
/// }
/// ```
pub trait DecisionHook: Send + Sync {
    /// Answers one request. It may take the time to ask a person. It must not block its thread:
    /// that takes a thread from the runtime, and stops a runtime that has only one.
    ///
    /// # Errors
    ///
    /// Whatever kept it from an answer; its text is in the denial.
    fn decide<'a>(&'a self, request: &'a HookRequest) -> HookFuture<'a>;
}

/// What a hook is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookRequest {
    /// The name of the sandbox.
    pub sandbox: Arc<str>,
    /// The stage at which it is asked.
    pub stage: Stage,
    /// The origin. At [`Stage::Connect`] its scheme is the one that the port stands for, or http.
    pub origin: Origin,
    /// The method, at [`Stage::Request`].
    pub method: Option<Vec<u8>>,
    /// The path and query, at [`Stage::Request`], with placeholders for secrets.
    pub path: Option<Vec<u8>>,
    /// The fields, at [`Stage::Request`], with placeholders for secrets.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    /// The rule that allows it, or that asks.
    pub rule: String,
    /// Whether it is denied unless the hook grants it.
    pub is_asked: bool,
}

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
    /// At [`Stage::Request`]: fields to send, replacing the guest's of the same names. At another
    /// stage they are an error, and the request is denied.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Amendments {
    /// Dials this address.
    #[must_use]
    pub fn dial(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Sends this field.
    #[must_use]
    pub fn field(mut self, name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        self.fields.push((name.into(), value.into()));
        self
    }
}
