//! `uuid`: making and reading UUIDs. Specification 07, section 10.

use std::ffi::c_int;
use std::sync::OnceLock;

use uuid::{Uuid, Variant};

use crate::infra::error::Error;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Ret, host, push_functions};

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"v1", host(v1)),
            (c"v3", host(v3)),
            (c"v4", host(v4)),
            (c"v5", host(v5)),
            (c"v7", host(v7)),
            (c"validate", host(validate)),
            (c"version", host(version)),
            (c"variant", host(variant)),
            (c"parse", host(parse)),
            (c"format", host(format)),
        ],
    );
    l.set_read_only(-1, true);
}

/// What stands for the address of this node in version 1: random, marked as no hardware address.
fn node() -> &'static [u8; 6] {
    static NODE: OnceLock<[u8; 6]> = OnceLock::new();
    NODE.get_or_init(|| {
        let random = Uuid::new_v4().into_bytes();
        [random[0] | 1, random[1], random[2], random[3], random[4], random[5]]
    })
}

fn give(cx: &Cx, id: Uuid) -> Ret {
    cx.str(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
}

fn v1(cx: &mut Cx) -> Ret {
    give(cx, Uuid::now_v1(node()))
}

fn v4(cx: &mut Cx) -> Ret {
    give(cx, Uuid::new_v4())
}

fn v7(cx: &mut Cx) -> Ret {
    give(cx, Uuid::now_v7())
}

fn v3(cx: &mut Cx) -> Ret {
    of_name(cx, Uuid::new_v3)
}

fn v5(cx: &mut Cx) -> Ret {
    of_name(cx, Uuid::new_v5)
}

fn of_name(cx: &mut Cx, make: fn(&Uuid, &[u8]) -> Uuid) -> Ret {
    match (text(cx, 1), text(cx, 2)) {
        (Some(namespace), Some(name)) => match read(namespace) {
            Some(namespace) => give(cx, make(&namespace, name)),
            None => cx.fail(Error::invalid("invalid namespace UUID")),
        },
        _ => cx.fail(Error::invalid("namespace and name must be strings")),
    }
}

/// Argument `n` if it is a string; a number is none here.
fn text<'a>(cx: &Cx, n: c_int) -> Option<&'a [u8]> {
    (cx.l.type_of(n) == Type::String).then(|| cx.l.bytes(n)).flatten()
}

/// A UUID in one of its spellings: 36 characters, also in braces or behind `urn:uuid:`, or 32 digits.
fn read(text: &[u8]) -> Option<Uuid> {
    const URN: &[u8] = b"urn:uuid:";
    let bare = match text {
        [b'{', inner @ .., b'}'] => Some(inner),
        _ => text
            .split_at_checked(URN.len())
            .filter(|(prefix, _)| prefix.eq_ignore_ascii_case(URN))
            .map(|(_, rest)| rest),
    };
    let bare = match bare {
        Some(bare) if bare.len() == 36 => bare,
        Some(_) => return None,
        None if matches!(text.len(), 32 | 36) => text,
        None => return None,
    };
    Uuid::try_parse_ascii(bare).ok()
}

/// Reads argument 1, or returns the failure that the caller passes on.
macro_rules! id {
    ($cx:expr) => {
        match text($cx, 1).map(read) {
            Some(Some(id)) => id,
            Some(None) => return $cx.fail(Error::invalid("invalid UUID format")),
            None => return $cx.fail(Error::invalid("input must be a string")),
        }
    };
}

fn validate(cx: &mut Cx) -> Ret {
    let is_valid = text(cx, 1).is_some_and(|text| read(text).is_some());
    cx.bool(is_valid)
}

fn version(cx: &mut Cx) -> Ret {
    let id = id!(cx);
    cx.l.push_number(id.get_version_num() as f64);
    cx.values(1)
}

fn variant(cx: &mut Cx) -> Ret {
    let id = id!(cx);
    cx.str(variant_of(id))
}

fn variant_of(id: Uuid) -> &'static str {
    match id.get_variant() {
        Variant::RFC4122 => "RFC4122",
        Variant::Microsoft => "Microsoft",
        Variant::Future => "Future",
        Variant::NCS => "Reserved",
        _ => "Invalid",
    }
}

fn parse(cx: &mut Cx) -> Ret {
    let id = id!(cx);
    let l = cx.l;
    let version = id.get_version_num();
    l.new_table(0, 4);
    l.push_number(version as f64);
    l.set_field(-2, "version");
    l.push_str(variant_of(id));
    l.set_field(-2, "variant");
    if let (1 | 7, Some(timestamp)) = (version, id.get_timestamp()) {
        l.push_number(timestamp.to_unix().0 as f64);
        l.set_field(-2, "timestamp");
    }
    if version == 1 {
        l.push_bytes(&id.as_bytes()[10..]);
        l.set_field(-2, "node");
    }
    cx.values(1)
}

fn format(cx: &mut Cx) -> Ret {
    let id = id!(cx);
    let name = match cx.l.type_of(2) {
        Type::None | Type::Nil => Some(&b"standard"[..]),
        _ => text(cx, 2),
    };
    match name {
        Some(b"standard") => give(cx, id),
        Some(b"simple") => cx.str(id.simple().encode_lower(&mut Uuid::encode_buffer())),
        Some(b"urn") => cx.str(id.urn().encode_lower(&mut Uuid::encode_buffer())),
        _ => cx.fail(Error::invalid("unsupported format")),
    }
}
