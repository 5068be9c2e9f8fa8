//! Services as the supervisor keeps them, seen in the log and by programs.

use std::process::Stdio;

use rustix::process::Signal;

use crate::project::{CLI, Project, Running};

fn service(lifecycle: &str) -> String {
    format!(
        "  - {{name: job, kind: process.lua, source: file://job.lua, modules: [logger, errors]}}
  - name: job-service
    kind: process.service
    process: job
    host: app:processes
    input: [from the entry, 7]
    lifecycle: {{auto_start: true, {lifecycle}}}
"
    )
}

/// Starts the services of a project whose `app:job` has this body.
fn start(flags: &str, lifecycle: &str, body: &str) -> (Project, Running) {
    let project = Project::with_entries(&service(lifecycle));
    project.write(
        "src/job.lua",
        &format!(
            "local logger = require('logger')\nreturn {{ main = function(...)\n{body}\nend }}\n"
        ),
    );
    let mut command = project.command(&format!("run {flags}"));
    command.stdin(Stdio::null());
    (project, Running::start(command))
}

#[track_caller]
fn stop(mut running: Running) -> Vec<String> {
    running.signal(Signal::INT);
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    lines
}

const QUICK: &str = "restart: {initial_delay: 10ms, max_delay: 40ms}";

#[test]
fn a_service_that_raises_is_restarted() {
    let body = "logger:info('job runs', {pid = process.pid(), args = {...}}) error('no cheese')";
    let (_project, running) = start("", QUICK, body);
    let mut pids = Vec::new();
    for _ in 0..4 {
        let line = running.expect("job runs");
        assert!(line.contains("from the entry") && line.contains('7'), "{line}");
        pids.push(line);
        let line = running.expect("service app:job-service is failed");
        assert!(line.contains("ERROR") && line.contains("no cheese"), "{line}");
    }
    let distinct: std::collections::HashSet<&str> = pids
        .iter()
        .map(|line| line.split("{app:processes|").nth(1).and_then(|rest| rest.get(..7)).unwrap())
        .collect();
    assert_eq!(distinct.len(), 4, "a new PID each time: {pids:#?}");
    stop(running);
}

/// Whatever it raises: the log says in a line that it has failed, and all else goes on.
#[test]
fn errors_that_are_hard_to_tell() {
    for (body, says) in [
        ("error(setmetatable({}, {__tostring = error}))", "table value"),
        ("error(setmetatable({}, {__tostring = function() while true do end end}))", "table value"),
        ("local t = {} t.t = t error(t)", "table value"),
        ("local t = {} t.t = t error(errors.new{message = 'odd', details = {t = t}})", "odd"),
        ("error(coroutine.create(print))", "thread value"),
        ("error(string.rep('long', 1e6))", "longlong"),
        ("error('\\0\\27[2J\\255\\n')", "app:job"),
        ("coroutine.spawn(function() error('inner') end) channel.new():receive()", "inner"),
        ("coroutine.wrap(function() coroutine.wrap(error)('inmost') end)()", "inmost"),
        ("local function f() return f() + 1 end f()", "stack overflow"),
        ("error()", "nil value"),
    ] {
        let (_project, running) = start("", QUICK, &format!("logger:info('job runs') {body}"));
        for _ in 0..2 {
            running.expect("job runs");
            let line = running.expect("service app:job-service is failed");
            assert!(line.contains(says) && line.contains("ERROR"), "{body}: {:.300}", line);
        }
        stop(running);
    }
}

#[test]
fn attempts_are_counted() {
    let lifecycle = "restart: {initial_delay: 1ms, max_delay: 2ms, max_attempts: 3}";
    let (_project, running) = start("", lifecycle, "logger:info('job runs') error('no cheese')");
    for _ in 0..3 {
        running.expect("job runs");
        running.expect("service app:job-service is failed");
    }
    let rest = stop(running);
    assert!(!rest.iter().any(|line| line.contains("job runs")), "{rest:#?}");
}

#[test]
fn results_that_end_a_service_for_good() {
    for result in ["return nil, 'no cheese'", "return 0", "return"] {
        let body = format!("logger:info('job runs')\n{result}");
        let (_project, running) = start("", QUICK, &body);
        running.expect("job runs");
        running.expect("service app:job-service is exited");
        let rest = stop(running);
        assert!(!rest.iter().any(|line| line.contains("job runs")), "{result}: {rest:#?}");
    }
}

