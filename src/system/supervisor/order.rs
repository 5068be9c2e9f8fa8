//! In which order services start and stop. Pure: the graph is an argument.
//!
//! A service starts after what it depends on and stops before it. Levels say what may happen at the
//! same time: nothing in a level depends on anything in it or in a later one. Within a level ids
//! are sorted, so that a plan is the same every time.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::core::registry::EntryId;
use crate::infra::error::Error;

/// What the order needs to know of a service.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// From `requires`: a service cannot start without them.
    pub requires: Vec<EntryId>,
    /// Found by following references: those that are no service are ignored.
    pub references: Vec<EntryId>,
}

/// All registered services.
pub type Graph = BTreeMap<EntryId, Node>;

/// Services that `requires` an id which is no service: the pairs (service, missing id).
pub type Missing = Vec<(EntryId, EntryId)>;

/// What a start request comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct StartPlan {
    /// Dependencies first.
    pub levels: Vec<Vec<EntryId>>,
    /// Services that cannot start, with all that is missing below them. They are in no level.
    pub blocked: BTreeMap<EntryId, Missing>,
}

/// Services whose dependencies run in a circle.
#[derive(Debug, PartialEq, Eq)]
pub struct Cycle {
    pub stuck: Vec<EntryId>,
}

impl From<Cycle> for Error {
    fn from(cycle: Cycle) -> Error {
        let stuck: Vec<String> = cycle.stuck.iter().map(EntryId::to_string).collect();
        Error::invalid(format!("cycle detected among services: {}", stuck.join(", ")))
    }
}

/// "service startup blocked by missing dependencies: A requires B".
pub fn missing_error(missing: &Missing) -> Error {
    let pairs: Vec<String> =
        missing.iter().map(|(id, dep)| format!("{id} requires {dep}")).collect();
    Error::invalid(format!("service startup blocked by missing dependencies: {}", pairs.join(", ")))
}

/// The services that `id` depends on directly.
pub fn dependencies<'a>(graph: &'a Graph, id: &EntryId) -> impl Iterator<Item = &'a EntryId> {
    let ids = graph.get(id).map(|node| node.requires.iter().chain(&node.references));
    ids.into_iter().flatten().filter(|dep| graph.contains_key(dep))
}

/// Plans the start of `ids` with everything they depend on.
///
/// A service for which `is_under_way` holds is started already: it keeps its place, but what it
/// depends on is not looked at. Unknown ids are left out.
///
/// # Errors
/// The members of a cycle and what depends on them; then nothing of the sequence may start.
pub fn plan_start(
    graph: &Graph,
    ids: &[EntryId],
    is_under_way: impl Fn(&EntryId) -> bool,
) -> Result<StartPlan, Cycle> {
    let below = |id: &EntryId| -> Vec<EntryId> {
        match is_under_way(id) {
            true => Vec::new(),
            false => dependencies(graph, id).cloned().collect(),
        }
    };
    let members = reachable(ids.iter().filter(|id| graph.contains_key(id)), below);
    let mut plan = StartPlan { levels: levels(&members)?, blocked: BTreeMap::new() };
    // Lower levels come first, so what is missing below a dependency is known already.
    for id in plan.levels.iter().flatten() {
        let mut missing = Missing::new();
        if !is_under_way(id) {
            let requires = graph[id].requires.iter().filter(|dep| !graph.contains_key(dep));
            missing.extend(requires.map(|dep| (id.clone(), dep.clone())));
        }
        for pair in members[id].iter().filter_map(|dep| plan.blocked.get(dep)).flatten() {
            if !missing.contains(pair) {
                missing.push(pair.clone());
            }
        }
        if !missing.is_empty() {
            plan.blocked.insert(id.clone(), missing);
        }
    }
    for level in &mut plan.levels {
        level.retain(|id| !plan.blocked.contains_key(id));
    }
    plan.levels.retain(|level| !level.is_empty());
    Ok(plan)
}

/// Who else a stop takes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything that depends on the named services goes down before them.
    WithDependents,
    /// The named services alone, still in order among themselves.
    Alone,
}

/// Plans the stop of `ids`, dependents first. Unknown ids are left out.
///
/// Never fails: services in a cycle cannot have been started, so they go together at the end.
pub fn stop_levels(graph: &Graph, ids: &[EntryId], reach: Reach) -> Vec<Vec<EntryId>> {
    let mut dependents: BTreeMap<&EntryId, Vec<EntryId>> = BTreeMap::new();
    for id in graph.keys() {
        for dep in dependencies(graph, id) {
            dependents.entry(dep).or_default().push(id.clone());
        }
    }
    let named = || ids.iter().filter(|id| graph.contains_key(id));
    let above = |id: &EntryId| dependents.get(id).cloned().unwrap_or_default();
    let members = match reach {
        Reach::WithDependents => reachable(named(), above),
        Reach::Alone => named().map(|id| (id.clone(), above(id))).collect(),
    };
    let mut rest = members;
    let mut plan = Vec::new();
    while !rest.is_empty() {
        let mut level = free(&rest);
        if level.is_empty() {
            level = rest.keys().cloned().collect();
        }
        level.iter().for_each(|id| drop(rest.remove(id)));
        plan.push(level);
    }
    plan
}

/// A set of services, each with those that come before it.
type Members = BTreeMap<EntryId, Vec<EntryId>>;

