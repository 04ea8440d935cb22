//! Puts questions to the hook: each grant once, however many ask for it, and also when the guest that
//! asked has given up.

use std::any::Any;
use std::hash::{BuildHasher, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::Span;

use crate::asked_before::AskedBefore;
use crate::hook::{DecisionHook, HookAnswer, HookRequest, Waiting};
use crate::shared_hook::SharedHook;
use crate::spans;
use crate::task::Task;
use sandbox_net_egress::account::{HostMemory, Reservation, fields};
use sandbox_net_policy::Policy;

/// The most questions that stay open, or whose answers are kept, although nobody waits.
const MAX_ABANDONED: usize = 64;
/// About what a shared question takes besides its texts: its tasks, and what its askers wait on.
const QUESTION: usize = 4 << 10;

/// The deadline where the clock cannot say the embedder's.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What became of a question.
#[derive(Debug, Clone)]
pub(crate) enum HookOutcome {
    /// The hook answered.
    Answered(HookAnswer),
    /// The hook has no answer.
    Failed(HookFailure),
}

/// Why a hook has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HookFailure {
    /// It returned an error with this text.
    Error(String),
    /// It panicked with this text.
    Panic(String),
    /// It did not answer before its deadline.
    Late,
    /// The runtime on which it was asked has ended.
    Ended,
}

impl HookFailure {
    /// What the guest is told. A panic's text is not meant for it.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Error(error) => format!("it failed: {error}"),
            Self::Panic(_) | Self::Ended => "it failed".to_owned(),
            Self::Late => "it did not answer in time".to_owned(),
        }
    }

    /// What is recorded.
    pub(crate) fn recorded(self) -> String {
        match self {
            Self::Error(error) => error,
            Self::Panic(text) => format!("panicked: {text}"),
            Self::Late => "no answer before the deadline".to_owned(),
            Self::Ended => "the runtime that asked it has ended".to_owned(),
        }
    }
}

/// A hook, and the questions to it of one sandbox.
pub(crate) struct Questions {
    hook: SharedHook,
    limit: Duration,
    state: Mutex<State>,
    hasher: RandomState,
}

#[derive(Default)]
struct State {
    open: Vec<Entry>,
    asked: AskedBefore,
}

/// A question that others may share, and the task that asks it. Dropping this withdraws the question.
struct Entry {
    question: Arc<Question>,
    _asking: Task<()>,
}

struct Question {
    request: HookRequest,
    hash: u64,
    /// The policy under which it was asked: another one asks anew.
    policy: Weak<Policy>,
    deadline: Instant,
    /// How many guests wait.
    waiting: watch::Sender<usize>,
    outcome: watch::Sender<Option<HookOutcome>>,
    _held: Reservation,
}

/// A guest that waits for an answer.
struct Waiter<'a> {
    questions: &'a Questions,
    question: Arc<Question>,
}

impl Questions {
    pub(crate) fn new(hook: SharedHook, limit: Duration) -> Self {
        Self {
            hook,
            limit,
            state: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// Puts a question, or waits for the answer to the same one that is open. Only what a rule or the
    /// mode asks is shared. Without memory for that, the question ends with its guest.
    pub(crate) async fn put(
        self: &Arc<Self>,
        mut request: HookRequest,
        policy: &Arc<Policy>,
        memory: &HostMemory,
    ) -> HookOutcome {
        let now = Instant::now();
        let deadline = now.checked_add(self.limit).unwrap_or(now + FAR);
        let held = match request.is_asked {
            true => memory.reserve(cost(&request)).ok(),
            false => None,
        };
        let Some(held) = held else {
            request.asked_before = self.state().asked.count(&request, memory);
            return asked(self.hook.clone(), request, deadline).await;
        };
        match self.join(request, (policy, deadline), held, memory) {
            Ok(waiter) => waiter.outcome().await,
            Err(known) => known,
        }
    }

    /// Waits with those who asked the same, or opens the question. Returns the outcome if it is known.
    fn join(
        self: &Arc<Self>,
        request: HookRequest,
        (policy, deadline): (&Arc<Policy>, Instant),
        held: Reservation,
        memory: &HostMemory,
    ) -> Result<Waiter<'_>, HookOutcome> {
        let hash = self.hash(&request);
        let mut state = self.state();
        let same = |entry: &Entry| entry.question.is_for(&request, hash, policy);
        let question = match state.open.iter().position(same) {
            Some(at) => {
                let question = Arc::clone(&state.open[at].question);
                if let Some(outcome) = question.known() {
                    // It was answered after its guest had given up. It counts once.
                    let entry = state.open.swap_remove(at);
                    drop(state);
                    drop(entry);
                    return Err(outcome);
                }
                question.waiting.send_modify(|count| *count += 1);
                question
            }
            None => {
                let asked_before = state.asked.count(&request, memory);
                let asked = (hash, asked_before, held);
                let question = Arc::new(Question::new(request, asked, policy, deadline));
                // Before the hook can look: a question that nobody waits for is withdrawn.
                question.waiting.send_modify(|count| *count += 1);
                let asking = Asking {
                    questions: Arc::downgrade(self),
                    question: Arc::clone(&question),
                };
                // The guest's span ends when the guest gives up.
                let span = spans::question(question.request.stage);
                span.follows_from(Span::current());
                let asking = asking.ask(self.hook.clone());
                state.open.push(Entry {
                    question: Arc::clone(&question),
                    _asking: span.in_scope(|| Task::spawn(asking)),
                });
                question
            }
        };
        drop(state);
        Ok(Waiter {
            questions: self,
            question,
        })
    }

    /// Makes an outcome known, and keeps it for the next guest if none waits at the moment. Returns
    /// whether it is kept.
    fn answered(&self, question: &Arc<Question>, outcome: HookOutcome) -> bool {
        let mut state = self.state();
        question.outcome.send_replace(Some(outcome));
        if *question.waiting.borrow() == 0 {
            return true;
        }
        let entry = state.take(question);
        drop(state);
        drop(entry);
        false
    }

    /// Ends a question.
    fn end(&self, question: &Arc<Question>) {
        let entry = self.state().take(question);
        drop(entry);
    }

    /// A hash that no guest can predict, so that few questions are compared whole.
    fn hash(&self, request: &HookRequest) -> u64 {
        let HookRequest {
            stage,
            origin,
            method,
            path,
            fields,
            ..
        } = request;
        let parts = (stage.as_str(), origin, method, path, fields);
        self.hasher.hash_one(parts)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, question: &Arc<Question>) -> Option<Entry> {
        let at = |entry: &Entry| Arc::ptr_eq(&entry.question, question);
        let at = self.open.iter().position(at)?;
        Some(self.open.swap_remove(at))
    }

    fn abandoned(&self) -> usize {
        let nobody = |entry: &&Entry| *entry.question.waiting.borrow() == 0;
        self.open.iter().filter(nobody).count()
    }
}

impl Question {
    fn new(
        mut request: HookRequest,
        (hash, asked_before, held): (u64, u64, Reservation),
        policy: &Arc<Policy>,
        deadline: Instant,
    ) -> Self {
        let (waiting, count) = watch::channel(0);
        request.asked_before = asked_before;
        request.waiting = Waiting::new(count);
        Self {
            request,
            hash,
            policy: Arc::downgrade(policy),
            deadline,
            waiting,
            outcome: watch::channel(None).0,
            _held: held,
        }
    }

