//! What `spawn` has looked up lately: source and host of new processes, by their texts.
//!
//! A program spawns the same few entries again and again. Hosts and factory are behind locks that all
//! workers share; a VM that remembers what it found there touches neither. What it remembers holds as
//! long as their version numbers do.

use std::sync::Arc;

use crate::infra::error::{Error, Result};
use crate::runtime::engine::chunk::Definition;
use crate::system::host::Host;
use crate::system::kernel::Kernel;

/// Recipes a VM remembers.
const RECIPES_MAX: usize = 16;

pub struct Recipe {
    source: Box<[u8]>,
    host_id: Box<[u8]>,
    /// Of the factory and of the hosts, when it was looked up.
    versions: (u64, u64),
    pub definition: Arc<Definition>,
    pub host: Arc<Host>,
    /// Where this VM has its chunk and its host, once a process of it was started here.
    pub here: Option<Here>,
}

/// Places of what a process is made of, in its VM.
#[derive(Clone, Copy, Debug)]
pub struct Here {
    pub chunk: u32,
    pub host: u32,
}

/// The recipes of a VM, the one that was used last in front.
#[derive(Default)]
pub struct Recipes(Vec<Recipe>);

impl Recipes {
    /// Notes where this VM has what the last recipe needs.
    pub fn set_here(&mut self, here: Here) {
        if let Some(last) = self.0.first_mut() {
            last.here = Some(here);
        }
    }

    /// How to make a process of entry `source` on host `host_id`.
    #[inline]
    pub fn get(&mut self, kernel: &Kernel, source: &[u8], host_id: &[u8]) -> Result<&Recipe> {
        let versions = (kernel.factory.version(), kernel.hosts.version());
        let fits = |recipe: &Recipe| *recipe.source == *source && *recipe.host_id == *host_id;
        let place = self.0.iter().position(fits);
        match place {
            Some(0) if self.0[0].versions == versions => {}
            Some(at) if self.0[at].versions == versions => self.0[..=at].rotate_right(1),
            place => {
                let recipe = look_up(kernel, source, host_id, versions)?;
                if let Some(stale) = place {
                    self.0.remove(stale);
                }
                self.0.truncate(RECIPES_MAX - 1);
                self.0.insert(0, recipe);
            }
        }
        Ok(&self.0[0])
    }
}

/// The versions were read before, so that a change in between makes the recipe stale at once.
fn look_up(kernel: &Kernel, source: &[u8], host_id: &[u8], versions: (u64, u64)) -> Result<Recipe> {
    let host = kernel.host(&String::from_utf8_lossy(host_id))?;
    let blueprint = kernel.factory.get(&String::from_utf8_lossy(source))?;
    let definition = blueprint.downcast::<Definition>();
    let definition = definition.map_err(|_| Error::internal("failed to create process"))?;
    let (source, host_id) = (source.into(), host_id.into());
    Ok(Recipe { source, host_id, versions, definition, host, here: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::node::{Node, Options};
    use crate::core::pid::HostId;
    use crate::system::host::HostKind;

    #[test]
    fn what_has_changed_is_looked_up_again() {
        let node = Node::start(Options::default()).expect("starts");
        let kernel = &node.kernel;
        let mut recipes = Recipes::default();
        let missing = recipes.get(kernel, b"test:a", b"test:host").map(|_| ());
        assert_eq!(missing.expect_err("no host").message(), "host not found");
        node.add_host("test:host", HostKind::Processes, false).expect("new");
        let missing = recipes.get(kernel, b"test:a", b"test:host").map(|_| ());
        assert_eq!(missing.expect_err("no entry").message(), "factory not found");
        node.define("test:a", "return function() end").expect("compiles");
        node.define("test:b", "return function() end").expect("compiles");

        let mut find = |source: &[u8]| {
            recipes.get(kernel, source, b"test:host").map(|recipe| recipe.definition.clone())
        };
        let (a, b) = (find(b"test:a").expect("known"), find(b"test:b").expect("known"));
        assert!(Arc::ptr_eq(&a, &find(b"test:a").expect("remembered")));
        node.define("test:a", "return function() return 2 end").expect("compiles");
        assert!(!Arc::ptr_eq(&a, &find(b"test:a").expect("found anew")));
        assert!(Arc::ptr_eq(&b, &find(b"test:b").expect("the same")));
        kernel.hosts.remove(HostId::intern("test:host"));
        assert_eq!(find(b"test:b").map(|_| ()).expect_err("gone").message(), "host not found");
    }

    #[test]
    fn no_more_than_a_few_are_remembered() {
        let node = Node::start(Options::default()).expect("starts");
        node.add_host("test:host", HostKind::Processes, false).expect("new");
        let mut recipes = Recipes::default();
        for n in 0..2 * RECIPES_MAX {
            let id = format!("test:p{n}");
            node.define(&id, "return function() end").expect("compiles");
            let recipe = recipes.get(&node.kernel, id.as_bytes(), b"test:host").expect("known");
            assert_eq!(recipe.definition.id.to_string(), id);
        }
        assert_eq!(recipes.0.len(), RECIPES_MAX);
    }
}
