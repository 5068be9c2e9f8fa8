//! Entry kinds of the runtime: `process.lua`, `function.lua`, `library.lua`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::registry::decode::Fields;
use crate::core::registry::listener::Listener;
use crate::core::registry::{Entry, EntryId, Registry};
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::Part;
use crate::infra::event_bus::request::{self, FACTORIES, FUNCTIONS, Request};
use crate::infra::nearest::nearest;
use crate::infra::transcoder::{Map, Value};
use crate::runtime::engine::chunk::Definition;
use crate::runtime::libraries::{Import, Unit, Units};
use crate::runtime::modules;
use crate::runtime::outdated::Replaced;
use crate::runtime::type_check::TypeChecked;
use crate::system::factory::Made;
use crate::system::functions::{self, CallSlot, Code, Function};
use crate::system::kernel::Kernel;
use crate::system::pools::Pool;

/// Compiles Lua entries and makes them startable, callable or importable.
///
/// While a transaction goes on it compiles and links; processes and callers see the outcome when
/// readers of the registry do, by requests to the factory and the functions.
pub struct LuaListener {
    kernel: Arc<Kernel>,
    staged: Arc<Mutex<Staged>>,
    units: Mutex<Units>,
    /// What can be started or called, without sources: published again when a library changes.
    programs: Mutex<BTreeMap<EntryId, Arc<Entry>>>,
}

/// What the transaction under way asks for so far, in order.
#[derive(Default)]
struct Staged {
    factories: Vec<Request>,
    functions: Vec<Request>,
    /// Places of instances to be made once their functions are known.
    seats: Vec<CallSlot>,
    /// Programs whose code is new, and which of their entries are.
    replaced: Replaced,
    /// It is put off already.
    is_put_off: bool,
}

/// Has a registry give its Lua entries to the kernel.
///
/// `strict`: entries with type errors are refused.
pub fn register(registry: &Registry, kernel: &Arc<Kernel>, strict: bool) {
    let (units, programs, staged) = Default::default();
    let listener = LuaListener { kernel: kernel.clone(), staged, units, programs };
    let listener = TypeChecked::new(listener, strict);
    for kind in ["process.lua", "function.lua", "library.lua"] {
        registry.register_listener(kind, listener.clone());
    }
}

