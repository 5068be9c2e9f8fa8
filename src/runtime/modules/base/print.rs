//! `print`: a record of the log, never a write to the terminal.

use std::ffi::c_int;

use crate::infra::logger::Level;
use crate::infra::transcoder::Map;
use crate::runtime::engine::{Cx, Ret};
use crate::runtime::modules::logger::hold_back;

/// How far up the calling Lua function is looked for: `pcall(print, ...)` is one level more.
const LEVELS_MAX: c_int = 8;
/// Bytes beyond which the rest is left out: one text may be printed a million times in one call.
const MESSAGE_MAX: usize = 16 << 20;

/// `print(...)`: the texts joined by spaces, with `pid` and `location`. If nobody listens nothing
/// is done, not even `__tostring` runs.
pub(super) fn print(cx: &mut Cx) -> Ret {
    if !cx.vm().kernel.logger.enabled(Level::Info) {
        return cx.nothing();
    }
    let l = cx.l;
    let mut message = String::new();
    for index in 1..=l.top() {
        if index > 1 {
            message.push(' ');
        }
        cx.push_text_of(index)?;
        message.push_str(&String::from_utf8_lossy(l.bytes(-1).unwrap_or_default()));
        l.pop(1);
        if message.len() > MESSAGE_MAX {
            message.push_str(" ...");
            break;
        }
    }
    let vm = cx.vm();
    let mut fields = Map::with_capacity(2);
    fields.insert("pid".into(), vm.processes[vm.current].pid.to_string().into());
    if let Some((entry, line)) = (1..=LEVELS_MAX).find_map(|level| l.location(level)) {
        fields.insert("location".into(), format!("{entry}:{line}").into());
    }
    let logger = &vm.kernel.logger;
    logger.log(Level::Info, logger.name(), &message, &fields);
    hold_back(cx)
}
