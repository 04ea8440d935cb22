//! The interpreter of a session, between turns and in them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use sandbox_net_egress::account::Reservation;
use sandbox_net_gateway::Gateway;
use sandbox_net_python::image::Pages;
use tokio_util::task::task_tracker::TaskTrackerToken;
use wasmtime::Store;
use wasmtime::component::{Instance, TypedFunc, WasmList};

use super::output::Switch;
use super::wire::{self, Kind, NoReply, Operation, Reply, Request};
use crate::engine::{Interpreter, Interrupt, StoreState, Usage, withdraw};
use crate::error::Error;
use crate::guest::{Guest, exit_of};
use crate::handles::Handles;
use crate::root::Root;
use crate::script::Exit;

/// Ticks of the epoch after which a turn yields for the first time: it just missed one.
const FIRST_SLICE: u64 = 2;

/// Ticks of the epoch that do not pass.
const WITHOUT_YIELDING: u64 = u64::MAX / 2;

/// An interpreter with everything that it has. Dropping it frees all of it.
pub(super) struct Live {
    store: Store<StoreState>,
    interpreter: Interpreter,
    instance: Instance,
    turn: TypedFunc<(Vec<u8>,), (i32,)>,
    view: TypedFunc<(u32, u32), (WasmList<u8>,)>,
    pub(super) usage: Arc<Usage>,
    /// The most bytes of memory that it may have.
    limit: usize,
    /// How many requests there were.
    requests: u32,
    /// Where the guest puts its replies. It stays there.
    mailbox: Option<u32>,
    /// Set in a fork until it has given up what is its parent's.
    due: Option<Due>,
    /// What its forks write to where they give up what is not theirs.
    first: First,
    keeps: Keeps,
}

/// An interpreter as it was between two turns.
pub(super) struct Frozen {
    pub(super) interpreter: Interpreter,
    pub(super) mailbox: Option<u32>,
    pub(super) requests: u32,
    /// Whether files were open, which the guest has noted.
    pub(super) has_open: bool,
    pub(super) first: First,
}

/// That a fork has to give up what is its parent's.
struct Due {
    has_open: bool,
    first: First,
}

/// The pages that forks of one session write to before their programs go on, once there was one.
pub(super) type First = Arc<OnceLock<Pages>>;

/// What a session holds until its end, and nobody looks at.
pub(crate) struct Keeps {
    pub(crate) root: Arc<Root>,
    pub(crate) _tracked: TaskTrackerToken,
}

/// The bytes of a reply's body, and their memory.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    _held: Option<Reservation>,
}

impl Body {
    /// The reply; None if the guest has written none that can be read.
    pub(super) fn reply(&self) -> Option<Reply<'_>> {
        Reply::parse(&self.bytes).ok()
    }
}

/// What became of a request.
pub(super) enum Answer {
    Reply(Body),
    /// The host has no memory for its reply of this kind.
    NoRoom,
    /// It was interrupted before it was asked.
    Interrupted,
    /// The interpreter has ended, or can't go on.
    Ended(Exit),
}

impl Answer {
    /// Whether the guest did what it was asked for.
    fn is_done(&self) -> bool {
        match self {
            Self::Reply(body) => body.reply().is_some_and(|reply| reply.kind == Kind::Done),
            Self::NoRoom | Self::Interrupted | Self::Ended(_) => false,
        }
    }
}

impl Live {
    /// Instantiates an interpreter, in which nothing has run.
    pub(super) async fn new(
        guest: Guest,
        (stdout, stderr): (Switch, Switch),
        keeps: Keeps,
    ) -> Result<Self, Error> {
        let (interpreter, limit): (Interpreter, _) = (guest.interpreter.clone(), guest.memory);
        let (mut store, usage) = guest.store(stdout, stderr)?;
        let instantiated = interpreter.instantiate_to_freeze(&mut store).await;
        let found = instantiated.and_then(|instance| {
            let turn = instance.get_typed_func(&mut store, "turn")?;
            let view = instance.get_typed_func(&mut store, "memory-view")?;
            Ok((instance, turn, view))
        });
        let (instance, turn, view) = found.map_err(|e| Error::Start(format!("{e:#}")))?;
        Ok(Self {
            store,
            interpreter,
            instance,
            turn,
            view,
            usage,
            limit,
            requests: 0,
            mailbox: None,
            due: None,
            first: First::default(),
            keeps,
        })
    }

    /// Its memory, as copies begin. It is done when it is first polled: whoever gives it up leaves nothing in the
    /// middle.
    pub(super) async fn freeze(&mut self) -> wasmtime::Result<Frozen> {
        // What it calls is a few instructions of the runtime's own, and would yield before the first of them.
        self.store.set_epoch_deadline(WITHOUT_YIELDING);
        let frozen = self.interpreter.freeze(&mut self.store, &self.instance);
        let frozen = frozen.await;
        self.store.set_epoch_deadline(FIRST_SLICE);
        Ok(Frozen {
            interpreter: frozen?,
            mailbox: self.mailbox,
            requests: self.requests,
            // What it has not given up itself its copies do.
            has_open: self.due.as_ref().is_some_and(|due| due.has_open),
            first: Arc::clone(&self.first),
        })
    }

    /// Goes on where the frozen one was, which has to be asked to give up what is not its own.
    pub(super) fn resume(&mut self, frozen: &Frozen) {
        (self.mailbox, self.requests) = (frozen.mailbox, frozen.requests);
    }

    /// Goes on where the frozen one was, and [gives up](Self::give_up) what is that one's before anything else.
    pub(super) fn fork(&mut self, frozen: &Frozen) {
        self.resume(frozen);
        self.due = Some(Due {
            has_open: frozen.has_open,
            first: Arc::clone(&frozen.first),
        });
    }

