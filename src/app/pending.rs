//! [`Pending`]: what will be there later, for threads that wait and for futures that are polled.
//!
//! The other end is a [`Promise`]. It is kept once at most, by whatever thread; dropping it is an
//! answer too, so that nobody waits for a runtime that has gone.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;

/// An outcome that is on its way: of a call, of the start of a process, of a process, of a change of
/// entries.
///
/// Wait for it with [`wait`](Pending::wait) or [`join`](Pending::join), look with
/// [`try_take`](Pending::try_take), or `.await` it: it is a [`Future`] that any executor can poll, and
/// nothing but the polling task is woken by it. Whoever gets the outcome first has it; asking again is
/// an `Invalid` error.
///
/// Dropping it changes nothing for what it stands for: a call goes on, only nobody hears how it ends.
/// [`abort_on_drop`](Pending::abort_on_drop) makes it otherwise.
///
/// If the runtime goes first, the outcome is an `Unavailable` error.
pub struct Pending<T> {
    shared: Arc<Shared<T>>,
    /// How it is called off.
    abort: Option<Box<dyn Fn() + Send + Sync>>,
    /// It is called off with this.
    aborts_on_drop: bool,
}

/// The answering end.
pub struct Promise<T>(Arc<Shared<T>>);

struct Shared<T> {
    /// A leaf: nothing else is locked and nobody is woken while it is held.
    slot: Mutex<Slot<T>>,
    kept: Condvar,
}

enum Slot<T> {
    /// With the task that polled last.
    Open(Option<Waker>),
    Kept(Result<T>),
    Taken,
}

/// The two ends.
pub fn pending<T>() -> (Promise<T>, Pending<T>) {
    let shared = Arc::new(Shared { slot: Mutex::new(Slot::Open(None)), kept: Condvar::new() });
    (Promise(shared.clone()), Pending { shared, abort: None, aborts_on_drop: false })
}

/// What a closed runtime answers to everything.
pub fn stopped() -> Error {
    Error::unavailable("the runtime has stopped")
}

impl<T> Pending<T> {
    /// One whose outcome is there.
    pub(crate) fn ready(outcome: Result<T>) -> Pending<T> {
        let (promise, pending) = pending();
        promise.keep(outcome);
        pending
    }

    /// The same, with a way to call it off.
    pub(crate) fn with_abort(mut self, abort: impl Fn() + Send + Sync + 'static) -> Pending<T> {
        self.abort = Some(Box::new(abort));
        self
    }

    /// Waits at most `timeout` for the outcome.
    ///
    /// # Errors
    /// `Timeout`: it is not there yet, and can still be waited for. Otherwise the outcome's own.
    pub fn wait(&self, timeout: Duration) -> Result<T> {
        let mut slot = self.shared.slot.lock();
        let is_open = |slot: &mut Slot<T>| matches!(slot, Slot::Open(_));
        let _ = self.shared.kept.wait_while_for(&mut slot, is_open, timeout);
        let late = || Err(Error::new(Kind::Timeout, "there is no outcome in time"));
        slot.take().unwrap_or_else(late)
    }

    /// Waits for the outcome as long as it takes.
    ///
    /// # Errors
    /// The outcome's own.
    pub fn join(self) -> Result<T> {
        let mut slot = self.shared.slot.lock();
        loop {
            match slot.take() {
                Some(outcome) => return outcome,
                None => self.shared.kept.wait(&mut slot),
            }
        }
    }

    /// The outcome if it is there. Does not wait.
    pub fn try_take(&self) -> Option<Result<T>> {
        self.shared.slot.lock().take()
    }
}

impl Pending<Value> {
    /// Calls it off: a call, also one that still waits for its turn, ends with a `Canceled` error; a
    /// process is ended, whatever it does. Does not wait for that, and does nothing if it is over.
    pub fn abort(&self) {
        if let Some(abort) = &self.abort {
            abort();
        }
    }

