//! `system.memory`, `system.gc`, `system.runtime`: figures of the program as a whole.
//!
//! The figures have the names of another runtime's. What has no counterpart here is zero: stacks and
//! spans; `heap_objects` is an estimate. What that runtime's collector is told is kept and reported;
//! the memory limit, however, is the runtime's soft limit, and `collect` collects in all shared VMs.

use std::thread;

use crate::infra::error::Error;
use crate::infra::memory;
use crate::infra::transcoder::Value;
use crate::runtime::engine::raw::Type;
use crate::runtime::engine::{Cx, Raise, Ret};
use crate::runtime::modules::system::{guarded, read};

/// Bytes of an object: a small table has about as many.
const OBJECT_BYTES: u64 = 64;
/// What programs know as no limit.
const UNLIMITED: i64 = i64::MAX;

/// Resident bytes, and bytes of address space; of a system that does not tell, those of this VM.
fn usage(cx: &mut Cx) -> (u64, u64) {
    memory::usage().unwrap_or_else(|| {
        let own = cx.l.memory() as u64;
        (own, own)
    })
}

fn number(n: u64) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) fn stats(cx: &mut Cx) -> Ret {
    read(cx, "memory", |cx| {
        let (used, space) = usage(cx);
        let tuning = &cx.vm().kernel.tuning;
        let percent = u64::try_from(tuning.gc_percent()).unwrap_or(0);
        let zero = Value::Int(0);
        Ok(Value::from([
            ("alloc", number(used)),
            ("total_alloc", number(used)),
            ("sys", number(space)),
            ("heap_alloc", number(used)),
            ("heap_sys", number(space)),
            ("heap_idle", number(space.saturating_sub(used))),
            ("heap_in_use", number(used)),
            ("heap_released", zero.clone()),
            ("heap_objects", number(used / OBJECT_BYTES)),
            ("stack_in_use", zero.clone()),
            ("stack_sys", zero.clone()),
            ("mspan_in_use", zero.clone()),
            ("mspan_sys", zero),
            ("num_gc", number(tuning.collections())),
            ("next_gc", number(used.saturating_add(used / 100 * percent))),
        ]))
    })
}

pub(super) fn allocated(cx: &mut Cx) -> Ret {
    read(cx, "memory", |cx| Ok(number(usage(cx).0)))
}

pub(super) fn heap_objects(cx: &mut Cx) -> Ret {
    read(cx, "memory", |cx| Ok(number(usage(cx).0 / OBJECT_BYTES)))
}

/// The limit as programs know it.
fn limit() -> Value {
    match memory::target() {
        u64::MAX => Value::Int(UNLIMITED),
        bytes => number(bytes),
    }
}

pub(super) fn set_limit(cx: &mut Cx) -> Ret {
    let wanted = match cx.l.type_of(1) {
        Type::None | Type::Nil => f64::NAN,
        _ => cx.number(1)?,
    };
    guarded(cx, "system.control", "memory_limit", |_| {
        let before = limit();
        match wanted {
            -1.0 => memory::set_target(u64::MAX),
            n if n >= 0.0 && n < UNLIMITED as f64 => memory::set_target(n as u64),
            n if n >= 0.0 => memory::set_target(u64::MAX),
            _ => return Err(Error::invalid("memory limit must be a number of bytes, or -1")),
        }
        Ok(before)
    })
}

pub(super) fn get_limit(cx: &mut Cx) -> Ret {
    read(cx, "memory_limit", |_| Ok(limit()))
}

pub(super) fn collect(cx: &mut Cx) -> Ret {
    guarded(cx, "system.gc", "gc", |cx| {
        let vm = cx.vm();
        vm.kernel.tuning.count_collection();
        if let Some(pool) = vm.pool.upgrade() {
            pool.collect_soon();
        }
        cx.l.collect();
        memory::release();
        Ok(true.into())
    })
}

/// A whole number, cut down to one.
fn whole(cx: &Cx) -> Result<i64, Raise> {
    Ok(cx.number(1)? as i64)
}

pub(super) fn set_percent(cx: &mut Cx) -> Ret {
    let percent = whole(cx)?;
    guarded(cx, "system.gc", "gc_percent", |cx| {
        Ok(Value::Int(cx.vm().kernel.tuning.set_gc_percent(percent)))
    })
}

pub(super) fn get_percent(cx: &mut Cx) -> Ret {
    read(cx, "gc_percent", |cx| Ok(Value::Int(cx.vm().kernel.tuning.gc_percent())))
}

/// Live processes: this runtime's tasks.
pub(super) fn goroutines(cx: &mut Cx) -> Ret {
    read(cx, "goroutines", |cx| Ok(number(cx.vm().kernel.table().len() as u64)))
}

fn cpus() -> i64 {
    thread::available_parallelism().map_or(1, |n| n.get() as i64)
}

pub(super) fn cpu_count(cx: &mut Cx) -> Ret {
    read(cx, "cpu", |_| Ok(Value::Int(cpus())))
}

pub(super) fn max_procs(cx: &mut Cx) -> Ret {
    let wanted = match cx.l.type_of(1) {
        Type::None | Type::Nil => None,
        _ => Some(whole(cx)?),
    };
    let action = if wanted.is_some() { "system.control" } else { "system.read" };
    guarded(cx, action, "gomaxprocs", |cx| {
        let kernel = &cx.vm().kernel;
        let workers = kernel.scheduler.workers() as i64;
        match wanted {
            None => Ok(Value::Int(kernel.tuning.max_procs().unwrap_or(workers))),
            Some(n) if n <= 0 => Err(Error::invalid("max_procs must be greater than 0")),
            Some(n) => Ok(Value::Int(kernel.tuning.set_max_procs(n).unwrap_or(workers))),
        }
    })
}
