//! Scratch projects with modules on disk; what a change of a root adds to it.

use std::fs;

use super::*;
use crate::app::pipeline;
use crate::app::project;
use crate::app::project::document::{self, Format};
use crate::core::registry::{Changeset, Registry, Settings};

/// Two releases of `o/sql`, the second of which needs `o/log`; `o/log` is replaced.
const FILES: &[(&str, &str)] = &[
    ("wippy.lock", "replacements: [{from: o/log, to: work}]"),
    ("app.yaml", "namespace: app\nentries:\n- {name: own, kind: registry.entry}\n"),
    (
        ".wippy/vendor/o/sql-1.0.0/a.yaml",
        "namespace: o.sql\nentries:\n\
         - {name: dsn, kind: ns.requirement, default: none, targets: [{entry: db, path: dsn}]}\n\
         - {name: db, kind: registry.entry}\n\
         - {name: old, kind: registry.entry}\n",
    ),
    (
        ".wippy/vendor/o/sql-1.1.0/a.yaml",
        "namespace: o.sql\nentries:\n\
         - {name: dsn, kind: ns.requirement, default: none, targets: [{entry: db, path: dsn}]}\n\
         - {name: db, kind: registry.entry}\n\
         - {name: log, kind: ns.dependency, component: o/log, version: ^3}\n",
    ),
    (".wippy/vendor/o/sql-extra-9.0.0/a.yaml", "{namespace: extra, name: x, kind: registry.entry}"),
    (
        ".wippy/vendor/o/strict-1.0.0/a.yaml",
        "namespace: o.strict\nentries:\n\
         - {name: key, kind: ns.requirement, targets: [{entry: 'app:own', path: key}]}\n",
    ),
    ("work/a.yaml", "{namespace: o.log, name: sink, kind: registry.entry}"),
];

struct Project {
    _dir: tempfile::TempDir,
    expander: Expander,
    registry: Registry,
}

