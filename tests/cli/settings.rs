//! What `-o`, `--set`, profiles and the configuration file do to entries and settings.
//!
//! The entries of a project show what reached them: `registry show` prints an entry after all stages,
//! and the field `method` of a process says in its error which type and text it was given.

use std::fs;

use crate::project::{Ended, Project, Running, run};

fn good() -> Project {
    Project::with_main("io.print('started')")
}

/// A configuration file with these sections.
fn config(text: &str) -> String {
    format!("version: \"1.0\"\n{text}")
}

/// Runs with arguments that may have spaces in them.
#[track_caller]
fn run_with(project: &Project, line: &str, more: &[&str]) -> Ended {
    let mut command = project.command(line);
    command.args(more);
    run(command, b"")
}

// -- -o --------------------------------------------------------------------------------------------

/// The process is told to run a method of this name.
#[track_caller]
fn check_value(value: &str, words: &[&str]) {
    let arg = format!("app:cli:method={value}");
    run_with(&good(), "run -x app:cli -o", &[&arg]).fails(words);
}

#[test]
fn override_values_have_types() {
    let not_a = |found: &'static str| ["app:cli", "method", "string", found];
    for flag in ["true", "false", "TRUE", "False"] {
        check_value(flag, &not_a("boolean"));
    }
    for integer in ["0", "-12", "9223372036854775807"] {
        check_value(integer, &not_a("integer"));
    }
    for number in ["1.5", "-0.5", "1e3", "2E-1", ".5"] {
        check_value(number, &not_a("number"));
    }
    // Codes, words, numbers that are none.
    for text in
        ["007", "+7", "9223372036854775808", "1.2.3", "yes", "1e999", "e", "a=b", "x:y", "ü"]
    {
        check_value(text, &[&format!("method \"{text}\" not found in module")]);
    }
    run_with(&good(), "run -x app:cli -o", &["app:cli:method="]).exits(0).prints(&["started"]);
}

#[test]
fn override_paths() {
    let check = |arg: &str, words: &[&str]| {
        run_with(&good(), "run -x app:cli -o", &[arg]).fails(words);
    };
    for path in ["method", ".method", "data.method", ".data.method", " method "] {
        check(&format!("app:cli:{path}=other"), &["method \"other\" not found"]);
    }
    check(" app : cli :method=other", &["method \"other\" not found"]);
    check(
        "app:cli:kind=process.lau",
        &["app:cli", "unknown entry kind: process.lau", "process.lua"],
    );
    // What is in the way becomes a mapping; lists have no fields.
    check("app:cli:method.deep.er=1", &["method", "string", "mapping"]);
    check("app:cli:modules.0=io", &["modules", "list", "mapping"]);
    // Keys nobody reads do no harm, whatever they look like.
    for arg in ["app:cli:a:b.c=1", "app:cli:data.kind=x", "app:cli:meta.x=1", "app:cli:kind.x=1"] {
        run_with(&good(), "run -x app:cli -o", &[arg]).exits(0).prints(&["started"]);
    }
}

#[test]
fn override_lists_and_quotes() {
    let project = good();
    let check = |args: &[&str], words: &[&str]| {
        run_with(&project, "run list", args).exits(0).prints(words);
    };
    let name = "app:cli:meta.command.name=greet";
    check(&["-o", name], &["greet", "(app:cli)"]);
    check(&["-o", &format!("{name},app:cli:meta.command.short=Hello")], &["greet", "Hello"]);
    check(&["-o", name, "-o", "app:cli:meta.command.short=Hello"], &["greet", "Hello"]);
    let quoted = format!("{name},\"app:cli:meta.command.short=Hello, \"\"you\"\"\"");
    check(&["-o", &quoted], &["greet", "Hello, \"you\""]);
    run_with(&project, "run greet", &["-o", name]).exits(0).prints(&["started"]);
}

