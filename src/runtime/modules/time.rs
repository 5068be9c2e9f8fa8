//! `time`: sleeping, timers and tickers, durations, instants. Specification 02, section 4.

use crate::infra::clock::Nanos;
use crate::infra::duration;
use crate::infra::error::Error;
use crate::runtime::engine::channel::{ChannelTimer, Source};
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::vm::{Due, VmData};
use crate::runtime::engine::{Cx, Ret, host, push_functions};

pub fn register_types(_l: State) {}

pub fn open(l: State) {
    push_functions(l, &[(c"sleep", host(sleep)), (c"after", host(after))]);
    l.set_read_only(-1, true);
}

/// Argument `n` as nanoseconds: a number of them, a text such as `"1.5s"`, or a Duration.
fn duration(cx: &mut Cx, n: i32) -> Result<i64, Error> {
    match cx.l.type_of(n) {
        Type::Number => Ok(cx.l.number(n).unwrap_or_default() as i64),
        Type::String => {
            let text = cx.l.bytes(n).unwrap_or_default();
            match std::str::from_utf8(text) {
                Ok(text) => duration::parse(text),
                Err(_) => duration::parse(&String::from_utf8_lossy(text)),
            }
        }
        _ => Err(Error::invalid("duration must be number or string")),
    }
}

fn sleep(cx: &mut Cx) -> Ret {
    let nanos = match duration(cx, 1) {
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

fn after(cx: &mut Cx) -> Ret {
    match duration(cx, 1) {
        Ok(nanos) if nanos > 0 => {
            let l = cx.l;
            let vm = cx.vm();
            let channel = arm(vm, nanos as Nanos, 0, 1);
            vm.push_channel(l, channel);
            cx.values(1)
        }
        Ok(_) => cx.fail(Error::invalid("time.after: duration must be > 0")),
        Err(error) => cx.fail(error),
    }
}

/// A channel of the running process fed by a timer.
fn arm(vm: &mut VmData, nanos: Nanos, period: Nanos, capacity: u32) -> u32 {
    let process = vm.current;
    let channel = vm.new_channel(process, capacity, Source::Lua);
    let next = vm.now().saturating_add(nanos);
    let id = vm.timers.insert(next, Due::Channel(channel));
    vm.channels[channel].timer = Some(ChannelTimer { id, period, next });
    vm.processes[process].timers += 1;
    channel
}

/// The timer of a channel has fired: one value, then the channel is closed; a ticker goes on.
pub fn fire(vm: &mut VmData, channel: u32, deadline: Nanos, now: Nanos) {
    let _ = deadline;
    let Some(timer) = vm.channels.get(channel).and_then(|c| c.timer) else { return };
    let process = vm.channels[channel].process;
    vm.offer(channel, |l| l.push_number(now as f64));
    match timer.period {
        0 => {
            vm.channels[channel].timer = None;
            vm.processes[process].timers -= 1;
            vm.close_channel(channel);
        }
        period => {
            let next = timer.next + period;
            let id = vm.timers.insert(next, Due::Channel(channel));
            vm.channels[channel].timer = Some(ChannelTimer { id, period, next });
        }
    }
}