impl LuaListener {
    /// What is new under this id, for whoever starts, calls or imports it from now on.
    fn publish(&self, entry: &Entry, definition: Definition) -> Result<()> {
        let definition = Arc::new(definition);
        match entry.kind.as_str() {
            "function.lua" => {
                let pool = Pool::decode(entry)?;
                self.insert(entry, Code::Function(definition), pool)
            }
            "process.lua" => {
                let made = Request::Register(entry.id.to_string(), Part::new(Made(definition)));
                self.stage(|staged| staged.factories.push(made))?;
                let before = self.programs.lock().get(&entry.id).cloned();
                match default_host(entry) {
                    Some(host) => self.insert(entry, Code::Process { host }, Pool::UNBOUNDED),
                    None if before.is_some_and(|before| default_host(&before).is_some()) => {
                        self.remove(&entry.id)
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn insert(&self, entry: &Entry, code: Code, pool: Pool) -> Result<()> {
        let function = Arc::new(Function::new(entry.id.to_string(), code, pool, options(entry)));
        let seats = function.reserve();
        let request = Request::Register(entry.id.to_string(), Part::new(function));
        self.stage(|staged| {
            staged.functions.push(request);
            staged.seats.extend(seats);
        })
    }

    fn remove(&self, id: &EntryId) -> Result<()> {
        let request = Request::Delete(id.to_string());
        self.stage(|staged| staged.functions.push(request))
    }

    /// All requests of a transaction are one effect: its thread waits once for the answers.
    fn stage(&self, add: impl FnOnce(&mut Staged)) -> Result<()> {
        let mut staged = self.staged.lock();
        if !staged.is_put_off {
            let (bus, logger) = (self.kernel.bus.clone(), self.kernel.logger.named("factory"));
            let own = self.staged.clone();
            // Not held: the effect waits in the registry.
            let kernel = Arc::downgrade(&self.kernel);
            self.kernel.put_off(Box::new(move || {
                let staged = std::mem::take(&mut *own.lock());
                let Staged { factories, functions, seats, replaced, .. } = staged;
                for (topic, requests) in [(FACTORIES, factories), (FUNCTIONS, functions)] {
                    if let Err(error) = request::ask(&bus, topic, requests) {
                        let error = error.to_string().into();
                        logger.error("programs were not taken over", [("error", error)]);
                    }
                }
                let Some(kernel) = kernel.upgrade() else { return };
                functions::prepare(&kernel, seats);
                replaced.tell(&kernel);
            }))?;
            staged.is_put_off = true;
        }
        add(&mut staged);
        Ok(())
    }

    /// Links whoever uses this library anew.
    fn relink_users(&self, library: &EntryId) -> Result<()> {
        let users = self.units.lock().users(library);
        for user in users {
            let linked = self.units.lock().link(&user)?;
            let entry = self.programs.lock().get(&user).cloned();
            if let Some(entry) = entry {
                self.publish(&entry, linked)?;
                self.stage(|staged| staged.replaced.note(&entry.id, library))?;
            }
        }
        Ok(())
    }
}

impl Listener for LuaListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        if entry.kind == "function.lua" {
            Pool::decode(entry)?;
        }
        let unit = unit(entry)?;
        let is_library = unit.is_library;
        let definition = self.units.lock().insert(&entry.id, unit)?;
        if is_library {
            return self.relink_users(&entry.id);
        }
        self.publish(entry, definition)?;
        self.stage(|staged| staged.replaced.note(&entry.id, &entry.id))?;
        let mut entry = entry.clone();
        if let Value::Map(fields) = &mut entry.data {
            fields.retain(|field, _| field != "source");
        }
        self.programs.lock().insert(entry.id.clone(), Arc::new(entry));
        Ok(())
    }

    fn update(&self, _old: &Entry, new: &Entry) -> Result<()> {
        self.add(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.units.lock().remove(&entry.id);
        self.programs.lock().remove(&entry.id);
        match entry.kind.as_str() {
            "function.lua" => self.remove(&entry.id),
            "process.lua" => {
                let request = Request::Delete(entry.id.to_string());
                self.stage(|staged| staged.factories.push(request))?;
                default_host(entry).map_or(Ok(()), |_| self.remove(&entry.id))
            }
            _ => Ok(()),
        }
    }

    /// What a transaction staged that ended by a panic is not wanted.
    fn begin(&self) -> Result<()> {
        *self.staged.lock() = Staged::default();
        Ok(())
    }

    fn commit(&self) -> Result<()> {
        self.units.lock().forget_incomplete();
        Ok(())
    }

    fn discard(&self) {
        *self.staged.lock() = Staged::default();
        self.units.lock().forget_incomplete();
    }
}

/// Where calls of a process run.
fn default_host(entry: &Entry) -> Option<String> {
    let key = "default_host";
    let host = options(entry).get(key).or_else(|| entry.meta.get(key)).cloned();
    host.as_ref().and_then(Value::as_str).map(str::to_owned)
}

/// `meta.options`: options of every call.
fn options(entry: &Entry) -> Map {
    entry.meta.get("options").and_then(Value::as_map).cloned().unwrap_or_default()
}

/// The compiled form of an entry with `source`, `method`, `modules` and `imports`.
fn unit(entry: &Entry) -> Result<Unit> {
    let definition = Arc::new(definition(entry)?);
    let fields = Fields::new(entry)?;
    let listed = match fields.value("imports") {
        None => Vec::new(),
        Some(_) => fields.map_of_str("imports")?,
    };
    let mut imports = Vec::new();
    for (alias, target) in listed {
        if alias.is_empty() || target.is_empty() {
            return Err(fields.error("imports", "has an empty alias or target"));
        }
        let import = match target.contains(':') {
            true => Import::Library(EntryId::parse(target)),
            false if alias == target && modules::ALWAYS_THERE.contains(&target) => continue,
            false => {
                Import::Module(modules::granted(target).ok_or_else(|| unknown_module(target))?)
            }
        };
        imports.push((alias.to_owned(), import));
    }
    imports.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Unit { definition, imports, is_library: entry.kind == "library.lua" })
}

/// The code of an entry, without what it imports.
fn definition(entry: &Entry) -> Result<Definition> {
    let fields = Fields::new(entry)?;
    if let Some(Value::Bytes(bytes)) = fields.value("source") {
        return Err(not_utf8(entry, bytes));
    }
    let source = fields.str("source")?;
    let given = fields.opt_str("method")?.filter(|m| !m.is_empty());
    let method = match entry.kind.as_str() {
        "function.lua" => given.ok_or_else(|| fields.error("method", "is required"))?,
        _ => given.unwrap_or("main"),
    };
    let listed = match fields.value("modules") {
        None => Vec::new(),
        Some(_) => fields.list_of_str("modules")?,
    };
    let mut granted = Vec::new();
    for name in listed {
        if name.contains(':') {
            return Err(fields.error("modules", format!("lists {name:?}: entries go to imports")));
        }
        if name.is_empty() {
            return Err(fields.error("modules", "lists an empty name"));
        }
        if modules::ALWAYS_THERE.contains(&name) {
            continue;
        }
        let known = modules::granted(name).ok_or_else(|| unknown_module(name))?;
        if !granted.contains(&known) {
            granted.push(known);
        }
    }
    // One environment serves all entries with the same set.
    granted.sort_unstable();
    Definition::compile(entry.id.clone(), method, source, granted)
}

/// A file in another encoding comes as bytes.
fn not_utf8(entry: &Entry, bytes: &[u8]) -> Error {
    let good = bytes.utf8_chunks().next().map_or(0, |chunk| chunk.valid().len());
    let line = bytes[..good].iter().filter(|&&byte| byte == b'\n').count() + 1;
    let column = good - bytes[..good].iter().rposition(|&byte| byte == b'\n').map_or(0, |n| n + 1);
    let byte = bytes.get(good).copied().unwrap_or_default();
    let reason = format!("a source is UTF-8 text, byte {byte:#04x} has no place in it");
    Error::invalid(format!("{}:{line}:{}: {reason}", entry.id, column + 1))
}

fn unknown_module(name: &str) -> Error {
    let known =
        modules::GRANTED.iter().map(|m| m.name).chain(modules::ALWAYS_THERE.iter().copied());
    match nearest(name, known) {
        Some(near) => Error::invalid(format!("unknown module {name:?}, did you mean {near:?}?")),
        None => Error::invalid(format!("unknown module {name:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::EntryId;
    use crate::infra::transcoder::Value;

    fn compile(pairs: &[(&str, Value)]) -> Result<Definition> {
        let data = pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        definition(&Entry {
            id: EntryId::parse("app:p"),
            kind: "process.lua".into(),
            meta: Default::default(),
            data: Value::Map(data),
        })
    }

    fn modules(names: &[&str]) -> Value {
        Value::List(names.iter().map(|name| Value::from(*name)).collect())
    }

    #[test]
    fn modules_are_a_set_and_ambient_names_have_no_effect() {
        let source = Value::from("return {}");
        let listed = modules(&["time", "process", "channel", "io", "time"]);
        let granted = compile(&[("source", source), ("modules", listed)]).map(|d| d.modules);
        assert_eq!(granted, Ok(vec!["io", "time"]));
    }

    #[track_caller]
    fn refused(pairs: &[(&str, Value)], text: &str) {
        let error = compile(pairs).map(|_| ()).expect_err("refused");
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn bad_entries_are_refused() {
        let source = || ("source", Value::from("return {}"));
        refused(&[("method", Value::from("main"))], "source");
        refused(&[("source", Value::Int(3))], "source");
        refused(&[source(), ("modules", modules(&["tme"]))], "did you mean \"time\"?");
        refused(&[source(), ("modules", modules(&["app:lib"]))], "modules");
        refused(&[source(), ("modules", Value::from("time"))], "modules");
        refused(&[("source", Value::from("return {"))], "app:p:1:");
        let latin = Value::Bytes(b"-- caf\xe9\n-- gr\xfcn\nreturn {}".to_vec());
        refused(&[("source", latin)], "app:p:1:7: a source is UTF-8 text, byte 0xe9");
        let latin = Value::Bytes(b"return {}\n-- \xff".to_vec());
        refused(&[("source", latin)], "app:p:2:4: a source");
    }
}
