//! Waits: a future for each `pollable`, and the loop that runs futures until one is done.
//!
//! A component has one thread. Each future that waits is in a list with its waker, and the loop asks the
//! host once for the whole list.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::bindings::wasi::clocks::monotonic_clock;
use crate::bindings::wasi::io::poll::{self, Pollable};

/// What somebody waits for.
struct Waiting {
    id: u64,
    pollable: Rc<Pollable>,
    waker: Waker,
}

thread_local! {
    static WAITING: RefCell<Vec<Waiting>> = const { RefCell::new(Vec::new()) };
    static NEXT: Cell<u64> = const { Cell::new(0) };
}

/// Runs a future to its end, and with it whatever its parts wait for.
///
/// ```no_run
/// # fn main() -> Result<(), sandbox_net_guest::Error> {
/// let request = sandbox_net_guest::Client::new().get("https://api.example.com/");
/// let response = sandbox_net_guest::block_on(request.send_async())?;
/// # let _ = response;
/// # Ok(())
/// # }
/// ```
///
/// # Panics
///
/// If the future waits for something that is none of this crate's, such as a channel to which nobody
/// else can write: it would wait forever.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    loop {
        woken.0.store(false, Ordering::Relaxed);
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        while !woken.0.load(Ordering::Relaxed) {
            turn();
        }
    }
}

/// Waits until something of the list is ready, and wakes who waits for it.
fn turn() {
    let waited: Vec<(u64, Rc<Pollable>)> = WAITING.with_borrow(|list| {
        let each = list.iter().map(|w| (w.id, Rc::clone(&w.pollable)));
        each.collect()
    });
    assert!(
        !waited.is_empty(),
        "the future waits for something that 'block_on' does not know"
    );
    let pollables: Vec<&Pollable> = waited.iter().map(|(_, p)| &**p).collect();
    for index in poll::poll(&pollables) {
        let (id, _) = waited[index as usize];
        // The list is free again while a waker runs.
        if let Some(waker) = remove(id) {
            waker.wake();
        }
    }
}

fn remove(id: u64) -> Option<Waker> {
    WAITING.with_borrow_mut(|list| {
        let at = list.iter().position(|w| w.id == id)?;
        Some(list.swap_remove(at).waker)
    })
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits for `pollable`, at most for `limit`; whether it became ready.
pub(crate) async fn ready(pollable: Pollable, limit: Option<Duration>) -> bool {
    let timer = limit.map(|limit| {
        let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        Wait::new(monotonic_clock::subscribe_duration(nanos))
    });
    let mut pollable = pin!(Wait::new(pollable));
    let mut timer = pin!(timer);
    std::future::poll_fn(|context| {
        if pollable.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(context).map(|()| false),
            None => Poll::Pending,
        }
    })
    .await
}

/// One pollable, as a future. It leaves the list when it is dropped, so that nothing watches what its
/// owner drops next.
struct Wait {
    id: u64,
    pollable: Rc<Pollable>,
}

impl Wait {
    fn new(pollable: Pollable) -> Self {
        let id = NEXT.get();
        NEXT.set(id + 1);
        Self {
            id,
            pollable: Rc::new(pollable),
        }
    }
}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        remove(self.id);
        if self.pollable.ready() {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|list| {
            list.push(Waiting {
                id: self.id,
                pollable: Rc::clone(&self.pollable),
                waker: context.waker().clone(),
            });
        });
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        remove(self.id);
    }
}
