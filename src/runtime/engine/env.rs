//! Environments: the globals that processes see.
//!
//! A process has an empty table of globals of its own. Behind it lies, read-only and shared by all
//! processes of a VM that were granted the same modules, an environment: the base library plus those
//! modules. Nothing a process writes is seen by another.

use std::ffi::c_int;

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
        l.new_table(0, 2);
        l.push_value(-2);
        l.set_field(-2, "__index");
        l.push_str("locked");
        l.set_field(-2, "__metatable");
        l.set_read_only(-1, true);
        let metatable = l.anchor();
        let environment = l.anchor();
        self.sets.push(Set { modules: granted.to_vec(), environment, metatable });
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

    pub fn push_metatable(&self, at: usize, l: State) {
        self.sets[at].metatable.push(l);
    }
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
