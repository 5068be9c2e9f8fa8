//! Changes: operations collected, then applied in one transaction.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::core::registry::{self, Changeset, Entry, EntryId, Operation, Version};
use crate::core::vm::Answer;
use crate::infra::error::Error;
use crate::infra::transcoder::heap_of;
use crate::runtime::engine::raw::{Charge, State, Tagged, Type};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type, tags};
use crate::runtime::modules::process::push_failure;
use crate::runtime::modules::registry::versions::VersionObject;
use crate::runtime::modules::registry::{answer, entries};

/// What failures of `apply` begin with.
const APPLY: &str = "apply changes";

/// Operations in the order in which they were asked for.
#[derive(Default)]
pub(super) struct ChangesObject {
    operations: Vec<Operation>,
    /// For what the operations hold.
    charge: Charge,
}

impl Tagged for ChangesObject {
    const TAG: c_int = tags::CHANGES;
    const NAME: &'static CStr = c"registry.Changes";
}

pub(super) fn register_types(l: State) {
    register_type::<ChangesObject>(
        l,
        &[
            (c"create", host(|cx: &mut Cx| write(cx, Operation::Create))),
            (c"update", host(|cx: &mut Cx| write(cx, Operation::Update))),
            (c"delete", host(delete)),
            (c"ops", host(ops)),
            (c"apply", host(apply)),
        ],
        &[(c"__tostring", host(text))],
    );
}

/// Works with the operations of the changes a method is called on.
fn with<T>(cx: &Cx, f: impl FnOnce(&mut Vec<Operation>) -> T) -> Result<T, Raise> {
    let result = cx.l.with::<ChangesObject, _>(1, |this| f(&mut this.operations));
    result.ok_or_else(|| cx.wrong_type(1, "registry.Changes"))
}

fn write(cx: &mut Cx, operation: fn(Arc<Entry>) -> Operation) -> Ret {
    with(cx, |_| ())?;
    cx.table(2)?;
    match entries::read(cx.l, 2)? {
        Ok(entry) => add(cx, operation(Arc::new(entry))),
        Err(error) => cx.fail(error),
    }
}

fn delete(cx: &mut Cx) -> Ret {
    with(cx, |_| ())?;
    match entries::read_id(cx.l, 2) {
        Ok(id) => add(cx, Operation::Delete(id)),
        Err(_) => cx.fail(Error::invalid("invalid ID format")),
    }
}

/// Returns the same changes with one operation more.
fn add(cx: &mut Cx, operation: Operation) -> Ret {
    let entry = match &operation {
        Operation::Create(entry) | Operation::Update(entry) => {
            size_of::<Entry>() + heap_of(&entry.meta) + entry.data.heap()
        }
        Operation::Delete(_) => 0,
    };
    let held = size_of::<Operation>() + entry;
    cx.l.pace(held);
    with(cx, |operations| operations.push(operation))?;
    cx.l.with::<ChangesObject, _>(1, |this| this.charge.add(held));
    cx.l.push_value(1);
    cx.values(1)
}

fn ops(cx: &mut Cx) -> Ret {
    let operations = with(cx, |operations| operations.clone())?;
    push_operations(cx.l, &operations, entries::push_deleted);
    cx.values(1)
}

/// Pushes a list of `{kind =, entry =}`.
fn push_operations(l: State, operations: &[Operation], push_deleted: impl Fn(State, &EntryId)) {
    l.new_table(operations.len(), 0);
    for (n, operation) in operations.iter().enumerate() {
        l.new_table(0, 2);
        l.push_str(operation.kind());
        l.set_field(-2, "kind");
        match operation {
            Operation::Create(entry) | Operation::Update(entry) => entries::push(l, entry),
            Operation::Delete(id) => push_deleted(l, id),
        }
        l.set_field(-2, "entry");
        l.raw_set_index(-2, n + 1);
    }
}

/// The operations stay: what failed can be tried again.
fn apply(cx: &mut Cx) -> Ret {
    let operations = with(cx, |operations| operations.clone())?;
    if operations.is_empty() {
        return cx.fail(Error::invalid("no changes to apply"));
    }
    if !cx.allows("registry.apply", "") {
        return cx.fail(entries::denied("registry.apply"));
    }
    let Some(registry) = cx.registry() else {
        return cx.fail(Error::internal("registry is not available"));
    };
    let pool = cx.vm().kernel.changes.clone();
    let job = move || registry.apply(Changeset::from(operations)).map_err(failed);
    cx.offload(&pool, job, finish_apply)
}

fn failed(error: Error) -> Error {
    match error.message() {
        APPLY => error,
        _ => {
            let failed = Error::internal(APPLY).with_retryable(error.retryable());
            match error.details().cloned() {
                Some(details) => failed.with_details(details).with_source(error),
                None => failed.with_source(error),
            }
        }
    }
}

fn finish_apply(_: &mut VmData, l: State, result: Result<Answer, Error>) -> c_int {
    match answer::<Version>(result) {
        Ok(version) => {
            l.push_userdata(VersionObject(version));
            1
        }
        Err(error) => push_failure(l, error),
    }
}

fn text(cx: &mut Cx) -> Ret {
    let n = with(cx, |operations| operations.len())?;
    cx.str(&format!("registry.Changes{{ops={n}}}"))
}

/// `registry.build_delta(from, to)`: the operations that turn one list of entries into another.
pub(super) fn build_delta(cx: &mut Cx) -> Ret {
    let from = read_list(cx, 1)?;
    let to = read_list(cx, 2)?;
    let operations = registry::build_delta(&from, &to);
    // Of several with one id the last counts.
    let from: BTreeMap<&EntryId, &Entry> = from.iter().map(|entry| (&entry.id, entry)).collect();
    push_operations(cx.l, &operations, |l, id| match from.get(id) {
        Some(entry) => entries::push(l, entry),
        None => entries::push_deleted(l, id),
    });
    cx.values(1)
}

/// The well-formed entries of the list that is argument `n`.
fn read_list(cx: &Cx, n: c_int) -> Result<Vec<Entry>, Raise> {
    cx.table(n)?;
    let l = cx.l;
    let mut found = Vec::new();
    for at in 1..=l.raw_len(n) {
        if l.raw_get_index(n, at) == Type::Table
            && let Ok(entry) = entries::read(l, -1)?
        {
            found.push(entry);
        }
        l.pop(1);
    }
    Ok(found)
}
