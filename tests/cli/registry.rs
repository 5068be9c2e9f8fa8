//! `wippy registry`: the entries of a project, without starting it.

use crate::project::Project;

/// Sources are never compiled here, so they may be nonsense.
fn sample() -> Project {
    let project = Project::with_entries(
        "  - name: cli
    kind: process.lua
    meta: {stage: dev, rank: 2, tags: [red, blue], title: Start page}
    source: |
      = = =
      end
    modules: [io]
  - {name: gate, kind: http.service, addr: ':8080', pool: {size: 4}}
",
    );
    project.write("src/more.yaml", "namespace: app.more\nname: gate\nkind: http.service\n");
    project
}

#[test]
fn list_as_a_table() {
    let expect = "\
ID             KIND
----------------------------
app.more:gate  http.service
app:cli        process.lua
app:gate       http.service
app:processes  process.host
app:terminal   terminal.host

Total: 5 entries
";
    let ended = sample().run("registry list").exits(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), (expect, ""));
    let project = sample();
    let nothing = project.run("registry list -k no.such").exits(0);
    assert_eq!(nothing.stdout, "No entries found\n");
}

#[test]
fn filters() {
    let project = sample();
    let check = |flags: &str, ids: &[&str]| {
        let ended = project.run(&format!("registry list {flags}")).exits(0);
        let shown: Vec<&str> = ended
            .stdout
            .lines()
            .filter_map(|line| line.split_whitespace().next().filter(|id| id.contains("app")))
            .collect();
        assert_eq!(shown, ids, "{flags}");
    };
    check("-k process.*", &["app:cli", "app:processes"]);
    check("--kind *.host", &["app:processes", "app:terminal"]);
    check("-n app --name gate", &["app:gate"]);
    check("-n app* --name *at*", &["app.more:gate", "app:gate"]);
    check("--meta stage=dev", &["app:cli"]);
    check("--meta rank=2 --meta title^Start", &["app:cli"]);
    check("--meta rank=3", &[]);
    check("--meta tags*blu", &["app:cli"]);
    check("--meta title~^S.*e$", &["app:cli"]);
    check("--meta title$page --meta stage=live", &[]);
    check("-k http.service --set override.app:gate:kind=x.y", &["app.more:gate"]);

    project.run("registry list --meta stage").fails(&["invalid --meta \"stage\"", "F=V"]);
    project.run("registry list --meta a~(").fails(&["invalid --meta \"a~(\""]);
    project.run("registry list --json --yaml").fails(&["--json", "--yaml"]);
}

#[test]
fn list_for_programs() {
    let project = sample();
    let json = project.run("registry list -k process.* --json").exits(0).stdout;
    let expect = r#"[
  {
    "meta": {
      "stage": "dev",
      "rank": 2,
      "tags": [
        "red",
        "blue"
      ],
      "title": "Start page"
    },
    "id": "app:cli",
    "kind": "process.lua"
  },
  {
    "id": "app:processes",
    "kind": "process.host"
  }
]
"#;
    assert_eq!(json, expect);
    let yaml = project.run("registry list --name gate --yaml").exits(0).stdout;
    assert_eq!(
        yaml,
        "- id: app.more:gate\n  kind: http.service\n- id: app:gate\n  kind: http.service\n"
    );
    assert_eq!(project.run("registry list -n none --json").exits(0).stdout, "[]\n");
}

#[test]
fn show_one() {
    let project = sample();
    let expect = "\
ID:   app:cli
Kind: process.lua

Metadata:
  rank: 2
  stage: dev
  tags: [\"red\",\"blue\"]
  title: Start page

Data:
  source: |
    = = =
    end
  modules:
  - io
";
    assert_eq!(project.run("registry show app:cli").exits(0).stdout, expect);
    assert_eq!(project.run("registry show cli").exits(0).stdout, expect);
    let json = project.run("registry show app:gate --json").exits(0).stdout;
    let expect = r#"{
  "data": {
    "addr": ":8080",
    "pool": {
      "size": 4
    }
  },
  "id": "app:gate",
  "kind": "http.service",
  "meta": {}
}
"#;
    assert_eq!(json, expect);
    let yaml = project.run("registry show app:gate --yaml").exits(0).stdout;
    let expect =
        "data:\n  addr: :8080\n  pool:\n    size: 4\nid: app:gate\nkind: http.service\nmeta: {}\n";
    assert_eq!(yaml, expect);
}

#[test]
fn show_a_field() {
    let project = sample();
    let show =
        |flags: &str| project.run(&format!("registry show app:gate {flags}")).exits(0).stdout;
    assert_eq!(show("-f addr"), ":8080\n");
    assert_eq!(show("-f addr --raw"), ":8080");
    assert_eq!(show("-f addr --json"), "\":8080\"\n");
    assert_eq!(show("-f pool"), "size: 4\n");
    let ended = project.run("registry show app:gate -f adr");
    ended.fails(&["field \"adr\" not found in entry data", "addr?"]);
}

#[test]
fn show_what_is_not_there() {
    let project = sample();
    project.run("registry show app:clo").fails(&["entry not found: app:clo", "app:cli?"]);
    project.run("registry show clo").fails(&["entry not found: clo", "cli?"]);
    let words = ["ambiguous entry name \"gate\", use full ID (namespace:name)"];
    project.run("registry show gate").fails(&words);
    project.run("registry show").fails(&["missing argument", "ID"]);
}
