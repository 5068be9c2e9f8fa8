//! `wippy run -x` of a function, with libraries from files.

use crate::project::Project;

const FUNCTION: &str = "  - name: lib
    kind: library.lua
    source: file://lib.lua
  - name: add
    kind: function.lua
    source: file://add.lua
    method: add
    imports: {lib: 'app:lib'}
";

fn project(body: &str) -> Project {
    let project = Project::with_entries(FUNCTION);
    project.write("src/lib.lua", "return {add = function(a, b) return a + b end}");
    project.write("src/add.lua", &format!("return {{add = function(...) {body} end}}"));
    project
}

#[test]
fn a_function_is_called_with_the_arguments() {
    let project = project("local a, b = ... return lib.add(tonumber(a), tonumber(b))");
    project.run("run -x app:add 3 4").exits(7);
    let refused = project.run("run -x app:terminal/app:add 3 4").exits(1);
    refused.says(&["app:add is a function: it needs no host"]);
}

#[test]
fn its_failure_is_told() {
    project("return nil, 'no sum'").run("run -x app:add").exits(1).says(&["no sum"]);
}

#[test]
fn a_cycle_of_imports_is_named() {
    let project = project("return 0");
    let cycle = "    imports: {again: 'app:lib'}\n  - name: add\n";
    project.edit("src/_index.yaml", "  - name: add\n", cycle);
    let ended = project.run("run -x app:add").exits(1);
    ended.says(&["import cycle: app:lib -> app:lib"]);
}

#[test]
fn the_options_of_its_entry_hold() {
    let project = project("channel.new():receive()");
    let options = "    meta: {options: {timeout: 1}}\n    method: add\n";
    project.edit("src/_index.yaml", "    method: add\n", options);
    project.run("run -x app:add").exits(1).says(&["function call timed out"]);
}
