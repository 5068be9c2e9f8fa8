//! `ctx`: the context values of the running process. Specification 01, section 11.

use crate::infra::error::Error;
use crate::runtime::engine::raw::State;
use crate::runtime::engine::{Cx, Ret, host, push_functions, value};

pub fn open(l: State) {
    push_functions(l, &[(c"get", host(get)), (c"all", host(all))]);
    l.set_read_only(-1, true);
}

/// A fresh copy each time: changing it affects nobody.
fn get(cx: &mut Cx) -> Ret {
    let key = cx.string(1)?;
    if key.is_empty() {
        return cx.fail(Error::invalid("empty key"));
    }
    let l = cx.l;
    match cx.frame().as_ref().and_then(|frame| frame.values.get(&key)) {
        Some(found) => value::push(l, found),
        None => return cx.fail(Error::not_found(format!("key not found: {key}"))),
    }
    cx.values(1)
}

fn all(cx: &mut Cx) -> Ret {
    let l = cx.l;
    match cx.frame() {
        Some(frame) => value::push_map(l, &frame.values),
        None => l.new_table(0, 0),
    }
    cx.values(1)
}

#[cfg(test)]
mod tests {
    use crate::infra::transcoder::Value;
    use crate::runtime::modules::testing::{Setting, check_lua_in};
    use crate::system::frame::Frame;

    #[test]
    fn values_are_inherited_at_any_depth() {
        let mut frame = Frame::default();
        let list = Value::List(vec![Value::Int(1), Value::Nil, Value::Int(3)]);
        frame.merge([("user".to_owned(), "ann".into()), ("list".to_owned(), list)]);
        let setting = Setting { frame: frame.share(), ..Setting::default() };
        check_lua_in(
            setting,
            r#"
            local depth = ...
            local ctx = require("ctx")
            assert(ctx.get("user") == "ann")
            local list = ctx.get("list")
            assert(list[1] == 1 and list[2] == nil and list[3] == 3)
            list[1] = "changed"
            assert(ctx.get("list")[1] == 1 and ctx.all().list[1] == 1)
            local value, problem = ctx.get("nothing")
            assert(value == nil and problem:kind() == errors.NOT_FOUND)
            if depth == 3 then return end
            local events = process.events()
            -- In this VM, and in others: a parent's first child stays with it.
            for _ = 1, 3 do
                process.spawn_monitored("app:test", "app:host", (depth or 0) + 1)
                local result = events:receive().result
                assert(not result.error, tostring(result.error))
            end
            "#,
        );
    }
}
