//! Channels against a model: random operations run in a process, its log compared with what the
//! FIFO rules of specification 01, section 7, say.
//!
//! Each operation is a coroutine of its own. After starting one, the driver steps aside until all
//! that it woke have written to the log; so the log also shows in which order they went on.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use wippy::app::node::{Node, Options};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

const PROGRAM: &str = r#"
    local time = require("time")

    local function main(capacities, operations)
      local channels, names, log = {}, {}, {}
      for i, capacity in capacities do
        channels[i] = channel.new(capacity)
        names[channels[i]] = i
      end

      local run = {}
      function run.send(op)
        local ok, err = channels[op.channel]:send(op.value)
        return if ok then "sent" else "failed: " .. tostring(err)
      end
      function run.receive(op)
        local value, ok = channels[op.channel]:receive()
        return "received " .. tostring(value) .. " " .. tostring(ok)
      end
      function run.close(op)
        channels[op.channel]:close()
        return "closed"
      end
      function run.select(op)
        local cases = { default = op.default }
        for i, case in op.cases do
          local on = channels[case.channel]
          cases[i] = if case.send then on:case_send(op.value) else on:case_receive()
        end
        local result, err = channel.select(cases)
        if not result then return "failed: " .. tostring(err) end
        if result.default then return "default" end
        return `selected {names[result.channel]} {result.value} {result.ok}`
      end

      for i, op in operations do
        coroutine.spawn(function()
          local ok, text = pcall(run[op.kind], op)
          table.insert(log, i .. " " .. if ok then text else "raised")
        end)
        time.sleep(0)
      end
      return table.concat(log, "\n")
    end
    return { main = main }"#;

#[derive(Clone, Debug)]
enum Op {
    Send(usize),
    Receive(usize),
    Close(usize),
    /// Cases, a channel and "does it send?" each, and whether there is a default.
    Select(Vec<(usize, bool)>, bool),
}

/// What an operation sends; every seventh sends nil.
fn sent_by(op: usize) -> Value {
    if op % 7 == 3 { Value::Nil } else { Value::Int(op as i64) }
}

impl Op {
    /// As the program reads it; the numbers of channels begin with one there.
    fn to_value(&self, number: usize) -> Value {
        let channel = |index: usize| Value::Int(index as i64 + 1);
        let plain = |kind: &str, index: usize| {
            let value = sent_by(number);
            Value::from([("kind", kind.into()), ("channel", channel(index)), ("value", value)])
        };
        match self {
            Op::Send(index) => plain("send", *index),
            Op::Receive(index) => plain("receive", *index),
            Op::Close(index) => plain("close", *index),
            Op::Select(cases, default) => {
                let case = |&(index, send): &(usize, bool)| {
                    Value::from([("channel", channel(index)), ("send", send.into())])
                };
                Value::from([
                    ("kind", "select".into()),
                    ("cases", Value::List(cases.iter().map(case).collect())),
                    ("default", (*default).into()),
                    ("value", sent_by(number)),
                ])
            }
        }
    }
}

/// A channel of the model. Who waits is named by the number of its operation.
#[derive(Default)]
struct Channel {
    capacity: usize,
    buffer: VecDeque<Value>,
    closed: bool,
    senders: VecDeque<usize>,
    receivers: VecDeque<usize>,
}

struct Model<'a> {
    ops: &'a [Op],
    channels: Vec<Channel>,
    log: Vec<String>,
}