#[test]
fn bad_overrides() {
    let check = |arg: &str, words: &[&str]| {
        let arg = format!("--override={arg}");
        let ended = run_with(&good(), "run -x app:cli", &[&arg]);
        ended.fails(&[&["Error: "], words].concat());
    };
    let format = "expected format: namespace:entry:field=value";
    check("app:cli:x", &["invalid override: app:cli:x: missing separator '='", format]);
    check("app:cli=1", &["invalid override: app:cli=1: missing separator ':'", format]);
    check("x=app:cli:y", &["invalid override: x=app:cli:y: missing separator ':'"]);
    check(":cli:x=1", &["empty namespace", format]);
    check("app::x=1", &["empty entry", format]);
    check("app:cli: =1", &["empty field", format]);
    check("app:cli:a..b=1", &["app:cli:a..b=1", "empty path segment"]);
    check("app:cli:data=1", &["path must name a field below data"]);
    check("app:cli:meta=1", &["path must name a field below meta"]);
    check("app:cli:x=1,", &["invalid override: : missing separator '='"]);
    check("\"app:cli:x=1", &["a quoted item has no end"]);
    check("app:cli:x=\"1\"", &["a quote within an unquoted item"]);
    let failed = "stage 'override' failed: override errors: [";
    check("app:cli:kind=", &[failed, "app:cli:kind: kind must be a string"]);
    check("app:cli:kind=5", &[failed, "app:cli:kind: kind must be a string"]);
    let several = [failed, "no entry found for app:no", "no entry found for no:cli"];
    check("app:no:x=1,no:cli:x=1,app:no:y=1", &several);
}

#[test]
fn the_section_override() {
    let project = Project::with_entries("  - {name: e, kind: registry.entry, old: {x: 1, y: 2}}\n");
    let show = |text: &str| {
        project.write(".wippy.yaml", &config(text));
        project.run("registry show app:e --json").exits(0).stdout
    };
    let data = |text: &str| {
        let shown = show(text).replace([' ', '\n'], "");
        let (_, data) = shown.split_once("\"data\":").expect("data");
        data.split_once(",\"id\"").expect("id follows").0.to_owned()
    };
    let old = "\"old\":{\"x\":1,\"y\":2}";
    assert_eq!(data("override: {'app:e:a': '5'}"), format!("{{{old},\"a\":\"5\"}}"));
    assert_eq!(data("override: {'app:e:a': 5}"), format!("{{{old},\"a\":5}}"));
    assert_eq!(data("override: {'app:e:a': [1, x]}"), format!("{{{old},\"a\":[1,\"x\"]}}"));
    assert_eq!(
        data("override: {'app:e:a': {b: {c: true}}}"),
        format!("{{{old},\"a\":{{\"b\":{{\"c\":true}}}}}}")
    );
    // Mappings are flattened, so what they do not name stays.
    assert_eq!(data("override: {'app:e:old': {x: 9}}"), "{\"old\":{\"x\":9,\"y\":2}}");
    assert!(show("override: {'app:e:kind': ns.definition}").contains("\"ns.definition\""));
    assert!(show("override: {'app:e:meta.a.b': z}").replace(' ', "").contains("\"b\":\"z\""));

    let fails = |text: &str, words: &[&str]| {
        project.write(".wippy.yaml", &config(text));
        project.run("registry show app:e").fails(words);
    };
    fails("override: {app: 5}", &["invalid override: app: missing separator ':'"]);
    fails("override: {'app:no:x': 5}", &["override errors: [no entry found for app:no]"]);
    fails("override: {'app:e:kind': [x]}", &["kind must be a string"]);
    // It is run again after the entries that are disabled are gone.
    fails(
        "override: {'app:e:x': 1}\ndisable: {entries: ['app:e']}",
        &["stage 'override' failed", "no entry found for app:e"],
    );
}

// -- disable ---------------------------------------------------------------------------------------

#[test]
fn disabled_entries_are_gone() {
    let project = Project::empty();
    project.write("wippy.lock", "directories: {src: src}");
    for (ns, names) in [("a", "xy"), ("a.b", "x"), ("a.b.c", "x"), ("d", "x")] {
        let entries = names.chars().map(|name| {
            format!("- {{name: {name}, kind: registry.entry, meta: {{stage: {ns}{name}, n: 5}}}}\n")
        });
        let text = format!("namespace: {ns}\nentries:\n{}", entries.collect::<String>());
        project.write(&format!("src/{ns}.yaml"), &text);
    }
    let left = |text: &str| {
        project.write(".wippy.yaml", &config(&format!("disable: {text}")));
        let shown = project.run("registry list").exits(0).stdout;
        let ids =
            shown.lines().filter_map(|line| line.split(' ').next().filter(|id| id.contains(':')));
        ids.filter(|id| *id != "Total:").collect::<Vec<_>>().join(" ")
    };
    let check = |text: &str, expect: &str| assert_eq!(left(text), expect, "{text}");
    check("{}", "a.b.c:x a.b:x a:x a:y d:x");
    check("{namespaces: [a]}", "a.b.c:x a.b:x d:x");
    check("{namespaces: ['a.*']}", "a.b.c:x a:x a:y d:x");
    check("{namespaces: ['a.**']}", "d:x");
    check("{namespaces: ['*']}", "a.b.c:x a.b:x");
    check("{namespaces: ['(a|d)', a.b]}", "a.b.c:x");
    check("{namespaces: ['**']}", "");
    check("{entries: ['a:y']}", "a.b.c:x a.b:x a:x d:x");
    check("{entries: ['**:x']}", "a:y");
    check("{entries: ['a.**:(x|z)', 'd:*']}", "a:y");
    check("{meta: {stage: ax}}", "a.b.c:x a.b:x a:y d:x");
    check("{meta: {stage: [ax, dx]}}", "a.b.c:x a.b:x a:y");
    // Only strings count.
    check("{meta: {n: 5}}", "a.b.c:x a.b:x a:x a:y d:x");
    for pattern in ["x", ":x", "x:", ""] {
        project.write(".wippy.yaml", &config(&format!("disable: {{entries: ['{pattern}']}}")));
        project.run("registry list").fails(&["invalid pattern", "disable.entries"]);
    }
    for list in ["5", "{a: 1}", "[1]"] {
        project.write(".wippy.yaml", &config(&format!("disable: {{namespaces: {list}}}")));
        let ended = project.run("registry list");
        // Mappings are sections, and this one has no setting that anybody knows.
        if list.starts_with('{') {
            ended.exits(0);
        } else {
            ended.fails(&["disable.namespaces must be a list of strings"]);
        }
    }
}