#[test]
fn a_service_that_cannot_start_harms_nothing() {
    let project = Project::with_entries(&service(QUICK).replace("process: job", "process: jop"));
    project.write("src/job.lua", "return { main = function() end }");
    let mut command = project.command("run");
    command.stdin(Stdio::null());
    let running = Running::start(command);
    let line = running.expect("service did not start");
    assert!(line.contains("app:job-service") && line.contains("app:jop"), "{line}");
    stop(running);
}

/// What ignores CANCEL gets `stop_timeout`, no more.
#[test]
fn a_stop_timeout_is_kept() {
    let body = "logger:info('job runs') while true do process.events():receive() end";
    let (_project, running) = start("", "stop_timeout: 50ms", body);
    running.expect("job runs");
    let lines = stop(running);
    let timeout = lines.iter().any(|line| line.contains("stop timeout after 50ms"));
    assert!(timeout, "{lines:#?}");
}

#[test]
fn verbose_shows_the_boot() {
    let (_project, running) = start("-v", QUICK, "process.events():receive()");
    let levels = running.expect("level loaded");
    assert!(levels.contains("DEBUG") && levels.contains("level"), "{levels}");
    for phase in ["components", "activation", "entries"] {
        let line = running.expect(&format!("{{\"phase\": \"{phase}\""));
        assert!(line.contains("DEBUG") && line.contains("boot phase done"), "{line}");
    }
    running.expect("runtime ready");
    stop(running);
}

/// What the end of a process means for its service: the rows of the specification's table.
#[test]
fn each_end_of_a_child_has_its_meaning() {
    let error = |retryable: &str| {
        format!(
            "logger:info('job runs')
             return nil, require('errors').new({{message = 'no cheese', retryable = {retryable}}})"
        )
    };
    let linked = "logger:info('job runs')
        if select('#', ...) == 0 then error('partner') end
        process.spawn_linked('app:job', 'app:processes')
        process.inbox():receive()";
    let rows = [
        (error("true"), "failed", "no cheese"),
        (error("nil"), "failed", "no cheese"),
        (error("false"), "exited", "no cheese"),
        ("logger:info('job runs') return nil, 'no cheese'".into(), "exited", "no cheese"),
        ("logger:info('job runs') return {a = 1}".into(), "exited", "service exited"),
        ("logger:info('job runs') return false".into(), "exited", "service exited"),
        ("logger:info('job runs') error({})".into(), "failed", "ERROR"),
        (linked.into(), "failed", "linked process failed"),
    ];
    for (body, status, details) in rows {
        let (_project, running) = start("", QUICK, &body);
        running.expect("job runs");
        let line = running.expect(&format!("service app:job-service is {status}"));
        assert!(line.contains(details), "{body}: {line}");
        if status == "failed" {
            running.expect("service app:job-service is running");
        }
        let rest = stop(running);
        let again = rest.iter().any(|line| line.contains("job-service is starting"));
        assert!(status == "failed" || !again, "{body}: {rest:#?}");
    }
}

#[test]
fn a_child_that_does_not_come_to_be_is_not_tried_again() {
    let ok = "return { main = function() end }";
    let rows = [
        ("process: job", "process: jop", ok, "factory not found"),
        ("host: app:processes", "host: app:nowhere", ok, "host not found"),
        ("process: job", "process: job", "error('no cheese')", "no cheese"),
        ("process: job", "process: job", "return {}", "not found in module"),
    ];
    for (from, to, chunk, reason) in rows {
        let project = Project::with_entries(&service(QUICK).replace(from, to));
        project.write("src/job.lua", chunk);
        let mut command = project.command("run");
        command.stdin(Stdio::null());
        let running = Running::start(command);
        let line = running.expect("service app:job-service is exited");
        assert!(line.contains("ERROR") && line.contains(reason), "{to}, {chunk}: {line}");
        let line = running.expect("service did not start");
        assert!(line.contains("app:job-service") && line.contains(reason), "{line}");
        stop(running);
    }
}

