//! Schemas and what they accept, keyword by keyword.

use crate::infra::json_schema::Schema;
use crate::infra::transcoder::{Value, json};

fn tree(text: &str) -> Value {
    json::decode(text.as_bytes(), 1 << 24).unwrap()
}

#[track_caller]
fn check(schema: &str, fitting: &[&str], others: &[&str]) {
    let compiled = Schema::compile(tree(schema)).unwrap_or_else(|problem| panic!("{problem}"));
    for data in fitting {
        assert_eq!(compiled.validate(&tree(data)), Ok(()), "{schema}: {data}");
    }
    for data in others {
        assert!(compiled.validate(&tree(data)).is_err(), "{schema}: {data}");
    }
}

#[test]
fn types_and_values() {
    check("true", &["1", "null"], &[]);
    check("false", &[], &["1", "null"]);
    check(r#"{"type":"integer"}"#, &["1", "30.0", "-1e3"], &["1.5", "\"1\"", "null"]);
    check(r#"{"type":"number"}"#, &["1", "1.5"], &["\"1\"", "true"]);
    check(r#"{"type":["string","null"]}"#, &["\"\"", "null"], &["1", "[]"]);
    check(r#"{"type":"object"}"#, &["{}"], &["[]"]);
    check(r#"{"type":"array"}"#, &["[]"], &["{}"]);
    check(r#"{"enum":[1,"a",{"b":[null]}]}"#, &["1", "1.0", r#"{"b":[null]}"#], &["2", "[]"]);
    check(r#"{"const":{"a":1,"b":2}}"#, &[r#"{"b":2,"a":1.0}"#], &[r#"{"a":1}"#]);
    check(r#"{"const":false}"#, &["false"], &["0", "[]", "null"]);
}

#[test]
fn numbers() {
    check(r#"{"minimum":1,"exclusiveMaximum":3}"#, &["1", "2.9", "\"x\""], &["0.9", "3"]);
    check(r#"{"exclusiveMinimum":1,"maximum":3}"#, &["1.1", "3"], &["1", "3.1"]);
    check(r#"{"multipleOf":2}"#, &["4", "-2", "0"], &["3", "1.5"]);
    check(r#"{"multipleOf":0.01}"#, &["4.02", "0.07", "19.99"], &["4.021", "1e-5"]);
    check(r#"{"multipleOf":0.0001}"#, &["0.0075"], &["0.00751"]);
    check(r#"{"multipleOf":0.123456789}"#, &[], &["1e308"]);
}

#[test]
fn texts() {
    check(r#"{"minLength":2,"maxLength":3}"#, &["\"äö\"", "\"abc\"", "1"], &["\"a\"", "\"abcd\""]);
    check(r#"{"pattern":"^a+$"}"#, &["\"aa\"", "1"], &["\"ba\""]);
    check(r#"{"pattern":"b"}"#, &["\"abc\""], &["\"ac\""]);
    check(r#"{"format":"email"}"#, &["\"no address\""], &[]);
}

#[test]
fn lists() {
    check(r#"{"items":{"type":"string"}}"#, &["[]", "[\"a\"]", "1"], &["[1]"]);
    check(
        r#"{"prefixItems":[{"type":"string"},{"type":"number"}],"items":false}"#,
        &["[]", "[\"a\"]", "[\"a\",1]"],
        &["[1]", "[\"a\",1,2]"],
    );
    check(r#"{"minItems":1,"maxItems":2}"#, &["[1]", "[1,2]"], &["[]", "[1,2,3]"]);
    check(
        r#"{"uniqueItems":true}"#,
        &["[1,2,true]", "[]"],
        &["[1,2,1.0]", "[{\"a\":1},{\"a\":1}]"],
    );
    check(r#"{"contains":{"const":1}}"#, &["[0,1]"], &["[]", "[0]"]);
    check(r#"{"contains":{"const":1},"minContains":0}"#, &["[]"], &[]);
    check(
        r#"{"contains":{"const":1},"minContains":2,"maxContains":3}"#,
        &["[1,1]"],
        &["[1]", "[1,1,1,1]"],
    );
    check(
        r#"{"prefixItems":[true],"contains":{"const":1},"unevaluatedItems":false}"#,
        &["[0,1]", "[5,1,1]"],
        &["[0,1,2]"],
    );
}

#[test]
fn objects() {
    check(
        r#"{"properties":{"a":{"type":"number"}},"required":["a"],"additionalProperties":false}"#,
        &[r#"{"a":1}"#, "[]"],
        &["{}", r#"{"a":"x"}"#, r#"{"a":1,"b":1}"#],
    );
    check(
        r#"{"patternProperties":{"^x_":{"type":"string"}},"additionalProperties":{"type":"number"}}"#,
        &[r#"{"x_a":"s","b":1}"#],
        &[r#"{"x_a":1}"#, r#"{"b":"s"}"#],
    );
    check(r#"{"minProperties":1,"maxProperties":1}"#, &[r#"{"a":1}"#], &["{}", r#"{"a":1,"b":1}"#]);
    check(r#"{"propertyNames":{"maxLength":1}}"#, &[r#"{"a":1}"#], &[r#"{"ab":1}"#]);
    check(r#"{"dependentRequired":{"a":["b"]}}"#, &["{}", r#"{"a":1,"b":1}"#], &[r#"{"a":1}"#]);
    check(
        r#"{"dependentSchemas":{"a":{"required":["b"]}}}"#,
        &[r#"{"b":1}"#, r#"{"a":1,"b":1}"#],
        &[r#"{"a":1}"#],
    );
    check(
        r#"{"allOf":[{"properties":{"a":true}}],"anyOf":[{"required":["b"],"properties":{"b":true}},
            true],"unevaluatedProperties":false}"#,
        &["{}", r#"{"a":1}"#, r#"{"a":1,"b":1}"#],
        &[r#"{"c":1}"#],
    );
}

#[test]
fn schemas_of_schemas() {
    check(r#"{"allOf":[{"minimum":1},{"maximum":2}]}"#, &["1"], &["0", "3"]);
    check(r#"{"anyOf":[{"type":"string"},{"minimum":2}]}"#, &["\"a\"", "2"], &["1"]);
    check(r#"{"oneOf":[{"multipleOf":2},{"multipleOf":3}]}"#, &["2", "9"], &["6", "5"]);
    check(r#"{"not":{"type":"string"}}"#, &["1"], &["\"a\""]);
    check(
        r#"{"if":{"type":"string"},"then":{"minLength":2},"else":{"minimum":2}}"#,
        &["\"ab\"", "2"],
        &["\"a\"", "1"],
    );
}

#[test]
fn references() {
    check(
        r##"{"$defs":{"a/b%c":{"type":"string"}},"$ref":"#/$defs/a~1b%25c"}"##,
        &["\"a\""],
        &["1"],
    );
    let list =
        r##"{"type":"object","properties":{"next":{"$ref":"#"}},"additionalProperties":false}"##;
    check(list, &[r#"{"next":{"next":{}}}"#], &[r#"{"next":{"nxt":{}}}"#, r#"{"next":1}"#]);
    check(
        r##"{"$defs":{"x":{"$anchor":"here","type":"null"}},"$ref":"#here"}"##,
        &["null"],
        &["1"],
    );
    check(
        r##"{"$id":"http://x/root","$defs":{"a":{"$id":"inner","type":"string",
            "$defs":{"n":{"type":"number"}}}},"anyOf":[{"$ref":"inner"},{"$ref":"inner#/$defs/n"}]}"##,
        &["\"a\"", "1"],
        &["null"],
    );
    // A tree whose inner nodes follow the outermost schema that extends it.
    check(
        r##"{"$id":"http://x/strict","$dynamicAnchor":"node","$ref":"tree",
            "unevaluatedProperties":false,"$defs":{"tree":{"$id":"tree","$dynamicAnchor":"node",
            "properties":{"data":true,"children":{"items":{"$dynamicRef":"#node"}}}}}}"##,
        &[r#"{"children":[{"data":1}]}"#],
        &[r#"{"children":[{"daat":1}]}"#],
    );
}

#[track_caller]
fn check_problem(schema: &str, text: &str) {
    let problem = Schema::compile(tree(schema)).unwrap_err().to_string();
    assert!(problem.contains(text), "{problem}");
}

#[test]
fn wrong_schemas() {
    check_problem("1", "an object or a boolean");
    check_problem(r#"{"type":"strin"}"#, "at '/type': \"strin\" is no type");
    check_problem(r#"{"type":1}"#, "at '/type'");
    check_problem(r#"{"pattern":"("}"#, "at '/pattern'");
    check_problem(r#"{"pattern":"(?=a)"}"#, "at '/pattern'");
    check_problem(r#"{"minLength":-1}"#, "at '/minLength'");
    check_problem(r#"{"allOf":[]}"#, "at '/allOf'");
    check_problem(r#"{"properties":{"a":1}}"#, "at '/properties/a'");
    check_problem(r#"{"required":"a"}"#, "at '/required'");
    check_problem(r##"{"$ref":"#/nowhere"}"##, "there is nothing");
    check_problem(r#"{"$ref":"http://elsewhere"}"#, "leads nowhere");
    check_problem(r#"{"multipleOf":0}"#, "greater than 0");
}

#[test]
fn failures_say_where() {
    let schema = Schema::compile(tree(r#"{"properties":{"a":{"items":{"minimum":1}}}}"#)).unwrap();
    let failure = schema.validate(&tree(r#"{"a":[2,0]}"#)).unwrap_err().to_string();
    assert_eq!(failure, "at '/a/1': minimum: got 0, want 1");
}

/// On a stack as large as a worker's.
#[test]
fn hostile_schemas_end() {
    let worker = std::thread::Builder::new().stack_size(16 << 20).spawn(hostile_schemas).unwrap();
    worker.join().unwrap();
}

fn hostile_schemas() {
    let doubling = |n: usize| {
        let defs: Vec<String> = (0..n)
            .map(|i| {
                let next = format!("{{\"$ref\":\"#/$defs/d{}\"}}", i + 1);
                format!("\"d{i}\":{{\"allOf\":[{next},{next}]}}")
            })
            .collect();
        format!("{{\"$defs\":{{{},\"d{n}\":true}},\"$ref\":\"#/$defs/d0\"}}", defs.join(","))
    };
    check(&doubling(10), &["1"], &[]);
    check(&doubling(60), &[], &["1"]);
    check(r##"{"$ref":"#"}"##, &[], &["1"]);
    check(r##"{"anyOf":[{"$ref":"#"},true]}"##, &[], &["1"]);
    check(r##"{"not":{"$ref":"#"}}"##, &[], &["1"]);
    let many = format!("[{}0]", (0..100_000).map(|n| format!("{n},")).collect::<String>());
    check(r#"{"uniqueItems":true}"#, &[], &[&many]);
    check_problem(r#"{"pattern":"((a{100}){100}){100}"}"#, "at '/pattern'");
    // As deep as JSON goes, along references.
    let deep = format!("{}{}", "[".repeat(128), "]".repeat(128));
    check(r##"{"items":{"allOf":[{"$ref":"#"}]}}"##, &[&deep], &[]);
    let chain: String =
        (0..2_000).map(|n| format!("\"d{n}\":{{\"$ref\":\"#/$defs/d{}\"}},", n + 1)).collect();
    check_problem(
        &format!("{{\"$defs\":{{{chain}\"d2000\":true}},\"$ref\":\"#/$defs/d0\"}}"),
        "too deeply",
    );
}
