//! Sleeping, and timers that feed channels.
//!
//! A timer is a channel with a pending entry in the VM's heap of timers: [`ChannelTimer`] of the
//! channel says so. Firing, stopping and resetting happen on the worker that runs the VM, so a
//! timer that was stopped or reset cannot fire for its old time. The channel takes its timer along
//! when it is freed, be it as garbage or with its process.
//!
//! What is delivered is the instant at which the timer was due, which is when it fires but for the
//! lateness of a busy VM. Tickers count their periods from there: lateness does not add up.

use std::ffi::{CStr, c_int};

use crate::infra::clock::Nanos;
use crate::infra::error::Error;
use crate::infra::gotime::{Location, Time};
use crate::runtime::engine::channel::{ChannelRef, ChannelTimer, Source};
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::vm::{Due, VmData};
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type, tags};
use crate::runtime::modules::time::{duration, instant};

/// Ticks a ticker keeps for a receiver that is behind.
const TICKS_MAX: u32 = 16;

/// A ticker with a shorter period ticks this often: it would keep a worker from ever sleeping.
const PERIOD_MIN: Nanos = 100_000;

struct TimerObject(ChannelRef);

impl Tagged for TimerObject {
    const TAG: c_int = tags::TIMER;
    const NAME: &'static CStr = c"Timer";
}

struct TickerObject(ChannelRef);

impl Tagged for TickerObject {
    const TAG: c_int = tags::TICKER;
    const NAME: &'static CStr = c"Ticker";
}

pub(super) fn register(l: State) {
    register_type::<TimerObject>(
        l,
        &[
            (c"response", host(timer_channel)),
            (c"channel", host(timer_channel)),
            (c"stop", host(timer_stop)),
            (c"reset", host(timer_reset)),
        ],
        &[(c"__tostring", host(|cx: &mut Cx| cx.str("time.Timer")))],
    );
    register_type::<TickerObject>(
        l,
        &[
            (c"response", host(ticker_channel)),
            (c"channel", host(ticker_channel)),
            (c"stop", host(ticker_stop)),
        ],
        &[(c"__tostring", host(|cx: &mut Cx| cx.str("time.Ticker")))],
    );
}

// -- functions of the module -------------------------------------------------------------------

/// Allocates nothing unless it fails.
pub(super) fn sleep(cx: &mut Cx) -> Ret {
    let nanos = match duration::argument(cx, 1) {
        Ok(nanos) => nanos,
        Err(error) => return cx.fail(error),
    };
    let coroutine = cx.suspendable()?;
    if nanos <= 0 {
        return cx.step_aside(0);
    }
    let vm = cx.vm();
    let deadline = vm.now().saturating_add(nanos as Nanos);
    let timer = vm.timers.insert(deadline, Due::Sleep(coroutine));
    cx.suspend(Wait::Sleep(timer))
}

