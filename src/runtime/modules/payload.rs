//! `payload`, and the message objects that carry payloads.

use crate::runtime::engine::error::ErrorObject;
use crate::runtime::engine::mail::{MessageObject, Payload, PayloadObject};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::{Cx, Ret, host, push_functions, register_type};

const FORMATS: &[(&str, &str)] = &[
    ("JSON", "json/plain"),
    ("YAML", "yaml/plain"),
    ("STRING", "text/plain"),
    ("BYTES", "application/octet-stream"),
    ("MSGPACK", "application/msgpack"),
    ("LUA", "lua/any"),
    ("GOLANG", "golang/any"),
    ("ERROR", "golang/error"),
];

pub fn register_types(l: State) {
    register_type::<MessageObject>(
        l,
        &[
            (c"topic", host(message_topic)),
            (c"from", host(message_from)),
            (c"payload", host(message_payload)),
        ],
        &[(c"__tostring", host(message_text))],
    );
    register_type::<PayloadObject>(
        l,
        &[(c"data", host(data)), (c"unmarshal", host(data)), (c"get_format", host(get_format))],
        &[(c"__tostring", host(payload_text))],
    );
}

pub fn open(l: State) {
    push_functions(l, &[(c"new", host(new))]);
    l.new_table(0, FORMATS.len());
    for (name, format) in FORMATS {
        l.push_str(format);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
    l.set_field(-2, "format");
    l.set_read_only(-1, true);
}

fn new(cx: &mut Cx) -> Ret {
    let l = cx.l;
    l.set_top(1);
    let slot = Slot::take(l);
    l.push_userdata(PayloadObject { slot });
    cx.values(1)
}

/// The format of the payload at 1.
fn format_of(cx: &Cx) -> Result<&'static str, crate::runtime::engine::Raise> {
    let l = cx.l;
    let is_error = l.with::<PayloadObject, _>(1, |payload| {
        payload.slot.push(l);
        let is_error = l.type_of(-1) == Type::Userdata && l.is::<ErrorObject>(-1);
        l.pop(1);
        is_error
    });
    match is_error {
        Some(true) => Ok("golang/error"),
        Some(false) => Ok("lua/any"),
        None => Err(cx.bad_argument(1, "payload expected")),
    }
}

fn data(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let pushed = l.with::<PayloadObject, _>(1, |payload| payload.slot.push(l));
    pushed.ok_or_else(|| cx.bad_argument(1, "payload expected"))?;
    if l.type_of(-1) == Type::Userdata && l.is::<ErrorObject>(-1) {
        return cx.fail(crate::infra::error::Error::internal("no transcoding path found"));
    }
    cx.values(1)
}

fn get_format(cx: &mut Cx) -> Ret {
    let format = format_of(cx)?;
    cx.str(format)
}

fn payload_text(cx: &mut Cx) -> Ret {
    let format = format_of(cx)?;
    cx.str(&format!("payload{{format={format}}}"))
}

fn message_topic(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let topic = l.with::<MessageObject, _>(1, |message| message.mail.topic.clone());
    let topic = topic.ok_or_else(|| cx.bad_argument(1, "message expected"))?;
    cx.vm().topics.push(l, &topic);
    cx.values(1)
}

fn message_from(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let from = l.with::<MessageObject, _>(1, |message| message.mail.from);
    let from = from.ok_or_else(|| cx.bad_argument(1, "message expected"))?;
    if from.is_none() {
        return cx.str("");
    }
    cx.vm().push_pid(l, from);
    cx.values(1)
}

/// One payload; a list if several were sent; nil if none.
fn message_payload(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let found = l.with::<MessageObject, _>(1, |message| {
        let payload = &mut message.mail.payload;
        payload.unpack(l);
        match payload {
            Payload::One(slot) => l.push_userdata(PayloadObject { slot: slot.share() }),
            Payload::Many(slots) => {
                l.new_table(slots.len(), 0);
                for (n, slot) in slots.iter().enumerate() {
                    l.push_userdata(PayloadObject { slot: slot.share() });
                    l.raw_set_index(-2, n + 1);
                }
            }
            _ => l.push_nil(),
        }
    });
    found.ok_or_else(|| cx.bad_argument(1, "message expected"))?;
    cx.values(1)
}

fn message_text(cx: &mut Cx) -> Ret {
    message_topic(cx)?;
    let topic = cx.string(-1)?;
    cx.str(&format!("process.Message{{topic={topic}}}"))
}

#[cfg(test)]
mod tests {
    use crate::runtime::modules::testing::check_lua;

    #[test]
    fn what_is_sent_in_a_payload_is_copied() {
        check_lua(
            r#"
            local original = {inner = {1}}
            local inbox = process.inbox()
            process.send(process.pid(), "copy", payload.new(original))
            local copy = inbox:receive():payload():data()
            assert(copy ~= original and copy.inner ~= original.inner and copy.inner[1] == 1)
            for _, value in {inbox, payload.new(payload.new(1))} do
                process.send(process.pid(), "nothing", payload.new(value))
                assert(inbox:receive():payload():data() == nil)
            end
            "#,
        );
    }
}