/// Dependencies are started with what needs them, whether it says so or only refers to them.
#[test]
fn a_host_is_started_for_its_service() {
    let entries = service(QUICK).replace("app:processes", "app:idle");
    let project =
        Project::with_entries(&format!("  - {{name: idle, kind: process.host}}\n{entries}"));
    project.write("src/job.lua", "return { main = function() process.events():receive() end }");
    let mut command = project.command("run");
    command.stdin(Stdio::null());
    let running = Running::start(command);
    running.expect("service app:idle is running");
    running.expect("service app:job-service is running");
    stop(running);
}

/// A project whose `app:cli` watches services; `body` may `wait(service, status)` for the data of a
/// change, `send(kind, service)`, and wait for a [`NAMED_JOB`] to be `up(name)`.
fn watched(entries: &str, body: &str) -> Project {
    let project = Project::with_entries(&(CLI.replace("registry", "registry, system") + entries));
    project.write(
        "src/cli.lua",
        &format!(
            "local io, events, registry = require('io'), require('events'), require('registry')
             local states
             local function wait(service, status)
               while true do
                 local event = states:receive()
                 if event.path == service and event.kind == 'state.' .. status then
                   return event.data
                 end
               end
             end
             local function send(kind, service) assert(events.send('supervisor', kind, service)) end
             local function up(name)
               repeat local said = process.inbox():receive():payload():data() until said == name
               return assert(process.registry.lookup(name))
             end
             local function main()
               assert(process.registry.register('cli'))
               states = assert(events.subscribe('supervisor', 'state.*')):channel()
               {body}
             end
             return {{ main = main }}"
        ),
    );
    project
}

const MANUAL: &str = "  - {name: job, kind: process.lua, source: file://job.lua}
  - {name: db, kind: process.service, process: job, host: app:processes, input: [db]}
  - {name: web, kind: process.service, process: job, host: app:processes, input: [web],
     lifecycle: {depends_on: [db], stable_threshold: 1h, restart: {initial_delay: 1ms}}}
";

const NAMED_JOB: &str = "return { main = function(name)
    assert(process.registry.register(name))
    process.send('cli', 'up', name)
    process.events():receive()
end }";

#[test]
fn programs_start_stop_and_watch_services() {
    let project = watched(
        MANUAL,
        "send('service.start', 'app:web')
         wait('app:db', 'running')
         local data = wait('app:web', 'running')
         local web = up('web')
         io.print('up', data.status, data.desired, data.details, data.retry_count)
         io.print('times', data.started_at > 1.7e9, data.last_update >= data.started_at)

         assert(process.terminate(web))
         local data = wait('app:web', 'failed')
         io.print('down', data.status, data.desired, data.retry_count, tostring(data.details))
         io.print('again', wait('app:web', 'starting').details, wait('app:web', 'running').status)
         io.print('another process', up('web') ~= web)

         send('service.stop', 'app:nobody')
         send('service.stop', 'app:db')
         io.print('stop', wait('app:web', 'stopping').desired, wait('app:web', 'stopped').status)
         io.print('then', wait('app:db', 'stopped').status)",
    );
    project.write("src/job.lua", NAMED_JOB);
    let ended = project.run("run -x app:cli").exits(0);
    let wanted = "up\trunning\trunning\tnil\t0
times\ttrue\ttrue
down\tfailed\trunning\t1\tprocess terminated
again\tattempt 2\trunning
another process\ttrue
stop\tstopped\tstopped
then\tstopped
";
    assert_eq!(ended.stdout, wanted, "{}", ended.stderr);
}

