//! File systems of a project, and the entries that programs load from them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::project::{CLI, Project};

/// A project with these entries, whose process `app:cli` has this body and may load.
fn project(entries: &str, body: &str) -> Project {
    let cli = CLI.replace("errors,", "errors, loader,");
    let project = Project::with_entries(&format!("{cli}{entries}"));
    let head = "local io, loader, registry = require('io'), require('loader'), require('registry')";
    project.write("src/cli.lua", &format!("{head}\nreturn {{main = function(...)\n{body}\nend}}"));
    project
}

#[test]
fn what_was_loaded_becomes_part_of_the_application() {
    let project = project(
        "  - {name: plugins, kind: fs.directory, directory: plugins}\n",
        "local changes = registry.snapshot():changes()
         for _, entry in assert(loader.new('app:plugins'):load_directory('/')) do
             changes:create(entry)
         end
         assert(changes:apply())
         return process.exec('plugin:greet', 'app:processes')",
    );
    project.write(
        "plugins/greet/a.yaml",
        "namespace: plugin\nentries:\n\
         - {name: greet, kind: process.lua, source: 'file://greet.lua', method: main}\n",
    );
    project.write("plugins/greet/greet.lua", "return {main = function() return 7 end}");
    project.write("plugins/bad.yaml", "namespace: plugin\nentries:\n- kind: k\n");
    // A file that cannot be used is logged, and the others count.
    let words = ["WARN", "file skipped", "/bad.yaml:3:3: entry[0].name"];
    project.run("run -c -x app:cli").exits(7).prints(&words);
}

#[test]
fn what_is_too_much_is_refused() {
    let project = project(
        "  - {name: files, kind: fs.directory, directory: files}\n",
        "local files = loader.new('app:files')
         assert(#files:load_file('one.yaml')[1].data.a == 33 * 2^20)
         for _, method in {'load_file', 'load_directory'} do
             local none, problem = files[method](files, if method == 'load_file' then 'two.yaml' else '/')
             io.print(none, problem:kind(), problem:message())
         end",
    );
    project.write("files/one.yaml", "{namespace: n, name: x, kind: k, a: 'file://big'}");
    let two = "{namespace: n, name: y, kind: k, a: 'file://big', b: 'file://big'}";
    project.write("files/two.yaml", two);
    let big = fs::File::create(project.path().join("files/big")).expect("writable");
    big.set_len(33 << 20).expect("writable");
    let line = "nil\tInternal\tmore than 64 MiB of entries\n";
    project.run("run -x app:cli").exits(0).prints(&[line, line]);
}

/// Prints the entry of `a.yaml` in each of the file systems, or what is wrong with it.
const PRINT: &str = "for _, name in {...} do
        local files, problem = loader.new(name)
        local entries
        if files then entries, problem = files:load_directory('/') end
        io.print(name, if entries then #entries == 1 and entries[1].id else problem:kind())
    end";

#[test]
fn roots_and_modes() {
    let project = project("", PRINT);
    let absolute = project.path().join("there").display().to_string();
    project.write(
        "src/files.yaml",
        &format!(
            "namespace: fs
entries:
- {{name: absolute, kind: fs.directory, directory: '{absolute}'}}
- {{name: relative, kind: fs.directory, directory: ./there}}
- {{name: project, kind: fs.directory, directory: there, base: project}}
- {{name: module, kind: fs.directory, directory: there, base: module}}
- {{name: made, kind: fs.directory, directory: made/deep, auto_init: true, mode: '0700'}}
- {{name: closed, kind: fs.directory, directory: there, mode: '0300'}}
- {{name: unlisted, kind: fs.directory, directory: there, mode: '0600'}}
"
        ),
    );
    project.write("there/a.yaml", "{namespace: n, name: app, kind: registry.entry}");
    // Of a module: against its own sources, unless it asks for those of the project.
    let entries = "namespace: o.m\nentries:\n\
        - {name: own, kind: fs.directory, directory: there}\n\
        - {name: module, kind: fs.directory, directory: there, base: module}\n\
        - {name: project, kind: fs.directory, directory: there, base: project}\n";
    project.write("wippy.lock", "directories: {src: src}\nmodules: [{name: o/m, version: v1}]\n");
    project.write(".wippy/vendor/o/m/a.yaml", entries);
    project.write(
        ".wippy/vendor/o/m/there/a.yaml",
        "{namespace: n, name: vendored, kind: registry.entry}",
    );
    let names = "fs:absolute fs:relative fs:project fs:module fs:made fs:closed fs:unlisted \
                 o.m:own o.m:module o.m:project";
    project.run(&format!("run -x app:cli {names}")).exits(0).prints(&[
        "fs:absolute\tn:app",
        "fs:relative\tn:app",
        "fs:project\tn:app",
        "fs:module\tn:app",
        "fs:made\tfalse",
        "fs:closed\tInternal",
        "fs:unlisted\tInternal",
        "o.m:own\tn:vendored",
        "o.m:module\tn:vendored",
        "o.m:project\tn:app",
    ]);
    let made = fs::metadata(project.path().join("made/deep")).expect("it was made");
    assert_eq!(made.permissions().mode() & 0o777, 0o700);
    // A module in the workspace has its sources in `src`.
    project.write("work/src/a.yaml", entries);
    project.write("work/src/there/a.yaml", "{namespace: n, name: work, kind: registry.entry}");
    let lock = "directories: {src: src}\nreplacements: [{from: o/m, to: work}]\n";
    project.write("wippy.lock", lock);
    project
        .run("run -x app:cli o.m:own o.m:project")
        .exits(0)
        .prints(&["o.m:own\tn:work", "o.m:project\tn:app"]);
}

#[test]
fn entries_that_are_wrong() {
    #[track_caller]
    fn check(fields: &str, words: &[&str]) {
        let project = project(&format!("  - {{name: files, kind: fs.directory{fields}}}\n"), "");
        project.write("file", "");
        project.run("run -x app:cli").fails(words);
    }
    check("", &["app:files", "directory path is required"]);
    check(", directory: ''", &["directory path is required"]);
    check(", directory: gone", &["directory gone: No such file"]);
    check(", directory: file", &["directory file: not a directory"]);
    check(", directory: src, mode: rwx", &["field mode must be octal digits"]);
    check(", directory: src, base: home", &["field base must be project or module"]);
}

#[test]
fn file_systems_come_and_go() {
    let project = project(
        "",
        "local function apply(operation, ...)
             local changes = registry.snapshot():changes()
             changes[operation](changes, ...)
             return changes:apply()
         end
         local function show(files)
             io.print((assert(files:load_file('a.yaml'))[1].id))
         end
         local entry = {id = 'app:files', kind = 'fs.directory', data = {directory = 'one'}}
         assert(apply('create', entry))
         local first = loader.new('app:files')
         show(first)
         entry.data.directory = 'two'
         assert(apply('update', entry))
         show(loader.new('app:files'))
         entry.data.directory = 'gone'
         assert(not apply('update', entry))
         show(loader.new('app:files'))
         assert(apply('delete', 'app:files'))
         assert(select(2, loader.new('app:files')):kind() == errors.NOT_FOUND)
         -- Who had it keeps what it was.
         show(first)",
    );
    project.write("one/a.yaml", "{namespace: n, name: one, kind: registry.entry}");
    project.write("two/a.yaml", "{namespace: n, name: two, kind: registry.entry}");
    project.run("run -x app:cli").exits(0).prints(&["n:one", "n:two", "n:two", "n:one"]);
}
