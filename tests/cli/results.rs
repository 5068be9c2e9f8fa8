//! What the result of a program means to the shell, and what an error in one process does to others.

use crate::project::{CLI, Project};

#[track_caller]
fn check(result: &str, code: i32, stderr: &str) {
    let project = Project::with_main(&format!("io.print('ran')\n{result}"));
    let ended = project.run("run -x app:cli").exits(code);
    assert_eq!(ended.stdout, "ran\n", "{result}");
    match stderr {
        "" => assert_eq!(ended.stderr, "", "{result}"),
        words => drop(ended.says(&[words])),
    }
}

#[test]
fn results_are_exit_codes() {
    check("", 0, "");
    check("return nil", 0, "");
    check("return 0", 0, "");
    check("return 7", 7, "");
    check("return 7.9", 7, "");
    check("return -1", 255, "");
    check("return 0/0", 1, "");
    check("return math.huge", 1, "");
    check("return 2^31", 1, "");
    check("return true", 0, "");
    check("return false", 1, "");
    check("return 'text'", 0, "");
    check("return {code = 5}", 0, "");
}

#[test]
fn programs_change_what_they_are_made_of() {
    let body = "local events, registry = require('events'), require('registry')
        local seen = events.subscribe('registry', 'entry.create'):channel()
        local started = events.subscribe('process', 'started'):channel()
        local source = 'return {main = function() end}'
        local new = {id = 'app:new', kind = 'process.lua', data = {source = source}}
        assert(registry.snapshot():changes():create(new):apply())
        assert(process.spawn('app:new', 'app:processes'))
        io.print(seen:receive().path, started:receive().data.id)";
    let project = Project::with_main(body);
    assert_eq!(project.run("run -x app:cli").exits(0).stdout, "app:new\tapp:new\n");
}

#[test]
fn errors_are_told_with_their_place() {
    check("error('out of cheese')", 1, "app:cli:4: out of cheese");
    check("error('no place', 0)", 1, "no place");
    let object = "local _, err = process.spawn('app:none', 'app:processes')";
    check(&format!("{object} error(err)"), 1, "factory not found");
    check(&format!("{object} return nil, err"), 1, "factory not found");
    check("error({code = 5})", 1, "table");
    check("local t = nil; return t.x", 1, "app:cli:4: attempt to index nil with 'x'");
    check("error(errors.new('an object'))", 1, "an object");
    check("return nil, errors.new('an object')", 1, "an object");
    check("return nil, 'second result'", 1, "second result");
    check("return nil, nil", 0, "");
}

#[test]
fn an_error_in_one_process_harms_no_other() {
    let bad = "  - {name: bad, kind: process.lua, source: file://bad.lua}\n";
    let project = Project::with_entries(&format!("{CLI}{bad}"));
    project.write("src/bad.lua", "return { main = function() error('out of cheese') end }");
    project.write(
        "src/cli.lua",
        "local io = require('io')
         return { main = function()
           local events = process.events()
           for i = 1, 20 do
             local pid, err = process.spawn_monitored('app:bad', 'app:processes')
             assert(pid, tostring(err))
             local event = events:receive()
             assert(event.kind == process.event.EXIT and event.from == pid)
             assert(tostring(event.result.error):find('out of cheese', 1, true))
           end
           io.print('unharmed')
           return 0
         end }",
    );
    let ended = project.run("run -x app:cli").exits(0);
    assert_eq!(ended.stdout, "unharmed\n");
}

#[test]
fn an_error_in_a_service_harms_no_program() {
    let service = "  - {name: bad, kind: process.lua, source: file://bad.lua}
  - name: bad-service
    kind: process.service
    process: app:bad
    host: app:processes
    lifecycle: {auto_start: true, restart: {initial_delay: 1ms, max_delay: 5ms}}
";
    let project = Project::with_entries(&format!("{CLI}{service}"));
    project.write(
        "src/bad.lua",
        "return { main = function() process.send('cli', 'up') error('out of cheese') end }",
    );
    project.write(
        "src/cli.lua",
        "local io = require('io')
         return { main = function()
           local inbox = process.inbox()
           process.registry.register('cli')
           for i = 1, 3 do inbox:receive() end
           io.print('unharmed')
         end }",
    );
    let ended = project.run("run -x app:cli").exits(0);
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("unharmed\n", ""));
}

/// It hears of cancels and messages as any other does.
#[test]
fn a_process_on_a_terminal_cannot_be_terminated() {
    let project = Project::with_main(
        "local role, target = ...
        if role == 'killer' then
            assert(process.terminate(target) == true)
            assert(process.cancel(target, 'please') == true)
            assert(process.send(target, 'topic', 'mail') == true)
            return
        end
        local inbox, notices = process.inbox(), process.events()
        assert(process.terminate(process.pid()) == true)
        assert(process.spawn('app:cli', 'app:processes', 'killer', process.pid()))
        local event = notices:receive()
        assert(event.kind == process.event.CANCEL and event.reason == 'please')
        assert(inbox:receive():payload():data() == 'mail')
        io.print('still here')
        return 7",
    );
    let ended = project.run("run -x app:cli").exits(7);
    assert_eq!(ended.stdout, "still here\n");
}

const MAIN: &str = "return { main = function(...) local io = require('io')";

/// Whoever starts it: a service, or another process. Its end is that of the runtime.
#[test]
fn whoever_is_started_on_a_terminal_host_has_the_terminal() {
    let entries = format!(
        "{CLI}  - {{name: asks, kind: process.lua, source: file://asks.lua, modules: [io, tty]}}
  - {{name: asker, kind: process.service, process: asks, host: app:terminal,
     input: [Ada], lifecycle: {{auto_start: true}}}}
"
    );
    let project = Project::with_entries(&entries);
    project.write("src/cli.lua", &format!("{MAIN} end }}"));
    let asks = "local name = ...
        local _, no_terminal = require('tty').start()
        io.print(name, io.readline(), no_terminal:message(), #io.args())
        return name == 'Ada' and 6 or nil, name == 'Bob' and errors.new('Bob fails') or nil end }";
    project.write("src/asks.lua", &format!("{MAIN} {asks}"));
    let ended = project.run_with_input("run -s", b"the line\n").exits(6);
    assert_eq!(ended.stdout, "Ada\tthe line\tstdin is not a terminal\t0\n");

    project.edit("src/_index.yaml", "input: [Ada], lifecycle: {auto_start: true}", "lifecycle: {}");
    let parent = "assert(process.spawn('app:asks', 'app:terminal', 'Bob'))
        local event = process.events():receive()
        io.print('the end begins', event.kind)
        process.events():receive() end }";
    project.write("src/cli.lua", &format!("{MAIN} {parent}"));
    project.edit(
        "src/_index.yaml",
        "terminal.host, lifecycle: {",
        "terminal.host, lifecycle: {stop_timeout: 50ms, ",
    );
    // The result of the program that was asked for comes last: it is ended at the deadline.
    let ended = project.run_with_input("run -x app:cli here", b"another\n").exits(1);
    let expect = "Bob\tanother\tstdin is not a terminal\t1\nthe end begins\tpid.cancel\n";
    assert_eq!(
        (ended.stdout.as_str(), ended.stderr.as_str()),
        (expect, "Bob fails\ncontext canceled\n")
    );
}
