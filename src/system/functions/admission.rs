//! Who may run a call of a function now, and who waits.
//!
//! A call begins with a [`CallSlot`], given back when it has ended, whatever the end. Calls beyond the
//! pool's bound wait in the order in which they came. Those beyond its `buffer` are not even queued:
//! whoever makes them is suspended until they are, see `on_queued`.
//!
//! Where a pool has instances of its own (`inline`, `static`, or one instance only), each has a *seat*:
//! the VM it lives in. A call takes a seat, so that there are never more instances than seats. In other
//! pools an instance is made in any VM that has none idle.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::MutexGuard;

use crate::core::vm::VmCell;
use crate::infra::error::Result;
use crate::system::functions::adaptive::{Adaptive, Load};
use crate::system::functions::control::CallControl;
use crate::system::functions::{Function, canceled, closed};
use crate::system::pools::{Kind, Pool};

/// Guarded by its function; locked for a few instructions, never while others are told.
pub(super) struct Admission {
    /// Calls that run, those out of calls of the same function apart.
    busy: usize,
    inner: usize,
    /// Calls at a time.
    limit: usize,
    /// Unbounded: callers beyond the buffer are suspended, so there are as many as they are.
    waiting: VecDeque<Waiter>,
    buffer: usize,
    /// Of those that wait: canceled ones, at most.
    canceled: usize,
    /// Calls that have ended, ever.
    ended: u64,
    /// Empty: instances are made anywhere.
    seats: Vec<Seat>,
    adaptive: Option<Box<Adaptive>>,
    /// Somebody ticks for it.
    is_ticking: bool,
    is_closed: bool,
}

/// The place of one instance.
#[derive(Default)]
struct Seat {
    /// Set by whoever runs the first call, or makes the instance.
    home: Option<Arc<VmCell>>,
    is_taken: bool,
}

/// What a slot takes of its pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    /// One of so many calls, anywhere.
    Anywhere,
    Seat(u32),
    /// A call out of a call of the same function: beyond the bound, or it would wait for itself.
    Inner,
}

/// A call that waits.
pub(super) struct Waiter {
    pub(super) control: Arc<CallControl>,
    /// Told once: the slot, or why there is none.
    pub(super) run: Box<dyn FnOnce(Result<CallSlot>) + Send>,
}

/// Called once, from any thread: must not block.
pub type OnQueued = Box<dyn FnOnce() + Send>;

impl Admission {
    pub(super) fn new(pool: &Pool) -> Admission {
        let seats = if pool.has_seats() { pool.max } else { 0 };
        let adaptive =
            (pool.kind == Kind::Adaptive && pool.max > 1).then(|| Adaptive::new(pool.max));
        Admission {
            busy: 0,
            inner: 0,
            limit: adaptive.as_ref().map_or(pool.max, Adaptive::size),
            waiting: VecDeque::new(),
            buffer: pool.buffer,
            canceled: 0,
            ended: 0,
            seats: std::iter::repeat_with(Seat::default).take(seats).collect(),
            adaptive: adaptive.map(Box::new),
            is_ticking: false,
            is_closed: false,
        }
    }

    /// A free place: in the VM `here` if there is one, `elsewhere` if that does as well.
    #[inline]
    fn take(&mut self, here: Option<&Arc<VmCell>>, elsewhere: bool) -> Option<Right> {
        if self.busy >= self.limit {
            return None;
        }
        let right = match self.seats.is_empty() {
            true => Right::Anywhere,
            false => self.take_seat(here, elsewhere)?,
        };
        self.busy += 1;
        Some(right)
    }

    fn take_seat(&mut self, here: Option<&Arc<VmCell>>, elsewhere: bool) -> Option<Right> {
        let is_home = |seat: &Seat| match (&seat.home, here) {
            (Some(home), Some(here)) => Arc::ptr_eq(home, here),
            _ => false,
        };
        let find = |fits: &dyn Fn(&Seat) -> bool| {
            self.seats.iter().position(|seat| !seat.is_taken && fits(seat))
        };
        let found = find(&is_home)
            .or_else(|| find(&|seat| seat.home.is_none()))
            .or_else(|| find(&|_| elsewhere));
        let at = found?;
        let seat = &mut self.seats[at];
        seat.is_taken = true;
        if seat.home.is_none() {
            seat.home = here.cloned();
        }
        Some(Right::Seat(at as u32))
    }

