//! What processes of one VM share cannot be changed by any of them.
//!
//! `isolation/walk.luau` looks for everything that a program can get hold of; the names to look by are
//! taken from the sources of the modules, so that no module is forgotten. (A unit test of the engine,
//! `env::tests`, looks from below: every table that a VM shares is read-only.)

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::registry::{Entry, EntryId};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

const LONG: Duration = Duration::from_secs(120);

/// One worker has two VMs; a parent's first child stays beside it.
fn node() -> Node {
    let scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).unwrap();
    node.add_host("app:host", HostKind::Processes, false).unwrap();
    node
}

/// The names of all functions, methods and modules: `c"name"` in the sources, files, and what the base
/// library takes from Luau.
fn words() -> Vec<Value> {
    fn collect(folder: &Path, words: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, words);
                continue;
            }
            let stem = path.file_stem().unwrap().to_string_lossy();
            words.insert(stem.trim_end_matches(".d").to_owned());
            // Every other piece lies between quotes.
            for text in fs::read_to_string(&path).unwrap().split('"').skip(1) {
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                if !text.is_empty() && text.len() < 40 && text.chars().all(is_name) {
                    words.insert(text.to_owned());
                }
            }
        }
    }
    let mut words = BTreeSet::new();
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/runtime/modules");
    collect(&modules, &mut words);
    words.extend(["_G", "__index", "__metatable", "__newindex", "__tostring"].map(String::from));
    words.into_iter().map(Value::from).collect()
}

#[test]
fn nothing_shared_can_be_changed() {
    let node = node();
    node.define("app:walk", include_str!("isolation/walk.luau")).unwrap();
    let words = words();
    assert!(words.len() > 300, "{}", words.len());
    let arguments = ["observer".into(), Value::List(words)];
    let (_, ended) = node.spawn("app:walk", "app:host", &arguments).unwrap();
    let result = ended.wait(LONG).unwrap_or_else(|error| panic!("{error}"));
    // It has seen the modules, and what their functions give.
    let count = |key| result.get(key).and_then(Value::as_number).unwrap();
    assert!(count("objects") > 500.0 && count("calls") > 5_000.0, "{result:?}");
}

/// An entry with a source and imports.
fn entry(id: &str, kind: &str, source: &str, imports: &[(&str, Value)]) -> Entry {
    let imports = imports.iter().map(|(alias, id)| ((*alias).to_owned(), id.clone())).collect();
    let mut data = vec![("source", Value::from(source)), ("imports", Value::Map(imports))];
    if kind == "function.lua" {
        data.push(("method", "main".into()));
    }
    Entry {
        id: EntryId::parse(id),
        kind: kind.into(),
        meta: Default::default(),
        data: Value::Map(data.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
    }
}

/// What the sources of all processes call to get at their types: a program can call it too.
#[test]
fn types_are_everybodys() {
    let node = node();
    let source = "
        local TEXT = 'type P={x:number}'
        local function check()
            local types = __wippy_types(TEXT, 1)
            assert(type(types[1]) == 'type' and types[1]:is({x = 1}) and not types[1]:is({x = 'x'}))
            assert(types[1] == __wippy_types(TEXT, 1)[1] and types.evil == nil and #types == 1)
            return types
        end
        return {main = function(role)
            if role == 'first' then
                pcall(__wippy_types, TEXT, 0)
                pcall(__wippy_types, TEXT, 1e15)
                pcall(__wippy_bind, {}, 1)
            end
            local types = check()
            local mine = {is = function() return true end}
            assert(not pcall(function() types[1] = mine end))
            assert(not pcall(function() types.evil = mine end))
            assert(not pcall(rawset, types, 1, mine) and not pcall(table.clear, types))
            assert(not pcall(setmetatable, types, {__index = mine}))
            assert(type(__wippy_bind(types, 1)) == 'type')
            check()
            if role ~= 'child' then
                for _ = 1, 3 do assert(process.exec('app:types', 'app:host', 'child')) end
            end
            return true
        end}";
    node.define("app:types", source).unwrap();
    let (_, ended) = node.spawn("app:types", "app:host", &["first".into()]).unwrap();
    ended.wait(LONG).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn a_library_is_everybodys_own() {
    let node = node();
    let library = "
        type Point = {x: number}
        count = (count or 0) + 1
        local state = {n = 0}
        return {
            list = {1, 2, 3}, Point = Point,
            add = function() state.n += 1 count += 1 return state.n, count end,
        }";
    let main = "
        local library = require('lib')
        return {main = function(role)
            assert(#library.list == 3 and library.evil == nil and count == 1, 'not as loaded')
            assert(library.Point:is({x = 1}))
            local n, counted = library.add()
            assert(n == 1 and counted == 2, n)
            assert(getmetatable(library) == nil)
            library.evil, library.list[1], count = true, 'evil', -1
            library.add = nil
            setmetatable(library, {__metatable = 'evil'})
            pcall(function() library.Point.x = 1 end)
            table.freeze(library.list)
            if role ~= 'parent' then return tostring(print) end
            local events = process.events()
            for _ = 1, 3 do
                local pid = assert(process.spawn_monitored('app:main', 'app:host', 'child'))
                local result = events:receive().result
                assert(result.value, result.error)
            end
            for _ = 1, 3 do
                assert(process.exec('app:main', 'app:host', 'child') == tostring(print), 'not in this VM')
            end
        end}";
    let imports = [("lib", Value::from("app:lib"))];
    let entries = vec![
        entry("app:lib", "library.lua", library, &[]),
        entry("app:main", "process.lua", main, &imports),
    ];
    node.registry.load(entries).unwrap();
    let (_, ended) = node.spawn("app:main", "app:host", &["parent".into()]).unwrap();
    ended.wait(LONG).unwrap_or_else(|error| panic!("{error}"));
}
