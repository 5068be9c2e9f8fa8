//! What types become, and come back from.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::infra::error::Kind;
use crate::infra::transcoder::Map;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    note: Option<String>,
    lines: Vec<(String, f64)>,
    by_number: BTreeMap<u8, bool>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Nothing,
    Circle(f64),
    Box(i32, i32),
    Named { name: String },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Metres(f64);

#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(data: T, value: Value) {
    assert_eq!(to_value(&data), Ok(value.clone()));
    assert_eq!(from_value(value), Ok(data));
}

fn list(items: impl IntoIterator<Item = Value>) -> Value {
    Value::List(items.into_iter().collect())
}

#[test]
fn there_and_back() {
    check((), Value::Nil);
    check(true, Value::Bool(true));
    check(-3i8, Value::Int(-3));
    check(u64::from(u32::MAX), Value::Int(4_294_967_295));
    check(0.5f32, Value::Float(0.5));
    check('ß', "ß".into());
    check("text".to_owned(), "text".into());
    check(None::<i32>, Value::Nil);
    check(Some(1), Value::Int(1));
    check(vec![1, 2], list([1.into(), 2.into()]));
    check((1, "a".to_owned()), list([1.into(), "a".into()]));
    check(Metres(2.5), Value::Float(2.5));
    check(Shape::Nothing, "Nothing".into());
    check(Shape::Circle(1.5), Value::from([("Circle", 1.5.into())]));
    check(Shape::Box(1, 2), Value::from([("Box", list([1.into(), 2.into()]))]));
    let named = Value::from([("Named", Value::from([("name", "x".into())]))]);
    check(Shape::Named { name: "x".into() }, named);
    let order = Order {
        id: 7,
        note: None,
        lines: vec![("tea".into(), 2.5)],
        by_number: BTreeMap::from([(3, true)]),
    };
    let value = Value::from([
        ("id", Value::Int(7)),
        ("note", Value::Nil),
        ("lines", list([list(["tea".into(), 2.5.into()])])),
        ("by_number", Value::from([("3", true.into())])),
    ]);
    check(order, value);
    check(serde_json::json!({"a": [1, null, "x"], "b": {}}), {
        let a = list([1.into(), Value::Nil, "x".into()]);
        Value::from([("a", a), ("b", Value::Map(Map::new()))])
    });
}

/// What programs send is not always what a type would have written.
#[test]
fn tables_of_lua_read_as_types_mean_them() {
    let empty = || [list([]), Value::Map(Map::new())];
    for value in empty() {
        assert_eq!(from_value::<Vec<i32>>(value), Ok(Vec::new()));
    }
    for value in empty() {
        assert_eq!(from_value::<HashMap<String, i32>>(value), Ok(HashMap::new()));
    }
    // Fields that are nil are not there; fields that no one asks for may be.
    let value = Value::from([
        ("id", Value::Int(1)),
        ("lines", Value::Map(Map::new())),
        ("by_number", list([])),
        ("more", Value::Bool(true)),
    ]);
    assert_eq!(from_value(value), Ok(Order { id: 1, ..Order::default() }));
    assert_eq!(from_value::<f64>(Value::Int(3)), Ok(3.0));
    assert_eq!(from_value::<String>(Value::Bytes(b"ok".to_vec())), Ok("ok".to_owned()));
}

#[test]
fn what_text_formats_lose() {
    assert_eq!(to_value(&f64::INFINITY), Ok(Value::Float(f64::INFINITY)));
    let bytes = Value::Bytes(vec![0xff, 0]);
    assert_eq!(to_value(&bytes), Ok(bytes.clone()));
    assert_eq!(from_value::<Value>(bytes.clone()), Ok(bytes));
    assert_eq!(to_value(&u64::MAX), Ok(Value::Float(u64::MAX as f64)));
    let error = Value::Error(Box::new(Error::not_found("no tea").context("order")));
    assert_eq!(to_value(&error), Ok("order: no tea".into()));
}

#[track_caller]
fn check_refused<T: DeserializeOwned + Debug>(value: Value, message: &str) {
    let error = from_value::<T>(value).expect_err("refused");
    assert_eq!((error.kind(), error.to_string().as_str()), (&Kind::Invalid, message));
}

#[test]
fn other_shapes_are_refused() {
    check_refused::<i32>("x".into(), "invalid type: string \"x\", expected i32");
    check_refused::<u8>(300.into(), "invalid value: integer `300`, expected u8");
    check_refused::<i64>(0.5.into(), "invalid type: floating point `0.5`, expected i64");
    check_refused::<Vec<i32>>(1.into(), "invalid type: integer `1`, expected a sequence");
    check_refused::<(i32, i32)>(list([1.into()]), "invalid length 1, expected a tuple of size 2");
    check_refused::<[i32; 1]>(
        list([1.into(), 2.into()]),
        "invalid length 2, expected 1 element in sequence",
    );
    check_refused::<Order>(Value::Map(Map::new()), "missing field `id`");
    check_refused::<Shape>(5.into(), "a variant is text or a map with one key, not an integer");
    check_refused::<Shape>("Circle".into(), "the variant needs content");
    check_refused::<Shape>(
        "Ring".into(),
        "unknown variant `Ring`, expected one of `Nothing`, `Circle`, `Box`, `Named`",
    );
    check_refused::<BTreeMap<u8, bool>>(
        Value::from([("x", true.into())]),
        "invalid type: string \"x\", expected u8",
    );
}

#[test]
fn depth_is_bounded() {
    let nested = |levels| (0..levels).fold(Value::Nil, |value, _| list([value]));
    let mut deepest = nested(DEPTH_MAX);
    assert_eq!(to_value(&deepest), Ok(deepest.clone()));
    assert_eq!(from_value::<Value>(deepest.clone()), Ok(deepest.clone()));
    deepest = list([deepest]);
    let message = format!("data nests deeper than {DEPTH_MAX} levels");
    assert_eq!(to_value(&deepest).expect_err("refused").to_string(), message);
    check_refused::<Value>(deepest, &message);
    let odd = HashMap::from([((1, 2), 3)]);
    let error = to_value(&odd).expect_err("a tuple as key");
    assert_eq!(error.to_string(), "a key must be text, not a list");
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_filter("equal to itself", |x| !x.is_nan()).prop_map(Value::Float),
        "\\PC{0,8}".prop_map(Value::Str),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::List),
            prop::collection::btree_map("[a-z0-9]{0,4}", inner, 0..6)
                .prop_map(|map| Value::Map(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn values_are_themselves(value in values()) {
        prop_assert_eq!(to_value(&value), Ok(value.clone()));
        prop_assert_eq!(from_value::<Value>(value.clone()), Ok(value));
    }
}