    fn free(&mut self, right: Right) {
        match right {
            Right::Inner => self.inner -= 1,
            Right::Anywhere => self.busy -= 1,
            Right::Seat(at) => {
                self.seats[at as usize].is_taken = false;
                self.busy -= 1;
            }
        }
    }

    /// Begins to tick if nobody does. `true`: whoever asks has to.
    #[inline]
    fn begins_to_tick(&mut self) -> bool {
        let Some(adaptive) = self.adaptive.as_mut().filter(|_| !self.is_ticking) else {
            return false;
        };
        adaptive.begin(self.ended);
        self.is_ticking = true;
        true
    }

    /// The caller of the one that has just moved into the buffer.
    fn newly_queued(&mut self) -> Option<OnQueued> {
        let last = self.buffer.checked_sub(1)?;
        self.waiting.get(last)?.control.queued()
    }
}

/// Whether a call that got no slot is queued, or its caller has to wait for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    Queued,
    Blocked,
}

impl Function {
    /// A slot for a call in the VM `here`, if one is free and nobody waits for it.
    #[inline]
    pub fn try_enter(self: &Arc<Function>, here: Option<&Arc<VmCell>>) -> Option<CallSlot> {
        self.try_take(here, false)
    }

    /// A slot for a call in the VM `here` or in another.
    pub(super) fn try_enter_anywhere(
        self: &Arc<Function>,
        here: Option<&Arc<VmCell>>,
    ) -> Option<CallSlot> {
        self.try_take(here, true)
    }

    #[inline]
    fn try_take(
        self: &Arc<Function>,
        here: Option<&Arc<VmCell>>,
        elsewhere: bool,
    ) -> Option<CallSlot> {
        let mut gate = self.gate.lock();
        if gate.is_closed || !gate.waiting.is_empty() {
            return None;
        }
        let right = gate.take(here, elsewhere)?;
        let ticks = gate.begins_to_tick();
        drop(gate);
        Some(CallSlot { function: self.clone(), right, ticks })
    }

    /// A slot beyond the bound, for a call out of a call of the same function.
    pub(super) fn enter_again(self: &Arc<Function>) -> CallSlot {
        self.gate.lock().inner += 1;
        CallSlot { function: self.clone(), right: Right::Inner, ticks: false }
    }

    /// All seats of a pool whose instances are to be made before its first call.
    pub fn reserve(self: &Arc<Function>) -> Vec<CallSlot> {
        if self.pool.kind != Kind::Static {
            return Vec::new();
        }
        let mut gate = self.gate.lock();
        let free = std::iter::from_fn(|| gate.take(None, true));
        free.map(|right| CallSlot { function: self.clone(), right, ticks: false }).collect()
    }

    /// The waiter gets a slot now or later, or hears why there is none. `on_queued` is for one beyond
    /// the buffer, whose caller is suspended until it is queued; otherwise it is dropped.
    pub(super) fn enter(
        self: &Arc<Function>,
        waiter: Waiter,
        on_queued: Option<OnQueued>,
    ) -> Entered {
        let mut gate = self.gate.lock();
        if gate.is_closed {
            drop(gate);
            (waiter.run)(Err(closed()));
            return Entered::Queued;
        }
        if gate.waiting.is_empty()
            && let Some(right) = gate.take(None, true)
        {
            let ticks = gate.begins_to_tick();
            drop(gate);
            (waiter.run)(Ok(CallSlot { function: self.clone(), right, ticks }));
            return Entered::Queued;
        }
        let blocked = on_queued.filter(|_| gate.waiting.len() >= gate.buffer);
        let entered = if blocked.is_some() { Entered::Blocked } else { Entered::Queued };
        if let Some(on_queued) = blocked {
            waiter.control.block(on_queued);
        }
        gate.waiting.push_back(waiter);
        entered
    }