impl Model<'_> {
    fn run(capacities: &[usize], ops: &[Op]) -> String {
        let channel = |&capacity: &usize| Channel { capacity, ..Channel::default() };
        let channels = capacities.iter().map(channel).collect();
        let mut model = Model { ops, channels, log: Vec::new() };
        for (index, op) in ops.iter().enumerate() {
            model.start(index + 1, op);
        }
        model.log.join("\n")
    }

    fn start(&mut self, op: usize, what: &Op) {
        match what {
            Op::Send(on) if self.channels[*on].closed => self.say(op, "raised"),
            Op::Send(on) if self.can_send(*on) => self.send(op, *on),
            Op::Send(on) => self.channels[*on].senders.push_back(op),
            Op::Receive(on) if self.can_receive(*on) => self.receive(op, *on),
            Op::Receive(on) => self.channels[*on].receivers.push_back(op),
            Op::Close(on) => self.close(op, *on),
            Op::Select(cases, default) => self.select(op, cases, *default),
        }
    }

    fn can_send(&self, on: usize) -> bool {
        let channel = &self.channels[on];
        let room = channel.buffer.len() < channel.capacity;
        !channel.closed && (room || !channel.receivers.is_empty())
    }

    fn can_receive(&self, on: usize) -> bool {
        let channel = &self.channels[on];
        channel.closed || !channel.buffer.is_empty() || !channel.senders.is_empty()
    }

    /// The sender goes on first, then the receiver it woke.
    fn send(&mut self, op: usize, on: usize) {
        self.say_sent(op, on);
        match self.channels[on].receivers.pop_front() {
            Some(receiver) => self.say_received(receiver, on, sent_by(op), true),
            None => self.channels[on].buffer.push_back(sent_by(op)),
        }
    }

    /// The receiver goes on first, then the sender whose value was taken or moved up.
    fn receive(&mut self, op: usize, on: usize) {
        let channel = &mut self.channels[on];
        let sender = channel.senders.pop_front();
        channel.buffer.extend(sender.map(sent_by));
        match channel.buffer.pop_front() {
            Some(value) => self.say_received(op, on, value, true),
            None => self.say_received(op, on, Value::Nil, false),
        }
        if let Some(sender) = sender {
            self.say_sent(sender, on);
        }
    }

    fn close(&mut self, op: usize, on: usize) {
        self.channels[on].closed = true;
        for sender in std::mem::take(&mut self.channels[on].senders) {
            self.say(sender, "failed: send on closed channel");
        }
        for receiver in std::mem::take(&mut self.channels[on].receivers) {
            self.say_received(receiver, on, Value::Nil, false);
        }
        self.say(op, "closed");
    }

    fn select(&mut self, op: usize, cases: &[(usize, bool)], default: bool) {
        for &(on, send) in cases {
            match send {
                true if self.can_send(on) => return self.send(op, on),
                false if self.can_receive(on) => return self.receive(op, on),
                _ => {}
            }
        }
        if default {
            return self.say(op, "default");
        }
        let open: Vec<_> = cases.iter().filter(|(on, _)| !self.channels[*on].closed).collect();
        if open.is_empty() {
            return self.say(op, "raised");
        }
        for &(on, send) in open {
            match send {
                true => self.channels[on].senders.push_back(op),
                false => self.channels[on].receivers.push_back(op),
            }
        }
    }

    fn say_sent(&mut self, op: usize, on: usize) {
        match self.ops[op - 1] {
            Op::Select(..) => {
                let text = format!("selected {} {} true", on + 1, shown(&sent_by(op)));
                self.say(op, &text);
            }
            _ => self.say(op, "sent"),
        }
    }

    fn say_received(&mut self, op: usize, on: usize, value: Value, ok: bool) {
        let text = match self.ops[op - 1] {
            Op::Select(..) => format!("selected {} {} {ok}", on + 1, shown(&value)),
            _ => format!("received {} {ok}", shown(&value)),
        };
        self.say(op, &text);
    }

    /// The operation is complete: what else it waited for is withdrawn.
    fn say(&mut self, op: usize, text: &str) {
        for channel in &mut self.channels {
            channel.senders.retain(|&waiting| waiting != op);
            channel.receivers.retain(|&waiting| waiting != op);
        }
        self.log.push(format!("{op} {text}"));
    }
}

/// A value as `tostring` shows it.
fn shown(value: &Value) -> String {
    value.as_int().map_or_else(|| "nil".to_owned(), |n| n.to_string())
}

/// Capacities, and operations on these channels. No channel twice in one select: what happens then
/// is not specified.
fn programs() -> impl Strategy<Value = (Vec<usize>, Vec<Op>)> {
    prop::collection::vec(0..4usize, 1..4).prop_flat_map(|capacities| {
        let count = capacities.len();
        let all: Vec<usize> = (0..count).collect();
        let cases = (
            prop::sample::subsequence(all, 1..=count).prop_shuffle(),
            prop::collection::vec(any::<bool>(), count),
        );
        let select = (cases, any::<bool>()).prop_map(|((on, sends), default)| {
            Op::Select(on.into_iter().zip(sends).collect(), default)
        });
        let op = prop_oneof![
            4 => (0..count).prop_map(Op::Send),
            4 => (0..count).prop_map(Op::Receive),
            1 => (0..count).prop_map(Op::Close),
            4 => select,
        ];
        (Just(capacities), prop::collection::vec(op, 0..40))
    })
}

#[test]
fn channels_agree_with_the_model() {
    let scheduler = SchedulerOptions { workers: 1, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.add_host("app:processes", HostKind::Processes, false).expect("a new host");
    node.define("app:program", PROGRAM).expect("compiles");
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 2000,
        // Nothing to remember: a failure is shrunk to a few lines and becomes a test.
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let checked = runner.run(&programs(), |(capacities, ops)| {
        let args = [
            Value::List(capacities.iter().map(|&n| Value::Int(n as i64)).collect()),
            Value::List(ops.iter().enumerate().map(|(i, op)| op.to_value(i + 1)).collect()),
        ];
        let (_, ended) = node.spawn("app:program", "app:processes", &args).expect("starts");
        let log = ended.wait(Duration::from_secs(60));
        let expected = Model::run(&capacities, &ops);
        prop_assert_eq!(log, Ok(Value::Str(expected)));
        Ok(())
    });
    if let Err(problem) = checked {
        panic!("{problem}");
    }
}