#[test]
fn services_follow_the_registry() {
    let project = watched(
        MANUAL,
        "local function apply(change)
           local changes = registry.snapshot():changes()
           change(changes)
           return changes:apply()
         end
         local function entry(name, input, lifecycle)
           return {id = 'app:' .. name, kind = 'process.service', data = {
             process = 'job', host = 'app:processes', input = {input}, lifecycle = lifecycle}}
         end
         apply(function(c) c:create(entry('new', 'first', {auto_start = true})) end)
         wait('app:new', 'running')
         local first = up('first')
         apply(function(c) c:update(entry('new', 'second', {auto_start = true})) end)
         io.print('as it was', process.registry.lookup('first') == first)
         assert(process.terminate(first))
         wait('app:new', 'failed') wait('app:new', 'running')
         io.print('changed', process.registry.lookup('first'), up('second') ~= nil)

         local _, err = apply(function(c) c:update(entry('new', 'x', {stop_timeout = 'soon'})) end)
         io.print('refused', err ~= nil)
         local _, err = apply(function(c)
           c:create(entry('never', 'never', {auto_start = true}))
           c:delete('app:nobody')
         end)
         io.print('refused', err ~= nil)
         apply(function(c)
           c:delete('app:new')
           c:create(entry('newer', 'newer', {auto_start = true}))
         end)
         wait('app:new', 'stopped') wait('app:newer', 'starting') wait('app:newer', 'running')
         io.print('replaced', process.registry.lookup('second'), (process.registry.lookup('never')))",
    );
    project.write("src/job.lua", NAMED_JOB);
    let ended = project.run("run -x app:cli").exits(0);
    let wanted = "as it was\ttrue
changed\tnil\ttrue
refused\ttrue
refused\ttrue
replaced\tnil\tnil
";
    assert_eq!(ended.stdout, wanted, "{}", ended.stderr);
}

/// After its stop timeout a service is abandoned, and its process ended.
#[test]
fn what_does_not_stop_is_ended() {
    let entries = MANUAL.replace("input: [db]", "input: [db], lifecycle: {stop_timeout: 30ms}");
    let project = watched(
        &entries,
        "send('service.start', 'app:db')
         wait('app:db', 'running')
         local pid = up('db')
         process.monitor(pid)
         send('service.stop', 'app:db')
         local data = wait('app:db', 'failed')
         io.print(data.details, data.desired)
         local event = process.events():receive()
         io.print(event.kind, event.from == pid, tostring(event.result.error))
         send('service.start', 'app:db')
         io.print(wait('app:db', 'running').status)",
    );
    let stubborn = NAMED_JOB
        .replace("process.events():receive()", "process.events():receive() while true do end");
    project.write("src/job.lua", &stubborn);
    let ended = project.run("run -x app:cli").exits(0);
    let wanted = "stop timeout after 30ms\tstopped
pid.exit\ttrue\tprocess terminated
running
";
    assert_eq!(ended.stdout, wanted, "{}", ended.stderr);
}

/// `started` and `stopped` of system `process`: who, where, of whom, and how it ended.
#[test]
fn processes_are_announced() {
    let entries = "  - {name: job, kind: process.lua, source: file://job.lua}
  - {name: svc, kind: process.service, process: job, host: app:processes, input: [svc]}
";
    let project = watched(
        entries,
        "local processes = assert(events.subscribe('process', '*')):channel()
         local function show(event)
           local d = event.data
           local parent = d.parent and d.parent == process.pid()
           io.print(event.kind, d.id, d.host, parent, d.error)
           return event.path
         end
         local child = process.spawn_monitored('app:job', 'app:processes', 'child')
         io.print(show(processes:receive()) == child)
         assert(process.terminate(child))
         process.events():receive()
         io.print(show(processes:receive()) == child)
         send('service.start', 'app:svc')
         show(processes:receive())
         send('service.stop', 'app:svc')
         show(processes:receive())",
    );
    project.write("src/job.lua", NAMED_JOB);
    let ended = project.run("run -x app:cli").exits(0);
    let wanted = "started\tapp:job\tapp:processes\ttrue\tnil
true
stopped\tapp:job\tapp:processes\tnil\tprocess terminated
true
started\tapp:job\tapp:processes\tnil\tnil
stopped\tapp:job\tapp:processes\tnil\tnil
";
    assert_eq!(ended.stdout, wanted, "{}", ended.stderr);
}

