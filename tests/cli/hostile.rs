//! Input made to do harm: whatever it is, the program says what is wrong, soon, and in one piece.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use crate::project::{Project, run};

/// Much longer than any of these takes, much shorter than those that do not end.
const SOON: Duration = Duration::from_secs(20);

fn good() -> Project {
    Project::with_main("io.print('started')")
}

/// Each level names the one before nine times.
fn bomb() -> String {
    (1..40).fold("a0: &a0 [x]\n".to_owned(), |text, n| {
        let before = format!("*a{}, ", n - 1).repeat(9);
        format!("{text}a{n}: &a{n} [{before}]\n")
    })
}

/// Texts that are YAML, more or less.
fn hostile_texts() -> Vec<(&'static str, String)> {
    vec![
        ("bomb", bomb()),
        ("merges", format!("{}x: {{<<: [*m, *m]}}\n", "m: &m {a: 1}\n")),
        ("itself", "a: &a [*a]\n".to_owned()),
        ("deep", format!("a: {}\n", "[".repeat(200_000))),
        ("deep maps", format!("a: {}\n", "{b: ".repeat(100_000))),
        ("deep blocks", format!("a:\n{}x\n", "- ".repeat(100_000))),
        ("indented", (0..2_000).map(|n| format!("{}a:\n", " ".repeat(n))).collect()),
        ("no end", "a: \"".to_owned() + &"x".repeat(1 << 20)),
        ("controls", "a: \u{1}\u{2}\n".to_owned()),
        ("anchors", "a: *nowhere\n".to_owned()),
        ("tabs", "\ta: 1\n".to_owned()),
    ]
}

