//! `registry`: the definitions of the application. Specification 03, section 3.7.
//!
//! What only looks at the entries is done on the spot, on an unchanging copy that costs a pointer.
//! What changes them waits for listeners, which may need the workers; what goes back in history may
//! read files. Both are done by other threads while the coroutine, and nobody else, waits.
//!
//! `entries` turns entries into tables and back, `changes` collects operations, `versions` are
//! versions and their history; here are the rest of the functions and snapshots.

mod changes;
pub(super) mod entries;
mod versions;

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::core::registry::{EntryId, Query, Registry, Snapshot};
use crate::core::vm::Answer;
use crate::infra::error::{Error, Kind};
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type, tags, value};
use crate::runtime::modules::registry::changes::{ChangesObject, build_delta};
use crate::runtime::modules::registry::versions::VersionObject;

/// The entries at one version.
struct SnapshotObject {
    snapshot: Arc<Snapshot>,
}

impl Tagged for SnapshotObject {
    const TAG: c_int = tags::SNAPSHOT;
    const NAME: &'static CStr = c"registry.Snapshot";
}

pub fn register_types(l: State) {
    register_type::<SnapshotObject>(
        l,
        &[
            (c"entries", host(snapshot_entries)),
            (c"get", host(snapshot_get)),
            (c"find", host(snapshot_find)),
            (c"namespace", host(snapshot_namespace)),
            (c"version", host(snapshot_version)),
            (c"changes", host(snapshot_changes)),
        ],
        &[(c"__tostring", host(snapshot_text))],
    );
    changes::register_types(l);
    versions::register_types(l);
}

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"get", host(get)),
            (c"find", host(find)),
            (c"parse_id", host(parse_id)),
            (c"snapshot", host(snapshot)),
            (c"snapshot_at", host(versions::snapshot_at)),
            (c"current_version", host(versions::current)),
            (c"versions", host(versions::list)),
            (c"history", host(versions::history)),
            (c"apply_version", host(versions::apply)),
            (c"build_delta", host(build_delta)),
        ],
    );
    l.set_read_only(-1, true);
}

impl Cx {
    fn registry(&mut self) -> Option<Arc<Registry>> {
        self.vm().kernel.registry.upgrade()
    }
}

/// Fetches the registry, or returns what all functions do without.
macro_rules! registry {
    ($cx:expr) => {
        match $cx.registry() {
            Some(registry) => registry,
            None => return $cx.fail(Error::internal("registry is not available")),
        }
    };
}
use registry;

/// What programs see of a failure that is none of theirs.
fn internal(error: Error) -> Error {
    match error.kind() {
        Kind::Internal | Kind::NotFound | Kind::Invalid => error,
        _ => Error::internal("version history").with_source(error),
    }
}

/// The answer to work of another thread.
pub(super) fn answer<T: 'static>(result: Result<Answer, Error>) -> Result<T, Error> {
    match result? {
        Answer::Boxed(answer) => match answer.downcast::<T>() {
            Ok(answer) => Ok(*answer),
            Err(_) => Err(Error::internal("an answer to another question")),
        },
        _ => Err(Error::internal("an answer to another question")),
    }
}

// -- the module ----------------------------------------------------------------------------------

fn get(cx: &mut Cx) -> Ret {
    let id = EntryId::parse(&cx.string(1)?);
    let snapshot = registry!(cx).snapshot();
    entries::push_one(cx, &snapshot, &id)
}

fn find(cx: &mut Cx) -> Ret {
    let query = query(cx, 1)?;
    let snapshot = registry!(cx).snapshot();
    entries::push_list(cx, snapshot.entries().filter(|entry| query.matches(entry)))
}

fn parse_id(cx: &mut Cx) -> Ret {
    let id = EntryId::parse(&cx.string(1)?);
    let l = cx.l;
    l.new_table(0, 2);
    for (name, text) in [("ns", id.ns()), ("name", id.name())] {
        l.push_str(text);
        l.set_field(-2, name);
    }
    cx.values(1)
}

fn snapshot(cx: &mut Cx) -> Ret {
    let snapshot = registry!(cx).snapshot();
    cx.l.push_userdata(SnapshotObject { snapshot });
    cx.values(1)
}

/// Argument `n` as a query. What is not understood has no effect, and is logged.
fn query(cx: &mut Cx, n: c_int) -> Result<Query, Raise> {
    cx.table(n)?;
    let (query, ignored) = Query::parse(&value::read_map(cx.l, n)?);
    for part in ignored {
        let fields = [("key", part.key.into()), ("reason", part.reason.into())];
        cx.vm().kernel.logger.warn("query condition ignored", fields);
    }
    Ok(query)
}

// -- snapshots -----------------------------------------------------------------------------------

/// The snapshot a method is called on.
fn this(cx: &Cx) -> Result<Arc<Snapshot>, Raise> {
    let found = cx.l.with::<SnapshotObject, _>(1, |this| this.snapshot.clone());
    found.ok_or_else(|| cx.wrong_type(1, "registry.Snapshot"))
}

fn snapshot_entries(cx: &mut Cx) -> Ret {
    let snapshot = this(cx)?;
    entries::push_list(cx, snapshot.entries())
}

fn snapshot_get(cx: &mut Cx) -> Ret {
    let snapshot = this(cx)?;
    let id = EntryId::parse(&cx.string(2)?);
    entries::push_one(cx, &snapshot, &id)
}

fn snapshot_find(cx: &mut Cx) -> Ret {
    let snapshot = this(cx)?;
    let query = query(cx, 2)?;
    entries::push_list(cx, snapshot.entries().filter(|entry| query.matches(entry)))
}

fn snapshot_namespace(cx: &mut Cx) -> Ret {
    let snapshot = this(cx)?;
    let ns = cx.string(2)?;
    entries::push_list(cx, snapshot.namespace(&ns))
}

fn snapshot_version(cx: &mut Cx) -> Ret {
    let version = this(cx)?.version();
    cx.l.push_userdata(VersionObject(version));
    cx.values(1)
}

fn snapshot_changes(cx: &mut Cx) -> Ret {
    this(cx)?;
    cx.l.push_userdata(ChangesObject::default());
    cx.values(1)
}

fn snapshot_text(cx: &mut Cx) -> Ret {
    let version = this(cx)?.version().id;
    cx.str(&format!("registry.Snapshot{{version={version}}}"))
}
