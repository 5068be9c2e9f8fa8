//! `io`: the terminal of a process. Specification 02, section 8.
//!
//! Everything goes through the [`TerminalPort`] that a process on a terminal host was started with.
//! What the port can do at once is done at once; else the calling coroutine, and nobody else, is
//! suspended until the port has the outcome. Output is also possible where nothing may be
//! suspended, say in a metamethod; then nobody waits for the rest of it.

use std::sync::Arc;

use crate::core::dispatcher::CommandId;
use crate::core::vm::Answer;
use crate::infra::error::Error;
use crate::runtime::engine::coroutine::{Finish, Wait};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions};
use crate::runtime::modules::base::text_max;
use crate::runtime::modules::process::push_failure;
use crate::system::spawn::{IoDone, ReadCommand, Stream, TerminalPort};

/// Bytes `io.read` asks for if the program does not say.
const READ_LEN: usize = 1024;

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"print", host(print)),
            (c"eprint", host(eprint)),
            (c"write", host(write)),
            (c"read", host(read)),
            (c"readline", host(readline)),
            (c"raw", host(raw)),
            (c"flush", host(flush)),
            (c"args", host(args)),
        ],
    );
    l.set_read_only(-1, true);
}

impl Cx {
    /// The terminal of the running process.
    pub fn terminal(&mut self) -> Option<Arc<dyn TerminalPort>> {
        let vm = self.vm();
        vm.processes[vm.current].extra.as_ref()?.terminal.clone()
    }

    /// A callback that ends the wait of the running coroutine, which suspends right after.
    fn completion<T: 'static>(&mut self, answer: fn(T) -> Answer) -> Result<IoDone<T>, Raise> {
        self.suspendable()?;
        let done = self.completer()?;
        Ok(Box::new(move |result: Result<T, Error>| done(result.map(answer))))
    }
}

/// Fetches the terminal or returns what all functions do without.
macro_rules! terminal {
    ($cx:expr) => {
        match $cx.terminal() {
            Some(terminal) => terminal,
            None => return $cx.fail(Error::unavailable("no terminal context")),
        }
    };
}

pub(crate) use terminal;

// -- output ------------------------------------------------------------------------------------

fn print(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    let line = joined(cx, b"\t", b"\n")?;
    put(cx, &*terminal, Stream::Out, &line, finish_print)
}

fn eprint(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    let line = joined(cx, b"\t", b"\n")?;
    put(cx, &*terminal, Stream::Err, &line, finish_print)
}

fn write(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    let bytes = joined(cx, b"", b"")?;
    put(cx, &*terminal, Stream::Out, &bytes, finish_write)
}

/// The texts of all arguments; `__tostring` of theirs is run.
fn joined(cx: &mut Cx, between: &[u8], end: &[u8]) -> Result<Vec<u8>, Raise> {
    let max = text_max(cx);
    let mut bytes = Vec::new();
    for n in 1..=cx.l.top() {
        if n > 1 {
            bytes.extend_from_slice(between);
        }
        cx.push_text_of(n)?;
        // One text may stand there a million times.
        if bytes.len() + cx.l.raw_len(-1) > max {
            return Err("the text becomes too long".into());
        }
        bytes.extend_from_slice(cx.l.bytes(-1).unwrap_or_default());
        cx.l.pop(1);
    }
    bytes.extend_from_slice(end);
    Ok(bytes)
}

fn put(
    cx: &mut Cx,
    terminal: &dyn TerminalPort,
    stream: Stream,
    bytes: &[u8],
    finish: Finish,
) -> Ret {
    let waits = cx.completion(|()| Answer::Nothing).ok();
    let can_wait = waits.is_some();
    let done = waits.unwrap_or_else(|| Box::new(|_| ()));
    let outcome = match terminal.write(stream, bytes, done) {
        None if can_wait => return cx.suspend(Wait::Command(finish)),
        None => Ok(Answer::Nothing),
        Some(outcome) => outcome.map(|()| Answer::Nothing),
    };
    let l = cx.l;
    let results = finish(cx.vm(), l, outcome);
    cx.values(results)
}

/// Nobody is told that a line could not be printed.
fn finish_print(_: &mut VmData, l: State, _: Result<Answer, Error>) -> i32 {
    l.push_bool(true);
    1
}

fn finish_write(_: &mut VmData, l: State, result: Result<Answer, Error>) -> i32 {
    match result {
        Ok(_) => {
            l.push_bool(true);
            1
        }
        Err(error) => push_failure(l, error),
    }
}

/// There is nothing to do: what was written is not kept back.
fn flush(cx: &mut Cx) -> Ret {
    terminal!(cx);
    cx.bool(true)
}

// -- input -------------------------------------------------------------------------------------

