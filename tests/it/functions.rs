//! `docs/functions.md` does not lie: what it lists as there is there, what it lists as missing is
//! missing, nothing that any module has is left out, and each named test exists and uses the function.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wippy::infra::transcoder::Value;
use wippy::lang::check::GLOBALS;
use wippy::runtime::modules;

use crate::lua::run;

/// A row: `owner.name` or `owner:name`, whether it is there, and the test that shows it.
struct Row {
    owner: String,
    name: String,
    is_method: bool,
    is_there: bool,
    test: String,
}

/// The page: its rows, and how a program gets an object of each kind.
#[derive(Default)]
pub struct Page {
    rows: Vec<Row>,
    /// Name to expression.
    objects: BTreeMap<String, String>,
    /// Sort, as declarations call it, to name.
    pub sorts: BTreeMap<String, String>,
}

/// The text between the first two backticks.
fn code(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

pub fn page() -> Page {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/functions.md");
    let text = std::fs::read_to_string(path).expect("docs/functions.md");
    let mut page = Page::default();
    for line in text.lines().filter(|line| line.starts_with("| `")) {
        // A bar inside of code is written `\|`.
        let line = line.replace("\\|", "\u{1}");
        let cells: Vec<String> = line
            .trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('\u{1}', "|"))
            .collect();
        let name = code(&cells[0]).expect("a name in backticks").to_owned();
        assert_eq!(cells.len(), 3, "{line}");
        let is_there = match &*cells[1] {
            "yes" => true,
            "no" => false,
            made => {
                let made = code(made).expect("yes, no, or how to get one in backticks").to_owned();
                let sort = code(&cells[2]).expect("its sort, in backticks").to_owned();
                page.sorts.insert(sort, name.clone());
                page.objects.insert(name, made);
                continue;
            }
        };
        let is_method = name.contains(':');
        let (owner, own) = match name.rsplit_once([':', '.']) {
            Some((owner, own)) => (owner, own),
            None => ("_G", &*name),
        };
        let test = code(&cells[2]).unwrap_or_default().to_owned();
        let (owner, name) = (owner.to_owned(), own.to_owned());
        page.rows.push(Row { owner, name, is_method, is_there, test });
    }
    page
}

/// The test function of this name in a file of Rust, from its head to its end.
fn body<'a>(text: &'a str, function: &str) -> Option<&'a str> {
    let start = text.find(&format!("\nfn {function}("))? + 1;
    let len = text[start..].find("\n}\n").map_or(text.len() - start, |end| end + 2);
    Some(&text[start..start + len])
}

/// The names of all modules and libraries.
fn libraries() -> impl Iterator<Item = &'static str> {
    let modules = modules::GRANTED.iter().chain(modules::AMBIENT).map(|module| module.name);
    modules.chain(["string", "table", "math", "package"])
}

/// Does a program use this name: `owner.name`, `owner:name`, `"name"` in a list of names, `name =` in
/// a table of what is expected, and for globals the bare name? What stands in comments does not count,
/// nor do functions of other modules that are called the same.
fn uses(program: &str, owner: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let is_global = owner == GLOBALS;
    let is_of_another = |before: &str| {
        let path = before.trim_end_matches('.');
        let start = path.rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
        let other = &path[start..];
        path != before && other != owner && libraries().any(|library| library == other)
    };
    let code = program.lines().filter(|line| !line.trim_start().starts_with(['/', '-']));
    code.into_iter().any(|line| {
        line.match_indices(name).any(|(at, _)| {
            let (before, after) = (&line[..at], &line[at + name.len()..]);
            let stands_alone = !before.ends_with(is_word) && !after.starts_with(is_word);
            let is_used = before.ends_with(['.', ':', '"', '\'']) || after.starts_with(" =");
            stands_alone && (is_global || is_used) && !is_of_another(before)
        })
    })
}

#[test]
fn uses_are_told_from_mentions() {
    for program in ["time.now()", "t:now(1)", "for _, n in {'now'} do", "  now = 5,", "x.now=1"] {
        assert!(uses(program, "time", "now"), "{program}");
    }
    for program in ["-- time.now()", "// x.now", "now()", "x.nowhere", "x.know", "x.now_", "os.now"]
    {
        assert!(!uses(program, "time", "now"), "{program}");
    }
    assert!(uses("assert(x)", "_G", "assert") && !uses("my_assert(x)", "_G", "assert"));
}