impl Project {
    fn new() -> Project {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in FILES {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let lock = LockFile::read(&dir.path().join("wippy.lock")).unwrap();
        // Nothing of the modules is there yet.
        let mut sources = lock.clone();
        sources.replacements.clear();
        let mut entries = project::load_entries(&sources, &|_, _| false).unwrap().entries;
        entries.retain(|entry| entry.id.ns() == "app");
        let registry = Registry::new(Settings::default());
        registry.load(entries).unwrap();
        let expander = Expander {
            vendor_dir: lock.vendor_dir(),
            lock,
            overrides: vec![],
            disable: DisableRules::default(),
        };
        Project { _dir: dir, expander, registry }
    }

    /// What a changeset leads to, as lines.
    fn expand(&self, changes: &Changeset) -> Result<Vec<String>> {
        let added = self.expander.expand(&self.registry.snapshot(), changes.operations())?;
        let line = |operation: &Operation| {
            let kind = operation.kind().trim_start_matches("entry.");
            let dsn = operation.entry().and_then(|entry| entry.data.get("dsn").cloned());
            let dsn = dsn.map_or(String::new(), |dsn| format!(" {}", dsn.as_str().unwrap()));
            format!("{kind} {}{dsn}", operation.id())
        };
        Ok(added.iter().map(line).collect())
    }

    /// Applies a changeset with what it leads to, as the registry will.
    #[track_caller]
    fn apply(&self, changes: Changeset, expect: &[&str]) {
        assert_eq!(self.expand(&changes).unwrap(), expect);
        let mut operations = changes.into_operations();
        let added = self.expander.expand(&self.registry.snapshot(), &operations).unwrap();
        operations.extend(added);
        self.registry.apply(operations.into()).unwrap();
    }

    fn version_of(&self, id: &str) -> Option<Value> {
        let entry = self.registry.get(&EntryId::parse(id)).unwrap();
        entry.meta.get("module_version").cloned()
    }
}

fn dependency(name: &str, fields: &str) -> Entry {
    let data = document::parse(fields, Format::Yaml).unwrap();
    let id = EntryId::new("app", name);
    Entry { id, kind: DEPENDENCY_KIND.to_owned(), meta: Default::default(), data }
}

fn create(entry: Entry) -> Changeset {
    let mut changes = Changeset::new();
    changes.create(entry);
    changes
}

fn update(entry: Entry) -> Changeset {
    let mut changes = Changeset::new();
    changes.update(entry);
    changes
}

fn delete(id: &str) -> Changeset {
    let mut changes = Changeset::new();
    changes.delete(EntryId::parse(id));
    changes
}

#[test]
fn a_module_comes_moves_and_goes() {
    let project = Project::new();
    let sql =
        |version: &str| dependency("sql", &format!("{{component: o/sql, version: '{version}'}}"));
    let added = ["create o.sql:db none", "create o.sql:dsn", "create o.sql:old"];
    project.apply(create(sql("1.0.0")), &added);
    assert_eq!(project.version_of("o.sql:db"), Some("1.0.0".into()));

    // The constraint now fits the next release as well, and it has been changed.
    let moved = [
        "update o.sql:db none",
        "update o.sql:dsn",
        "create o.sql:log",
        "delete o.sql:old",
        "create o.log:sink",
    ];
    let mut moved = moved.map(str::to_owned).to_vec();
    moved.sort_by_key(|line| line.split(' ').nth(1).map(str::to_owned));
    let moved: Vec<&str> = moved.iter().map(String::as_str).collect();
    project.apply(update(sql("^1")), &moved);
    assert_eq!(project.version_of("o.sql:db"), Some("1.1.0".into()));
    assert_eq!(project.version_of("o.log:sink"), None, "a replaced module has no version");

    let gone = ["delete o.log:sink", "delete o.sql:db", "delete o.sql:dsn", "delete o.sql:log"];
    project.apply(delete("app:sql"), &gone);
    assert_eq!(project.registry.snapshot().len(), 1);
}

#[test]
fn parameters_are_injected_again() {
    let project = Project::new();
    let sql = |value: &str| {
        let fields = format!(
            "{{component: o/sql, version: 1.0.0, parameters: [{{name: dsn, value: {value}}}]}}"
        );
        dependency("sql", &fields)
    };
    project.apply(
        create(sql("one")),
        &["create o.sql:db one", "create o.sql:dsn", "create o.sql:old"],
    );
    project.apply(update(sql("two")), &["update o.sql:db two"]);
    project.apply(update(sql("two")), &[]);
}

#[test]
fn other_modules_keep_their_version_and_their_entries() {
    let project = Project::new();
    let sql = dependency("sql", "{component: o/sql, version: 1.0.0}");
    project.apply(create(sql), &["create o.sql:db none", "create o.sql:dsn", "create o.sql:old"]);
    // Somebody has changed an entry of the module since.
    let mut changed = Entry::clone(&project.registry.get(&EntryId::parse("o.sql:old")).unwrap());
    changed.data = Value::Int(5);
    project.apply(update(changed), &[]);
    // A second root that would take a newer one, and a new module.
    let again = dependency("again", "{component: o/log}");
    project.apply(create(again), &["create o.log:sink"]);
    assert_eq!(project.version_of("o.sql:old"), Some("1.0.0".into()));
    // What two roots need stays when one of them goes.
    let newer = dependency("sql", "{component: o/sql, version: 1.1.0}");
    let expected =
        ["update o.sql:db none", "update o.sql:dsn", "create o.sql:log", "delete o.sql:old"];
    project.apply(update(newer), &expected);
    project.apply(delete("app:again"), &[]);
}

#[test]
fn changesets_that_touch_no_root_are_left_alone() {
    let project = Project::new();
    let entry = Entry { kind: "registry.entry".into(), ..dependency("x", "{component: 5}") };
    assert_eq!(project.expand(&create(entry)), Ok(vec![]));
    // A dependency of a module is no root.
    let mut inner = dependency("x", "{component: o/gone}");
    inner.meta.insert("module".into(), "o/sql".into());
    assert_eq!(project.expand(&create(inner)), Ok(vec![]));
}

#[track_caller]
fn check_refused(fields: &str, kind: Kind, text: &str) {
    let project = Project::new();
    let error = project.expand(&create(dependency("x", fields))).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (&kind, text));
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    check_refused(
        "{component: o/sql, version: ^2}",
        Kind::Conflict,
        "dependency resolution failed: o/sql: nothing fits ^2 (app:x); there is 1.0.0, 1.1.0",
    );
    check_refused(
        "{component: o/gone}",
        Kind::Conflict,
        "dependency resolution failed: o/gone: nothing fits * (app:x); no release of it is there",
    );
    check_refused(
        "{component: sql}",
        Kind::Invalid,
        "cannot decode ns.dependency app:x: component \"sql\" is not of the form org/module",
    );
    check_refused(
        "{component: o/strict}",
        Kind::Invalid,
        "unresolved requirements: requirement o.strict:key has no value for target app:own, path key",
    );
}

#[test]
fn a_requirement_may_reach_into_the_application() {
    let project = Project::new();
    let fields = "{component: o/strict, parameters: [{name: key, value: k}]}";
    project.apply(create(dependency("x", fields)), &["update app:own", "create o.strict:key"]);
}

#[test]
fn overrides_and_disable_rules_hold_for_what_comes_later() {
    let mut project = Project::new();
    project.expander.overrides =
        pipeline::overrides::parse_args(&["o.sql:db:dsn=mine,app:other:x=1".to_owned()]).unwrap();
    project.expander.disable.entries = vec![("o.*".to_owned(), "old".to_owned())];
    let sql = dependency("sql", "{component: o/sql, version: 1.0.0}");
    project.apply(create(sql), &["create o.sql:db mine", "create o.sql:dsn"]);
}