// -- --set and profiles ----------------------------------------------------------------------------

/// A project whose entry `app:e` shows settings: the section `override` sets its field `v`.
fn showing() -> Project {
    Project::with_entries("  - {name: e, kind: registry.entry, v: old}\n")
}

#[track_caller]
fn shown(project: &Project, line: &str, more: &[&str]) -> String {
    let line = format!("registry show app:e --field v --raw {line}");
    run_with(project, &line, more).exits(0).stdout
}

#[test]
fn set_values_have_types() {
    let project = showing();
    let check = |value: &str, expect: &str| {
        let arg = format!("override.app:e:v={value}");
        assert_eq!(shown(&project, "--set", &[&arg]), expect, "{value}");
        let whole = run_with(&project, "registry show app:e --json --set", &[&arg]).stdout;
        whole.replace([' ', '\n'], "")
    };
    let is_text = |whole: &str, text: &str| whole.contains(&format!("\"v\":\"{text}\""));
    for typed in ["true", "false", "12", "-7", "1.5"] {
        let whole = check(typed, typed);
        assert!(whole.contains(&format!("\"v\":{typed}")) && !is_text(&whole, typed), "{whole}");
    }
    for text in ["True", "FALSE", "15s", "a=b", "inf", "nan", "0x10", "1,2", "null"] {
        let whole = check(text, text);
        assert!(is_text(&whole, text), "{whole}");
    }
    check("", "");
    check(" spaced ", " spaced ");
}

#[test]
fn bad_sets() {
    let check = |arg: &str, reason: &str| {
        let expect =
            format!("invalid --set {arg:?}: {reason}, expected format: section.path=value");
        run_with(&good(), "run -x app:cli --set", &[arg]).fails(&[&expect]);
        run_with(&good(), "registry list --set", &[arg]).fails(&[&expect]);
    };
    check("a", "missing separator '='");
    check("a.b", "missing separator '='");
    check("", "missing separator '='");
    check("a=b.c", "missing separator '.'");
    check("=1", "missing separator '.'");
    check(".b=1", "empty section or path");
    check("a.=1", "empty section or path");
    check("a..b=1", "empty section or path");
    good().run("run -x app:cli --set").fails(&["--set"]);
    // Nobody knows this setting, which is no mistake.
    good().run("run -x app:cli --set no.such.key=5").exits(0);
}

#[test]
fn what_wins() {
    let project = showing();
    project.write("a.yaml", &config("override: {'app:e:v': a}\nprofiles:\n  p: {override: {'app:e:v': p}}\n  q: {override: {'app:e:v': q}}"));
    project.write("b.yaml", &config("override: {'app:e:v': b}\nprofiles: {p: {other: {x: 1}}}"));
    let check = |line: &str, expect: &str| assert_eq!(shown(&project, line, &[]), expect, "{line}");
    check("", "old");
    check("--config a.yaml", "a");
    check("--config a.yaml --config b.yaml", "b");
    check("--config b.yaml --config a.yaml", "a");
    check("--config a.yaml --config b.yaml --profile p", "p");
    check("--config a.yaml --profile p --profile q", "q");
    check("--config a.yaml --profile q --profile p", "p");
    check("--config a.yaml --profile p --set override.app:e:v=set", "set");
    check("--config a.yaml --set override.app:e:v=1 --set override.app:e:v=2", "2");

    // `-o` wins over all of them.
    let project = good();
    project.write(".wippy.yaml", &config("override: {'app:cli:method': file}"));
    project.run("run -x app:cli").fails(&["method \"file\" not found"]);
    project.run("run -x app:cli --set override.app:cli:method=set").fails(&["\"set\" not found"]);
    let line = "run -x app:cli --set override.app:cli:method=set -o app:cli:method=main";
    project.run(line).exits(0).prints(&["started"]);
}