/// `from` and everything reached by following `next`.
fn reachable<'a>(
    from: impl Iterator<Item = &'a EntryId>,
    next: impl Fn(&EntryId) -> Vec<EntryId>,
) -> Members {
    let mut members = Members::new();
    let mut open: Vec<EntryId> = from.cloned().collect();
    while let Some(id) = open.pop() {
        if let Entry::Vacant(place) = members.entry(id) {
            let before = next(place.key());
            open.extend(before.iter().cloned());
            place.insert(before);
        }
    }
    members
}

fn levels(members: &Members) -> Result<Vec<Vec<EntryId>>, Cycle> {
    let mut rest = members.clone();
    let mut plan = Vec::new();
    while !rest.is_empty() {
        let level = free(&rest);
        if level.is_empty() {
            return Err(Cycle { stuck: rest.into_keys().collect() });
        }
        level.iter().for_each(|id| drop(rest.remove(id)));
        plan.push(level);
    }
    Ok(plan)
}

/// The members that have nothing before them any longer, sorted.
fn free(rest: &Members) -> Vec<EntryId> {
    let is_free = |before: &Vec<EntryId>| !before.iter().any(|id| rest.contains_key(id));
    rest.iter().filter(|(_, before)| is_free(before)).map(|(id, _)| id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> EntryId {
        EntryId::new("app", name)
    }

    fn ids(names: &str) -> Vec<EntryId> {
        names.split_whitespace().map(id).collect()
    }

    /// `"web: api | db"`: web requires api and refers to db; services are separated by commas.
    fn graph(text: &str) -> Graph {
        let node = |service: &str| {
            let (name, rest) = service.split_once(':').unwrap_or((service, ""));
            let (requires, references) = rest.split_once('|').unwrap_or((rest, ""));
            (id(name.trim()), Node { requires: ids(requires), references: ids(references) })
        };
        text.split(',').map(node).collect()
    }

    /// `"db / api log / web"`: levels in order.
    fn show(levels: &[Vec<EntryId>]) -> String {
        let names =
            |level: &Vec<EntryId>| level.iter().map(EntryId::name).collect::<Vec<_>>().join(" ");
        levels.iter().map(names).collect::<Vec<_>>().join(" / ")
    }

    #[track_caller]
    fn check_start(services: &str, start: &str, levels: &str, blocked: &str) {
        let plan = plan_start(&graph(services), &ids(start), |_| false).unwrap();
        assert_eq!(show(&plan.levels), levels);
        let texts =
            plan.blocked.iter().map(|(id, m)| format!("{}> {}", id.name(), missing_error(m)));
        let head = "service startup blocked by missing dependencies: ";
        let text = texts.collect::<Vec<_>>().join("; ").replace(head, "").replace("app:", "");
        assert_eq!(text, blocked);
    }

    #[test]
    fn starts_dependencies_first() {
        check_start("db, api: db, web: api db, log", "web log", "db log / api / web", "");
        check_start("db, api: | db, web: | api", "web", "db / api / web", "");
        check_start("db", "db db nobody", "db", "");
        check_start("db", "", "", "");
    }

    #[test]
    fn missing_requirements_block_what_is_above() {
        check_start("web: api", "web", "", "web> web requires api");
        check_start("web: api, log", "web log", "log", "web> web requires api");
        check_start("web: | api", "web", "web", ""); // A reference that is no service is ignored.
        check_start(
            "db: disk, api: db auth, web: api db",
            "web",
            "",
            "api> api requires auth, db requires disk; db> db requires disk; \
             web> api requires auth, db requires disk",
        );
    }

    #[test]
    fn what_runs_is_not_looked_into() {
        let services = graph("db, api: db gone, web: api");
        let plan = plan_start(&services, &ids("web"), |id| id.name() == "api").unwrap();
        assert_eq!(show(&plan.levels), "api / web");
        assert!(plan.blocked.is_empty());
    }

    #[test]
    fn a_cycle_names_who_is_stuck() {
        let services = graph("a: b, b: c, c: a, d: a, e");
        let cycle = plan_start(&services, &ids("d e"), |_| false).unwrap_err();
        assert_eq!(cycle.stuck, ids("a b c d"));
        let text = "cycle detected among services: app:a, app:b, app:c, app:d";
        assert_eq!(Error::from(cycle).to_string(), text);
        assert!(plan_start(&graph("a: a"), &ids("a"), |_| false).is_err());
        assert!(plan_start(&services, &ids("e"), |_| false).is_ok());
    }

    #[track_caller]
    fn check_stop(services: &str, stop: &str, reach: Reach, levels: &str) {
        assert_eq!(show(&stop_levels(&graph(services), &ids(stop), reach)), levels);
    }

    #[test]
    fn stops_dependents_first() {
        let services = "db, api: db, job: db, web: api, log";
        check_stop(services, "db", Reach::WithDependents, "job web / api / db");
        check_stop(services, "web", Reach::WithDependents, "web");
        check_stop(services, "db web nobody", Reach::Alone, "db web");
        check_stop(services, "db api", Reach::Alone, "api / db");
        check_stop(services, "db api job web log", Reach::WithDependents, "job log web / api / db");
        check_stop("a: b, b: a, c: a", "a b c", Reach::WithDependents, "c / a b");
    }
}