    /// A call has ended.
    fn leave(self: &Arc<Function>, right: Right) {
        let mut gate = self.gate.lock();
        gate.ended += 1;
        gate.free(right);
        if !gate.waiting.is_empty() {
            self.admit(gate);
        }
    }

    /// Lets those in for whom there is room.
    fn admit<'a>(self: &'a Arc<Function>, mut gate: MutexGuard<'a, Admission>) {
        while let Some(first) = gate.waiting.front() {
            let slot = match first.control.is_canceled() {
                true => Err(canceled()),
                false => match gate.take(None, true) {
                    Some(right) => {
                        Ok(CallSlot { function: self.clone(), right, ticks: gate.begins_to_tick() })
                    }
                    None => return,
                },
            };
            let waiter = gate.waiting.pop_front();
            let queued = gate.newly_queued();
            drop(gate);
            if let Some(waiter) = waiter {
                waiter.tell(slot);
            }
            if let Some(queued) = queued {
                queued();
            }
            gate = self.gate.lock();
        }
    }

    /// One of those that wait, perhaps, has been canceled. They are told when they are half of all, so
    /// that neither many of them pile up nor each one costs a look at all others.
    pub(super) fn sweep(self: &Arc<Function>) {
        let mut gate = self.gate.lock();
        gate.canceled += 1;
        if gate.canceled * 2 <= gate.waiting.len() {
            return;
        }
        gate.canceled = 0;
        let waiting = std::mem::take(&mut gate.waiting);
        let (gone, kept): (VecDeque<_>, VecDeque<_>) =
            waiting.into_iter().partition(|waiter| waiter.control.is_canceled());
        gate.waiting = kept;
        let moved = gate.waiting.iter().take(gate.buffer);
        let queued: Vec<OnQueued> = moved.filter_map(|waiter| waiter.control.queued()).collect();
        drop(gate);
        gone.into_iter().for_each(|waiter| waiter.tell(Err(canceled())));
        queued.into_iter().for_each(|queued| queued());
    }

    /// Half a second has passed since the last time. `false`: it needs no further ticks until it is
    /// called again.
    pub fn adapt(self: &Arc<Function>) -> bool {
        let mut gate = self.gate.lock();
        let load = Load { busy: gate.busy, waiting: gate.waiting.len(), ended: gate.ended };
        let Some(adaptive) = &mut gate.adaptive else { return false };
        adaptive.tick(load);
        let (size, rests) = (adaptive.size(), adaptive.is_at_rest());
        let rests = rests && load.busy == 0 && load.waiting == 0;
        (gate.limit, gate.is_ticking) = (size, !rests);
        self.admit(gate);
        !rests
    }

    /// No further calls; those that run go on. Those that wait are told so.
    pub fn close(&self) {
        let waiting = {
            let mut gate = self.gate.lock();
            gate.is_closed = true;
            gate.seats.iter_mut().for_each(|seat| seat.home = None);
            std::mem::take(&mut gate.waiting)
        };
        waiting.into_iter().for_each(|waiter| waiter.tell(Err(closed())));
    }

    /// Is there an end to its calls?
    pub fn is_closed(&self) -> bool {
        self.gate.lock().is_closed
    }

    /// Calls that run, and calls that wait.
    pub fn load(&self) -> (usize, usize) {
        let gate = self.gate.lock();
        (gate.busy + gate.inner, gate.waiting.len())
    }

    /// No instance is left in this VM: free seats there may have another home from now on.
    pub fn move_out(&self, cell: &Arc<VmCell>) {
        let mut gate = self.gate.lock();
        let is_here = |seat: &&mut Seat| {
            !seat.is_taken && seat.home.as_ref().is_some_and(|home| Arc::ptr_eq(home, cell))
        };
        gate.seats.iter_mut().filter(is_here).for_each(|seat| seat.home = None);
    }

    /// Changes with each call that ends. `None`: some run.
    pub fn quiet(&self) -> Option<u64> {
        let gate = self.gate.lock();
        (gate.busy + gate.inner == 0).then_some(gate.ended)
    }
}

