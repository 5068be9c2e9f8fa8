//! `wippy lint`, and the type check when entries are loaded.

use std::fs;

use crate::project::Project;

const BAD: &str = "local time = require(\"time\")
local n: number = \"five\"
local unused = time.now()
local function main(left, right)
\treturn left + nn
end
return {main = main}
";

fn sample() -> Project {
    let project = Project::with_entries(
        "  - {name: bad, kind: process.lua, source: 'file://bad.lua', modules: [time]}
  - {name: fine, kind: library.lua, source: 'return {}'}
  - {name: packed, kind: function.lua.bc, source: '= = ='}
  - {name: other, kind: http.service, source: '= = ='}
",
    );
    project.write("src/bad.lua", BAD);
    project.write(
        "src/deep/_index.yaml",
        "namespace: app.deep\nname: broken\nkind: process.lua\nsource: |\n  local x =\n  require('io')\n",
    );
    project
}

#[test]
fn findings_are_shown_like_those_of_a_compiler() {
    let project = sample();
    let expect = "\
error[E0010]: require(\"io\") is not declared in _index.yaml imports or modules
 --> app.deep:broken:2:1
  |
2 | require('io')
  | ^~~~~~~~~~~~~
  = help: add 'io' to the modules of the entry

error[E0001]: expected number, got \"five\"
 --> app:bad:2:19
  |
2 | local n: number = \"five\"
  |                   ^~~~~~
  = note: declared as number at 2:10

warning[E0013]: nothing declares 'nn'
 --> app:bad:5:16
  |
5 |     return left + nn
  |                   ^~

Checked 4 entries: 2 errors, 1 warning
";
    let ended = project.run("lint").exits(1);
    assert_eq!(ended.stdout, expect);
    assert!(
        ended.stderr.ends_with("Error: lint failed: 2 errors, 1 warning\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn what_is_shown() {
    let project = sample();
    let check = |flags: &str, code: i32, last: &str| {
        let ended = project.run(&format!("lint {flags}")).exits(code);
        assert_eq!(ended.stdout.lines().last(), Some(last), "{flags}: {}", ended.stdout);
    };
    check("--level error", 1, "Checked 4 entries: 2 errors");
    check("--level nonsense", 1, "Checked 4 entries: 2 errors");
    check("--rules --level hint", 1, "Checked 4 entries: 2 errors, 4 warnings, 1 hint");
    check("--rules --level warn --ns app", 1, "Checked 3 entries: 1 error, 3 warnings");
    check("--ns app.*", 1, "Checked 4 entries: 2 errors, 1 warning");
    check("--ns app.deep,no.such", 1, "Checked 1 entries: 1 error");
    check("--ns other", 0, "Checked 0 entries");
    check("--ns other --cache-reset", 0, "Checked 0 entries");
    check("--code e0013 --code w0004", 0, "Checked 4 entries: 1 warning");
    check("--code e0013 --limit 1 --summary", 0, "Checked 4 entries: 1 warning");
    let ended = project.run("lint --ns other").exits(0);
    assert_eq!(ended.stdout, "No issues found\nChecked 0 entries\n");
    let ended = project.run("lint --summary").exits(1);
    assert!(
        ended.stdout.starts_with(
            "By namespace:\n  app: 2\n  app.deep: 1\n\nBy error code:\n  E0001: 1\n  E0010: 1\n  E0013: 1\n\n"
        ),
        "{}",
        ended.stdout
    );
    Project::empty().run("lint").fails(&["lock file not found", "wippy init"]);
}

#[test]
fn json() {
    let ended = sample().run("lint --json --limit 1").exits(1);
    let expect = "{\"diagnostics\":[{\"entry_id\":\"app.deep:broken\",\"code\":\"E0010\",\
         \"severity\":\"error\",\"message\":\"require(\\\"io\\\") is not declared in _index.yaml \
         imports or modules\",\"line\":2,\"column\":1}],\"total_entries\":4,\"error_count\":2,\
         \"warning_count\":1,\"hint_count\":0}\n";
    assert_eq!(ended.stdout, expect);
}

#[test]
fn a_source_that_does_not_parse() {
    let project = Project::with_cli("local x = = 1\n");
    let ended = project.run("lint").exits(1);
    assert!(
        ended
            .stdout
            .starts_with("error[P0001]: expected an expression, got '='\n --> app:cli:1:11\n")
    );
}

#[test]
fn safe_fixes_are_made() {
    let project = Project::with_cli(
        "local io = require(\"io\")\nlocal time = require(\"time\")\n\
         local function main(name)\n  local t = os.time()\n  return 0\nend\nreturn {main = main}\n",
    );
    let ended = project.run("lint --rules --level hint --fix").exits(0);
    assert_eq!(ended.stdout, "Fixed 4\nNo issues found\nChecked 1 entries\n");
    let fixed = fs::read_to_string(project.path().join("src/cli.lua")).expect("is there");
    assert_eq!(
        fixed,
        "local function main(_name)\n  local _t = os.time()\n  return 0\nend\nreturn {main = main}\n"
    );
    // What stands in the entry file itself is left alone.
    let project =
        Project::with_entries("  - {name: a, kind: process.lua, source: 'local x = 1'}\n");
    let ended = project.run("lint --rules --fix").exits(0);
    assert!(ended.stderr.contains("not fixed: app:a has no source file of its own"));
    assert!(ended.stdout.contains("W0004"));
}

const CONFIG: &str = "version: \"1.0\"\nlua: {type_system: {enabled: true, strict: STRICT}}\n";

#[test]
fn a_start_with_type_errors_fails_if_that_is_strict() {
    let project = Project::with_cli("local n: number = \"a\"\nreturn {main = function() end}\n");
    project.run("run -x app:cli").exits(0);
    project.write(".wippy.yaml", &CONFIG.replace("STRICT", "false"));
    project.run("run -x app:cli").exits(0);
    project.write(".wippy.yaml", &CONFIG.replace("STRICT", "true"));
    project
        .run("run -x app:cli")
        .fails(&["app:cli", "type errors in app:cli: 1:19 expected number, got \"a\""]);
    project.run("run -x app:cli --set lua.type_system.enabled=false").exits(0);
}

#[test]
fn apply_refuses_type_errors() {
    let project = Project::with_main(
        "local registry = require(\"registry\")
         local source = 'local n: number = \"a\" return {main = function() end}'
         local changes = registry.snapshot():changes()
         changes:create{id = \"app:new\", kind = \"process.lua\", data = {source = source}}
         local version, err = changes:apply()
         io.print(version, err:kind(), err:message())",
    );
    project.write(".wippy.yaml", &CONFIG.replace("STRICT", "true"));
    let ended = project.run("run -x app:cli").exits(0);
    assert!(
        ended.stdout.contains("type errors in app:new: 1:19 expected number"),
        "{}",
        ended.stdout
    );
}