#[test]
fn profiles_change_lists_and_variables() {
    let project = Project::with_entries(
        "  - {name: e, kind: registry.entry}\n  - {name: f, kind: registry.entry}\n",
    );
    project.write(
        ".wippy.yaml",
        &config(
            "vars: {name: base}\ndisable: {entries: ['app:e']}\n\
             override: {'app:terminal:label': 'I am ${name}'}\nprofiles:\n  \
             on: {disable: {entries: {remove: ['app:e']}}}\n  \
             off: {disable: {entries: {add: ['app:f']}}}\n  \
             none: {disable: {entries: []}}\n  \
             named: {vars: {name: profile}}\n  \
             env: {vars: {name: '${env:HOME}'}}\n",
        ),
    );
    let ids = |line: &str| {
        let shown = project.run(&format!("registry list {line}")).exits(0).stdout;
        ["app:e", "app:f"].map(|id| shown.contains(&format!("{id} ")))
    };
    assert_eq!(ids(""), [false, true]);
    assert_eq!(ids("--profile on"), [true, true]);
    assert_eq!(ids("--profile off"), [false, false]);
    assert_eq!(ids("--profile off --profile on"), [true, false]);
    assert_eq!(ids("--profile none"), [true, true]);
    let label = |line: &str| {
        project.run(&format!("registry show app:terminal --field label --raw {line}")).stdout
    };
    assert_eq!(label(""), "I am base");
    assert_eq!(label("--profile named"), "I am profile");
    assert_eq!(label("--profile named --set vars.name=me"), "I am me");
    project.run("registry list --profile env").fails(&["vars.name", "environment"]);
    project
        .run("registry list --profile nmaed")
        .fails(&["unknown profile \"nmaed\"", "\"named\"?"]);
    project.run("registry list --profile").fails(&["--profile"]);
}

#[test]
fn kinds_that_nobody_handles_can_be_stored() {
    let project = Project::with_main("io.print('started')");
    project.write("src/note.yaml", "{namespace: app, name: note, kind: app.note}");
    project.run("run -x app:cli").fails(&["app:note", "unknown entry kind: app.note"]);
    project.write(".wippy.yaml", &config("registry: {dispatch_internal_kinds: [app.note]}"));
    project.run("run -x app:cli").exits(0).prints(&["started"]);
    // The list replaces the usual one; what is no list changes nothing.
    project.write("src/note.yaml", "{namespace: app, name: note, kind: registry.entry}");
    project.run("run -x app:cli").fails(&["unknown entry kind: registry.entry"]);
    project.write(".wippy.yaml", &config("registry: {dispatch_internal_kinds: app.note}"));
    project.run("run -x app:cli").exits(0).prints(&["started"]);
}

// -- modules ---------------------------------------------------------------------------------------

#[test]
fn modules_are_replaced_by_the_workspace() {
    let project = Project::empty();
    let module = |version: &str| {
        format!(
            "namespace: o.m\nentries:\n\
             - {{name: r, kind: ns.requirement, default: {version}, targets: [{{entry: e, path: v}}]}}\n\
             - {{name: e, kind: registry.entry}}\n"
        )
    };
    let lock = "directories: {src: src}\nmodules: [{name: o/m, version: v1}]\n";
    project.write("wippy.lock", lock);
    project.write("src/a.yaml", "{namespace: app, name: e, kind: registry.entry}");
    project.write(".wippy/vendor/o/m/a.yaml", &module("vendored"));
    project.write("conf/work/src/a.yaml", &module("work"));
    project.write("other/a.yaml", &module("other"));
    let check = |line: &str, expect: &str| {
        let ended = project.run(&format!("registry show o.m:e --field v --raw {line}"));
        let ended = ended.exits(0);
        assert_eq!(ended.stdout, expect, "{ended:#?}");
        ended
    };
    let replacements = "workspace: {replacements: {o/m: work}}\nprofiles:\n  \
                        none: {workspace: {replacements: {o/m: null}}}\n  \
                        other: {workspace.replacements: {o/m: ../other}}\n";
    project.write("conf/c.yaml", &config(replacements));
    check("", "vendored").without(&["WARN"]);
    check("--config conf/c.yaml", "work").without(&["WARN"]);
    check("--config conf/c.yaml --profile other", "other");
    check("--config conf/c.yaml --profile none", "vendored");
    project.write("wippy.lock", &format!("{lock}replacements: [{{from: o/m, to: other}}]\n"));
    check("", "other").says(&["WARN", "deprecated", "workspace.replacements"]);
    check("--config conf/c.yaml", "work");
    check("--config conf/c.yaml --profile none", "vendored");
    // Nothing of this is written down.
    let text = fs::read_to_string(project.path().join("wippy.lock")).unwrap();
    assert!(!text.contains("work"), "{text}");

    project.write("conf/c.yaml", &config("workspace: {replacements: {o/m: gone}}"));
    project.run("registry list --config conf/c.yaml").fails(&["o/m", "conf/gone is no directory"]);
    project.write("conf/c.yaml", &config("workspace: {replacements: {om: gone}}"));
    project.run("registry list --config conf/c.yaml").fails(&["om", "org/module"]);
}