impl Waiter {
    fn tell(self, slot: Result<CallSlot>) {
        // Before: whoever made a call that starts now waits for its queue no more.
        let queued = self.control.queued();
        (self.run)(slot);
        if let Some(queued) = queued {
            queued();
        }
    }
}

/// The right to run one call; dropping it lets the next one in.
pub struct CallSlot {
    function: Arc<Function>,
    right: Right,
    ticks: bool,
}

impl CallSlot {
    #[inline]
    pub fn function(&self) -> &Arc<Function> {
        &self.function
    }

    /// The VM in which the call has to run, if that is settled.
    pub fn home(&self) -> Option<Arc<VmCell>> {
        let Right::Seat(at) = self.right else { return None };
        self.function.gate.lock().seats[at as usize].home.clone()
    }

    /// The call runs, or its instance is made, in this VM: from now on all calls with this seat do.
    pub fn settle(&self, cell: &Arc<VmCell>) {
        let Right::Seat(at) = self.right else { return };
        let mut gate = self.function.gate.lock();
        if !gate.is_closed {
            gate.seats[at as usize].home.get_or_insert_with(|| cell.clone());
        }
    }

    /// Is it served by an instance of the pool, which serves others afterwards? A call out of a call of
    /// a pool with seats has none of them: it gets a fresh instance for itself.
    #[inline]
    pub fn shares_instance(&self) -> bool {
        self.right != Right::Inner || !self.function.pool.has_seats()
    }