    /// Calls it off when this is dropped before the outcome is there: nobody wants it any more. So a
    /// call ends that has not been waited for long enough, and one whose task is gone:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let runtime = wippy::Runtime::builder()
    /// #     .workers(1)
    /// #     .entry("app:slow", "function.lua", serde_json::json!({
    /// #         "source": "return { main = function() channel.new():receive() end }",
    /// #         "method": "main",
    /// #     }))
    /// #     .start()?;
    /// let limit = Duration::from_millis(10);
    /// let late = runtime.call("app:slow", ()).abort_on_drop().wait(limit).unwrap_err();
    /// assert_eq!(*late.kind(), wippy::Kind::Timeout);
    /// # Ok::<(), wippy::Error>(())
    /// ```
    #[must_use = "dropping it calls it off"]
    pub fn abort_on_drop(mut self) -> Pending<Value> {
        self.aborts_on_drop = true;
        self
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        let Some(abort) = self.abort.take().filter(|_| self.aborts_on_drop) else { return };
        // Not under the lock: the outcome may be there before this returns.
        let is_open = matches!(*self.shared.slot.lock(), Slot::Open(_));
        if is_open {
            abort();
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let mut slot = self.shared.slot.lock();
        if let Some(outcome) = slot.take() {
            return Poll::Ready(outcome);
        }
        let before = std::mem::replace(&mut *slot, Slot::Open(Some(context.waker().clone())));
        drop(slot);
        // Wakers are the executor's code.
        drop(before);
        Poll::Pending
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match *self.shared.slot.lock() {
            Slot::Open(_) => "open",
            Slot::Kept(_) => "there",
            Slot::Taken => "taken",
        };
        write!(f, "Pending({state})")
    }
}

impl<T> Slot<T> {
    /// The outcome, if it is there or has been.
    fn take(&mut self) -> Option<Result<T>> {
        match self {
            Slot::Open(_) => None,
            slot => Some(match std::mem::replace(slot, Slot::Taken) {
                Slot::Kept(outcome) => outcome,
                _ => Err(Error::invalid("the outcome has been taken")),
            }),
        }
    }
}

impl<T> Promise<T> {
    /// Hands over the outcome. The one who waits may go on at once, and the executor of one who polls
    /// is told so on this thread.
    pub fn keep(self, outcome: Result<T>) {
        self.0.keep(outcome);
    }
}

impl<T> Shared<T> {
    fn keep(&self, outcome: Result<T>) {
        let mut slot = self.slot.lock();
        if !matches!(*slot, Slot::Open(_)) {
            return;
        }
        let before = std::mem::replace(&mut *slot, Slot::Kept(outcome));
        drop(slot);
        self.kept.notify_all();
        if let Slot::Open(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.0.keep(Err(stopped()));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Count>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn kind<T: fmt::Debug>(outcome: Result<T>) -> Kind {
        outcome.expect_err("fails").kind().clone()
    }

    #[test]
    fn threads_wait() {
        let (promise, outcome) = pending();
        assert_eq!(kind(outcome.wait(Duration::ZERO)), Kind::Timeout);
        assert!(outcome.try_take().is_none());
        let keeper = std::thread::spawn(move || promise.keep(Ok(7)));
        assert_eq!(outcome.wait(Duration::MAX), Ok(7));
        keeper.join().unwrap();
        assert_eq!(kind(outcome.wait(LONG)), Kind::Invalid);
        assert_eq!(Pending::ready(Ok(8)).join(), Ok(8));
    }

    #[test]
    fn a_promise_that_is_dropped_is_an_answer() {
        let (promise, outcome) = pending::<()>();
        let waiter = std::thread::spawn(move || outcome.join());
        drop(promise);
        assert_eq!(kind(waiter.join().unwrap()), Kind::Unavailable);
    }

    #[test]
    fn tasks_are_woken_once_and_the_last_one_only() {
        let (promise, mut outcome) = pending();
        let (first, last) = (Arc::<Count>::default(), Arc::<Count>::default());
        let mut poll = |count: &Arc<Count>| {
            let waker = Waker::from(count.clone());
            Pin::new(&mut outcome).poll(&mut Context::from_waker(&waker))
        };
        assert_eq!(poll(&first), Poll::Pending);
        assert_eq!(poll(&last), Poll::Pending);
        promise.keep(Ok("done"));
        let woken = [&first, &last].map(|count| count.0.load(Ordering::SeqCst));
        assert_eq!(woken, [0, 1]);
        assert_eq!(poll(&last), Poll::Ready(Ok("done")));
        assert!(matches!(poll(&last), Poll::Ready(Err(_))), "no panic");
    }
}
