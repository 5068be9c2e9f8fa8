//! Functions and libraries that programs find in the registry.

use wippy::core::registry::{Entry, EntryId};
use wippy::infra::transcoder::Value;

/// An entry with fields as text pairs; `modules` is a list, the others are texts or tables.
pub fn entry(id: &str, kind: &str, source: &str, more: &[(&str, Value)]) -> Entry {
    let mut data = vec![("source".to_owned(), Value::from(source))];
    if kind == "function.lua" {
        data.push(("method".to_owned(), "main".into()));
    }
    data.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let meta = Default::default();
    Entry {
        id: EntryId::parse(id),
        kind: kind.into(),
        meta,
        data: Value::Map(data.into_iter().collect()),
    }
}

fn modules(names: &[&str]) -> (&'static str, Value) {
    ("modules", Value::List(names.iter().map(|name| Value::from(*name)).collect()))
}

fn function(name: &str, body: &str, more: &[(&str, Value)]) -> Entry {
    let source = format!("return {{main = function(...)\n{body}\nend}}");
    entry(&format!("fn:{name}"), "function.lua", &source, more)
}

pub fn entries() -> Vec<Entry> {
    let inline = ("pool", Value::from([("type", "inline".into())]));
    let wide = ("pool", Value::from([("type", "lazy".into()), ("max_size", 200_000.into())]));
    let mut preset =
        function("preset", "return funcs.call('fn:flaky', ...)", &[modules(&["funcs"])]);
    let retry = Value::from([("max_attempts", 3.into()), ("initial_delay", 1.into())]);
    preset.meta = [("options".to_owned(), Value::from([("retry", retry)]))].into_iter().collect();
    let mut worker = entry(
        "fn:process",
        "process.lua",
        "return {main = function(x) if x == nil then error('nothing given') end return x * 2, process.pid() ~= nil end}",
        &[],
    );
    worker.meta = [("default_host".to_owned(), "app:processes".into())].into_iter().collect();
    let mut homeless = worker.clone();
    homeless.id = EntryId::parse("fn:homeless");
    homeless.meta = [("default_host".to_owned(), "app:nowhere".into())].into_iter().collect();
    let mut methodless = entry("fn:methodless", "process.lua", "return {}", &[]);
    methodless.meta = worker.meta.clone();
    vec![
        homeless,
        methodless,
        function("echo", "return ...", &[]),
        function("second", "return ...", &[]),
        function(
            "fail",
            "local how = ...
            if how == 'text' then return 1, 'failed' end
            if how == 'empty' then return 1, '' end
            if how == 'raise' then error('raised') end
            local problem = errors.new{message = 'typed', kind = errors.CONFLICT, retryable = true, details = {n = 7, list = {1, 2}}}
            if how == 'raise typed' then error(problem) end
            if how == 'deadlock' then channel.select{} end
            if how == 'linked' then
                process.spawn_linked('fn:process', 'app:processes')
                channel.new():receive()
            end
            if how == 'kindless' then return nil, errors.new('kindless') end
            return nil, problem",
            &[],
        ),
        entry(
            "fn:count",
            "function.lua",
            "local n = 0
            calls = 0
            return {main = function(other)
                n += 1
                calls += 1
                if other then return {n, funcs.call('fn:count')} end
                return {n, calls}
            end}",
            &[inline.clone(), modules(&["funcs"])],
        ),
        entry(
            "fn:flaky",
            "function.lua",
            "local n = 0
            return {main = function(wanted)
                n += 1
                if n < wanted then return nil, errors.new{message = 'not yet', kind = errors.UNAVAILABLE, retryable = true} end
                local tries = n
                n = 0
                return tries
            end}",
            &[inline],
        ),
        preset,
        worker,
        function(
            "narrow",
            "local boss, n = ...
            process.send(boss, 'ready', process.pid())
            process.inbox():receive()
            return n",
            &[("pool", Value::from([("workers", 1.into()), ("buffer", 2.into())]))],
        ),
        function("values", "return (ctx.all())", &[modules(&["ctx"])]),
        function("deep", "return funcs.call('fn:values')", &[modules(&["funcs"])]),
        function("sleep", "time.sleep(...) return 'woke'", &[modules(&["time"]), wide.clone()]),
        function("forever", "local name, to = ...
            if name then process.registry.register(name) end
            if to then process.send(to, 'ready', process.pid()) end
            process.inbox():receive()", &[wide]),
        function("identity", "return {process.pid(), process.id()}", &[]),
        function("undeclared", "return require('funcs')", &[]),
        function("sum", "local total = 0 for _, n in {...} do total += n end return total", &[]),
        entry("lib:base", "library.lua", "loads = (loads or 0) + 1 return {name = 'base', twice = function(x) return x * 2 end}", &[]),
        entry(
            "lib:top",
            "library.lua",
            "assert(base.name == 'base') return {four = function(x) return base.twice(base.twice(x)) end, now = time.now}",
            &[("imports", Value::from([("base", "lib:base".into())])), modules(&["time"])],
        ),
        function(
            "uses",
            "local x = ...
            assert(require('top') == top and require('base') == base and top.now() and time.now())
            assert(clock == time and loads == 1)
            return top.four(x)",
            &[("imports", Value::from([("top", "lib:top".into()), ("clock", "time".into())]))],
        ),
    ]
}