#[test]
fn named_tests_exist_and_use_the_function() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for Row { owner, name, is_there, test, .. } in page().rows {
        assert_eq!(!test.is_empty(), is_there, "{owner} {name}: what is there has a test");
        if test.is_empty() {
            continue;
        }
        let (file, function) = match test.split_once("::") {
            Some((file, function)) => (file, Some(function)),
            None => (&*test, None),
        };
        let text = std::fs::read_to_string(root.join(file));
        let text = text.unwrap_or_else(|error| panic!("{owner} {name}: {file}: {error}"));
        let text = match function {
            Some(function) => match body(&text, function) {
                Some(body) => body,
                None => panic!("{owner} {name}: no {function} in {file}"),
            },
            None => &text,
        };
        if !uses(text, &owner, &name) {
            wrong.push(format!("{owner} {name}: {test} does not use it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Sorts of values that are declared for the checker and are plain tables in programs.
const PLAIN_TABLES: [&str; 1] = ["tty.Event"];

/// The declarations are what the modules have, methods of objects included: that is tested beside
/// them.
#[test]
fn everything_declared_is_listed() {
    let page = page();
    let mut missing = Vec::new();
    for member in modules::declarations::library().members() {
        let owner = match &member.class {
            None if member.module == GLOBALS => "_G".to_owned(),
            None => member.module.to_owned(),
            Some(class) => {
                let sort = format!("{}.{class}", member.module);
                if PLAIN_TABLES.contains(&&*sort) {
                    continue;
                }
                let owner = page.sorts.get(&sort);
                owner.unwrap_or_else(|| panic!("nobody says how to get a {sort}")).clone()
            }
        };
        let is_listed = page
            .rows
            .iter()
            .any(|row| row.is_there && row.owner == owner && row.name == member.name);
        // A table of further functions has rows of its own; `string(v)` has no name.
        let is_table = page.objects.contains_key(&format!("{owner}.{}", member.name));
        if !is_listed && !is_table && member.name != "__call" {
            missing.push(format!("{owner} {}", member.name));
        }
    }
    assert!(missing.is_empty(), "not in docs/functions.md:\n{}", missing.join("\n"));
}

#[test]
fn what_is_listed_is_there_and_what_is_not_is_not() {
    let page = page();
    let mut program = String::from("return {main = function()\nlocal found = {}\n");
    let mut owners: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &page.rows {
        owners.entry(&row.owner).or_default().push(row);
    }
    for (owner, rows) in &owners {
        if *owner == GLOBALS {
            for Row { name, .. } in rows {
                program += &format!("found['_G {name}'] = {name} ~= nil\n");
            }
            continue;
        }
        let made = page.objects.get(*owner).map_or(*owner, String::as_str);
        let names: Vec<String> = rows.iter().map(|row| format!("{:?}", row.name)).collect();
        // A module that is not there has no functions either.
        program += &format!(
            "do
                local ok, owner = pcall(function() return {made} end)
                for _, name in {{{}}} do
                    found[{owner:?} .. ' ' .. name] = ok and owner ~= nil and owner[name] ~= nil
                end
            end\n",
            names.join(", ")
        );
    }
    program += "return found\nend}";
    let found = run(&program).expect("the program runs");
    for Row { owner, name, is_method, is_there, .. } in &page.rows {
        let has_object = !is_method || page.objects.contains_key(owner);
        assert!(has_object || !is_there, "{owner}:{name}: nobody says how to get a {owner}");
        let found = found.get(&format!("{owner} {name}")).and_then(Value::as_bool);
        assert_eq!(found, Some(*is_there), "{owner} {name}");
    }
}

/// What a program sees of the modules, tables in them included.
#[test]
fn everything_a_module_has_is_listed() {
    let page = page();
    let mut tables: BTreeSet<String> = libraries().map(str::to_owned).collect();
    // Its functions are methods.
    tables.remove("logger");
    let mut missing = Vec::new();
    while let Some(table) = tables.pop_first() {
        let source = format!(
            "return {{main = function()
                local names = {{}}
                for name, value in pairs({table}) do names[name] = type(value) end
                return names
            end}}"
        );
        let there = run(&source).unwrap_or_else(|error| panic!("{table}: {error}"));
        for (name, kind) in there.as_map().expect("names") {
            if kind.as_str() == Some("table") {
                tables.insert(format!("{table}.{name}"));
            } else if !page.rows.iter().any(|row| row.owner == table && row.name == *name) {
                missing.push(format!("{table}.{name}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/functions.md:\n{}", missing.join("\n"));
}
