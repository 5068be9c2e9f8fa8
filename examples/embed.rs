//! A Rust program with Lua processes in it: `cargo run --example embed`.

use std::time::Duration;

use wippy::{Result, Runtime, from_value};

/// How long to wait for anything.
const LONG: Duration = Duration::from_secs(10);

const ENTRIES: &str = "
namespace: app
entries:
  - { name: hosts, kind: process.host, lifecycle: { auto_start: true } }
  - { name: add, kind: function.lua, method: main, source: 'file://add.lua' }
  - { name: greeter, kind: process.lua, source: 'file://greeter.lua' }
";

const ADD: &str = "return { main = function(a, b) return a + b end }";

const GREETER: &str = r#"
local function main(greeting)
    local message = process.inbox():receive()
    local name = message:payload():data()
    process.send(message:from(), "greeting", { text = greeting .. ", " .. name, length = #name })
    return "served " .. name
end
return { main = main }"#;

fn main() -> Result<()> {
    let builder = Runtime::builder().workers(2).entries_from_str(ENTRIES);
    let runtime = builder.source("add.lua", ADD).source("greeter.lua", GREETER).start()?;

    println!("1 + 2 = {}", from_value::<i64>(runtime.call("app:add", (1, 2)).wait(LONG)?)?);

    let greeter = runtime.spawn("app:greeter", "app:hosts", "Good morning").wait(LONG)?;
    let endpoint = runtime.endpoint()?;
    endpoint.send(greeter.pid(), "name", "Ada", LONG)?;
    let greeting: serde_json::Value = endpoint.receive(LONG)?.payload()?;
    println!("{greeting} from {}", greeter.pid());
    println!("{}", from_value::<String>(greeter.into_outcome().wait(LONG)?)?);

    runtime.shutdown();
    Ok(())
}

#[test]
fn runs() -> Result<()> {
    main()
}
