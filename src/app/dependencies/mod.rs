//! Dependencies changed while the application runs: which entries of modules come, change and go.
//!
//! 1. The roots are the `ns.dependency` entries that belong to no module. A changeset that touches
//!    none of them is left alone.
//! 2. [`resolve`] finds a release for every module they need, directly or not. Modules that are there
//!    keep their version while it fits, except one whose constraint was changed.
//! 3. Touched are: modules that are new or move to another version, and those that a changed root
//!    leads to, since its parameters may have changed. Their entries are read anew, overridden and
//!    linked as at boot, but strictly. Other modules are not even looked at.
//! 4. What was needed before and is not any more goes.
//! 5. The difference to what is there becomes operations, without those the changeset has itself.
//!
//! [`version`] knows versions and constraints, [`vendored`] the modules on disk, [`settings`] which
//! ones count.

pub mod resolve;
pub mod settings;
pub mod vendored;
pub mod version;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::app::dependencies::resolve::{Catalog, Need, Release, Resolution, needs_of};
use crate::app::dependencies::vendored::Vendored;
use crate::app::pipeline::disable::DisableRules;
use crate::app::pipeline::link::{self, DEPENDENCY_KIND, Dependency, Strictness};
use crate::app::pipeline::overrides::{self, Override};
use crate::app::project::LockFile;
use crate::core::expansion::Expansion;
use crate::core::registry::{Change, Entry, EntryId, Operation, Snapshot};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::Pattern;
use crate::infra::transcoder::Value;

/// Expands changesets with the modules that are on disk.
pub struct Expander {
    /// With the replacements of the workspace.
    pub lock: LockFile,
    /// Where modules are that nothing replaces.
    pub vendor_dir: PathBuf,
    pub overrides: Vec<Override>,
    pub disable: DisableRules,
}

impl Expander {
    fn catalog(&self) -> Vendored<'_> {
        let matches = &|pattern: &str, value: &str| Pattern::parse(pattern).matches(value);
        Vendored::new(&self.lock, &self.vendor_dir, &self.disable, matches)
    }
}

impl Expansion for Expander {
    fn expand(&self, before: &Snapshot, operations: &[Operation]) -> Result<Vec<Operation>> {
        if !operations.iter().any(|operation| touches_root(before, operation)) {
            return Ok(Vec::new());
        }
        let catalog = self.catalog();
        let locked = self.lock.modules.iter();
        let locked = locked.map(|module| (module.name.clone(), module.version.clone())).collect();
        expand(before, operations, &catalog, locked, &self.overrides)
    }

    fn concerns(&self, change: &Change) -> bool {
        match change {
            Change::Create(entry) | Change::Delete(entry) => is_root(entry),
            Change::Update { old, new } => is_root(old) || is_root(new),
        }
    }

    fn owns(&self, entry: &Entry) -> bool {
        module_of(entry).is_some()
    }

    fn source_dir(&self, entry: &Entry) -> Option<PathBuf> {
        let version = entry.meta.get("module_version").and_then(Value::as_str);
        self.catalog().source_dir(module_of(entry)?, version.unwrap_or_default())
    }
}

fn touches_root(before: &Snapshot, operation: &Operation) -> bool {
    operation.entry().is_some_and(|entry| is_root(entry))
        || before.get(operation.id()).is_some_and(|entry| is_root(&entry))
}

fn is_root(entry: &Entry) -> bool {
    entry.kind == DEPENDENCY_KIND && module_of(entry).is_none()
}

/// The module that an entry belongs to.
fn module_of(entry: &Entry) -> Option<&str> {
    entry.meta.get("module").and_then(Value::as_str)
}

type Roots = BTreeMap<EntryId, Dependency>;

/// The operations that follow from `operations` on `before`. `locked` are the versions to take for
/// modules that are not there yet.
fn expand(
    before: &Snapshot,
    operations: &[Operation],
    catalog: &dyn Catalog,
    locked: BTreeMap<String, String>,
    overrides: &[Override],
) -> Result<Vec<Operation>> {
    let mut wished: BTreeMap<EntryId, Arc<Entry>> =
        before.entries().map(|entry| (entry.id.clone(), entry.clone())).collect();
    for operation in operations {
        match operation.entry() {
            Some(entry) => wished.insert(entry.id.clone(), entry.clone()),
            None => wished.remove(operation.id()),
        };
    }
    let (old_roots, new_roots) = (roots(before.entries())?, roots(wished.values())?);
    let installed = installed(before);

    let mut pinned = locked;
    pinned.extend(installed.clone());
    for (id, new) in &new_roots {
        if old_roots.get(id).is_some_and(|old| old.version != new.version) {
            pinned.remove(&new.component);
        }
    }
    let needs = new_roots.values().map(Need::of).collect();
    let resolution = resolve::resolve(needs, &pinned, catalog)?;

    let touched = touched(before, &old_roots, &new_roots, &resolution, &installed, catalog)?;
    let gone: BTreeSet<String> = reachable(components(&old_roots), &mut |module| {
        needs_of(before.entries().map(|e| &**e).filter(|e| module_of(e) == Some(module)))
    })?;
    let is_replaced = |module: &str| {
        touched.contains(module) || (gone.contains(module) && !resolution.contains_key(module))
    };

    let named: HashSet<&EntryId> = operations.iter().map(Operation::id).collect();
    let mut entries: Vec<Entry> = wished
        .values()
        .filter(|entry| named.contains(&entry.id) || !module_of(entry).is_some_and(is_replaced))
        .map(|entry| Entry::clone(entry))
        .collect();
    let kept: HashSet<EntryId> = entries.iter().map(|entry| entry.id.clone()).collect();
    for module in &touched {
        for entry in catalog.entries(module, &resolution[module])? {
            if named.contains(&entry.id) {
                continue;
            }
            if kept.contains(&entry.id) {
                let text = format!("module {module}: entry {} exists and is not its own", entry.id);
                return Err(Error::new(Kind::Conflict, text));
            }
            entries.push(entry);
        }
    }
    let is_touched = |entry: &Entry| module_of(entry).is_some_and(|m| touched.contains(m));
    link_touched(&mut entries, &is_touched, overrides)?;
    Ok(difference(&wished, entries, &named))
}

