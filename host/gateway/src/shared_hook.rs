//! Erases the type of a hook.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::hook::{DecisionHook, HookAnswer, HookError, HookRequest};

/// A hook of any type, for code that chooses one while it runs. Clones share the hook.
///
/// ```
/// use sandbox_net_gateway::{HookAnswer, HookRequest, SharedHook};
///
/// let is_attended = false;
/// let hook = match is_attended {
///     true => SharedHook::new(|_: HookRequest| async { Ok(HookAnswer::allow()) }),
///     false => SharedHook::new(|_: HookRequest| async { Ok(HookAnswer::deny("nobody is here")) }),
/// };
/// ```
#[derive(Clone)]
pub struct SharedHook(Arc<dyn Erased>);

/// [`DecisionHook`] with a boxed future, so that there are values of any type that has it.
trait Erased: Send + Sync {
    fn ask<'a>(&'a self, request: &'a HookRequest) -> BoxFuture<'a, Result<HookAnswer, HookError>>;
}

impl<H: DecisionHook> Erased for H {
    fn ask<'a>(&'a self, request: &'a HookRequest) -> BoxFuture<'a, Result<HookAnswer, HookError>> {
        Box::pin(self.decide(request))
    }
}

impl SharedHook {
    /// Shares a hook.
    pub fn new(hook: impl DecisionHook + 'static) -> Self {
        Self(Arc::new(hook))
    }
}

impl DecisionHook for SharedHook {
    async fn decide(&self, request: &HookRequest) -> Result<HookAnswer, HookError> {
        self.0.ask(request).await
    }
}

impl fmt::Debug for SharedHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedHook")
    }
}
