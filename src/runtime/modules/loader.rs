//! `loader`: entries out of definition files, as tables that `registry` takes. Specification 03,
//! sections 3.7 and 3.8.
//!
//! Files are read by threads that may wait. A loader keeps the directory that its file system had when
//! it was made.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::core::registry::Entry;
use crate::core::vm::Answer;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::heap_of;
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type, tags};
use crate::runtime::modules::process::push_failure;
use crate::runtime::modules::registry::{answer, entries};
use crate::system::file_systems::Directory;

/// What is loaded at once, in bytes: a worker turns it into tables in one go.
const LOADED_MAX: usize = 64 << 20;

struct LoaderObject(Arc<Directory>);

impl Tagged for LoaderObject {
    const TAG: c_int = tags::LOADER;
    const NAME: &'static CStr = c"loader.Loader";
}

pub fn register_types(l: State) {
    register_type::<LoaderObject>(
        l,
        &[(c"load_directory", host(load_directory)), (c"load_file", host(load_file))],
        &[],
    );
}

pub fn open(l: State) {
    push_functions(l, &[(c"new", host(new))]);
    l.set_read_only(-1, true);
}

fn new(cx: &mut Cx) -> Ret {
    let id = cx.string(1)?;
    if id.is_empty() {
        return cx.fail(Error::invalid("filesystem name required"));
    }
    match cx.vm().kernel.file_systems.get(&id) {
        Some(directory) => {
            cx.l.push_userdata(LoaderObject(directory));
            cx.values(1)
        }
        None => cx.fail(Error::not_found(format!("filesystem not found: {id}"))),
    }
}

/// The directory of the loader a method is called on.
fn this(cx: &Cx) -> Result<Arc<Directory>, Raise> {
    let found = cx.l.with::<LoaderObject, _>(1, |this| this.0.clone());
    found.ok_or_else(|| cx.wrong_type(1, "loader.Loader"))
}

fn load_file(cx: &mut Cx) -> Ret {
    let (directory, path) = (this(cx)?, cx.string(2)?);
    let files = cx.vm().kernel.entry_files.clone();
    let job = move || match directory.is_readable() {
        true => files.load_file(&directory.root, &path).and_then(bounded),
        false => Err(Error::internal("the mode of the filesystem does not allow to read files")),
    };
    let pool = cx.vm().kernel.blocking.clone();
    cx.offload(&pool, job, finish)
}

fn load_directory(cx: &mut Cx) -> Ret {
    let (directory, path) = (this(cx)?, cx.string(2)?);
    let kernel = &cx.vm().kernel;
    let (files, logger) = (kernel.entry_files.clone(), kernel.logger.named("loader"));
    let job = move || match directory.is_readable() && directory.is_listable() {
        true => {
            let mut log = |skipped: Error| {
                logger.warn("file skipped", [("error", skipped.message().into())]);
            };
            files.load_directory(&directory.root, &path, &mut log).and_then(bounded)
        }
        false => {
            Err(Error::internal("the mode of the filesystem does not allow to list directories"))
        }
    };
    let pool = cx.vm().kernel.blocking.clone();
    cx.offload(&pool, job, finish)
}

fn bounded(entries: Vec<Entry>) -> Result<Vec<Entry>> {
    let size = |entry: &Entry| size_of::<Entry>() + heap_of(&entry.meta) + entry.data.heap();
    match entries.iter().map(size).sum::<usize>() <= LOADED_MAX {
        true => Ok(entries),
        false => Err(Error::internal(format!("more than {} MiB of entries", LOADED_MAX >> 20))),
    }
}

fn finish(_: &mut VmData, l: State, result: Result<Answer>) -> c_int {
    match answer::<Vec<Entry>>(result) {
        Ok(found) => {
            l.new_table(found.len(), 0);
            for (n, entry) in found.iter().enumerate() {
                entries::push(l, entry);
                l.raw_set_index(-2, n + 1);
            }
            1
        }
        Err(error) => push_failure(l, error),
    }
}