fn roots<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>) -> Result<Roots> {
    let roots = entries.filter(|entry| is_root(entry));
    roots.map(|entry| Ok((entry.id.clone(), Dependency::of(entry)?))).collect()
}

fn components(roots: &Roots) -> impl Iterator<Item = String> {
    roots.values().map(|root| root.component.clone())
}

/// The modules that are there, each with its version, empty if it has none.
fn installed(before: &Snapshot) -> BTreeMap<String, String> {
    let mut installed = BTreeMap::new();
    for entry in before.entries() {
        if let Some(module) = module_of(entry)
            && !installed.contains_key(module)
        {
            let version = entry.meta.get("module_version").and_then(Value::as_str);
            installed.insert(module.to_owned(), version.unwrap_or_default().to_owned());
        }
    }
    installed
}

/// The modules whose entries are read anew.
fn touched(
    before: &Snapshot,
    old_roots: &Roots,
    new_roots: &Roots,
    resolution: &Resolution,
    installed: &BTreeMap<String, String>,
    catalog: &dyn Catalog,
) -> Result<BTreeSet<String>> {
    let changed_in = |roots: &Roots, others: &Roots| -> Vec<Dependency> {
        let changed = roots.iter().filter(|(id, root)| others.get(id) != Some(root));
        changed.map(|(_, root)| root.clone()).collect()
    };
    let mut changed = changed_in(old_roots, new_roots);
    changed.extend(changed_in(new_roots, old_roots));
    // A parameter may name a requirement of a module that its dependency does not lead to.
    let owners = changed.iter().flat_map(|root| &root.parameters).filter_map(|(name, _)| {
        let (ns, name) = name.split_once(':')?;
        module_of(&*before.get(&EntryId::new(ns, name))?).map(str::to_owned)
    });
    let starts = changed.iter().map(|root| root.component.clone()).chain(owners);
    let mut touched =
        reachable(starts.filter(|module| resolution.contains_key(module)), &mut |module| {
            match resolution.get(module) {
                Some(release) => catalog.needs(module, release),
                None => Ok(Vec::new()),
            }
        })?;
    let moved =
        |(module, release): &(&String, &Release)| installed.get(*module) != Some(&release.version);
    touched.extend(resolution.iter().filter(moved).map(|(module, _)| module.clone()));
    Ok(touched)
}

/// `starts` and all modules they need, directly or not.
fn reachable(
    starts: impl Iterator<Item = String>,
    needs: &mut dyn FnMut(&str) -> Result<Vec<Need>>,
) -> Result<BTreeSet<String>> {
    let mut reached = BTreeSet::new();
    let mut pending: Vec<String> = starts.collect();
    while let Some(module) = pending.pop() {
        if !reached.contains(&module) {
            pending.extend(needs(&module)?.into_iter().map(|need| need.module));
            reached.insert(module);
        }
    }
    Ok(reached)
}

/// The stages of the boot, for the entries of touched modules.
fn link_touched(
    entries: &mut [Entry],
    is_touched: &dyn Fn(&Entry) -> bool,
    overrides: &[Override],
) -> Result<()> {
    let ids: HashSet<EntryId> =
        entries.iter().filter(|e| is_touched(e)).map(|e| e.id.clone()).collect();
    let overrides: Vec<Override> =
        overrides.iter().filter(|change| ids.contains(&change.id)).cloned().collect();
    overrides::apply(entries, &overrides)?;
    link::apply_some(entries, is_touched, Strictness::Strict)?;
    overrides::apply(entries, &overrides)
}

/// What turns `wished` into `entries`, without the entries that are `named` already.
fn difference(
    wished: &BTreeMap<EntryId, Arc<Entry>>,
    entries: Vec<Entry>,
    named: &HashSet<&EntryId>,
) -> Vec<Operation> {
    let entries: HashMap<EntryId, Entry> = entries.into_iter().map(|e| (e.id.clone(), e)).collect();
    let mut operations = Vec::new();
    for id in wished.keys().filter(|id| !named.contains(id) && !entries.contains_key(id)) {
        operations.push(Operation::Delete(id.clone()));
    }
    for (id, entry) in entries {
        match wished.get(&id) {
            _ if named.contains(&id) => (),
            Some(old) if old.same_content(&entry) => (),
            // An update cannot change the kind.
            Some(old) if old.kind != entry.kind => {
                operations.push(Operation::Delete(id));
                operations.push(Operation::Create(entry.into()));
            }
            Some(_) => operations.push(Operation::Update(entry.into())),
            None => operations.push(Operation::Create(entry.into())),
        }
    }
    operations.sort_by(|a, b| (a.id(), a.kind()).cmp(&(b.id(), b.kind())));
    operations
}

#[cfg(test)]
mod tests;
