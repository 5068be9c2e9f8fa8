//! Guards the border between Lua and the runtime: a call of a host function that answers at once,
//! beside a call of a Lua function for comparison.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const HOST_FUNCTION: &str = r#"
    local function main(n)
      for _ = 1, n do process.pid() end
    end
    return { main = main }"#;

/// Through a table, so that the compiler cannot inline it.
const LUA_FUNCTION: &str = r#"
    local functions = { pid = function() return "{app:processes|0x00001}" end }
    local function main(n)
      for _ = 1, n do functions.pid() end
    end
    return { main = main }"#;

fn lua_call(c: &mut Criterion) {
    let programs = [("host_function", HOST_FUNCTION), ("lua_function", LUA_FUNCTION)];
    let node = support::node(1, &programs);
    let mut group = c.benchmark_group("lua_call");
    for (program, _) in programs {
        group.bench_function(program, |b| {
            b.iter_custom(|n| support::timed(&node, program, support::SHARED, n, &[]));
        });
    }
    group.finish();
}

criterion_group!(benches, lua_call);
criterion_main!(benches);
