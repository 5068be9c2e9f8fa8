//! The registry's history as configured: which store, where, and what a broken one says.

use crate::project::{Ended, Project};

/// Runs a program of one line with these settings under `registry`.
fn run(project: &Project, settings: &str) -> Ended {
    let text = format!("version: \"1.0\"\nregistry: {settings}\n");
    project.write(".wippy.yaml", &text);
    project.run("run -x app:cli -v")
}

fn project() -> Project {
    Project::with_main("io.print(\"ran\")\nreturn 0")
}

#[track_caller]
fn files(project: &Project, folder: &str) -> Vec<String> {
    let Ok(read) = std::fs::read_dir(project.path().join(folder)) else { return Vec::new() };
    read.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn sqlite_keeps_one_file_between_runs() {
    let project = project();
    for _ in 0..2 {
        run(&project, "{history_type: sqlite}").exits(0).prints(&["ran"]);
        // Closed: no log beside it.
        assert_eq!(files(&project, ".wippy"), ["registry.db"]);
    }
    run(&project, "{history_type: sqlite, history_path: data/deep/versions.db}").exits(0);
    assert_eq!(files(&project, "data/deep"), ["versions.db"]);
}

#[test]
fn without_sqlite_there_is_no_file() {
    let project = project();
    for settings in ["{}", "{history_type: nil}", "{history_type: sqlite, enable_history: false}"] {
        run(&project, settings).exits(0).prints(&["ran"]);
        assert_eq!(files(&project, ".wippy"), [""; 0], "{settings}");
    }
}

#[test]
fn a_type_nobody_knows_is_reported() {
    let project = project();
    let ended = run(&project, "{history_type: papyrus}").exits(0).prints(&["ran"]);
    ended.says(&["unknown registry history type, versions are kept in memory", "papyrus"]);
    let words = ["failed to load component: registry", "postgres is not supported, use sqlite"];
    run(&project, "{history_type: postgres}").exits(1).says(&words);
}

#[test]
fn a_file_that_cannot_be_used_ends_the_start() {
    let project = project();
    project.write(".wippy/registry.db", &"no database at all, ".repeat(100));
    let words = ["open history file .wippy/registry.db", "file is not a database"];
    run(&project, "{history_type: sqlite}").exits(1).says(&words);
    project.write("data/registry.db/x", "");
    let words = ["open history file data/registry.db", "unable to open database file"];
    run(&project, "{history_type: sqlite, history_path: data/registry.db}").exits(1).says(&words);
}
