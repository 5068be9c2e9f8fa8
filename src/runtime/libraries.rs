//! Lua entries that wait to be put together with their libraries, by the rules of `imports:`.
//!
//! Every entry is compiled once. *Linking* adds what it imports, deepest first: modules and libraries
//! of the whole graph are globals of one namespace. When a library changes, whoever uses it is linked
//! anew, and what starts from then on runs the new code.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Kind, Result};
use crate::runtime::engine::chunk::{Definition, Library};
use crate::runtime::modules;

/// What an alias stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Import {
    Library(EntryId),
    Module(&'static str),
}

/// One entry before linking.
#[derive(Clone)]
pub struct Unit {
    pub definition: Arc<Definition>,
    pub imports: Vec<(String, Import)>,
    pub is_library: bool,
}

/// All entries that may import or be imported.
#[derive(Default)]
pub struct Units {
    known: BTreeMap<EntryId, Unit>,
    /// Libraries whose own imports are not there yet: they show cycles, and are nothing else.
    incomplete: BTreeMap<EntryId, Unit>,
}

/// What has been collected of a graph.
#[derive(Default)]
struct Linked {
    libraries: Vec<Library>,
    modules: Vec<&'static str>,
    renamed: Vec<(String, &'static str)>,
    /// What each alias stands for, as text.
    names: BTreeMap<String, String>,
}

impl Units {
    /// Adds or replaces an entry and links it. `INVALID`: a cycle, an import that is no library;
    /// `CONFLICT`: an alias with two meanings; `NOT_FOUND`: an import that is not there (yet).
    pub fn insert(&mut self, id: &EntryId, unit: Unit) -> Result<Definition> {
        let before = self.known.insert(id.clone(), unit.clone());
        let linked = self.link(id);
        match &linked {
            Ok(_) => {
                self.incomplete.remove(id);
            }
            Err(error) => {
                match before {
                    Some(before) => self.known.insert(id.clone(), before),
                    None => self.known.remove(id),
                };
                if *error.kind() == Kind::NotFound && unit.is_library {
                    self.incomplete.insert(id.clone(), unit);
                }
            }
        }
        linked
    }

    pub fn remove(&mut self, id: &EntryId) {
        self.known.remove(id);
    }

    /// What did not become complete never will.
    pub fn forget_incomplete(&mut self) {
        self.incomplete.clear();
    }

    /// Entries that are no libraries and use this one, directly or not.
    pub fn users(&self, library: &EntryId) -> Vec<EntryId> {
        let uses = |id: &EntryId| {
            let mut seen = vec![id];
            let mut next = 0;
            while next < seen.len() {
                let Some(unit) = self.known.get(seen[next]) else { return false };
                for (_, import) in &unit.imports {
                    match import {
                        Import::Library(target) if target == library => return true,
                        Import::Library(target) if !seen.contains(&target) => seen.push(target),
                        _ => {}
                    }
                }
                next += 1;
            }
            false
        };
        let programs = self.known.iter().filter(|(_, unit)| !unit.is_library);
        programs.filter(|(id, _)| uses(id)).map(|(id, _)| id.clone()).collect()
    }

    /// An entry with all it imports.
    pub fn link(&self, id: &EntryId) -> Result<Definition> {
        let missing = || Error::not_found(format!("entry not found: {id}"));
        let unit = self.known.get(id).ok_or_else(missing)?;
        self.check_cycles(id)?;
        let mut linked = Linked::default();
        self.collect(unit, &mut linked)?;
        // One environment serves all entries with the same set.
        linked.modules.sort_unstable();
        linked.modules.dedup();
        Ok(unit.definition.linked(linked.modules, linked.libraries, linked.renamed))
    }

    fn collect(&self, unit: &Unit, linked: &mut Linked) -> Result<()> {
        for module in &unit.definition.modules {
            linked.name(module, module)?;
            linked.modules.push(module);
        }
        for (alias, import) in &unit.imports {
            match import {
                Import::Module(module) => {
                    linked.name(alias, module)?;
                    match alias == module {
                        true => linked.modules.push(module),
                        false => linked.renamed.push((alias.clone(), module)),
                    }
                }
                Import::Library(target) => {
                    let library = self.library(target)?;
                    if linked.name(alias, &target.to_string())? {
                        self.collect(library, linked)?;
                        let definition = library.definition.clone();
                        linked.libraries.push(Library { alias: alias.clone(), definition });
                    }
                }
            }
        }
        Ok(())
    }

    fn library(&self, id: &EntryId) -> Result<&Unit> {
        match self.known.get(id) {
            Some(unit) if unit.is_library => Ok(unit),
            Some(_) => Err(Error::invalid(format!("import {id} is not a library"))),
            None => Err(Error::not_found(format!("unknown import: {id}"))),
        }
    }