// -- the boot, as the log tells it -----------------------------------------------------------------

#[test]
fn verbose_shows_phases_levels_and_times() {
    let ended = good().run("run -v -x app:cli").exits(0);
    let log = ended.stderr.clone();
    let has_time = |line: &&str| line.contains("\"took\": \"");
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).collect::<Vec<_>>();
    let phases: Vec<&str> = lines("boot phase done");
    assert_eq!(phases.len(), 4, "{log}");
    for (line, phase) in
        phases.iter().zip(["infrastructure", "components", "activation", "entries"])
    {
        assert!(
            line.contains("DEBUG\tboot\t") && line.contains(&format!("\"phase\": \"{phase}\""))
        );
    }
    let levels = lines("level loaded");
    for (n, line) in levels.iter().enumerate() {
        assert!(line.contains(&format!("\"level\": {n},")), "{line}");
    }
    assert!(levels.len() >= 8, "the standard chain has eight levels: {log}");
    let components = lines("component loaded");
    assert_eq!(components.len(), lines("component started").len());
    assert_eq!(components.len(), lines("component stopped").len());
    for group in [phases, levels, components, lines("entries read")] {
        assert!(!group.is_empty() && group.iter().all(has_time), "{log}");
    }
    // The standard chain, each on a level above the one before.
    let level_of = |name: &str| {
        let line = log.lines().find(|line| {
            line.contains("component loaded")
                && line.contains(&format!("\"component\": \"{name}\""))
        });
        let (_, rest) = line.expect(name).split_once("\"level\": ").expect("a level");
        rest.chars().take_while(char::is_ascii_digit).collect::<String>().parse::<u32>().unwrap()
    };
    let chain =
        ["pidgen", "dispatcher", "registry", "supervisor", "topology", "lifecycle", "factory"];
    for (n, name) in chain.into_iter().enumerate() {
        assert_eq!(level_of(name), n as u32, "{name}");
    }
    good().run("run -c -x app:cli").exits(0).without(&["boot phase", "level loaded"]);
}

// -- memory ----------------------------------------------------------------------------------------

/// Keeps some megabytes alive and makes garbage for a while: the program's resident MiB at their most.
#[cfg(target_os = "linux")]
fn resident_at_its_most(line: &str, environment: Option<&str>) -> u64 {
    let project = Project::with_main(
        r#"local alive, garbage = {}, nil
           for i = 1, 600000 do alive[i] = { i, i } end
           for i = 1, 3000000 do garbage = { i, i } end
           io.print("done", #alive)
           io.readline()"#,
    );
    let mut command = project.command(line);
    command.env_remove("GOMEMLIMIT");
    command.envs(environment.map(|value| ("GOMEMLIMIT", value)));
    let mut running = Running::start(command);
    running.expect("done");
    let status = fs::read_to_string(format!("/proc/{}/status", running.child().id()));
    let status = status.expect("it lives");
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line");
    let kib: u64 = most.trim().trim_end_matches(" kB").parse().expect("a number");
    let _ = running.child().kill();
    kib >> 10
}

#[cfg(target_os = "linux")]
#[test]
fn a_memory_limit_makes_collectors_thorough() {
    let flag = resident_at_its_most("-m 1M run -x app:cli", None);
    let environment = resident_at_its_most("run -x app:cli", Some("1M"));
    let without = resident_at_its_most("-m 1T run -x app:cli", Some("1M"));
    let most = without * 9 / 10;
    assert!(flag < most, "{flag} MiB with a flag, {without} MiB without a limit");
    assert!(environment < most, "{environment} MiB by environment, {without} MiB without a limit");
}