    /// Who gets this slot has to see to [`Function::adapt`] from now on, if so: says so once.
    #[inline]
    pub fn takes_ticks(&mut self) -> bool {
        std::mem::take(&mut self.ticks)
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        if self.ticks {
            // Nobody came to tick for it: the next call does.
            self.function.gate.lock().is_ticking = false;
        }
        self.function.leave(self.right);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use parking_lot::Mutex;

    use super::*;
    use crate::infra::transcoder::Map;
    use crate::system::functions::Code;

    fn function(pool: Pool) -> Arc<Function> {
        let code = Code::Function(Arc::new(()));
        Arc::new(Function::new("test:f".into(), code, pool, Map::new()))
    }

    fn lazy(max: usize) -> Arc<Function> {
        function(Pool { kind: Kind::Lazy, max, buffer: usize::MAX })
    }

    type Seen = Arc<Mutex<Vec<Result<CallSlot>>>>;

    /// Takes a slot and keeps it, or counts a refusal.
    fn wait(function: &Arc<Function>, seen: &Seen) -> Arc<CallControl> {
        let (control, seen) = (CallControl::new(function.clone()), seen.clone());
        let run = Box::new(move |slot| seen.lock().push(slot));
        function.enter(Waiter { control: control.clone(), run }, None);
        control
    }

    #[test]
    fn calls_wait_their_turn() {
        let function = lazy(2);
        let seen = Seen::default();
        let controls: Vec<_> = (0..5).map(|_| wait(&function, &seen)).collect();
        assert_eq!((function.load(), seen.lock().len()), ((2, 3), 2));
        assert!(function.try_enter(None).is_none());
        // A canceled one takes no slot.
        controls[2].call_off();
        let first = seen.lock().remove(0);
        drop(first);
        assert_eq!(function.load(), (2, 1));
        let outcomes: Vec<bool> = seen.lock().iter().map(|slot| slot.is_ok()).collect();
        assert_eq!(outcomes, [true, false, true]);
        // One that would wait for itself does not wait, and lets nobody in when it ends.
        let again = function.enter_again();
        assert_eq!(function.load(), (3, 1));
        drop(again);
        assert_eq!(function.load(), (2, 1));
        function.close();
        let last = seen.lock().pop().map(|slot| slot.map(|_| ()));
        assert_eq!(last, Some(Err(closed())));
        let held = std::mem::take(&mut *seen.lock());
        drop(held);
        assert_eq!(function.load(), (0, 0));
        assert!(function.try_enter(None).is_none(), "closed");
        wait(&function, &seen);
        let late = seen.lock().pop().map(|slot| slot.map(|_| ()));
        assert_eq!(late, Some(Err(closed())));
    }

    #[test]
    fn nobody_passes_those_who_wait() {
        let function = function(Pool { kind: Kind::Adaptive, max: 16, buffer: 99 });
        let seen = Seen::default();
        let order = Arc::<Mutex<Vec<usize>>>::default();
        for n in 0..14 {
            let (own, seen, order) = (function.clone(), seen.clone(), order.clone());
            let run = Box::new(move |slot| {
                order.lock().push(n);
                seen.lock().push(slot);
                // The pool grows from eight to ten: while this one is told there is a free place.
                if n == 8 {
                    assert!(own.try_enter(None).is_none());
                    wait(&own, &seen);
                }
            });
            function.enter(Waiter { control: CallControl::new(function.clone()), run }, None);
        }
        for _ in 0..7 {
            function.adapt();
        }
        assert_eq!(function.load(), (8, 6));
        function.adapt();
        assert_eq!(*order.lock(), Vec::from_iter(0..10));
        assert_eq!(function.load(), (10, 5));
        function.close();
    }

    #[test]
    fn very_many_canceled_calls_do_not_pile_up() {
        let function = lazy(1);
        let slot = function.try_enter(None).expect("free");
        let refused = Arc::new(AtomicUsize::new(0));
        for _ in 0..100_000 {
            let (control, refused) = (CallControl::new(function.clone()), refused.clone());
            let run = Box::new(move |slot: Result<CallSlot>| {
                refused.fetch_add(usize::from(slot.is_err()), Ordering::Relaxed);
            });
            function.enter(Waiter { control: control.clone(), run }, None);
            control.call_off();
        }
        assert_eq!(refused.load(Ordering::Relaxed), 100_000, "before the call under way has ended");
        drop(slot);
        assert_eq!(function.load(), (0, 0));
    }

    #[test]
    fn callers_beyond_the_buffer_wait_until_they_are_queued() {
        let function = function(Pool { kind: Kind::Static, max: 1, buffer: 2 });
        let seen = Seen::default();
        let queued = Arc::<Mutex<Vec<usize>>>::default();
        let enter = |n: usize| {
            let (control, seen, queued) =
                (CallControl::new(function.clone()), seen.clone(), queued.clone());
            let run = Box::new(move |slot| seen.lock().push(slot));
            let on_queued: Option<OnQueued> = Some(Box::new(move || queued.lock().push(n)));
            (function.enter(Waiter { control: control.clone(), run }, on_queued), control)
        };
        let (entered, controls): (Vec<_>, Vec<_>) = (0..7).map(enter).unzip();
        let blocked: Vec<bool> = entered.iter().map(|it| *it == Entered::Blocked).collect();
        assert_eq!(blocked, [false, false, false, true, true, true, true]);
        let end_one = || {
            let slot = seen.lock().remove(0);
            drop(slot);
        };
        end_one();
        assert_eq!(*queued.lock(), [3]);
        end_one();
        assert_eq!(*queued.lock(), [3, 4]);
        // Two of four canceled: they make room, and those who made them go on as well.
        controls[3].call_off();
        controls[5].call_off();
        controls[4].call_off();
        assert_eq!(*queued.lock(), [3, 4, 5, 6]);
        function.close();
        assert_eq!(function.load(), (1, 0));
        assert_eq!(queued.lock().len(), 4, "each once");
    }

    #[test]
    fn callers_that_wait_for_the_queue_hear_of_the_end() {
        let function = function(Pool { kind: Kind::Static, max: 1, buffer: 1 });
        let _slot = function.try_enter(None).expect("free");
        let seen = Seen::default();
        wait(&function, &seen);
        let queued = Arc::<AtomicUsize>::default();
        let (control, told) = (CallControl::new(function.clone()), queued.clone());
        let on_queued: OnQueued = Box::new(move || {
            told.fetch_add(1, Ordering::Relaxed);
        });
        let own = seen.clone();
        let run = Box::new(move |slot| own.lock().push(slot));
        assert_eq!(function.enter(Waiter { control, run }, Some(on_queued)), Entered::Blocked);
        function.close();
        assert!(seen.lock().iter().all(|slot| slot.is_err()));
        assert_eq!((seen.lock().len(), queued.load(Ordering::Relaxed)), (2, 1));
    }

    #[test]
    fn seats_have_homes() {
        let function = function(Pool { kind: Kind::Static, max: 2, buffer: 9 });
        let cells = [VmCell::new(1), VmCell::new(1), VmCell::new(1)];
        let seats = function.reserve();
        assert_eq!(function.load(), (2, 0));
        for (seat, cell) in seats.iter().zip(&cells) {
            seat.settle(cell);
        }
        assert!(function.try_enter(Some(&cells[0])).is_none(), "being made");
        drop(seats);
        let here = function.try_enter(Some(&cells[1])).expect("its seat is free");
        assert!(here.home().is_some_and(|home| Arc::ptr_eq(&home, &cells[1])));
        assert!(function.try_enter(Some(&cells[1])).is_none(), "only here");
        assert!(function.try_enter(Some(&cells[2])).is_none(), "no seat at all");
        let there = function.try_enter_anywhere(Some(&cells[2])).expect("one is free");
        assert!(there.home().is_some_and(|home| Arc::ptr_eq(&home, &cells[0])));
        assert!(here.shares_instance() && !function.enter_again().shares_instance());
        function.move_out(&cells[0]);
        assert!(there.home().is_some(), "a call runs there");
        drop((here, there));
        function.move_out(&cells[0]);
        let moved = function.try_enter(Some(&cells[2])).expect("its seat has no home any more");
        assert!(moved.home().is_some_and(|home| Arc::ptr_eq(&home, &cells[2])));
        function.close();
        moved.settle(&cells[0]);
        let held = cells.each_ref().map(Arc::strong_count);
        assert_eq!(held, [1; 3], "a closed pool holds no VM");
    }

    #[test]
    fn an_adaptive_pool_lets_more_in_as_it_grows() {
        let function = function(Pool { kind: Kind::Adaptive, max: 4, buffer: 9 });
        let seen = Seen::default();
        let _controls: Vec<_> = (0..6).map(|_| wait(&function, &seen)).collect();
        assert_eq!(function.load(), (1, 5));
        let ticks = |at: usize| match &mut seen.lock()[at] {
            Ok(slot) => slot.takes_ticks(),
            Err(_) => false,
        };
        assert!(ticks(0) && !ticks(0), "said once");
        assert!(function.adapt());
        assert_eq!(function.load(), (2, 4));
        assert!(!ticks(1), "somebody ticks already");
        for _ in 0..9 {
            function.adapt();
        }
        assert_eq!(function.load(), (4, 2));
        let held = std::mem::take(&mut *seen.lock());
        drop(held);
        let held = std::mem::take(&mut *seen.lock());
        drop(held);
        assert_eq!((function.load(), function.quiet()), ((0, 0), Some(6)));
        let n = (0..100).position(|_| !function.adapt()).expect("comes to rest");
        assert_eq!(n, 23, "eight ticks for each step");
        // The next call begins anew; one that comes to nothing hands it on.
        drop(function.try_enter(None).expect("free"));
        let mut slot = function.try_enter(None).expect("free");
        assert!(slot.takes_ticks());
    }

    #[test]
    fn a_pool_that_has_rested_is_judged_by_what_comes_then() {
        let function = function(Pool { kind: Kind::Adaptive, max: 4, buffer: 99 });
        let slot = function.try_enter(None).expect("free");
        for _ in 0..50 {
            assert!(function.adapt(), "a call runs");
        }
        drop(slot);
        assert!(!function.adapt(), "it rests");
        let seen = Seen::default();
        let _controls: Vec<_> = (0..40).map(|_| wait(&function, &seen)).collect();
        assert!(seen.lock()[0].as_mut().is_ok_and(CallSlot::takes_ticks));
        // Ten calls end in each tick, however many run at a time.
        let tick = || {
            for _ in 0..10 {
                let slot = seen.lock().remove(0);
                drop(slot);
            }
            function.adapt();
            function.load().0
        };
        assert_eq!([tick(), tick()], [2, 2], "on trial");
        assert_eq!(function.gate.lock().limit, 1, "which did not help");
        function.close();
    }
}