pub(super) fn after(cx: &mut Cx) -> Ret {
    match positive(cx, 1, "time.after") {
        Ok(nanos) => {
            let l = cx.l;
            let vm = cx.vm();
            let channel = start(vm, nanos, 0, 1);
            vm.push_channel(l, channel);
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

pub(super) fn timer(cx: &mut Cx) -> Ret {
    match positive(cx, 1, "time.timer") {
        Ok(nanos) => {
            let vm = cx.vm();
            let channel = start(vm, nanos, 0, 1);
            let channel = vm.hold_channel(channel);
            cx.l.push_userdata(TimerObject(channel));
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

pub(super) fn ticker(cx: &mut Cx) -> Ret {
    match positive(cx, 1, "time.ticker") {
        Ok(period) => {
            let vm = cx.vm();
            let channel = start(vm, period, period, TICKS_MAX);
            let channel = vm.hold_channel(channel);
            cx.l.push_userdata(TickerObject(channel));
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

/// Argument `n` as a duration a timer can wait for.
fn positive(cx: &Cx, n: c_int, function: &str) -> Result<Nanos, Error> {
    match duration::argument(cx, n)? {
        nanos @ 1.. => Ok(nanos as Nanos),
        _ => Err(Error::invalid(format!("{function}: duration must be > 0"))),
    }
}

// -- methods -----------------------------------------------------------------------------------

fn timer_of(cx: &Cx) -> Result<u32, Raise> {
    let id = cx.l.with::<TimerObject, _>(1, |timer| timer.0.id);
    id.ok_or_else(|| cx.wrong_type(1, "timer"))
}

fn ticker_of(cx: &Cx) -> Result<u32, Raise> {
    let id = cx.l.with::<TickerObject, _>(1, |ticker| ticker.0.id);
    id.ok_or_else(|| cx.wrong_type(1, "ticker"))
}

fn timer_channel(cx: &mut Cx) -> Ret {
    let channel = timer_of(cx)?;
    let l = cx.l;
    cx.vm().push_channel(l, channel);
    cx.values(1)
}

fn ticker_channel(cx: &mut Cx) -> Ret {
    let channel = ticker_of(cx)?;
    let l = cx.l;
    cx.vm().push_channel(l, channel);
    cx.values(1)
}

fn timer_stop(cx: &mut Cx) -> Ret {
    let channel = timer_of(cx)?;
    let vm = cx.vm();
    let was_pending = disarm(vm, channel);
    vm.close_channel(channel);
    after_others(cx, was_pending)
}

fn timer_reset(cx: &mut Cx) -> Ret {
    let channel = timer_of(cx)?;
    let nanos =
        positive(cx, 2, "timer:reset").map_err(|error| Raise::Message(error.to_string()))?;
    let vm = cx.vm();
    let was_pending = disarm(vm, channel);
    if was_pending {
        arm(vm, channel, nanos, 0);
    }
    after_others(cx, was_pending)
}

fn ticker_stop(cx: &mut Cx) -> Ret {
    let channel = ticker_of(cx)?;
    let vm = cx.vm();
    disarm(vm, channel);
    vm.close_channel(channel);
    after_others(cx, true)
}

/// Returns `flag` once the other ready coroutines have run, where the caller can be suspended.
fn after_others(cx: &mut Cx, flag: bool) -> Ret {
    cx.l.push_bool(flag);
    match cx.suspendable() {
        Ok(_) => cx.step_aside(1),
        Err(_) => cx.values(1),
    }
}

// -- timers of channels ------------------------------------------------------------------------

/// A new channel of the running process, fed by a timer.
fn start(vm: &mut VmData, nanos: Nanos, period: Nanos, capacity: u32) -> u32 {
    let channel = vm.new_channel(vm.current, capacity, Source::Lua);
    arm(vm, channel, nanos, period);
    channel
}

/// Gives the channel, which has none, a timer that is due in `nanos`.
fn arm(vm: &mut VmData, channel: u32, nanos: Nanos, period: Nanos) {
    let next = vm.now().saturating_add(nanos);
    let id = vm.timers.insert(next, Due::Channel(channel));
    vm.channels[channel].timer = Some(ChannelTimer { id, period, next });
    let process = vm.channels[channel].process;
    vm.processes[process].timers += 1;
}

/// Takes the channel's timer away; false if it had none.
fn disarm(vm: &mut VmData, channel: u32) -> bool {
    let Some(timer) = vm.channels[channel].timer.take() else { return false };
    vm.timers.cancel(timer.id);
    let process = vm.channels[channel].process;
    vm.lose_timer(process);
    true
}

/// The timer of a channel, due at `due`, has been taken out of the heap. A single shot delivers and
/// closes the channel; a ticker delivers as many of the periods that have passed by `now` as fit,
/// and goes on.
pub fn fire(vm: &mut VmData, channel: u32, due: Nanos, now: Nanos) {
    let Some(timer) = vm.channels.get(channel).and_then(|channel| channel.timer) else { return };
    // A program may close the channel of a ticker itself.
    if timer.period == 0 || vm.channels[channel].closed {
        deliver(vm, channel, due);
        disarm(vm, channel);
        vm.close_channel(channel);
        return;
    }
    let missed = now.saturating_sub(due) / timer.period;
    let mut tick = 0;
    // Ends when the channel is full, however many periods were missed.
    while tick <= missed && vm.can_send(channel) {
        deliver(vm, channel, due + tick * timer.period);
        tick += 1;
    }
    let next = due.saturating_add((missed + 1).saturating_mul(timer.period));
    let next = match timer.period < PERIOD_MIN {
        true => next.max(now.saturating_add(PERIOD_MIN)),
        false => next,
    };
    let id = vm.timers.insert(next, Due::Channel(channel));
    vm.channels[channel].timer = Some(ChannelTimer { id, next, ..timer });
}

/// Offers the instant `due` to the channel.
fn deliver(vm: &mut VmData, channel: u32, due: Nanos) {
    let time = Time::of_instant(vm.kernel.scheduler.clock(), due, Location::Local);
    vm.offer(channel, |l| instant::push(l, time));
}

#[cfg(test)]
mod tests {
    use crate::runtime::modules::testing::check_lua;

    #[test]
    fn sleeping() {
        check_lua(
            r#"
            local time = require("time")
            for _, d in {"5ms", 5 * time.MILLISECOND, time.parse_duration("5ms")} do
                local before = time.now()
                assert(select('#', time.sleep(d)) == 0)
                assert(time.now():sub(before):milliseconds() >= 5)
            end
            local nothing, err = time.sleep("soon")
            assert(nothing == nil and err:kind() == "Invalid")
            assert(err:message() == 'time: invalid duration "soon"')
            -- Zero, less, and a number too small to be seen let others run.
            local order = {}
            coroutine.spawn(function() table.insert(order, "a") end)
            time.sleep(0)
            coroutine.spawn(function() time.sleep(-5); table.insert(order, "c") end)
            table.insert(order, "b")
            time.sleep(0)
            time.sleep(1)
            assert(table.concat(order) == "abc", table.concat(order))
            "#,
        );
    }

    #[test]
    fn shorter_sleeps_end_first() {
        check_lua(
            r#"
            local time = require("time")
            local done = channel.new(3)
            for _, ms in {200, 1, 100} do
                coroutine.spawn(function()
                    time.sleep(ms .. "ms")
                    done:send(ms)
                end)
            end
            assert(done:receive() == 1 and done:receive() == 100 and done:receive() == 200)
            "#,
        );
    }

    #[test]
    fn bad_durations() {
        check_lua(
            r#"
            local time = require("time")
            for _, name in {"after", "timer", "ticker"} do
                for _, d in {0, -1, 0.9, "0s", "-1ms"} do
                    local none, err = time[name](d)
                    assert(none == nil and err:kind() == "Invalid")
                    assert(err:message() == "time." .. name .. ": duration must be > 0")
                end
                local none, err = time[name]("1 s")
                assert(none == nil and err:message()
                    == 'time: unknown unit " s" in duration "1 s"')
                none, err = time[name]({})
                assert(none == nil and err:message() == "duration must be number or string")
            end
            local timer = time.timer("1h")
            local ok, err = pcall(timer.reset, timer, 0)
            assert(not ok and string.find(tostring(err), "timer:reset: duration must be > 0", 1, true))
            assert(not pcall(timer.reset, timer, "x") and timer:stop() == true)
            assert(not pcall(timer.stop, nil) and not pcall(timer.stop, time.ticker("1h")))
            "#,
        );
    }

    #[test]
    fn a_timer_delivers_once_and_closes() {
        check_lua(
            r#"
            local time = require("time")
            for _, make in {time.after, function(d) return time.timer(d):response() end} do
                local before = time.now()
                local ch = make("5ms")
                local at, ok = ch:receive()
                assert(ok and at:sub(before):milliseconds() >= 5)
                assert(at:location():string() == "Local" and not at:after(time.now()))
                at, ok = ch:receive()
                assert(at == nil and ok == false)
                local case = channel.select{ch:case_receive()}
                assert(case.ok == false and case.channel == ch)
            end
            -- Nobody looked when it fired: the value is kept.
            local ch = time.after("1ms")
            time.sleep("3ms")
            assert(select(2, ch:receive()) == true and select(2, ch:receive()) == false)
            "#,
        );
    }

    #[test]
    fn of_two_receivers_one_gets_the_time() {
        check_lua(
            r#"
            local time = require("time")
            local ch, got = time.after("2ms"), channel.new(2)
            for _ = 1, 2 do
                coroutine.spawn(function() got:send(select(2, ch:receive())) end)
            end
            assert(got:receive() == true and got:receive() == false)
            "#,
        );
    }

    #[test]
    fn stopping() {
        check_lua(
            r#"
            local time = require("time")
            local timer = time.timer("1h")
            assert(timer:response() == timer:channel() and timer:response() == timer:response())
            local got = channel.new(1)
            coroutine.spawn(function() got:send({timer:response():receive()}) end)
            assert(timer:stop() == true and timer:stop() == false)
            local values = got:receive()
            assert(values[1] == nil and values[2] == false)
            assert(timer:reset("1ms") == false, "no revival")

            local fired = time.timer("1ms")
            time.sleep("3ms")
            assert(fired:stop() == false and fired:reset("1ms") == false)
            assert(select(2, fired:channel():receive()) == true, "what has fired stays")
            "#,
        );
    }

    #[test]
    fn resetting() {
        check_lua(
            r#"
            local time = require("time")
            local timer = time.timer("20ms")
            local before
            -- Pending unless the machine stood still for so long: then there is nothing to see.
            for _ = 1, 20 do
                before = time.now()
                if not timer:reset("40ms") then return end
            end
            local at, ok = timer:response():receive()
            assert(ok and at:sub(before):milliseconds() >= 40, "an old arm has fired")
            assert(select(2, timer:response():receive()) == false)
            timer = time.timer("1h")
            assert(timer:reset(1) == true and timer:channel():receive() ~= nil)
            "#,
        );
    }

    #[test]
    fn tickers_keep_their_beat() {
        check_lua(
            r#"
            local time = require("time")
            local before = time.now()
            local ticker = time.ticker("2ms")
            assert(ticker:response() == ticker:channel())
            local first
            for n = 1, 10 do
                local at, ok = ticker:response():receive()
                first = first or at
                assert(ok and at:sub(before):milliseconds() >= 2 * n, "early")
                -- Counted from the first: never off the beat.
                local since = at:sub(first):nanoseconds()
                assert(since % 2e6 == 0 and since >= (n - 1) * 2e6, since)
            end
            assert(ticker:stop() == true and ticker:stop() == true and ticker.reset == nil)
            "#,
        );
    }

    #[test]
    fn sixteen_ticks_are_kept() {
        check_lua(
            r#"
            local time = require("time")
            local ticker = time.ticker("100us")
            time.sleep("10ms")
            ticker:stop()
            local n, last = 0, nil
            while true do
                local at, ok = ticker:channel():receive()
                if not ok then break end
                assert(last == nil or at:sub(last):nanoseconds() == 1e5, "the oldest are kept")
                n, last = n + 1, at
            end
            assert(n == 16, n)
            "#,
        );
    }

    #[test]
    fn tiny_periods_do_not_stop_the_rest() {
        check_lua(
            r#"
            local time = require("time")
            local ticker = time.ticker(1)
            for _ = 1, 20 do assert(ticker:response():receive()) end
            time.sleep("5ms")
            for _ = 1, 20 do assert(ticker:response():receive()) end
            ticker:channel():close()
            for _ = 1, 16 do ticker:channel():receive() end
            assert(select(2, ticker:channel():receive()) == false)
            "#,
        );
    }

    #[test]
    fn unstopped_timers_end_with_their_process() {
        check_lua(
            r#"
            local time = require("time")
            for _ = 1, 100 do time.after("1h"); time.timer("1h"); time.ticker("1h") end
            "#,
        );
    }

    #[test]
    fn waiting_for_a_timer_is_no_deadlock() {
        check_lua(
            r#"
            local time = require("time")
            local ch = time.after("5ms")
            coroutine.spawn(function() ch:receive(); time.sleep("1ms") end)
            assert(channel.select{ch:case_receive()}.channel == ch)
            "#,
        );
    }
}
