//! Module `tty` on a terminal: keys, mouse, size, and a terminal left as it was found.

use rustix::process::Signal;

use crate::project::Project;
use crate::pty::Terminal;

/// Prints events until `q`; then what the line is after the end of events.
const EVENTS: &str = r#"
    local tty = require("tty")
    local events = tty.events()
    assert(select(2, tty.events()):kind() == errors.ALREADY_EXISTS)
    assert(tty.start())
    local ok, err = tty.start()
    assert(not ok and err:message() == "input reader already started")
    assert(tty.mouse(true))
    while true do
        local ev = events:receive()
        local mods = (ev.ctrl and "ctrl+" or "") .. (ev.alt and "alt+" or "") .. (ev.shift and "shift+" or "")
        local rest = { ev.key or ev.button or ev.text or tostring(ev.focused), ev.x or ev.width or "", ev.y or ev.height or "" }
        io.print("<" .. ev.type .. " " .. mods .. table.concat(rest, " ") .. " " .. tostring(ev.action or "") .. ">")
        if ev.key == "q" then break end
        if ev.key == "e" then error("out of cheese") end
        if ev.key == "w" then
            local inbox = process.inbox()
            while true do inbox:receive() end
        end
    end
    io.print("size", tty.screen_size())
    assert(tty.stop() and tty.stop())
    io.print("line?")
    io.print("line", io.readline())
    assert(tty.start())
    io.print(events:receive().type)
    return 3"#;

fn start(project: &Project) -> Terminal {
    let mut terminal = Terminal::start(project.command("run -x app:cli"));
    terminal.expect("\x1b[?2004h").expect("\x1b[?1003h").expect("<start nil");
    assert!(terminal.is_raw());
    terminal
}

#[test]
fn events_of_a_terminal() {
    let project = Project::with_main(EVENTS);
    let mut terminal = start(&project);
    terminal.send("x").expect("<key x   press>");
    terminal.send("\x03").expect("<key ctrl+c   press>");
    terminal.send("\x1b[1;2A").expect("<key shift+up   press>");
    terminal.send("é").expect("<key é   press>");
    terminal.send("\x1b").expect("<key esc   press>");
    terminal.send("\x1b[<0;10;5M").expect("<mouse left 9 4 press>");
    terminal.send("\x1b[200~two words\x1b[201~").expect("<paste two words   >");
    terminal.send("\x1b[O").expect("<focus false   >");
    terminal.resize(91, 31).expect("<resize nil 91 31 >");
    terminal.send("q").expect("size\t91\t31");
    terminal.expect("\x1b[?1003l").expect("\x1b[?2004l").expect("line?");
    assert!(!terminal.is_raw());
    terminal.send("typed\n").expect("line\ttyped");
    terminal.expect("\x1b[?2004h").expect("start");
    // It ends with events on.
    terminal.expect("\x1b[?2004l");
    assert_eq!(terminal.end().0, Some(3));
}

/// Whoever started the tests may have had hang-ups ignored, for them and all that they start.
fn hang_ups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

/// However the program ends, modes are back and what was switched on is off.
#[test]
fn the_terminal_is_left_as_it_was() {
    let project = Project::with_main(EVENTS);
    let off = |terminal: &mut Terminal| {
        terminal.expect("\x1b[?1003l").expect("\x1b[?2004l");
    };
    let mut terminal = start(&project);
    terminal.send("e").expect("<key e");
    off(&mut terminal);
    let (code, shown) = terminal.end();
    assert!(code == Some(1) && shown.contains("out of cheese"), "{shown}");

    let mut terminal = start(&project);
    terminal.send("w").expect("<key w").signal(Signal::TERM).expect("waiting for app:terminal");
    terminal.signal(Signal::TERM);
    off(&mut terminal);
    assert_eq!(terminal.end().0, Some(1));

    // The window is closed, an impatient user, a crash: it ends by the signal as usual.
    for signal in [Signal::HUP, Signal::QUIT, Signal::USR1, Signal::ABORT] {
        if signal == Signal::HUP && hang_ups_are_ignored() {
            // As under `nohup`: the program leaves it so.
            continue;
        }
        let mut terminal = start(&project);
        terminal.signal(signal);
        off(&mut terminal);
        assert_eq!(terminal.end().0, None, "{signal:?}");
    }
}

#[test]
fn no_terminal_to_be_had() {
    let project = Project::with_main(
        r#"local tty = require("tty")
        local ok, err = tty.start()
        io.print(ok, err:message())
        io.print(tty.mouse(true))
        io.print(tty.stop())"#,
    );
    let ended = project.run_with_input("run -x app:cli", b"piped").exits(0);
    let expect = "nil\tstdin is not a terminal\nnil\tstdin is not a terminal\ntrue\n";
    assert_eq!(ended.stdout, expect);
}
