//! Environments: the globals that processes see.
//!
//! A process has an empty table of globals of its own. Behind it lies, read-only and shared by all
//! processes of a VM that were granted the same modules, an environment: the base library plus those
//! modules. Nothing a process writes is seen by another.
//!
//! Programs that name `_G` may look at this table, or change names in it that other code uses. They get
//! a copy of the environment instead, and Luau looks every global up in it when it is used.

use std::ffi::c_int;

use crate::lang::translate;
use crate::runtime::engine::raw::{Anchor, State, Type, libraries};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Raise, error};
use crate::runtime::modules;

/// Opens Luau's libraries in the main thread's globals, where `build` takes from them what a program
/// may have.
pub fn open_libraries(main: State) {
    main.open_library(libraries::luaopen_base);
    main.open_library(libraries::luaopen_coroutine);
    main.open_library(libraries::luaopen_table);
    main.open_library(libraries::luaopen_string);
    main.open_library(libraries::luaopen_math);
}

/// Environments of a VM, by the modules granted.
#[derive(Default)]
pub struct Environments {
    /// What everybody has.
    base: Option<Anchor>,
    sets: Vec<Set>,
    /// Modules opened so far.
    opened: Vec<(&'static str, Anchor)>,
}

struct Set {
    modules: Vec<&'static str>,
    environment: Anchor,
    /// `{__index = environment}`, of the globals of each process.
    metatable: Anchor,
    /// What is copied for processes that name `_G`; made for the first one.
    copied: Option<Anchor>,
}

/// Makes the base environment and registers all types of userdata.
pub fn build(vm: &mut VmData) {
    let l = vm.main;
    push_base(l);
    vm.environments.base = Some(l.anchor());
    // Luau's own globals are no longer reachable by anybody.
}

/// Pushes what every program has, a new table, after [`open_libraries`].
pub fn push_base(l: State) {
    modules::register_types(l);
    l.new_table(0, 64);
    modules::base::fill(l);
    modules::types::fill(l);
    for module in modules::AMBIENT {
        (module.open)(l);
        l.set_field(-2, module.name);
    }
    modules::process::fill_globals(l);
}

impl Environments {
    /// The environment with `granted` modules; made at the first call.
    pub fn of(&mut self, l: State, granted: &[&'static str]) -> usize {
        if let Some(known) = self.sets.iter().position(|set| set.modules == granted) {
            return known;
        }
        if let Some(base) = &self.base {
            base.push(l);
            l.clone_table(-1);
            l.remove(-2);
        } else {
            l.new_table(0, 0);
        }
        for name in granted {
            if self.push_module(l, name) {
                l.set_field(-2, name);
            }
        }
        // There is no `_G` in here: it would be resolved when a chunk is loaded, and be the same
        // table for all processes.
        l.set_read_only(-1, true);
        l.set_safe_env(-1, true);
        push_fallback(l);
        let metatable = l.anchor();
        let environment = l.anchor();
        let modules = granted.to_vec();
        self.sets.push(Set { modules, environment, metatable, copied: None });
        self.sets.len() - 1
    }

    /// Pushes a module's table, opened once per VM.
    pub fn push_module(&mut self, l: State, name: &'static str) -> bool {
        if let Some((_, module)) = self.opened.iter().find(|(n, _)| *n == name) {
            module.push(l);
            return true;
        }
        let Some(module) = modules::GRANTED.iter().find(|module| module.name == name) else {
            return false;
        };
        (module.open)(l);
        l.push_value(-1);
        self.opened.push((name, l.anchor()));
        true
    }

    pub fn push(&self, at: usize, l: State) {
        self.sets[at].environment.push(l);
    }

    /// Pushes new globals before the environment.
    pub fn push_globals(&self, at: usize, l: State) {
        l.new_table(0, 0);
        self.sets[at].metatable.push(l);
        l.set_metatable(-2);
        l.set_safe_env(-1, true);
    }

    /// Pushes new globals with all of the environment in them, and themselves as `_G`.
    pub fn push_own_globals(&mut self, at: usize, l: State) {
        let set = &mut self.sets[at];
        let copied = set.copied.get_or_insert_with(|| {
            set.environment.push(l);
            push_copy(l);
            let copied = l.anchor();
            l.pop(1);
            copied
        });
        copied.push(l);
        l.clone_table(-1);
        l.remove(-2);
        l.push_value(-1);
        l.set_field(-2, "_G");
    }
}

/// Pushes a metatable for tables that fall back on the table on top of the stack.
fn push_fallback(l: State) {
    l.new_table(0, 2);
    l.push_value(-2);
    l.set_field(-2, "__index");
    l.push_str("locked");
    l.set_field(-2, "__metatable");
    l.set_read_only(-1, true);
}

/// Pushes a copy of the environment on top of the stack. What translations refer to is not in the copy
/// but behind it: programs do not meet it when they look at all there is.
fn push_copy(l: State) {
    let environment = l.top();
    l.new_table(0, 64);
    l.new_table(0, 16);
    let (copy, hidden) = (environment + 1, environment + 2);
    let mut cursor = 0;
    while let Some(next) = l.next_pair(environment, cursor) {
        cursor = next;
        let is_hidden =
            l.bytes(-2).is_some_and(|name| name.starts_with(translate::RESERVED.as_bytes()));
        l.raw_set(if is_hidden { hidden } else { copy });
    }
    l.set_read_only(hidden, true);
    push_fallback(l);
    l.set_metatable(copy);
    l.pop(1);
}

/// Pushes what `tostring` makes of the value at `index`; runs `__tostring`.
pub fn push_text_of(l: State, index: c_int) -> Result<(), Raise> {
    match (l.type_of(index), error::message(l, index)) {
        (Type::None, _) => l.push_str("nil"),
        (_, Some(message)) => l.push_str(&message),
        _ => l.push_text_of(index),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Weak;

    use super::*;
    use crate::app::node::{Node, Options};
    use crate::runtime::engine::raw::Guard;
    use crate::runtime::engine::tags;
    use crate::runtime::engine::vm::LuaVm;
    use crate::system::host::Seat;

    /// Objects that processes share: none of their methods changes anything.
    const UNCHANGING: &[c_int] = &[tags::LOGGER, tags::LOCATION, tags::TYPE];

    /// What a host function keeps for itself, and no program gets: what it gives out of it is looked at.
    const INNER: &[&str] =
        &["globals.__wippy_types, upvalue 1", "globals.coroutine.wrap, upvalue 1, upvalue 1"];

    struct Walk {
        l: State,
        seen: HashSet<usize>,
        tables: usize,
        functions: usize,
    }

    impl Walk {
        /// The value on top of the stack, which is popped, and what it leads to.
        fn on(&mut self, path: &str) {
            let l = self.l;
            assert!(l.check_stack(8));
            let index = l.top();
            match l.type_of(index) {
                Type::Table | Type::Function | Type::Userdata
                    if self.seen.insert(l.address(index)) =>
                {
                    self.look(index, path);
                }
                Type::Thread if INNER.contains(&path) => {}
                Type::Thread | Type::Other => panic!("{path} is shared"),
                _ => {}
            }
            l.set_top(index - 1);
        }

        fn look(&mut self, index: c_int, path: &str) {
            let l = self.l;
            if l.get_metatable(index) {
                self.on(&format!("{path}.metatable"));
            }
            match l.type_of(index) {
                Type::Table => {
                    assert!(
                        INNER.contains(&path) || l.is_read_only(index),
                        "{path} can be changed"
                    );
                    self.tables += 1;
                    let mut cursor = 0;
                    while let Some(next) = l.next_pair(index, cursor) {
                        cursor = next;
                        let key = String::from_utf8_lossy(match l.type_of(-2) {
                            Type::String => l.bytes(-2).unwrap_or_default(),
                            _ => b"?",
                        });
                        self.on(&format!("{path}.{key}"));
                        self.on(&format!("{path}.{key}, the key"));
                    }
                }
                Type::Function => {
                    // A function of Lua's would bring its globals, and upvalues that it can set.
                    assert!(l.c_function(index).is_some(), "{path} is no host function");
                    self.functions += 1;
                    let mut n = 1;
                    while l.push_upvalue(index, n) {
                        self.on(&format!("{path}, upvalue {n}"));
                        n += 1;
                    }
                }
                _ => {
                    let tag = l.tag(index);
                    assert!(UNCHANGING.contains(&tag), "{path} is a userdata of tag {tag}");
                }
            }
        }
    }

    #[test]
    fn what_processes_share_is_read_only() {
        let node = Node::start(Options::default()).expect("starts");
        let (vm, _interrupt) =
            LuaVm::create(node.kernel.clone(), Weak::new(), Seat::of_vm(0)).expect("created");
        let data = vm.data();
        let l = data.main;
        let _guard = Guard::enter(l);
        let granted: Vec<&str> = modules::GRANTED.iter().map(|module| module.name).collect();
        let at = data.environments.of(l, &granted);
        let mut walk = Walk { l, seen: HashSet::new(), tables: 0, functions: 0 };
        // Types of a source.
        data.environments.push(at, l);
        l.get_field(-1, crate::lang::translate::TYPES);
        l.push_str("type P={x:number}");
        l.push_number(1.0);
        l.call(2, 0);
        walk.on("globals");
        data.environments.push_globals(at, l);
        assert!(l.get_metatable(-1));
        walk.on("metatable of globals");
        data.environments.push_own_globals(at, l);
        assert!(l.get_metatable(-1));
        walk.on("metatable of own globals");
        l.pop(2);
        for tag in 0..128 {
            l.push_type_metatable(tag);
            walk.on(&format!("metatable of tag {tag}"));
        }
        // Those of plain types.
        l.push_str("");
        l.push_bool(true);
        l.push_number(1.0);
        l.push_nil();
        l.push_function(crate::runtime::engine::host(nothing), c"nothing");
        l.new_thread();
        while l.top() > 0 {
            if l.get_metatable(-1) {
                walk.on("metatable of a plain type");
            }
            l.pop(1);
        }
        assert!(walk.tables > 50 && walk.functions > 300, "{} {}", walk.tables, walk.functions);
    }

    fn nothing(cx: &mut crate::runtime::engine::Cx) -> crate::runtime::engine::Ret {
        cx.nothing()
    }
}
