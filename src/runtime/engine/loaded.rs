//! Chunks that a VM has loaded: what their processes begin with, and what those have cost here.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::infra::clock::Nanos;
use crate::infra::error::{Error, Result};
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::instances::Instances;
use crate::runtime::engine::raw::{Anchor, State, Type};
use crate::runtime::engine::vm::VmData;

/// The chunks of a VM.
#[derive(Default)]
pub struct Chunks {
    loaded: Vec<Loaded>,
    /// Address of a definition -> its place in there.
    places: FxHashMap<usize, usize>,
    /// Whether this VM runs native code; unknown until some is wanted.
    native: Option<bool>,
    /// Looks at the clock so far.
    looks: u32,
}

/// A definition's chunk in this VM.
struct Loaded {
    /// Held, so that its address stays a valid key.
    definition: Arc<Definition>,
    function: Anchor,
    /// Name of the method.
    method: Anchor,
    environment: usize,
    /// Processes that have ended since the definition was told, and how many of them were long; it has
    /// been told once at least.
    ended: u32,
    long: u32,
    told: bool,
    /// The latest look at the clock before one ended, and how many have ended since, after few turns.
    ended_since: (u32, u32),
    /// How often a process of it took its whole quantum in one go.
    overstays: u32,
    /// Of a function.
    instances: Instances,
}

/// Chunks whose processes overstay so often get native code.
///
/// Not all and not at once: it costs time and memory in each VM, and code that mostly calls host
/// functions and waits is slower with it (a pair that talks: 1.75 instead of 1.17 us a trip), while
/// code that computes takes two thirds of the time.
const OVERSTAYS_INTERPRETED: u32 = 4;

/// Ended processes of a definition that a VM keeps to itself for a while.
const ENDED_UNTOLD: u32 = 64;
/// Processes of a kind that end after a few turns, but turns that take so long on average, are worth a
/// start in another VM.
const DEAR_TURN: Nanos = 10_000;
/// Turns between two looks from which their average tells anything.
pub const TURNS_THAT_TELL: u32 = 8;

impl VmData {
    /// The place of a definition's chunk, loaded at the first call.
    pub fn chunk(&mut self, definition: &Arc<Definition>) -> Result<u32> {
        let key = Arc::as_ptr(definition) as usize;
        if let Some(&place) = self.chunks.places.get(&key) {
            return Ok(place as u32);
        }
        let main = self.main;
        let environment = self.environments.of(main, &definition.modules);
        // Loaded on a thread whose globals are the environment: there Luau resolves the imports.
        let thread = main.new_thread();
        self.environments.push(environment, thread);
        thread.replace(State::GLOBALS);
        let loaded = thread.load(&definition.chunk_name, &definition.bytecode);
        if loaded.is_err() {
            let text = String::from_utf8_lossy(thread.bytes(-1).unwrap_or_default()).into_owned();
            main.pop(1);
            return Err(Error::invalid(format!("load {}: {text}", definition.id)));
        }
        let function = thread.anchor();
        main.pop(1);
        main.push_str(&definition.method);
        let method = main.anchor();
        let place = self.chunks.loaded.len();
        let definition = definition.clone();
        let loaded = Loaded {
            definition,
            function,
            method,
            environment,
            ended: 0,
            long: 0,
            told: false,
            ended_since: (0, 0),
            overstays: 0,
            instances: Instances::default(),
        };
        // What is left of an earlier version serves no further call.
        let id = &loaded.definition.id;
        for old in self.chunks.loaded.iter_mut().filter(|old| old.definition.id == *id) {
            old.instances.clear();
        }
        self.chunks.loaded.push(loaded);
        self.chunks.places.insert(key, place);
        Ok(place as u32)
    }

    /// The definition of a loaded chunk.
    pub fn definition(&self, chunk: u32) -> &Arc<Definition> {
        &self.chunks.loaded[chunk as usize].definition
    }

    /// Pushes the method out of the chunk's table on top of the stack.
    pub fn push_method(&self, chunk: u32, thread: State) -> Type {
        self.chunks.loaded[chunk as usize].method.push(thread);
        thread.raw_get(-2)
    }

    /// Pushes the table of a granted module.
    pub fn push_module(&mut self, l: State, name: &'static str) {
        if !self.environments.push_module(l, name) {
            l.push_nil();
        }
    }

    /// What there is of the function with this chunk.
    #[inline]
    pub fn instances(&mut self, chunk: u32) -> &mut Instances {
        &mut self.chunks.loaded[chunk as usize].instances
    }

    pub fn all_instances(&mut self) -> impl Iterator<Item = &mut Instances> {
        self.chunks.loaded.iter_mut().map(|loaded| &mut loaded.instances)
    }

    /// A process of this chunk took its whole quantum.
    pub fn count_overstay(&mut self, chunk: u32) {
        let loaded = &mut self.chunks.loaded[chunk as usize];
        loaded.overstays = loaded.overstays.saturating_add(1);
        if loaded.overstays != OVERSTAYS_INTERPRETED {
            return;
        }
        let main = self.main;
        // The first one makes the VM ready for it; where the machine cannot, nothing changes.
        if *self.chunks.native.get_or_insert_with(|| main.enable_native_code()) {
            loaded.function.push(main);
            main.compile_native(-1);
            main.pop(1);
        }
    }

    /// A process of this chunk has ended.
    pub fn count_end(&mut self, chunk: u32, was_long: bool) {
        let loaded = &mut self.chunks.loaded[chunk as usize];
        loaded.ended += 1;
        loaded.long += u32::from(was_long);
        if loaded.ended_since.0 != self.chunks.looks {
            loaded.ended_since = (self.chunks.looks, 0);
        }
        loaded.ended_since.1 += u32::from(!was_long);
        if !loaded.told || loaded.ended >= ENDED_UNTOLD {
            loaded.told = true;
            let (ended, long) =
                (std::mem::take(&mut loaded.ended), std::mem::take(&mut loaded.long));
            loaded.definition.cost.on_end(ended, long);
        }
    }

    /// Looks at the clock after so many turns since the last look at it. Those whose processes ended
    /// meanwhile, and took a good part of the turns, were dear if these were.
    pub fn look_back(&mut self, turns: u32, last: Nanos) -> Nanos {
        let now = self.now();
        if turns > 0 && now.saturating_sub(last) > DEAR_TURN * Nanos::from(turns) {
            for loaded in &mut self.chunks.loaded {
                let (look, ended) = loaded.ended_since;
                if look == self.chunks.looks && ended * 4 >= turns {
                    // One for all: turns that are dear each time are more than can be excused, but
                    // not a worker that was taken off its core now and then.
                    loaded.long += 1;
                }
            }
        }
        self.chunks.looks = self.chunks.looks.wrapping_add(1);
        now
    }

    /// Pushes a fresh instance of a chunk onto a process's thread.
    pub fn push_chunk(&mut self, place: u32, thread: State) {
        self.chunks.loaded[place as usize].function.push(thread);
        thread.clone_function(-1);
        thread.remove(-2);
    }

    /// Gives a thread new, empty globals before those of its definition.
    pub fn fresh_globals(&mut self, thread: State, chunk: u32) {
        let Loaded { ref definition, environment, .. } = self.chunks.loaded[chunk as usize];
        match definition.names_globals {
            false => self.environments.push_globals(environment, thread),
            true => self.environments.push_own_globals(environment, thread),
        }
        thread.replace(State::GLOBALS);
    }
}