    /// Walks the graph without recursion, so that a long chain of imports is no danger.
    fn check_cycles(&self, id: &EntryId) -> Result<()> {
        let imports = |id: &EntryId| -> Vec<EntryId> {
            let unit = self.known.get(id).or_else(|| self.incomplete.get(id));
            let imports = unit.map(|unit| &unit.imports[..]).unwrap_or_default();
            let libraries = imports.iter().filter_map(|(_, import)| match import {
                Import::Library(target) => Some(target.clone()),
                Import::Module(_) => None,
            });
            libraries.collect()
        };
        let mut done: Vec<EntryId> = Vec::new();
        let mut path = vec![(id.clone(), imports(id))];
        while let Some((at, rest)) = path.last_mut() {
            let Some(next) = rest.pop() else {
                done.push(at.clone());
                path.pop();
                continue;
            };
            if let Some(start) = path.iter().position(|(id, _)| *id == next) {
                let mut names: Vec<String> =
                    path[start..].iter().map(|(id, _)| id.to_string()).collect();
                names.push(next.to_string());
                return Err(Error::invalid(format!("import cycle: {}", names.join(" -> "))));
            }
            if !done.contains(&next) {
                if path.len() >= DEPTH_MAX {
                    return Err(Error::invalid("libraries import each other too deeply"));
                }
                let rest = imports(&next);
                path.push((next, rest));
            }
        }
        Ok(())
    }
}

/// Libraries that import libraries that import libraries ...
const DEPTH_MAX: usize = 200;

impl Linked {
    /// Gives a name its meaning. `false`: it has it already.
    fn name(&mut self, alias: &str, target: &str) -> Result<bool> {
        if modules::ALWAYS_THERE.contains(&alias) && alias != target {
            let message = format!("alias '{alias}' collision: {target} and a global of that name");
            return Err(Error::new(Kind::Conflict, message));
        }
        match self.names.get(alias) {
            None => {
                self.names.insert(alias.to_owned(), target.to_owned());
                Ok(true)
            }
            Some(known) if known == target => Ok(false),
            Some(known) => {
                let message = format!("alias '{alias}' collision: {known} and {target}");
                Err(Error::new(Kind::Conflict, message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> EntryId {
        EntryId::parse(&format!("app:{name}"))
    }

    /// `name: alias=target, alias=target`; upper-case names are programs.
    fn unit(text: &str) -> (EntryId, Unit) {
        let (name, imports) = text.split_once(':').expect("a colon");
        let imports = imports.split(',').filter(|part| !part.trim().is_empty()).map(|part| {
            let (alias, target) = part.trim().split_once('=').expect("an equals sign");
            let import = match modules::granted(target) {
                Some(module) => Import::Module(module),
                None => Import::Library(id(target)),
            };
            (alias.to_owned(), import)
        });
        let definition = Definition::compile(id(name), "main", "return {}", vec!["time"]);
        let unit = Unit {
            definition: Arc::new(definition.expect("compiles")),
            imports: imports.collect(),
            is_library: name.chars().all(char::is_lowercase),
        };
        (id(name), unit)
    }

    /// Inserts in order; the aliases of the last one's libraries, or its failure.
    #[track_caller]
    fn check(texts: &[&str], expect: Result<&[&str], &str>) {
        let mut units = Units::default();
        let mut last = None;
        for text in texts {
            let (id, unit) = unit(text);
            last = Some(units.insert(&id, unit));
        }
        let last = last.expect("at least one").map_err(|error| error.to_string());
        let aliases = last.map(|definition| {
            definition.libraries.iter().map(|library| library.alias.clone()).collect::<Vec<_>>()
        });
        match (aliases, expect) {
            (Ok(aliases), Ok(expect)) => assert_eq!(aliases, expect),
            (Err(error), Err(expect)) => assert_eq!(error, expect),
            (got, expect) => panic!("{got:?} instead of {expect:?}"),
        }
    }

    #[test]
    fn libraries_come_deepest_first() {
        check(&["M:"], Ok(&[]));
        check(&["c:", "b: c=c", "a: b=b, c=c", "M: a=a"], Ok(&["c", "b", "a"]));
        check(&["c:", "M: one=c, two=c"], Ok(&["one", "two"]));
        check(&["c:", "M: l=logger, c=c"], Ok(&["c"]));
    }

    #[test]
    fn what_cannot_be_linked_says_why() {
        check(&["M: a=a"], Err("unknown import: app:a"));
        check(&["O:", "M: o=O"], Err("import app:O is not a library"));
        check(&["a: a=a"], Err("import cycle: app:a -> app:a"));
        check(&["a: b=b", "b: a=a"], Err("import cycle: app:b -> app:a -> app:b"));
        check(
            &["c:", "d:", "a: x=c", "b: x=d", "M: a=a, b=b"],
            Err("alias 'x' collision: app:c and app:d"),
        );
        check(&["c:", "M: time=c"], Err("alias 'time' collision: time and app:c"));
        check(
            &["c:", "M: string=c"],
            Err("alias 'string' collision: app:c and a global of that name"),
        );
        check(&["c:", "b: y=c", "M: y=b"], Err("alias 'y' collision: app:b and app:c"));
    }

    #[test]
    fn users_are_found_over_any_distance() {
        let mut units = Units::default();
        for text in ["c:", "b: c=c", "M: b=b", "N: c=c", "O:"] {
            let (id, unit) = unit(text);
            units.insert(&id, unit).expect("links");
        }
        assert_eq!(units.users(&id("c")), [id("M"), id("N")]);
        assert_eq!(units.users(&id("b")), [id("M")]);
        assert_eq!(units.users(&id("O")), []);
    }
}
