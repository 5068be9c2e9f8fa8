//! Odd input and output: bytes that are no text, long lines, readers that go away.

use std::io::{Read, Write};
use std::process::Stdio;

use crate::project::{Project, run, wait};

#[test]
fn bytes_pass_through() {
    let project = Project::with_main(
        "local first, second = io.readline(), io.readline()
         io.write(first, '|', second, '|', tostring(io.readline()))",
    );
    let mut command = project.command("run -x app:cli");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"\xff\xfe\0a\r\nlast\x80").unwrap();
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    assert_eq!(output, b"\xff\xfe\0a|last\x80|nil");
    assert_eq!(wait(child).code(), Some(0));
}

#[test]
fn a_line_of_ten_megabytes() {
    let project = Project::with_main(
        "local line = io.readline()
         io.print(#line, line:sub(1, 1), line:sub(-1))
         io.print(io.readline())",
    );
    let mut input = vec![b'x'; 10 << 20];
    input.extend_from_slice(b"y\nnext\n");
    let ended = project.run_with_input("run -x app:cli", &input).exits(0);
    assert_eq!(ended.stdout, format!("{}\tx\ty\nnext\n", (10 << 20) + 1));
}

/// The reader of stdout goes away after one line; the program goes on to its end.
#[test]
fn a_reader_that_leaves_is_no_trouble() {
    let project = Project::with_main(
        "for i = 1, 20000 do io.print('line', i) end
         local ok, err = io.write('more')
         io.eprint('done', ok, err ~= nil)
         return 0",
    );
    for flags in ["", "-c"] {
        let mut command = project.command(&format!("run {flags} -x app:cli"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut first = [0; 1];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "done\tnil\ttrue\n");
        assert_eq!(wait(child).code(), Some(0), "{flags}");
    }
}

/// Help and banner are written by the command line itself.
#[test]
fn a_closed_stdout_is_no_trouble() {
    for line in ["--help", "version", "run list", "run -x app:cli", "run -c -x app:cli"] {
        let project = Project::with_main("io.print('to nobody')");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = project.command(line);
        let output = command.stdin(Stdio::null()).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!stderr.contains("panic") && !stderr.contains("rror"), "{line}: {stderr}");
    }
}

#[test]
fn all_of_a_large_output_arrives() {
    let project = Project::with_main("io.write(string.rep('x', 3000000)) io.eprint('end')");
    let ended = run(project.command("run -x app:cli"), b"").exits(0).says(&["end"]);
    assert_eq!(ended.stdout.len(), 3_000_000);
}

#[test]
fn a_terminal_host_may_hide_the_log() {
    let project = Project::with_main("require('logger'):info('from the program')");
    project.run("run -v -x app:cli").exits(0).says(&["from the program", "stopped"]);
    project.edit(
        "src/_index.yaml",
        "kind: terminal.host,",
        "kind: terminal.host, hide_logs: true,",
    );
    let ended = project.run("run -v -x app:cli").exits(0).without(&["from the program"]);
    ended.says(&["shutting down", "stopped"]);
}

#[test]
fn the_log_is_an_event_stream_with_settings() {
    let project = Project::with_main(
        "local events, logger = require('events'), require('logger')
        local news = events.subscribe('logs'):channel()
        -- What subscribers get of their own questions goes by.
        local function ask(kind, wanted)
            events.send('logs', kind, 'me', wanted)
            local event
            repeat event = news:receive() until event.kind == 'logs.config.state'
            assert(event.path == 'me')
            return event.data
        end
        local now = ask('logs.config.get')
        assert(now.propagate_downstream == true and now.stream_to_events == false and now.min_level == -1)
        logger:info('first')
        now = ask('logs.config.set', {stream_to_events = true, min_level = 2})
        assert(now.stream_to_events == true and now.min_level == 2 and now.propagate_downstream == true)
        logger:named('mine'):debug('second', {n = 5, s = 'x'})
        local event
        repeat event = news:receive() until event.path == 'mine'
        assert(event.system == 'logs' and event.kind == 'logs.entry')
        local entry, fields = event.data.entry, event.data.fields
        assert(entry.logger_name == 'mine' and entry.message == 'second' and entry.level == -1)
        assert(string.find(entry.caller, '^app:cli:%d+$') and entry.stack == '')
        assert(math.abs(entry.time / 1e9 - os.time()) < 60)
        assert(#fields == 2 and fields[1].key == 'n' and fields[1].type == 'int' and fields[1].int == 5)
        assert(fields[2].key == 's' and fields[2].type == 'string' and fields[2].string == 'x')
        ask('logs.config.set', {propagate_downstream = false})
        logger:error('third')
        ask('logs.config.set', {propagate_downstream = true})
        logger:error('fourth')",
    );
    let ended = project.run("run -v -x app:cli").exits(0);
    ended.says(&["first", "fourth"]).without(&["second", "third"]);
}