fn read(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    let n = match cx.l.is_nil(1) {
        true => READ_LEN,
        false => match cx.number(1)? as usize {
            0 => READ_LEN,
            n => n,
        },
    };
    let command = ReadCommand { port: terminal, n };
    cx.command(CommandId::TERMINAL_READ, Box::new(command), finish_read)
}

fn readline(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    let command = ReadCommand { port: terminal, n: 0 };
    cx.command(CommandId::TERMINAL_READ_LINE, Box::new(command), finish_read)
}

fn finish_read(_: &mut VmData, l: State, result: Result<Answer, Error>) -> i32 {
    match result {
        Ok(Answer::Boxed(answer)) => match answer.downcast::<Vec<u8>>() {
            Ok(bytes) => {
                l.push_bytes(&bytes);
                1
            }
            Err(_) => 0,
        },
        Ok(_) => 0,
        Err(error) => push_failure(l, error),
    }
}

// -- the rest ----------------------------------------------------------------------------------

fn raw(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    let on = match cx.l.type_of(1) {
        Type::None | Type::Nil => true,
        Type::Boolean => cx.l.bool(1),
        _ => return Err(cx.wrong_type(1, "boolean")),
    };
    match terminal.raw(on) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(error),
    }
}

fn args(cx: &mut Cx) -> Ret {
    let terminal = cx.terminal();
    let args = terminal.as_ref().map_or(&[][..], |terminal| terminal.args());
    cx.l.new_table(args.len(), 0);
    for (n, arg) in args.iter().enumerate() {
        cx.l.push_str(arg);
        cx.l.raw_set_index(-2, n + 1);
    }
    cx.values(1)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::os::fd::AsFd;
    use std::thread;

    use parking_lot::Mutex;

    use super::*;
    use crate::core::reactor::terminal::{Input, Output};
    use crate::runtime::modules::testing::{Setting, check_lua, check_lua_in};
    use crate::services::terminal::TerminalSession;

    /// A terminal of the imagination: answers prepared, output and requests written down.
    #[derive(Default)]
    struct Fake {
        seen: Mutex<String>,
        /// For reads; none left is the end.
        input: Mutex<VecDeque<&'static [u8]>>,
        args: Vec<String>,
        /// Output is done later, by another thread.
        slow: bool,
        /// Output fails.
        broken: bool,
        raw: Mutex<i32>,
    }

    impl TerminalPort for Fake {
        fn args(&self) -> &[String] {
            &self.args
        }

        fn write(
            &self,
            stream: Stream,
            bytes: &[u8],
            done: IoDone<()>,
        ) -> Option<Result<(), Error>> {
            let text = String::from_utf8_lossy(bytes);
            *self.seen.lock() += &format!("{stream:?}:{text}|");
            let result = match self.broken {
                true => Err(Error::internal("broken pipe")),
                false => Ok(()),
            };
            match self.slow {
                true => {
                    thread::spawn(move || done(result));
                    None
                }
                false => Some(result),
            }
        }

        fn read(&self, n: usize, done: IoDone<Vec<u8>>) {
            *self.seen.lock() += &format!("read {n}|");
            self.read_line(done);
        }

        fn read_line(&self, done: IoDone<Vec<u8>>) {
            let line = self.input.lock().pop_front();
            let result = line.map(<[u8]>::to_vec).ok_or_else(|| Error::internal("EOF"));
            match self.slow {
                true => drop(thread::spawn(move || done(result))),
                false => done(result),
            }
        }

        fn raw(&self, on: bool) -> Result<(), Error> {
            *self.raw.lock() += if on { 1 } else { -1 };
            match self.broken {
                true => Err(Error::internal("stdin is not a terminal")),
                false => Ok(()),
            }
        }
    }

    /// Runs `body` on the terminal, quick or slow; what it wrote and asked for.
    #[track_caller]
    fn seen(fake: Fake, body: &str) -> String {
        let fake = Arc::new(fake);
        let setting = Setting { terminal: Some(fake.clone()), ..Setting::default() };
        check_lua_in(setting, &format!("local io = require('io')\n{body}"));
        fake.seen.lock().clone()
    }

    #[track_caller]
    fn check(body: &str, expect: &str) {
        for slow in [false, true] {
            assert_eq!(seen(Fake { slow, ..Fake::default() }, body), expect, "slow: {slow}");
        }
    }

    #[test]
    fn output_in_call_order() {
        check(
            r#"
            assert(io.print("a", 1, nil, true, 1.5) == true)
            assert(io.eprint("b") == true)
            assert(io.write("c", 2, nil) == true)
            assert(io.print() and io.write() and io.flush())
            io.print(setmetatable({}, {__tostring = function() return "mine" end}))
            "#,
            "Out:a\t1\tnil\ttrue\t1.5\n|Err:b\n|Out:c2nil|Out:\n|Out:|Out:mine\n|",
        );
    }

    #[test]
    fn output_where_nobody_can_wait() {
        check(
            r#"
            local t = setmetatable({}, {__index = function() return io.write("in") end})
            assert(t.x == true)
            table.sort({2, 1}, function(a, b) io.print("sort"); return a < b end)
            assert(io.write("after") == true)
            assert(not pcall(function() return setmetatable({}, {__index = io.readline}).x end))
            "#,
            "Out:in|Out:sort\n|Out:after|",
        );
    }

    #[test]
    fn broken_output() {
        for slow in [false, true] {
            seen(
                Fake { slow, broken: true, ..Fake::default() },
                r#"
                assert(io.print("x") == true and io.eprint("x") == true)
                local ok, err = io.write("x")
                assert(ok == nil and err:kind() == "Internal")
                assert(err:message() == "broken pipe")
                ok, err = io.raw()
                assert(ok == nil and err:message() == "stdin is not a terminal")
                "#,
            );
        }
    }

    #[test]
    fn input_and_its_end() {
        for slow in [false, true] {
            let input = Mutex::new([&b"line"[..], b"\xff\0", b""].into());
            let requests = seen(
                Fake { slow, input, ..Fake::default() },
                r#"
                assert(io.readline() == "line" and io.read(3) == "\255\0" and io.read() == "")
                for _, n in {0, -5, 0.5, 7.9} do
                    local text, err = io.read(n)
                    assert(text == nil and err:kind() == "Internal" and err:message() == "EOF")
                end
                assert(select(2, io.readline()):message() == "EOF")
                assert(not pcall(io.read, {}))
                "#,
            );
            assert_eq!(requests, "read 3|read 1024|read 1024|read 1024|read 1024|read 7|");
        }
    }

    #[test]
    fn raw_mode_and_arguments() {
        let args = vec!["a".into(), "--b=1".into()];
        let fake = Arc::new(Fake { args, ..Fake::default() });
        let setting = Setting { terminal: Some(fake.clone()), ..Setting::default() };
        check_lua_in(
            setting,
            r#"
            local args = io.args()
            assert(#args == 2 and args[1] == "a" and args[2] == "--b=1")
            assert(io.raw() and io.raw(true) and io.raw(nil) and io.raw(false))
            assert(not pcall(io.raw, 1))
            "#,
        );
        assert_eq!(*fake.raw.lock(), 2);
    }

    #[test]
    fn without_a_terminal() {
        check_lua(
            r#"
            local io = require("io")
            for _, name in {"print", "eprint", "write", "read", "readline", "raw", "flush"} do
                local ok, err = io[name]("x")
                assert(ok == nil and err:kind() == "Unavailable", name)
                assert(err:message() == "no terminal context")
            end
            assert(next(io.args()) == nil)
            "#,
        );
    }

    #[test]
    fn a_read_suspends_only_its_coroutine() {
        let (stdin, to_stdin) = io::pipe().unwrap();
        let (stdout, out) = io::pipe().unwrap();
        let terminal: &'static io::PipeReader = Box::leak(Box::new(stdin.try_clone().unwrap()));
        let session = Arc::new(TerminalSession::on(
            Vec::new(),
            Input::on(stdin.into()),
            Output::on(out.try_clone().unwrap().into()),
            Output::on(out.into()),
            terminal.as_fd(),
        ));
        // Answers each line it reads until it is told to close the input.
        let closing = Arc::downgrade(&session);
        let user = thread::spawn(move || {
            use std::io::{BufRead, BufReader, Write};
            let mut to_stdin = to_stdin;
            for line in BufReader::new(stdout).lines() {
                match line.unwrap().as_str() {
                    "close" => closing.upgrade().unwrap().close(),
                    line => to_stdin.write_all(format!("{line}!\r\n").as_bytes()).unwrap(),
                }
            }
        });
        let setting = Setting { terminal: Some(session.clone()), ..Setting::default() };
        check_lua_in(
            setting,
            r#"
            local got = channel.new(2)
            for _ = 1, 2 do
                coroutine.spawn(function() got:send(io.readline()) end)
            end
            io.print("first")
            io.write("sec", "ond\n")
            assert(got:receive() == "first!" and got:receive() == "second!")
            coroutine.spawn(function() io.print("close") end)
            for _ = 1, 2 do
                local line, err = io.readline()
                assert(line == nil and err:kind() == "Canceled", tostring(err))
                assert(err:message() == "terminal closed")
            end
            assert(io.print("bye") == true)
            "#,
        );
        drop(session);
        user.join().unwrap();
    }
}
