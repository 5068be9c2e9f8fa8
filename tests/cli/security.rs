//! `security.strict_mode` and `lifecycle.security`, as an application sets them.

use std::process::Stdio;

use rustix::process::Signal;

use crate::project::{Project, Running};

const ENTRIES: &str =
    "  - {name: job, kind: process.lua, source: file://job.lua, modules: [logger, funcs, security]}
  - {name: child, kind: process.lua, source: file://child.lua}
  - {name: double, kind: function.lua, source: file://double.lua, method: main, modules: [security]}
  - name: all
    kind: security.policy
    policy: {actions: '*', resources: '*', effect: allow}
  - name: no-messages
    kind: security.policy
    policy: {actions: process.send, resources: '*', effect: deny}
    groups: [quiet]
  - name: known
    kind: process.service
    process: job
    host: app:processes
    input: [known]
    lifecycle:
      auto_start: true
      security: {actor: {id: svc}, policies: ['app:all'], groups: ['app:quiet']}
  - name: unknown
    kind: process.service
    process: job
    host: app:processes
    input: [unknown]
    lifecycle: {auto_start: true}
";

const JOB: &str = r#"
local logger, security = require("logger"), require("security")
return {main = function(who)
    local pid, spawned = process.spawn("app:child", "app:processes")
    local _, sent = process.send(process.pid(), "t")
    local doubled, called = funcs.call("app:double", 4)
    local actor = security.actor()
    logger:info("job says", {
        who = who,
        summary = table.concat({
            who, actor and actor:id() or "nobody",
            pid and "spawned" or spawned:kind(),
            sent and sent:kind() or "sent",
            doubled and tostring(doubled) or called:kind(),
        }, " "),
    })
    process.events():receive()
end}
"#;

/// What both services say, with these settings.
fn summaries(settings: &str) -> Vec<String> {
    let project = Project::with_entries(ENTRIES);
    project.write(".wippy.yaml", &format!("version: \"1.0\"\n{settings}"));
    project.write("src/job.lua", JOB);
    project.write("src/child.lua", "return {main = function() end}");
    let double = "return {main = function(x) return x * 2 .. security.actor():id() end}";
    project.write("src/double.lua", double);
    let mut command = project.command("run");
    command.stdin(Stdio::null());
    let mut running = Running::start(command);
    let mut found: Vec<String> = (0..2)
        .map(|_| {
            let line = running.expect("job says");
            line.split("\"summary\": \"")
                .nth(1)
                .and_then(|rest| rest.split('"').next())
                .map_or_else(|| line.clone(), str::to_owned)
        })
        .collect();
    running.signal(Signal::INT);
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    found.sort();
    found
}

#[test]
fn a_service_acts_as_its_entry_says() {
    let strict = summaries("security: {strict_mode: true}\n");
    assert_eq!(strict[0], "known svc spawned PermissionDenied 8svc");
    let denied = "PermissionDenied";
    assert_eq!(strict[1], format!("unknown nobody {denied} {denied} {denied}"));
    // Without it, who has no identity may do everything; who has one may do what it says.
    let lenient = summaries("");
    assert_eq!(lenient[0], strict[0]);
    assert!(lenient[1].starts_with("unknown nobody spawned sent"), "{lenient:?}");
}
