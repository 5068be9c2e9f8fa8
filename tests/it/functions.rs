//! `docs/functions.md` does not lie: what it lists as there is there, what it lists as missing is
//! missing, no function of a listed module is left out, and each named test exists.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use wippy::infra::transcoder::Value;

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
struct Page {
    rows: Vec<Row>,
    objects: BTreeMap<String, String>,
}

/// The text between the first two backticks.
fn code(cell: &str) -> Option<&str> {
    cell.split('`').nth(1)
}

fn page() -> Page {
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
        if cells.len() == 2 {
            let made = code(&cells[1]).expect("how to get one, in backticks").to_owned();
            page.objects.insert(name, made);
            continue;
        }
        assert_eq!(cells.len(), 3, "{line}");
        let is_there = match &*cells[1] {
            "yes" => true,
            "no" => false,
            other => panic!("{name}: {other:?} is neither yes nor no"),
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

#[test]
fn named_tests_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
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
        if let Some(function) = function {
            let head = format!("fn {function}(");
            assert!(text.contains(&head), "{owner} {name}: no {function} in {file}");
        }
        let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
        assert!(words.any(|word| word == name), "{owner} {name}: {file} does not name it");
    }
}

#[test]
fn what_is_listed_is_there_and_what_is_not_is_not() {
    let page = page();
    for row in &page.rows {
        let Row { owner, name, is_method, is_there, .. } = row;
        let object = match page.objects.get(owner) {
            Some(made) => made.as_str(),
            None if *is_method => {
                assert!(!is_there, "{owner}:{name}: nobody says how to get a {owner}");
                continue;
            }
            None => owner,
        };
        // A module that is not there has no functions either.
        let source = format!(
            "return {{main = function()
                local found, owner = pcall(function() return {object} end)
                if not found or owner == nil then return false end
                return owner[{name:?}] ~= nil
            end}}"
        );
        let source = match owner.as_str() {
            "_G" => format!("return {{main = function() return {name} ~= nil end}}"),
            _ => source,
        };
        let found = run(&source).unwrap_or_else(|error| panic!("{owner} {name}: {error}"));
        assert_eq!(found, Value::Bool(*is_there), "{owner} {name}");
    }
}

#[test]
fn no_function_of_a_listed_module_is_left_out() {
    let page = page();
    let modules: BTreeSet<&str> = page
        .rows
        .iter()
        .filter(|row| !row.is_method && row.is_there && row.owner != "_G")
        .map(|row| row.owner.as_str())
        .collect();
    for module in modules {
        let source = format!(
            "return {{main = function()
                local names = {{}}
                for name, value in {module} do
                    if type(value) ~= 'table' then table.insert(names, name) end
                end
                return names
            end}}"
        );
        let there = run(&source).unwrap_or_else(|error| panic!("{module}: {error}"));
        for name in there.as_list().unwrap_or_default() {
            let name = name.as_str().expect("a name");
            let is_listed = page.rows.iter().any(|row| row.owner == module && row.name == name);
            assert!(is_listed, "{module}.{name} is not in docs/functions.md");
        }
    }
}