    fn known(&self) -> Option<HookOutcome> {
        self.outcome.borrow().clone()
    }

    fn is_for(&self, request: &HookRequest, hash: u64, policy: &Arc<Policy>) -> bool {
        self.hash == hash
            && std::ptr::eq(self.policy.as_ptr(), Arc::as_ptr(policy))
            && self.request.is_same(request)
    }
}

impl Waiter<'_> {
    async fn outcome(&self) -> HookOutcome {
        let mut outcome = self.question.outcome.subscribe();
        // The sender is in the question, which this holds.
        let known = outcome.wait_for(Option::is_some).await;
        let known = known.ok().and_then(|known| known.clone());
        known.unwrap_or(HookOutcome::Failed(HookFailure::Ended))
    }
}

/// A guest that gives up leaves its question open, unless too many are.
impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut state = self.questions.state();
        self.question.waiting.send_modify(|count| *count -= 1);
        let is_open = self.question.outcome.borrow().is_none();
        let entry = match is_open && state.abandoned() > MAX_ABANDONED {
            true if *self.question.waiting.borrow() == 0 => state.take(&self.question),
            _ => None,
        };
        drop(state);
        drop(entry);
    }
}

/// The task that asks a question which is shared.
struct Asking {
    questions: Weak<Questions>,
    question: Arc<Question>,
}

impl Asking {
    async fn ask(self, hook: SharedHook) {
        let Question {
            request, deadline, ..
        } = &*self.question;
        let outcome = asked(hook, request.clone(), *deadline).await;
        let Some(questions) = self.questions.upgrade() else {
            return;
        };
        let is_kept = questions.answered(&self.question, outcome);
        drop(questions);
        if is_kept {
            sleep_until(*deadline).await;
        }
    }
}

/// Also if the runtime ends before there is an answer.
impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(questions) = self.questions.upgrade() {
            questions.end(&self.question);
        }
        self.question.outcome.send_if_modified(|outcome| {
            let is_open = outcome.is_none();
            outcome.get_or_insert(HookOutcome::Failed(HookFailure::Ended));
            is_open
        });
    }
}

/// Asks the hook, in a task of its own: a hook that blocks, which it must not, does not block this
/// one.
async fn asked(hook: SharedHook, request: HookRequest, deadline: Instant) -> HookOutcome {
    let asking = async move { hook.decide(&request).await };
    let asking = Task::spawn(AssertUnwindSafe(asking).catch_unwind());
    HookOutcome::Failed(match timeout_at(deadline, asking).await {
        Ok(Ok(Ok(answer))) => return HookOutcome::Answered(answer),
        Ok(Ok(Err(error))) => HookFailure::Error(error.to_string()),
        Ok(Err(panic)) => HookFailure::Panic(text(&*panic)),
        Err(_) => HookFailure::Late,
    })
}

/// The text of a panic.
fn text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("with a value that is no text").to_owned()
}

/// What a shared question takes of the host's memory, once for itself and once for the hook.
fn cost(request: &HookRequest) -> usize {
    let HookRequest {
        method,
        path,
        fields: sent,
        rule,
        ..
    } = request;
    let texts = [method, path].map(|text| text.as_ref().map_or(0, Vec::len));
    QUESTION + 2 * (fields(sent) + texts.iter().sum::<usize>() + rule.len())
}

/// What tests look at.
#[cfg(test)]
impl Questions {
    fn waiting(&self) -> usize {
        let state = self.state();
        state
            .open
            .iter()
            .map(|it| *it.question.waiting.borrow())
            .sum()
    }

    fn kept(&self) -> usize {
        self.state().open.len()
    }
}

#[cfg(test)]
mod tests;