    /// Whether the program has files or directories open.
    pub(super) fn has_open_files(&self) -> bool {
        self.store.data().files.open() > 0
    }

    pub(super) fn keeps(&self) -> &Keeps {
        &self.keeps
    }

    /// Decides and records from now on as this gateway does.
    pub(super) fn begin(&mut self, gateway: Gateway) {
        self.store.data_mut().net.set_gateway(gateway);
        self.store.set_epoch_deadline(FIRST_SLICE);
    }

    /// Interrupts what it does, from wherever.
    pub(super) fn interrupt(&self) -> Interrupt {
        self.store.data().interrupt.clone()
    }

    /// Takes an interrupt back that came too late for a turn.
    pub(super) fn withdraw_interrupt(&mut self) {
        withdraw(&mut self.store);
    }

    /// Whether it still has what is its parent's.
    pub(super) fn is_due(&self) -> bool {
        self.due.is_some()
    }

    /// Asks the guest. A fork gives up what is its parent's before, if that is due. If it can't, its answer is
    /// that, and it is still due: nothing else may be asked then.
    pub(super) async fn ask(&mut self, request: Request<'_>) -> Answer {
        let Some(Due { has_open, first }) = &self.due else {
            return self.ask_now(request).await;
        };
        let (has_open, first) = (*has_open, Arc::clone(first));
        // Each would be a fault, or two.
        if let Some(pages) = first.get() {
            self.interpreter.expect(&mut self.store, pages);
        }
        if let Err(answer) = self.give_up(has_open).await {
            return answer;
        }
        // What the program writes to is nobody's business but its own.
        first.get_or_init(|| self.interpreter.written(&self.store));
        self.ask_now(request).await
    }

    /// Nothing of the program runs before it, and an interrupt waits until it is done.
    ///
    /// # Errors
    ///
    /// The answer to what was to be asked next: the interrupt, or why the fork can't begin.
    async fn give_up(&mut self, has_open: bool) -> Result<(), Answer> {
        let request = Request {
            operation: Operation::Forked,
            number: 0,
            most: wire::LEAST,
            flags: if has_open { wire::HAS_OPEN } else { 0 },
            text: "",
        };
        let interrupt = self.interrupt();
        interrupt.hold();
        let answer = self.ask_now(request).await;
        let is_interrupted = interrupt.release();
        if !answer.is_done() {
            return Err(answer);
        }
        self.due = None;
        match is_interrupted {
            true => Err(Answer::Interrupted),
            false => Ok(()),
        }
    }

    async fn ask_now(&mut self, request: Request<'_>) -> Answer {
        self.requests = self.requests.wrapping_add(1);
        let request = Request {
            number: self.requests,
            ..request
        };
        match self.called(&request).await {
            Ok(Some(body)) => Answer::Reply(body),
            Ok(None) => Answer::NoRoom,
            Err(error) => Answer::Ended(self.exit(&error)),
        }
    }

    async fn called(&mut self, request: &Request<'_>) -> wasmtime::Result<Option<Body>> {
        let mailbox = match self.mailbox {
            Some(mailbox) => mailbox,
            None => self.find_mailbox().await?,
        };
        self.call(request).await?;
        let view = self
            .view
            .call_async(&mut self.store, (mailbox, wire::MAILBOX));
        let (head,) = view.await.map_err(|_| NoReply::Other)?;
        let head = head.as_le_slice(&self.store);
        let place = match wire::body(head, request.number, request.most)? {
            wire::Body::There(address, length) => (address, length),
            wire::Body::Here(body) => {
                let (bytes, _held) = (body.to_vec(), None);
                return Ok(Some(Body { bytes, _held }));
            }
        };
        let Ok(held) = self.memory().reserve(place.1 as usize) else {
            return Ok(None);
        };
        let view = self.view.call_async(&mut self.store, place);
        let (body,) = view.await.map_err(|_| NoReply::Malformed)?;
        let bytes = body.as_le_slice(&self.store).to_vec();
        let _held = Some(held);
        Ok(Some(Body { bytes, _held }))
    }

    /// Calls the guest; returns the one byte that it can return itself.
    async fn call(&mut self, request: &Request<'_>) -> wasmtime::Result<u8> {
        let called = self.turn.call_async(&mut self.store, (request.encode(),));
        let (status,) = called.await?;
        Ok(status.to_le_bytes()[0])
    }

    /// Asks where the replies will be.
    async fn find_mailbox(&mut self) -> wasmtime::Result<u32> {
        let mut address = [0; 4];
        for (byte, number) in address.iter_mut().zip(0..) {
            let request = Request {
                operation: Operation::Address,
                number,
                most: 0,
                flags: 0,
                text: "",
            };
            *byte = self.call(&request).await?;
        }
        let address = u32::from_le_bytes(address);
        self.mailbox = Some(address);
        Ok(address)
    }

    fn memory(&self) -> &sandbox_net_egress::account::HostMemory {
        self.store.data().net.gateway().memory()
    }

    fn exit(&self, error: &wasmtime::Error) -> Exit {
        match exit_of(error, self.limit) {
            Ok(exit) => exit,
            Err(_) => Exit::Trap(format!("{error:#}")),
        }
    }

    /// The processor time of all its turns.
    pub(super) fn cpu(&self) -> Duration {
        self.usage.used()
    }

    /// The bytes of memory that it has.
    pub(super) fn held(&self) -> usize {
        self.store.data().limits.held()
    }

    pub(super) fn handles(&mut self) -> Handles {
        Handles::in_table(&mut self.store.data_mut().table)
    }
}