#[test]
fn entry_files() {
    let project = good();
    for (i, (_, text)) in hostile_texts().iter().enumerate() {
        project.write(&format!("src/bad{i:02}.yaml"), &format!("namespace: bad\n{text}"));
        project.write(&format!("src/bad{i:02}.json"), text);
    }
    let depth = 100_000;
    let json =
        format!("{{\"namespace\": \"bad\", \"x\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
    project.write("src/deep.json", &json);
    let began = Instant::now();
    let ended = project.run("run -s -x app:cli").exits(0).prints(&["started"]);
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    for (i, (name, _)) in hostile_texts().iter().enumerate() {
        for extension in ["yaml", "json"] {
            let file = format!("src/bad{i:02}.{extension}:");
            assert!(ended.stderr.contains(&file), "{name}: {file}");
        }
    }
    assert!(ended.stderr.contains("src/deep.json:"), "{}", ended.stderr);
    let longest = ended.stderr.lines().map(|line| line.chars().count()).max();
    assert!(longest < Some(300), "lines are cut: {longest:?}");
}

#[test]
fn configuration_and_lock_files() {
    let began = Instant::now();
    for (name, text) in hostile_texts() {
        let project = good();
        project.write(".wippy.yaml", &format!("version: \"1.0\"\nx:\n  b: 1\n{text}"));
        project.run("run -x app:cli").fails(&["Error: ", ".wippy.yaml"]);
        let project = good();
        project.write("wippy.lock", &text);
        let ended = project.run("run -x app:cli");
        match name {
            // Nothing is wrong with it, and a lock file may have keys that nobody knows.
            "merges" => ended.exits(0).prints(&["started"]),
            _ => ended.fails(&["Error: ", "wippy.lock"]),
        };
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());

    let project = good();
    let vars = (0..12).map(|n| format!("  v{n}: '{}'\n", format!("${{v{}}}", n + 1).repeat(50)));
    let vars: String = vars.collect::<String>() + "  v12: x\n";
    project.write(".wippy.yaml", &format!("version: \"1.0\"\nvars:\n{vars}"));
    project.run("run -x app:cli").fails(&["vars.v0", "grows too long"]);
    project.write(".wippy.yaml", "version: \"1.0\"\nvars: {a: '${b}', b: '${a}'}\n");
    project.run("run -x app:cli").fails(&["refers to itself"]);
    // Written like this, a key may be as long as the file.
    let key = "a.".repeat(500_000);
    let text = format!("version: \"1.0\"\nx:\n  ? {key}x\n  : 1\n  ? {key}y\n  : 2\n");
    project.write(".wippy.yaml", &text);
    project.run("run -x app:cli").fails(&["is longer than 1024 bytes", ".wippy.yaml"]);
    fs::write(project.path().join(".wippy.yaml"), b"version: \"1.0\"\n# \xff\n").unwrap();
    project.run("run -x app:cli").fails(&["yaml: line 2: file is not valid UTF-8"]);
}

#[test]
fn files_larger_than_any_project_needs() {
    let project = good();
    let sparse = |name: &str, bytes: u64| {
        File::create(project.path().join(name)).unwrap().set_len(bytes).unwrap();
    };
    sparse("src/big.yaml", 1 << 40);
    sparse("src/big.lua", 1 << 40);
    project.write(
        "src/names_it.yaml",
        "namespace: bad\nname: x\nkind: process.lua\nsource: file://big.lua\n",
    );
    let ended = project.run("run -x app:cli").exits(0).prints(&["started"]);
    ended.says(&[
        "src/big.yaml: ",
        "larger than 16 MiB",
        "names_it.yaml:4:9",
        "larger than 64 MiB",
    ]);
    sparse(".wippy.yaml", 1 << 40);
    project.run("run -x app:cli").fails(&[".wippy.yaml", "larger than 4 MiB"]);
    fs::remove_file(project.path().join(".wippy.yaml")).unwrap();
    sparse("wippy.lock", 1 << 40);
    project.run("run -x app:cli").fails(&["wippy.lock", "larger than 4 MiB"]);
}

#[test]
fn sources_that_lead_elsewhere() {
    let project = good();
    let entry = |name: &str, source: &str| {
        let text = format!("namespace: bad\nname: x\nkind: process.lua\nsource: {source}\n");
        project.write(&format!("src/{name}.yaml"), &text);
    };
    let path = project.path();
    // Links in a circle, a link out of the sources, a pipe that nobody writes to, a directory.
    symlink("b.lua", path.join("src/a.lua")).unwrap();
    symlink("a.lua", path.join("src/b.lua")).unwrap();
    symlink("/etc/passwd", path.join("src/out.lua")).unwrap();
    symlink("..", path.join("src/up")).unwrap();
    let pipe = path.join("src/pipe.lua");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    for (name, source, _) in SOURCES {
        entry(name, source);
    }
    let ended = project.run("run -s -x app:cli").exits(0).prints(&["started"]);
    for (name, source, reason) in SOURCES {
        let lines: Vec<&str> = ended.stderr.lines().collect();
        let found = lines.iter().find(|line| line.contains(&format!("src/{name}.yaml:4:9: ")));
        let found = found.unwrap_or_else(|| panic!("{source}: {ended:#?}"));
        assert!(found.contains(reason), "{source}: {found}");
    }
}

const SOURCES: [(&str, &str, &str); 8] = [
    ("circle", "file://a.lua", "cannot read the file"),
    ("link", "file://out.lua", "a link that leaves the source directory"),
    ("through", "file://up/wippy.lock", "a link that leaves the source directory"),
    ("pipe", "file://pipe.lua", "not a regular file"),
    ("directory", "file:///.", "not a regular file"),
    ("above", "file://../../../../etc/passwd", "the path leaves the source directory"),
    ("nothing", "file://", "the path is empty"),
    ("nul", "\"file://a\\0b\"", "cannot read the file"),
];

#[test]
fn a_source_is_text_and_no_reference() {
    // Two files that name each other: neither is looked into.
    let project = Project::with_cli("file://other.lua");
    project.write("src/other.lua", "file://cli.lua");
    project.run("run -x app:cli").fails(&["app:cli:1:6: ", "file://other.lua"]);
    // Luau takes bytes, the entry does not.
    let project = good();
    fs::write(project.path().join("src/cli.lua"), b"return { main = '\xff' }").unwrap();
    project.run("run -x app:cli").fails(&["app:cli", "source"]);
}

#[test]
fn arguments() {
    let check = |args: &[&OsStr], words: &[&str]| {
        let mut command = good().command("run -x app:cli");
        let project = good();
        command.current_dir(project.path()).args(args);
        let began = Instant::now();
        run(command, b"").fails(words);
        assert!(began.elapsed() < SOON);
    };
    let text = |text: &str| OsStr::new(text).to_owned();
    let deep = format!("app:cli:{}z=1", "a.".repeat(50_000));
    check(&[&text("-o"), &text(&deep)], &["invalid override", "more than 100 segments"]);
    let deep = format!("{}z=1", "a.".repeat(50_000));
    check(&[&text("--set"), &text(&deep)], &["is longer than 1024 bytes"]);
    let commas = ",".repeat(100_000);
    check(&[&text("-o"), &text(&commas)], &["missing separator '='"]);
    let quotes = "\"".repeat(99_999);
    check(&[&text("-o"), &text(&quotes)], &["invalid override"]);
    let invalid = OsStr::from_bytes(b"app:cli:x=\xff");
    check(&[&text("-o"), invalid], &["Error: ", "UTF-8"]);
    check(&[&text("--set"), OsStr::from_bytes(b"a.b=\xff")], &["Error: ", "UTF-8"]);
    check(&[&text("--profile"), &text("\u{1b}[2J")], &["unknown profile \"\\u{1b}[2J\""]);
}
