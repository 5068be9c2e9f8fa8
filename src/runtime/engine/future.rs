//! Futures: channels with the result of an asynchronous call.
//!
//! What a future knows lies with its channel, so that it lives as long as anybody holds one of the two.

use std::ffi::{CStr, c_int};

use crate::core::relay::Outcome;
use crate::infra::error::Error;
use crate::runtime::engine::channel::{Attempt, ChannelRef, Source};
use crate::runtime::engine::mail::PayloadObject;
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{error, tags, wire};

pub struct Future {
    /// The outgoing call; `NONE` once it has been answered.
    call: u32,
    pub is_canceled: bool,
    /// A payload object, or why there is none.
    pub result: Option<Result<Slot, Error>>,
}

impl Future {
    /// The call it waits for.
    pub fn pending(&self) -> Option<u32> {
        (self.call != NONE).then_some(self.call)
    }
}

/// `funcs.Future`.
pub struct FutureObject(pub ChannelRef);

impl Tagged for FutureObject {
    const TAG: c_int = tags::FUTURE;
    const NAME: &'static CStr = c"funcs.Future";
}

impl VmData {
    /// Pushes a new future of the running process; the place of its channel.
    pub fn push_future(&mut self, l: State) -> u32 {
        let channel = self.new_channel(self.current, 1, Source::Lua);
        let future = Future { call: NONE, is_canceled: false, result: None };
        self.channels[channel].future = Some(Box::new(future));
        let hold = self.hold_channel(channel);
        l.push_userdata(FutureObject(hold));
        channel
    }

    pub fn set_call(&mut self, channel: u32, call: u32) {
        if let Some(future) = &mut self.channels[channel].future {
            future.call = call;
        }
    }

    /// The call has been answered: its hold on the channel ends.
    pub fn settle(&mut self, channel: u32, outcome: &Outcome) {
        let main = self.main;
        let process = self.channels[channel].process;
        // The owner may have ended, or have lost interest.
        let is_wanted = match &mut self.channels[channel].future {
            Some(future) => {
                future.call = NONE;
                !future.is_canceled && future.result.is_none()
            }
            None => false,
        };
        if is_wanted {
            let result = match outcome {
                Outcome::Value(value) => {
                    if value.is_empty() || wire::decode_all(main, value) == 0 {
                        main.push_nil();
                    }
                    let slot = Slot::take(main);
                    main.push_userdata(PayloadObject::of(slot));
                    main.push_value(-1);
                    Ok(Slot::take(main))
                }
                Outcome::Error(problem) => {
                    error::push(main, problem.clone());
                    Err(problem.clone())
                }
            };
            if let Some(future) = &mut self.channels[channel].future {
                future.result = Some(result);
            }
            if !matches!(self.try_send(main, channel), Attempt::Done) {
                main.pop(1);
            }
            self.close_channel(channel);
            if self.processes[process].stuck > 0 {
                self.suspects.push(process);
            }
        }
        self.release_channel(channel);
    }

    /// The owner wants no result.
    pub fn cancel_future(&mut self, channel: u32) {
        let Some(future) = &mut self.channels[channel].future else { return };
        future.is_canceled = true;
        let pending = future.pending();
        self.close_channel(channel);
        if let Some(call) = pending {
            self.cancel_call(call);
        }
    }
}
