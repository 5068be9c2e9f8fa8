//! `init`, `version`, help, and the commands of a project.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::project::Project;

#[test]
fn init_twice() {
    let project = Project::empty();
    let path = project.path().join("wippy.lock");
    let ended = project.run("init").exits(0).says(&["INFO", "created", "wippy.lock", "./src"]);
    assert_eq!(ended.stdout, "");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "directories:\n    modules: .wippy\n    src: ./src\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    project.run("init").exits(0).says(&["INFO", "kept", "wippy.lock", "./src"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    project.run("init -d ./app").exits(0).says(&["./app"]);
    project.run("init --modules-dir mods").exits(0).says(&["./app", "mods"]);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "directories:\n    modules: mods\n    src: ./app\n");
    assert_eq!(fs::read_dir(project.path()).unwrap().count(), 1, "nothing else is created");
}

#[test]
fn init_keeps_what_it_cannot_read() {
    let project = Project::empty();
    project.write("wippy.lock", "modules: [");
    project.run("init -d src").fails(&["failed to load lock file", "wippy.lock:1:11"]);
    assert_eq!(fs::read_to_string(project.path().join("wippy.lock")).unwrap(), "modules: [");

    let project = Project::empty();
    project.run("init -l no/such/wippy.lock").fails(&["no/such/wippy.lock"]);
    let ended = project.run("init -s -l other.lock").exits(0);
    assert_eq!(ended.stderr, "");
    assert!(project.path().join("other.lock").exists());
}

#[test]
fn version() {
    let project = Project::empty();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(project.run("version --short").exits(0).stdout, format!("{version}\n"));
    project.run("version").exits(0).prints(&["wippy", version]);
    assert_eq!(project.run("-s version").exits(0).stdout, "");
}

#[test]
fn help_of_everything() {
    let project = Project::empty();
    project.run("").exits(0).prints(&["wippy 0.", "Usage: wippy", "Commands:", "run", "init"]);
    for (line, words) in [
        ("--help", &["Usage: wippy", "Commands:", "registry", "-C <DIR>", "Examples:"][..]),
        ("run -h", &["Usage: wippy run", "--exec <[HOST/]NS:NAME>", "--override", "Examples:"]),
        ("init --help", &["Usage: wippy init", "--src-dir", "--lock-file"]),
        ("version -h", &["Usage: wippy version", "--short"]),
        ("registry --help", &["Usage: wippy registry", "list", "show"]),
        ("registry list -h", &["Usage: wippy registry list", "--kind", "--meta", "--json"]),
        ("registry show -h", &["Usage: wippy registry show", "--field", "--raw"]),
    ] {
        let ended = project.run(line).exits(0).prints(words);
        assert_eq!(ended.stderr, "", "{line}");
    }
}

#[test]
fn named_commands() {
    let project = Project::with_cli(
        "local io = require('io')\n\
         return { main = function(a, b) io.print(a, b, #io.args()) return 3 end }",
    );
    let ended = project.run("run list").exits(0).prints(&["No commands found.", "meta:"]);
    assert_eq!(ended.stderr, "");

    let command = "meta: {command: {name: greet, short: Say hello}}\n    kind: process.lua";
    project.edit("src/_index.yaml", "kind: process.lua", command);
    let expect = "Available commands:\n\n  greet  Say hello  (app:cli)\n\nRun with: wippy run \
                  <command>\n";
    assert_eq!(project.run("run list -s").exits(0).stdout, expect);
    assert_eq!(project.run("run greet Ada -- --loud").exits(3).stdout, "Ada\t--loud\t2\n");
    assert_eq!(project.run("run -x app:cli Ada Bob").exits(3).stdout, "Ada\tBob\t2\n");
    project.run("run greeet").fails(&["command \"greeet\" not found", "wippy run list"]);
}

#[test]
fn another_directory() {
    let project = Project::with_main("io.print('here')");
    let elsewhere = Project::empty();
    let line = format!("-C {} run -x app:cli", project.path().display());
    assert_eq!(elsewhere.run(&line).exits(0).stdout, "here\n");
    elsewhere.run("-C no/such/dir run").fails(&["cannot work in no/such/dir"]);
}

#[test]
fn sources_are_in_the_project_itself_unless_the_lock_file_says_where() {
    let project = Project::with_main("io.print('started')");
    for lock in ["", "directories: {src: .}", "directories: {src: ./}", "directories: {src: ./src}"]
    {
        project.write("wippy.lock", lock);
        project.run("run -x app:cli").exits(0).prints(&["started"]);
    }
}
