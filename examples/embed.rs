//! A Rust program with Lua processes in it: `cargo run --example embed`.

use std::time::Duration;

use wippy::{Result, Runtime, from_value};

const ENTRIES: &str = "
namespace: app
entries:
  - { name: hosts, kind: process.host, lifecycle: { auto_start: true } }
  - { name: add, kind: function.lua, method: main, source: 'file://add.lua' }
  - { name: greeter, kind: process.lua, source: 'file://greeter.lua' }
";

const ADD: &str = "return { main = function(a, b) return a + b end }";

const GREETER: &str = r#"
return { main = function(greeting)
    local message = process.inbox():receive()
    local name = message:payload():data()
    process.send(message:from(), "greeting", greeting .. ", " .. name)
end }"#;

fn main() -> Result<()> {
    let builder = Runtime::builder().entries_from_str(ENTRIES);
    let runtime = builder.source("add.lua", ADD).source("greeter.lua", GREETER).start()?;

    let timeout = Duration::from_secs(10);
    let sum: i64 = from_value(runtime.call("app:add", (1, 2)).wait(timeout)?)?;
    println!("1 + 2 = {sum}");

    let greeter = runtime.spawn("app:greeter", "app:hosts", "Good morning").wait(timeout)?;
    let endpoint = runtime.endpoint()?;
    endpoint.send(greeter.pid(), "name", "Ada", timeout)?;
    let greeting: String = endpoint.receive(timeout)?.payload()?;
    println!("{greeting}");

    runtime.shutdown();
    Ok(())
}
