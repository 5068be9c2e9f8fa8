//! Versions, their history, and the way to another one.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::core::registry::{Snapshot, Version, VersionId};
use crate::core::vm::Answer;
use crate::infra::error::{Error, Kind, Result};
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, error, host, register_type, tags};
use crate::runtime::modules::process::push_failure;
use crate::runtime::modules::registry::{SnapshotObject, answer, entries, internal, registry};

#[derive(Clone, Copy)]
pub(super) struct VersionObject(pub(super) Version);

impl Tagged for VersionObject {
    const TAG: c_int = tags::VERSION;
    const NAME: &'static CStr = c"registry.Version";
}

/// The history of the one registry: nothing to hold.
#[derive(Clone, Copy)]
struct HistoryObject;

impl Tagged for HistoryObject {
    const TAG: c_int = tags::HISTORY;
    const NAME: &'static CStr = c"registry.History";
}

pub(super) fn register_types(l: State) {
    register_type::<VersionObject>(
        l,
        &[
            (c"id", host(id)),
            (c"string", host(string)),
            (c"previous", host(previous)),
            (c"next", host(next)),
        ],
        &[(c"__tostring", host(text))],
    );
    register_type::<HistoryObject>(
        l,
        &[
            (c"versions", host(history_versions)),
            (c"get_version", host(get_version)),
            (c"snapshot_at", host(history_snapshot_at)),
        ],
        &[(c"__tostring", host(history_text))],
    );
}

// -- functions of the module ---------------------------------------------------------------------

pub(super) fn current(cx: &mut Cx) -> Ret {
    let version = registry!(cx).current_version();
    cx.l.push_userdata(VersionObject(version));
    cx.values(1)
}

pub(super) fn list(cx: &mut Cx) -> Ret {
    let versions = match registry!(cx).versions() {
        Ok(versions) => versions,
        Err(error) => return cx.fail(internal(error)),
    };
    let l = cx.l;
    l.new_table(versions.len(), 0);
    for (n, version) in versions.into_iter().enumerate() {
        l.push_userdata(VersionObject(version));
        l.raw_set_index(-2, n + 1);
    }
    cx.values(1)
}

pub(super) fn history(cx: &mut Cx) -> Ret {
    cx.l.push_userdata(HistoryObject);
    cx.values(1)
}

pub(super) fn snapshot_at(cx: &mut Cx) -> Ret {
    match version_id(cx.number(1)?).filter(|id| *id != VersionId::ROOT) {
        Some(id) => read_snapshot(cx, id),
        None => cx.fail(Error::invalid("version id must be a positive integer")),
    }
}

pub(super) fn apply(cx: &mut Cx) -> Ret {
    let id = cx.userdata::<VersionObject>(1)?.0.id;
    if !cx.allows("registry.apply_version", "") {
        return cx.refuse(entries::denied("registry.apply_version"));
    }
    let Some(registry) = cx.registry() else {
        return cx.refuse(Error::internal("registry is not available"));
    };
    let pool = cx.vm().kernel.changes.clone();
    let failed = |error: Error| match error.kind() {
        Kind::Internal => error,
        _ => Error::internal("failed to apply version changes").with_source(error),
    };
    cx.offload(&pool, move || registry.apply_version(id).map_err(failed), finish_apply)
}

fn finish_apply(_: &mut VmData, l: State, result: Result<Answer>) -> c_int {
    match answer::<()>(result) {
        Ok(()) => {
            l.push_bool(true);
            1
        }
        Err(problem) => {
            l.push_bool(false);
            error::push(l, problem);
            2
        }
    }
}

/// A version's number as Lua has it.
fn version_id(number: f64) -> Option<VersionId> {
    let is_id = number >= 0.0 && number.fract() == 0.0 && number <= u32::MAX.into();
    is_id.then_some(VersionId(number as u64))
}

/// Reads the history, so elsewhere.
fn read_snapshot(cx: &mut Cx, id: VersionId) -> Ret {
    let registry = registry!(cx);
    let pool = cx.vm().kernel.blocking.clone();
    cx.offload(&pool, move || registry.snapshot_at(id).map_err(internal), finish_snapshot)
}

fn finish_snapshot(_: &mut VmData, l: State, result: Result<Answer>) -> c_int {
    match answer::<Arc<Snapshot>>(result) {
        Ok(snapshot) => {
            l.push_userdata(SnapshotObject { snapshot });
            1
        }
        Err(error) => push_failure(l, error),
    }
}

// -- versions ------------------------------------------------------------------------------------

fn this(cx: &Cx) -> Result<Version, Raise> {
    Ok(cx.userdata::<VersionObject>(1)?.0)
}

fn id(cx: &mut Cx) -> Ret {
    let version = this(cx)?;
    cx.l.push_number(version.id.0 as f64);
    cx.values(1)
}

fn string(cx: &mut Cx) -> Ret {
    let version = this(cx)?;
    cx.str(&version.id.to_string())
}

fn text(cx: &mut Cx) -> Ret {
    let version = this(cx)?;
    cx.str(&format!("registry.Version{{{}}}", version.id))
}

fn previous(cx: &mut Cx) -> Ret {
    let version = this(cx)?;
    let found = registry!(cx).previous_version(version);
    neighbour(cx, found)
}

fn next(cx: &mut Cx) -> Ret {
    let version = this(cx)?;
    let found = registry!(cx).next_version(version);
    neighbour(cx, found)
}

fn neighbour(cx: &mut Cx, found: Result<Option<Version>>) -> Ret {
    match found {
        Ok(Some(version)) => cx.l.push_userdata(VersionObject(version)),
        Ok(None) => cx.l.push_nil(),
        Err(error) => return cx.fail(internal(error)),
    }
    cx.values(1)
}

// -- history -------------------------------------------------------------------------------------

fn history_versions(cx: &mut Cx) -> Ret {
    cx.userdata::<HistoryObject>(1)?;
    list(cx)
}

fn get_version(cx: &mut Cx) -> Ret {
    cx.userdata::<HistoryObject>(1)?;
    let number = cx.number(2)?;
    let Some(id) = version_id(number) else {
        return cx.fail(match number < 0.0 || number.fract() != 0.0 {
            true => Error::invalid("version id must not be negative"),
            false => Error::not_found("version not found"),
        });
    };
    match registry!(cx).version(id) {
        Ok(version) => {
            cx.l.push_userdata(VersionObject(version));
            cx.values(1)
        }
        Err(error) if *error.kind() == Kind::NotFound => {
            cx.fail(Error::not_found("version not found"))
        }
        Err(error) => cx.fail(internal(error)),
    }
}

fn history_snapshot_at(cx: &mut Cx) -> Ret {
    cx.userdata::<HistoryObject>(1)?;
    let id = cx.userdata::<VersionObject>(2)?.0.id;
    read_snapshot(cx, id)
}

fn history_text(cx: &mut Cx) -> Ret {
    cx.userdata::<HistoryObject>(1)?;
    cx.str("registry.History{}")
}
