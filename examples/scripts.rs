//! A program that others extend by scripts, while it runs: `cargo run --example scripts`.

use std::time::Duration;

use serde_json::json;
use wippy::{Caller, Changes, Result, Runtime, from_value};

const RATES: &str = "return { main = function() return { EUR = 1.25, GBP = 1.5 } end }";

/// What a user has written. It sees of the program what policies let its user see.
const SCRIPT: &str = r#"
local funcs = require("funcs")
return { main = function(price, currency)
    local rates, err = funcs.call("shop:rates")
    if err then return nil, err end
    return price * rates[currency]
end }"#;

fn main() -> Result<()> {
    let rule = json!({ "actions": "funcs.call", "resources": "shop:rates", "effect": "allow" });
    let runtime = Runtime::builder()
        .entry("shop:rates", "function.lua", json!({ "method": "main", "source": RATES }))
        .entry("shop:may_read_rates", "security.policy", json!({ "policy": rule }))
        .start()?;
    let timeout = Duration::from_secs(10);

    // A script that cannot run is refused, and has changed nothing.
    let install = |source: &str| {
        let fields = json!({ "method": "main", "source": source, "modules": ["funcs"] });
        runtime.apply(Changes::new().create("user:price", "function.lua", fields)).wait(timeout)
    };
    let refused = install("return { main = function(price) price * 2 end }").unwrap_err();
    println!("refused: {refused}");
    println!("installed: {}", install(SCRIPT)?.id);

    // It acts for the one who calls it, so what it may do depends on that.
    for (user, policies) in [("ada", vec!["shop:may_read_rates"]), ("eve", vec![])] {
        let user = Caller::new().actor(user, ()).policies(policies);
        match runtime.call_as(&user, "user:price", (80, "EUR")).wait(timeout) {
            Ok(price) => println!("EUR {}", from_value::<f64>(price)?),
            Err(error) => println!("{}: {error}", error.kind().as_str()),
        }
    }
    Ok(())
}

#[test]
fn runs() -> Result<()> {
    main()
}