#[test]
fn a_host_changes_in_place() {
    let project = watched(
        MANUAL,
        "send('service.start', 'app:db')
         wait('app:db', 'running')
         local db = up('db')
         local function update(data)
           local changes = registry.snapshot():changes()
           changes:update({id = 'app:processes', kind = 'process.host', data = data})
           local version, err = changes:apply()
           io.print(version ~= nil, err and tostring(err):match('app:processes: (.*)$'))
         end
         local lifecycle = {auto_start = true}
         update({lifecycle = lifecycle, host = {isolated = true, workers = 3, memory_limit = '1M'}})
         update({lifecycle = lifecycle, host = {queue_size = 9}})
         update({lifecycle = {auto_start = false}})
         update({lifecycle = lifecycle, host = {workers = -1}})
         io.print('same process', process.registry.lookup('db') == db)
         local hungry = process.spawn_monitored('app:hungry', 'app:processes')
         io.print(tostring(process.events():receive().result.error))",
    );
    project.edit(
        "src/_index.yaml",
        "  - {name: job, kind: process.lua, source: file://job.lua}",
        "  - {name: job, kind: process.lua, source: file://job.lua}
  - {name: hungry, kind: process.lua, source: file://hungry.lua}",
    );
    project.write(
        "src/hungry.lua",
        "return { main = function()
            local kept = {}
            for i = 1, 1e6 do kept[i] = {i} end
        end }",
    );
    project.write("src/job.lua", NAMED_JOB);
    let ended = project.run("run -x app:cli").exits(0);
    let wanted = "true\tnil
false\tqueue sizes of a host cannot be changed while it is there
false\tlifecycle of a host cannot be changed while it is there
false\tworkers must be greater than 0
same process\ttrue
memory limit exceeded
";
    assert_eq!(ended.stdout, wanted, "{}", ended.stderr);
}

#[test]
fn a_service_acts_as_its_lifecycle_says() {
    let policy = "policy: {actions: read, resources: 'file*', effect: allow}";
    let entries = format!(
        "  - {{name: job, kind: process.lua, source: file://job.lua, modules: [security, logger]}}
  - {{name: readers, kind: security.policy, groups: [staff], {policy}}}
  - name: secured
    kind: process.service
    process: job
    host: app:processes
    lifecycle:
      auto_start: true
      security: {{actor: {{id: svc, meta: {{team: sales}}}}, groups: ['app:staff', 'app:nobody']}}
"
    );
    let project = Project::with_entries(&entries);
    project.write(
        "src/job.lua",
        "local security, logger = require('security'), require('logger')
         return { main = function()
           local actor = security.actor()
           local can = {security.can('read', 'file1'), security.can('write', 'file1')}
           logger:info('acts', {as = actor:id(), of = actor:meta().team,
             reads = tostring(can[1]), writes = tostring(can[2])})
         end }",
    );
    let mut command = project.command("run");
    command.stdin(Stdio::null());
    let running = Running::start(command);
    let line = running.expect("acts");
    for text in
        ["\"as\": \"svc\"", "\"of\": \"sales\"", "\"reads\": \"true\"", "\"writes\": \"false\""]
    {
        assert!(line.contains(text), "{line}");
    }
    stop(running);
}

#[test]
fn programs_read_the_states_of_services() {
    let project = watched(
        MANUAL,
        "local supervisor = require('system').supervisor
         for _, host in {'app:processes', 'app:terminal'} do
           while supervisor.state(host).status ~= 'running' do states:receive() end
         end
         local ids = {}
         for _, row in ipairs(supervisor.states()) do ids[#ids + 1] = row.id .. ' ' .. row.status end
         io.print(table.concat(ids, ', '))
         send('service.start', 'app:web')
         wait('app:web', 'running')
         assert(process.terminate(up('web')))
         wait('app:web', 'failed') wait('app:web', 'running')
         local row = supervisor.state('app:web')
         io.print(row.id, row.status, row.desired, row.retry_count, row.details)
         io.print(row.started_at > 1.7e18, row.last_update >= row.started_at)
         for _, id in {'', 'app:nobody'} do
           local none, err = supervisor.state(id)
           io.print(none, err:kind(), tostring(err))
         end",
    );
    project.write("src/job.lua", NAMED_JOB);
    let ended = project.run("run -x app:cli").exits(0);
    let wanted = "app:db unknown, app:processes running, app:terminal running, app:web unknown
app:web\trunning\trunning\t1\tnil
true\ttrue
nil\tInvalid\tservice id is empty
nil\tInternal\tunknown service: app:nobody
";
    assert_eq!(ended.stdout, wanted, "{}", ended.stderr);
}
