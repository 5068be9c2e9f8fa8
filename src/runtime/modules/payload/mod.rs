//! `payload`, and the message objects that carry payloads. Specification 01, sections 5.3 and 10.
//!
//! A payload is content in a format: a Lua value, or a text or bytes in a Lua string. An error
//! object is a format of its own that converts to nothing.

mod convert;

use crate::infra::error::Error;
use crate::runtime::engine::error::ErrorObject;
use crate::runtime::engine::mail::{Format, MessageObject, Payload, PayloadObject};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type};

pub use convert::to_lua;

/// Names, texts, and the formats that content may be in.
const FORMATS: &[(&str, &str, Option<Format>)] = &[
    ("JSON", "json/plain", Some(Format::Json)),
    ("YAML", "yaml/plain", Some(Format::Yaml)),
    ("STRING", "text/plain", Some(Format::String)),
    ("BYTES", "application/octet-stream", Some(Format::Bytes)),
    ("MSGPACK", "application/msgpack", Some(Format::Msgpack)),
    ("LUA", "lua/any", Some(Format::Lua)),
    ("GOLANG", "golang/any", Some(Format::Golang)),
    ("ERROR", ERROR, None),
];

const ERROR: &str = "golang/error";

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
        &[
            (c"data", host(data)),
            (c"unmarshal", host(data)),
            (c"get_format", host(get_format)),
            (c"transcode", host(transcode)),
        ],
        &[(c"__tostring", host(payload_text))],
    );
}

pub fn open(l: State) {
    push_functions(l, &[(c"new", host(new))]);
    l.new_table(0, FORMATS.len());
    for (name, text, _) in FORMATS {
        l.push_str(text);
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
    l.push_userdata(PayloadObject::of(slot));
    cx.values(1)
}

/// Pushes the content of the payload at 1. Its format; none for an error.
fn content(cx: &Cx) -> Result<Option<Format>, Raise> {
    let l = cx.l;
    let format = l.with::<PayloadObject, _>(1, |payload| {
        payload.slot.push(l);
        payload.format
    });
    let format = format.ok_or_else(|| cx.wrong_type(1, "payload"))?;
    let is_error = l.type_of(-1) == Type::Userdata && l.is::<ErrorObject>(-1);
    Ok((!is_error).then_some(format))
}

fn no_path() -> Error {
    Error::internal("no transcoding path found")
}

/// The Lua value; an error has none.
fn data(cx: &mut Cx) -> Ret {
    let by = cx.vm().kernel.transcoder;
    let converted = match content(cx)? {
        Some(format) => convert::to_lua(cx.l, &by, format),
        None => Err(no_path()),
    };
    match converted {
        Ok(()) => cx.values(1),
        Err(error) => cx.fail(error),
    }
}

/// `payload:transcode(format)`: the same content in another format.
fn transcode(cx: &mut Cx) -> Ret {
    let to = cx.string(2)?;
    let from = content(cx)?;
    let l = cx.l;
    if from.is_none() && to == ERROR {
        let slot = Slot::take(l);
        l.push_userdata(PayloadObject::of(slot));
        return cx.values(1);
    }
    let to = FORMATS.iter().find(|(_, text, _)| *text == to).and_then(|(_, _, format)| *format);
    let (Some(from), Some(to)) = (from, to) else { return cx.fail(no_path()) };
    let by = cx.vm().kernel.transcoder;
    if let Err(error) = convert::convert(l, &by, from, to) {
        return cx.fail(error);
    }
    let slot = Slot::take(l);
    l.push_userdata(PayloadObject { slot, format: to });
    cx.values(1)
}

/// The text of the format of the payload at 1.
fn format_of(cx: &Cx) -> Result<&'static str, Raise> {
    let format = content(cx)?;
    let known = FORMATS.iter().find(|(_, _, known)| *known == format);
    Ok(known.map_or(ERROR, |(_, text, _)| text))
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
    let topic = topic.ok_or_else(|| cx.wrong_type(1, "message"))?;
    cx.vm().topics.push(l, &topic);
    cx.values(1)
}

fn message_from(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let from = l.with::<MessageObject, _>(1, |message| message.mail.from);
    let from = from.ok_or_else(|| cx.wrong_type(1, "message"))?;
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
            Payload::One(slot) => l.push_userdata(PayloadObject::of(slot.share())),
            Payload::Many(slots, _) => {
                l.new_table(slots.len(), 0);
                for (n, slot) in slots.iter().enumerate() {
                    l.push_userdata(PayloadObject::of(slot.share()));
                    l.raw_set_index(-2, n + 1);
                }
            }
            _ => l.push_nil(),
        }
    });
    found.ok_or_else(|| cx.wrong_type(1, "message"))?;
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
